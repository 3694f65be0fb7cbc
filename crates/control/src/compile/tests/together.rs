//! Faults of reading and of compiling, in one round.
//!
//! What follows from a fault that is reported already is not reported: a route to an upstream that
//! can not be read leads to an upstream, and what stands in for a value is not judged.

use crate::compile::load;
use crate::config::{Fault, Severity};
use crate::scratch::Scratch;

#[test]
fn one_round_shows_faults_of_every_kind() {
    let text = "\
workers: many
listeners:
  - address: 127.0.0.1:1
    tls: { certificate: none.pem, private_key: none.key }
  - { adress: 127.0.0.1:1 }
stores:
  jobs: { embedded: { path: jobs.redb } }
  more: { redsi: { url: 'redis://h', key: job } }
upstreams:
  nodes: { lookup: { store: jbos, key: '{nope}', allow: [10.0.0.0] }, max_pending: 0 }
  broken: 5
  both: { endpoints: ['h:1', 'h'], lookup: { store: more, key: k, allow: 7 } }
routes:
  - { name: a, upstream: node }
  - { name: b, upstream: broken, timeouts: { idel: 1 }, match: { path: { regex: '(' } } }
  - { name: 1, upstream: nodes, match: { methods: ['G T'], headrs: { x: y } } }
  - { name: a, upstream: nodes, match: { grpc: { service: 5, method: a/b } } }
drain: { grace: 10 }
";
    let expected = [
        "1:10: workers: expected a number, found \"many\"",
        "4:25: listeners[0].tls.certificate: can not read {root}/none.pem: No such file or \
         directory (os error 2)",
        "4:48: listeners[0].tls.private_key: can not read {root}/none.key: No such file or \
         directory (os error 2)",
        "5:7: listeners[1].adress: unknown key (did you mean \"address\"?)",
        "5:15: listeners[1].address: listeners[0] already listens on 127.0.0.1:1",
        "8:11: stores.more.redsi: unknown key (did you mean \"redis\"?)",
        "8:43: stores.more.redis.key: must hold {key} exactly once, in place of the key of the \
         lookup",
        "10:29: upstreams.nodes.lookup.store: no store named \"jbos\" (did you mean \"jobs\"?)",
        "10:40: upstreams.nodes.lookup.key: unknown variable {nope}; there are {header.NAME}, \
         {query.NAME}, {cookie.NAME}, {path}, {authority}, {method}, {source.ip}, \
         {grpc.service}, {grpc.method}",
        "10:84: upstreams.nodes.max_pending: must be at least 1",
        "11:11: upstreams.broken: expected keys and values, found \"5\"",
        "12:9: upstreams.both: give only one of endpoints and lookup",
        "12:30: upstreams.both.endpoints[1]: no port; expected host:port",
        "12:74: upstreams.both.lookup.allow: expected a list, found \"7\"",
        "14:26: routes[0].upstream: no upstream named \"node\" (did you mean \"nodes\"?)",
        "15:46: routes[1].timeouts.idel: unknown key (did you mean \"idle\"?)",
        "15:52: routes[1].timeouts.idle: \"1\" has no unit; expected a duration such as 250ms, \
         10s, 1m30s, or 1h",
        "15:81: routes[1].match.path.regex: bad regex: unclosed group",
        "16:13: routes[2].name: expected text, found 1; write it in quotes: \"1\"",
        "16:52: routes[2].match.methods[0]: bad method \"G T\"",
        "16:60: routes[2].match.headrs: unknown key (did you mean \"headers\"?)",
        "17:13: routes[3].name: routes[0] already has the name \"a\"",
        "17:48: routes[3].match.grpc: bad gRPC name \"a/b\"; expected a name without / such as \
         search.v1.Search",
        "17:59: routes[3].match.grpc.service: expected text, found 5; write it in quotes: \"5\"",
        "18:17: drain.grace: \"10\" has no unit; expected a duration such as 250ms, 10s, 1m30s, \
         or 1h",
    ];
    assert_eq!(faults(&[("narrows.yaml", text)]), in_file("narrows.yaml", &expected));
}

#[test]
fn the_files_of_a_directory_are_judged_together() {
    let files = [
        ("10-listen.yaml", "listeners: [{ address: 127.0.0.1:0, bcklog: 5 }]\nlog: { levle: x }\n"),
        ("20-nodes.yaml", "upstreams:\n  a: { endpoints: ['h:1'] }\n  b: {}\n"),
        (
            "30-routes.yaml",
            "routes:\n  - { name: a, upstream: a }\n  - { name: a, upstream: fallback }\n",
        ),
    ];
    let expected = [
        in_file(
            "10-listen.yaml",
            &[
                "1:37: listeners[0].bcklog: unknown key (did you mean \"backlog\"?)",
                "2:8: log.levle: unknown key (did you mean \"level\"?)",
                "2:15: log.level: \"x\" is not known; expected one of: error, warn, info, debug, \
                 trace",
            ],
        ),
        in_file(
            "20-nodes.yaml",
            &["3:6: upstreams.b: no nodes; write endpoints, discovery, or lookup"],
        ),
        in_file(
            "30-routes.yaml",
            &[
                "3:5: routes[1].match: is never reached: routes[0] (a) matches the same",
                "3:13: routes[1].name: routes[0] already has the name \"a\"",
                "3:26: routes[1].upstream: no upstream named \"fallback\"; expected one of: a, b",
            ],
        ),
    ];
    assert_eq!(faults(&files), expected.concat());
}

#[test]
fn what_could_not_be_read_is_not_missed() {
    let base = "\
listeners: [{ address: 127.0.0.1:0 }]
routes: [{ name: a, upstream: elsewhere }, { name: b, upstream: b, match: { methods: [' '] } }]
upstreams: { b: { lookup: { store: s, key: k, allow: [::/0] } } }
";
    let shown = faults(&[("10.yaml", base), ("20.yaml", "upstreams: [\n")]);
    assert_eq!(
        shown[..1],
        in_file("10.yaml", &["2:87: routes[1].match.methods[0]: bad method \" \""])
    );
    assert!(shown[1].starts_with("20.yaml:") && shown.len() == 2, "{shown:#?}");

    for (text, fault) in [
        ("listeners: none\n", "1:12: listeners: expected a list, found \"none\""),
        (
            "listener: [{ address: '[::]:0' }]\n",
            "1:1: listener: unknown key (did you mean \
          \"listeners\"?)",
        ),
        (
            "listeners: [{ address: '[::]:0' }]\nupstreams: 1\nroutes: [{ name: a, upstream: b }]\n",
            "2:12: upstreams: expected names and their values, found \"1\"",
        ),
        (
            "listeners: [{ address: '[::]:0' }]\nlisteners: [{ address: '[::]:1' }]\n",
            "2:1: the key \"listeners\" is given twice, first on line 1",
        ),
    ] {
        assert_eq!(faults(&[("c.yaml", text)]), in_file("c.yaml", &[fault]), "in\n{text}");
    }
}

#[test]
fn stand_ins_are_not_compared_with_each_other() {
    let text = "\
listeners: [{ address: 1 }, { address: 2 }]
stores: { a: { embedded: { path: '' } }, b: { embedded: { path: '' } } }
upstreams: { u: { endpoints: ['h:1'] } }
routes:
  - { name: 1, upstream: u, match: { path: 1 } }
  - { name: 2, upstream: u, match: { path: 2 } }
  - { name: c, upstream: u }
  - { name: d, upstream: u }
";
    let lines: Vec<String> =
        faults(&[("c.yaml", text)]).iter().map(|fault| fault[7..].to_owned()).collect();
    let lines: Vec<&str> = lines.iter().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(lines, ["1", "1", "2", "2", "5", "5", "6", "6", "8"]);
}

#[test]
fn what_a_faulty_protocol_would_ask_for_is_not_asked_for() {
    let text = "\
listeners:
  - { address: '[::]:0', protocol: tpc, upstream: bytes }
  - { address: '[::]:0', protocol: tcp, upstream: maybe }
  - { address: '[::]:0', forwarding: { add: [nothing, x_forwarded_for] } }
upstreams:
  bytes: { endpoints: ['h:1'], protocol: tcp }
  maybe: { endpoints: ['h:1'], protocol: tpc }
routes: [{ name: a, upstream: maybe }]
";
    let shown = faults(&[("c.yaml", text)]);
    let places: Vec<&str> = shown.iter().filter_map(|fault| fault.split(": ").next()).collect();
    assert_eq!(places, ["c.yaml:2:36", "c.yaml:4:46", "c.yaml:7:42"], "{shown:#?}");
}

/// The errors in these files, in the order in which they are shown; `{root}` is their directory.
fn faults(files: &[(&str, &str)]) -> Vec<String> {
    let directory = Scratch::new("together");
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).expect("written");
    }
    let faults = load(directory.path()).expect_err("faults");
    let root = format!("{}", directory.path().display());
    let shown = |fault: &Fault| {
        let shown = fault.to_string();
        let shown = shown.strip_prefix(&format!("{root}/")).expect("a place in the directory");
        shown.replace(&root, "{root}")
    };
    faults.iter().filter(|fault| fault.severity == Severity::Error).map(shown).collect()
}

fn in_file(file: &str, faults: &[&str]) -> Vec<String> {
    faults.iter().map(|fault| format!("{file}:{fault}")).collect()
}
