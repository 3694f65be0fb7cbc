//! Content as it is: `google.api.HttpBody`.

use narrows_transcode::Ending;
use narrows_wire::codec::End;
use narrows_wire::grpc::Status;
use prost::Message as _;
use prost_reflect::{DynamicMessage, Value};

use crate::support::{bind_fields, frame, pool, reply, unframe, usual};

fn content(kind: &str, data: &[u8]) -> Vec<u8> {
    let body = pool().get_message_by_name("google.api.HttpBody").expect("it is imported");
    let mut message = DynamicMessage::new(body);
    message.set_field_by_name("content_type", Value::String(kind.to_owned()));
    message.set_field_by_name("data", Value::Bytes(data.to_vec().into()));
    message.encode_to_vec()
}

#[test]
fn a_body_of_any_kind_is_handed_on() {
    let fields = [(":method", "PUT"), (":path", "/v1/files/a%2Fb"), ("content-type", "image/png")];
    let mut call = bind_fields(usual(), &fields).expect("a binding");
    let mut out = Vec::new();
    call.push_request(b"\x89PNG", End::Open, &mut out).expect("content");
    call.push_request(b"\xff\n{", End::Stream, &mut out).expect("content");
    let file = content("image/png", b"\x89PNG\xff\n{");
    // Field 1 is the name, field 2 the file.
    let message = [&[0x0a, 3][..], b"a/b", &[0x12, file.len() as u8], &file].concat();
    assert_eq!(unframe(&out), [message]);
}

#[test]
fn each_piece_of_a_stream_is_a_message() {
    let fields = [(":method", "POST"), (":path", "/v1/files"), ("content-type", "text/csv")];
    let mut call = bind_fields(usual(), &fields).expect("a binding");
    let mut out = Vec::new();
    call.push_request(b"a,b\n", End::Open, &mut out).expect("content");
    call.push_request(b"", End::Open, &mut out).expect("content");
    call.push_request(b"1,2", End::Stream, &mut out).expect("content");
    assert_eq!(unframe(&out), [content("text/csv", b"a,b\n"), content("text/csv", b"1,2")]);
}

#[test]
fn a_reply_of_any_kind_is_handed_on() {
    let get = [(":method", "GET"), (":path", "/v1/files/a")];
    let call = bind_fields(usual(), &get).expect("a binding");
    let (got, _) = reply(call, &frame(&content("text/html", b"<p>{}</p>")), Status::Ok);
    assert_eq!(got, (200, "text/html".to_owned(), "<p>{}</p>".to_owned()));
    for kind in ["", "text/html\r\nx: y", " a"] {
        let call = bind_fields(usual(), &get).expect("a binding");
        let (got, _) = reply(call, &frame(&content(kind, b"x")), Status::Ok);
        assert_eq!(got.1, "application/octet-stream", "{kind:?}");
    }
}

#[test]
fn a_stream_of_content_takes_its_kind_from_the_first_message() {
    let get =
        [(":method", "GET"), (":path", "/v1/files/a:stream"), ("accept", "text/event-stream")];
    let body = [frame(&content("text/css", b"a{")), frame(&content("", b"}"))].concat();
    let mut call = bind_fields(usual(), &get).expect("a binding");
    assert_eq!(call.begin_reply(), None);
    let (got, finish) = reply(call, &body, Status::Ok);
    assert_eq!(got, (200, "text/css".to_owned(), "a{}".to_owned()));
    assert_eq!((finish.ending, finish.head), (Ending::Complete, None));
}

#[test]
fn a_stream_of_content_that_fails_is_cut_off() {
    let get = [(":method", "GET"), (":path", "/v1/files/a:stream")];
    let call = bind_fields(usual(), &get).expect("a binding");
    let (got, finish) = reply(call, &frame(&content("text/css", b"a{")), Status::Aborted);
    assert_eq!((got.2.as_str(), finish.ending), ("a{", Ending::Cut));
    let call = bind_fields(usual(), &get).expect("a binding");
    let (got, finish) = reply(call, b"", Status::NotFound);
    assert_eq!((got.0, got.1.as_str(), finish.ending), (404, "application/json", Ending::Complete));
}
