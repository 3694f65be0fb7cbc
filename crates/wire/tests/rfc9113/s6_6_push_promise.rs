//! RFC 9113 §6.6 and §8.4: nobody pushes to us.

use narrows_wire::codec::{ErrorCode, Role};
use narrows_wire::h2::Config;

use crate::frames::*;
use crate::script::{STREAM, Script};

/// §8.4: a server takes no PUSH_PROMISE; to a client it was forbidden by SETTINGS_ENABLE_PUSH.
#[test]
fn push_promise_closes_the_connection() {
    let payload = [&2u32.to_be_bytes()[..], &block(REQUEST)].concat();
    for (mut script, _) in Script::both_open() {
        script.send(frame(kind::PUSH_PROMISE, flag::END_HEADERS, STREAM, &payload));
        script.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }
}

/// §6.5.2: our client disables push in its first frame.
#[test]
fn our_client_disables_push() {
    let mut script = Script::fresh(Role::Client, &Config::default());
    script.command(|_| ());
    let sent = script.take_sent();
    let frames = Frame::all(sent.strip_prefix(PREFACE).expect("the preface comes first"));
    let entry = [0, setting::ENABLE_PUSH as u8, 0, 0, 0, 0];
    assert!(frames[0].payload.as_chunks::<6>().0.contains(&entry));
}
