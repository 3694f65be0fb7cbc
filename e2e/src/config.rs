//! The configurations that the tests run the gateway with.

use std::net::SocketAddr;

/// A gateway in front of one node: every call with a `jobid` goes to `node`, found in the embedded store.
///
/// The second listener speaks TLS; `{certificate}` and `{private_key}` stand for its files.
pub const EMBEDDED: &str = "\
workers: 2
listeners:
  - address: 127.0.0.1:0
stores:
  jobs: { embedded: { path: '{directory}/jobs.redb' } }
upstreams:
  job-nodes:
    protocol: h2c
    lookup: { store: jobs, key: '{header.jobid}', allow: [127.0.0.0/8] }
routes:
  - name: jobs
    match: { headers: { jobid: { present: true } } }
    upstream: job-nodes
";

/// As [`EMBEDDED`], with the jobs in Redis.
pub fn redis(url: &str) -> String {
    EMBEDDED.replace(
        "embedded: { path: '{directory}/jobs.redb' }",
        &format!("redis: {{ url: '{url}', key: '{{key}}' }}"),
    )
}

/// A gateway that sends everything to fixed endpoints.
pub fn fixed(protocol: &str, endpoints: &[SocketAddr]) -> String {
    let endpoints: Vec<_> = endpoints.iter().map(|address| format!("'{address}'")).collect();
    format!(
        "\
workers: 2
listeners:
  - address: 127.0.0.1:0
upstreams:
  nodes:
    protocol: {protocol}
    endpoints: [{}]
routes:
  - name: all
    match: {{ path: {{ prefix: / }} }}
    upstream: nodes
",
        endpoints.join(", ")
    )
}
