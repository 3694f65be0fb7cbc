//! The streams of a connection: a slab with generations, and a small table from id to slot.
//!
//! A [`StreamKey`] names a slot and its generation; when a stream is removed its slot moves on to the next
//! generation, so that an old key reaches nothing. Removed ids are remembered for a while, because what a
//! late frame means depends on how its stream ended (RFC 9113 §5.1).

mod ids;

use std::collections::VecDeque;
use std::time::Duration;

use ids::Ids;

use super::flow::{Credit, Window};
use super::lingering::Lingering;
use super::state::{Cause, State};
use super::waiting::Waiting;
use crate::Time;
use crate::codec::StreamKey;

/// A stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: u32,
    pub(super) state: State,
    pub(super) flags: Flags,
    /// Informational replies so far.
    pub(super) informational: u8,
    pub(super) tag: u64,
    pub(super) send_window: Window,
    pub(super) credit: Credit,
    pub(super) opened_at: Time,
    /// When the present receive window was opened; tells how quickly it is drained.
    pub(super) window_at: Time,
    /// Bytes that were granted since `window_at`.
    pub(super) drained: u32,
    /// By how many bytes its receive window has grown.
    pub(super) grown: u32,
    /// Bytes handed to the owner that it has not granted.
    pub(super) ungranted: u32,
    /// What is left of the announced content-length; [`NO_LENGTH`] if none was.
    pub(super) content_left: u64,
    /// Decoded bytes of its sections, forgiven by the guard at a clean end.
    pub(super) section_bytes: u32,
    pub(super) waiting: Option<Box<Waiting>>,
    /// How long its waiting data may make no progress, if not as long as that of all others.
    pub(super) stall_timeout: Option<Duration>,
    /// Its reply is complete, and what is left of the request is read to no purpose.
    pub(super) lingering: Option<Box<Lingering>>,
    /// Neighbours in the queue of those that can send waiting data.
    ready: Links,
}

/// The highest id of a stream (RFC 9113 §5.1.1).
pub(super) const STREAM_ID_MAX: u32 = (1 << 31) - 1;

/// No content-length was announced.
pub(super) const NO_LENGTH: u64 = u64::MAX;

/// Properties of a stream that its state does not hold.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flags {
    /// The owner's work is finished.
    pub(super) released: bool,
    /// The request was HEAD, so that the reply has no content.
    pub(super) head_request: bool,
    /// Data that comes is dropped: the owner has had enough.
    pub(super) discards: bool,
    /// It stands in the queue of those that can send.
    ready: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Links {
    before: u32,
    after: u32,
}

/// What a stream leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Removed {
    /// Bytes that its owner has not granted.
    pub(super) ungranted: u32,
    /// By how many bytes its receive window had grown.
    pub(super) grown: u32,
}

/// All streams that are open, or closed and not released.
#[derive(Debug)]
pub(super) struct Streams {
    slots: Vec<Slot>,
    /// The generation that new slots begin with; above all that were given to slots that are gone.
    first_generation: u32,
    free: Vec<u32>,
    ids: Ids,
    /// The slot that was looked up last.
    recent: u32,
    /// First and last of the queue of those that can send, by slot.
    ready: Option<Links>,
    ended: [u32; ENDED_REMEMBERED],
    ended_at: usize,
    reset: VecDeque<u32>,
}

/// A vacant slot holds the remains of its last stream, with id 0. No key with the present generation is
/// out until the slot is used again.
#[derive(Debug)]
struct Slot {
    generation: u32,
    stream: Stream,
}

/// Marks the remembered id of a stream that the peer has reset; ids have 31 bits.
const BY_PEER: u32 = 1 << 31;
/// How many ids of streams that ended are remembered.
const ENDED_REMEMBERED: usize = 32;
/// How many ids of streams that we reset are remembered; frames for them are on the way for a round trip.
const RESET_REMEMBERED: usize = 1024;
/// The id of no stream that is looked up here.
const VACANT: u32 = 0;

// === impl Stream ===

impl Stream {
    pub(super) fn new(
        id: u32,
        state: State,
        send_window: Window,
        credit: Credit,
        opened_at: Time,
    ) -> Self {
        Self {
            id,
            state,
            flags: Flags::default(),
            informational: 0,
            tag: 0,
            send_window,
            credit,
            opened_at,
            window_at: opened_at,
            drained: 0,
            grown: 0,
            ungranted: 0,
            content_left: NO_LENGTH,
            section_bytes: 0,
            waiting: None,
            stall_timeout: None,
            lingering: None,
            ready: Links::default(),
        }
    }

    /// Whether data waits, or something that stands behind data.
    #[inline]
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }
}

// === impl Streams ===

impl Streams {
    pub(super) fn new() -> Self {
        Self {
            slots: Vec::new(),
            first_generation: 0,
            free: Vec::new(),
            ids: Ids::default(),
            recent: 0,
            ready: None,
            ended: [0; ENDED_REMEMBERED],
            ended_at: 0,
            reset: VecDeque::new(),
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    #[inline]
    pub(super) fn get(&self, key: StreamKey) -> Option<&Stream> {
        let slot = self.slots.get(key.slot() as usize)?;
        (slot.generation == key.generation()).then_some(&slot.stream)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, key: StreamKey) -> Option<&mut Stream> {
        let slot = self.slots.get_mut(key.slot() as usize)?;
        (slot.generation == key.generation()).then_some(&mut slot.stream)
    }

    /// The stream with this id, which is not 0.
    #[inline]
    pub(super) fn find(&mut self, id: u32) -> Option<(StreamKey, &mut Stream)> {
        let is_recent =
            self.slots.get(self.recent as usize).is_some_and(|slot| slot.stream.id == id);
        if !is_recent {
            self.recent = self.ids.get(id)?;
        }
        let slot = self.slots.get_mut(self.recent as usize)?;
        Some((StreamKey::new(self.recent, slot.generation), &mut slot.stream))
    }

    pub(super) fn insert(&mut self, stream: Stream) -> StreamKey {
        let id = stream.id;
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize].stream = stream;
                slot
            }
            None => {
                self.slots.push(Slot { generation: self.first_generation, stream });
                (self.slots.len() - 1) as u32
            }
        };
        self.ids.insert(id, slot);
        self.recent = slot;
        StreamKey::new(slot, self.slots[slot as usize].generation)
    }

    /// Forgets a closed stream but for the way it ended. Returns the bytes that the owner had not granted.
    pub(super) fn remove(&mut self, key: StreamKey) -> Option<Removed> {
        self.unready(key);
        let slot = self.slots.get_mut(key.slot() as usize)?;
        if slot.generation != key.generation() {
            return None;
        }
        slot.generation = slot.generation.wrapping_add(1);
        let id = std::mem::replace(&mut slot.stream.id, VACANT);
        let state = slot.stream.state;
        let removed = Removed { ungranted: slot.stream.ungranted, grown: slot.stream.grown };
        self.free.push(key.slot());
        self.ids.remove(id);
        self.remember(id, state);
        Some(removed)
    }

    /// Notes how a stream ended.
    pub(super) fn remember(&mut self, id: u32, state: State) {
        if state == State::Closed(Cause::ResetByUs) {
            if self.reset.len() == RESET_REMEMBERED {
                self.reset.pop_front();
            }
            self.reset.push_back(id);
        } else {
            let by_peer = state == State::Closed(Cause::ResetByPeer);
            self.ended[self.ended_at % ENDED_REMEMBERED] = if by_peer { id | BY_PEER } else { id };
            self.ended_at = self.ended_at.wrapping_add(1);
        }
    }

    /// How a stream that is not here any more ended.
    pub(super) fn cause(&self, id: u32) -> Cause {
        if self.reset.contains(&id) {
            Cause::ResetByUs
        } else if self.ended.contains(&id) {
            Cause::Ended
        } else if self.ended.contains(&(id | BY_PEER)) {
            Cause::ResetByPeer
        } else {
            Cause::Forgotten
        }
    }

    /// All streams, in the order of their slots, to be read.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.slots.iter().map(|slot| &slot.stream).filter(|stream| stream.id != VACANT)
    }

    /// All streams, in the order of their slots.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (StreamKey, &mut Stream)> {
        self.slots.iter_mut().enumerate().filter(|(_, slot)| slot.stream.id != VACANT).map(
            |(at, slot)| {
                let key = StreamKey::new(at as u32, slot.generation);
                (key, &mut slot.stream)
            },
        )
    }

    /// The keys of all streams for which `wanted` says so.
    pub(super) fn keys(&mut self, wanted: impl Fn(&Stream) -> bool) -> Vec<StreamKey> {
        self.iter_mut().filter(|(_, stream)| wanted(stream)).map(|(key, _)| key).collect()
    }

    /// Puts a stream at the end of the queue of those that can send, unless it stands there.
    pub(super) fn make_ready(&mut self, key: StreamKey) {
        let Some(stream) = self.get_mut(key).filter(|stream| !stream.flags.ready) else { return };
        stream.flags.ready = true;
        let Some(ends) = self.ready else {
            self.ready = Some(Links { before: key.slot(), after: key.slot() });
            return;
        };
        self.slots[key.slot() as usize].stream.ready.before = ends.after;
        self.slots[ends.after as usize].stream.ready.after = key.slot();
        self.ready = Some(Links { before: ends.before, after: key.slot() });
    }

    /// Takes the first of the queue of those that can send.
    pub(super) fn next_ready(&mut self) -> Option<StreamKey> {
        let slot = self.ready?.before;
        let key = StreamKey::new(slot, self.slots[slot as usize].generation);
        self.unready(key);
        Some(key)
    }

    /// Takes a stream out of the queue of those that can send.
    pub(super) fn unready(&mut self, key: StreamKey) {
        let Some(stream) = self.get_mut(key).filter(|stream| stream.flags.ready) else { return };
        stream.flags.ready = false;
        let links = stream.ready;
        let Some(ends) = self.ready else { return };
        let (is_first, is_last) = (ends.before == key.slot(), ends.after == key.slot());
        if !is_first {
            self.slots[links.before as usize].stream.ready.after = links.after;
        }
        if !is_last {
            self.slots[links.after as usize].stream.ready.before = links.before;
        }
        self.ready = (!(is_first && is_last)).then_some(Links {
            before: if is_first { links.after } else { ends.before },
            after: if is_last { links.before } else { ends.after },
        });
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let waiting = self.slots.iter().filter_map(|slot| slot.stream.waiting.as_ref());
        self.slots.capacity() * size_of::<Slot>()
            + (self.free.capacity() + self.reset.capacity()) * size_of::<u32>()
            + self.ids.memory_bytes()
            + waiting.map(|waiting| waiting.memory_bytes()).sum::<usize>()
    }

    /// Gives memory back if there is no stream.
    pub(super) fn shrink(&mut self) {
        if self.len() == 0 {
            let used = self.slots.iter().map(|slot| slot.generation).max();
            self.first_generation = used.unwrap_or(self.first_generation);
            self.slots = Vec::new();
            self.free = Vec::new();
            self.ids = Ids::default();
            self.reset.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(id: u32) -> Stream {
        let state = State::Closed(Cause::Ended);
        Stream::new(id, state, Window::new(0), Credit::new(0), Time::ZERO)
    }

    /// A key never reaches the next stream of its slot, not even after the memory was given back.
    #[test]
    fn an_old_key_reaches_nothing() {
        let mut streams = Streams::new();
        let first = streams.insert(stream(1));
        assert_eq!(streams.remove(first), Some(Removed { ungranted: 0, grown: 0 }));
        let second = streams.insert(stream(3));
        assert_eq!(first.slot(), second.slot());
        assert!(streams.get(first).is_none() && streams.remove(first).is_none());
        assert_eq!(streams.get(second).map(|stream| stream.id), Some(3));
        streams.remove(second);
        streams.shrink();
        let third = streams.insert(stream(5));
        assert!(streams.get(first).is_none() && streams.get(second).is_none());
        assert_eq!(streams.find(5).map(|(key, _)| key), Some(third));
        assert!(streams.find(3).is_none() && streams.find(1).is_none());
    }

    #[test]
    fn the_queue_is_fair_and_lets_go_of_any_member() {
        let mut streams = Streams::new();
        let keys: Vec<_> = (0..5).map(|n| streams.insert(stream(2 * n + 1))).collect();
        for key in &keys {
            streams.make_ready(*key);
            streams.make_ready(*key);
        }
        streams.unready(keys[0]);
        streams.remove(keys[2]);
        streams.unready(keys[4]);
        assert_eq!(streams.next_ready(), Some(keys[1]));
        streams.make_ready(keys[1]);
        streams.make_ready(keys[0]);
        let order: Vec<_> = std::iter::from_fn(|| streams.next_ready()).collect();
        assert_eq!(order, [keys[3], keys[1], keys[0]]);
    }

    #[test]
    fn the_way_a_stream_ended_is_remembered() {
        let mut streams = Streams::new();
        for (id, cause) in [(1, Cause::Ended), (3, Cause::ResetByPeer), (5, Cause::ResetByUs)] {
            streams.remember(id, State::Closed(cause));
            assert_eq!(streams.cause(id), cause);
        }
    }

    /// One id more than is remembered, of each kind.
    #[test]
    fn the_memory_of_closed_streams_is_bounded() {
        let mut streams = Streams::new();
        for n in 0..=ENDED_REMEMBERED as u32 {
            streams.remember(2 * n + 1, State::Closed(Cause::Ended));
        }
        assert_eq!(streams.cause(1), Cause::Forgotten);
        assert_eq!(streams.cause(3), Cause::Ended);
        for n in 0..=RESET_REMEMBERED as u32 {
            streams.remember(2 * n + 1001, State::Closed(Cause::ResetByUs));
        }
        assert_eq!(streams.cause(1001), Cause::Forgotten);
        assert_eq!(streams.cause(1003), Cause::ResetByUs);
    }
}
