//! Which requests belong to which method.

use narrows_transcode::{DefaultMapping, Options, Services};
use narrows_wire::grpc::Status;
use serde_json::json;

use crate::support::{bind, head, send, sent, transcoder, usual};

#[test]
fn each_binding_is_found_and_its_path_becomes_fields() {
    for (method, path, grpc, message) in [
        ("GET", "/v1/shelves/7", "GetShelf", json!({"id": "7"})),
        (
            "GET",
            "/v1/tenants/t%2F1/shelves/7",
            "GetShelf",
            json!({"id": "7", "tenant": {"name": "tenants/t%2F1"}}),
        ),
        ("POST", "/v1/shelves", "CreateShelf", json!({})),
        ("DELETE", "/v1/shelves/a/b/c", "DeleteBook", json!({"name": "shelves/a/b/c"})),
        ("DELETE", "/v1/shelves", "DeleteBook", json!({"name": "shelves"})),
        ("DELETE", "/v1/shelves/", "DeleteBook", json!({"name": "shelves/"})),
        (
            "POST",
            "/v1/shelves/s/books/b:archive",
            "ArchiveBook",
            json!({"name": "shelves/s/books/b"}),
        ),
        ("GET", "/v1/books:search", "Search", json!({})),
        ("PURGE", "/v1/cache/a%2Fb%20c", "Purge", json!({"name": "a/b c"})),
        ("GET", "/v1/touch/x:y", "Touch", json!({"name": "x:y"})),
        ("BREW", "/v1/touch/x", "Touch", json!({"name": "x"})),
        ("POST", "/test.v1.Library/Echo", "Echo", json!({})),
        ("POST", "/test.v1.Library/GetShelf", "GetShelf", json!({})),
    ] {
        let (path, messages) = send(usual(), method, path, "").expect(path);
        assert_eq!(path, format!("/test.v1.Library/{grpc}"));
        assert_eq!(messages, [message], "{path}");
    }
}

#[test]
fn what_no_binding_has_is_left_to_others() {
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/v1"),
        ("GET", "/v1/shelves/7/"),
        ("GET", "/V1/shelves/7"),
        ("GET", "/v1/shelves/"),
        ("GET", "/v1/%73helves/7"),
        ("POST", "/test.v1.Library/Other"),
        ("GET", "*"),
        ("GET", "http://host/v1/shelves/7"),
    ] {
        let head = head(&[(":method", method), (":path", path)]);
        let bound = usual().bind(&head);
        let is_other = match &bound {
            Ok(call) => call.is_none(),
            // DELETE has all below `/v1/shelves`.
            Err(failure) => failure.allow == ["DELETE"],
        };
        assert!(is_other, "{path}: {bound:?}");
    }
}

#[test]
fn grpc_is_left_as_it_is() {
    for kind in ["application/grpc", "application/grpc+proto", "application/grpc-web-text"] {
        let fields =
            [(":method", "POST"), (":path", "/test.v1.Library/Echo"), ("content-type", kind)];
        let bound = usual().bind(&head(&fields)).expect("no failure");
        assert!(bound.is_none(), "{kind}");
    }
}

#[test]
fn a_path_without_the_method_of_the_request_says_which_it_has() {
    let failure = bind(usual(), "POST", "/v1/shelves/7").expect_err("only GET and DELETE");
    assert_eq!((failure.status, failure.http_status), (Status::Unimplemented, 405));
    assert_eq!(failure.allow, ["DELETE", "GET"]);
    let mut body = Vec::new();
    let head = failure.write(&mut body);
    assert_eq!((head.http_status, head.content_type.as_str()), (405, "application/json"));
    assert_eq!(
        String::from_utf8(body).expect("text"),
        r#"{"code":12,"message":"POST is not bound at this path; there are DELETE, GET","details":[]}"#
    );
}

#[test]
fn a_variable_that_its_field_can_not_take_is_named() {
    for (path, message) in [
        ("/v1/shelves/seven", "id in the path: invalid digit found in string"),
        (
            "/v1/shelves/9223372036854775808",
            "id in the path: number too large to fit in target type",
        ),
        (
            "/v1/shelves/%zz",
            "id in the path: a percent sign needs two hexadecimal digits behind it",
        ),
        ("/v1/files/%ff", "name in the path: it is not UTF-8"),
    ] {
        let failure = bind(usual(), "GET", path).expect_err(path);
        assert_eq!((failure.status, failure.message.as_str()), (Status::InvalidArgument, message));
    }
}

#[test]
fn the_path_goes_before_the_body() {
    let message = sent("POST", "/v1/shelves/s/books/b:archive", r#"{"name":"other"}"#);
    assert_eq!(message, json!({"name": "shelves/s/books/b"}));
}

#[test]
fn only_named_services_are_bound_and_only_as_annotated_if_so_chosen() {
    let options = Options {
        services: Services::Named(vec!["test.v1.Library".to_owned()]),
        default_mapping: DefaultMapping::Off,
        ..Options::default()
    };
    let transcoder = transcoder(options);
    let request = head(&[(":method", "POST"), (":path", "/test.v1.Library/GetShelf")]);
    assert!(transcoder.bind(&request).expect("no failure").is_none());
    assert!(bind(&transcoder, "GET", "/v1/shelves/7").is_ok());
    assert!(transcoder.bindings().all(|binding| binding.path().starts_with("/v1/")));
}

#[test]
fn the_head_of_the_request_becomes_one_of_grpc() {
    let caller = head(&[
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/v1/shelves/7"),
        ("accept", "application/json"),
        ("authorization", "Bearer t"),
    ]);
    let call = usual().bind(&caller).expect("no failure").expect("a binding");
    let mut out = head(&[]);
    call.request_head(&caller, &mut out);
    let values: Vec<_> = [":method", ":path", "content-type", "te", "authorization", "accept"]
        .iter()
        .map(|name| out.find(name.as_bytes()).map(String::from_utf8_lossy))
        .collect();
    let expected = [
        Some("POST"),
        Some("/test.v1.Library/GetShelf"),
        Some("application/grpc"),
        Some("trailers"),
        Some("Bearer t"),
        None,
    ];
    assert_eq!(values, expected.map(|value| value.map(Into::into)));
}
