//! Descriptors that can not be transcoded.

use std::collections::HashMap;

use narrows_transcode::{DefaultMapping, Options, Services, Transcoder};
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use crate::support::descriptor_set;

/// Files in memory, and those of the tests.
struct Files(HashMap<String, String>);

impl FileResolver for Files {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match self.0.get(name) {
            Some(text) => File::from_source(name, text),
            None => {
                let protos = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/protos");
                let path = std::path::Path::new(protos).join(name);
                match std::fs::read_to_string(path) {
                    Ok(text) => File::from_source(name, &text),
                    Err(_) => Err(protox::Error::file_not_found(name)),
                }
            }
        }
    }
}

/// The faults of a service with these methods.
fn faults(methods: &str, options: Options) -> Vec<String> {
    let text = format!(
        "syntax = \"proto3\"; package t; import \"google/api/annotations.proto\";
         message M {{ string s = 1; repeated string r = 2; M m = 3; map<string, string> p = 4; }}
         service S {{ {methods} }}"
    );
    let mut resolver = ChainFileResolver::new();
    resolver.add(Files(HashMap::from([("t.proto".to_owned(), text)])));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).open_file("t.proto").expect(methods);
    let set = compiler.encode_file_descriptor_set();
    match Transcoder::new(&set, options) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

fn fault(rule: &str) -> Vec<String> {
    let method = format!("rpc A(M) returns (M) {{ option (google.api.http) = {{ {rule} }}; }}");
    faults(&method, Options::default())
}

#[test]
fn wrong_annotations_are_told_with_their_method() {
    for (rule, message) in [
        (r#"get: "v1""#, "path \"v1\": it must begin with /"),
        (r#"get: "/{a=**}/b""#, "path \"/{a=**}/b\": ** must be the last segment"),
        (r#"get: "/{x}""#, "a variable of the path: t.M has no field x"),
        (r#"get: "/{m.x}""#, "a variable of the path: t.M has no field x"),
        (r#"get: "/{s.x}""#, "a variable of the path: s is no single message to look into"),
        (r#"get: "/{r}""#, "a variable of the path: r is repeated or a message"),
        (r#"get: "/{m}""#, "a variable of the path: m is repeated or a message"),
        (r#"get: "/{p}""#, "a variable of the path: p is repeated or a message"),
        (r#"post: "/a" body: "x""#, "body: t.M has no field x"),
        (r#"post: "/a" body: "r.x""#, "body: r is no single message to look into"),
        (r#"get: "/a" response_body: "x""#, "response_body: t.M has no field x"),
        (r#"get: "/a" response_body: "m.s""#, "response_body: m.s is not at the top of the reply"),
        (r#"body: "*""#, "its google.api.http annotation names neither method nor path"),
        (r#"custom { kind: "A B" path: "/a" }"#, "\"A B\" is no HTTP method"),
        (
            r#"get: "/a" additional_bindings { get: "/b" additional_bindings { get: "/c" } }"#,
            "additional_bindings lie inside of additional_bindings",
        ),
        (
            r#"get: "/a/{s}" additional_bindings { get: "/a/{m.s}" }"#,
            "GET /a/{m.s} is also bound to t.S.A",
        ),
    ] {
        assert_eq!(fault(rule), [format!("t.S.A: {message}")], "{rule}");
    }
    assert_eq!(fault(r#"post: "/t.S/A" body: "*""#), Vec::<String>::new());
}

#[test]
fn all_faults_are_told_at_once() {
    let methods = r#"
        rpc A(M) returns (M) { option (google.api.http) = { get: "/{x}" response_body: "y" }; }
        rpc B(M) returns (M) { option (google.api.http) = { get: "b" }; }
        rpc C(M) returns (M) { option (google.api.http) = { post: "/t.S/D" body: "*" }; }
        rpc D(M) returns (M);
    "#;
    assert_eq!(
        faults(methods, Options::default()),
        [
            "t.S.A: a variable of the path: t.M has no field x",
            "t.S.A: response_body: t.M has no field y",
            "t.S.B: path \"b\": it must begin with /",
            "t.S.D: POST /t.S/D is also bound to t.S.C",
        ]
    );
    let off = Options { default_mapping: DefaultMapping::Off, ..Options::default() };
    assert_eq!(faults(methods, off).len(), 3);
}

#[test]
fn a_service_that_is_not_there_is_told_with_those_that_are() {
    let services = Services::Named(vec!["test.v1.Libary".to_owned()]);
    let options = Options { services, ..Options::default() };
    let faults = Transcoder::new(descriptor_set(), options).expect_err("no such service");
    assert_eq!(
        faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["test.v1.Libary: no such service; there are test.v1.Library"]
    );
}

#[test]
fn bytes_that_are_no_descriptors_are_told() {
    let faults = Transcoder::new(b"\xff\xff", Options::default()).expect_err("no descriptors");
    let text = faults.iter().map(ToString::to_string).collect::<String>();
    assert!(text.starts_with("the descriptors can not be read: "), "{text}");
}
