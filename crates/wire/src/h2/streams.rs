//! The streams of a connection: a slab with generations, and a small table from id to slot.
//!
//! A [`StreamKey`] names a slot and its generation; when a stream is removed its slot moves on to the next
//! generation, so that an old key reaches nothing. Removed ids are remembered for a while, because what a
//! late frame means depends on how its stream ended (RFC 9113 §5.1).

use std::collections::VecDeque;

use super::flow::{Credit, Window};
use super::state::{Cause, State};
use super::waiting::Waiting;
use crate::Time;

/// Names a stream to its owner. A key of a stream that is gone reaches nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamKey {
    slot: u32,
    generation: u32,
}

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
    /// When the present receive window was opened; tells how quickly it is drained.
    pub(super) window_at: Time,
    /// Bytes that were granted since `window_at`.
    pub(super) drained: u32,
    /// Bytes handed to the owner that it has not granted.
    pub(super) ungranted: u32,
    /// What is left of the announced content-length; [`NO_LENGTH`] if none was.
    pub(super) content_left: u64,
    /// Decoded bytes of its sections, forgiven by the guard at a clean end.
    pub(super) section_bytes: u32,
    pub(super) waiting: Option<Box<Waiting>>,
    /// Neighbours in the queue of those that can send waiting data.
    ready: Links,
}

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

/// All streams that are open, or closed and not released.
#[derive(Debug)]
pub(super) struct Streams {
    slots: Vec<Slot>,
    free: Vec<u32>,
    ids: Ids,
    /// The stream that was looked up last.
    recent: (u32, u32),
    /// First and last of the queue of those that can send, by slot.
    ready: Option<Links>,
    ended: [u32; ENDED_REMEMBERED],
    ended_at: usize,
    reset: VecDeque<u32>,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    stream: Option<Stream>,
}

/// Open addressing from id to slot, at most half full. Ids are odd, so 0 marks a free place.
#[derive(Debug, Default)]
struct Ids {
    places: Vec<(u32, u32)>,
    len: usize,
}

/// How many ids of streams that ended are remembered.
const ENDED_REMEMBERED: usize = 32;
/// How many ids of streams that we reset are remembered; frames for them are on the way for a round trip.
const RESET_REMEMBERED: usize = 1024;
const PLACES_MIN: usize = 16;
/// No stream has this id.
const NOTHING_RECENT: (u32, u32) = (u32::MAX, 0);

// === impl StreamKey ===

impl StreamKey {
    /// The slot of the stream: small, and used again after it. For tables beside the connection.
    pub const fn slot(self) -> u32 {
        self.slot
    }
}

// === impl Stream ===

impl Stream {
    pub(super) fn new(id: u32, state: State, send_window: Window, credit: Credit) -> Self {
        Self {
            id,
            state,
            flags: Flags::default(),
            informational: 0,
            tag: 0,
            send_window,
            credit,
            window_at: Time::ZERO,
            drained: 0,
            ungranted: 0,
            content_left: NO_LENGTH,
            section_bytes: 0,
            waiting: None,
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
            free: Vec::new(),
            ids: Ids::default(),
            recent: NOTHING_RECENT,
            ready: None,
            ended: [0; ENDED_REMEMBERED],
            ended_at: 0,
            reset: VecDeque::new(),
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.ids.len
    }

    #[inline]
    pub(super) fn get(&self, key: StreamKey) -> Option<&Stream> {
        let slot = self.slots.get(key.slot as usize)?;
        slot.stream.as_ref().filter(|_| slot.generation == key.generation)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, key: StreamKey) -> Option<&mut Stream> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        slot.stream.as_mut().filter(|_| slot.generation == key.generation)
    }

    /// The stream with this id.
    #[inline]
    pub(super) fn find(&mut self, id: u32) -> Option<(StreamKey, &mut Stream)> {
        if self.recent.0 != id {
            self.recent = (id, self.ids.get(id)?);
        }
        let at = self.recent.1;
        let slot = self.slots.get_mut(at as usize)?;
        let key = StreamKey { slot: at, generation: slot.generation };
        slot.stream.as_mut().map(|stream| (key, stream))
    }

    pub(super) fn insert(&mut self, stream: Stream) -> StreamKey {
        let id = stream.id;
        let at = match self.free.pop() {
            Some(at) => at,
            None => {
                self.slots.push(Slot { generation: 0, stream: None });
                (self.slots.len() - 1) as u32
            }
        };
        let slot = &mut self.slots[at as usize];
        slot.stream = Some(stream);
        self.ids.insert(id, at);
        self.recent = (id, at);
        StreamKey { slot: at, generation: slot.generation }
    }

    /// Forgets a closed stream but for the way it ended.
    pub(super) fn remove(&mut self, key: StreamKey) -> Option<Stream> {
        self.unready(key);
        let slot = self.slots.get_mut(key.slot as usize)?;
        if slot.generation != key.generation {
            return None;
        }
        let stream = slot.stream.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.slot);
        self.ids.remove(stream.id);
        self.recent = NOTHING_RECENT;
        self.remember(stream.id, stream.state);
        Some(stream)
    }

    /// Notes how a stream ended.
    pub(super) fn remember(&mut self, id: u32, state: State) {
        if state == State::Closed(Cause::ResetByUs) {
            if self.reset.len() == RESET_REMEMBERED {
                self.reset.pop_front();
            }
            self.reset.push_back(id);
        } else {
            self.ended[self.ended_at % ENDED_REMEMBERED] = id;
            self.ended_at = self.ended_at.wrapping_add(1);
        }
    }

    /// How a stream that is not here any more ended.
    pub(super) fn cause(&self, id: u32) -> Cause {
        if self.reset.contains(&id) {
            Cause::ResetByUs
        } else if self.ended.contains(&id) {
            Cause::Ended
        } else {
            Cause::Forgotten
        }
    }

    /// All streams, in the order of their slots, to be read.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.slots.iter().filter_map(|slot| slot.stream.as_ref())
    }

    /// All streams, in the order of their slots.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (StreamKey, &mut Stream)> {
        self.slots.iter_mut().enumerate().filter_map(|(at, slot)| {
            let key = StreamKey { slot: at as u32, generation: slot.generation };
            slot.stream.as_mut().map(|stream| (key, stream))
        })
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
            self.ready = Some(Links { before: key.slot, after: key.slot });
            return;
        };
        stream_at(&mut self.slots, key.slot).ready.before = ends.after;
        stream_at(&mut self.slots, ends.after).ready.after = key.slot;
        self.ready = Some(Links { before: ends.before, after: key.slot });
    }

    /// Takes the first of the queue of those that can send.
    pub(super) fn next_ready(&mut self) -> Option<StreamKey> {
        let slot = self.ready?.before;
        let key = StreamKey { slot, generation: self.slots[slot as usize].generation };
        self.unready(key);
        Some(key)
    }

    /// Takes a stream out of the queue of those that can send.
    pub(super) fn unready(&mut self, key: StreamKey) {
        let Some(stream) = self.get_mut(key).filter(|stream| stream.flags.ready) else { return };
        stream.flags.ready = false;
        let links = stream.ready;
        let Some(ends) = self.ready else { return };
        let (is_first, is_last) = (ends.before == key.slot, ends.after == key.slot);
        if !is_first {
            stream_at(&mut self.slots, links.before).ready.after = links.after;
        }
        if !is_last {
            stream_at(&mut self.slots, links.after).ready.before = links.before;
        }
        self.ready = (!(is_first && is_last)).then_some(Links {
            before: if is_first { links.after } else { ends.before },
            after: if is_last { links.before } else { ends.after },
        });
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let waiting = self.slots.iter().filter_map(|slot| slot.stream.as_ref()?.waiting.as_ref());
        self.slots.capacity() * size_of::<Slot>()
            + (self.free.capacity() + self.reset.capacity()) * size_of::<u32>()
            + self.ids.places.capacity() * size_of::<(u32, u32)>()
            + waiting.map(|waiting| waiting.memory_bytes()).sum::<usize>()
    }

    /// Gives memory back. Keys stay unique: the slots with their generations are kept.
    pub(super) fn shrink(&mut self) {
        if self.len() == 0 {
            self.ids = Ids::default();
            self.reset.shrink_to_fit();
        }
    }
}

/// The stream in a slot that a queue names. A queue names only slots in use.
fn stream_at(slots: &mut [Slot], at: u32) -> &mut Stream {
    slots[at as usize]
        .stream
        .as_mut()
        .expect("a queued stream is not removed before it is unqueued")
}

// === impl Ids ===

impl Ids {
    #[inline]
    fn get(&self, id: u32) -> Option<u32> {
        let mask = self.places.len().checked_sub(1)?;
        let mut at = home(id, mask);
        loop {
            let (found, slot) = self.places[at & mask];
            if found == id {
                return Some(slot);
            }
            if found == 0 {
                return None;
            }
            at += 1;
        }
    }

    fn insert(&mut self, id: u32, slot: u32) {
        if (self.len + 1) * 2 > self.places.len() {
            self.grow();
        }
        self.len += 1;
        self.place(id, slot);
    }

    fn place(&mut self, id: u32, slot: u32) {
        let mask = self.places.len() - 1;
        let mut at = home(id, mask);
        while self.places[at & mask].0 != 0 {
            at += 1;
        }
        self.places[at & mask] = (id, slot);
    }

    fn remove(&mut self, id: u32) {
        let Some(mask) = self.places.len().checked_sub(1) else { return };
        let mut hole = home(id, mask) & mask;
        while self.places[hole].0 != id {
            if self.places[hole].0 == 0 {
                return;
            }
            hole = (hole + 1) & mask;
        }
        self.len -= 1;
        // Move back what stands behind the hole and may stand in it, so that no mark is needed.
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let (next, _) = self.places[at];
            if next == 0 {
                break;
            }
            let displacement = at.wrapping_sub(home(next, mask)) & mask;
            if displacement >= (at.wrapping_sub(hole) & mask) {
                self.places[hole] = self.places[at];
                hole = at;
            }
        }
        self.places[hole] = (0, 0);
    }

    #[cold]
    fn grow(&mut self) {
        let larger = vec![(0, 0); (self.places.len() * 2).max(PLACES_MIN)];
        for (id, slot) in std::mem::replace(&mut self.places, larger) {
            if id != 0 {
                self.place(id, slot);
            }
        }
    }
}

/// Where an id belongs. Ids of one end go up in steps of two, so neighbours lie side by side; the higher
/// bits are mixed in, so that ids in larger steps do not all meet.
#[inline]
fn home(id: u32, mask: usize) -> usize {
    let half = id >> 1;
    (half ^ (half >> 8).wrapping_mul(0x9e37_79b1) >> 16) as usize & mask
}
