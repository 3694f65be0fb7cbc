//! RFC 9113 §10.5: what a peer may make us hold. Attacks by their names are in `h2/abuse.rs`; here are the
//! limits that they run into, and the leaks that others have shipped.

use narrows_wire::codec::{End, ErrorCode, Party, Refusal, Role};
use narrows_wire::h2::Config;
use narrows_wire::hpack::SectionLimits;

use crate::frames::*;
use crate::script::{STREAM, Script, Seen};

/// A config that takes sections of so many bytes.
fn section_bytes(bytes_max: u32) -> Config {
    let section = SectionLimits { bytes_max, ..SectionLimits::default() };
    Config { section, ..Config::default() }
}

/// §10.5.1: a section at its limit is taken; with a byte more a request can be answered, the stream of a reply
/// is reset. The connection goes on, and the tables are in step, in both roles.
#[test]
fn a_section_has_a_limit_to_the_byte() {
    let size = |fields: &[(&str, &str)]| -> usize {
        fields.iter().map(|(name, value)| name.len() + value.len() + 32).sum()
    };
    for role in [Role::Server, Role::Client] {
        let fields = if role == Role::Server { REQUEST } else { REPLY };
        let limit = size(fields) + "x-test".len() + 32 + 100;
        let mut script = Script::with(role, &section_bytes(limit as u32));
        for (id, length, is_taken) in [(1, 100, true), (3, 101, false), (5, 100, true)] {
            if role == Role::Client {
                script.open(End::Stream);
            }
            let value = vec![b'v'; length];
            let block = [block(fields), literal(0x40, b"x-test", &value)].concat();
            script.forget().send(fragment(id, flag::END_BOTH, &block));
            if is_taken {
                assert!(matches!(script.events()[..], [Seen::Head { end: End::Stream, .. }]));
            } else if role == Role::Client {
                script.expect_stream_error(id, ErrorCode::ENHANCE_YOUR_CALM);
            } else {
                let [Seen::Refused { refusal, fields, .. }] = &script.events()[..] else {
                    panic!()
                };
                assert_eq!(*refusal, Refusal::HeadTooLarge);
                assert_eq!(*fields, crate::script::owned(REQUEST), "all but what did not fit");
            }
        }
        if role == Role::Client {
            script.open(End::Stream);
        }
        // The entries of all three are in the table, that of the section that was too large too.
        script.forget().send(fragment(
            7,
            flag::END_BOTH,
            &[block(fields), vec![0x80 | 64]].concat(),
        ));
        assert!(matches!(script.events()[..], [Seen::Head { end: End::Stream, .. }]));
    }
}

/// §5.1.1, §10.5.1: whatever a refused request goes on with is dropped, and the answer ends its stream.
#[test]
fn a_refused_request_gets_its_answer() {
    let mut script = Script::with(Role::Server, &section_bytes(200));
    let block = [block(REQUEST), literal(0, b"x-test", &[b'v'; 100])].concat();
    script.forget().send(fragment(1, flag::END_HEADERS, &block));
    let [Seen::Refused { stream, .. }] = script.events()[..] else { panic!() };
    script.send(data(1, flag::NONE, b"nobody wants this"));
    script.command(|connection| {
        connection.send_head(stream, &crate::script::head(&[(":status", "431")]), End::Stream);
        connection.release(stream);
    });
    script.send(data(1, flag::END_STREAM, b"nor this"));
    assert!(script.events().is_empty());
    let [answer] = &script.frames()[..] else { panic!() };
    assert_eq!((answer.kind, answer.flags), (kind::HEADERS, flag::END_BOTH));
    script.expect_alive();
}

/// §10.5.1: the limit is announced.
#[test]
fn the_limit_of_a_section_is_announced() {
    let mut script = Script::fresh(Role::Server, &section_bytes(12_345));
    script.command(|_| ());
    let announced = script.frames().remove(0).payload;
    let entry = [0, 6, 0, 0, 0x30, 0x39];
    assert!(announced.as_chunks::<6>().0.contains(&entry), "{announced:?}");
}

/// A block that is over its limit on the wire cannot be decoded, so the connection ends; in one frame and in
/// several, to the byte.
#[test]
fn a_block_has_a_limit_on_the_wire() {
    let whole = [block(REQUEST), literal(0, b"x-test", &[b'v'; 100])].concat();
    for (bytes_max, is_taken) in [(whole.len(), true), (whole.len() - 1, false)] {
        for cut in [whole.len(), whole.len() / 2] {
            let config = Config { header_block_bytes_max: bytes_max, ..Config::default() };
            let mut script = Script::with(Role::Server, &config);
            let (first, rest) = whole.split_at(cut);
            let ends = if rest.is_empty() { flag::END_BOTH } else { flag::END_STREAM };
            script.send(fragment(1, ends, first));
            if !rest.is_empty() {
                script.send(continuation(1, flag::END_HEADERS, rest));
            }
            if is_taken {
                assert!(matches!(script.events()[..], [Seen::Head { .. }]));
            } else {
                script.expect_connection_error(ErrorCode::ENHANCE_YOUR_CALM);
            }
        }
    }
}

/// Bytes that the owner never took come back to the connection's window with the end of their stream,
/// however it ends: by the peer's reset, by ours, or at both ends.
#[test]
fn no_credit_is_lost_with_streams_that_nobody_read() {
    let config =
        Config { connection_window_bytes: 65_535, buffered_bytes_max: 0, ..Config::default() };
    let mut script = Script::with(Role::Server, &config);
    let mut room = 65_535;
    for n in 0..60 {
        let id = 2 * n + 1;
        let key = script.stream(id, End::Open);
        let end = if n % 3 == 0 { flag::END_STREAM } else { flag::NONE };
        script.send(data(id, end, &[0; 1 << 14]));
        room -= 1 << 14;
        match n % 3 {
            0 => script.command(|connection| {
                connection.send_head(key, &crate::script::head(REPLY), End::Stream);
            }),
            1 => {
                script.send(reset(id, ErrorCode::CANCEL));
            }
            _ => script.command(|connection| connection.reset(key, ErrorCode::CANCEL)),
        }
        script.command(|connection| connection.release(key));
        let credited =
            script.frames().into_iter().filter(|frame| frame.kind == kind::WINDOW_UPDATE);
        room += credited.map(|frame| frame.word(0)).sum::<u32>();
        assert!(room >= 1 << 14, "stream {id} took credit with it: {room} bytes are left");
        script.events();
    }
}

/// A payload that is written from where it was read ends its stream as one that is copied does.
#[test]
fn a_borrowed_payload_ends_its_stream() {
    let mut script = Script::server();
    let key = script.stream(1, End::Stream);
    let payload = [7; 5000];
    script.command(|connection| {
        connection.send_head(key, &crate::script::head(REPLY), End::Open);
        connection.send_data_borrowed(key, 0..payload.len(), &payload, End::Stream);
        connection.output().settle(&payload);
    });
    let frames = script.frames();
    assert_eq!((frames[1].kind, frames[1].flags), (kind::DATA, flag::END_STREAM));
    assert_eq!(frames[1].payload, payload);
}

/// The owner is told once of a stream that its peer resets, however often that is said.
#[test]
fn a_reset_is_told_once() {
    for (mut script, _) in Script::both_open() {
        for _ in 0..3 {
            script.send(reset(STREAM, ErrorCode::CANCEL));
        }
        assert!(matches!(script.events()[..], [Seen::Reset { by: Party::Peer, .. }]));
        script.expect_alive();
    }
}
