//! Links in the loop: reading, handling events, flushing, ending.

use narrows_wire::codec::{ErrorCode, Event, Reason, StreamKey};
use narrows_wire::h1::Fault;
use narrows_wire::{Head, Time};
use tracing::debug;

use super::ending::Loss;
use super::{Owner, READS_PER_TURN, Worker};
use crate::closes::Close;
use crate::io::{Io, Ready, Socket};
use crate::keepalive::is_complaint;
use crate::link::{Codec, Input, Link, State};
use crate::slab::Key;

/// As [`Worker::mark_dirty`], for who has the link at hand.
#[inline]
pub(super) fn note_dirty<S>(dirty: &mut Vec<Key>, key: Key, link: &mut Link<S>) {
    if !std::mem::replace(&mut link.dirty, true) {
        dirty.push(key);
    }
}

impl<I: Io> Worker<I> {
    /// Has the world report on a link that was just made. Drops it if that fails.
    pub(super) fn register(&mut self, key: Key) {
        let Some(link) = self.links.get_mut(key) else { return };
        if let Err(error) = self.io.register(&mut link.socket, key.pack() as usize) {
            debug!(peer = %link.peer, %error, "can not watch the socket");
            return self.lose_link(key, Close::of_io(&error));
        }
        self.arm_link(key);
        self.mark_dirty(key);
    }

    pub(super) fn on_link_ready(&mut self, event: Ready) {
        let key = Key::unpack(event.token as u64);
        let Some(link) = self.links.get_mut(key) else { return };
        if event.writable {
            link.blocked = false;
            if link.state == State::Connecting {
                match link.socket.connected() {
                    None => return,
                    Some(Ok(())) => self.on_connected(key),
                    Some(Err(error)) => {
                        debug!(peer = %link.peer, %error, "connect failed");
                        return self.lose_link(key, Close::ConnectFailed);
                    }
                }
            }
            self.mark_dirty(key);
        }
        if event.readable {
            self.read_link(key, event.hangup);
        }
    }

    /// Reads the links that were left with something to read.
    pub(super) fn read_rest(&mut self) {
        for _ in 0..self.reread.len() {
            let Some(key) = self.reread.pop_front() else { return };
            if let Some(link) = self.links.get_mut(key) {
                link.reread = false;
                self.read_link(key, true);
            }
        }
    }

    /// Reads until the kernel has no more, or others should have their turn. `thorough`: a short read is
    /// not the end.
    fn read_link(&mut self, key: Key, thorough: bool) {
        if self.links.get(key).is_some_and(|link| link.has_kept_input()) {
            self.take_protocol(key, &[]);
        }
        let mut buffer = std::mem::take(&mut self.read_buffer);
        let mut reads = 0;
        while let Some(link) = self.links.get_mut(key) {
            if matches!(link.state, State::Connecting | State::Closing) {
                break;
            }
            if link.throttled_until > self.now {
                self.arm_link(key);
                break;
            }
            if reads == READS_PER_TURN || !link.accepts_input() {
                self.mark_reread(key);
                break;
            }
            match link.read(&mut buffer) {
                Ok(Input::Bytes(n)) => {
                    link.watch.hear(self.now);
                    link.pass(n as u64, self.now);
                    if link.state != State::Lingering {
                        self.take_input(key, &buffer[..n]);
                    }
                    if n < buffer.len() && !thorough {
                        break;
                    }
                }
                Ok(Input::Blocked) => break,
                Ok(Input::End) => {
                    self.on_input_end(key);
                    break;
                }
                Err(error) => {
                    debug!(peer = %link.peer, %error, "connection lost");
                    self.lose_link(key, Close::of_io(&error));
                    break;
                }
            }
            reads += 1;
        }
        self.read_buffer = buffer;
    }

    fn mark_reread(&mut self, key: Key) {
        let Some(link) = self.links.get_mut(key) else { return };
        // A link that is over its mark is read again once it has been flushed.
        if link.accepts_input() && !std::mem::replace(&mut link.reread, true) {
            self.reread.push_back(key);
        } else {
            link.starved = !link.accepts_input();
            self.mark_dirty(key);
        }
    }

    /// The peer has ended its direction.
    fn on_input_end(&mut self, key: Key) {
        let Some(link) = self.links.get_mut(key) else { return };
        // Over TLS an end that was not announced may be somebody's who cuts off what follows.
        let announced = link.tls.as_ref().is_none_or(|tls| tls.is_peer_done());
        let open = link.state == State::Open && announced;
        if !open || self.is_awaited_by_nobody(key) {
            return self.lose_link(key, Close::PeerFin);
        }
        if let Some(link) = self.links.get_mut(key) {
            link.input_ended = true;
        }
        self.tell_end(key);
    }

    /// Whether a client that speaks HTTP/1 has gone while its call is worked on. It could have ended only its
    /// own direction and wait for the reply; nobody does that, and who has gone shall not be worked for.
    fn is_awaited_by_nobody(&self, key: Key) -> bool {
        let Some(link) = self.links.get(key) else { return true };
        if !link.is_downstream() || !matches!(link.codec, Codec::H1(_)) {
            return false;
        }
        let is_call = |tag: u64| {
            let exchange = self.exchanges.get(Key::unpack(tag));
            exchange.is_some_and(|exchange| !exchange.is_tunnel)
        };
        link.codec.tags().into_iter().any(is_call)
    }

    /// Tells the engine that the peer has ended its direction, behind all bytes that came before.
    fn tell_end(&mut self, key: Key) {
        let Some(link) = self.links.get_mut(key) else { return };
        if !link.input_ended || !link.kept.is_empty() || std::mem::replace(&mut link.end_told, true)
        {
            return;
        }
        if !link.codec.end_input(self.now) {
            return self.lose_link(key, Close::PeerFin);
        }
        self.take_events(key);
        self.mark_dirty(key);
    }

    /// Handles bytes of the wire.
    pub(super) fn take_input(&mut self, key: Key, wire: &[u8]) {
        let Some(link) = self.links.get_mut(key) else { return };
        if link.awaits_proxy_header {
            return self.take_proxy_header(key, wire);
        }
        if link.tls.is_none() {
            return self.take_protocol(key, wire);
        }
        let mut plain = std::mem::take(&mut self.plain_buffer);
        let mut rest = wire;
        while let Some(link) = self.links.get_mut(key)
            && let Some(tls) = &mut link.tls
        {
            match tls.receive(&mut rest, &mut plain) {
                Ok(n) => {
                    if link.state == State::Handshake && !self.on_handshake(key) {
                        break;
                    }
                    if n == 0 {
                        break;
                    }
                    self.take_protocol(key, &plain[..n]);
                }
                Err(error) => {
                    debug!(peer = %link.peer, %error, "TLS failed");
                    self.stats.handshake_failures.add(u64::from(link.state == State::Handshake));
                    // The alert goes out on the way.
                    let _ = link.flush(&[]);
                    let close = match link.state {
                        State::Handshake => Close::HandshakeFailed,
                        State::Connecting | State::Open | State::Closing | State::Lingering => {
                            Close::Tls
                        }
                    };
                    self.lose_link(key, close);
                    break;
                }
            }
        }
        self.plain_buffer = plain;
        let done = |link: &Link<I::Socket>| {
            link.tls.as_ref().is_some_and(|tls| tls.is_peer_done()) && !link.input_ended
        };
        if self.links.get(key).is_some_and(|link| done(link)) {
            self.on_input_end(key);
        }
        // Bytes of a handshake may have to be answered although the protocol has nothing to say.
        self.mark_dirty(key);
    }

    /// Handles bytes of the protocol, behind those that were kept. They stand in a buffer that is reused as
    /// soon as this returns, so what the engine does not take now is kept.
    fn take_protocol(&mut self, key: Key, source: &[u8]) {
        let Some(link) = self.links.get_mut(key) else { return };
        if link.kept.is_empty() {
            let left = self.feed(key, source);
            if left > 0
                && let Some(link) = self.links.get_mut(key)
            {
                link.kept.extend_from_slice(&source[source.len() - left..]);
            }
            return;
        }
        let mut kept = std::mem::take(&mut link.kept);
        kept.extend_from_slice(source);
        let left = self.feed(key, &kept);
        kept.drain(..kept.len() - left);
        if let Some(link) = self.links.get_mut(key).filter(|_| left > 0) {
            link.kept = kept;
        }
        self.tell_end(key);
    }

    /// Gives bytes to the engine, acts on its events, and tells how many bytes it left.
    fn feed(&mut self, key: Key, source: &[u8]) -> usize {
        let mut input = source;
        if !self.is_known(key, input) {
            return input.len();
        }
        let mut head = self.spare_head();
        loop {
            while let Some(link) = self.links.get_mut(key)
                && let Some(event) = link.codec.receive(self.now, &mut input, &mut head)
            {
                self.on_event(key, event, source, &mut head);
            }
            if !self.goes_on_in_http2(key) {
                break;
            }
        }
        self.keep_head(head);
        self.mark_dirty(key);
        while let Some(peer) = self.lent.pop() {
            self.flush_link(peer, source);
            if let Some(link) = self.links.get_mut(peer) {
                link.codec.output().settle(source);
            }
        }
        input.len()
    }

    /// Handles events that came without input: after a flush, a timer, or a command.
    pub(super) fn take_events(&mut self, key: Key) {
        let mut head = Head::new();
        while let Some(link) = self.links.get_mut(key)
            && let Some(event) = link.codec.receive(self.now, &mut &[][..], &mut head)
        {
            self.on_event(key, event, &[], &mut head);
        }
    }

    fn on_event(&mut self, key: Key, event: Event<'_>, source: &[u8], head: &mut Head) {
        // Most events are these, and they need no look at the link.
        if let Event::Data { stream, tag, data, end } = event {
            return self.on_data((key, stream), tag, data, end, source);
        }
        let downstream = self.links.get(key).is_some_and(|link| link.is_downstream());
        match event {
            Event::Head { stream, end, .. } if downstream => {
                self.on_request(key, stream, end, head)
            }
            Event::Head { stream, tag, end } => self.on_reply((key, stream), tag, end, head),
            Event::Informational { tag, .. } => self.on_informational(tag, head),
            Event::Trailers { tag, .. } if downstream => self.on_request_trailers(tag, head),
            Event::Trailers { tag, .. } => self.on_reply_trailers(tag, head),
            Event::Reset { stream, tag, reason, .. } if downstream => {
                self.on_client_reset((key, stream), tag, reason);
            }
            Event::Reset { tag, reason: Reason::Http1(Fault::ClosedEarly), .. } => {
                self.on_node_gone(tag, key);
            }
            Event::Reset { tag, code, processed, by, reason, .. } => {
                self.note_broken(key, Close::of_reason(reason));
                self.on_node_reset(key, tag, code, (processed, by, reason));
            }
            Event::Refused { stream, tag, refusal } => {
                self.note_broken(key, Close::of_refusal(refusal));
                self.on_refused((key, stream), tag, refusal, head);
            }
            Event::Sent { tag, bytes, .. } => self.on_sent(key, tag, bytes),
            Event::Data { .. } | Event::Pong => {}
            Event::PeerSettings => self.on_settings(key),
            Event::GoAway { code, last_stream, debug: text } => {
                let peer = self.links.get(key).map(|link| link.peer);
                let text = String::from_utf8_lossy(text);
                debug!(?peer, %code, last_stream, %text, "peer goes away");
                if is_complaint(code, text.as_bytes()) {
                    self.on_complaint(key);
                }
                if let Some(link) = self.links.get_mut(key) {
                    link.ending.leave(Close::GoAway);
                }
                // Calls that the peer will not look at are told of first: the end would hide them.
                self.take_events(key);
                self.end_if_unused(key);
            }
            Event::Drained => self.on_drained(key),
            Event::Closed { error } => {
                if let Some(link) = self.links.get(key) {
                    debug!(peer = %link.peer, downstream, %error, "connection ended for an error");
                }
                self.stats.downstream_errors.add(u64::from(downstream));
                let late = matches!(error.reason, Reason::HeaderLate | Reason::PrefaceLate);
                self.stats.parse_timeouts.add(u64::from(downstream && late));
                let close = Close::of_error(error);
                self.on_loss(key, Loss::of_error(close));
                self.close_link(key, close);
            }
        }
    }

    /// Has the link written at the end of the turn.
    pub(super) fn mark_dirty(&mut self, key: Key) {
        if let Some(link) = self.links.get_mut(key) {
            note_dirty(&mut self.dirty, key, link);
        }
    }

    /// Writes every link that has output, once. What comes of it (credit for others) is written too.
    pub(super) fn flush_dirty(&mut self) {
        let mut at = 0;
        while let Some(key) = self.dirty.get(at).copied() {
            at += 1;
            if let Some(link) = self.links.get_mut(key) {
                link.dirty = false;
                self.flush_link(key, &[]);
            }
        }
        self.dirty.clear();
    }

    /// Writes a link. `source` is the buffer whose ranges stand in its output.
    fn flush_link(&mut self, key: Key, source: &[u8]) {
        let Some(link) = self.links.get_mut(key) else { return };
        if matches!(link.state, State::Connecting | State::Lingering) || link.blocked {
            return;
        }
        if link.throttled_until > self.now {
            return self.arm_link(key);
        }
        let before = link.written;
        let flushed = link.flush(source);
        link.pass(link.written - before, self.now);
        if let Err(error) = flushed {
            debug!(peer = %link.peer, %error, "connection lost while writing");
            return self.lose_link(key, Close::of_io(&error));
        }
        if link.state == State::Closing && link.is_flushed() {
            return self.linger(key);
        }
        if !link.unflushed.is_empty() {
            self.on_flushed(key);
        }
        self.take_events(key);
        self.read_again(key);
        self.arm_link(key);
    }

    /// Has a link read in the next turn that was left with something to read.
    fn read_again(&mut self, key: Key) {
        let Some(link) = self.links.get_mut(key) else { return };
        let starved = std::mem::take(&mut link.starved);
        if starved {
            // What it may have said was not read.
            link.watch.hear(self.now);
        }
        if (starved || link.has_kept_input()) && !std::mem::replace(&mut link.reread, true) {
            self.reread.push_back(key);
        }
    }

    /// Sets the timer of a link if something is due earlier than it fires.
    pub(super) fn arm_link(&mut self, key: Key) {
        let Some(link) = self.links.get(key) else { return };
        let due = self.link_due(link);
        let Some(link) = self.links.get_mut(key) else { return };
        match link.timer {
            Some((_, at)) if at <= due => {}
            Some((timer, _)) => {
                self.timers.move_to(timer, due);
                link.timer = Some((timer, due));
            }
            None if due == Time::NEVER => {}
            None => link.timer = Some((self.timers.set(due, Owner::Link(key)), due)),
        }
    }

    /// Resets a stream and has that written.
    pub(super) fn reset_stream(&mut self, key: Key, stream: StreamKey, code: ErrorCode) {
        if let Some(link) = self.links.get_mut(key) {
            link.codec.reset(stream, code);
            self.mark_dirty(key);
        }
    }

    pub(super) fn keep_head(&mut self, mut head: Head) {
        if self.spare_heads.len() < super::SPARES_MAX {
            head.clear();
            self.spare_heads.push(head);
        }
    }
}
