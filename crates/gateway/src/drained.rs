//! Addresses that an operator keeps calls from, of an upstream whose nodes are found by key.
//!
//! Such an upstream has no set of nodes, so what is said of one stands here. Few are drained at once: the list is
//! searched from the front, and while it is empty a call pays one load.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use crate::pool::Node;
use crate::target::{Host, Target};

/// Addresses drained at once in one upstream.
pub const DRAINED_MAX: usize = 1000;

/// The list, read by all workers.
#[derive(Debug, Default)]
pub struct Drained {
    targets: ArcSwap<Vec<Arc<Target>>>,
    count: AtomicUsize,
    version: AtomicU64,
    /// Held by whoever changes the list, never by a worker.
    change: Mutex<()>,
}

/// The list is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{DRAINED_MAX} addresses are drained already")]
pub struct TooMany;

// === impl Drained ===

impl Drained {
    /// Keeps new calls from an address.
    pub fn drain(&self, target: &Target) -> Result<(), TooMany> {
        let _change = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let mut targets = self.targets();
        if targets.iter().any(|known| is_same(known, target)) {
            return Ok(());
        }
        if targets.len() >= DRAINED_MAX {
            return Err(TooMany);
        }
        targets.push(Arc::new(target.clone()));
        self.store(targets);
        Ok(())
    }

    /// Lets calls go to an address again.
    pub fn undrain(&self, target: &Target) {
        let _change = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let mut targets = self.targets();
        targets.retain(|known| !is_same(known, target));
        self.store(targets);
    }

    /// What is drained.
    pub fn targets(&self) -> Vec<Arc<Target>> {
        self.targets.load().to_vec()
    }

    /// Differs from what it was if anything has changed.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Whether new calls are kept from this node.
    pub fn holds(&self, node: &Node) -> bool {
        self.count.load(Ordering::Relaxed) > 0
            && self.targets.load().iter().any(|target| is_at(target, node))
    }

    fn store(&self, targets: Vec<Arc<Target>>) {
        self.count.store(targets.len(), Ordering::Relaxed);
        self.targets.store(Arc::new(targets));
        self.version.fetch_add(1, Ordering::Release);
    }
}

/// How it is spoken to makes no other machine of it.
fn is_same(one: &Target, other: &Target) -> bool {
    one.host == other.host && one.port == other.port
}

/// Whether a node is what the target means.
pub(crate) fn is_at(target: &Target, node: &Node) -> bool {
    let address = node.identity.address;
    let is_host = match &target.host {
        Host::Ip(ip) => *ip == address.ip(),
        Host::Name(name) => node.name.as_ref() == Some(name),
    };
    is_host && target.port == address.port()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Target {
        text.parse().expect("a target")
    }

    #[test]
    fn the_list_is_bounded_and_takes_each_address_once() {
        let drained = Drained::default();
        for port in 1..=DRAINED_MAX {
            assert_eq!(drained.drain(&target(&format!("10.0.0.1:{port}"))), Ok(()));
        }
        let version = drained.version();
        assert_eq!(drained.drain(&target("10.0.0.2:1")), Err(TooMany));
        assert_eq!(drained.drain(&target("grpc://10.0.0.1:7")), Ok(()));
        assert_eq!(drained.version(), version);
        drained.undrain(&target("10.0.0.1:7"));
        assert_eq!(drained.targets().len(), DRAINED_MAX - 1);
        assert_ne!(drained.version(), version);
    }
}
