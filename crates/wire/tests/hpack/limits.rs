//! Limits of a section, each one past it, and what a refused block leaves behind.

use crate::lines;
use narrows_wire::Head;
use narrows_wire::hpack::{Decoder, Section, SectionLimits};

fn section(decoder: &mut Decoder, block: &[u8], limits: SectionLimits) -> (Section, Head) {
    let mut head = Head::new();
    (decoder.decode(block, &limits, &mut head).unwrap(), head)
}

/// RFC 9113 §10.5.1, RFC 7541 §4.1.
#[test]
fn bytes_are_counted_with_32_for_each_field() {
    let block = [0, 1, b'a', 1, b'b'].repeat(3);
    let limits = |bytes_max| SectionLimits { bytes_max, ..SectionLimits::default() };
    let mut decoder = Decoder::new(4096);
    assert_eq!(section(&mut decoder, &block, limits(102)).0, Section::Complete);
    assert_eq!(section(&mut decoder, &block, limits(101)).0, Section::TooLarge);
}

#[test]
fn fields_are_counted_and_crumbs_of_a_cookie_are_one() {
    let mut decoder = Decoder::new(4096);
    let limits = SectionLimits { fields_max: 3, cookie_crumbs_max: 2, ..SectionLimits::default() };
    // Indexes 32 and 19: cookie, accept.
    assert_eq!(section(&mut decoder, &[0x93; 3], limits).0, Section::Complete);
    assert_eq!(section(&mut decoder, &[0x93; 4], limits).0, Section::TooLarge);
    let crumbs = |n| [vec![0x93; 2], vec![0xa0; n]].concat();
    let (whole, head) = section(&mut decoder, &crumbs(2), limits);
    assert_eq!((whole, head.fields().len()), (Section::Complete, 4));
    assert_eq!(section(&mut decoder, &crumbs(3), limits).0, Section::TooLarge);
}

#[test]
fn the_defaults_are_64_kib_128_fields_and_256_crumbs() {
    let mut decoder = Decoder::new(4096);
    let defaults = SectionLimits::default();
    assert_eq!(section(&mut decoder, &[0x93; 128], defaults).0, Section::Complete);
    assert_eq!(section(&mut decoder, &[0x93; 129], defaults).0, Section::TooLarge);
    assert_eq!(section(&mut decoder, &[0xa0; 256], defaults).0, Section::Complete);
    assert_eq!(section(&mut decoder, &[0xa0; 257], defaults).0, Section::TooLarge);
}

/// A large entry, referred to by thousands of single bytes.
#[test]
fn a_bomb_of_indexed_fields_takes_no_memory() {
    let mut decoder = Decoder::new(4096);
    let mut insert = vec![0x40, 1, b'a', 0x7f, 0xa1, 0x1e];
    insert.extend([b'v'; 4000]);
    section(&mut decoder, &insert, SectionLimits::default());
    let (refused, head) = section(&mut decoder, &[0xbe; 16_000], SectionLimits::default());
    assert_eq!(refused, Section::TooLarge);
    assert!(head.memory_bytes() <= 128 * 1024, "{} bytes", head.memory_bytes());
}

#[test]
fn the_table_stays_in_step_over_a_block_that_is_too_large() {
    let mut decoder = Decoder::new(4096);
    let limits = SectionLimits { fields_max: 1, ..SectionLimits::default() };
    let block = [[0x40, 1, b'a', 1, b'b'], [0x40, 1, b'c', 1, b'd']].concat();
    assert_eq!(section(&mut decoder, &block, limits).0, Section::TooLarge);
    let (whole, head) = section(&mut decoder, &[0xbe, 0xbf], SectionLimits::default());
    assert_eq!((whole, lines(&head)), (Section::Complete, vec!["c: d".into(), "a: b".into()]));
}
