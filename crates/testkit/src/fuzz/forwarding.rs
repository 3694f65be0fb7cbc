//! The header rules of a hop: lines of `name value`, behind a byte that chooses rules and peer.

use std::net::{IpAddr, SocketAddr};

use narrows_gateway::forwarding::{
    AddTo, Arrival, Departure, Encryption, Forwarding, Kind, Peer, RequestIds, Rules, Traces,
    Trail, Version,
};
use narrows_gateway::snapshot::Networks;
use narrows_wire::{Head, Indexing, Name};

const TRUSTED: u8 = 1;
const ADDING: u8 = 2;
const MAKING: u8 = 4;

/// Nobody who is not trusted names another client, and no reply names the node.
pub fn forwarding(input: &[u8]) {
    let Some((&choice, lines)) = input.split_first() else { return };
    let forwarding = Forwarding::new(rules(choice));
    let address = if choice & TRUSTED == 0 { [192, 0, 2, 1] } else { [10, 0, 0, 1] };
    let local = SocketAddr::from(([10, 0, 0, 9], 8091));
    let peer = Peer::new((address, 1).into(), local, Encryption::Clear);
    let mut head = head(lines);
    let mut reply = head.clone();
    let mut scratch = Vec::new();
    let mut arrival = Arrival {
        peer: &peer,
        version: Version::Http11,
        kind: Kind::Other,
        unix_millis: 1 << 40,
        random: &mut || u128::MAX,
        scratch: &mut scratch,
    };
    let client = forwarding.on_request(&mut head, &mut arrival);
    check(&head, choice, client, &peer);
    let mut departure = Departure {
        request: &head,
        peer: &peer,
        node: Some(([10, 0, 0, 5], 50051).into()),
        node_name: Some("node"),
        version: Version::Http2,
        scratch: &mut scratch,
    };
    forwarding.on_reply(&mut reply, &mut departure);
    let location = reply.get(Name::Location).unwrap_or_default();
    assert!(!location.starts_with(b"http://10.0.0.5:50051/"), "the node shows");
}

fn check(head: &Head, choice: u8, client: IpAddr, peer: &Peer) {
    if choice & TRUSTED == 0 {
        assert_eq!(client, peer.address());
        let expected = (choice & ADDING != 0).then_some(&b"192.0.2.1"[..]);
        assert_eq!(head.get(Name::XForwardedFor), expected, "somebody else's word");
    }
    if choice & MAKING != 0 {
        assert!(head.get(Name::XRequestId).is_some_and(|id| !id.is_empty()));
    }
}

fn rules(choice: u8) -> Rules {
    let networks = ["10.0.0.0/8".parse().expect("a network")];
    let mut rules = Rules { trusted: Networks::new(networks.into()), ..Rules::default() };
    if choice & ADDING != 0 {
        rules.add = vec![Trail::XForwardedFor, Trail::XRealIp, Trail::Forwarded];
        rules.add_to = AddTo::All;
    }
    if choice & MAKING != 0 {
        rules.request_ids = RequestIds::Replace;
        rules.traces = Traces::Begin;
    }
    rules
}

/// A head of lines of `name value`.
fn head(lines: &[u8]) -> Head {
    let mut head = Head::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let mut parts = line.splitn(2, |byte| *byte == b' ');
        let name = parts.next().unwrap_or_default();
        head.push_text(name, parts.next().unwrap_or_default(), Indexing::MayRepeat);
    }
    head
}
