//! Which connection a key is read over.
//!
//! A key always goes the same way, so that one connection tracks it. In a cluster the slot of the key names
//! the node, and its hash one of the connections there.

use std::sync::Arc;

use super::lane::Lane;
use super::options::Node;

/// Slots of a cluster.
pub(super) const SLOTS: usize = 16_384;
/// A slot that no node serves.
pub(super) const UNSERVED: u16 = u16::MAX;

/// What is known of the servers.
#[derive(Debug, Clone)]
pub(super) enum Layout {
    /// Nothing yet.
    Unknown,
    /// Where keys are.
    Known(Arc<Map>),
    /// They can not be found, in words.
    Failed(Arc<str>),
}

/// Connections, and how keys are spread over them.
#[derive(Debug)]
pub(super) struct Map {
    /// Those of the first node, of the second, and so on.
    lanes: Vec<Arc<Lane>>,
    per_node: usize,
    /// The node of each slot; `None`: there is only one server.
    slots: Option<Box<[u16]>>,
}

// === impl Layout ===

impl Layout {
    pub(super) fn map(&self) -> Option<Arc<Map>> {
        match self {
            Self::Known(map) => Some(map.clone()),
            Self::Unknown | Self::Failed(_) => None,
        }
    }

    /// What is wrong, in words.
    pub(super) fn trouble(&self) -> Option<Arc<str>> {
        match self {
            Self::Unknown => Some("not connected yet".into()),
            Self::Failed(text) => Some(text.clone()),
            Self::Known(map) => map.lanes.iter().find_map(|lane| lane.trouble()),
        }
    }
}

// === impl Map ===

impl Map {
    pub(super) fn of_one_server(lanes: Vec<Arc<Lane>>) -> Self {
        Self { per_node: lanes.len(), lanes, slots: None }
    }

    /// `slots` names the node of each slot, by its place in `lanes` divided by `per_node`.
    pub(super) fn of_cluster(lanes: Vec<Arc<Lane>>, per_node: usize, slots: Box<[u16]>) -> Self {
        Self { lanes, per_node, slots: Some(slots) }
    }

    pub(super) fn lanes(&self) -> &[Arc<Lane>] {
        &self.lanes
    }

    /// The connection of a key; `None` if no node serves its slot.
    pub(super) fn lane_of(&self, redis_key: &[u8]) -> Option<&Arc<Lane>> {
        let node = match &self.slots {
            None => 0,
            Some(slots) => match slots.get(slot_of(redis_key)) {
                Some(&UNSERVED) | None => return None,
                Some(&node) => usize::from(node),
            },
        };
        self.lanes.get(node * self.per_node + spread(redis_key) % self.per_node)
    }

    /// A connection to this node for a key that belongs elsewhere.
    pub(super) fn lane_at(&self, node: &Node, redis_key: &[u8]) -> Option<&Arc<Lane>> {
        let there = self.lanes.iter().filter(|lane| lane.node() == Some(node));
        there.cycle().nth(spread(redis_key) % self.per_node)
    }
}

/// The slot of a key in a cluster: of what stands in its first braces, if anything does.
pub(super) fn slot_of(redis_key: &[u8]) -> usize {
    let tag = redis_key.iter().position(|b| *b == b'{').and_then(|open| {
        let rest = redis_key.get(open + 1..)?;
        rest.get(..rest.iter().position(|b| *b == b'}')?).filter(|tag| !tag.is_empty())
    });
    usize::from(crc16(tag.unwrap_or(redis_key))) % SLOTS
}

/// CRC-16/XMODEM, as the cluster specification asks for.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc: u16, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

/// FNV-1a: spreads keys over connections, the same way each time.
fn spread(redis_key: &[u8]) -> usize {
    let hash = redis_key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_cluster_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(slot_of(b"foo"), 12_182);
        assert_eq!(slot_of(b"{user1000}.following"), slot_of(b"user1000"));
        assert_eq!(slot_of(b"foo{}{bar}"), usize::from(crc16(b"foo{}{bar}")) % SLOTS);
        assert_eq!(slot_of(b"foo{{bar}}zap"), slot_of(b"{bar"));
    }
}
