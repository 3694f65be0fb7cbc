//! From stream id to slot, by open addressing.
//!
//! At most half of the places are used. Removing moves back what stands behind, so there are no marks, and
//! a table that has been in use for days is as good as a new one.

/// The table. Ids are odd, so 0 marks a free place.
#[derive(Debug, Default)]
pub(super) struct Ids {
    places: Vec<(u32, u32)>,
    len: usize,
}

/// Places of the first table.
const PLACES_MIN: usize = 16;

// === impl Ids ===

impl Ids {
    /// How many ids there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.places.capacity() * size_of::<(u32, u32)>()
    }

    #[inline]
    pub(super) fn get(&self, id: u32) -> Option<u32> {
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

    pub(super) fn insert(&mut self, id: u32, slot: u32) {
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

    pub(super) fn remove(&mut self, id: u32) {
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

/// Where an id belongs. Ids of one end go up in steps of two; multiplied by the golden ratio they lie far
/// apart, so that removing one rarely moves another.
#[inline]
fn home(id: u32, mask: usize) -> usize {
    (u64::from(id).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize & mask
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// A model test: the table does what a map does, with neighbouring ids and with ids that collide.
    #[test]
    fn it_agrees_with_a_map() {
        for step in [2u32, 64, 1 << 16, 0x2468_ace0] {
            let (mut ids, mut model) = (Ids::default(), HashMap::new());
            let mut random = 7u64;
            for turn in 0..20_000u32 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let id = ((random >> 33) as u32 % 300).wrapping_mul(step) | 1;
                match model.remove(&id) {
                    Some(slot) => {
                        assert_eq!(ids.get(id), Some(slot));
                        ids.remove(id);
                    }
                    None => {
                        ids.insert(id, turn);
                        model.insert(id, turn);
                    }
                }
                assert_eq!(ids.get(id), model.get(&id).copied());
                assert_eq!(ids.len(), model.len());
            }
            assert!(model.iter().all(|(id, slot)| ids.get(*id) == Some(*slot)));
        }
    }

    #[test]
    fn removing_what_is_not_there_changes_nothing() {
        let mut ids = Ids::default();
        ids.remove(1);
        ids.insert(1, 9);
        ids.remove(3);
        assert_eq!((ids.get(1), ids.get(3), ids.len()), (Some(9), None, 1));
    }
}
