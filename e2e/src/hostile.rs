//! Requests of HTTP/1 that were made to be understood in two ways, and replies (`replies.rs`).
//!
//! The classes are those that request smuggling is known for: lengths and codings that contradict each other or
//! are written so that only some readers see them, chunks that end in more than one place, lines that end in
//! more than one way, every byte in every place, and chance on top. The corpus is the same on every run.
//!
//! Each case has a number, which its targets carry: `/c/N` is the request itself, `/s/N` one that hides in it,
//! `/p/N` the probe that the test sends behind it. So whatever a server believes to have received can be told.

mod chunks;
mod codings;
mod everywhere;
mod lengths;
mod lines;
mod mutations;
mod replies;

pub use replies::replies;

/// A hostile request.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its number, which stands in its targets.
    pub number: usize,
    /// What goes over the wire.
    pub bytes: Vec<u8>,
}

/// Names the targets of one case while it is made.
#[derive(Debug, Clone, Copy)]
struct Maker {
    number: usize,
}

/// A list that numbers what is put into it.
#[derive(Debug, Default)]
struct Corpus {
    cases: Vec<Case>,
}

/// All cases.
pub fn corpus() -> Vec<Case> {
    let mut corpus = Corpus::default();
    lengths::add(&mut corpus);
    codings::add(&mut corpus);
    chunks::add(&mut corpus);
    lines::add(&mut corpus);
    everywhere::add(&mut corpus);
    mutations::add(&mut corpus);
    corpus.cases
}

// === impl Corpus ===

impl Corpus {
    fn put(&mut self, make: impl FnOnce(Maker) -> Vec<u8>) {
        let number = self.cases.len();
        self.cases.push(Case { number, bytes: make(Maker { number }) });
    }
}

// === impl Maker ===

impl Maker {
    /// The beginning of a POST, with its Host.
    fn post(self) -> Vec<u8> {
        self.begin("POST", "HTTP/1.1")
    }

    /// A first line with the target of this case, and Host.
    fn begin(self, method: &str, version: &str) -> Vec<u8> {
        format!("{method} /c/{} {version}\r\nHost: case\r\n", self.number).into_bytes()
    }

    /// A whole request that hides in the body of another one.
    fn hidden(self) -> Vec<u8> {
        format!("GET /s/{} HTTP/1.1\r\nHost: hidden\r\n\r\n", self.number).into_bytes()
    }

    /// A body in two chunks, and the request that hides behind it.
    fn chunked(self) -> Vec<u8> {
        let hidden = self.hidden();
        let mut body = format!("{:x}\r\n", hidden.len()).into_bytes();
        body.extend_from_slice(&hidden);
        body.extend_from_slice(b"\r\n0\r\n\r\n");
        body
    }
}

/// Puts pieces together.
fn joined(pieces: &[&[u8]]) -> Vec<u8> {
    pieces.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus_is_large_and_the_same_each_time() {
        let (one, other) = (corpus(), corpus());
        assert!(one.len() >= 2_000, "{}", one.len());
        assert!(one.iter().zip(&other).all(|(a, b)| a.bytes == b.bytes));
        assert!(one.iter().enumerate().all(|(at, case)| case.number == at));
    }
}
