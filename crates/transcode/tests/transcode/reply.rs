//! Replies and failures.

use base64::Engine as _;
use narrows_transcode::{
    Call, DefaultValues, Ended, Ending, EnumForm, Failure, FieldNames, Limits, Options, Print,
    ReplyForm, ReplyHead, Transcoder,
};
use narrows_wire::grpc::Status;
use serde_json::{Value, json};

use crate::support::{bind, bind_fields, finish, frame, framed, head, reply, transcoder, usual};

fn shelf(transcoder: &Transcoder) -> Call {
    bind(transcoder, "GET", "/v1/shelves/7").expect("a binding")
}

fn search(accept: &str) -> Call {
    let fields = [(":method", "GET"), (":path", "/v1/books:search"), ("accept", accept)];
    bind_fields(usual(), &fields).expect("a binding")
}

fn got(status: u16, kind: &str, body: &str) -> (u16, String, String) {
    (status, kind.to_owned(), body.to_owned())
}

#[test]
fn one_message_is_one_text_whose_head_waits_for_the_status() {
    let body = framed("Shelf", r#"{"id":"7","books":[{"title":"t"}]}"#);
    for chunk_bytes in 1..=body.len() {
        let mut call = shelf(usual());
        let mut out = Vec::new();
        assert_eq!(call.begin_reply(), None);
        for chunk in body.chunks(chunk_bytes) {
            assert_eq!(call.push_reply(chunk, &mut out), Ok(None));
        }
        assert!(out.is_empty());
        let ended = Ended { status: Status::Ok, message: b"", details: None };
        let (all, finish) = finish(&mut call, &[], &ended);
        let text = r#"{"id":"7","books":[{"title":"t"}]}"#;
        assert_eq!(all, got(200, "application/json", text));
        assert_eq!((finish.ending, finish.status), (Ending::Complete, Status::Ok));
    }
}

#[test]
fn the_reply_may_be_one_field() {
    let titles = |path, message| {
        let call = bind(usual(), "GET", path).expect("a binding");
        reply(call, &framed("Titles", message), Status::Ok).0.2
    };
    assert_eq!(titles("/v1/titles", r#"{"titles":["a","b"]}"#), r#"["a","b"]"#);
    assert_eq!(titles("/v1/titles", r#"{"total":3}"#), "[]");
    assert_eq!(titles("/v1/titles:count", r#"{"total":3}"#), r#""3""#);
    assert_eq!(titles("/v1/titles:count", "{}"), r#""0""#);
}

#[test]
fn messages_of_a_stream_are_lines() {
    let mut call = search("application/json");
    assert_eq!(call.reply_form(), ReplyForm::Lines);
    let mut out = Vec::new();
    assert_eq!(call.begin_reply(), None);
    let head = call.push_reply(&framed("Book", r#"{"title":"a\nb"}"#), &mut out);
    let expected = head_of(200, "application/x-ndjson");
    assert_eq!(head, Ok(Some(expected)));
    assert_eq!(out, b"{\"title\":\"a\\nb\"}\n");
    out.clear();
    assert_eq!(call.push_reply(&framed("Book", "{}"), &mut out), Ok(None));
    assert_eq!(out, b"{}\n");
    let ended = Ended { status: Status::Ok, message: b"", details: None };
    assert_eq!(call.finish(&ended, &mut out).head, None);
    assert_eq!(out, b"{}\n");
}

#[test]
fn messages_of_a_stream_are_events_for_those_who_ask_for_them() {
    let mut call = search("text/event-stream");
    assert_eq!(call.reply_form(), ReplyForm::Events);
    assert_eq!(call.begin_reply(), Some(head_of(200, "text/event-stream")));
    assert_eq!(call.begin_reply(), None);
    let mut out = Vec::new();
    let body = [framed("Book", r#"{"title":"a\nb"}"#), framed("Book", "{}")].concat();
    assert_eq!(call.push_reply(&body, &mut out), Ok(None));
    assert_eq!(out, b"data: {\"title\":\"a\\nb\"}\n\ndata: {}\n\n");
}

#[test]
fn an_empty_stream_has_a_head_and_no_body() {
    let (all, _) = reply(search(""), b"", Status::Ok);
    assert_eq!(all, got(200, "application/x-ndjson", ""));
}

#[test]
fn a_status_becomes_one_of_http_and_a_body() {
    for status in Status::ALL.into_iter().skip(1) {
        let ended = Ended { status, message: b"shelf 7 %E2%86%92 gone", details: None };
        // What came before a failure is no reply.
        let body = framed("Shelf", r#"{"id":"7"}"#);
        let (all, finish) = finish(&mut shelf(usual()), &body, &ended);
        let text = json!({"code": status.code(), "message": "shelf 7 → gone", "details": []});
        assert_eq!(all, got(status.to_http(), "application/json", &text.to_string()));
        assert_eq!((finish.status, finish.ending), (status, Ending::Complete));
    }
}

#[test]
fn details_are_decoded_where_their_type_is_known() {
    // google.rpc.Status with a Reason that is known, a Duration, and a type that nobody knows.
    let any = |url: &str, value: &[u8]| {
        let inner = [&[0x0a, url.len() as u8], url.as_bytes(), &[0x12, value.len() as u8], value];
        let inner = inner.concat();
        [&[0x1a, inner.len() as u8], inner.as_slice()].concat()
    };
    let reason = [&[0x0a, 4][..], b"full", &[0x10, 9]].concat();
    let status = [
        &[0x08, 8, 0x12, 4][..],
        b"much",
        &any("type.googleapis.com/test.v1.Reason", &reason),
        &any("type.googleapis.com/google.protobuf.Duration", &[0x08, 3]),
        &any("type.googleapis.com/no.Such", &[1, 2, 3]),
        &any("type.googleapis.com/test.v1.Reason", &[0xff]),
    ]
    .concat();
    let details = json!([
        {"@type": "type.googleapis.com/test.v1.Reason", "word": "full", "weight": "9"},
        {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "3s"},
        {"@type": "type.googleapis.com/no.Such", "value": "AQID"},
        {"@type": "type.googleapis.com/test.v1.Reason", "value": "/w=="},
    ]);
    let (padded, bare) = (
        base64::engine::general_purpose::STANDARD.encode(&status),
        base64::engine::general_purpose::STANDARD_NO_PAD.encode(&status),
    );
    for (field, message, expected) in [(&padded, "", "much"), (&bare, "too much", "too much")] {
        let trailers = head(&[
            ("grpc-status", "8"),
            ("grpc-message", message),
            ("grpc-status-details-bin", field),
        ]);
        let ended = Ended::of(&trailers).expect("trailers with a status");
        let (all, _) = finish(&mut shelf(usual()), b"", &ended);
        let body: Value = serde_json::from_str(&all.2).expect("JSON");
        let expected = json!({"code": 8, "message": expected, "details": details});
        assert_eq!((all.0, body), (429, expected));
    }
}

#[test]
fn details_that_are_none_do_not_hide_the_status() {
    for field in ["", "?", "/w==", "////"] {
        let ended =
            Ended { status: Status::NotFound, message: b"m", details: Some(field.as_bytes()) };
        let (all, _) = finish(&mut shelf(usual()), b"", &ended);
        assert_eq!(all.2, r#"{"code":5,"message":"m","details":[]}"#);
    }
    assert!(Ended::of(&head(&[("grpc-message", "m")])).is_none());
    assert!(Ended::of(&head(&[("grpc-status", "x")])).is_none());
}

#[test]
fn a_failure_before_the_first_message_of_a_stream_has_its_own_status() {
    let (all, _) = reply(search(""), b"", Status::PermissionDenied);
    assert_eq!(all, got(403, "application/json", r#"{"code":7,"message":"","details":[]}"#));
    let (all, _) = reply(search("text/event-stream"), b"", Status::PermissionDenied);
    assert_eq!(all.0, 403);
}

#[test]
fn a_failure_behind_messages_is_the_last_of_them() {
    let body = framed("Book", "{}");
    let (all, finish) = reply(search(""), &body, Status::DataLoss);
    let text = "{}\n{\"error\":{\"code\":15,\"message\":\"\",\"details\":[]}}\n";
    assert_eq!(all, got(200, "application/x-ndjson", text));
    assert_eq!((finish.status, finish.ending), (Status::DataLoss, Ending::Complete));
    let (all, _) = reply(search("text/event-stream"), &body, Status::DataLoss);
    let text = "data: {}\n\nevent: error\ndata: {\"code\":15,\"message\":\"\",\"details\":[]}\n\n";
    assert_eq!(all, got(200, "text/event-stream", text));
}

#[test]
fn a_node_that_does_not_keep_to_the_protocol_is_told_on() {
    let shelf_7 = framed("Shelf", r#"{"id":"7"}"#);
    for (body, message) in [
        (vec![], "the node ended the call without a message"),
        ([shelf_7.clone(), shelf_7.clone()].concat(), "the node sent a second message"),
        ([shelf_7.clone(), vec![0]].concat(), "the node ended the call inside of a message"),
        (shelf_7[..6].to_vec(), "the node ended the call inside of a message"),
        (vec![1, 0, 0, 0, 0], "the node's message is compressed"),
        (vec![4, 0, 0, 0, 0], "the node's message has unknown flags"),
        (vec![0, 0, 0x40, 0, 1], "the node's message of 4194305 bytes is too long"),
    ] {
        let (all, finish) = reply(shelf(usual()), &body, Status::Ok);
        let text = json!({"code": 13, "message": message, "details": []}).to_string();
        assert_eq!(all, got(500, "application/json", &text));
        assert_eq!(finish.status, Status::Internal);
    }
    let (all, _) = reply(shelf(usual()), &frame(&[0xff]), Status::Ok);
    assert!(all.2.starts_with(r#"{"code":13,"message":"the node's message: "#), "{}", all.2);
    // What came before it in the same piece is told.
    let body = [framed("Book", "{}"), vec![1, 0, 0, 0, 0]].concat();
    let (all, _) = reply(search(""), &body, Status::Ok);
    assert_eq!(all.0, 200);
    assert!(all.2.starts_with("{}\n{\"error\":{\"code\":13,"), "{}", all.2);
}

#[test]
fn a_message_that_json_can_not_say_is_a_failure() {
    // A timestamp in the year 10000.
    let body = frame(&[0x2a, 6, 0x08, 0x80, 0xdc, 0x9e, 0x9c, 0xff, 0x7f]);
    let (all, _) = reply(search(""), &body, Status::Ok);
    assert_eq!(all.0, 500, "{}", all.2);
}

#[test]
fn one_byte_past_the_longest_text_is_a_failure() {
    let text = r#"{"theme":"0123456789"}"#;
    for (bytes_max, status) in [(text.len(), 200), (text.len() - 1, 500)] {
        let limits = Limits { reply_json_bytes_max: bytes_max, ..Limits::default() };
        let transcoder = transcoder(Options { limits, ..Options::default() });
        let (all, _) = reply(shelf(&transcoder), &framed("Shelf", text), Status::Ok);
        assert_eq!(all.0, status, "{}", all.2);
    }
}

#[test]
fn one_byte_past_the_largest_message_is_a_failure() {
    let body = framed("Shelf", r#"{"theme":"0123456789"}"#);
    for (bytes_max, status) in [(body.len() - 5, 200), (body.len() - 6, 500)] {
        let limits = Limits { reply_message_bytes_max: bytes_max, ..Limits::default() };
        let transcoder = transcoder(Options { limits, ..Options::default() });
        let (all, _) = reply(shelf(&transcoder), &body, Status::Ok);
        assert_eq!(all.0, status, "{}", all.2);
    }
}

#[test]
fn json_is_written_as_chosen() {
    let body =
        framed("Shelf", r#"{"books":[{"kind":"NOVEL","published":"2024-01-01T00:00:00Z"}]}"#);
    let written = |print| {
        let transcoder = transcoder(Options { print, ..Options::default() });
        reply(shelf(&transcoder), &body, Status::Ok).0.2
    };
    let usual = Print::default();
    assert_eq!(
        written(Print { enums: EnumForm::Numbers, ..usual }),
        r#"{"books":[{"kind":1,"published":"2024-01-01T00:00:00Z"}]}"#
    );
    assert_eq!(
        written(Print { defaults: DefaultValues::Write, ..usual }),
        r#"{"id":"0","theme":"","books":[{"name":"","title":"","shelf":"","kind":"NOVEL","published":"2024-01-01T00:00:00Z"}]}"#
    );
    let transcoder = transcoder(Options {
        print: Print { names: FieldNames::Proto, ..usual },
        ..Options::default()
    });
    let call = bind(&transcoder, "POST", "/test.v1.Library/Echo").expect("a binding");
    let (all, _) = reply(call, &framed("Everything", r#"{"fInt32":1}"#), Status::Ok);
    assert_eq!(all.2, r#"{"f_int32":1}"#);
}

#[test]
fn a_failure_on_the_way_to_the_node_is_told_in_the_same_form() {
    let mut call = search("text/event-stream");
    assert!(call.begin_reply().is_some());
    let mut out = Vec::new();
    let finish = call.fail(&Failure::new(Status::Unavailable, "no node"), &mut out);
    assert_eq!((finish.head, finish.status), (None, Status::Unavailable));
    let text = "event: error\ndata: {\"code\":14,\"message\":\"no node\",\"details\":[]}\n\n";
    assert_eq!(String::from_utf8(out).expect("text"), text);
}

fn head_of(http_status: u16, kind: &str) -> ReplyHead {
    ReplyHead { http_status, content_type: kind.to_owned(), allow: vec![] }
}
