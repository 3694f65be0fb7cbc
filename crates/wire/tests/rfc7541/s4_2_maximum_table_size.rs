//! RFC 7541 §4.2: a change of the table's size is announced at the beginning of a block.

use narrows_wire::codec::End;

use crate::expect_compression_error;
use crate::frames::*;
use crate::script::Script;

/// §4.2: an update behind a field.
#[test]
fn an_update_at_the_end_of_a_block() {
    expect_compression_error(&[&block(TRAILERS)[..], &[0x20]].concat());
    expect_compression_error(&[&[0x20][..], &block(TRAILERS), &[0x20]].concat());
}

/// §4.2: our encoder announces what the peer's SETTINGS changed in its next block, the least first.
#[test]
fn our_encoder_announces_the_least_and_the_last() {
    let mut script = Script::client();
    script.send(settings(&[(setting::HEADER_TABLE_SIZE, 0)]));
    script.send(settings(&[(setting::HEADER_TABLE_SIZE, 100)])).forget();
    script.open(End::Stream);
    let updates = [vec![0x20], integer(0x20, 5, 100)].concat();
    let sent = script.frames().remove(0).payload;
    assert_eq!(sent[..updates.len()], updates);
    script.open(End::Stream);
    assert_ne!(script.frames().remove(0).payload[0] & 0xe0, 0x20, "only once");
}

/// §4.2: our encoder's table never grows above 4096 bytes, whatever the peer offers.
#[test]
fn our_encoder_takes_no_larger_table_than_the_default() {
    let mut script = Script::client();
    script.send(settings(&[(setting::HEADER_TABLE_SIZE, 1 << 30)])).forget();
    script.open(End::Stream);
    let sent = script.frames().remove(0).payload;
    assert_ne!(sent[0] & 0xe0, 0x20, "no update: {sent:?}");
}
