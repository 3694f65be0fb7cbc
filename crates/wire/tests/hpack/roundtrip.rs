//! Whatever the encoder writes, the decoder reads back, over many blocks and table sizes.

use crate::chance::Random;
use crate::lines;
use narrows_wire::hpack::{Decoder, Encoder, Section, SectionLimits};
use narrows_wire::{Head, Indexing, Name};

impl Random {
    fn value(&mut self) -> Vec<u8> {
        let len = match self.below(20) {
            0 => 0,
            1 => self.below(2000),
            2 => 120 + self.below(16),
            _ => 1 + self.below(40),
        };
        // Few different values, so that many repeat.
        let seed = self.below(12) as u64;
        let mut text = Random(seed + len as u64);
        (0..len).map(|_| b'!' + (text.below(94) as u8)).collect()
    }

    fn indexing(&mut self) -> Indexing {
        match self.below(5) {
            0 => Indexing::Unique,
            1 => Indexing::Secret,
            // A hash that does not belong to the field costs compression, never correctness.
            2 => Indexing::Repeats(self.below(4) as u32),
            _ => Indexing::MayRepeat,
        }
    }

    fn head(&mut self) -> Head {
        let mut head = Head::new();
        for _ in 0..self.below(20) {
            let (value, indexing) = (self.value(), self.indexing());
            match self.below(3) {
                0 => head.push(Name::KNOWN[self.below(Name::KNOWN.len())], &value, indexing),
                1 => head.push_text(format!("x-{}", self.below(40)).as_bytes(), &value, indexing),
                _ => {
                    let index = [2, 3, 7, 8, 9][self.below(5)];
                    let name = [Name::Method, Name::Scheme, Name::Status][index % 3];
                    let value = [&b"GET"[..], b"POST", b"http", b"https", b"200"][self.below(5)];
                    head.push(name, value, indexing);
                }
            }
        }
        head
    }
}

#[test]
fn random_heads_come_back_over_many_blocks_and_table_sizes() {
    for seed in 0..40 {
        let mut random = Random(seed);
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(4096));
        let (mut decoded, mut block) = (Head::new(), Vec::new());
        for _ in 0..200 {
            if random.below(20) == 0 {
                let size = [0, 64, 200, 1000, 4096, 1 << 20][random.below(6)];
                encoder.set_table_bytes_max(size);
            }
            let head = random.head();
            block.clear();
            encoder.encode(&head, &mut block);
            decoded.clear();
            let section = decoder.decode(&block, &SectionLimits::default(), &mut decoded);
            assert_eq!(section, Ok(Section::Complete));
            assert_eq!(lines(&decoded), lines(&head));
        }
    }
}

/// What a gateway does: the heads of one connection go on through another, with the hashes that the
/// decoder gave.
#[test]
fn relayed_heads_come_back_over_two_hops() {
    for seed in 0..40 {
        let mut random = Random(1000 + seed);
        let (mut client, mut inbound) = (Encoder::new(), Decoder::new(4096));
        let (mut outbound, mut server) = (Encoder::new(), Decoder::new(4096));
        outbound.set_table_bytes_max([256, 1024, 4096][random.below(3)]);
        let (mut relayed, mut received) = (Head::new(), Head::new());
        for _ in 0..200 {
            let head = random.head();
            let mut block = Vec::new();
            client.encode(&head, &mut block);
            relayed.clear();
            inbound.decode(&block, &SectionLimits::default(), &mut relayed).unwrap();
            block.clear();
            outbound.encode(&relayed, &mut block);
            received.clear();
            let section = server.decode(&block, &SectionLimits::default(), &mut received);
            assert_eq!(section, Ok(Section::Complete));
            assert_eq!(lines(&received), lines(&head));
        }
    }
}
