//! What is a message and what is not, by rule.

use super::*;
use crate::Indexing;

fn head(fields: &[(&str, &str)]) -> Head {
    let mut head = Head::new();
    for (name, value) in fields {
        head.push_text(name.as_bytes(), value.as_bytes(), Indexing::MayRepeat);
    }
    head
}

const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")];

/// `GET` with one field replaced, or dropped if `to` is empty.
fn with<'a>(name: &'a str, to: &[&'a str]) -> Result<Request, Malformed> {
    let others = GET.iter().filter(|(have, _)| *have != name).copied();
    let replaced = to.iter().map(|value| (name, *value));
    let fields: Vec<_> = match name.starts_with(':') {
        true => replaced.chain(others).collect(),
        false => others.chain(replaced).collect(),
    };
    check_request(&head(&fields), false)
}

const FINE: Result<Request, Malformed> = Ok(Request { content_length: None });

#[test]
fn a_request_has_each_pseudo_field_once_and_first() {
    assert_eq!(check_request(&head(&GET), false), FINE);
    for name in [":method", ":scheme", ":path"] {
        assert_eq!(with(name, &[]), Err(Malformed::PseudoMissing), "{name}");
    }
    for name in [":method", ":scheme", ":path", ":authority"] {
        assert_eq!(with(name, &["http", "http"]), Err(Malformed::PseudoTwice), "{name}");
    }
    assert_eq!(with(":status", &["200"]), Err(Malformed::PseudoMisplaced));
    let late = [GET[0], GET[1], ("x", "y"), GET[2], GET[3]];
    assert_eq!(check_request(&head(&late), false), Err(Malformed::PseudoLate));
}

#[test]
fn connection_specific_fields_have_no_place() {
    for name in ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"] {
        assert_eq!(with(name, &["x"]), Err(Malformed::ConnectionSpecific), "{name}");
    }
    assert_eq!(with("te", &["trailers"]), FINE);
    assert_eq!(with("te", &["Trailers"]), FINE);
    assert_eq!(with("te", &["trailers, gzip"]), Err(Malformed::Te));
    assert_eq!(with("te", &[""]), Err(Malformed::Te));
}

#[test]
fn a_path_is_rooted_and_visible() {
    for path in ["/", "/a/b?c=d&e", "/%20"] {
        assert_eq!(with(":path", &[path]), FINE, "{path}");
    }
    for path in ["", "a", "*", "/a b", "/a#b", "/\t", "http://a/", "/\u{fc}"] {
        assert_eq!(with(":path", &[path]), Err(Malformed::Path), "{path}");
    }
    let options = [(":method", "OPTIONS"), GET[1], (":path", "*"), GET[3]];
    assert_eq!(check_request(&head(&options), false), FINE);
}

#[test]
fn an_authority_is_one_host() {
    for authority in ["a", "a:80", "[::1]:80", "a-b.c_d~", "A"] {
        assert_eq!(with(":authority", &[authority]), FINE, "{authority}");
    }
    for authority in ["", "a,b", "user@a", "a/b", "a b", "a?b", "a#b", "a\\b", "\u{fc}"] {
        let refused = with(":authority", &[authority]);
        assert_eq!(refused, Err(Malformed::Authority), "{authority}");
    }
    assert_eq!(with(":authority", &[]), Err(Malformed::AuthorityMissing));
}

#[test]
fn host_stands_in_for_authority_and_never_against_it() {
    let host = |value| [GET[0], GET[1], GET[2], ("host", value)];
    assert_eq!(check_request(&head(&host("a:80")), false), FINE);
    assert_eq!(check_request(&head(&host("a,b")), false), Err(Malformed::Authority));
    assert_eq!(with("host", &["A"]), FINE);
    assert_eq!(with("host", &["b"]), Err(Malformed::Host));
    assert_eq!(with("host", &["a", "a"]), Err(Malformed::Host));
}

#[test]
fn a_method_is_a_token_and_a_scheme_a_scheme() {
    assert_eq!(with(":method", &["PATCH"]), FINE);
    for method in ["", "GE T", "GET/", "G\u{e9}T"] {
        assert_eq!(with(":method", &[method]), Err(Malformed::Method), "{method}");
    }
    assert_eq!(with(":scheme", &["git+ssh"]), FINE);
    for scheme in ["", "1http", "ht tp", "http:"] {
        assert_eq!(with(":scheme", &[scheme]), Err(Malformed::Scheme), "{scheme}");
    }
}

#[test]
fn a_content_length_is_one_number() {
    let length = |length| Ok(Request { content_length: Some(length) });
    assert_eq!(with("content-length", &["0"]), length(0));
    assert_eq!(with("content-length", &["999999999999999999"]), length(999_999_999_999_999_999));
    for value in ["", "+1", "-1", "1 ", "1,1", "0x1", "1.0", "1000000000000000000"] {
        let refused = with("content-length", &[value]);
        assert_eq!(refused, Err(Malformed::ContentLength), "{value}");
    }
    assert_eq!(with("content-length", &["5", "5"]), Err(Malformed::ContentLength));
}

#[test]
fn connect_names_a_host_and_nothing_else_unless_it_is_extended() {
    let connect = [(":method", "CONNECT"), (":authority", "a:443")];
    assert_eq!(check_request(&head(&connect), false), FINE);
    let with_path = [connect[0], connect[1], (":path", "/"), (":scheme", "http")];
    assert_eq!(check_request(&head(&with_path), false), Err(Malformed::PseudoMisplaced));
    assert_eq!(check_request(&head(&connect[..1]), false), Err(Malformed::PseudoMissing));
    let extended = [connect[0], connect[1], with_path[2], with_path[3], (":protocol", "websocket")];
    assert_eq!(check_request(&head(&extended), true), FINE);
    assert_eq!(check_request(&head(&extended), false), Err(Malformed::Protocol));
    let get = [GET[0], GET[1], GET[2], GET[3], (":protocol", "websocket")];
    assert_eq!(check_request(&head(&get), true), Err(Malformed::Protocol));
    let short = [extended[0], extended[1], extended[4]];
    assert_eq!(check_request(&head(&short), true), Err(Malformed::PseudoMissing));
}

#[test]
fn a_reply_has_a_status_and_no_other_pseudo_field() {
    let reply = |status| Ok(Reply { status, content_length: None });
    assert_eq!(check_reply(&head(&[(":status", "200")])), reply(200));
    assert_eq!(check_reply(&head(&[(":status", "100")])), reply(100));
    for status in ["", "20", "2000", "099", "2x0", "+20", "101"] {
        let refused = check_reply(&head(&[(":status", status)]));
        assert_eq!(refused, Err(Malformed::Status), "{status}");
    }
    assert_eq!(check_reply(&head(&[("a", "b")])), Err(Malformed::PseudoMissing));
    let with_path = [(":status", "200"), (":path", "/")];
    assert_eq!(check_reply(&head(&with_path)), Err(Malformed::PseudoMisplaced));
    let with_te = [(":status", "200"), ("te", "trailers")];
    assert_eq!(check_reply(&head(&with_te)), Err(Malformed::ConnectionSpecific));
}

#[test]
fn trailers_neither_route_nor_frame() {
    assert_eq!(take_trailers(&mut head(&[("grpc-status", "0")])), Ok(()));
    for (name, fault) in [
        (":status", Malformed::PseudoMisplaced),
        (":path", Malformed::PseudoMisplaced),
        ("content-length", Malformed::Trailers),
        ("host", Malformed::Trailers),
        ("te", Malformed::Te),
        ("transfer-encoding", Malformed::ConnectionSpecific),
    ] {
        assert_eq!(take_trailers(&mut head(&[(name, "7")])), Err(fault), "{name}");
    }
}

/// RFC 9110 §6.5.1.
#[test]
fn trailers_lose_what_only_a_head_may_say() {
    let kept = [("grpc-status", "0"), ("etag", "e"), ("x-checksum", "c")];
    let dropped = [
        ("authorization", "Basic x"),
        ("cookie", "a=b"),
        ("set-cookie", "a=b"),
        ("content-type", "text/html"),
        ("content-encoding", "gzip"),
        ("x-forwarded-for", "10.0.0.1"),
        ("if-match", "e"),
        ("expect", "100-continue"),
        ("location", "/"),
        ("trailer", "etag"),
    ];
    let fields = [&kept[..1], &dropped, &kept[1..]].concat();
    let mut trailers = head(&fields);
    assert_eq!(take_trailers(&mut trailers), Ok(()));
    let left: Vec<_> = trailers.iter().collect();
    let expected = kept.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    assert_eq!(left, expected);
    for (name, _) in dropped {
        assert!(!is_trailer(Name::of(name.as_bytes())), "{name}");
    }
}
