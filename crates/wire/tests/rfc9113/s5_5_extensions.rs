//! RFC 9113 §5.5: what others have agreed on and we have not.

use narrows_wire::codec::{End, ErrorCode};

use crate::frames::*;
use crate::script::{STREAM, Script, Seen};

/// §5.5: an unknown frame is ignored wherever it comes, also between DATA.
#[test]
fn an_unknown_frame_is_ignored_between_data() {
    for (mut script, _) in Script::both_open() {
        script.send(data(STREAM, flag::NONE, b"te"));
        script.send(frame(0x16, flag::NONE, STREAM, b"extension"));
        script.send(data(STREAM, flag::END_STREAM, b"st"));
        assert_eq!(script.events(), [Seen::Data { data: b"test".to_vec(), end: End::Stream }]);
        script.expect_alive();
    }
}

/// §5.5: in the middle of a header block it is a connection error PROTOCOL_ERROR.
#[test]
fn an_unknown_frame_in_a_header_block_closes_the_connection() {
    let mut script = Script::server();
    script.send(fragment(1, flag::END_STREAM, &block(REQUEST)));
    script.send(frame(0x16, flag::NONE, 0, b"extension"));
    script.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
}

/// §5.5: unknown settings are ignored, and acknowledged with the others.
#[test]
fn unknown_settings_are_ignored() {
    for mut script in Script::both() {
        script.send(settings(&[(0xff, u32::MAX), (0, 0), (0xffff, 1)]));
        assert_eq!(script.events(), [Seen::PeerSettings]);
        assert_eq!(script.take_sent(), settings_ack());
        script.expect_alive();
    }
}
