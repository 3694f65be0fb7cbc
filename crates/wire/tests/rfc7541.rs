//! Conformance with RFC 7541, HPACK, as a peer on the wire sees it: blocks in HEADERS, both roles.
//!
//! The codec alone is tested in `hpack.rs`, the examples of appendix C among that. A fault of compression is
//! the fault of the connection: both tables have parted, and no later block could be read.

#[path = "support/frames.rs"]
#[allow(dead_code, reason = "two test programs share it")]
mod frames;
#[path = "support/script.rs"]
#[allow(dead_code, reason = "two test programs share it")]
mod script;

#[path = "rfc7541/s2_3_3_index_address_space.rs"]
mod s2_3_3_index_address_space;
#[path = "rfc7541/s4_2_maximum_table_size.rs"]
mod s4_2_maximum_table_size;
#[path = "rfc7541/s5_1_integers.rs"]
mod s5_1_integers;
#[path = "rfc7541/s5_2_strings.rs"]
mod s5_2_strings;
#[path = "rfc7541/s6_1_indexed_field.rs"]
mod s6_1_indexed_field;
#[path = "rfc7541/s6_2_literal_field.rs"]
mod s6_2_literal_field;
#[path = "rfc7541/s6_3_table_size_update.rs"]
mod s6_3_table_size_update;

use frames::{REQUEST, block, flag, fragment};
use narrows_wire::codec::ErrorCode;
use script::{Fields, STREAM, Script, Seen};

/// The fields that this block adds to a request.
fn added(script: &mut Script, stream: u32, fields: &[u8]) -> Fields {
    script.send(fragment(stream, flag::END_BOTH, &[&block(REQUEST)[..], fields].concat()));
    let events = script.events();
    let [Seen::Head { fields, .. }] = &events[..] else { panic!("{events:?}") };
    fields[REQUEST.len()..].to_vec()
}

/// This block, as trailers, ends the connection with COMPRESSION_ERROR, for either role.
#[track_caller]
fn expect_compression_error(block: &[u8]) {
    for (mut script, _) in Script::both_open() {
        script.send(fragment(STREAM, flag::END_BOTH, block));
        script.expect_connection_error(ErrorCode::COMPRESSION_ERROR);
    }
}

/// A string with Huffman coding: these bytes of code.
fn huffman(code: &[u8]) -> Vec<u8> {
    [&frames::integer(0x80, 7, code.len())[..], code].concat()
}
