//! How links end: at once, behind what they still have to say, or for want of use. Each end is counted by its
//! reason (`closes.rs`), for the listener or the upstream.

use narrows_wire::codec::ErrorCode;
use tracing::debug;

use super::Worker;
use crate::closes::Close;
use crate::io::{Io, Socket};
use crate::link::{Side, State};
use crate::slab::Key;

/// What the end of a link means for the calls on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// A connection to a node could not be made.
    ConnectFailed,
    /// A connection to a node was not made in time.
    ConnectTimeout,
    /// The TLS handshake on it did not end in time.
    TlsTimeout,
    /// It was open, and the peer or the network ended it.
    Closed,
    /// The peer takes nothing of what is to be written.
    Stalled,
    /// The peer broke the protocol or went over a limit.
    Protocol,
}

impl<I: Io> Worker<I> {
    /// Nothing more is read; the link ends when what it has to say is written.
    pub(super) fn close_link(&mut self, key: Key, close: Close) {
        let now = self.now;
        if let Some(link) = self.links.get_mut(key).filter(|link| link.state != State::Lingering) {
            link.ending.end(close);
            if link.codec.is_aborted() {
                link.socket.abort();
                return self.drop_link(key);
            }
            // What was due of an open link, such as its age, is not what is waited for now.
            let due = now + super::timers::CLOSING_TIME_MAX;
            if link.state != State::Closing || link.due > due {
                link.due = due;
                link.closing_mark = link.written;
            }
            link.state = State::Closing;
            if let Some(tls) = &mut link.tls {
                tls.close();
            }
            self.arm_link(key);
            self.mark_dirty(key);
        }
    }

    /// The link is gone: ends or replays what was on it, and drops it.
    pub(super) fn lose_link(&mut self, key: Key, close: Close) {
        let Some(link) = self.links.get_mut(key) else { return };
        link.ending.end(close);
        if !link.is_ending() {
            self.on_loss(key, Loss::of(close));
        }
        self.drop_link(key);
    }

    /// Everything is written. A client is given the time to read it and to end its own direction.
    pub(super) fn linger(&mut self, key: Key) {
        let now = self.now;
        let Some(link) = self.links.get_mut(key) else { return };
        if !link.is_downstream() || link.socket.end().is_err() {
            return self.drop_link(key);
        }
        link.state = State::Lingering;
        link.due = now + super::timers::LINGER_TIME_MAX;
        // What has been reported before is looked for now; it is not reported again.
        if !std::mem::replace(&mut link.reread, true) {
            self.reread.push_back(key);
        }
        self.arm_link(key);
    }

    fn drop_link(&mut self, key: Key) {
        let Some(mut link) = self.links.remove(key) else { return };
        self.io.deregister(&mut link.socket);
        if let Some((timer, _)) = link.timer {
            self.timers.cancel(timer);
        }
        let close = link.ending.close();
        match link.side {
            Side::Downstream(listener) => {
                listener.stats.shard(self.index).closes.of(close).add(1);
                self.downstream_links -= 1;
                let rejected = link.codec.rejected();
                self.stats.rejected.add(rejected.requests);
                if let Some(reason) = rejected.last {
                    debug!(peer = %link.peer, requests = rejected.requests, %reason, "requests were rejected");
                }
                self.stats.downstream.add(-1);
            }
            Side::Upstream(node) => {
                self.with_upstream_shard_of(node, |shard| shard.closes.of(close).add(1));
                self.remove_from_node(node, key);
            }
        }
    }

    /// The last stream of a link is gone, and no other will come.
    pub(super) fn on_drained(&mut self, key: Key) {
        let Some(link) = self.links.get(key) else { return };
        let close = if link.input_ended { Close::PeerFin } else { Close::Finished };
        self.close_link(key, close);
    }

    /// A message broke off. Over HTTP/2 that ends a stream; any other connection ends with it.
    pub(super) fn note_broken(&mut self, key: Key, close: Close) {
        if let Some(link) = self.links.get_mut(key).filter(|link| !link.codec.is_h2()) {
            link.ending.leave(close);
        }
    }

    /// A link without streams that takes no more calls has no purpose.
    pub(super) fn end_if_unused(&mut self, key: Key) {
        let now = self.now;
        let Some(link) = self.links.get_mut(key) else { return };
        if link.codec.active_streams() > 0 {
            return;
        }
        link.last_used = now;
        let retired = matches!(link.side, Side::Upstream(_))
            && (link.retired || link.codec.is_draining() || now >= link.due);
        if retired && link.state == State::Open {
            if now >= link.due {
                link.ending.leave(Close::Age);
            }
            link.codec.close(ErrorCode::NO_ERROR, "no longer needed");
            self.close_link(key, Close::Finished);
        }
    }
}

// === impl Loss ===

impl Loss {
    fn of(close: Close) -> Self {
        match close {
            Close::ConnectFailed | Close::HandshakeFailed => Self::ConnectFailed,
            Close::ConnectTimeout => Self::ConnectTimeout,
            Close::TlsTimeout => Self::TlsTimeout,
            Close::Protocol => Self::Protocol,
            _ => Self::Closed,
        }
    }

    /// What the end of a link means that its engine ended.
    pub(super) fn of_error(close: Close) -> Self {
        if close == Close::WriteTimeout { Self::Stalled } else { Self::Protocol }
    }
}
