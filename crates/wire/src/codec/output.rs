//! What a connection has to write, in order.
//!
//! Frames are appended to one buffer. A large payload may stay in the caller's read buffer: then only
//! its range is noted, and the write gathers both ([`Output::slices`]). Such ranges are valid until the
//! caller reuses that buffer; before it does, it must call [`Output::settle`], which copies what was
//! not written. The list of ranges is empty for small traffic, which then pays nothing for it.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;

/// Consumed bytes at the front of the buffer are cut off when there are this many.
const COMPACT_BYTES: usize = 64 << 10;

/// Bytes to be written, in order.
#[derive(Debug, Default)]
pub struct Output {
    owned: Vec<u8>,
    /// Bytes of `owned` that are written already.
    start: usize,
    borrowed: VecDeque<Borrowed>,
    borrowed_bytes: usize,
    /// All bytes ever written; tells progress.
    written: u64,
    /// The DATA frame at the very end, which may still grow.
    tail: Tail,
    /// The buffer that `settle` builds into, kept for the next time.
    spare: Vec<u8>,
}

/// A range of the caller's buffer that stands before `owned[before..]`.
#[derive(Debug)]
struct Borrowed {
    before: usize,
    range: Range<usize>,
}

/// The last frame in `owned`, if it is DATA and nothing was appended since (`end` tells).
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tail {
    pub(crate) stream: u32,
    pub(crate) header_at: usize,
    pub(crate) end: usize,
}

// === impl Output ===

impl Output {
    /// Bytes to be written.
    #[inline]
    pub fn len(&self) -> usize {
        self.owned.len() - self.start + self.borrowed_bytes
    }

    /// Whether there is nothing to write.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether ranges of the caller's buffer wait to be written, so that [`Output::front`] is not all
    /// and [`Output::settle`] is due before that buffer is used again.
    #[inline]
    pub fn has_borrowed(&self) -> bool {
        !self.borrowed.is_empty()
    }

    /// The bytes at the front that lie together in our own memory: everything unless
    /// [`Output::has_borrowed`].
    #[inline]
    pub fn front(&self) -> &[u8] {
        let end = self.borrowed.front().map_or(self.owned.len(), |first| first.before);
        &self.owned[self.start..end]
    }

    /// Adds everything that is to be written to `into`, up to its capacity; `source` is the buffer whose
    /// ranges were borrowed. Returns how many slices there are now.
    pub fn slices<'a>(&'a self, source: &'a [u8], into: &mut [IoSlice<'a>]) -> usize {
        let mut at = self.start;
        let mut count = 0;
        let mut put = |bytes: &'a [u8]| {
            if let Some(slot) = into.get_mut(count).filter(|_| !bytes.is_empty()) {
                *slot = IoSlice::new(bytes);
                count += 1;
            }
        };
        for borrowed in &self.borrowed {
            put(&self.owned[at..borrowed.before]);
            put(&source[borrowed.range.clone()]);
            at = borrowed.before;
        }
        put(&self.owned[at..]);
        count
    }

    /// Takes away `n` bytes from the front: they are written.
    pub fn consume(&mut self, n: usize) {
        debug_assert!(n <= self.len(), "more written than there was");
        self.written += n as u64;
        let mut left = n;
        while let Some(first) = self.borrowed.front_mut() {
            let owned = left.min(first.before - self.start);
            self.start += owned;
            left -= owned;
            let lent = left.min(first.range.len());
            first.range.start += lent;
            self.borrowed_bytes -= lent;
            left -= lent;
            if !first.range.is_empty() {
                return;
            }
            self.borrowed.pop_front();
        }
        self.start += left;
        self.compact();
    }

    /// Copies the ranges that were not written into our own memory. Call it before the buffer `source`
    /// is used again.
    pub fn settle(&mut self, source: &[u8]) {
        if self.borrowed.is_empty() {
            return;
        }
        let mut all = std::mem::take(&mut self.spare);
        all.clear();
        all.reserve(self.len());
        let mut at = self.start;
        for borrowed in self.borrowed.drain(..) {
            all.extend_from_slice(&self.owned[at..borrowed.before]);
            all.extend_from_slice(&source[borrowed.range]);
            at = borrowed.before;
        }
        all.extend_from_slice(&self.owned[at..]);
        self.spare = std::mem::replace(&mut self.owned, all);
        self.start = 0;
        self.borrowed_bytes = 0;
        self.tail = Tail::default();
    }

    /// Bytes of memory held.
    pub fn capacity_bytes(&self) -> usize {
        let ranges = self.borrowed.capacity() * size_of::<Borrowed>();
        self.owned.capacity() + self.spare.capacity() + ranges
    }

    /// Gives memory back if there is nothing to write.
    pub fn shrink(&mut self) {
        if self.is_empty() {
            let written = self.written;
            *self = Self { written, ..Self::default() };
        }
    }

    /// All bytes ever written.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// The buffer to append to.
    #[inline]
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.owned
    }

    /// Appends a range of the caller's buffer.
    pub(crate) fn borrow(&mut self, range: Range<usize>) {
        self.borrowed_bytes += range.len();
        self.borrowed.push_back(Borrowed { before: self.owned.len(), range });
    }

    /// Notes that the buffer ends with a DATA frame of `stream` whose header stands at `header_at`.
    #[inline]
    pub(crate) fn note_data(&mut self, stream: u32, header_at: usize) {
        self.tail = Tail { stream, header_at, end: self.owned.len() };
    }

    /// The header's place of the DATA frame of `stream` at the very end, if no byte of it is written yet.
    #[inline]
    pub(crate) fn growing_data(&self, stream: u32) -> Option<usize> {
        let tail = &self.tail;
        let is_last = tail.stream == stream && tail.end == self.owned.len();
        let is_whole = tail.header_at >= self.start
            && self.borrowed.back().is_none_or(|last| last.before <= tail.header_at);
        (is_last && is_whole).then_some(tail.header_at)
    }

    fn compact(&mut self) {
        if self.start == self.owned.len() {
            self.owned.clear();
            self.start = 0;
            self.tail = Tail::default();
        } else if self.start >= COMPACT_BYTES && self.start >= self.owned.len() / 2 {
            // What is left is not more than what was written since the last time: linear in the bytes.
            self.owned.copy_within(self.start.., 0);
            self.owned.truncate(self.owned.len() - self.start);
            self.start = 0;
            self.tail = Tail::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(output: &Output, source: &[u8], slots: usize) -> Vec<u8> {
        let mut slices = vec![IoSlice::new(&[]); slots];
        let count = output.slices(source, &mut slices);
        slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect()
    }

    /// A model test: whatever is appended, borrowed, written in parts, and settled, the bytes come out in
    /// order and once.
    #[test]
    fn bytes_come_out_in_order_and_once() {
        let mut random = 11u64;
        let mut next = |bound: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) as usize % bound
        };
        for _ in 0..10 {
            let source: Vec<u8> = (0..100_000).map(|n| (n % 253) as u8).collect();
            let (mut output, mut model) = (Output::default(), Vec::new());
            for turn in 0..300 {
                match next(5) {
                    0 | 1 => {
                        let bytes = vec![turn as u8; next(2000)];
                        output.buffer().extend_from_slice(&bytes);
                        model.extend_from_slice(&bytes);
                    }
                    2 => {
                        let start = next(source.len());
                        let range = start..source.len().min(start + 1 + next(20_000));
                        model.extend_from_slice(&source[range.clone()]);
                        output.borrow(range);
                    }
                    3 => {
                        let written = gathered(&output, &source, 1 + next(20));
                        let n = next(written.len() + 1);
                        assert_eq!(written, model[..written.len()]);
                        output.consume(n);
                        model.drain(..n);
                    }
                    _ => {
                        output.settle(&source);
                        assert!(!output.has_borrowed());
                        assert_eq!(output.front(), model);
                    }
                }
                assert_eq!(output.len(), model.len());
                assert!(model.starts_with(output.front()));
            }
            assert_eq!(gathered(&output, &source, 1000), model);
        }
    }

    #[test]
    fn data_grows_only_while_it_is_last_and_unwritten() {
        let mut output = Output::default();
        output.buffer().extend_from_slice(b"headers");
        let at = output.buffer().len();
        output.buffer().extend_from_slice(b"frame of stream 3");
        output.note_data(3, at);
        assert_eq!(output.growing_data(3), Some(at));
        assert_eq!(output.growing_data(5), None);
        output.consume(at);
        assert_eq!(output.growing_data(3), Some(at));
        output.consume(1);
        assert_eq!(output.growing_data(3), None, "its header is on the way");
        output.note_data(3, output.owned.len() - 2);
        output.borrow(0..9);
        assert_eq!(output.growing_data(3), None, "something stands behind it");
    }

    #[test]
    fn an_empty_output_gives_its_memory_back() {
        let mut output = Output::default();
        output.buffer().extend_from_slice(&[0; 5000]);
        output.shrink();
        assert!(output.capacity_bytes() >= 5000, "not while there is something to write");
        output.consume(5000);
        output.shrink();
        assert_eq!((output.capacity_bytes(), output.written()), (0, 5000));
    }
}
