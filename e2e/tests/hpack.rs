//! Our HPACK against that of another make (Python's hpack): what either writes, the other reads.
//!
//! Thousands of random heads from fixed seeds, over connections whose tables change their size again and
//! again. `peers/python/hpack_oracle.py` describes the lines that are spoken.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use narrows_testkit::servers::python;
use narrows_wire::hpack::{Decoder, Encoder, Section, SectionLimits};
use narrows_wire::{Head, Indexing};

/// Heads per connection, and connections.
const HEADS: usize = 250;
const SEEDS: u64 = 8;
const LIMITS: SectionLimits =
    SectionLimits { bytes_max: 1 << 20, fields_max: 1000, cookie_crumbs_max: 1000 };

/// What we encode, they decode, with the table that they allow.
#[test]
fn another_make_reads_what_we_write() {
    for seed in 0..SEEDS {
        let (mut random, mut oracle, mut encoder) = (Random(seed), Oracle::start(), Encoder::new());
        for _ in 0..HEADS {
            for _ in 0..[0, 0, 0, 0, 1, 2][random.below(6)] {
                let size = random.table_bytes(1 << 16);
                encoder.set_table_bytes_max(size);
                assert_eq!(oracle.ask(&format!("allow {size}")), "ok");
            }
            let head = random.head();
            let mut block = Vec::new();
            encoder.encode(&head, &mut block);
            assert_eq!(oracle.ask(&format!("decode {}", hex(&block))), written(&head), "{seed}");
        }
    }
}

/// What they encode, we decode, with tables of any size up to what we announce.
#[test]
fn we_read_what_another_make_writes() {
    for seed in 0..SEEDS {
        let (mut random, mut oracle) = (Random(seed), Oracle::start());
        let (mut decoder, mut present) = (Decoder::new(4096), 4096);
        for _ in 0..HEADS {
            for _ in 0..[0, 0, 0, 0, 1, 2][random.below(6)] {
                let size = random.table_bytes(4096);
                // Their encoder forgets to announce a change that is followed by one to the same size.
                if size != present {
                    present = size;
                    assert_eq!(oracle.ask(&format!("resize {size}")), "ok");
                }
            }
            let fields = written(&random.head());
            let block = oracle.encode(&fields, &mut random);
            // Their encoder sends a secret by its index when a table holds it already: the mark may be gone.
            let ours = written(&decode(&mut decoder, &block));
            assert_eq!(ours.replace('!', ""), fields.replace('!', ""), "{seed}");
        }
    }
}

/// What a gateway does: a head of theirs goes through our decoder and our encoder, and comes back to them.
#[test]
fn a_relayed_head_comes_back() {
    for seed in 0..SEEDS {
        let (mut random, mut oracle) = (Random(seed), Oracle::start());
        let (mut decoder, mut encoder) = (Decoder::new(4096), Encoder::new());
        for _ in 0..HEADS {
            let fields = written(&random.head());
            let block = oracle.encode(&fields, &mut random);
            let head = decode(&mut decoder, &block);
            assert_eq!(written(&head).replace('!', ""), fields.replace('!', ""), "{seed}");
            let mut block = Vec::new();
            encoder.encode(&head, &mut block);
            assert_eq!(oracle.ask(&format!("decode {}", hex(&block))), written(&head), "{seed}");
        }
    }
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Head {
    let mut head = Head::new();
    let section = decoder.decode(block, &LIMITS, &mut head);
    assert_eq!(section, Ok(Section::Complete), "{}", hex(block));
    head
}

/// The fields as the oracle writes them.
fn written(head: &Head) -> String {
    let mut words = Vec::new();
    for field in head.fields() {
        let mark = if field.indexing == Indexing::Secret { "!" } else { "" };
        words.push(format!("{}={}{mark}", hex(head.name(field)), hex(head.value(field))));
    }
    words.join(" ")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a hexadecimal digit") as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// The other make, in its own process. It ends when its input does.
struct Oracle {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

// === impl Oracle ===

impl Oracle {
    fn start() -> Self {
        let mut command = python("hpack_oracle");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("Python and hpack are installed");
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().expect("stdout is piped"));
        Self { process, input, output }
    }

    fn ask(&mut self, line: &str) -> String {
        let input = self.input.as_mut().expect("stdin is piped");
        input.write_all(format!("{line}\n").as_bytes()).expect("the oracle reads");
        let mut answer = String::new();
        self.output.read_line(&mut answer).expect("the oracle answers text");
        answer.trim_end().to_owned()
    }

    fn encode(&mut self, fields: &str, random: &mut Random) -> Vec<u8> {
        let how = ["plain", "huffman"][random.below(2)];
        let answer = self.ask(&format!("encode {how} {fields}"));
        assert!(!answer.starts_with("error"), "{answer}");
        unhex(&answer)
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        self.input = None;
        // It ends with its input; that it has ended is all that matters.
        let _ = self.process.wait();
    }
}

/// SplitMix64.
struct Random(u64);

// === impl Random ===

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// The size of a table: none, tiny, any, and the most.
    fn table_bytes(&mut self, max: u32) -> u32 {
        [0, 33, self.below(max as usize) as u32, 4096][self.below(4)]
    }

    /// Names that are known, and others; few values of each, so that many repeat, and some that never do.
    fn head(&mut self) -> Head {
        const NAMES: [&str; 12] = [
            ":method",
            ":path",
            ":status",
            "accept",
            "authorization",
            "content-type",
            "cookie",
            "grpc-timeout",
            "jobid",
            "traceparent",
            "x-other",
            "x-another-header-with-a-longer-name",
        ];
        let mut head = Head::new();
        for _ in 0..self.below(24) {
            let name = NAMES[self.below(NAMES.len())];
            let value = self.value();
            let indexing = match self.below(4) {
                0 => Indexing::Secret,
                1 => Indexing::Unique,
                _ => Indexing::MayRepeat,
            };
            head.push_text(name.as_bytes(), &value, indexing);
        }
        head
    }

    fn value(&mut self) -> Vec<u8> {
        const COMMON: [&[u8]; 6] =
            [b"", b"GET", b"200", b"/", b"gzip, deflate", b"application/grpc"];
        if self.below(3) == 0 {
            return COMMON[self.below(COMMON.len())].to_vec();
        }
        let length = match self.below(20) {
            0 => 1000 + self.below(4000),
            1 => 120 + self.below(20),
            _ => 1 + self.below(40),
        };
        let seed = if self.below(2) == 0 { self.below(8) as u64 } else { self.next() };
        let mut text = Self(seed + length as u64);
        // Every byte that a value may hold, those above 0x7f too.
        (0..length).map(|_| b'!' + (text.below(222) as u8)).filter(|byte| *byte != 0x7f).collect()
    }
}
