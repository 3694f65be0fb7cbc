//! Deadlines of a worker, by the million, each set, moved, and cancelled in constant time.
//!
//! A hierarchical wheel: eight levels of 64 slots; a slot of level 0 is one tick (1 ms), a slot of each
//! further level spans the whole level below. A timer waits in the level of the highest base-64 digit in
//! which its tick differs from the present one, and sinks level by level as that digit comes up. So all
//! timers of a level are due before those of the next, and the earliest slot is one bit scan away.
//! A timer never fires early, and is late by at most a tick and the time until [`Wheel::expire`] is called.

use std::time::Duration;

use narrows_wire::Time;

use crate::slab::{Key, Slab};

/// The resolution of all timers.
pub const TICK: Duration = Duration::from_millis(1);

/// Names a timer that has been set. Once it fired or was cancelled, it names nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimerKey(Key);

/// Timers, each with a `K` that says what to do.
#[derive(Debug)]
pub struct Wheel<K> {
    /// Slots of all levels, then the one for timers that are due already: the head of a list each.
    slots: Box<[Option<Key>; LEVELS * SLOTS + 1]>,
    /// For each level, which of its slots hold a timer.
    occupied: [u64; LEVELS],
    timers: Slab<Timer<K>>,
    /// All timers up to this tick have fired, but for those in the slot `DUE`.
    present: u64,
}

#[derive(Debug)]
struct Timer<K> {
    payload: K,
    /// The first tick at which it may fire. Later than its slot says if it was moved to later.
    tick: u64,
    slot: u16,
    previous: Option<Key>,
    next: Option<Key>,
}

const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
/// 2^48 ticks are more than the 2^64 nanoseconds of a [`Time`].
const LEVELS: usize = 8;
const DUE: u16 = (LEVELS * SLOTS) as u16;
const TICK_NANOS: u64 = TICK.as_nanos() as u64;

// === impl Wheel ===

impl<K: Copy> Wheel<K> {
    /// Without timers.
    pub fn new() -> Self {
        Self {
            slots: Box::new([None; LEVELS * SLOTS + 1]),
            occupied: [0; LEVELS],
            timers: Slab::new(),
            present: 0,
        }
    }

    /// Timers that wait.
    pub fn len(&self) -> usize {
        self.timers.len()
    }

    /// Whether no timer waits.
    pub fn is_empty(&self) -> bool {
        self.timers.is_empty()
    }

    /// Sets a timer. One whose deadline has passed fires at the next [`Wheel::expire`].
    pub fn set(&mut self, deadline: Time, payload: K) -> TimerKey {
        let tick = tick_after(deadline);
        let timer = Timer { payload, tick, slot: DUE, previous: None, next: None };
        let key = self.timers.insert(timer);
        self.link(key, tick);
        TimerKey(key)
    }

    /// Gives a timer another deadline. Returns false if it fired or was cancelled before.
    ///
    /// To a later one, this is a single store: the timer is filed anew when its old slot comes up.
    pub fn move_to(&mut self, timer: TimerKey, deadline: Time) -> bool {
        let Some(entry) = self.timers.get_mut(timer.0) else { return false };
        let tick = tick_after(deadline);
        let earlier = tick < entry.tick;
        entry.tick = tick;
        if earlier {
            self.unlink(timer.0);
            self.link(timer.0, tick);
        }
        true
    }

    /// Ends a timer and gives back what it held, unless it fired or was cancelled before.
    pub fn cancel(&mut self, timer: TimerKey) -> Option<K> {
        self.timers.get(timer.0)?;
        self.unlink(timer.0);
        self.timers.remove(timer.0).map(|timer| timer.payload)
    }

    /// Calls `fire` for each timer whose deadline is not after `now`, in no particular order.
    pub fn expire(&mut self, now: Time, mut fire: impl FnMut(K)) {
        let now_tick = now.as_nanos() / TICK_NANOS;
        self.empty_slot(DUE, now_tick, &mut fire);
        while let Some((slot, start)) = self.earliest_slot().filter(|(_, start)| *start <= now_tick)
        {
            self.present = start;
            self.empty_slot(slot, now_tick, &mut fire);
        }
        self.present = self.present.max(now_tick);
    }

    /// No timer fires before this time; `None` if there is none. It may turn out that none fires at it
    /// either: far deadlines are known only roughly.
    pub fn next(&self) -> Option<Time> {
        let tick = match self.slots[usize::from(DUE)] {
            Some(_) => self.present,
            None => self.earliest_slot()?.1,
        };
        Some(Time::from_nanos(tick.saturating_mul(TICK_NANOS)))
    }

    /// The slot that comes up first, and the tick at which it does.
    fn earliest_slot(&self) -> Option<(u16, u64)> {
        let level = self.occupied.iter().position(|slots| *slots != 0)?;
        let digit = u64::from(self.occupied[level].trailing_zeros());
        let shift = level as u32 * DIGIT_BITS;
        let above = self.present >> (shift + DIGIT_BITS) << (shift + DIGIT_BITS);
        Some(((level * SLOTS) as u16 + digit as u16, above | digit << shift))
    }

    /// Fires the timers of a slot that are due and files the others anew.
    fn empty_slot(&mut self, slot: u16, now_tick: u64, fire: &mut impl FnMut(K)) {
        let mut list = self.slots[usize::from(slot)].take();
        self.mark(slot);
        while let Some(key) = list {
            let timer = self.timer(key);
            list = timer.next;
            let tick = timer.tick;
            if tick > now_tick {
                self.link(key, tick);
            } else if let Some(timer) = self.timers.remove(key) {
                fire(timer.payload);
            }
        }
    }

    fn link(&mut self, key: Key, tick: u64) {
        let slot = self.slot_of(tick);
        let next = self.slots[usize::from(slot)].replace(key);
        let timer = self.timer(key);
        (timer.slot, timer.previous, timer.next) = (slot, None, next);
        if let Some(next) = next {
            self.timer(next).previous = Some(key);
        }
        self.mark(slot);
    }

    fn unlink(&mut self, key: Key) {
        let timer = self.timer(key);
        let (slot, previous, next) = (timer.slot, timer.previous, timer.next);
        match previous {
            Some(previous) => self.timer(previous).next = next,
            None => self.slots[usize::from(slot)] = next,
        }
        if let Some(next) = next {
            self.timer(next).previous = previous;
        }
        self.mark(slot);
    }

    /// Notes whether a slot holds a timer.
    fn mark(&mut self, slot: u16) {
        let (level, bit) = (usize::from(slot) / SLOTS, 1 << (usize::from(slot) % SLOTS));
        if let Some(slots) = self.occupied.get_mut(level) {
            match self.slots[usize::from(slot)] {
                Some(_) => *slots |= bit,
                None => *slots &= !bit,
            }
        }
    }

    fn slot_of(&self, tick: u64) -> u16 {
        if tick <= self.present {
            return DUE;
        }
        let level = (tick ^ self.present).ilog2() / DIGIT_BITS;
        let digit = (tick >> (level * DIGIT_BITS)) as usize % SLOTS;
        (level as usize * SLOTS + digit) as u16
    }

    fn timer(&mut self, key: Key) -> &mut Timer<K> {
        self.timers.get_mut(key).expect("a timer in a list of the wheel is in its slab")
    }
}

impl<K: Copy> Default for Wheel<K> {
    fn default() -> Self {
        Self::new()
    }
}

/// The first tick that is not before `deadline`.
fn tick_after(deadline: Time) -> u64 {
    deadline.as_nanos().div_ceil(TICK_NANOS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn at(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    fn expired<K: Copy>(wheel: &mut Wheel<K>, now: Time) -> Vec<K> {
        let mut fired = Vec::new();
        wheel.expire(now, |payload| fired.push(payload));
        fired
    }

    #[test]
    fn a_timer_fires_at_its_deadline_and_once() {
        let mut wheel = Wheel::new();
        let timer = wheel.set(Time::from_nanos(5_000_001), 'a');
        assert_eq!(wheel.next(), Some(at(6)));
        assert_eq!(expired(&mut wheel, Time::from_nanos(5_999_999)), []);
        assert_eq!(expired(&mut wheel, at(6)), ['a']);
        assert_eq!(expired(&mut wheel, at(7)), []);
        assert_eq!(
            (wheel.next(), wheel.cancel(timer), wheel.move_to(timer, at(9))),
            (None, None, false)
        );
    }

    #[test]
    fn a_deadline_in_the_past_fires_at_the_next_call() {
        let mut wheel = Wheel::new();
        assert_eq!(expired(&mut wheel, at(100)), []);
        wheel.set(at(50), 'a');
        assert_eq!(wheel.next(), Some(at(100)));
        assert_eq!(expired(&mut wheel, at(100)), ['a']);
    }

    #[test]
    fn deadlines_hours_away_and_never_are_held() {
        let mut wheel = Wheel::new();
        let hours = at(5 * 3_600_000 + 7);
        wheel.set(hours, 'h');
        wheel.set(Time::NEVER, 'n');
        let mut now = Time::ZERO;
        let mut turns = 0;
        while let Some(next) = wheel.next().filter(|next| *next <= hours) {
            assert!(next > now || now == Time::ZERO);
            now = next;
            turns += 1;
            let fired = expired(&mut wheel, now);
            assert_eq!(fired.is_empty(), now < hours, "{now:?}");
        }
        assert_eq!(now, hours);
        assert!(turns <= LEVELS, "{turns} wake-ups for one timer");
        assert_eq!(wheel.len(), 1);
    }

    #[test]
    fn a_timer_moved_to_later_does_not_fire_at_its_old_deadline() {
        let mut wheel = Wheel::new();
        let timer = wheel.set(at(10), 'a');
        for millis in 11..200 {
            assert!(wheel.move_to(timer, at(millis)));
            assert_eq!(expired(&mut wheel, at(millis - 1)), []);
        }
        assert!(wheel.move_to(timer, at(150)));
        assert_eq!(expired(&mut wheel, at(199)), ['a']);
        assert!(wheel.is_empty());
    }

    #[test]
    fn the_wheel_agrees_with_a_sorted_map_over_random_operations() {
        for seed in 1..=20 {
            Model::new(seed).run(3_000);
        }
    }

    /// The same timers in the wheel and in a map sorted by tick.
    struct Model {
        wheel: Wheel<u32>,
        sorted: BTreeMap<(u64, u32), TimerKey>,
        ended: Vec<TimerKey>,
        now: Time,
        random: u64,
    }

    impl Model {
        fn new(seed: u64) -> Self {
            let random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            Self {
                wheel: Wheel::new(),
                sorted: BTreeMap::new(),
                ended: Vec::new(),
                now: at(seed),
                random,
            }
        }

        fn run(&mut self, operations: u32) {
            for name in 0..operations {
                match self.below(8) {
                    0..=3 => self.set(name),
                    4 => self.cancel(),
                    5 => self.move_one(),
                    _ => self.advance(),
                }
                self.check();
            }
            self.now = Time::NEVER;
            self.expire();
            assert!(self.wheel.is_empty() && self.sorted.is_empty());
        }

        fn set(&mut self, name: u32) {
            let deadline = self.deadline();
            let timer = self.wheel.set(deadline, name);
            self.sorted.insert((tick_after(deadline), name), timer);
        }

        fn cancel(&mut self) {
            if let Some((at, timer)) = self.pick() {
                assert_eq!(self.wheel.cancel(timer), Some(at.1));
                self.sorted.remove(&at);
                self.ended.push(timer);
            }
        }

        fn move_one(&mut self) {
            let deadline = self.deadline();
            if let Some((at, timer)) = self.pick() {
                assert!(self.wheel.move_to(timer, deadline));
                self.sorted.remove(&at);
                self.sorted.insert((tick_after(deadline), at.1), timer);
            }
        }

        fn advance(&mut self) {
            let step = 1 << self.below(36);
            self.now = self.now + Duration::from_nanos(self.below(step));
            self.expire();
        }

        fn expire(&mut self) {
            let mut fired = expired(&mut self.wheel, self.now);
            let later = self.sorted.split_off(&(self.now.as_nanos() / TICK_NANOS + 1, 0));
            let due = std::mem::replace(&mut self.sorted, later);
            let mut names: Vec<_> = due.keys().map(|(_, name)| *name).collect();
            fired.sort_unstable();
            names.sort_unstable();
            assert_eq!(fired, names);
            self.ended.extend(due.into_values());
        }

        fn check(&mut self) {
            assert_eq!(self.wheel.len(), self.sorted.len());
            let earliest =
                self.sorted.keys().next().map(|(tick, _)| tick.saturating_mul(TICK_NANOS));
            let next = self.wheel.next().map(Time::as_nanos);
            // A timer whose deadline has passed is due at once, whenever that was.
            let bound = earliest.map(|nanos| nanos.max(self.now.as_nanos()));
            assert_eq!(next.is_some(), bound.is_some());
            assert!(next <= bound, "{next:?} is after {bound:?}");
            if let Some(timer) = self.ended.pop() {
                assert_eq!(self.wheel.cancel(timer), None);
            }
        }

        /// From a little before now to a day after it, short times most often.
        fn deadline(&mut self) -> Time {
            let reach = 1 << self.below(47);
            let offset = self.below(reach);
            let past = Duration::from_millis(self.below(3));
            Time::ZERO + (self.now + Duration::from_nanos(offset)).since(Time::ZERO + past)
        }

        fn pick(&mut self) -> Option<((u64, u32), TimerKey)> {
            let nth = self.below(self.sorted.len().max(1) as u64) as usize;
            self.sorted.iter().nth(nth).map(|(at, timer)| (*at, *timer))
        }

        /// A number below `bound`, from a xorshift generator.
        fn below(&mut self, bound: u64) -> u64 {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            self.random % bound
        }
    }
}
