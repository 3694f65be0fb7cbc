//! What has another form in HTTP/2: cookies, trailers of gRPC, the names of things.

use std::sync::Arc;

use narrows_wire::codec::{End, Event, Role};
use narrows_wire::hpack::{Decoder, Encoder, Section, SectionLimits};
use narrows_wire::{Head, Time, h2};

use crate::message::{Script, Seen, asked, head, owned};

/// RFC 9113 §8.2.3: crumbs of a cookie are one field again.
#[test]
fn cookie_crumbs_are_joined() {
    let mut script = Script::client();
    let fields = [
        ("cookie", "a=b"),
        ("x", "y"),
        ("cookie", "c=d"),
        ("cookie", "e=f\r\n"),
        ("cookie", "g=h"),
    ];
    script.ask(&fields, End::Stream).expect("free");
    assert_eq!(
        script.written(),
        "GET / HTTP/1.1\r\nhost: a\r\ncookie: a=b; c=d; g=h\r\nx: y\r\n\r\n"
    );
}

/// Several fields of one name stay several, in their order.
#[test]
fn repeated_fields_stay() {
    let mut script = Script::server();
    let seen =
        script.send("GET / HTTP/1.1\r\nHost: a\r\nCookie: a\r\nX: 1\r\nCookie: b\r\nX: 2\r\n\r\n");
    let fields = asked("GET", "/", &[("cookie", "a"), ("x", "1"), ("cookie", "b"), ("x", "2")]);
    assert_eq!(seen, [Seen::Head { fields, end: End::Stream }]);
    let sent = script.answer(&[(":status", "200"), ("set-cookie", "a"), ("set-cookie", "b")], "");
    assert!(sent.contains("set-cookie: a\r\nset-cookie: b\r\n"));
}

/// A request weighs the same in either protocol.
#[test]
fn a_head_has_the_same_sizes_in_both_protocols() {
    let mut script = Script::server();
    let mut input = &b"GET /a HTTP/1.1\r\nHost: a\r\nX-Long: yes\r\nConnection: close\r\n\r\n"[..];
    let mut old = Head::new();
    script.connection.receive(Time::ZERO, &mut input, &mut old);
    let mut block = Vec::new();
    Encoder::default().encode(&old, &mut block);
    let mut new = Head::new();
    let section = Decoder::new(4096).decode(&block, &SectionLimits::default(), &mut new);
    assert_eq!(section, Ok(Section::Complete));
    assert_eq!(old.sizes(), new.sizes());
    assert_eq!(new.sizes().fields as usize, "x-longyes".len());
}

/// A gRPC call in HTTP/1 through HTTP/2 and back: two of our connections each, one relay.
#[test]
fn heads_of_one_protocol_are_heads_of_the_other() {
    let mut from = Script::server();
    from.send(
        "POST /a.B/C HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nContent-Type: application/grpc\r\n\
         Transfer-Encoding: chunked\r\nX-Long: yes\r\n\r\n",
    );
    let mut received = Head::new();
    // The head again, as the relay has it.
    let mut connection = Script::server();
    connection.send("");
    let mut input = &b"POST /a.B/C HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nX-Long: yes\r\n\r\n"[..];
    connection.connection.receive(Time::ZERO, &mut input, &mut received);
    let (mut to, mut node) = (h2_connection(Role::Client), h2_connection(Role::Server));
    settle(&mut to, &mut node);
    to.open(Time::ZERO, 0, &received, End::Stream).expect("a new connection");
    let events = settle(&mut to, &mut node);
    let fields = asked("POST", "/a.B/C", &[("x-long", "yes"), ("te", "trailers")]);
    assert_eq!(events, [fields]);
}

/// Whatever the head of a reply of HTTP/2 is, it has a form in HTTP/1, trailers included.
#[test]
fn trailers_of_a_call_are_trailers_in_chunks() {
    let mut script = Script::server();
    script.send("POST /a.B/C HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    let stream = script.stream();
    let fields = [(":status", "200"), ("content-type", "application/grpc")];
    script.connection.send_head(stream, &head(&fields), End::Open);
    script.connection.send_trailers(stream, &head(&[("grpc-status", "0")]));
    assert_eq!(
        script.written(),
        "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n\
         0\r\ngrpc-status: 0\r\n\r\n"
    );
    assert_eq!(owned(&[]), []);
}

fn h2_connection(role: Role) -> h2::Connection {
    h2::Connection::new(role, Arc::new(h2::Config::default()), Time::ZERO)
}

/// Carries bytes both ways; the heads that come out at the server.
fn settle(client: &mut h2::Connection, server: &mut h2::Connection) -> Vec<crate::message::Fields> {
    let (mut fields, mut head) = (Vec::new(), Head::new());
    for _ in 0..4 {
        for up in [true, false] {
            let (from, to) =
                if up { (&mut *client, &mut *server) } else { (&mut *server, &mut *client) };
            let output = from.output();
            let bytes = output.front().to_vec();
            output.consume(bytes.len());
            let mut input = &bytes[..];
            while let Some(event) = to.receive(Time::ZERO, &mut input, &mut head) {
                if matches!(event, Event::Head { .. }) {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    fields.push(head.iter().map(|(n, v)| (text(n), text(v))).collect());
                }
            }
        }
    }
    fields
}
