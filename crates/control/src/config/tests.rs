//! Files in, configurations or faults out.
//!
//! The table of faults holds their exact texts: they are read by people at bad times, so a change
//! of one is a decision. Tests of single forms stand beside them, in `units.rs`, `secret.rs`, and
//! others.

use std::path::Path;

use super::*;
use crate::scratch::Scratch;

const NONE: Environment<'static> = &|_| None;

/// A configuration without faults, to which cases add lines.
const GOOD: &str = "\
listeners: [{ address: 127.0.0.1:8091 }]
stores: { jobs: { embedded: { path: jobs.redb } } }
upstreams:
  nodes: { lookup: { store: jobs, key: '{header.jobid}', allow: [10.0.0.0/8] } }
routes: [{ name: all, upstream: nodes }]
";

#[test]
fn what_is_wrong_is_said_with_its_place_and_what_to_write() {
    let cases: &[(&str, &[&str])] = &[
        (
            "listeners:\n  - adress: 0.0.0.0:1\n",
            &["c.yaml:2:5: listeners[0].adress: unknown key (did you mean \"address\"?)"],
        ),
        (
            "listeners:\n  - adress: x\n  - { adress: x, address: '[::]:1' }\n  - {}\n",
            &[
                "c.yaml:2:5: listeners[0].adress: unknown key (did you mean \"address\"?)",
                "c.yaml:2:13: listeners[0].address: \"x\" is not an address and a port such as \
                 0.0.0.0:8080 or [::]:8080",
                "c.yaml:3:7: listeners[1].adress: unknown key (did you mean \"address\"?)",
                "c.yaml:4:5: listeners[2]: the key \"address\" is missing",
            ],
        ),
        ("listenrs: []\n", &["c.yaml:1:1: listenrs: unknown key (did you mean \"listeners\"?)"]),
        (
            "drain: { xyzzy: 1 }\n",
            &["c.yaml:1:10: drain.xyzzy: unknown key; expected one of: grace"],
        ),
        (
            "drain: { grace: 10 }\n",
            &["c.yaml:1:17: drain.grace: \"10\" has no unit; expected a duration such as 250ms, \
               10s, 1m30s, or 1h"],
        ),
        ("drain: { grace: 0s }\n", &["c.yaml:1:17: drain.grace: must be more than 0"]),
        ("drain: 30s\n", &["c.yaml:1:8: drain: expected keys and values, found \"30s\""]),
        ("drain:\n", &["c.yaml:1:6: drain: nothing is written here; leave the key out"]),
        ("listeners: {}\n", &["c.yaml:1:12: listeners: expected a list, found keys and values"]),
        ("- a\n", &["c.yaml:1:1: expected keys such as listeners"]),
        ("workers: two\n", &["c.yaml:1:10: workers: expected a number, found \"two\""]),
        ("workers: 0\n", &["c.yaml:1:10: workers: must be at least 1"]),
        ("workers: 1025\n", &["c.yaml:1:10: workers: must be at most 1024"]),
        (
            "log: { level: verbose }\n",
            &["c.yaml:1:15: log.level: \"verbose\" is not known; expected one of: error, warn, \
               info, debug, trace"],
        ),
        (
            "log: { level: warning }\n",
            &["c.yaml:1:15: log.level: \"warning\" is not known (did you mean \"warn\"?)"],
        ),
        (
            "admin: { enabled: yes }\n",
            &["c.yaml:1:19: admin.enabled: expected true or false, found \"yes\""],
        ),
        (
            "admin: { address: localhost:9901 }\n",
            &["c.yaml:1:19: admin.address: \"localhost:9901\" is not an address and a port such \
               as 0.0.0.0:8080 or [::]:8080"],
        ),
        (
            "upstreams: { a: { protocol: quic, endpoints: ['x'] } }\n",
            &[
                "c.yaml:1:29: upstreams.a.protocol: \"quic\" is not known; expected one of: \
                 h2c, h2, http1, https, tcp, tls",
                "c.yaml:1:47: upstreams.a.endpoints[0]: no port; expected host:port",
            ],
        ),
        (
            "upstreams: { a: { endpoints: [{ address: 'h:1', weight: 0 }, [], {}] } }\n",
            &[
                "c.yaml:1:57: upstreams.a.endpoints[0].weight: must be at least 1",
                "c.yaml:1:62: upstreams.a.endpoints[1]: expected text or keys and values, found \
                 a list",
                "c.yaml:1:66: upstreams.a.endpoints[2]: the key \"address\" is missing",
            ],
        ),
        (
            "stores: { a: { redis: {}, embedded: {} }, b: { redsi: {} }, c: {}, d: redis }\n",
            &[
                "c.yaml:1:27: stores.a.embedded: give only one of: embedded, redis",
                "c.yaml:1:48: stores.b.redsi: unknown key (did you mean \"redis\"?)",
                "c.yaml:1:64: stores.c: expected one of: embedded, redis",
                "c.yaml:1:71: stores.d: expected one of the keys embedded, redis, found \"redis\"",
            ],
        ),
        (
            "stores: { a: { redis: { pool_size: 41, url: 'http://h' } } }\n",
            &[
                "c.yaml:1:36: stores.a.redis.pool_size: must be at most 40",
                "c.yaml:1:45: stores.a.redis.url: expected \
                 redis://[user:password@]host[:port][/database], or rediss:// for TLS",
            ],
        ),
        (
            "upstreams:\n  a:\n    lookup: { store: s, key: k, allow: [10.1.0.0/8], on_missing: \
             fial }\n",
            &[
                "c.yaml:3:41: upstreams.a.lookup.allow[0]: 10.1.0.0/8 has bits set outside its \
                 prefix; write 10.0.0.0/8",
                "c.yaml:3:66: upstreams.a.lookup.on_missing: \"fial\" is not known (did you mean \
                 \"fail\"?)",
            ],
        ),
        (
            "upstreams: { a: { lookup: { store: s, key: k, allow: [], on_missing: { wait: x } } } }",
            &["c.yaml:1:78: upstreams.a.lookup.on_missing.wait: \"x\" is not a duration such as \
               250ms, 10s, 1m30s, or 1h"],
        ),
        (
            "routes:\n- { name: 5, upstream: true, match: { headers: { a: { presnt: true } } } }\n",
            &[
                "c.yaml:2:11: routes[0].name: expected text, found 5; write it in quotes: \"5\"",
                "c.yaml:2:24: routes[0].upstream: expected text, found true; write it in quotes: \
                 \"true\"",
                "c.yaml:2:55: routes[0].match.headers.a.presnt: unknown key (did you mean \
                 \"present\"?)",
            ],
        ),
        (
            "routes: [{ name: a, upstream: b, message_bytes_max: 3 apples }]\n",
            &["c.yaml:1:53: routes[0].message_bytes_max: \"3 apples\" is not a size such as 512, \
               64KiB, or 3GiB"],
        ),
        (
            "routes: [{ name: a, upstream: '${NODES}' }]\n",
            &["c.yaml:1:31: routes[0].upstream: the environment variable NODES is not set \
               (${NODES:-default} gives a default)"],
        ),
        (
            "stores: { a: { redis: { password: 'file:/does/not/exist' } } }\n",
            &["c.yaml:1:35: stores.a.redis.password: can not read /does/not/exist: No such file \
               or directory (os error 2)"],
        ),
        (
            "workers: 1\nworkers: 2\nworkers: !mine 3\n",
            &[
                "c.yaml:2:1: the key \"workers\" is given twice, first on line 1",
                "c.yaml:3:1: the key \"workers\" is given twice, first on line 1",
                "c.yaml:3:10: the tag !mine has no meaning here",
            ],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(faults(text), *expected, "in\n{text}");
    }
}

#[test]
fn an_empty_file_has_every_default() {
    let loaded = good("");
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.config.drain.grace, Period::seconds(30));
    assert_eq!(loaded.config.admin.address.to_string(), "127.0.0.1:9901");
    assert_eq!(loaded.config.access_log, None);
}

#[test]
fn the_configuration_of_the_bench_loads_as_it_is() {
    let loaded = good(
        "\
workers: 1
listeners:
  - address: 127.0.0.1:8091
  - address: 127.0.0.1:8443
    tls: { certificate: /tmp/cert.pem, private_key: /tmp/key.pem }
stores:
  jobs: { redis: { url: \"redis://127.0.0.1:6379\", key: \"{key}\" } }
upstreams:
  job-nodes:
    protocol: h2c
    lookup: { store: jobs, key: \"{header.jobid}\", allow: [127.0.0.0/8] }
routes:
  - name: jobs
    match: { headers: { jobid: { present: true } } }
    upstream: job-nodes
",
    );
    let config = loaded.config;
    assert_eq!(config.workers, Some(1));
    assert_eq!(config.listeners[1].address.to_string(), "127.0.0.1:8443");
    let StoreConfig::Redis(redis) = &config.stores["jobs"] else { panic!("redis") };
    assert!(matches!(redis.topology(), Ok(Topology::Single(_))));
    let rule = ValueMatch::Rule(ValueRule::Present(true));
    assert_eq!(config.routes[0].matches.headers["jobid"], rule);
}

#[test]
fn json_is_read_as_yaml() {
    let text = r#"{"listeners": [{"address": "[::]:1"}], "drain": {"grace": "1m"}}"#;
    assert_eq!(good(text).config.drain.grace, Period::seconds(60));
}

#[test]
fn variables_take_part_in_any_value() {
    let env: Environment<'_> = &|name| (name == "JOB").then(|| "17".to_owned());
    let text = "\
workers: ${WORKERS:-3}
routes: [{ name: '${JOB}', upstream: 'u${JOB}', match: { headers: { x: '$${JOB}' } } }]
";
    let config = parse(Path::new("c.yaml"), text, env).expect("valid").config;
    assert_eq!(config.workers, Some(3));
    assert_eq!(
        (&*config.routes[0].name, config.routes[0].upstream.as_deref()),
        ("17", Some("u17"))
    );
    let literal = ValueMatch::Exact("${JOB}".to_owned());
    assert_eq!(config.routes[0].matches.headers["x"], literal);
}

#[test]
fn a_secret_is_read_from_its_file_and_shown_nowhere() {
    let directory = Scratch::new("secret");
    write(&directory, "password", "hunter2\n");
    let file = write(
        &directory,
        "narrows.yaml",
        "stores: { a: { redis: { url: 'redis://u:hunter2@h', password: file:password } } }\n",
    );
    let config = load(&file).expect("valid").config;
    let StoreConfig::Redis(redis) = &config.stores["a"] else { panic!("redis") };
    assert_eq!(redis.password.as_ref().map(Secret::reveal), Some("hunter2"));
    for shown in [dump(&config), format!("{config:?}")] {
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("****"), "{shown}");
    }
}

#[test]
fn names_of_files_count_from_the_file_that_holds_them() {
    let text = "access_log: { path: a.log }\nstores: { j: { embedded: { path: data/j } } }\n";
    let loaded = parse(Path::new("/etc/narrows/c.yaml"), text, NONE).expect("valid");
    let StoreConfig::Embedded(embedded) = &loaded.config.stores["j"] else { panic!("embedded") };
    assert_eq!(embedded.path.to_string(), "/etc/narrows/data/j");
    let log = loaded.config.access_log.expect("written").path;
    assert_eq!(log, LogPath::File("/etc/narrows/a.log".into()));
}

#[test]
fn the_files_of_a_directory_are_put_together() {
    let directory = Scratch::new("merge");
    write(&directory, "10-base.yaml", GOOD);
    write(&directory, "20-more.yaml", "upstreams: { b: { endpoints: ['h:1'] } }\n");
    write(&directory, "30-more.json", r#"{"routes": [{"name": "b", "upstream": "b"}]}"#);
    write(&directory, ".hidden.yaml", "nonsense");
    write(&directory, "notes.txt", "nonsense");
    let loaded = load(directory.path()).expect("valid");
    let names: Vec<&str> = loaded.config.routes.iter().map(|route| &*route.name).collect();
    assert_eq!(names, ["all", "b"]);
    assert_eq!(loaded.config.upstreams.len(), 2);
    assert_eq!(loaded.files.len(), 3);
    let position = loaded.position("routes[1].upstream").expect("written");
    assert!(position.file.ends_with("30-more.json"), "{position}");
}

#[test]
fn what_two_files_both_say_names_both() {
    let directory = Scratch::new("twice");
    write(&directory, "a.yaml", "drain: { grace: 1s }\nupstreams: { u: { endpoints: [] } }\n");
    write(&directory, "b.yaml", "upstreams:\n  u: {}\ndrain: {}\n");
    write(&directory, "c.yaml", "a: [\n");
    let shown = load(directory.path()).expect_err("said twice");
    let shown: Vec<String> = shown.iter().map(Fault::to_string).collect();
    let root = directory.path().display();
    assert_eq!(
        shown[..2],
        [
            format!("{root}/b.yaml:2:3: upstreams.u: is already in {root}/a.yaml, line 2"),
            format!("{root}/b.yaml:3:1: drain: is already in {root}/a.yaml, line 1"),
        ]
    );
    assert!(shown[2].starts_with(&format!("{root}/c.yaml:")), "{}", shown[2]);
}

#[test]
fn what_can_not_be_read_says_so() {
    let faults = load(Path::new("/does/not/exist.yaml")).expect_err("no such file");
    assert_eq!(
        faults[0].to_string(),
        "/does/not/exist.yaml:1:1: can not read: No such file or directory (os error 2)"
    );
    let directory = Scratch::new("empty");
    let faults = load(directory.path()).expect_err("nothing in it");
    assert!(faults[0].to_string().ends_with("holds no *.yaml, *.yml, or *.json"));
}

#[test]
fn the_hash_names_the_content() {
    let hash = |text: &str| good(text).hash;
    assert_eq!(hash("workers: 1\n"), hash("# the same\nworkers:   1"));
    assert_ne!(hash("workers: 1\n"), hash("workers: 2\n"));
}

#[test]
fn secrets_do_not_show_in_the_hash() {
    let hash = |password: &str| {
        good(&format!("stores: {{ a: {{ redis: {{ password: {password} }} }} }}\n")).hash
    };
    assert_eq!(hash("one"), hash("two"));
}

#[test]
fn no_damaged_file_brings_the_loader_down() {
    // What stands in for a fault is always what the structs take.
    let read = |text: &str| {
        let draft = draft_of(Path::new("c.yaml"), text, NONE);
        assert!(draft.loaded.is_some(), "{:?} in\n{text}", draft.faults);
    };
    for at in 0..GOOD.len() {
        read(&GOOD[..at]);
        for damage in ["{", "[", "\n  ", "${", "&a ", "*a", "'", "é", "\0"] {
            read(&format!("{}{damage}{}", &GOOD[..at], &GOOD[at + 1..]));
        }
    }
}

#[test]
fn whatever_is_wrong_the_rest_is_read() {
    let every = "\
listeners:
  - address: '[::]:8443'
    tls: { certificates: [{ certificate: /a, private_key: /b }], min_version: 1.3 }
    http2: { initial_window: 1KiB, header_fields_max: 9 }
    idle_timeout: none
stores:
  r: { redis: { sentinel: { urls: ['redis://s1'], master: m }, value: { hash: { field: f } } } }
  e: { embedded: { path: /x } }
upstreams:
  u: { endpoints: ['h:1', { address: 'grpcs://h:2', weight: 3 }], tls: { server_name: n } }
  v: { lookup: { store: r, key: k, allow: [::/0], on_missing: { fallback: u } } }
routes:
  - name: x
    upstream: u
    match: { path: { regex: a }, headers: { a: x, b: { present: no } }, sources: [10.0.0.1] }
    timeouts: { idle: 90s, total: 0 }
    message_bytes_max: 4MiB
admin: { address: '127.0.0.1:1', enabled: true }
access_log: { path: stderr, interval: none, format: json }
log: { level: info }
drain: { grace: 1s }
";
    let words = every.char_indices().filter(|(_, c)| c.is_ascii_alphanumeric());
    for (at, _) in words {
        for damage in ["~", "[]", "{}", "{ a: b }", "[{}]", "'\u{7}'", "0", "${GONE}"] {
            let rest = every[at..].trim_start_matches(|c: char| c.is_ascii_alphanumeric());
            let text = format!("{}{damage}{rest}", &every[..at]);
            let draft = draft_of(Path::new("c.yaml"), &text, NONE);
            assert!(draft.loaded.is_some(), "{:?} in\n{text}", draft.faults);
        }
    }
}

#[test]
fn the_place_of_what_is_not_written_is_that_of_what_is_around_it() {
    let loaded = good(GOOD);
    let line = |path: &str| loaded.position(path).expect(path).line;
    assert_eq!(line("upstreams.nodes.lookup.allow[0]"), 4);
    assert_eq!(line("upstreams.nodes.tls.ca"), 4);
    assert_eq!(line("admin.address"), 1);
}

#[test]
fn a_dump_reads_back_as_the_same_configuration() {
    let text = "\
workers: 3
listeners:
  - address: '[::]:8443'
    tls:
      certificates: [{ certificate: /a, private_key: /b }]
      min_version: 1.3
    idle_timeout: none
stores:
  r:
    redis:
      sentinel: { urls: ['redis://s1', 'redis://s2'], master: m }
      value: { hash: { host_field: ip, port_field: port } }
  e: { embedded: { path: /var/lib/narrows/jobs.redb } }
upstreams:
  u: { endpoints: ['h:1', { address: 'grpcs://[::1]:2', weight: 3 }], tls: { server_name: n } }
  v:
    lookup: { store: r, key: 'a{header.b}', allow: [::/0], on_missing: { fallback: u } }
routes:
  - name: 'yes'
    upstream: u
    match:
      path: { regex: '^/a$' }
      headers: { a: 'x ${', b: { present: false }, c: { suffix: '1' } }
      sources: [10.0.0.1]
    timeouts: { idle: 90s, total: 0 }
    message_bytes_max: 4MiB
access_log: { path: stderr, interval: none }
";
    let text = text.replace("'x ${'", "'x $${'");
    let first = good(&text).config;
    let shown = dump(&first);
    assert_eq!(good(&shown).config, first, "{shown}");
    assert_eq!(dump(&good(&shown).config), shown);
}

#[test]
fn every_key_has_a_description() {
    fn visit(schema: &serde_json::Value, path: &str) {
        let keys = schema::properties(schema);
        for (key, value) in keys.into_iter().flatten() {
            // The key of an externally tagged variant is described beside it.
            let alone = keys.is_some_and(|keys| keys.len() == 1);
            let described = value.get("description").is_some() || alone;
            assert!(described, "{path}.{key} has no description");
        }
    }
    let root = schema::shared();
    visit(root, "");
    for (name, definition) in root["$defs"].as_object().expect("definitions") {
        visit(definition, name);
    }
}

#[test]
fn the_documentation_holds_the_reference_and_the_schema_of_this_program() {
    for (name, made) in [("configuration.md", reference()), ("narrows.schema.json", schema())] {
        let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs")).join(name);
        if std::env::var_os("NARROWS_WRITE_DOCS").is_some() {
            std::fs::write(&file, &made).expect("docs can be written");
        }
        let written = std::fs::read_to_string(file).unwrap_or_default();
        assert!(written == made, "docs/{name} is old; NARROWS_WRITE_DOCS=1 in a test renews it");
    }
}

fn good(text: &str) -> Loaded {
    let parsed = parse(Path::new("c.yaml"), text, NONE);
    parsed.unwrap_or_else(|faults| panic!("{faults:#?}\nin\n{text}"))
}

fn faults(text: &str) -> Vec<String> {
    let faults = parse(Path::new("c.yaml"), text, NONE).expect_err(text);
    faults.iter().map(Fault::to_string).collect()
}

fn write(directory: &Scratch, name: &str, text: &str) -> PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, text).expect("a scratch file");
    path
}
