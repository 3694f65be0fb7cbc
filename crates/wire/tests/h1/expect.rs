//! Expect: 100-continue (RFC 9110 §10.1.1), and informational replies on their way.

use narrows_wire::codec::End;

use crate::message::{Script, Seen, asked, data, head, owned};

const POST: &str =
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";

fn waiting() -> Script {
    let mut script = Script::server();
    let seen = script.send(POST);
    let fields = asked("POST", "/", &[("content-length", "2"), ("expect", "100-continue")]);
    assert_eq!(seen, [Seen::Head { fields, end: End::Open }], "the field is passed on");
    script
}

/// The owner passes 100 on, and then the body comes.
#[test]
fn a_client_is_told_to_continue() {
    let mut script = waiting();
    let stream = script.stream();
    script.connection.send_informational(stream, &head(&[(":status", "100")]));
    assert_eq!(script.written(), "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(script.send("hi"), [data("hi", End::Stream)]);
    assert!(!script.answer(&[(":status", "200")], "").contains("close"));
    assert!(matches!(script.send(POST)[..], [Seen::Head { .. }]), "the connection goes on");
}

/// A final reply instead: the body may come or not, so nothing behind can be told from it.
#[test]
fn a_final_reply_instead_ends_the_connection() {
    let mut script = waiting();
    let sent = script.answer(&[(":status", "401")], "");
    assert!(sent.contains("connection: close\r\n"), "{sent}");
    assert_eq!(script.send("hiGET / HTTP/1.1\r\nHost: a\r\n\r\n"), [Seen::Drained]);
}

/// A client that does not wait is served as any other.
#[test]
fn a_client_need_not_wait() {
    let mut script = Script::server();
    script.send(format!("{POST}hi"));
    assert!(!script.answer(&[(":status", "200")], "").contains("close"));
}

/// It is no body that is late as long as nobody asked for it.
#[test]
fn a_body_that_waits_is_not_late() {
    let mut script = waiting();
    for _ in 0..5 {
        assert_eq!(script.pass(std::time::Duration::from_secs(30)), []);
    }
}

/// HTTP/1.0 has no expectations and gets no informational replies.
#[test]
fn http_1_0_knows_nothing_of_it() {
    let mut script = Script::server();
    let seen = script.send(POST.replace("HTTP/1.1", "HTTP/1.0"));
    let fields = asked("POST", "/", &[("content-length", "2")]);
    assert_eq!(seen, [Seen::Head { fields, end: End::Open }]);
    let stream = script.stream();
    script.connection.send_informational(stream, &head(&[(":status", "103")]));
    assert_eq!(script.written(), "");
}

/// Informational replies of a node come before the final one, and have no body whatever they say.
#[test]
fn informational_replies_of_a_node() {
    let mut script = Script::asking("GET");
    let seen = script.send(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nLink: b\r\nContent-Length: 3\r\n\r\n\
         HTTP/1.1 204 x\r\n\r\n",
    );
    let early = owned(&[(":status", "103"), ("link", "b")]);
    let fields = owned(&[(":status", "204")]);
    assert_eq!(
        seen,
        [
            Seen::Informational { fields: owned(&[(":status", "100")]) },
            Seen::Informational { fields: early },
            Seen::Head { fields, end: End::Stream },
        ]
    );
}

/// They are passed to a client in the same way, but not behind the final one, and never as 101.
#[test]
fn informational_replies_to_a_client() {
    let mut script = Script::server();
    script.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let stream = script.stream();
    for status in ["103", "101", "200"] {
        script.connection.send_informational(stream, &head(&[(":status", status), ("link", "b")]));
    }
    assert_eq!(script.written(), "HTTP/1.1 103 Early Hints\r\nlink: b\r\n\r\n");
    script.connection.send_head(stream, &head(&[(":status", "103")]), End::Open);
    assert_eq!(script.written(), "", "it is no final one");
    script.connection.send_head(stream, &head(&[(":status", "200")]), End::Open);
    script.written();
    script.connection.send_informational(stream, &head(&[(":status", "103")]));
    assert_eq!(script.written(), "");
}
