//! Series of the sources of nodes.
//!
//! Labels come from the configuration: the upstream, and the kind of the source. Nodes have series of their own.

use std::sync::Arc;

use super::text::{Kind, Text};
use crate::discovery::SourceStatus;

/// A series: its name, what it is, what it says, and where it is read.
type Row = (&'static str, Kind, &'static str, fn(&SourceStatus) -> f64);

const ROWS: [Row; 7] = [
    ("narrows_discovery_up", Kind::Gauge, "Whether the source answers.", |s| {
        f64::from(u8::from(s.up))
    }),
    ("narrows_discovery_nodes", Kind::Gauge, "Nodes of the source that are in force.", |s| {
        s.nodes as f64
    }),
    (
        "narrows_discovery_held_nodes",
        Kind::Gauge,
        "Nodes that the source does not name any more and that are kept for a while.",
        |s| s.held as f64,
    ),
    (
        "narrows_discovery_updates_total",
        Kind::Counter,
        "How often the source said something new.",
        |s| s.updates as f64,
    ),
    (
        "narrows_discovery_errors_total",
        Kind::Counter,
        "How often the source did not answer, or not in a way that can be understood.",
        |s| s.errors as f64,
    ),
    (
        "narrows_discovery_refused_total",
        Kind::Counter,
        "Entries left out because they are no nodes, or not where nodes may be.",
        |s| s.refused as f64,
    ),
    (
        "narrows_discovery_holds_total",
        Kind::Counter,
        "How often too many nodes vanished at once, so that they were kept.",
        |s| s.holds as f64,
    ),
];

pub(super) fn render(text: &mut Text, discovered: &[(Arc<str>, Vec<SourceStatus>)]) {
    for (name, kind, help, value) in ROWS {
        let mut family = text.family(name, kind, help);
        for (upstream, sources) in discovered {
            for source in sources {
                let labels = [("upstream", &**upstream), ("source", &*source.source)];
                family.sample(&labels, value(source));
            }
        }
    }
}
