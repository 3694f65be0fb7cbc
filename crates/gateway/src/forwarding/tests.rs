//! Each rule by tables of heads before and after.

use std::net::IpAddr;

use ipnet::IpNet;
use narrows_wire::{Head, Indexing, Name};

use super::*;
use crate::snapshot::Networks;

const NODE: &str = "10.0.0.5:50051";

type Fields<'a> = &'a [(&'a str, &'a str)];

fn head(fields: Fields<'_>) -> Head {
    let mut head = Head::new();
    for (name, value) in fields {
        head.push_text(name.as_bytes(), value.as_bytes(), Indexing::MayRepeat);
    }
    head
}

fn text(head: &Head) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    head.iter().map(|(name, value)| (text(name), text(value))).collect()
}

fn peer(address: &str) -> Peer {
    let address = SocketAddr::new(address.parse().expect("an address"), 40_000);
    Peer::new(address, SocketAddr::from(([10, 9, 9, 9], 8091)), Encryption::Tls)
}

fn networks(networks: &[&str]) -> Networks {
    Networks::new(networks.iter().map(|text| text.parse::<IpNet>().expect("a network")).collect())
}

/// What becomes of a request from this peer, and whose it is.
fn request(rules: Rules, from: &str, fields: Fields<'_>) -> (Vec<(String, String)>, IpAddr) {
    let mut head = head(fields);
    let client = run(rules, from, &mut head);
    (text(&head), client)
}

fn run(rules: Rules, from: &str, head: &mut Head) -> IpAddr {
    let mut state = 0x0123_4567_89ab_cdef_u128;
    let mut random = || {
        state = state.wrapping_mul(0x2545_f491_4f6c_dd1d_8888_1111_0000_0001).wrapping_add(7);
        state
    };
    let mut arrival = Arrival {
        peer: &peer(from),
        version: Version::Http2,
        kind: Kind::Other,
        unix_millis: 0x0190_a1b2_c3d4,
        random: &mut random,
        scratch: &mut Vec::new(),
    };
    Forwarding::new(rules).on_request(head, &mut arrival)
}

fn assert_request(rules: Rules, from: &str, before: Fields<'_>, after: Fields<'_>) {
    let (found, _) = request(rules, from, before);
    assert_eq!(found, text(&head(after)), "{before:?}");
}

const GRPC: Fields<'_> = &[
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/a/b"),
    (":authority", "api.test:8091"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
    ("grpc-timeout", "1S"),
    ("x-request-id", "abc"),
    ("traceparent", "00-1-2-00"),
    ("jobid", "7"),
];

#[test]
fn a_usual_call_needs_nothing() {
    let forwarding = Forwarding::new(Rules::default());
    assert!(!forwarding.look(&head(GRPC), Kind::Grpc).is_needed());
    let reply: Fields<'_> = &[(":status", "200"), ("content-type", "application/grpc")];
    assert!(!forwarding.look_at_reply(&head(reply)).is_needed());
    assert_eq!(request(Rules::default(), "192.0.2.1", GRPC).0, text(&head(GRPC)));
    // With ids and traces there is nothing to make here.
    let rules = Rules { request_ids: RequestIds::Fill, traces: Traces::Begin, ..Rules::default() };
    assert!(!Forwarding::new(rules).look(&head(GRPC), Kind::Grpc).is_needed());
}

#[test]
fn every_name_with_a_rule_means_work() {
    let forwarding = Forwarding::new(Rules::default());
    let plain = head(&[(":method", "GET")]);
    for name in [
        "proxy-authorization",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-real-ip",
        "forwarded",
    ] {
        let mut with = plain.clone();
        with.push_text(name.as_bytes(), b"x", Indexing::MayRepeat);
        assert!(forwarding.look(&with, Kind::Other).is_needed(), "{name}");
        assert_request(Rules::default(), "192.0.2.1", &[("a", "b"), (name, "x")], &[("a", "b")]);
    }
    assert!(!forwarding.look(&plain, Kind::Other).is_needed());
}

fn all() -> Vec<Trail> {
    use Trail::{
        Forwarded, XForwardedFor, XForwardedHost, XForwardedPort, XForwardedProto, XRealIp,
    };
    vec![XForwardedFor, XForwardedProto, XForwardedHost, XForwardedPort, XRealIp, Forwarded]
}

#[test]
fn the_trail_begins_with_a_peer_that_is_not_trusted() {
    let rules = || Rules { add: all(), trusted: networks(&["10.0.0.0/8"]), ..Rules::default() };
    let expected: Fields<'_> = &[
        (":authority", "api.test"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "api.test"),
        ("x-forwarded-port", "8091"),
        ("x-real-ip", "192.0.2.1"),
        ("forwarded", "for=192.0.2.1;proto=https;host=\"api.test\""),
    ];
    assert_request(rules(), "192.0.2.1", &[(":authority", "api.test")], expected);
    let forged: Fields<'_> = &[
        (":authority", "api.test"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "ftp"),
        ("x-forwarded-host", "admin"),
        ("x-forwarded-port", "1"),
        ("x-real-ip", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1"),
    ];
    assert_request(rules(), "192.0.2.1", forged, expected);
    // IPv6, in its own words; IPv4 written as IPv6 is IPv4.
    let rules = Rules { add: vec![Trail::XForwardedFor, Trail::Forwarded], ..Rules::default() };
    let expected: Fields<'_> =
        &[("x-forwarded-for", "2001:db8::1"), ("forwarded", "for=\"[2001:db8::1]\";proto=https")];
    assert_request(rules, "2001:db8::1", &[], expected);
    let rules = Rules { add: vec![Trail::XForwardedFor], ..Rules::default() };
    let expected: Fields<'_> = &[("x-forwarded-for", "192.0.2.1")];
    assert_request(rules, "::ffff:192.0.2.1", &[], expected);
}

#[test]
fn a_grpc_call_carries_the_trail_if_asked_for() {
    let rules = |add_to| Rules { add: vec![Trail::XForwardedFor], add_to, ..Rules::default() };
    let forged = [GRPC, &[("x-forwarded-for", "10.0.0.1")]].concat();
    for (add_to, expected) in [(AddTo::NotGrpc, None), (AddTo::All, Some(&b"192.0.2.1"[..]))] {
        let forwarding = Forwarding::new(rules(add_to));
        assert_eq!(forwarding.look(&head(GRPC), Kind::Grpc).is_needed(), expected.is_some());
        assert!(forwarding.look(&head(GRPC), Kind::Other).is_needed());
        let mut head = head(&forged);
        let mut arrival = Arrival {
            peer: &peer("192.0.2.1"),
            version: Version::Http2,
            kind: Kind::Grpc,
            unix_millis: 0,
            random: &mut || 0,
            scratch: &mut Vec::new(),
        };
        forwarding.on_request(&mut head, &mut arrival);
        assert_eq!(head.get(Name::XForwardedFor), expected, "{add_to:?}");
    }
}

#[test]
fn the_trail_of_a_trusted_peer_is_continued() {
    let rules = Rules { add: all(), trusted: networks(&["10.0.0.0/8"]), ..Rules::default() };
    let before: Fields<'_> = &[
        (":authority", "a"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-for", "10.0.0.7"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "outer"),
        ("x-forwarded-port", "80"),
        ("forwarded", "for=192.0.2.1"),
    ];
    let after: Fields<'_> = &[
        (":authority", "a"),
        ("x-forwarded-for", "192.0.2.1, 10.0.0.7, 10.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "outer"),
        ("x-forwarded-port", "80"),
        ("forwarded", "for=192.0.2.1, for=10.0.0.1;proto=https;host=\"a\""),
        ("x-real-ip", "192.0.2.1"),
    ];
    assert_request(rules, "10.0.0.1", before, after);
    // What is not added is kept all the same.
    let rules = Rules { trusted: networks(&["10.0.0.0/8"]), ..Rules::default() };
    assert_request(rules, "10.0.0.1", before, before);
}

#[test]
fn the_client_is_the_last_who_is_not_trusted() {
    let table: &[(&str, &[&str], &str)] = &[
        ("192.0.2.9", &["192.0.2.1"], "192.0.2.9"),
        ("10.0.0.1", &[], "10.0.0.1"),
        ("10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", &["127.0.0.1, 192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", &["192.0.2.1, 10.0.0.2,10.0.0.3"], "192.0.2.1"),
        ("10.0.0.1", &["6.6.6.6, 192.0.2.1", "10.0.0.2"], "192.0.2.1"),
        ("10.0.0.1", &["10.0.0.4, 10.0.0.3"], "10.0.0.4"),
        ("10.0.0.1", &["192.0.2.1:1234"], "192.0.2.1"),
        ("10.0.0.1", &["[2001:db8::1]:99"], "2001:db8::1"),
        ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
        ("10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
        ("10.0.0.1", &["::ffff:192.0.2.1"], "192.0.2.1"),
        ("::ffff:10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
        // From whom it came is not said: the one who does not say it is the client.
        ("10.0.0.1", &["192.0.2.1, unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", &["192.0.2.1,"], "10.0.0.1"),
        ("10.0.0.1", &["\u{e4}"], "10.0.0.1"),
    ];
    for (from, lists, expected) in table {
        let rules = Rules { trusted: networks(&["10.0.0.0/8"]), ..Rules::default() };
        let fields: Vec<_> = lists.iter().map(|list| ("x-forwarded-for", *list)).collect();
        let (_, client) = request(rules, from, &fields);
        assert_eq!(client.to_string(), *expected, "{from}, {lists:?}");
    }
}

#[test]
fn so_many_hops_are_trusted_whatever_their_addresses() {
    let list: Fields<'_> = &[("x-forwarded-for", "1.1.1.1, 2.2.2.2, 3.3.3.3")];
    for (trusted_hops, expected) in
        [(0, "9.9.9.9"), (1, "3.3.3.3"), (2, "2.2.2.2"), (3, "1.1.1.1"), (4, "1.1.1.1")]
    {
        let rules = Rules { trusted_hops, ..Rules::default() };
        assert_eq!(request(rules, "9.9.9.9", list).1.to_string(), expected, "{trusted_hops}");
    }
    let rules = Rules { trusted_hops: 1, trusted: networks(&["3.3.3.3/32"]), ..Rules::default() };
    assert_eq!(request(rules, "9.9.9.9", list).1.to_string(), "2.2.2.2");
}

#[test]
fn a_list_of_addresses_is_followed_to_its_limit() {
    let list: Vec<_> = (0..=HOPS_MAX).map(|hop| format!("10.0.0.{hop}")).collect();
    let list = list.join(",");
    let rules = Rules { trusted: networks(&["10.0.0.0/8"]), ..Rules::default() };
    let (_, client) = request(rules, "10.0.1.1", &[("x-forwarded-for", &list)]);
    // The first of them is one beyond.
    assert_eq!(client.to_string(), "10.0.0.1");
}

#[test]
fn request_ids_are_kept_or_made() {
    let id = |request_ids, from: &str, fields: Fields<'_>| {
        let rules = Rules { request_ids, trusted: networks(&["10.0.0.0/8"]), ..Rules::default() };
        let mut head = head(fields);
        run(rules, from, &mut head);
        head.get(Name::XRequestId).map(|id| String::from_utf8_lossy(id).into_owned())
    };
    let theirs: Fields<'_> = &[("x-request-id", "theirs")];
    let (outside, inside) = ("192.0.2.1", "10.0.0.1");
    assert_eq!(id(RequestIds::Pass, outside, &[]), None);
    for (kind, from) in
        [(RequestIds::Pass, outside), (RequestIds::Fill, outside), (RequestIds::Replace, inside)]
    {
        assert_eq!(id(kind, from, theirs), Some("theirs".into()), "{kind:?}");
    }
    let replaced = |fields: Fields<'_>| id(RequestIds::Replace, inside, fields);
    let longest = "a".repeat(REQUEST_ID_BYTES_MAX);
    assert_eq!(replaced(&[("x-request-id", &longest)]), Some(longest.clone()));
    let made = [
        id(RequestIds::Replace, outside, theirs),
        id(RequestIds::Fill, outside, &[]),
        replaced(&[]),
        replaced(&[("x-request-id", "")]),
        replaced(&[("x-request-id", "a b")]),
        replaced(&[("x-request-id", &(longest + "a"))]),
    ];
    for made in made.map(|id| id.expect("one is made")) {
        // RFC 9562 §5.7: time, version, variant.
        assert!(made.starts_with("0190a1b2-c3d4-7"), "{made}");
        assert_eq!(made.len(), 36);
        assert!("89ab".contains(&made[19..20]), "{made}");
        let dashes: Vec<_> = made.match_indices('-').map(|(at, _)| at).collect();
        assert_eq!(dashes, [8, 13, 18, 23]);
    }
}

#[test]
fn a_trace_begins_where_there_is_none() {
    let rules = || Rules { traces: Traces::Begin, ..Rules::default() };
    let theirs: Fields<'_> = &[("traceparent", "00-ab-cd-01")];
    assert_request(rules(), "192.0.2.1", theirs, theirs);
    let (fields, _) = request(rules(), "192.0.2.1", &[]);
    let value = &fields[0].1;
    let parts: Vec<_> = value.split('-').map(str::len).collect();
    assert_eq!((parts, fields.len()), (vec![2, 32, 16, 2], 1));
    assert!(value.starts_with("00-") && value.ends_with("-00"), "{value}");
    // Ids of zeros are none.
    let mut zero = || 0;
    let mut head = head(&[]);
    let mut arrival = Arrival {
        peer: &peer("192.0.2.1"),
        version: Version::Http2,
        kind: Kind::Other,
        unix_millis: 0,
        random: &mut zero,
        scratch: &mut Vec::new(),
    };
    Forwarding::new(rules()).on_request(&mut head, &mut arrival);
    let expected = "00-00000000000000000000000000000001-0000000000000001-00";
    assert_eq!(head.get(Name::Traceparent), Some(expected.as_bytes()));
}

#[test]
fn via_names_each_hop() {
    let rules = || Rules { via: Some("narrows".into()), ..Rules::default() };
    assert_request(rules(), "192.0.2.1", &[], &[("via", "2 narrows")]);
    let before: Fields<'_> = &[("via", "1.0 a, 1.1 b"), ("via", "1.1 c")];
    assert_request(rules(), "192.0.2.1", before, &[("via", "1.0 a, 1.1 b, 1.1 c, 2 narrows")]);
    assert_reply(rules(), &[], &[("via", "1.1 narrows")]);
}

/// A reply of [`NODE`], also known as `node.internal`, to a request for `api.test:8091`.
fn assert_reply(rules: Rules, before: Fields<'_>, after: Fields<'_>) {
    let mut reply = head(before);
    let mut departure = Departure {
        request: &head(GRPC),
        peer: &peer("192.0.2.1"),
        node: Some(NODE.parse().expect("an address")),
        node_name: Some("node.internal"),
        version: Version::Http11,
        scratch: &mut Vec::new(),
    };
    Forwarding::new(rules).on_reply(&mut reply, &mut departure);
    assert_eq!(text(&reply), text(&head(after)), "{before:?}");
}

#[test]
fn a_reply_does_not_say_where_the_node_is() {
    for (location, expected) in [
        ("http://10.0.0.5:50051/a?b#c", "https://api.test:8091/a?b#c"),
        ("HTTPS://10.0.0.5:50051", "https://api.test:8091/"),
        ("http://NODE.internal:50051/x", "https://api.test:8091/x"),
        ("http://10.0.0.5:50051?q", "https://api.test:8091?q"),
        ("http://[::ffff:10.0.0.5]:50051/", "https://api.test:8091/"),
        // Others are others.
        ("http://10.0.0.5/", "http://10.0.0.5/"),
        ("http://10.0.0.5:50052/", "http://10.0.0.5:50052/"),
        ("http://10.0.0.6:50051/", "http://10.0.0.6:50051/"),
        ("http://node.internal/", "http://node.internal/"),
        ("http://node.internal:x/", "http://node.internal:x/"),
        ("ftp://10.0.0.5:50051/", "ftp://10.0.0.5:50051/"),
        ("/a?to=http://10.0.0.5:50051/", "/a?to=http://10.0.0.5:50051/"),
        ("//10.0.0.5:50051/", "//10.0.0.5:50051/"),
        ("", ""),
    ] {
        for name in ["location", "content-location"] {
            assert_reply(Rules::default(), &[(name, location)], &[(name, expected)]);
        }
    }
}

#[test]
fn a_reply_keeps_its_server_or_does_not() {
    let before: Fields<'_> = &[("server", "node/1.2"), ("a", "b")];
    let rules = |server| Rules { server, ..Rules::default() };
    assert_reply(rules(ServerField::Pass), before, before);
    assert_reply(rules(ServerField::Remove), before, &[("a", "b")]);
    let ours: Fields<'_> = &[("server", "narrows"), ("a", "b")];
    assert_reply(rules(ServerField::Replace("narrows".into())), before, ours);
    assert_reply(rules(ServerField::Replace("narrows".into())), &[], &[("server", "narrows")]);
}

#[test]
fn credentials_between_proxies_end_here() {
    assert_reply(Rules::default(), &[("proxy-authenticate", "basic"), ("a", "b")], &[("a", "b")]);
}

#[test]
fn the_client_is_told_the_id_of_its_request() {
    let rules = || Rules { echo: Echo::On, ..Rules::default() };
    assert_reply(rules(), &[], &[("x-request-id", "abc")]);
    assert_reply(rules(), &[("x-request-id", "of the node")], &[("x-request-id", "abc")]);
}
