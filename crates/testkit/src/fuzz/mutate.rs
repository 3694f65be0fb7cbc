//! Mutations of known inputs, from a seed.
//!
//! It knows nothing of coverage. What it finds it finds again, on any machine and any compiler.

/// Longest input that comes out.
const BYTES_MAX: usize = 16 << 10;

/// Values that limits and lengths tend to turn on.
const TELLING: &[&[u8]] = &[
    &[0],
    &[0xff],
    &[0x7f],
    &[0x80],
    &[0xff, 0xff],
    &[0x7f, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0xff],
    &[0, 0, 0, 0],
    &[0, 0, 4, 8, 0, 0, 0, 0, 0],
    &[0, 0, 0, 9, 4, 0, 0, 0, 1],
];

/// A source of inputs.
#[derive(Debug)]
pub struct Mutator<'a> {
    corpus: &'a [Vec<u8>],
    state: u64,
}

// === impl Mutator ===

impl<'a> Mutator<'a> {
    /// Mutates the entries of `corpus`; the same seed gives the same inputs.
    pub fn new(corpus: &'a [Vec<u8>], seed: u64) -> Self {
        Self { corpus, state: seed | 1 }
    }

    /// The next input.
    pub fn next_input(&mut self) -> Vec<u8> {
        let mut input = self.entry();
        for _ in 0..=self.below(6) {
            self.mutate(&mut input);
        }
        input.truncate(BYTES_MAX);
        input
    }

    fn mutate(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        let to = at + self.below((input.len() - at + 1).min(64));
        match self.below(7) {
            0 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << self.below(8);
                }
            }
            1 => {
                let byte = self.below(256) as u8;
                input.insert(at, byte);
            }
            2 => drop(input.drain(at..to)),
            3 => {
                let copy = input[at..to].to_vec();
                input.splice(at..at, copy);
            }
            4 => {
                let telling = TELLING[self.below(TELLING.len())];
                let end = (at + telling.len()).min(input.len());
                input.splice(at..end, telling.iter().copied());
            }
            5 => {
                let other = self.entry();
                let from = self.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            _ => input.truncate(at),
        }
    }

    fn entry(&mut self) -> Vec<u8> {
        match self.corpus.len() {
            0 => Vec::new(),
            entries => self.corpus[self.below(entries)].clone(),
        }
    }

    /// Marsaglia's xorshift64*; below `limit`, which is not 0.
    fn below(&mut self, limit: usize) -> usize {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let word = self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        (word % limit as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_inputs() {
        let corpus = [b"one".to_vec(), b"two hundred".to_vec()];
        let inputs = |seed| {
            let mut mutator = Mutator::new(&corpus, seed);
            (0..50).map(|_| mutator.next_input()).collect::<Vec<_>>()
        };
        assert_eq!(inputs(7), inputs(7));
        assert_ne!(inputs(7), inputs(8));
    }
}
