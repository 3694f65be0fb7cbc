//! The configurations that the tests run the gateway with.

use std::net::SocketAddr;

use narrows_testkit::servers::Certificate;

/// Every call with a `jobid` goes to the node that the embedded store names.
pub fn embedded() -> String {
    jobs("embedded: { path: '{directory}/jobs.redb' }", "")
}

/// As [`embedded`], with the jobs in Redis.
pub fn redis(url: &str) -> String {
    jobs(&format!("redis: {{ url: '{url}', key: '{{key}}' }}"), "")
}

/// As [`embedded`], with a second listener that speaks TLS, and nodes that show this certificate.
pub fn embedded_tls(certificate: &Certificate) -> String {
    let (chain, key) = (certificate.certificate(), certificate.private_key());
    let (chain, key) = (chain.display(), key.display());
    let config = jobs(
        "embedded: { path: '{directory}/jobs.redb' }",
        &format!("    tls: {{ ca: {chain} }}\n"),
    );
    let plain = "  - address: 127.0.0.1:0\n";
    let tls = format!("{plain}    tls: {{ certificate: {chain}, private_key: {key} }}\n");
    config.replace(plain, &format!("{plain}{tls}"))
}

/// Every call goes to these nodes in turn, in plaintext.
pub fn fixed(endpoints: &[SocketAddr]) -> String {
    let endpoints: Vec<_> = endpoints.iter().map(|address| format!("'{address}'")).collect();
    format!(
        "\
workers: 2
listeners:
  - address: 127.0.0.1:0
upstreams:
  nodes: {{ protocol: h2c, endpoints: [{}] }}
routes:
  - name: all
    match: {{ path: {{ prefix: / }} }}
    upstream: nodes
",
        endpoints.join(", ")
    )
}

/// Every call goes to the nodes that this source names, in plaintext.
pub fn discovered(discovery: &str) -> String {
    format!(
        "\
workers: 2
state_directory: '{{directory}}/state'
listeners:
  - address: 127.0.0.1:0
upstreams:
  nodes: {{ protocol: h2c, discovery: {{ {discovery} }} }}
routes:
  - name: all
    match: {{ path: {{ prefix: / }} }}
    upstream: nodes
"
    )
}

fn jobs(store: &str, upstream: &str) -> String {
    format!(
        "\
workers: 2
listeners:
  - address: 127.0.0.1:0
stores:
  jobs: {{ {store} }}
upstreams:
  job-nodes:
    protocol: h2c
    lookup: {{ store: jobs, key: '{{header.jobid}}', allow: [127.0.0.0/8] }}
{upstream}routes:
  - name: jobs
    match: {{ headers: {{ jobid: {{ present: true }} }} }}
    upstream: job-nodes
"
    )
}
