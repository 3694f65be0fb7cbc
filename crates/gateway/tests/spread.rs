//! The pictures of docs/balancing.md are what the ways of balancing do.
//!
//! `cargo xtask spread` has this test write them anew, into docs/images.

#[path = "support/nodes.rs"]
#[allow(dead_code, reason = "two test programs share it")]
mod nodes;
#[path = "spread/picture.rs"]
mod picture;
#[path = "spread/runs.rs"]
mod runs;

use std::path::Path;

use narrows_gateway::balance::{Policy, RingOptions};

const RING: RingOptions = RingOptions { size_min: 160, load_percent_max: None };
const BOUNDED: RingOptions = RingOptions { load_percent_max: Some(125), ..RING };

/// Each way, as the configuration and its pictures are named, and how it is written there.
const WAYS: [(&str, &str, Policy); 8] = [
    ("round_robin", "round_robin", Policy::RoundRobin),
    ("random", "random", Policy::Random),
    ("least_request", "least_request", Policy::LeastRequest(2)),
    ("peak_ewma", "peak_ewma", Policy::PeakEwma),
    ("ring_hash", "ring_hash", Policy::RingHash(RING)),
    ("ring_hash_bounded", "ring_hash, hash_balance_factor: 125", Policy::RingHash(BOUNDED)),
    ("maglev", "maglev", Policy::Maglev(None)),
    ("ip_hash", "ip_hash", Policy::IpHash),
];

#[test]
fn the_documentation_shows_what_each_way_of_balancing_does() {
    for (name, title, policy) in WAYS {
        let spread = picture::of_spread(title, &runs::spread(policy));
        compare(&format!("spread_{name}.svg"), &spread);
        let slow_node = picture::of_slow_node(title, &runs::slow_node(policy));
        compare(&format!("slow_node_{name}.svg"), &slow_node);
    }
}

/// What the text of docs/balancing.md says about the pictures.
#[test]
fn those_that_look_at_calls_or_latency_spare_a_slow_node() {
    let share = |policy| {
        let parts = &runs::slow_node(policy)[runs::SLOW_PARTS];
        let all: u32 = parts.iter().flat_map(|part| part.calls).sum();
        let slow: u32 = parts.iter().map(|part| part.calls[runs::SLOW]).sum();
        100 * slow / all
    };
    for (name, _, policy) in WAYS {
        let expected = match policy {
            Policy::PeakEwma => 0..=3,
            Policy::LeastRequest(_) => 2..=8,
            Policy::RingHash(RingOptions { load_percent_max: Some(_), .. }) => 2..=12,
            Policy::RoundRobin
            | Policy::Random
            | Policy::RingHash(_)
            | Policy::Maglev(_)
            | Policy::IpHash => 19..=31,
        };
        let share = share(policy);
        assert!(expected.contains(&share), "{name}: {share} %");
    }
}

fn compare(name: &str, made: &str) {
    let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/images")).join(name);
    if std::env::var_os("NARROWS_WRITE_DOCS").is_some() {
        std::fs::write(&file, made).expect("docs can be written");
    }
    let written = std::fs::read_to_string(file).unwrap_or_default();
    assert!(written == made, "docs/images/{name} is old; cargo xtask spread renews it");
}
