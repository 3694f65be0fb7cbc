//! Names of a request by which it is found again: `x-request-id` and `traceparent`.

use narrows_wire::{Head, Indexing, Name};

use super::{Arrival, RequestIds, Rules, Traces, Trust};

/// The longest `x-request-id` that is taken from a trusted peer where others are replaced.
pub const REQUEST_ID_BYTES_MAX: usize = 128;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

pub(super) fn rewrite(head: &mut Head, rules: &Rules, trust: Trust, arrival: &mut Arrival<'_>) {
    let id = head.get(Name::XRequestId);
    let is_kept = match rules.request_ids {
        RequestIds::Pass => true,
        RequestIds::Fill => id.is_some(),
        RequestIds::Replace => trust == Trust::Yes && id.is_some_and(is_fine),
    };
    if !is_kept {
        let id = uuid(arrival.unix_millis, (arrival.random)());
        head.set(Name::XRequestId, &id, Indexing::Unique);
    }
    if rules.traces == Traces::Begin && head.get(Name::Traceparent).is_none() {
        let ids = [(arrival.random)(), (arrival.random)()];
        head.set(Name::Traceparent, &traceparent(ids), Indexing::Unique);
    }
}

/// What may stand in a log line and in a field.
fn is_fine(id: &[u8]) -> bool {
    (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

/// A UUID of version 7 (RFC 9562 §5.7): milliseconds first, so that ids sort by time.
fn uuid(unix_millis: u64, random: u128) -> [u8; 36] {
    const VERSION: u128 = 0x7 << 76;
    const VARIANT: u128 = 0b10 << 62;
    const RANDOM: u128 = (0xfff << 64) | ((1 << 62) - 1);
    let bits = u128::from(unix_millis) << 80 | VERSION | VARIANT | (random & RANDOM);
    let digits = hex(bits.to_be_bytes());
    let mut text = [b'-'; 36];
    for (group, from) in [(0..8, 0), (9..13, 8), (14..18, 12), (19..23, 16), (24..36, 20)] {
        let length = group.len();
        text[group].copy_from_slice(&digits[from..from + length]);
    }
    text
}

/// A new trace (W3C Trace Context §3.2): its id, the id of this hop, and no one who records it. Ids must
/// not be zero.
fn traceparent([trace, hop]: [u128; 2]) -> [u8; 55] {
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
    let (trace, hop) = (trace.max(1), (hop as u64).max(1));
    text[3..35].copy_from_slice(&hex(trace.to_be_bytes()));
    text[36..52].copy_from_slice(&hex(u128::from(hop).to_be_bytes())[16..]);
    text
}

fn hex(bytes: [u8; 16]) -> [u8; 32] {
    let mut digits = [0; 32];
    for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]);
    }
    digits
}
