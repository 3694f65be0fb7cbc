//! RFC 9113 §4.3: header blocks on their way. What is inside them is the matter of `rfc7541`.

use narrows_wire::codec::{End, ErrorCode, Role};
use narrows_wire::h2::Config;
use narrows_wire::{Head, Indexing};

use crate::frames::*;
use crate::script::{STREAM, Script, Seen, head, owned};

/// §4.3: a block that cannot be decompressed is a connection error COMPRESSION_ERROR.
#[test]
fn a_block_that_cannot_be_decompressed_closes_the_connection() {
    for (mut script, _) in Script::both_open() {
        // A literal with an indexed name whose value is cut off.
        script.send(fragment(STREAM, flag::END_BOTH, b"\x4f\x01"));
        script.expect_connection_error(ErrorCode::COMPRESSION_ERROR);
    }
}

/// §4.3: the same in any frame that ends a block, and on a stream that is closed.
#[test]
fn a_block_of_a_dead_stream_is_decompressed_too() {
    for mut script in Script::both_reset_by_us() {
        script.send(fragment(STREAM, flag::END_BOTH, b"\x80"));
        script.expect_connection_error(ErrorCode::COMPRESSION_ERROR);
    }
    let mut script = Script::server();
    script.send(fragment(1, flag::NONE, &block(REQUEST)));
    script.send(continuation(1, flag::END_HEADERS, b"\x80"));
    script.expect_connection_error(ErrorCode::COMPRESSION_ERROR);
}

/// §4.3: no frame comes between those of a block, whatever its type or stream.
#[test]
fn a_block_is_not_interrupted() {
    for intruder in [
        priority(STREAM, 0, 15),
        headers(3, flag::END_STREAM, REQUEST),
        headers(STREAM, flag::END_STREAM, TRAILERS),
        data(STREAM, flag::NONE, b"test"),
        ping(flag::NONE, b"12345678"),
        settings(&[]),
        window_update(0, 1),
        continuation(3, flag::END_HEADERS, b""),
        frame(kind::UNKNOWN, flag::NONE, 0, b""),
    ] {
        for (mut script, _) in Script::both_open() {
            script.send(fragment(STREAM, flag::END_STREAM, &block(TRAILERS)));
            script.send(&intruder).expect_connection_error(ErrorCode::PROTOCOL_ERROR);
        }
    }
}

/// §4.3: a block moves the table even if its stream is refused, or dead.
#[test]
fn the_table_moves_with_the_block_of_a_refused_stream() {
    let config = Config { max_concurrent_streams: 1, ..Config::default() };
    let mut script = Script::with(Role::Server, &config);
    let key = script.stream(1, End::Open);
    let with_entry = [block(REQUEST), literal(0x40, b"x-test", b"ok")].concat();
    script.send(fragment(3, flag::END_BOTH, &with_entry));
    script.expect_stream_error(3, ErrorCode::REFUSED_STREAM);
    script.command(|connection| {
        connection.reset(key, ErrorCode::CANCEL);
        connection.release(key);
    });
    script.forget();
    // 62 is the entry that came with the refused stream.
    script.send(fragment(5, flag::END_BOTH, &[block(REQUEST), vec![0x80 | 62]].concat()));
    let events = script.events();
    let [Seen::Head { fields, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(fields.last(), owned(TRAILERS).last());
}

/// §4.3: a block of ours that is too long for a frame goes on in CONTINUATION, and nothing comes between.
#[test]
fn our_long_blocks_go_on_in_continuation() {
    let mut large = head(REPLY);
    for n in 0..40 {
        large.push_text(format!("x-{n}").as_bytes(), &[b'v'; 1000], Indexing::Unique);
    }
    let mut script = Script::server();
    let key = script.stream(1, End::Stream);
    script.command(|connection| connection.send_head(key, &large, End::Stream));
    let frames = script.frames();
    let shape: Vec<_> =
        frames.iter().map(|frame| (frame.kind, frame.flags, frame.stream)).collect();
    assert_eq!(
        shape,
        [
            (kind::HEADERS, flag::END_STREAM, 1),
            (kind::CONTINUATION, flag::NONE, 1),
            (kind::CONTINUATION, flag::END_HEADERS, 1),
        ]
    );
    assert!(frames.iter().all(|frame| frame.payload.len() <= 1 << 14));
    let block: Vec<u8> = frames.into_iter().flat_map(|frame| frame.payload).collect();
    let mut decoded = Head::new();
    let mut decoder = narrows_wire::hpack::Decoder::new(4096);
    decoder.decode(&block, &Default::default(), &mut decoded).expect("a block");
    assert_eq!(decoded.fields().len(), 41);
}
