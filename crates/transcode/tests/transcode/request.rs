//! Bodies of requests.

use narrows_transcode::{Failure, Limits, Options, Transcoder, Unknown};
use narrows_wire::codec::End;
use narrows_wire::grpc::Status;
use serde_json::{Value, json};

use crate::support::{bind, bind_fields, framed, refused, send, sent, transcoder, usual};

const ECHO: &str = "/test.v1.Library/Echo";
const IMPORT: &str = "/v1/shelves/s/books:import";

#[test]
fn json_is_read_as_proto3_says() {
    for (body, message) in [
        (r#"{"fInt64":"-5","fUint64":18446744073709551615}"#, {
            json!({"fInt64": "-5", "fUint64": "18446744073709551615"})
        }),
        (r#"{"f_int64":7,"fInt32":1e3,"fSint32":"-1"}"#, {
            json!({"fInt64": "7", "fInt32": 1000, "fSint32": -1})
        }),
        (r#"{"fEnum":"ATLAS","rEnum":[1,"NOVEL",9]}"#, {
            json!({"fEnum": "ATLAS", "rEnum": ["NOVEL", "NOVEL", 9]})
        }),
        (r#"{"fDouble":"NaN","rDouble":["Infinity",0.1,-0.0]}"#, {
            json!({"fDouble": "NaN", "rDouble": ["Infinity", 0.1, -0.0]})
        }),
        (
            r#"{"fBytes":"-_8","rBytes":["","AA=="]}"#,
            json!({"fBytes": "+/8=", "rBytes": ["", "AA=="]}),
        ),
        (r#"{"mString":{"a":{"title":"t"}},"mInt64":{"-1":2},"mBool":{"true":"NOVEL"}}"#, {
            json!({"mString": {"a": {"title": "t"}}, "mInt64": {"-1": 2.0}, "mBool": {"true": "NOVEL"}})
        }),
        (r#"{"wTimestamp":"2024-01-01T01:00:00+01:00","wDuration":"-1.5s"}"#, {
            json!({"wTimestamp": "2024-01-01T00:00:00Z", "wDuration": "-1.500s"})
        }),
        (r#"{"wMask":"fInt32,wAny","wStruct":{"a":[1,null,{"b":true}]}}"#, {
            json!({"wMask": "fInt32,wAny", "wStruct": {"a": [1.0, null, {"b": true}]}})
        }),
        (r#"{"wValue":null,"wInt64":"3","wBool":false,"wEmpty":{}}"#, {
            json!({"wValue": null, "wInt64": "3", "wBool": false, "wEmpty": {}})
        }),
        (r#"{"wAny":{"title":"t","@type":"type.googleapis.com/test.v1.Book"}}"#, {
            json!({"wAny": {"@type": "type.googleapis.com/test.v1.Book", "title": "t"}})
        }),
        (r#"{"wAny":{"@type":"x/google.protobuf.Duration","value":"1s"}}"#, {
            json!({"wAny": {"@type": "x/google.protobuf.Duration", "value": "1s"}})
        }),
        (r#"{"fString":null,"oInt32":0,"cNull":null}"#, json!({"oInt32": 0, "cNull": null})),
        (r#"{"fString":"😀 \" \\"}"#, json!({"fString": "😀 \" \\"})),
        ("", json!({})),
        (" \r\n", json!({})),
    ] {
        assert_eq!(sent("POST", ECHO, body), message, "{body}");
    }
}

#[test]
fn what_is_wrong_is_named_with_its_path() {
    for (body, fault) in [
        (r#"{"fMessage":{"rMessage":[{},{"nope":1}]}}"#, {
            "fMessage.rMessage[1]: unrecognized field name 'nope' at line 1 column 35"
        }),
        (r#"{"nope":1}"#, "unrecognized field name 'nope' at line 1 column 7"),
        (r#"{"fInt32":"x"}"#, "fInt32: invalid digit found in string at line 1 column 13"),
        (r#"{"fInt32":2147483648}"#, {
            "fInt32: out of range integral type conversion attempted at line 1 column 20"
        }),
        (r#"{"fEnum":"POEM"}"#, "fEnum: unrecognized enum value 'POEM' at line 1 column 15"),
        (r#"{"cString":"a","cMessage":{}}"#, {
            "multiple fields provided for oneof 'choice' at line 1 column 29"
        }),
        (
            r#"{"wAny":{"@type":"x/no.Such"}}"#,
            "wAny: message 'no.Such' not found at line 1 column 29",
        ),
        (r#"{"a""#, "unrecognized field name 'a' at line 1 column 4"),
        (r#"{} {}"#, "trailing characters at line 1 column 4"),
        (r#"{"fString":"a"#, "fString: EOF while parsing a string at line 1 column 13"),
    ] {
        let message = refused("POST", ECHO, body);
        assert_eq!(message, format!("the JSON can not be read: {fault}"), "{body}");
    }
    for body in ["[]", "null", "1", r#"{"fString":7}"#, r#"{"fBool":"true"}"#] {
        let message = refused("POST", ECHO, body);
        assert!(message.contains("invalid type"), "{message}");
    }
}

#[test]
fn unknown_members_are_left_out_if_so_chosen() {
    let options = Options { unknown_json: Unknown::Ignore, ..Options::default() };
    let body = r#"{"nope":[{"a":1}],"fInt32":1,"fMessage":{"no":null},"fEnum":"POEM"}"#;
    let (_, messages) = send(&transcoder(options), "POST", ECHO, body).expect("ignored");
    assert_eq!(messages, [json!({"fInt32": 1, "fMessage": {}})]);
}

#[test]
fn the_body_may_be_one_field() {
    let book = sent("PATCH", "/v1/shelves/s/books/b", r#"{"title":"t","kind":"NOVEL"}"#);
    let expected = json!({"book": {"name": "shelves/s/books/b", "title": "t", "kind": "NOVEL"}});
    assert_eq!(book, expected);
    let title = sent("PUT", "/v1/titles/n", r#""Some title""#);
    assert_eq!(title, json!({"book": {"name": "n", "title": "Some title"}}));
    let tags = sent("POST", "/v1/books/n/tags", r#"["a","b"]"#);
    assert_eq!(tags, json!({"name": "n", "tags": ["a", "b"]}));
    assert_eq!(sent("POST", "/v1/books/n/tags", "null"), json!({"name": "n"}));
    let wrong = refused("PATCH", "/v1/shelves/s/books/b", r#"{"sequel":{"nope":1}}"#);
    assert!(wrong.contains("sequel: unrecognized field name 'nope'"), "{wrong}");
}

#[test]
fn a_method_without_a_body_takes_none() {
    let message = refused("GET", "/v1/shelves/7", "{}");
    assert_eq!(message, "this method takes no body; use parameters of the query");
}

#[test]
fn a_body_may_come_in_any_pieces() {
    let body = r#"{"theme":"räume","books":[{"title":"t"}]}"#;
    let whole = sent("POST", "/v1/shelves", body);
    for chunk_bytes in 1..body.len() {
        let mut call = bind(usual(), "POST", "/v1/shelves").expect("a binding");
        let mut out = Vec::new();
        for chunk in body.as_bytes().chunks(chunk_bytes) {
            call.push_request(chunk, End::Open, &mut out).expect("a good body");
            assert!(out.is_empty(), "a message before its end");
        }
        call.push_request(&[], End::Stream, &mut out).expect("a good body");
        assert_eq!(out, framed("Shelf", &whole.to_string()));
    }
}

#[test]
fn each_line_of_a_stream_is_a_message_as_soon_as_it_is_whole() {
    let mut call = bind(usual(), "POST", IMPORT).expect("a binding");
    let mut out = Vec::new();
    let mut push = |data: &str, end| {
        out.clear();
        call.push_request(data.as_bytes(), end, &mut out).map(|()| out.clone())
    };
    let book = |title: &str| framed("Book", &json!({"title": title, "shelf": "s"}).to_string());
    assert_eq!(push(r#"{"title":"#, End::Open), Ok(vec![]));
    assert_eq!(push("\"a\"}\n\r\n  \n{\"ti", End::Open), Ok(book("a")));
    assert_eq!(push("tle\":\"b\"}\r\n{\"title\":\"c\"}\n", End::Open), {
        Ok([book("b"), book("c")].concat())
    });
    assert_eq!(push("{\"title\":\"d\"}", End::Stream), Ok(book("d")));
}

#[test]
fn a_stream_without_lines_has_no_messages() {
    let (path, messages) = send(usual(), "POST", IMPORT, "").expect("an empty stream");
    assert_eq!((path.as_str(), messages.len()), ("/test.v1.Library/Import", 0));
}

#[test]
fn a_wrong_line_fails_behind_the_good_ones() {
    let mut call = bind(usual(), "POST", IMPORT).expect("a binding");
    let mut out = Vec::new();
    let failure = call.push_request(b"{\"title\":\"a\"}\n{\n", End::Open, &mut out);
    assert_eq!(failure.expect_err("half an object").status, Status::InvalidArgument);
    assert_eq!(out, framed("Book", r#"{"title":"a","shelf":"s"}"#));
}

#[test]
fn json_has_to_be_called_so() {
    let push = |path: &str, kind: Option<&str>| {
        let mut fields = vec![(":method", "POST"), (":path", path)];
        fields.extend(kind.map(|kind| ("content-type", kind)));
        let mut call = bind_fields(usual(), &fields).expect("a binding");
        call.push_request(b"{}", End::Stream, &mut Vec::new())
    };
    for kind in
        ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"]
    {
        assert_eq!(push(ECHO, Some(kind)), Ok(()), "{kind}");
        assert_eq!(push(IMPORT, Some(kind)), Ok(()), "{kind}");
    }
    assert_eq!(push(IMPORT, Some("application/x-ndjson")), Ok(()));
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("")] {
        for path in [ECHO, IMPORT] {
            let failure = push(path, kind).expect_err("not JSON");
            assert_eq!((failure.http_status, failure.status), (415, Status::InvalidArgument));
        }
    }
    assert_eq!(push(ECHO, Some("application/x-ndjson")).expect_err("one message").http_status, 415);
}

#[test]
fn an_encoded_body_is_refused_at_the_head() {
    let fields = |coding| [(":method", "POST"), (":path", ECHO), ("content-encoding", coding)];
    let failure = bind_fields(usual(), &fields("gzip")).expect_err("we decompress nothing");
    assert_eq!(failure.http_status, 415);
    bind_fields(usual(), &fields("identity")).expect("no encoding");
}

#[test]
fn one_byte_past_the_largest_body_is_refused_as_it_comes() {
    let limits = Limits { request_bytes_max: 20, ..Limits::default() };
    let transcoder = transcoder(Options { limits, ..Options::default() });
    let body = |bytes| format!("{:1$}", r#"{"fInt32":1}"#, bytes);
    send(&transcoder, "POST", ECHO, &body(20)).expect("the largest");
    let mut call = bind(&transcoder, "POST", ECHO).expect("a binding");
    let failure = call.push_request(body(21).as_bytes(), End::Open, &mut Vec::new());
    let failure = failure.expect_err("one byte more");
    assert_eq!((failure.status, failure.http_status), (Status::ResourceExhausted, 413));
    assert_eq!(failure.message, "the body is larger than 20 bytes");
}

#[test]
fn one_byte_past_the_longest_line_is_refused_as_it_comes() {
    let limits = Limits { line_bytes_max: 13, ..Limits::default() };
    let transcoder = transcoder(Options { limits, ..Options::default() });
    let push = |transcoder: &Transcoder, chunks: &[&str]| -> Result<(), Failure> {
        let mut call = bind(transcoder, "POST", IMPORT).expect("a binding");
        chunks
            .iter()
            .try_for_each(|chunk| call.push_request(chunk.as_bytes(), End::Open, &mut Vec::new()))
    };
    let line = r#"{"title":"a"}"#;
    assert_eq!(push(&transcoder, &[line, "\n", line, "\n"]), Ok(()));
    for chunks in [&["{\"title\":\"ab\"}\n"][..], &["{\"title\":\"ab\"}"], &[line, " "]] {
        let failure = push(&transcoder, chunks).expect_err("14 bytes");
        assert_eq!((failure.http_status, failure.message.as_str()), {
            (413, "a line is larger than 13 bytes")
        });
    }
}

#[test]
fn one_level_past_the_deepest_json_is_refused() {
    let limits = Limits { json_depth_max: 5, ..Limits::default() };
    let shallow = transcoder(Options { limits, ..Options::default() });
    let body = |depth: usize| {
        let (open, close) = (r#"{"fMessage":"#.repeat(depth - 1), "}".repeat(depth - 1));
        format!("{open}{{}}{close}")
    };
    send(&shallow, "POST", ECHO, &body(5)).expect("the deepest");
    let failure = send(&shallow, "POST", ECHO, &body(6)).expect_err("one level more");
    assert_eq!(failure.message, "the JSON is deeper than 5");
    let usual_depth = Limits::default().json_depth_max;
    send(usual(), "POST", ECHO, &body(usual_depth)).expect("the deepest by default");
    assert!(refused("POST", ECHO, &body(usual_depth + 1)).contains("deeper than 64"));
    assert!(refused("POST", ECHO, &"[".repeat(1_000_000)).contains("deeper than 64"));
}

#[test]
fn a_depth_without_limit_is_still_no_danger() {
    let limits = Limits { json_depth_max: usize::MAX, ..Limits::default() };
    let deep = transcoder(Options { limits, ..Options::default() });
    for (open, close) in [(r#"{"wValue":"#, "}"), (r#"{"fMessage":"#, "}"), ("[", "]")] {
        for depth in [90, 127, 128, 100_000] {
            let (open, close) = (open.repeat(depth), close.repeat(depth));
            // Some of them are wrong for other reasons: none overflows the stack.
            let _: Result<(String, Vec<Value>), Failure> =
                send(&deep, "POST", ECHO, &format!("{open}1{close}"));
        }
    }
}
