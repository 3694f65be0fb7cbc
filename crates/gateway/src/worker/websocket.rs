//! WebSockets when the gateway drains: both sides are told to go away (RFC 6455 §7.4.1, 1001).
//!
//! The word is put between two frames of each direction; then each side has a moment to say its own Close,
//! both directions are ended, and the sides end theirs. Who does not is cut off.

use std::time::Duration;

use narrows_wire::Name;
use narrows_wire::codec::End;
use narrows_wire::websocket::{CloseCode, Masking, write_close};

use super::Worker;
use crate::exchange::{Exchange, Leg, Progress};
use crate::io::Io;
use crate::reply::Cause;
use crate::slab::Key;
use crate::websocket::{Direction, WebSocket, Word};

/// From our Close to the end, whatever the sides do.
pub(super) const CLOSE_TIME_MAX: Duration = Duration::from_secs(3);

impl<I: Io> Worker<I> {
    /// Begins to close all WebSockets.
    pub(super) fn close_websockets(&mut self) {
        let is_open = |exchange: &Exchange| exchange.is_tunnel && exchange.websocket.is_some();
        let open = self.exchanges.iter().filter(|(_, exchange)| is_open(exchange));
        for key in open.map(|(key, _)| key).collect::<Vec<_>>() {
            self.close_websocket(key);
        }
    }

    /// Begins to close a WebSocket.
    pub(super) fn close_websocket(&mut self, key: Key) {
        let until = self.now + CLOSE_TIME_MAX;
        let websocket = self.exchanges.get_mut(key).and_then(|e| e.websocket.as_mut());
        let Some(websocket) = websocket.filter(|websocket| !websocket.is_closing()) else { return };
        for (direction, word) in websocket.close(until) {
            self.say(key, direction, word);
        }
        self.end_websocket(key);
        self.arm_exchange(key);
    }

    /// Bytes of a WebSocket that is being closed. `data` lies in `source`.
    pub(super) fn pass_last_frames(
        &mut self,
        key: Key,
        direction: Direction,
        (data, end): (&[u8], End),
        source: &[u8],
    ) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        let Some(websocket) = &mut exchange.websocket else { return };
        let cut = websocket.cut(direction, data);
        let (from, to) = match exchange.ends_of(direction) {
            (Some(from), Some(to)) => (from, to),
            _ => return,
        };
        let passed = data.get(..cut.passed).unwrap_or(data);
        let mut taken = data.len() - passed.len();
        if !passed.is_empty() {
            taken += self.forward(to, passed, End::Open, source);
        }
        self.say(key, direction, cut.word);
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        let body = match direction {
            Direction::ToNode => &mut exchange.request,
            Direction::ToClient => &mut exchange.reply,
        };
        let credit = body.credit(taken);
        match end {
            End::Open => self.grant(from, credit),
            End::Stream => body.progress = Progress::Ended,
        }
        self.end_websocket(key);
    }

    fn say(&mut self, key: Key, direction: Direction, word: Word) {
        if word == Word::None {
            return;
        }
        let masking = match direction {
            // RFC 6455 §5.1: frames of clients are masked, those of servers never.
            Direction::ToNode => Masking::Key((self.random.next_u64() as u32).to_be_bytes()),
            Direction::ToClient => Masking::Clear,
        };
        let Some((_, Some(to))) = self.exchanges.get(key).map(|e| e.ends_of(direction)) else {
            return;
        };
        self.scratch.clear();
        write_close(CloseCode::GOING_AWAY, masking, &mut self.scratch);
        if let Some(link) = self.links.get_mut(to.link) {
            link.codec.send_data(to.stream, &self.scratch, End::Open);
            self.mark_dirty(to.link);
        }
    }

    /// Ends our directions once both sides have said Close, and the exchange once they have ended theirs.
    fn end_websocket(&mut self, key: Key) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        let progress = [exchange.request.progress, exchange.reply.progress];
        let legs = [exchange.node_leg(), Some(exchange.client)];
        let Some(websocket) = &mut exchange.websocket else { return };
        let is_over =
            |direction, progress| progress == Progress::Ended || websocket.is_closed(direction);
        if !is_over(Direction::ToNode, progress[0]) || !is_over(Direction::ToClient, progress[1]) {
            return;
        }
        exchange.cause = Some(Cause::Draining);
        if !std::mem::replace(&mut websocket.is_ended, true) {
            for leg in legs.into_iter().flatten() {
                self.forward(leg, &[], End::Stream, &[]);
            }
        }
        if progress == [Progress::Ended; 2] {
            self.finish(key);
        }
    }
}

// === impl Exchange ===

impl Exchange {
    /// A tunnel is asked for; if it is one of frames, they are watched.
    pub(super) fn ask_for_tunnel(&mut self) {
        self.is_tunnel_asked = true;
        if self.head.get(Name::Protocol) == Some(b"websocket") {
            self.websocket = Some(Box::new(WebSocket::new()));
        }
    }

    /// From where bytes of a direction come, and where they go.
    fn ends_of(&self, direction: Direction) -> (Option<Leg>, Option<Leg>) {
        let (client, node) = (Some(self.client), self.node_leg());
        match direction {
            Direction::ToNode => (client, node),
            Direction::ToClient => (node, client),
        }
    }
}
