//! RFC 9112 §3: the request line, its target, and Host.

use narrows_wire::codec::{End, Reason, Refusal};
use narrows_wire::h1::Fault;

use crate::message::{Script, Seen, asked, bad, owned};

fn authority_fault() -> Refusal {
    // The fault of the fields is not public by its path here; the sentence says which it is.
    match Script::server().send("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n").first() {
        Some(Seen::Refused {
            refusal: refusal @ Refusal::BadRequest(Reason::Malformed(_)),
            ..
        }) => *refusal,
        other => panic!("{other:?}"),
    }
}

/// §3: one space between method, target and version, and nothing else.
#[test]
fn single_spaces_stand_between_the_parts() {
    for line in [
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET / \tHTTP/1.1",
        "GET /\tHTTP/1.1",
        "GET /",
        "GET",
        "GET /HTTP/1.1",
        "GET HTTP/1.1",
        "/ HTTP/1.1",
        " / HTTP/1.1",
    ] {
        let seen = Script::server().send(format!("{line}\r\nHost: a\r\n\r\n"));
        assert!(
            matches!(
                seen[..],
                [Seen::Refused {
                    refusal: Refusal::BadRequest(Reason::Http1(Fault::StartLine | Fault::Target)),
                    ..
                }]
            ),
            "{line}: {seen:?}"
        );
    }
    let seen = Script::server().send("GET /  HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(seen, [Seen::Refused { refusal: bad(Fault::Target), fields: vec![] }]);
}

/// §3.1: a method is a token, in the case that it has.
#[test]
fn a_method_is_a_token() {
    let seen = Script::server().send("Get-It / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(seen, [Seen::Head { fields: asked("Get-It", "/", &[]), end: End::Stream }]);
    for method in ["G(T", "G@T", "G:T", "G\"T", "G{T", "G/T"] {
        let head = format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n");
        Script::server().expect_refused(head, bad(Fault::StartLine));
    }
}

/// §3.2: no white space, no control byte, no fragment, no byte beyond ASCII in a target.
#[test]
fn a_target_holds_visible_characters_only() {
    for byte in (0..=0x20).chain([b'#']).chain(0x7f..=0xff) {
        let head = [b"GET /a", &[byte][..], b"b HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        let seen = Script::server().send(head);
        assert!(matches!(seen[..], [Seen::Refused { .. }]), "{byte:#x}: {seen:?}");
    }
}

/// §3.2: HTTP/1.1 has exactly one Host.
#[test]
fn a_request_has_exactly_one_host() {
    Script::server().expect_refused("GET / HTTP/1.1\r\n\r\n", bad(Fault::HostMissing));
    Script::server().expect_refused("GET http://a/ HTTP/1.1\r\n\r\n", bad(Fault::HostMissing));
    for second in ["a", "b"] {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\nhost: {second}\r\n\r\n");
        Script::server().expect_refused(head, bad(Fault::HostTwice));
    }
}

/// §3.2: a Host that is not valid is refused, whether or not it is used.
#[test]
fn a_host_is_valid() {
    for host in ["a,b", "a b", "a/b", "u@a", "", "a?b", "a#b", "\u{e4}"] {
        for target in ["/", "http://x/"] {
            let seen =
                Script::server().send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            let is_used_only = host.is_empty() && target == "http://x/";
            assert_eq!(
                matches!(seen[..], [Seen::Refused { .. }]),
                !is_used_only,
                "{host} {target}"
            );
        }
    }
    Script::server().expect_refused("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", authority_fault());
}

/// §3.2.1: the form of most requests. The authority is that of Host.
#[test]
fn origin_form() {
    let seen = Script::server().send("GET /where?q=now HTTP/1.1\r\nHost: a:80\r\n\r\n");
    let fields = owned(&[
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "a:80"),
        (":path", "/where?q=now"),
    ]);
    assert_eq!(seen, [Seen::Head { fields, end: End::Stream }]);
}

/// §3.2.2: the authority of the target wins over Host.
#[test]
fn absolute_form() {
    for (target, path) in [
        ("http://b:81/x?y", "/x?y"),
        ("http://b:81/", "/"),
        ("http://b:81", "/"),
        ("HTTP://b:81?y", "/?y"),
    ] {
        let seen = Script::server().send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let fields = owned(&[
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "b:81"),
            (":path", path),
        ]);
        assert_eq!(seen, [Seen::Head { fields, end: End::Stream }], "{target}");
    }
    let seen = Script::server().send("GET https://b/ HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(matches!(&seen[..], [Seen::Head { fields, .. }] if fields[1].1 == "https"), "{seen:?}");
}

/// §3.2.2: what is no absolute form of HTTP is refused.
#[test]
fn other_targets_are_refused() {
    for target in ["a", "a/b", "http:/a", "http:///a", "ftp://a/", "://a", "//", "http", "*"] {
        let seen = Script::server().send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let is_path = target.starts_with('/');
        assert_eq!(matches!(seen[..], [Seen::Head { .. }]), is_path, "{target}: {seen:?}");
    }
    for target in ["http://u@a/", "http://a,b/"] {
        let seen = Script::server().send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(matches!(seen[..], [Seen::Refused { .. }]), "{target}: {seen:?}");
    }
}

/// §3.2.3: CONNECT names host and port, and no other method does.
#[test]
fn authority_form() {
    let seen = Script::server().send("CONNECT b:443 HTTP/1.1\r\nHost: a\r\n\r\n");
    let fields = owned(&[(":method", "CONNECT"), (":authority", "b:443")]);
    assert_eq!(seen, [Seen::Head { fields, end: End::Open }]);
    for target in ["b", "b:", "b:x", ":443", "b:443/", "/", "http://b:443/", "b:123456", "*"] {
        let head = format!("CONNECT {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        Script::server().expect_refused(head, bad(Fault::Target));
    }
    Script::server().expect_refused("GET b:443 HTTP/1.1\r\nHost: a\r\n\r\n", bad(Fault::Target));
}

/// §3.2.4: OPTIONS of the whole server, directly and through a proxy.
#[test]
fn asterisk_form() {
    for target in ["*", "http://a"] {
        let seen = Script::server().send(format!("OPTIONS {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let fields = asked("OPTIONS", "*", &[]);
        assert_eq!(seen, [Seen::Head { fields, end: End::Stream }], "{target}");
    }
    let mut script = Script::client();
    script.ask(&[(":method", "OPTIONS"), (":path", "*")], End::Stream).expect("free");
    assert_eq!(script.written(), "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n");
}

/// §3.3: without Host, HTTP/1.0 asks for what the configuration says.
#[test]
fn an_old_request_may_have_no_host() {
    let seen = Script::server().send("GET / HTTP/1.0\r\nA: b\r\n\r\n");
    let fields = owned(&[
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", "/"),
        ("a", "b"),
    ]);
    assert_eq!(seen, [Seen::Head { fields, end: End::Stream }]);
}

/// §3.2: a request of ours has a Host, first, that is the authority.
#[test]
fn our_requests_have_a_host() {
    let mut script = Script::client();
    script.ask(&[("x", "y"), (":authority", "b:81"), ("host", "b:81")], End::Stream).expect("free");
    assert_eq!(script.written(), "GET / HTTP/1.1\r\nhost: b:81\r\nx: y\r\n\r\n");
    // The authority of a request of HTTP/2 may stand in Host alone.
    let mut script = Script::client();
    let head = crate::message::head(&[(":method", "GET"), (":path", "/"), ("host", "c")]);
    script.connection.open(script.now, 0, &head, End::Stream).expect("free");
    assert_eq!(script.written(), "GET / HTTP/1.1\r\nhost: c\r\n\r\n");
}
