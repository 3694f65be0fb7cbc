//! Header rules of a listener: what is written decides, and what no field could hold is a fault.

use std::net::SocketAddr;

use narrows_gateway::forwarding::{Arrival, Departure, Encryption, HOPS_MAX, Kind, Peer, Version};
use narrows_gateway::snapshot::Listener;
use narrows_wire::{Head, Indexing, Name};

use super::*;

fn with(forwarding: &str) -> String {
    let listener = format!("[{{ address: 127.0.0.1:0, forwarding: {forwarding} }}]");
    GOOD.replace("[{ address: 127.0.0.1:0 }]", &listener)
}

fn listener(forwarding: &str) -> Arc<Listener> {
    Arc::clone(&compiled(&with(forwarding)).snapshot.listeners[0])
}

fn head(fields: &[(&str, &str)]) -> Head {
    let mut head = Head::new();
    for (name, value) in fields {
        head.push_text(name.as_bytes(), value.as_bytes(), Indexing::MayRepeat);
    }
    head
}

/// Bytes have no fields.
#[test]
fn a_listener_for_bytes_has_no_header_rules() {
    let listener = "[{ address: 127.0.0.1:0, protocol: tcp, forwarding: { via: narrows } }]";
    let faults = errors(&GOOD.replace("[{ address: 127.0.0.1:0 }]", listener));
    let is_told = |fault: &String| fault.contains("listeners[0].forwarding: only protocol http");
    assert!(faults.iter().any(is_told), "{faults:?}");
}

/// Connections that carry the requests of many clients can not say whose they are.
#[test]
fn only_upstreams_for_bytes_tell_nodes_whose_a_connection_is() {
    let with = |keys: &str| GOOD.replace("fixed: {", &format!("fixed: {{ {keys}, "));
    for protocol in ["h2c", "http1", "https"] {
        let faults = errors(&with(&format!("protocol: {protocol}, proxy_protocol: v2")));
        let [fault] = &faults[..] else { panic!("{protocol}: {faults:?}") };
        let expected = "upstreams.fixed.proxy_protocol: only protocols tcp and tls have it";
        assert!(fault.contains(expected), "{fault}");
    }
}

#[test]
fn what_is_written_is_done() {
    let listener = listener(
        "{ trusted_proxies: [10.0.0.0/8], trusted_hops: 1, via: narrows, server: { replace: n },
           add: [x_forwarded_for, x_forwarded_proto, x_real_ip], add_to: all, request_id: replace,
           echo_request_id: true, traceparent: begin }",
    );
    let local = SocketAddr::from(([127, 0, 0, 1], 8091));
    let peer = Peer::new(([10, 0, 0, 1], 1).into(), local, Encryption::Clear);
    let mut request = head(&[("x-forwarded-for", "192.0.2.1")]);
    let mut arrival = Arrival {
        peer: &peer,
        version: Version::Http11,
        kind: Kind::Grpc,
        unix_millis: 0,
        random: &mut || 7,
        scratch: &mut Vec::new(),
    };
    let client = listener.forwarding.on_request(&mut request, &mut arrival);
    assert_eq!(client, std::net::IpAddr::from([192, 0, 2, 1]));
    let value = |head: &Head, name| head.get(name).map(|v| String::from_utf8_lossy(v).into_owned());
    for (name, expected) in [
        (Name::XForwardedFor, "192.0.2.1, 10.0.0.1"),
        (Name::XForwardedProto, "http"),
        (Name::XRealIp, "192.0.2.1"),
        (Name::XRequestId, "00000000-0000-7000-8000-000000000007"),
        (Name::Via, "1.1 narrows"),
    ] {
        assert_eq!(value(&request, name).as_deref(), Some(expected), "{name:?}");
    }
    assert!(request.get(Name::Traceparent).is_some());
    let mut reply = head(&[("server", "inner")]);
    let mut departure = Departure {
        request: &request,
        peer: &peer,
        node: Some(local),
        node_name: None,
        version: Version::Http2,
        scratch: &mut Vec::new(),
    };
    listener.forwarding.on_reply(&mut reply, &mut departure);
    for (name, expected) in [
        (Name::Server, "n"),
        (Name::Via, "2 narrows"),
        (Name::XRequestId, "00000000-0000-7000-8000-000000000007"),
    ] {
        assert_eq!(value(&reply, name).as_deref(), Some(expected), "{name:?}");
    }
}

#[test]
fn without_a_word_a_grpc_call_needs_nothing() {
    let listener = listener("{}");
    let call =
        head(&[(":method", "POST"), ("te", "trailers"), ("content-type", "application/grpc")]);
    assert!(!listener.forwarding.look(&call, Kind::Grpc).is_needed());
    assert!(listener.forwarding.look(&call, Kind::Other).is_needed());
}

#[test]
fn what_no_field_could_hold_is_a_fault() {
    for (forwarding, expected) in [
        ("{ via: 'a b' }", "forwarding.via: \"a b\" is no name for via"),
        ("{ via: '' }", "forwarding.via: \"\" is no name for via"),
        ("{ via: ':path' }", "forwarding.via: \":path\" is no name for via"),
        ("{ server: { replace: '' } }", "forwarding.server.replace: is empty; write remove"),
        (
            "{ server: { replace: \"a\\nb\" } }",
            "forwarding.server.replace: field value has byte 0x0a",
        ),
        ("{ add: [x_real_ip, x_real_ip] }", "forwarding.add[1]: is there already"),
    ] {
        let faults = errors(&with(forwarding));
        let [fault] = &faults[..] else { panic!("{forwarding}: {faults:?}") };
        assert!(fault.contains(expected), "{forwarding}: {fault}");
    }
    let beyond = with(&format!("{{ trusted_hops: {} }}", HOPS_MAX + 1));
    let faults = parse(Path::new("c.yaml"), &beyond, &|_| None).expect_err("one too many");
    assert!(faults[0].to_string().contains("forwarding.trusted_hops: "), "{faults:?}");
    assert!(compiled(&with("{ trusted_hops: 32 }")).warnings.is_empty());
}

#[test]
fn who_trusts_everybody_is_warned() {
    let warnings = compiled(&with("{ trusted_proxies: ['0.0.0.0/0'] }")).warnings;
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].to_string().contains("trusted_proxies[0]: everybody is trusted"));
}
