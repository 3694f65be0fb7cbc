//! Keepalive in the loop: peers of links with streams are asked, and lost if they say nothing (`crate::keepalive`).

use narrows_wire::Time;

use super::Worker;
use crate::closes::Close;
use crate::io::Io;
use crate::keepalive::{Pulse, Watch};
use crate::link::{Link, Side, State};
use crate::slab::Key;

impl<I: Io> Worker<I> {
    /// Begins to watch over a link whose protocol begins to flow.
    pub(super) fn watch_peer(&mut self, key: Key) {
        let Some(link) = self.links.get(key) else { return };
        let (rules, complaints) = match &link.side {
            Side::Downstream(listener) => (listener.keepalive, 0),
            Side::Upstream(node) => {
                let rules = self.upstream_of(*node).map(|upstream| upstream.keepalive);
                let rules = rules.unwrap_or_default();
                // What nodes have said is of no use where they are not asked.
                (rules, rules.interval.map_or(0, |_| self.pool.complaints(link.peer)))
            }
        };
        let now = self.now;
        if let Some(link) = self.links.get_mut(key) {
            link.watch = Watch::new(rules, complaints, now);
        }
    }

    /// Asks the peer of a link if that is due. `false`: it was lost.
    pub(super) fn look_after_peer(&mut self, key: Key) -> bool {
        let now = self.now;
        let Some(link) = self.links.get_mut(key) else { return false };
        if !is_watched(link, now) {
            return true;
        }
        match link.watch.look(now) {
            Pulse::Beats => true,
            Pulse::Asks => {
                link.codec.ping(now);
                self.mark_dirty(key);
                true
            }
            Pulse::Lost => {
                tracing::debug!(peer = %link.peer, "the peer does not answer");
                self.lose_link(key, Close::KeepaliveTimeout);
                false
            }
        }
    }

    /// A peer is asked too often.
    pub(super) fn on_complaint(&mut self, key: Key) {
        let Some(link) = self.links.get_mut(key) else { return };
        let complaints = link.watch.slow_down();
        if !link.is_downstream() {
            self.pool.note_complaints(link.peer, complaints);
        }
    }
}

/// Whether the peer of a link owes signs of life: it has streams, and what it says is read.
pub(super) fn is_watched<S>(link: &Link<S>, now: Time) -> bool {
    link.state == State::Open
        && link.codec.is_h2()
        && link.codec.active_streams() > 0
        && !link.starved
        && link.throttled_until <= now
}
