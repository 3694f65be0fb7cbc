//! RFC 7541 §5.1: integers.

use crate::frames::*;
use crate::script::{Script, owned};
use crate::{added, expect_compression_error};

/// §5.1: an integer may be padded with bytes of zero, a few of them.
#[test]
fn an_integer_may_be_longer_than_it_must() {
    let mut script = Script::server();
    // 0x0f 0x80 0x00: name index 15 in three bytes, accept-charset.
    let fields = added(&mut script, 1, &[&[0x0f, 0x80, 0x00][..], &string(b"utf-8")].concat());
    assert_eq!(fields, owned(&[("accept-charset", "utf-8")]));
}

/// §5.1: an integer beyond what anybody needs is an error, not an overflow: as an index, as the length of a
/// string, as the size of the table, and without an end.
#[test]
fn an_excessive_integer() {
    for bytes in [
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0x0f][..],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        &[0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        &[0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        &[0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
    ] {
        expect_compression_error(bytes);
    }
}

/// §5.1: an integer that the block cuts off.
#[test]
fn an_integer_that_is_cut_off() {
    for bytes in [&[0xff][..], &[0x7f, 0x80], &[0x0f], &[0x3f, 0xff]] {
        expect_compression_error(bytes);
    }
}
