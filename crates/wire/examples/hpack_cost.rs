//! What decoding a head and encoding it again costs, in instructions.
//!
//! ```text
//! cargo build --release -p narrows-wire --example hpack_cost
//! valgrind --tool=callgrind --callgrind-out-file=/tmp/out target/release/examples/hpack_cost 2000
//! valgrind --tool=callgrind --callgrind-out-file=/tmp/out target/release/examples/hpack_cost 12000
//! ```
//! The difference of both totals, divided by 10,000, is the cost of one head. All blocks are made before
//! the loop, which only copies, decodes, and encodes. The first argument is the number of heads, the
//! second which traffic: `typical`, `request`, `reply`.
#![allow(clippy::unwrap_used, reason = "an example fails by panicking")]

use narrows_wire::hpack::{Decoder, Encoder, Section, SectionLimits};
use narrows_wire::{Head, Indexing, Name};

/// SplitMix64.
struct Random(u64);

/// An encoder like those of the usual clients: what may repeat is in its table, the rest is Huffman-coded.
struct Client {
    entries: Vec<(String, String)>,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let heads: usize = arguments.next().map_or(10_000, |text| text.parse().unwrap());
    let traffic = arguments.next().unwrap_or_else(|| "typical".into());
    let mut random = Random(7);
    let mut client = Client { entries: Vec::new() };
    // Few enough blocks to make quickly, many enough that no value comes again soon.
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    for call in 0..1000 {
        let mut block = Vec::new();
        if call == 0 {
            // Every round begins with empty tables, as the first one does.
            block.extend([0x20, 0x3f, 0xe1, 0x1f]);
        }
        match traffic.as_str() {
            "typical" => typical(&mut client, &mut random, &mut block),
            "request" => request(&mut client, &mut random, &mut block),
            "reply" => reply(&mut client, &mut block),
            other => panic!("unknown traffic {other}"),
        }
        blocks.push(block);
    }
    let (mut decoder, mut encoder) = (Decoder::new(4096), Encoder::new());
    let (mut head, mut out) = (Head::new(), Vec::new());
    let limits = SectionLimits::default();
    let (mut bytes_in, mut bytes_out, mut bytes_decoded, mut fields) = (0, 0, 0, 0);
    for call in 0..heads {
        let block = &blocks[call % blocks.len()];
        head.clear();
        assert_eq!(decoder.decode(block, &limits, &mut head), Ok(Section::Complete));
        out.clear();
        encoder.encode(&head, &mut out);
        bytes_in += block.len();
        bytes_out += out.len();
        fields += head.fields().len();
    }
    bytes_decoded += head.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    println!(
        "{heads} heads of {} fields, {} bytes in, {} bytes out; the last has {bytes_decoded} bytes",
        fields / heads,
        bytes_in / heads,
        bytes_out / heads,
    );
}

/// Twelve fields: two static, five of the table, five literals.
fn typical(client: &mut Client, random: &mut Random, out: &mut Vec<u8>) {
    client.repeated(":method", "POST", out);
    client.repeated(":scheme", "http", out);
    client.repeated(":path", "/demo.v1.Jobs/Update", out);
    client.repeated(":authority", "gateway.internal:8091", out);
    client.repeated("te", "trailers", out);
    client.repeated("content-type", "application/grpc", out);
    client.repeated("user-agent", "grpc-go/1.70.0", out);
    client.literal("grpc-timeout", &format!("{}m", 1000 + random.below(9000)), out);
    client.literal("jobid", &format!("job-{}", random.below(1000)), out);
    client.literal("x-request-id", &random.hex(32), out);
    client.literal("traceparent", &random.traceparent(), out);
    client.repeated("grpc-accept-encoding", "identity,deflate,gzip", out);
}

/// As `typical`, but the client indexes everything, as grpc-go does, and sends a token.
fn request(client: &mut Client, random: &mut Random, out: &mut Vec<u8>) {
    client.repeated(":method", "POST", out);
    client.repeated(":scheme", "http", out);
    client.repeated(":path", &format!("/demo.v1.Jobs/Method{}", random.below(20)), out);
    client.repeated(":authority", "gateway.internal:8091", out);
    client.repeated("te", "trailers", out);
    client.repeated("content-type", "application/grpc", out);
    client.repeated("user-agent", "grpc-go/1.70.0", out);
    client.repeated("grpc-timeout", &format!("{}m", 1000 + random.below(9000)), out);
    client.repeated("jobid", &format!("job-{}", random.below(1000)), out);
    client.repeated("x-request-id", &random.hex(32), out);
    client.repeated("traceparent", &random.traceparent(), out);
    client.repeated("authorization", &format!("Bearer {}", random.hex(40)), out);
}

fn reply(client: &mut Client, out: &mut Vec<u8>) {
    client.repeated(":status", "200", out);
    client.repeated("content-type", "application/grpc", out);
    client.repeated("grpc-encoding", "identity", out);
    client.repeated("grpc-accept-encoding", "gzip", out);
}

// === impl Random ===

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn hex(&mut self, digits: usize) -> String {
        (0..digits).map(|_| char::from_digit(self.below(16) as u32, 16).unwrap()).collect()
    }

    fn traceparent(&mut self) -> String {
        format!("00-{}-{}-01", self.hex(32), self.hex(16))
    }
}

// === impl Client ===

impl Client {
    /// A field that is in the table or gets there.
    fn repeated(&mut self, name: &str, value: &str, out: &mut Vec<u8>) {
        let known = Name::of(name.as_bytes());
        let mut head = Head::new();
        head.push_text(name.as_bytes(), value.as_bytes(), Indexing::MayRepeat);
        let mut fixed = Vec::new();
        Encoder::new().encode(&head, &mut fixed);
        if fixed.len() == 1 {
            return out.extend(fixed);
        }
        let entry = (name.to_owned(), value.to_owned());
        if let Some(at) = self.entries.iter().rev().position(|have| *have == entry) {
            return integer(62 + at, 7, 0x80, out);
        }
        let _ = known;
        self.field(name, value, 6, 0x40, out);
        self.insert(entry);
    }

    /// A field that is not put into the table, with its name from there.
    fn literal(&mut self, name: &str, value: &str, out: &mut Vec<u8>) {
        if self.entries.iter().all(|(have, _)| have != name) {
            return self.repeated(name, value, out);
        }
        self.field(name, value, 4, 0, out);
    }

    fn field(&self, name: &str, value: &str, bits: u32, pattern: u8, out: &mut Vec<u8>) {
        let at = self.entries.iter().rev().position(|(have, _)| have == name);
        match at {
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
