//! Header blocks as the usual gRPC clients write them: what may repeat is put into the table, every string is
//! Huffman-coded. Written from scratch, so that the engine is not measured with its own encoder.

use narrows_wire::hpack::Encoder;
use narrows_wire::{Head, Indexing};

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

/// The encoder of a client.
#[derive(Default)]
pub(crate) struct Client {
    entries: Vec<(String, String)>,
    tokens: Vec<String>,
}

// === impl Random ===

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn hex(&mut self, digits: usize) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        (0..digits).map(|_| char::from(DIGITS[self.below(16) as usize])).collect()
    }
}

// === impl Client ===

impl Client {
    /// The head of a unary call that differs from all others: 20 methods, 1,000 jobs, 50 tokens, deadlines,
    /// a trace and a request id. Twelve fields.
    pub(crate) fn request(&mut self, random: &mut Random, out: &mut Vec<u8>) {
        if self.tokens.is_empty() {
            self.tokens = (0..50).map(|_| format!("Bearer {}", random.hex(174))).collect();
        }
        let token = self.tokens[random.below(50) as usize].clone();
        self.repeated(":method", "POST", out);
        self.repeated(":scheme", "http", out);
        let path = format!("/acme.orders.v1.OrderService/Method{}", random.below(20));
        self.repeated(":path", &path, out);
        self.repeated(":authority", "gateway.internal:8091", out);
        self.repeated("te", "trailers", out);
        self.repeated("content-type", "application/grpc", out);
        self.repeated("user-agent", "grpc-go/1.70.0", out);
        self.repeated("grpc-timeout", &format!("{}m", 4500 + random.below(500)), out);
        self.repeated("jobid", &format!("job-{}", random.below(1000)), out);
        self.repeated("authorization", &token, out);
        self.unique("x-request-id", &random.hex(36), out);
        let traceparent = format!("00-{}-{}-01", random.hex(32), random.hex(16));
        self.unique("traceparent", &traceparent, out);
    }

    /// A field that is in the table or gets there.
    pub(crate) fn repeated(&mut self, name: &str, value: &str, out: &mut Vec<u8>) {
        let mut head = Head::new();
        head.push_text(name.as_bytes(), value.as_bytes(), Indexing::MayRepeat);
        let mut alone = Vec::new();
        Encoder::new().encode(&head, &mut alone);
        if alone.len() == 1 {
            return out.extend(alone);
        }
        let entry = (name.to_owned(), value.to_owned());
        if let Some(at) = self.entries.iter().rev().position(|have| *have == entry) {
            return integer(62 + at, 7, 0x80, out);
        }
        self.field(name, value, 6, 0x40, out);
        self.insert(entry);
    }

    /// A field whose value is not put into the table; its name is, once.
    pub(crate) fn unique(&mut self, name: &str, value: &str, out: &mut Vec<u8>) {
        if self.entries.iter().all(|(have, _)| have != name) {
            return self.repeated(name, value, out);
        }
        self.field(name, value, 4, 0, out);
    }

    fn field(&self, name: &str, value: &str, bits: u32, pattern: u8, out: &mut Vec<u8>) {
        match self.entries.iter().rev().position(|(have, _)| have == name) {
            Some(at) => integer(62 + at, bits, pattern, out),
            None => {
                out.push(pattern);
                string(name, out);
            }
        }
        string(value, out);
    }

    fn insert(&mut self, entry: (String, String)) {
        self.entries.push(entry);
        let size = |(name, value): &(String, String)| name.len() + value.len() + 32;
        while self.entries.iter().map(size).sum::<usize>() > 4096 {
            self.entries.remove(0);
        }
    }
}

fn integer(value: usize, bits: u32, pattern: u8, out: &mut Vec<u8>) {
    let mask = (1 << bits) - 1;
    if value < mask {
        return out.push(pattern | value as u8);
    }
    out.push(pattern | mask as u8);
    let mut rest = value - mask;
    while rest >= 128 {
        out.push(rest as u8 | 128);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Huffman-coded with the codes of the characters that occur here.
fn string(text: &str, out: &mut Vec<u8>) {
    let (mut bits, mut count, mut coded) = (0u64, 0, Vec::new());
    for byte in text.bytes() {
        let (code, length) = code(byte);
        bits = bits << length | code;
        count += length;
        while count >= 8 {
            count -= 8;
            coded.push((bits >> count) as u8);
        }
    }
    if count > 0 {
        coded.push(((bits << (8 - count)) | (0xff >> count)) as u8);
    }
    integer(coded.len(), 7, 0x80, out);
    out.extend(coded);
}

/// RFC 7541 Appendix B, for letters, digits, and some others.
fn code(byte: u8) -> (u64, u32) {
    const FIVE: &[u8] = b"012aceiost";
    const SIX: &[u8] = b" %-./3456789=A_bdfghlmnpru";
    const SEVEN: &[u8] = b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz";
    let at = |set: &[u8]| set.iter().position(|have| *have == byte).map(|at| at as u64);
    if let Some(at) = at(FIVE) {
        (at, 5)
    } else if let Some(at) = at(SIX) {
        (0x14 + at, 6)
    } else if let Some(at) = at(SEVEN) {
        (0x5c + at, 7)
    } else if byte == b',' {
        (0xfa, 8)
    } else {
        panic!("no code for {byte:#x}")
    }
}
