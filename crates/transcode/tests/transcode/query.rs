//! Parameters of queries.

use narrows_transcode::{Limits, Options, Unknown};
use serde_json::json;

use crate::support::{refused, send, sent, transcoder};

#[test]
fn parameters_become_fields() {
    for (query, message) in [
        ("text=a+b%26c", json!({"text": "a b&c"})),
        ("text=", json!({})),
        ("page.page_token=t&page.size.max_books=5", {
            json!({"page": {"pageToken": "t", "size": {"maxBooks": 5}}})
        }),
        ("page.pageToken=t&page.size.maxBooks=5", {
            json!({"page": {"pageToken": "t", "size": {"maxBooks": 5}}})
        }),
        ("kinds=NOVEL&kinds=2&kinds=7", json!({"kinds": ["NOVEL", "ATLAS", 7]})),
        ("years=1&years=-9223372036854775808", json!({"years": ["1", "-9223372036854775808"]})),
        ("cursor=AP8%3D", json!({"cursor": "AP8="})),
        ("cursor=_-8", json!({"cursor": "/+8="})),
        ("since=2024-02-29T12:00:00.5Z", json!({"since": "2024-02-29T12:00:00.500Z"})),
        ("within=1.5s", json!({"within": "1.500s"})),
        ("fields=title,page.pageToken", json!({"fields": "title,page.pageToken"})),
        ("at_most=9&lent=false", json!({"atMost": "9", "lent": false})),
        ("atMost=0&lent=true", json!({"atMost": "0", "lent": true})),
        ("rating=4.5", json!({"rating": 4.5})),
        ("rating=-Infinity", json!({"rating": "-Infinity"})),
        ("shelf_name=x", json!({"shelfName": "x"})),
        ("words=a&words=", json!({"words": ["a", ""]})),
        ("like.title=x&like.sequel.kind=ATLAS", {
            json!({"like": {"title": "x", "sequel": {"kind": "ATLAS"}}})
        }),
        ("limit=0", json!({"limit": 0})),
        ("&&text=a&", json!({"text": "a"})),
        ("", json!({})),
    ] {
        assert_eq!(sent("GET", &format!("/v1/books:search?{query}"), ""), message, "{query}");
    }
}

#[test]
fn what_can_not_be_bound_is_named() {
    for (query, message) in [
        ("author=x", "query parameter author: test.v1.SearchRequest has no field author"),
        ("page.x.y=1", "query parameter page.x.y: test.v1.Page has no field x"),
        ("text.x=1", "query parameter text.x: text is no single message to look into"),
        ("kinds.x=1", "query parameter kinds.x: kinds is no single message to look into"),
        ("page=1", "query parameter page: a message or a map can not be a parameter"),
        ("labels=1", "query parameter labels: a message or a map can not be a parameter"),
        ("labels.key=1", "query parameter labels.key: labels is no single message to look into"),
        ("text=a&text=b", "query parameter text is there twice"),
        ("kinds=POEM", "query parameter kinds: unrecognized enum value 'POEM'"),
        ("years=x", "query parameter years: invalid digit found in string"),
        ("limit=-1", "query parameter limit: invalid digit found in string"),
        ("limit=4294967296", "query parameter limit: number too large to fit in target type"),
        ("text=%4", "query parameter text: a percent sign needs two hexadecimal digits behind it"),
        ("=x", "query parameter : test.v1.SearchRequest has no field "),
        ("shelf_name=x&shelf_number=1", "shelf_number: another field of its oneof is set"),
    ] {
        assert_eq!(refused("GET", &format!("/v1/books:search?{query}"), ""), message, "{query}");
    }
    let lent = refused("GET", "/v1/books:search?lent=maybe", "");
    assert!(lent.starts_with("query parameter lent: invalid type: string \"maybe\""), "{lent}");
}

#[test]
fn what_the_path_or_the_body_has_is_no_parameter() {
    let patch = "/v1/shelves/s/books/b";
    for (method, path, message) in [
        ("GET", "/v1/shelves/7?id=8", "query parameter id: the path has it"),
        ("PATCH", &*format!("{patch}?book.title=x"), {
            "query parameter book.title: the body has it"
        }),
        (
            "POST",
            "/v1/shelves?theme=x",
            "query parameter theme: the body has all fields that the path has not",
        ),
    ] {
        assert_eq!(refused(method, path, ""), message);
    }
    let message = sent("PATCH", &format!("{patch}?update_mask=title,kind"), r#"{"title":"t"}"#);
    let book = json!({"name": "shelves/s/books/b", "title": "t"});
    assert_eq!(message, json!({"book": book, "updateMask": "title,kind"}));
}

#[test]
fn unknown_parameters_are_left_out_if_so_chosen() {
    let options = Options { unknown_query: Unknown::Ignore, ..Options::default() };
    let transcoder = transcoder(options);
    let path = "/v1/books:search?author=x&text=a&utm_source=mail";
    let (_, messages) = send(&transcoder, "GET", path, "").expect("unknown names are ignored");
    assert_eq!(messages, [json!({"text": "a"})]);
    send(&transcoder, "GET", "/v1/books:search?rating=high", "").expect_err("a known name counts");
}

#[test]
fn one_parameter_past_the_limit_is_refused() {
    let limits = Limits { query_parameters_max: 3, ..Limits::default() };
    let transcoder = transcoder(Options { limits, ..Options::default() });
    let path = |count| format!("/v1/books:search?{}", vec!["years=1"; count].join("&"));
    send(&transcoder, "GET", &path(3), "").expect("three are allowed");
    let failure = send(&transcoder, "GET", &path(4), "").expect_err("four are not");
    assert_eq!(failure.message, "more than 3 query parameters");
}
