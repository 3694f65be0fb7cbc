//! RFC 7541 §5.2: strings.

use crate::frames::*;
use crate::{expect_compression_error, huffman};

/// The value of an `x-test` field.
fn valued(value: &[u8]) -> Vec<u8> {
    [&[0][..], &string(b"x-test"), value].concat()
}

/// §5.2: padding of a Huffman code longer than 7 bits: behind a code that is complete, and alone.
#[test]
fn padding_longer_than_7_bits() {
    expect_compression_error(&valued(&huffman(&[0x3f, 0x5f, 0xff])));
    expect_compression_error(&valued(&huffman(&[0xff])));
}

/// §5.2: padding that is not the beginning of the end symbol.
#[test]
fn padding_of_zeros() {
    // `a` is 00011, padded with 000 and with 110.
    expect_compression_error(&valued(&huffman(&[0b0001_1000])));
    expect_compression_error(&valued(&huffman(&[0b0001_1110])));
}

/// §5.2: the end symbol itself, alone and behind a letter.
#[test]
fn the_end_symbol() {
    expect_compression_error(&valued(&huffman(&[0xff, 0xff, 0xff, 0xff])));
    expect_compression_error(&valued(&huffman(&[0b0001_1111, 0xff, 0xff, 0xff, 0xff])));
}

/// §5.2: a string longer than what is left of its block.
#[test]
fn a_string_that_is_cut_off() {
    expect_compression_error(&valued(&[5, b'a']));
    expect_compression_error(&valued(&[0x80 | 5, 0x1f]));
    expect_compression_error(&[0, 9, b'x']);
    expect_compression_error(&valued(&integer(0, 7, 1 << 20)));
}
