//! Where methods come from, and what can be wrong with it.

use std::fs;

use narrows_gateway::transcoding::Methods;

use super::*;
use crate::config::{Severity, load_with};
use crate::scratch::Scratch;

const SERVICE: &str = "\
syntax = \"proto3\";
package a.v1;
import \"google/api/annotations.proto\";
import \"google/protobuf/empty.proto\";
service Things {
  rpc Get(Thing) returns (Thing) { option (google.api.http) = { get: \"/v1/things/{id}\" }; }
  rpc Drop(Thing) returns (google.protobuf.Empty);
}
message Thing { int64 id = 1; }
";

#[test]
fn protos_and_descriptors_say_the_same() {
    let place = Scratch::new("transcode");
    put(&place, "a.proto", SERVICE);
    let by_protos = methods(&place, "protos: { files: [a.proto] }");
    assert_eq!(by_protos.transcoder.bindings().count(), 3);

    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/protos");
    let mut compiler = protox::Compiler::new([place.path(), Path::new(ours)]).expect("includes");
    compiler.include_imports(true).open_file(place.path().join("a.proto")).expect("it compiles");
    fs::write(place.path().join("a.pb"), compiler.encode_file_descriptor_set()).expect("written");
    let by_set = methods(&place, "descriptors: a.pb, default_mapping: false");
    assert_eq!(by_set.transcoder.bindings().count(), 1);
    let description = String::from_utf8_lossy(&by_set.description).into_owned();
    assert!(description.contains("/v1/things/{id}"), "{description}");
}

#[test]
fn files_that_change_are_taken_and_bad_ones_leave_the_methods_before() {
    let place = Scratch::new("transcode");
    put(&place, "a.proto", &SERVICE.replace("google/protobuf/empty.proto", "b.proto"));
    put(
        &place,
        "b.proto",
        "syntax = \"proto3\";\nimport public \"google/protobuf/empty.proto\";\n",
    );
    let compiled = compile_in(&place, "protos: { files: [a.proto] }").expect("no fault");
    let [watch] = &compiled.duties.descriptors[..] else { panic!("files are watched") };
    let transcoding = compiled.snapshot.upstreams[0].transcoding.as_ref().expect("it takes JSON");
    let bindings = || transcoding.methods().expect("read at once").transcoder.bindings().count();
    // A change is taken when two looks saw the same.
    let looks = || [watch.look(), watch.look(), watch.look()];
    assert_eq!((looks(), bindings()), ([Look::Same; 3], 3));

    // What is imported is watched too.
    put(&place, "b.proto", "syntax = \"proto3\";\n");
    assert_eq!((looks(), bindings()), ([Look::Same, Look::Refused, Look::Same], 3));
    let more = SERVICE.replace("rpc Drop", "rpc Keep(Thing) returns (Thing);\n  rpc Drop");
    put(&place, "a.proto", &more);
    assert_eq!((looks(), bindings()), ([Look::Same, Look::Taken, Look::Same], 4));
    put(&place, "a.proto", "no proto");
    assert_eq!((looks(), bindings()), ([Look::Same, Look::Refused, Look::Same], 4));
}

#[test]
fn nodes_are_asked_where_they_are_to_tell_their_methods() {
    let place = Scratch::new("transcode");
    let compiled = compile_in(&place, "reflection: { interval: 1s }").expect("no fault");
    let [refresh] = compiled.duties.refreshes.as_slice() else { panic!("one upstream") };
    assert_eq!(refresh.upstream(), "u");
    let transcoding = compiled.snapshot.upstreams[0].transcoding.as_ref().expect("it takes JSON");
    assert!(transcoding.methods().is_none());
}

#[test]
fn every_fault_is_told_with_its_place() {
    let place = Scratch::new("transcode");
    put(&place, "a.proto", SERVICE);
    put(&place, "bad.proto", "syntax = \"proto3\";\nmessage A {\n  strin b = 1;\n}\n");
    put(&place, "lacks.proto", "syntax = \"proto3\";\nimport \"none.proto\";\n");
    put(&place, "path.proto", &SERVICE.replace("{id}", "{name}"));
    put(&place, "empty.pb", "");
    put(&place, "bad.pb", "no descriptors");
    let large = fs::File::create(place.path().join("large.pb")).expect("a scratch file");
    large.set_len((64 << 20) + 1).expect("a sparse file");
    let one = "write exactly one of descriptors, protos, and reflection";
    for (transcode, expected) in [
        ("services: [a]", format!("upstreams.u.transcode: {one}")),
        ("descriptors: a.pb, reflection: {}", format!("upstreams.u.transcode: {one}")),
        ("protos: { files: [] }", "upstreams.u.transcode.protos.files: no file is listed".into()),
        (
            "protos: { files: [bad.proto] }",
            "upstreams.u.transcode.protos.files[0]: bad.proto:3:3: name 'strin' is not defined"
                .into(),
        ),
        (
            "protos: { files: [a.proto, lacks.proto] }",
            "upstreams.u.transcode.protos.files[1]: lacks.proto:2:1: import 'none.proto' not found"
                .into(),
        ),
        (
            "protos: { files: [path.proto] }",
            "upstreams.u.transcode.protos: a.v1.Things.Get: a variable of the path: a.v1.Thing has no \
             field name"
                .into(),
        ),
        (
            "protos: { files: [a.proto] }, services: [a.v1.Things, a.v1.Thing]",
            "upstreams.u.transcode.services[1]: a.v1.Thing: no such service; there are a.v1.Things"
                .into(),
        ),
        ("descriptors: empty.pb", "empty.pb is empty".into()),
        ("descriptors: bad.pb", "upstreams.u.transcode.descriptors: the descriptors can".into()),
        ("descriptors: large.pb", "large.pb holds more than 67108864 bytes".into()),
        ("descriptors: none.pb", "upstreams.u.transcode.descriptors: can not read ".into()),
        (
            "reflection: {}, openapi: openapi.json",
            "upstreams.u.transcode.openapi: \"openapi.json\" is no path such as /openapi.json"
                .into(),
        ),
    ] {
        let faults = compile_in(&place, transcode).map(drop).expect_err(transcode);
        let texts: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert!(texts.len() == 1 && texts[0].contains(&expected), "{texts:#?} for {expected}");
    }
}

#[test]
fn only_upstreams_that_speak_grpc_and_can_be_asked_take_json() {
    let place = Scratch::new("transcode");
    for (upstream, expected) in [
        (
            "endpoints: ['h:1'], protocol: http1, transcode: { reflection: {} }",
            "upstreams.u.transcode: gRPC needs HTTP/2: the protocol of the upstream must be h2c or h2",
        ),
        (
            "lookup: { store: s, key: k, allow: [10.0.0.0/8] }, transcode: { reflection: {} }",
            "upstreams.u.transcode.reflection: the upstream lists no endpoints that could be asked",
        ),
    ] {
        let faults = load_and_compile(&place, upstream).map(drop).expect_err(expected);
        assert!(faults[0].to_string().ends_with(expected), "{faults:#?}");
    }
}

fn put(place: &Scratch, file: &str, text: &str) {
    fs::write(place.path().join(file), text).expect("a scratch file");
}

fn methods(place: &Scratch, transcode: &str) -> Arc<Methods> {
    let compiled = compile_in(place, transcode).expect("no fault");
    let upstream = &compiled.snapshot.upstreams[0];
    upstream.transcoding.as_ref().and_then(|found| found.methods()).expect("read at once")
}

fn compile_in(place: &Scratch, transcode: &str) -> Result<Compiled, Vec<Fault>> {
    load_and_compile(place, &format!("endpoints: ['h:1'], transcode: {{ {transcode} }}"))
}

fn load_and_compile(place: &Scratch, upstream: &str) -> Result<Compiled, Vec<Fault>> {
    let text = format!(
        "workers: 2\nlisteners: [{{ address: 127.0.0.1:0 }}]\nstores: {{ s: {{ embedded: {{ path: \
         s.redb }} }} }}\nupstreams: {{ u: {{ {upstream} }} }}\nroutes: [{{ name: r, upstream: u }}]\n"
    );
    put(place, "c.yaml", &text);
    let loaded = load_with(&place.path().join("c.yaml"), &|_| None).expect("it loads");
    compile(&loaded, &Previous::new(2), &mut DryStores).map_err(|mut faults| {
        faults.retain(|fault| fault.severity == Severity::Error);
        faults
    })
}
