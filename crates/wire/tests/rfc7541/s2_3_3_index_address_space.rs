//! RFC 7541 §2.3.3: the static table, then the dynamic one, newest first.

use crate::frames::*;
use crate::script::{Script, owned};
use crate::{added, expect_compression_error};

/// §2.3.3: an index beyond both tables, of a field and of a name.
#[test]
fn an_index_beyond_the_tables() {
    expect_compression_error(&[0x80 | 62]);
    expect_compression_error(&integer(0x80, 7, 70));
    for (first, prefix) in [(0x40, 6), (0, 4), (0x10, 4)] {
        expect_compression_error(&[integer(first, prefix, 62), string(b"ok")].concat());
        expect_compression_error(&[integer(first, prefix, 1 << 20), string(b"ok")].concat());
    }
}

/// §2.3.2, §2.3.3: 62 is the newest entry, and older ones follow.
#[test]
fn the_newest_entry_comes_first() {
    let mut script = Script::server();
    let entries = [literal(0x40, b"x-old", b"1"), literal(0x40, b"x-new", b"2")].concat();
    added(&mut script, 1, &entries);
    let fields = added(&mut script, 3, &[0x80 | 62, 0x80 | 63]);
    assert_eq!(fields, owned(&[("x-new", "2"), ("x-old", "1")]));
}
