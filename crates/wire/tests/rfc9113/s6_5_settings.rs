//! RFC 9113 §6.5: SETTINGS. The ranges of the values are unit tests of `settings.rs`; here is what they do.

use std::time::Duration;

use narrows_wire::codec::{End, ErrorCode, Role};
use narrows_wire::h2::Config;

use crate::frames::*;
use crate::script::{STREAM, Script, Seen, head};

/// §6.5: SETTINGS is acknowledged, once.
#[test]
fn settings_are_acknowledged() {
    for mut script in Script::both() {
        for entries in [&[][..], &[(setting::MAX_CONCURRENT_STREAMS, 100)]] {
            script.send(settings(entries));
            assert_eq!(script.take_sent(), settings_ack());
            assert_eq!(script.events(), [Seen::PeerSettings]);
        }
        script.expect_alive();
    }
}

/// §6.5: an acknowledgement carries nothing.
#[test]
fn an_acknowledgement_with_a_payload_closes_the_connection() {
    for payload in [&b"\0"[..], &[0, 4, 0, 0, 0, 1]] {
        for mut script in Script::both() {
            script.send(frame(kind::SETTINGS, flag::ACK, 0, payload));
            script.expect_connection_error(ErrorCode::FRAME_SIZE_ERROR);
        }
    }
}

/// §6.5: SETTINGS belongs to the connection.
#[test]
fn settings_on_a_stream_close_the_connection() {
    for flags in [flag::NONE, flag::ACK] {
        for (mut script, _) in Script::both_open() {
            script.send(frame(kind::SETTINGS, flags, STREAM, b""));
            script.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
        }
    }
}

/// §6.5: a payload is whole entries of 6 bytes.
#[test]
fn a_length_that_is_no_multiple_of_6_closes_the_connection() {
    for mut script in Script::both() {
        script.send(frame(kind::SETTINGS, flag::NONE, 0, &[0, 3, 0]));
        script.expect_connection_error(ErrorCode::FRAME_SIZE_ERROR);
    }
}

/// §6.5.2: values out of range, each with its code. A client is stricter: no server enables push.
#[test]
fn values_out_of_range_close_the_connection() {
    let protocol = ErrorCode::PROTOCOL_ERROR;
    for (id, value, code) in [
        (setting::ENABLE_PUSH, 2, protocol),
        (setting::INITIAL_WINDOW_SIZE, 1 << 31, ErrorCode::FLOW_CONTROL_ERROR),
        (setting::MAX_FRAME_SIZE, (1 << 14) - 1, protocol),
        (setting::MAX_FRAME_SIZE, 1 << 24, protocol),
    ] {
        for mut script in Script::both() {
            script.send(settings(&[(id, value)])).expect_connection_error(code);
        }
    }
    let mut script = Script::client();
    script.send(settings(&[(setting::ENABLE_PUSH, 1)])).expect_connection_error(protocol);
    let mut script = Script::server();
    script.send(settings(&[(setting::ENABLE_PUSH, 1)]));
    script.expect_alive();
}

/// §6.5.3: values are taken in their order; the last one of a setting holds.
#[test]
fn the_last_value_holds() {
    let mut script = Script::server();
    let window = setting::INITIAL_WINDOW_SIZE;
    script.send(settings(&[(window, 100), (window, 1)])).forget();
    let key = script.stream(1, End::Stream);
    script.command(|connection| {
        connection.send_head(key, &head(REPLY), End::Open);
        connection.send_data(key, b"test", End::Stream)
    });
    assert_eq!(script.frames()[1].payload, b"t");
}

/// §6.5.3: what comes behind SETTINGS is acknowledged behind them: values hold at once.
#[test]
fn settings_hold_for_what_follows_in_the_same_read() {
    let mut script = Script::client();
    script.send([settings(&[(setting::MAX_CONCURRENT_STREAMS, 1)]), settings(&[])].concat());
    assert_eq!(script.take_sent(), [settings_ack(), settings_ack()].concat());
    assert_eq!(script.command(|connection| connection.capacity()), 1);
}

/// §6.5.3: an acknowledgement that does not come ends the connection with SETTINGS_TIMEOUT.
#[test]
fn settings_that_are_not_acknowledged_close_the_connection() {
    for role in [Role::Server, Role::Client] {
        let config = Config::default();
        let mut script = Script::fresh(role, &config);
        if role == Role::Server {
            script.send(PREFACE);
        }
        script.send(settings(&[]));
        script.take_sent();
        script.pass(config.settings_timeout + Duration::from_millis(1));
        script.expect_connection_error(ErrorCode::SETTINGS_TIMEOUT);
    }
}

/// §6.5.2: our encoder keeps to the table that the peer allows: nothing is indexed in a table of no bytes.
#[test]
fn our_blocks_keep_to_the_peers_table() {
    let mut script = Script::client();
    script.send(settings(&[(setting::HEADER_TABLE_SIZE, 0)])).forget();
    let mut decoder = narrows_wire::hpack::Decoder::new(0);
    for _ in 0..4 {
        script.open(End::Stream);
        let frames = script.frames();
        let mut decoded = narrows_wire::Head::new();
        let section = decoder.decode(&frames[0].payload, &Default::default(), &mut decoded);
        section.expect("a block for a table of no bytes");
        assert_eq!(decoded.fields().len(), REQUEST.len());
    }
}
