//! Callers in JSON, by curl, before nodes that speak gRPC.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "transcode/reflection.rs"]
mod reflection;
#[path = "transcode/streams.rs"]
mod streams;
#[path = "transcode/support.rs"]
mod support;

use std::io::Write;
use std::process::Stdio;

use narrows_e2e::shop::Shop;
use narrows_testkit::servers::{python, repository};
use serde_json::{Value, json};

use support::{config, curl, from_descriptors};

#[test]
fn fields_come_from_path_query_and_body() {
    let shop = Shop::start();
    let gateway = from_descriptors(&shop, "");
    let query = "name=a%20b&kind=BOOK&tags=x&tags=y&size.width=7&made=2020-01-02T03:04:05Z";
    let reply = curl(&gateway, &format!("/v1/items/9007199254740993?{query}"), &[]);
    assert_eq!((reply.status, reply.kind.as_str()), (200, "application/json"));
    let item = json!({
        "id": "9007199254740993", "name": "a b", "kind": "BOOK", "tags": ["x", "y"],
        "size": { "width": 7 }, "made": "2020-01-02T03:04:05Z",
    });
    assert_eq!(reply.json(), item);

    let item = json!({
        "id": "-5", "kind": "TOY", "warranty": "1.500s", "stock": "3", "code": "AP8=",
    });
    let post = ["--json", &item.to_string()];
    assert_eq!(curl(&gateway, "/v1/items", &post).json(), item);
    let by_default = curl(&gateway, "/narrows.test.Shop/Plain", &post);
    assert_eq!(by_default.json(), item);
    let numbers = r#"{"kind":2,"id":7}"#;
    let reply = curl(&gateway, "/v1/items", &["--json", numbers]);
    assert_eq!(reply.json(), json!({ "kind": "BOOK", "id": "7" }));
    let over_http2 = ["--http2-prior-knowledge", "--json", numbers];
    assert_eq!(curl(&gateway, "/v1/items", &over_http2).body, reply.body);
}

#[test]
fn raw_content_is_not_json() {
    let shop = Shop::start();
    let gateway = from_descriptors(&shop, "");
    let reply = curl(&gateway, "/v1/items/1/picture", &[]);
    assert_eq!((reply.status, reply.kind.as_str()), (200, "image/x-test"));
    assert_eq!(reply.bytes, [0, 1, 2, 255]);
}

#[test]
fn every_status_has_its_http_status_and_a_body() {
    let shop = Shop::start();
    let gateway = from_descriptors(&shop, "");
    for (code, http) in [
        (1, 499),
        (2, 500),
        (3, 400),
        (4, 504),
        (5, 404),
        (6, 409),
        (7, 403),
        (8, 429),
        (9, 400),
        (10, 409),
        (11, 400),
        (12, 501),
        (13, 500),
        (14, 503),
        (15, 500),
        (16, 401),
    ] {
        let reply = curl(&gateway, &format!("/v1/fail/{code}"), &[]);
        assert_eq!((reply.status, reply.kind.as_str()), (http, "application/json"), "{code}");
        let details =
            json!([{ "@type": "type.googleapis.com/google.protobuf.Duration", "value": "5s" }]);
        let told = json!({ "code": code, "message": "as you asked: 100 %", "details": details });
        assert_eq!(reply.json(), told);
    }
}

#[test]
fn what_can_not_be_bound_is_refused_in_json() {
    let shop = Shop::start();
    let gateway = from_descriptors(&shop, "");
    for (path, arguments, http, code, text) in [
        ("/v1/nothing", &[][..], 404, 12, "no method is bound to the request"),
        ("/v1/items", &["-X", "PUT"], 405, 12, "PUT is not bound at this path"),
        ("/v1/items/x", &[], 400, 3, "id in the path"),
        ("/v1/items/1?colour=red", &[], 400, 3, "colour"),
        ("/v1/items", &["--json", "{"], 400, 3, "the JSON can not be read"),
        ("/v1/items", &["--json", r#"{"colour":1}"#], 400, 3, "colour"),
        ("/v1/items", &["-H", "content-type: text/plain", "-d", "{}"], 415, 3, "content"),
    ] {
        let reply = curl(&gateway, path, arguments);
        assert_eq!((reply.status, reply.kind.as_str()), (http, "application/json"), "{path}");
        assert_eq!(reply.json()["code"], code, "{path}");
        assert!(reply.body.contains(text), "{path}: {}", reply.body);
    }
    let reply = curl(&gateway, "/v1/items", &["-i", "-X", "PUT"]);
    assert!(reply.body.contains("allow: POST"), "{}", reply.body);
    assert_eq!(gateway.metric("narrows_local_replies_total", "not_bound"), 3.0);
    assert_eq!(gateway.metric("narrows_local_replies_total", "bad_parameters"), 2.0);
}

#[test]
fn failures_of_the_gateway_are_told_in_json_too() {
    let shop = Shop::start();
    let gateway = from_descriptors(&shop, "");
    drop(shop);
    let reply = curl(&gateway, "/v1/items/1", &[]);
    assert_eq!((reply.status, reply.kind.as_str()), (503, "application/json"));
    let told = json!({ "code": 14, "message": "the node can not be reached", "details": [] });
    assert_eq!(reply.json(), told);
}

#[test]
fn messages_are_measured_as_grpc() {
    let shop = Shop::start();
    let config = config(&shop, "descriptors: '{directory}/shop.pb'", "")
        .replace("    upstream: shop\n", "    upstream: shop\n    message_bytes_max: 100\n");
    let gateway = support::start(&config);
    // A hundred bytes of JSON and more, but few of gRPC.
    let small = format!(r#"{{"id":"7"{}}}"#, " ".repeat(200));
    assert_eq!(curl(&gateway, "/v1/items", &["--json", &small]).status, 200);
    let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(99));
    let reply = curl(&gateway, "/v1/items", &["--json", &large]);
    assert_eq!(reply.json()["message"], "a message is larger than its route allows");
    assert_eq!(reply.json()["code"], 8);
    let by_query = format!("/v1/items/1?name={}", "x".repeat(99));
    assert_eq!(curl(&gateway, &by_query, &[]).json()["code"], 8);
}

#[test]
fn the_log_has_the_callers_path_and_metrics_the_method() {
    let shop = Shop::start();
    let gateway =
        from_descriptors(&shop, "\naccess_log: { path: '{directory}/access.log', format: json }\n");
    assert_eq!(curl(&gateway, "/v1/fail/5?x=1", &[]).status, 400);
    assert_eq!(curl(&gateway, "/v1/fail/5", &[]).status, 404);
    assert_eq!(curl(&gateway, "/v1/items/3", &[]).status, 200);
    let lines = support::log_lines(&gateway, 3);
    let line = &lines[1];
    assert_eq!((line["method"].as_str(), line["path"].as_str()), (Some("GET"), Some("/v1/fail/5")));
    assert_eq!(
        (line["status"].as_u64(), line["grpc_status"].as_u64()),
        (Some(404), Some(5)),
        "{line}"
    );
    assert_eq!(line["msgs_in"], 1, "{line}");
    let handled = |labels| gateway.metric("grpc_server_handled_total", labels);
    assert_eq!(handled(r#"grpc_method="GetItem",grpc_code="OK""#), 1.0);
    assert_eq!(handled(r#"grpc_method="Fail",grpc_code="NotFound""#), 1.0);
}

#[test]
fn grpc_passes_untouched_beside_json() {
    let shop = Shop::start();
    let gateway = from_descriptors(&shop, "");
    let arguments = [
        "--http2-prior-knowledge",
        "-H",
        "content-type: application/grpc",
        "-H",
        "te: trailers",
        "--data-binary",
        "@-",
    ];
    let reply = support::curl_with_input(
        &gateway,
        "/narrows.test.Shop/GetItem",
        &arguments,
        b"\0\0\0\0\x02\x08\x07",
    );
    assert_eq!((reply.status, reply.kind.as_str()), (200, "application/grpc"));
    assert_eq!(reply.bytes, b"\0\0\0\0\x02\x08\x07");
}

#[test]
fn protos_are_compiled_by_the_gateway_and_their_faults_have_places() {
    let shop = Shop::start();
    let file = repository().join("e2e/protos/shop.proto");
    let source = format!("protos: {{ files: ['{}'] }}", file.display());
    let gateway = support::start(&config(&shop, &source, ""));
    assert_eq!(curl(&gateway, "/v1/items/8", &[]).json(), json!({ "id": "8" }));

    let bad = "syntax = \"proto3\";\nmessage A {\n  strin b = 1;\n}\n";
    std::fs::write(gateway.directory().join("bad.proto"), bad).unwrap();
    gateway.rewrite(&config(&shop, "protos: { files: [bad.proto] }", ""));
    let admin = gateway.admin.to_string();
    let output = gateway.command(&["reload", "--admin", &admin]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("bad.proto:3:3"), "{error}");
    assert_eq!(curl(&gateway, "/v1/items/8", &[]).status, 200);
}

#[test]
fn the_description_is_served_to_callers_and_operators() {
    let shop = Shop::start();
    let gateway = support::start(&config(
        &shop,
        "descriptors: '{directory}/shop.pb', openapi: /openapi.json",
        "",
    ));
    let reply = curl(&gateway, "/openapi.json", &[]);
    assert_eq!((reply.status, reply.kind.as_str()), (200, "application/json"));
    let document: Value = reply.json();
    assert_eq!(document["openapi"], "3.0.3");
    assert_eq!(document["info"]["title"], "shop");
    let operation = &document["paths"]["/v1/items/{id}"]["get"];
    assert_eq!(operation["description"], "Gives one item.", "{operation}");
    assert_eq!(gateway.get("/openapi/shop").body, reply.body);
    assert_eq!(gateway.get("/openapi/other").status, 404);
    let head = curl(&gateway, "/openapi.json", &["--head"]);
    assert_eq!((head.status, head.kind.as_str()), (200, "application/json"));
}

/// By a program that knows the specification and not us.
#[test]
fn the_description_is_valid_openapi() {
    let shop = Shop::start();
    let gateway = from_descriptors(&shop, "");
    let description = gateway.get("/openapi/shop").body;
    let mut validator = python("openapi");
    let mut validator = validator.stdin(Stdio::piped()).spawn().expect("it is installed");
    let mut input = validator.stdin.take().expect("it is piped");
    input.write_all(description.as_bytes()).expect("it reads");
    drop(input);
    assert!(validator.wait().expect("it ends").success());
}
