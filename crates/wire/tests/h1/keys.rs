//! A key reaches its own stream and no other, and nothing once that is over.

use narrows_wire::codec::{End, ErrorCode, StreamKey};

use crate::message::{Script, Seen, head};

const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n";

/// Every command there is, with this key; what was written of it.
fn command_all(script: &mut Script, key: StreamKey) -> String {
    let connection = &mut script.connection;
    connection.set_tag(key, 99);
    connection.send_informational(key, &head(&[(":status", "103")]));
    connection.send_head(key, &head(&[(":status", "200")]), End::Open);
    assert_eq!(connection.send_data(key, b"stale", End::Open), 5);
    assert_eq!(connection.send_data_borrowed(key, 0..5, b"stale", End::Open), 5);
    connection.send_trailers(key, &head(&[("a", "b")]));
    connection.grant(key, 1);
    connection.reset_after_data(key, ErrorCode::CANCEL);
    connection.reset(key, ErrorCode::CANCEL);
    connection.release(key);
    script.written()
}

#[test]
fn a_key_of_a_request_that_is_over_reaches_nothing() {
    let mut script = Script::server();
    script.send(format!("{POST}hi"));
    let old = script.stream();
    script.connection.set_tag(old, 7);
    assert_eq!(script.connection.tag(old), Some(7));
    script.answer(&[(":status", "200")], "");
    assert_eq!(script.connection.tag(old), None);
    assert_eq!(command_all(&mut script, old), "");
    script.send(POST);
    let new = script.stream();
    assert_ne!(old, new);
    assert_eq!(command_all(&mut script, old), "");
    assert_eq!(script.connection.tag(new), Some(0));
    assert!(matches!(script.send("hi")[..], [Seen::Data { end: End::Stream, .. }]));
}

#[test]
fn a_key_of_a_reply_that_is_over_reaches_nothing() {
    let mut script = Script::asking("GET");
    let old = script.stream();
    script.send("HTTP/1.1 204 x\r\n\r\n");
    assert_eq!(command_all(&mut script, old), "");
    let new = script.ask(&[(":method", "POST")], End::Open).expect("free");
    script.written();
    assert_ne!(old, new);
    assert_eq!(command_all(&mut script, old), "");
    script.connection.send_data(new, b"x", End::Stream);
    assert_eq!(script.written(), "1\r\nx\r\n0\r\n\r\n");
}

/// The owner's words are there for whoever loses the connection, also after it ended for an error.
#[test]
fn tags_outlive_the_connection() {
    let mut script = Script::server();
    script.send(POST);
    let stream = script.stream();
    script.connection.set_tag(stream, 7);
    assert_eq!(script.connection.tags().collect::<Vec<_>>(), [7]);
    script.connection.close(ErrorCode::NO_ERROR, "enough");
    assert_eq!(script.connection.tags().collect::<Vec<_>>(), [7]);
    assert_eq!(command_all(&mut script, stream), "");
    assert!(script.connection.is_closed() && script.connection.active_streams() == 0);
    assert_eq!(script.send("hi"), []);
}
