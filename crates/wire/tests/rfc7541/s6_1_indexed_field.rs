//! RFC 7541 §6.1: a field that is an index.

use crate::frames::*;
use crate::script::{Script, owned};
use crate::{added, expect_compression_error};

/// §6.1: there is no entry 0.
#[test]
fn index_0() {
    expect_compression_error(&[0x80]);
    expect_compression_error(&[&block(TRAILERS)[..], &[0x80]].concat());
}

/// §6.1: an entry of the static table, and one of the dynamic table.
#[test]
fn an_entry_of_either_table() {
    let mut script = Script::server();
    assert_eq!(added(&mut script, 1, &[0x80 | 16]), owned(&[("accept-encoding", "gzip, deflate")]));
    added(&mut script, 3, &literal(0x40, b"x-test", b"ok"));
    assert_eq!(added(&mut script, 5, &[0x80 | 62]), owned(&[("x-test", "ok")]));
}
