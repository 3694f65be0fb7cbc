//! RFC 7541 §6.3: the peer sets the size of the table that we decode with.

use narrows_wire::codec::ErrorCode;

use crate::frames::*;
use crate::script::{Script, owned};
use crate::{added, expect_compression_error};

/// §6.3: a size above what we have announced, which is the default of 4096 bytes.
#[test]
fn a_size_above_the_announced() {
    expect_compression_error(&integer(0x20, 5, 4097));
    expect_compression_error(&integer(0x20, 5, 1 << 24));
}

/// §6.3: a size below and at the limit, once and twice in a block.
#[test]
fn one_update_and_two() {
    for updates in [
        integer(0x20, 5, 4096),
        vec![0x20],
        [vec![0x20], integer(0x20, 5, 4096)].concat(),
        [integer(0x20, 5, 128), integer(0x20, 5, 4096)].concat(),
    ] {
        let mut script = Script::server();
        script.send(fragment(1, flag::END_BOTH, &[updates, block(REQUEST)].concat()));
        assert_eq!(script.events().len(), 1);
        script.expect_alive();
    }
}

/// §4.3: a table that shrinks loses its oldest entries, at once.
#[test]
fn a_smaller_table_loses_its_oldest_entries() {
    let mut script = Script::server();
    // Each entry is 5 + 1 + 32 bytes.
    let entries = [literal(0x40, b"x-old", b"1"), literal(0x40, b"x-new", b"2")].concat();
    added(&mut script, 1, &entries);
    let small = [integer(0x20, 5, 38), block(REQUEST), vec![0x80 | 62]].concat();
    script.send(fragment(3, flag::END_BOTH, &small)).forget();
    assert_eq!(added(&mut script, 5, &[0x80 | 62]), owned(&[("x-new", "2")]));
    script.send(fragment(7, flag::END_BOTH, &[0x80 | 63]));
    script.expect_connection_error(ErrorCode::COMPRESSION_ERROR);
}
