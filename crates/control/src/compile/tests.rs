//! Configurations in, snapshots or faults out.
//!
//! As with loading, texts of faults are compared exactly and whole. See `tests/tls.rs` for
//! certificates and `tests/examples.rs` for the files in `examples/`.

mod balancing;
mod discovery;
mod examples;
mod filters;
mod forwarding;
mod register;
mod retry;
mod tls;
mod together;
mod transcode;

use std::path::Path;
use std::sync::Arc;

use narrows_gateway::lookup::{Cached, Outcome};
use narrows_gateway::snapshot::{OnMissing, Targets};
use narrows_wire::{Time, h2};

use super::*;
use crate::config::{CallTimeouts, ListenerConfig, ListenerHttp2, UpstreamHttp2, parse};

/// A configuration without faults, to which cases add keys.
const GOOD: &str = "\
workers: 2
listeners: [{ address: 127.0.0.1:0 }]
stores: { jobs: { embedded: { path: jobs.redb } } }
upstreams:
  nodes: { lookup: { store: jobs, key: '{header.jobid}', allow: [10.0.0.0/8] } }
  fixed: { endpoints: ['10.0.0.1:1', { address: 'h:2', weight: 3 }] }
routes:
  - { name: jobs, match: { headers: { jobid: { present: true } } }, upstream: nodes }
  - { name: rest, upstream: fixed }
";

#[test]
fn a_configuration_becomes_what_the_workers_use() {
    let compiled = compiled(GOOD);
    assert_eq!(compiled.warnings, []);
    let snapshot = compiled.snapshot;
    assert_eq!(snapshot.listeners.len(), 1);
    assert_eq!(&*snapshot.listeners[0].name, "127.0.0.1:0");
    assert_eq!(snapshot.access_log, AccessLog::Off);
    let names: Vec<&str> = snapshot.upstreams.iter().map(|upstream| &*upstream.name).collect();
    assert_eq!(names, ["fixed", "nodes"]);
    let Targets::Balanced(fixed) = &snapshot.upstreams[0].targets else { panic!("fixed") };
    let member = &fixed.endpoints.entries()[1].member;
    assert_eq!((member.target.to_string(), member.weight), ("h:2".into(), 3));
    let Targets::Lookup(lookup) = &snapshot.upstreams[1].targets else { panic!("lookup") };
    assert_eq!(lookup.on_missing, OnMissing::Fail);
    assert!(lookup.store.complete);
    assert!(lookup.allow.contains([10, 1, 2, 3].into()));
    assert!(snapshot.upstreams[1].protocol.tls.is_none());
}

#[test]
fn listeners_that_let_the_system_choose_a_port_have_names_of_their_own() {
    let text = GOOD.replace(
        "[{ address: 127.0.0.1:0 }]",
        "[{ address: 127.0.0.1:0 }, { address: 127.0.0.1:0 }, { address: '[::1]:0' }]",
    );
    let listeners = compiled(&text).snapshot.listeners;
    let names: Vec<&str> = listeners.iter().map(|listener| &*listener.name).collect();
    assert_eq!(names, ["127.0.0.1:0", "127.0.0.1:0#2", "[::1]:0"]);
}

#[test]
fn defaults_are_those_of_the_engine_unless_they_say_otherwise() {
    let (listener, upstream) = (ListenerHttp2::default(), UpstreamHttp2::default());
    let engine = h2::Config::default();
    for (written, bytes) in [
        (listener.initial_window, engine.initial_window_bytes),
        (upstream.initial_window, engine.initial_window_bytes),
        (listener.stream_window_max, engine.stream_window_bytes_max),
        (upstream.stream_window_max, engine.stream_window_bytes_max),
        (listener.connection_window, engine.connection_window_bytes),
        (upstream.connection_window, engine.connection_window_bytes),
        (listener.header_bytes_max, engine.section.bytes_max),
        (upstream.header_bytes_max, engine.section.bytes_max),
    ] {
        assert_eq!(written.0, u64::from(bytes));
    }
    assert_eq!(listener.header_fields_max, engine.section.fields_max);
    let timeouts = ListenerConfig::default().timeouts;
    assert_eq!(timeouts.write.0, engine.stall_timeout);
    assert_eq!(timeouts::write(&CallTimeouts::default()), engine.stall_timeout);
    assert_eq!(timeouts.preface.0, engine.preface_timeout);
    assert_eq!(timeouts.settings.0, engine.settings_timeout);
    assert_eq!(timeouts.parse.0, engine.header_timeout);
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let text = "\
listeners:
  - { address: 127.0.0.1:9901 }
  - { address: 127.0.0.1:1 }
  - { address: 127.0.0.1:1, http2: { initial_window: 3GiB, header_bytes_max: 1 } }
stores:
  a: { embedded: { path: x } }
  b: { embedded: { path: x } }
  'c d': { redis: { key: job, urls: ['redis://h'], database: 3, value: { hash: {} } } }
  e: { redis: { url: 'redis://h', urls: ['redis://h'] } }
upstreams:
  jobs: {}
  a: { lookup: { store: aa, key: '{nope}', allow: [], on_missing: { fallback: job } } }
  b: { lookup: { store: a, key: k, allow: [::/0], on_missing: { fallback: c } } }
  c: { lookup: { store: a, key: k, allow: [::/0], on_missing: { fallback: b } }, endpoints: ['h:1'] }
  d: { endpoints: ['h:1'], tls: { certificate: /x, server_name: 'a b', ca: /none } }
routes:
  - { name: r, upstream: jobz, match: { path: { exact: a } } }
  - { name: r, upstream: jobs, match: { path: { regex: '(' }, methods: [P, 'G T'] } }
  - { name: s, upstream: jobs, match: { headers: { ':path': a, b: { regex: '[' } } } }
  - { name: t, upstream: jobs, match: { authorities: ['*'], grpc: { service: a/b } } }
  - { name: u, upstream: jobs, message_bytes_max: 5GiB, replay_bytes_max: 1GiB }
  - { name: v, upstream: jobs }
";
    let expected = [
        "c.yaml:1:1: admin.address: listeners[0] already listens on 127.0.0.1:9901",
        "c.yaml:4:16: listeners[2].address: listeners[1] already listens on 127.0.0.1:1",
        "c.yaml:4:36: listeners[2].http2.stream_window_max: must not be less than \
         initial_window, which is 3GiB",
        "c.yaml:4:54: listeners[2].http2.initial_window: must be at most 2GiB",
        "c.yaml:4:78: listeners[2].http2.header_bytes_max: must be at least 1KiB",
        "c.yaml:7:26: stores.b.embedded.path: the store \"a\" already keeps its table there",
        "c.yaml:8:10: stores.c d: \"c d\" is no name; a name has 1 to 128 letters, digits, \
         -, _, or .",
        "c.yaml:8:26: stores.c d.redis.key: must hold {key} exactly once, in place of the \
         key of the lookup",
        "c.yaml:8:62: stores.c d.redis.database: a cluster has only database 0",
        "c.yaml:8:80: stores.c d.redis.value.hash: give either field, or both host_field and \
         port_field",
        "c.yaml:9:15: stores.e.redis: give only one of url, urls (cluster), and sentinel",
        "c.yaml:11:9: upstreams.jobs: no nodes; write endpoints, discovery, or lookup",
        "c.yaml:12:25: upstreams.a.lookup.store: no store named \"aa\" (did you mean \"a\"?)",
        "c.yaml:12:34: upstreams.a.lookup.key: unknown variable {nope}; there are \
         {header.NAME}, {query.NAME}, {cookie.NAME}, {path}, {authority}, {method}, \
         {source.ip}, {grpc.service}, {grpc.method}",
        "c.yaml:12:51: upstreams.a.lookup.allow: no network is allowed, so every target \
         would be refused",
        "c.yaml:12:79: upstreams.a.lookup.on_missing.fallback: no upstream named \"job\" \
         (did you mean \"jobs\"?)",
        "c.yaml:13:75: upstreams.b.lookup.on_missing.fallback: a circle: b -> c -> b",
        "c.yaml:14:6: upstreams.c: give only one of endpoints and lookup",
        "c.yaml:15:33: upstreams.d.tls: certificate and private_key go together; one of them \
         is missing",
        "c.yaml:15:65: upstreams.d.tls.server_name: \"a b\" is no DNS name or address",
        "c.yaml:15:76: upstreams.d.tls.ca: can not read /none: No such file or directory (os \
         error 2)",
        "c.yaml:17:26: routes[0].upstream: no upstream named \"jobz\" (did you mean \
         \"jobs\"?)",
        "c.yaml:17:56: routes[0].match.path.exact: bad path \"a\"; it begins with / and has \
         no ?, #, or blank",
        "c.yaml:18:13: routes[1].name: routes[0] already has the name \"r\"",
        "c.yaml:18:56: routes[1].match.path.regex: bad regex: unclosed group",
        "c.yaml:18:76: routes[1].match.methods[1]: bad method \"G T\"",
        "c.yaml:19:61: routes[2].match.headers.:path: bad header name \":path\"; pseudo \
         fields have conditions of their own",
        "c.yaml:19:76: routes[2].match.headers.b.regex: bad regex: unclosed character class",
        "c.yaml:20:55: routes[3].match.authorities[0]: bad authority \"*\"; expected host, \
         host:port, or *.domain",
        "c.yaml:20:67: routes[3].match.grpc: bad gRPC name \"a/b\"; expected a name without \
         / such as search.v1.Search",
        "c.yaml:21:51: routes[4].message_bytes_max: must be at most 4GiB",
        "c.yaml:21:75: routes[4].replay_bytes_max: must be at most 16MiB",
        "c.yaml:22:5: routes[5].match: is never reached: routes[4] (u) matches the same",
    ];
    let found = errors(text);
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn warnings_do_not_stop_anything() {
    let text = "\
workers: 3
listeners: [{ address: 127.0.0.1:0 }]
stores: { s: { redis: { url: 'redis://h', tls: { insecure_skip_verify: true } } } }
upstreams:
  u: { endpoints: ['h:1', 'h:1'], tls: { insecure_skip_verify: true } }
";
    let warnings: Vec<String> = compiled(text).warnings.iter().map(ToString::to_string).collect();
    let insecure = "certificates are not checked: whoever is in the middle can read and change \
                    everything";
    assert_eq!(
        warnings,
        [
            "c.yaml:1:1: warning: routes: there is none; every request is refused".to_owned(),
            "c.yaml:1:10: warning: workers: 2 workers run; 3 take effect at the next start".into(),
            "c.yaml:3:14: warning: stores.s: no upstream looks anything up here".into(),
            format!("c.yaml:3:72: warning: stores.s.redis.tls.insecure_skip_verify: {insecure}"),
            "c.yaml:5:6: warning: upstreams.u: no route leads to this upstream".into(),
            "c.yaml:5:27: warning: upstreams.u.endpoints[1]: h:1 is listed twice; a weight says \
             it better"
                .into(),
            format!("c.yaml:5:64: warning: upstreams.u.tls.insecure_skip_verify: {insecure}"),
        ]
    );
}

#[test]
fn counters_and_stores_live_through_a_reload() {
    let mut stores = KeepStores::default();
    let loaded = parse(Path::new("c.yaml"), GOOD, &|_| None).expect("valid");
    let first = compile(&loaded, &Previous::new(2), &mut stores).expect("valid");
    let second = compile(&loaded, &first.next, &mut stores).expect("valid");
    let (first, second) = (first.snapshot, second.snapshot);
    assert_eq!(first.hash, second.hash);
    for (one, two) in first.upstreams.iter().zip(&second.upstreams) {
        assert!(Arc::ptr_eq(&one.stats, &two.stats), "{}", one.name);
    }
    for (one, two) in first.router.routes().zip(second.router.routes()) {
        assert!(Arc::ptr_eq(&one.stats, &two.stats), "{}", one.name);
    }
    let store = |snapshot: &Snapshot| match &snapshot.upstreams[1].targets {
        Targets::Lookup(lookup) => lookup.store.clone(),
        Targets::Balanced(_) | Targets::Asked(_) => panic!("a lookup"),
    };
    assert!(Arc::ptr_eq(&store(&first), &store(&second)));
    assert_eq!(stores.opened, 1);
}

#[test]
fn a_store_that_can_not_be_opened_is_a_fault_of_its_own() {
    struct Broken;
    impl Stores for Broken {
        fn get_or_open(
            &mut self,
            _: &str,
            _: &crate::config::StoreConfig,
        ) -> Result<Arc<narrows_gateway::lookup::Store>, OpenStoreError> {
            Err(OpenStoreError("the file is in use".into()))
        }
    }
    let loaded = parse(Path::new("c.yaml"), GOOD, &|_| None).expect("valid");
    let faults = compile(&loaded, &Previous::new(2), &mut Broken).expect_err("broken");
    assert_eq!(faults[0].to_string(), "c.yaml:3:17: stores.jobs: the file is in use");
}

#[test]
fn stores_are_opened_only_when_nothing_else_is_wrong() {
    let mut stores = KeepStores::default();
    let text = GOOD.replace("upstream: fixed", "upstream: fixde");
    let loaded = parse(Path::new("c.yaml"), &text, &|_| None).expect("valid");
    let faults = compile(&loaded, &Previous::new(2), &mut stores).expect_err("a slip");
    let shown: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "c.yaml:6:10: warning: upstreams.fixed: no route leads to this upstream",
            "c.yaml:9:29: routes[1].upstream: no upstream named \"fixde\" (did you mean \
             \"fixed\"?)",
        ]
    );
    assert_eq!(stores.opened, 0);
}

#[test]
fn an_explanation_tells_route_key_and_node() {
    let snapshot = compiled(GOOD).snapshot;
    let Targets::Lookup(lookup) = &snapshot.upstreams[1].targets else { panic!("lookup") };
    for (key, target) in [("17", "10.0.0.9:50051"), ("18", "192.0.2.1:1")] {
        let outcome = Outcome::Found(Arc::new(target.parse().expect(target)));
        lookup.store.table.insert(key.as_bytes(), Cached { outcome, fresh_until: Time::NEVER });
    }
    let ask = |headers: &[(&str, &str)]| {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        explain(&snapshot, &Call { headers: headers.collect(), ..Call::default() })
    };
    assert_eq!(
        ask(&[("jobid", "17")]).to_string(),
        "\
route     jobs
upstream  nodes
target    10.0.0.9:50051 (key \"17\" in store jobs)

routes in the order in which they are considered:
  jobs  taken
  rest  matches too, but comes later
"
    );
    assert_eq!(
        ask(&[]).to_string(),
        "\
route     rest
upstream  fixed
target    one of 10.0.0.1:1, h:2

routes in the order in which they are considered:
  jobs  not met: header jobid is present
  rest  taken
"
    );
    let target = |headers: &[(&str, &str)]| ask(headers).target.expect("a target").to_string();
    assert_eq!(
        target(&[("JobID", "18")]),
        "none: 192.0.2.1:1 (key \"18\" in store jobs) is not allowed"
    );
    assert_eq!(target(&[("jobid", "19")]), "key \"19\" is not in store jobs: the call fails");
    assert_eq!(
        serde_json::to_value(ask(&[("jobid", "19")])).expect("json"),
        serde_json::json!({
            "route": "jobs",
            "upstream": "nodes",
            "target": {
                "kind": "missing", "store": "jobs", "key": "19", "then": "the call fails"
            },
            "considered": [
                { "route": "jobs", "failed": null },
                { "route": "rest", "failed": null },
            ],
        })
    );
}

#[test]
fn a_call_that_no_route_takes_is_explained_too() {
    let text = GOOD.replace("  - { name: rest, upstream: fixed }\n", "");
    let shown = explain(&compiled(&text).snapshot, &Call::default()).to_string();
    assert!(shown.starts_with("route     none: the call is refused"), "{shown}");
}

/// Stores in memory that stay open.
#[derive(Default)]
struct KeepStores {
    opened: usize,
    stores: std::collections::BTreeMap<String, Arc<narrows_gateway::lookup::Store>>,
}

impl Stores for KeepStores {
    fn get_or_open(
        &mut self,
        name: &str,
        config: &crate::config::StoreConfig,
    ) -> Result<Arc<narrows_gateway::lookup::Store>, OpenStoreError> {
        if let Some(store) = self.stores.get(name) {
            return Ok(store.clone());
        }
        self.opened += 1;
        let store = DryStores.get_or_open(name, config)?;
        self.stores.insert(name.to_owned(), store.clone());
        Ok(store)
    }
}

fn compiled(text: &str) -> Compiled {
    let loaded = parse(Path::new("c.yaml"), text, &|_| None);
    let loaded = loaded.unwrap_or_else(|faults| panic!("{faults:#?}"));
    let compiled = compile(&loaded, &Previous::new(2), &mut DryStores);
    compiled.unwrap_or_else(|faults| panic!("{faults:#?}"))
}

fn errors(text: &str) -> Vec<String> {
    let loaded = parse(Path::new("c.yaml"), text, &|_| None);
    let loaded = loaded.unwrap_or_else(|faults| panic!("{faults:#?}"));
    let faults = compile(&loaded, &Previous::new(2), &mut DryStores).expect_err(text);
    let errors = faults.iter().filter(|fault| fault.severity == crate::config::Severity::Error);
    errors.map(ToString::to_string).collect()
}
