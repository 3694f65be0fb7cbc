//! HPACK from outside: bytes in, fields out, and back.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/chance.rs"]
mod chance;
#[path = "hpack/errors.rs"]
mod errors;
#[path = "hpack/limits.rs"]
mod limits;
#[path = "hpack/policy.rs"]
mod policy;
#[path = "hpack/rfc7541_examples.rs"]
mod rfc7541_examples;
#[path = "hpack/roundtrip.rs"]
mod roundtrip;

use narrows_wire::Head;
use narrows_wire::hpack::{DecodeError, Decoder, Section, SectionLimits};

/// Bytes from hexadecimal text; spaces do not count.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// Decodes a block with the default limits.
fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<(Section, Head), DecodeError> {
    let mut head = Head::new();
    let section = decoder.decode(block, &SectionLimits::default(), &mut head)?;
    Ok((section, head))
}

/// The fields as text, `name: value`.
fn lines(head: &Head) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    head.iter().map(|(name, value)| format!("{}: {}", text(name), text(value))).collect()
}
