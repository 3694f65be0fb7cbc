//! RFC 9112 §8: a message that is not complete is never taken for one that is.

use narrows_wire::codec::{End, Party, Reason};
use narrows_wire::h1::Fault;

use crate::message::{Script, Seen};

fn reset(fault: Fault) -> Seen {
    Seen::Reset { by: Party::Peer, reason: Reason::Http1(fault) }
}

/// §8: a request that is cut off in its body.
#[test]
fn a_request_that_is_cut_off_is_reset() {
    for body in [
        "Content-Length: 5\r\n\r\nhell",
        "Content-Length: 5\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\na: b\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r",
    ] {
        let mut script = Script::server();
        script.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{body}"));
        assert_eq!(script.end(), [reset(Fault::Truncated)], "{body:?}");
        let stream = script.stream();
        script.connection.release(stream);
        assert_eq!(script.events(), [Seen::Drained]);
    }
}

/// §8: a reply that is cut off in its head or in its body.
#[test]
fn a_reply_that_is_cut_off_is_reset() {
    for bytes in [
        "H",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
        "HTTP/1.1 103 Early Hints\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ] {
        let mut script = Script::asking("GET");
        script.send(bytes);
        assert_eq!(script.end(), [reset(Fault::Truncated), Seen::Drained], "{bytes:?}");
    }
}

/// §9.3.1: a connection that ends before it answers says so in words of its own, because such a request may be
/// sent again.
#[test]
fn an_end_before_any_byte_of_the_reply() {
    assert_eq!(Script::asking("GET").end(), [reset(Fault::ClosedEarly), Seen::Drained]);
}

/// §8: a head that is not complete asks for nothing, and nobody hears of it.
#[test]
fn a_head_that_is_cut_off_is_no_request() {
    let mut script = Script::server();
    assert_eq!(script.send("GET / HTTP/1.1\r\nHost: a\r\n"), []);
    assert_eq!(script.end(), [Seen::Drained]);
}

/// §9.6: a client may end its direction and wait for the reply.
#[test]
fn a_request_is_answered_although_its_client_has_ended() {
    let mut script = Script::server();
    script.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(script.end(), []);
    let sent = script.answer(&[(":status", "200")], "hi");
    assert!(sent.contains("connection: close\r\n") && sent.ends_with("0\r\n\r\n"), "{sent}");
    assert_eq!(script.events(), [Seen::Drained]);
}

/// An idle connection that ends is no event but its end.
#[test]
fn an_idle_end() {
    assert_eq!(Script::server().end(), [Seen::Drained]);
    assert_eq!(Script::client().end(), [Seen::Drained]);
    let mut script = Script::asking("GET");
    script.send("HTTP/1.1 204 x\r\n\r\n");
    assert_eq!(script.end(), [Seen::Drained]);
    assert_eq!(script.ask(&[], End::Open), Err(narrows_wire::codec::OpenError::Draining));
}
