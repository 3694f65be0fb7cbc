//! Sources of nodes: what they become, what lives through a reload, and what is wrong with one.

use super::*;
use crate::discovery::Place;

/// `GOOD` with the upstream `fixed` discovered so.
fn with(discovery: &str) -> String {
    let line = GOOD.lines().find(|line| line.contains("  fixed: {")).expect("the upstream");
    GOOD.replace(line, &format!("  fixed: {{ discovery: {discovery} }}"))
}

#[test]
fn sources_become_what_is_followed() {
    let text = with(
        "[{ file: { path: nodes.yaml }, hold: 5s }, { zookeeper: { servers: ['z:2181'], path: /a/ } }]",
    );
    let compiled = compiled(&text);
    let [wanted] = compiled.duties.discovered.as_slice() else { panic!("one upstream") };
    assert_eq!(&*wanted.upstream, "fixed");
    let places: Vec<_> =
        wanted.sources.iter().map(|s| (s.place.kind(), s.place.to_string())).collect();
    assert_eq!(places, [("file", "nodes.yaml".into()), ("zookeeper", "z:2181/a".into())]);
    assert_eq!(wanted.sources[0].rules.hold, Duration::from_secs(5));
    let Targets::Balanced(balanced) = &compiled.snapshot.upstreams[0].targets else {
        panic!("a set")
    };
    assert!(Arc::ptr_eq(&balanced.endpoints, &wanted.endpoints));
}

#[test]
fn the_same_sources_fill_the_same_set_after_a_reload() {
    let text = with("{ etcd: { endpoints: ['e:2379'], prefix: /a/ } }");
    let first = compiled(&text);
    let loaded = parse(Path::new("c.yaml"), &text, &|_| None).expect("a good file");
    let second = compile(&loaded, &first.next, &mut DryStores).expect("a good configuration");
    assert!(Arc::ptr_eq(
        &first.duties.discovered[0].endpoints,
        &second.duties.discovered[0].endpoints
    ));
    assert_eq!(first.duties.discovered[0].sources, second.duties.discovered[0].sources);
    let other = text.replace("/a/", "/b/");
    let loaded = parse(Path::new("c.yaml"), &other, &|_| None).expect("a good file");
    let third = compile(&loaded, &second.next, &mut DryStores).expect("a good configuration");
    assert_ne!(first.duties.discovered[0].sources, third.duties.discovered[0].sources);
    assert!(matches!(third.duties.discovered[0].sources[0].place, Place::Etcd(_)));
}

#[test]
fn tls_is_the_same_as_long_as_its_files_are() {
    let source =
        "etcd: { endpoints: ['e:2379'], prefix: /a/, tls: { insecure_skip_verify: true } }";
    let text = with(&format!("{{ {source} }}"));
    let first = compiled(&text);
    let loaded = parse(Path::new("c.yaml"), &text, &|_| None).expect("a good file");
    let second = compile(&loaded, &first.next, &mut DryStores).expect("a good configuration");
    assert_eq!(first.duties.discovered[0].sources, second.duties.discovered[0].sources);
}

#[test]
fn what_is_wrong_with_a_source_is_told_at_its_place() {
    for (discovery, fault) in [
        ("{}", "discovery: nothing says where nodes come from"),
        ("[]", "discovery: no sources; name at least one"),
        ("[{ file: { path: a } }, { hold: 1s }]", "discovery[1]: nothing says"),
        (
            "{ file: { path: a }, etcd: { endpoints: ['e:1'], prefix: /a } }",
            "only one of file, etcd",
        ),
        ("{ dns: { name: a..b, port: 1 } }", "dns.name: expected a name"),
        ("{ dns: { name: a } }", "dns.port: records of addresses have no port"),
        ("{ dns: { name: a, type: srv, port: 1 } }", "dns.port: SRV records say the port"),
        ("{ dns: { name: a, port: 1, ttl_min: 99ms } }", "dns.ttl_min: must be at least 100ms"),
        ("{ dns: { name: a, port: 1, ttl_max: 500ms } }", "dns.ttl_max: must not be less"),
        ("{ redis_set: { key: a } }", "redis_set: nothing says where Redis is"),
        ("{ redis_set: { url: 'redis://h', key: '' } }", "redis_set.key: expected the key"),
        (
            "{ redis_set: { url: 'redis://h', key: a, poll_interval: 99ms } }",
            "redis_set.poll_interval: must be at least",
        ),
        ("{ redis_set: { urls: ['redis://h'], key: a, database: 1 } }", "only database 0"),
        (
            "{ kubernetes: { service: 'a&b', port: grpc, plaintext: true } }",
            "kubernetes.service: expected a name",
        ),
        (
            "{ kubernetes: { service: a, port: '', plaintext: true } }",
            "kubernetes.port: expected the name",
        ),
        (
            "{ kubernetes: { service: a, port: b, plaintext: true, tls: {} } }",
            "kubernetes.tls: plain",
        ),
        ("{ zookeeper: { servers: [], path: /a } }", "zookeeper.servers: no servers"),
        (
            "{ zookeeper: { servers: ['grpc://z:1'], path: /a } }",
            "zookeeper.servers[0]: write host",
        ),
        ("{ zookeeper: { servers: ['z:1'], path: a } }", "zookeeper.path: expected a path"),
        ("{ zookeeper: { servers: ['z:1'], path: /a//b } }", "zookeeper.path: expected a path"),
        ("{ zookeeper: { servers: ['z:1'], path: / } }", "zookeeper.path: expected a path"),
        (
            "{ zookeeper: { servers: ['z:1'], path: /a, session_timeout: 10m } }",
            "zookeeper.session_timeout: must be from",
        ),
        (
            "{ zookeeper: { servers: ['z:1'], path: /a, username: u } }",
            "zookeeper: username and password belong together",
        ),
        ("{ etcd: { endpoints: ['e:1'], prefix: '' } }", "etcd.prefix: it is empty"),
        (
            "{ etcd: { endpoints: ['e:1'], prefix: /a, tls: { ca: none.pem } } }",
            "etcd.tls.ca: can not read none.pem",
        ),
    ] {
        let errors = errors(&with(discovery));
        assert!(errors.iter().any(|error| error.contains(fault)), "{discovery}: {errors:?}");
    }
}
