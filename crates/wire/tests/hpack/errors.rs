//! Blocks that are not HPACK, or carry what may not stand in a field.

use crate::{decode, hex, lines};
use narrows_wire::hpack::{DecodeError, Decoder, FieldFault, Section};

fn error_of(block: &str) -> DecodeError {
    decode(&mut Decoder::new(4096), &hex(block)).unwrap_err()
}

#[test]
fn an_index_that_no_table_has() {
    assert_eq!(error_of("80"), DecodeError::Index(0));
    assert_eq!(error_of("be"), DecodeError::Index(62));
    assert_eq!(error_of("ff8001"), DecodeError::Index(255));
    assert_eq!(error_of("7e00"), DecodeError::Index(62));
    assert_eq!(error_of("0f2f00"), DecodeError::Index(62));
    assert_eq!(error_of("ffffffff7f"), DecodeError::Index((1 << 28) - 1 + 127));
}

#[test]
fn a_block_that_ends_inside_a_field() {
    for block in ["ff", "ff80", "40", "4001", "400161", "40016102", "4001610261", "0f", "10", "3f"]
    {
        assert_eq!(error_of(block), DecodeError::Truncated, "{block}");
    }
}

#[test]
fn an_integer_with_five_continuation_bytes() {
    assert_eq!(error_of("ffffffffff0f"), DecodeError::IntegerTooLarge);
    assert_eq!(error_of("407fffffffff0f"), DecodeError::IntegerTooLarge);
}

#[test]
fn a_table_size_update_stands_first_and_below_what_was_announced() {
    let mut decoder = Decoder::new(4096);
    let (_, head) = decode(&mut decoder, &hex("203fe11f82")).unwrap();
    assert_eq!(lines(&head), [":method: GET"]);
    assert_eq!(error_of("3fe21f"), DecodeError::TableSize { size: 4097, max: 4096 });
    assert_eq!(error_of("8220"), DecodeError::TableSizeLate);
}

/// RFC 7541 §4.3.
#[test]
fn a_table_size_update_evicts() {
    let mut decoder = Decoder::new(4096);
    decode(&mut decoder, &hex("400161016240016301 64")).unwrap();
    let (_, head) = decode(&mut decoder, &hex("bebf")).unwrap();
    assert_eq!(lines(&head), ["c: d", "a: b"]);
    // One entry has 34 bytes.
    let (_, head) = decode(&mut decoder, &hex("3f03be")).unwrap();
    assert_eq!(lines(&head), ["c: d"]);
    assert_eq!(decode(&mut decoder, &hex("bf")).unwrap_err(), DecodeError::Index(63));
}

/// RFC 7541 §4.4.
#[test]
fn a_field_larger_than_the_table_empties_it() {
    let mut decoder = Decoder::new(40);
    decode(&mut decoder, &hex("4001610162")).unwrap();
    let (_, head) = decode(&mut decoder, &hex("be 400161 08 3132333435363738")).unwrap();
    assert_eq!(lines(&head), ["a: b", "a: 12345678"]);
    assert_eq!(decode(&mut decoder, &hex("be")).unwrap_err(), DecodeError::Index(62));
}

#[test]
fn a_name_may_come_from_the_entry_that_the_field_evicts() {
    let mut decoder = Decoder::new(40);
    decode(&mut decoder, &hex("4001610162")).unwrap();
    let (_, head) = decode(&mut decoder, &hex("7e0163be")).unwrap();
    assert_eq!(lines(&head), ["a: c", "a: c"]);
}

/// RFC 7541 §5.2. The value of an `a` field; `1f` is the Huffman code of `a` and padding.
#[test]
fn illegal_huffman_codes() {
    let value = |huffman: &str| format!("000161{:02x}{huffman}", 0x80 + huffman.len() / 2);
    let (_, head) = decode(&mut Decoder::new(0), &hex(&value("1f"))).unwrap();
    assert_eq!(lines(&head), ["a: a"]);
    for (huffman, why) in [
        ("18", "padding of zeros"),
        ("1e", "padding whose last bit is zero"),
        ("1fff", "padding of eleven bits"),
        ("ff", "padding of eight bits"),
        ("ffffffff", "EOS"),
        ("ffffffffff", "EOS and padding"),
        ("1ffffffffe", "EOS behind a symbol"),
        ("fe", "a code cut short"),
        ("fffffe", "a long code cut short"),
    ] {
        let error = decode(&mut Decoder::new(0), &hex(&value(huffman))).unwrap_err();
        assert_eq!(error, DecodeError::Huffman, "{why}");
    }
}

/// The connection lives: the fault is of one stream, and the table stays in step.
#[test]
fn an_illegal_field_is_malformed_and_the_block_is_read_to_its_end() {
    let mut decoder = Decoder::new(4096);
    let fault = FieldFault::ValueByte { at: 1, byte: b'\n' };
    let block = hex("400161 03 620a63 400162 0163");
    assert_eq!(decode(&mut decoder, &block).unwrap().0, Section::Malformed(fault));
    let (section, head) = decode(&mut decoder, &hex("be")).unwrap();
    assert_eq!((section, lines(&head)), (Section::Complete, vec!["b: c".to_owned()]));
    // The entry is illegal each time that it is used; its name alone is not.
    assert_eq!(decode(&mut decoder, &hex("bf")).unwrap().0, Section::Malformed(fault));
    let (section, head) = decode(&mut decoder, &hex("0f300164")).unwrap();
    assert_eq!((section, lines(&head)), (Section::Complete, vec!["a: d".to_owned()]));
}

#[test]
fn each_byte_in_a_name_and_in_a_value() {
    for byte in 0..=255u8 {
        let section = |block: &[u8]| decode(&mut Decoder::new(0), block).unwrap().0;
        let name_is_legal = b"!#$%&'*+-.^_`|~".contains(&byte)
            || byte.is_ascii_digit()
            || byte.is_ascii_lowercase();
        let expected = match name_is_legal {
            true => Section::Complete,
            false => Section::Malformed(FieldFault::NameByte { at: 1, byte }),
        };
        assert_eq!(section(&[0, 3, b'a', byte, b'b', 1, b'c']), expected);
        let value_is_legal = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        let expected = match value_is_legal {
            true => Section::Complete,
            false => Section::Malformed(FieldFault::ValueByte { at: 1, byte }),
        };
        assert_eq!(section(&[0, 1, b'a', 3, b'b', byte, b'c']), expected);
    }
}

#[test]
fn an_illegal_name_is_malformed_wherever_it_comes_from() {
    let mut decoder = Decoder::new(4096);
    let upper = FieldFault::NameByte { at: 0, byte: b'A' };
    let section = |decoder: &mut Decoder, block: &str| decode(decoder, &hex(block)).unwrap().0;
    assert_eq!(section(&mut decoder, "4001410162"), Section::Malformed(upper));
    assert_eq!(section(&mut decoder, "7e0163"), Section::Malformed(upper));
    assert_eq!(section(&mut decoder, "be"), Section::Malformed(upper));
    assert_eq!(section(&mut decoder, "000000"), Section::Malformed(FieldFault::NameEmpty));
    assert_eq!(section(&mut decoder, "00023a6100"), Section::Malformed(FieldFault::PseudoUnknown));
    let space = FieldFault::ValueTrailingSpace;
    assert_eq!(section(&mut decoder, "0001610261 20"), Section::Malformed(space));
}
