//! RFC 9113 §7: codes that nobody knows have no effect of their own.

use narrows_wire::codec::{ErrorCode, Party, Processed};

use crate::frames::*;
use crate::script::{STREAM, Script, Seen};

const UNKNOWN: ErrorCode = ErrorCode(0xff);

#[test]
fn goaway_with_an_unknown_code() {
    for mut script in Script::both() {
        script.send(goaway(0, UNKNOWN, b""));
        let events = script.events();
        assert_eq!(events[0], Seen::GoAway { code: UNKNOWN, last_stream: 0 });
        script.expect_alive();
    }
}

#[test]
fn rst_stream_with_an_unknown_code() {
    for (mut script, _) in Script::both_open() {
        script.send(reset(STREAM, UNKNOWN));
        let (by, processed) = (Party::Peer, Processed::Maybe);
        assert_eq!(script.events(), [Seen::Reset { code: UNKNOWN, by, processed }]);
        script.expect_alive();
    }
}
