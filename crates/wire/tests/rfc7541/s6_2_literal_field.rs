//! RFC 7541 §6.2: fields that are spelled out, in each of their twelve forms.

use crate::frames::*;
use crate::script::{Script, owned};
use crate::{added, huffman};

/// `x-test` and `ok` in Huffman code.
const X_TEST: &[u8] = &[0xf2, 0xb2, 0x4a, 0x84, 0xff];
const OK: &[u8] = &[0x3f, 0x5f];
/// Entry 58 of the static table: user-agent.
const USER_AGENT: usize = 58;

/// What becomes of a field: the first byte, and the bits of the index in it.
const INCREMENTAL: (u8, u32) = (0x40, 6);
const WITHOUT: (u8, u32) = (0x00, 4);
const NEVER: (u8, u32) = (0x10, 4);

/// The four spellings of a field in one of these ways, and whether it enters the table.
fn spelled((first, prefix): (u8, u32), enters: bool) {
    let indexed = |value: Vec<u8>| [integer(first, prefix, USER_AGENT), value].concat();
    let new = |name: Vec<u8>, value: Vec<u8>| [vec![first], name, value].concat();
    for (bytes, name) in [
        (indexed(string(b"ok")), "user-agent"),
        (indexed(huffman(OK)), "user-agent"),
        (new(string(b"x-test"), string(b"ok")), "x-test"),
        (new(huffman(X_TEST), huffman(OK)), "x-test"),
        (new(huffman(X_TEST), string(b"ok")), "x-test"),
        (new(string(b"x-test"), huffman(OK)), "x-test"),
    ] {
        let mut script = Script::server();
        assert_eq!(added(&mut script, 1, &bytes), owned(&[(name, "ok")]), "{bytes:x?}");
        if enters {
            assert_eq!(added(&mut script, 3, &[0x80 | 62]), owned(&[(name, "ok")]));
        } else {
            let again = fragment(3, flag::END_BOTH, &[&block(REQUEST)[..], &[0x80 | 62]].concat());
            script.send(again);
            script.expect_connection_error(narrows_wire::codec::ErrorCode::COMPRESSION_ERROR);
        }
    }
}

/// §6.2.1
#[test]
fn with_incremental_indexing() {
    spelled(INCREMENTAL, true);
}

/// §6.2.2
#[test]
fn without_indexing() {
    spelled(WITHOUT, false);
}

/// §6.2.3
#[test]
fn never_indexed() {
    spelled(NEVER, false);
}
