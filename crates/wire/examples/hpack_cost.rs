//! What decoding a head and encoding it again costs, in instructions.
//!
//! ```text
//! cargo build --release -p narrows-wire --example hpack_cost
//! valgrind --tool=callgrind --toggle-collect='hpack_cost::relay' \
//!     target/release/examples/hpack_cost 20000 typical
//! ```
//! Only the relay of a block is counted: divide the total by the number of heads, which is the first
//! argument. The second is the traffic: `typical`, `request`, or `reply`.
#![allow(clippy::unwrap_used, reason = "an example fails by panicking")]

#[path = "support/traffic.rs"]
mod traffic;

use narrows_wire::Head;
use narrows_wire::hpack::{Decoder, Encoder, Section, SectionLimits};
use traffic::{Client, Random};

/// Blocks that are made before the loop: many enough that no value comes again soon.
const BLOCKS: usize = 1000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let heads: usize = arguments.next().map_or(20_000, |text| text.parse().unwrap());
    let traffic = arguments.next().unwrap_or_else(|| "typical".into());
    let blocks = blocks(&traffic);
    let (mut decoder, mut encoder) = (Decoder::new(4096), Encoder::new());
    let (mut head, mut out) = (Head::new(), Vec::new());
    let (mut bytes_in, mut bytes_out) = (0, 0);
    for block in blocks.iter().cycle().take(heads) {
        relay(&mut decoder, block, &mut head, &mut encoder, &mut out);
        bytes_in += block.len();
        bytes_out += out.len();
    }
    let text: usize = head.iter().map(|(name, value)| name.len() + value.len()).sum();
    println!(
        "{heads} heads of {} fields, {} bytes in, {} bytes out; the last is {text} bytes of text",
        head.fields().len(),
        bytes_in / heads,
        bytes_out / heads,
    );
}

#[inline(never)]
fn relay(
    decoder: &mut Decoder,
    block: &[u8],
    head: &mut Head,
    encoder: &mut Encoder,
    out: &mut Vec<u8>,
) {
    head.clear();
    let section = decoder.decode(block, &SectionLimits::default(), head);
    assert_eq!(section, Ok(Section::Complete));
    out.clear();
    encoder.encode(head, out);
}

/// The blocks of one connection. The first empties the table, so that they can be sent round and round.
fn blocks(traffic: &str) -> Vec<Vec<u8>> {
    let (mut client, mut random) = (Client::default(), Random(7));
    let mut blocks = vec![Vec::new(); BLOCKS];
    blocks[0].extend([0x20, 0x3f, 0xe1, 0x1f]);
    for block in &mut blocks {
        match traffic {
            "typical" => typical(&mut client, &mut random, block),
            "request" => client.request(&mut random, block),
            "reply" => reply(&mut client, block),
            other => panic!("unknown traffic {other}"),
        }
    }
    blocks
}

/// Twelve fields: two of the static table, six of the dynamic one, and four literals.
fn typical(client: &mut Client, random: &mut Random, out: &mut Vec<u8>) {
    client.repeated(":method", "POST", out);
    client.repeated(":scheme", "http", out);
    client.repeated(":path", "/demo.v1.Jobs/Update", out);
    client.repeated(":authority", "gateway.internal:8091", out);
    client.repeated("te", "trailers", out);
    client.repeated("content-type", "application/grpc", out);
    client.repeated("user-agent", "grpc-go/1.70.0", out);
    client.unique("grpc-timeout", &format!("{}m", 1000 + random.below(9000)), out);
    client.unique("jobid", &format!("job-{}", random.below(1000)), out);
    client.unique("x-request-id", &random.hex(32), out);
    client.unique("traceparent", &format!("00-{}-{}-01", random.hex(32), random.hex(16)), out);
    client.repeated("grpc-accept-encoding", "identity,deflate,gzip", out);
}

fn reply(client: &mut Client, out: &mut Vec<u8>) {
    client.repeated(":status", "200", out);
    client.repeated("content-type", "application/grpc", out);
    client.repeated("grpc-encoding", "identity", out);
    client.repeated("grpc-accept-encoding", "gzip", out);
}
