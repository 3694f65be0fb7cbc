//! RFC 9113 §8.1: what a message is made of, and in which order.

use std::time::Duration;

use narrows_wire::codec::{End, ErrorCode, Role, StreamKey};
use narrows_wire::h2::Config;

use crate::frames::*;
use crate::script::{STREAM, Script, Seen, head, owned};

/// The default of `Config::linger_timeout`.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// Our client has sent a request with this method.
fn asked(method: &str) -> Script {
    let mut script = Script::client();
    let mut request = REQUEST.to_vec();
    request[0].1 = method;
    let now = narrows_wire::Time::ZERO;
    let opened = script.command(|connection| connection.open(now, 0, &head(&request), End::Stream));
    opened.expect("the peer takes a stream");
    script.forget();
    script
}

/// The fields of a message with a content-length.
fn with_length<'a>(fields: &[(&'a str, &'a str)], length: &'a str) -> Vec<(&'a str, &'a str)> {
    [fields, &[("content-length", length)]].concat()
}

/// §8.1: a head alone, with a body, and with a body and trailers; of any method.
#[test]
fn requests_come_with_and_without_body_and_trailers() {
    for method in ["GET", "HEAD", "POST"] {
        let mut script = Script::server();
        let mut request = REQUEST.to_vec();
        request[0].1 = method;
        script.send(headers(1, flag::END_STREAM, &request));
        assert!(matches!(script.events()[..], [Seen::Head { end: End::Stream, .. }]));
        script.send(headers(3, flag::NONE, &request)).send(data(3, flag::END_STREAM, b"test"));
        let events = script.events();
        let body = Seen::Data { data: b"test".to_vec(), end: End::Stream };
        assert!(matches!(&events[..], [Seen::Head { end: End::Open, .. }, last] if *last == body));
        script.send(headers(5, flag::NONE, &request)).send(data(5, flag::NONE, b"test"));
        script.send(headers(5, flag::END_STREAM, TRAILERS));
        assert_eq!(script.events().last(), Some(&Seen::Trailers { fields: owned(TRAILERS) }));
        script.expect_alive();
    }
}

/// §8.1: fields behind the head end the stream, or the message is malformed.
#[test]
fn trailers_that_do_not_end_the_stream_are_a_stream_error() {
    for (mut script, _) in Script::both_open() {
        script.send(data(STREAM, flag::NONE, b"test"));
        script.forget().send(headers(STREAM, flag::NONE, TRAILERS));
        script.expect_stream_error(STREAM, ErrorCode::PROTOCOL_ERROR);
    }
}

/// §8.1: the same with a whole second head.
#[test]
fn a_second_head_is_a_stream_error() {
    let mut script = Script::server();
    script.stream(1, End::Open);
    script.send(headers(1, flag::NONE, REQUEST));
    script.expect_stream_error(1, ErrorCode::PROTOCOL_ERROR);
}

/// §8.1: nothing follows trailers.
#[test]
fn nothing_follows_trailers() {
    for (mut script, _) in Script::both_open() {
        script.send(headers(STREAM, flag::END_STREAM, TRAILERS)).forget();
        script.send(data(STREAM, flag::END_STREAM, b"test"));
        script.expect_stream_error(STREAM, ErrorCode::STREAM_CLOSED);
    }
}

/// §8.1: informational replies come before the final one, any number of them, and end nothing.
#[test]
fn informational_replies_come_first() {
    let mut script = asked("POST");
    script.send(headers(1, flag::NONE, &[(":status", "100")]));
    script.send(headers(1, flag::NONE, &[(":status", "103"), ("link", "</a>")]));
    script.send(headers(1, flag::END_STREAM, REPLY));
    let events = script.events();
    assert!(
        matches!(
            events[..],
            [
                Seen::Informational { .. },
                Seen::Informational { .. },
                Seen::Head { end: End::Stream, .. }
            ]
        ),
        "{events:?}"
    );
}

/// §8.1: an informational reply that ends the stream is malformed.
#[test]
fn an_informational_reply_does_not_end_the_stream() {
    let mut script = asked("POST");
    script.send(headers(1, flag::END_STREAM, &[(":status", "103")]));
    script.expect_stream_error(1, ErrorCode::PROTOCOL_ERROR);
}

/// §8.1: data between an informational reply and the final one is malformed.
#[test]
fn data_behind_an_informational_reply_is_a_stream_error() {
    let mut script = asked("POST");
    script.send(headers(1, flag::NONE, &[(":status", "100")]));
    script.forget().send(data(1, flag::NONE, b"test"));
    script.expect_stream_error(1, ErrorCode::PROTOCOL_ERROR);
}

/// §8.1: a server may reply before the request has ended; the client goes on, or is reset.
#[test]
fn a_reply_may_come_before_the_request_has_ended() {
    let mut script = Script::client();
    let key = script.open(End::Open);
    script.forget().send(headers(1, flag::END_STREAM, REPLY));
    assert!(matches!(script.events()[..], [Seen::Head { end: End::Stream, .. }]));
    script.command(|connection| connection.send_data(key, b"rest", End::Stream));
    assert_eq!(script.take_sent(), data(1, flag::END_STREAM, b"rest"));
}

/// RFC 9110 §6.5.1: who asks is said in the head, not behind everything.
#[test]
fn trailers_come_without_what_is_for_a_head_to_say() {
    for (mut script, _) in Script::both_open() {
        let fields = [("grpc-status", "0"), ("authorization", "me"), ("set-cookie", "a=b")];
        script.send(headers(STREAM, flag::END_STREAM, &fields));
        let fields = crate::script::owned(&fields[..1]);
        assert_eq!(script.events(), [Seen::Trailers { fields }]);
    }
}

/// §8.1: our server that has replied early reads on, and the stream ends with the request. Clients that are in
/// use lose a reply that a reset follows at once.
#[test]
fn what_follows_an_early_reply_is_read_and_dropped() {
    let (mut script, key) = replied_early(&Config::default());
    script.command(|connection| connection.release(key));
    // More than the window of a stream, which is opened again.
    for _ in 0..100 {
        script.send(data(1, flag::NONE, &[7; 10_000]));
        let frames = script.frames();
        assert!(frames.iter().all(|frame| frame.kind == kind::WINDOW_UPDATE), "{frames:?}");
    }
    script.send(data(1, flag::END_STREAM, b"the end"));
    script.expect_ignored();
    script.pass(LINGER_TIMEOUT * 2);
    script.expect_ignored();
    assert_eq!(script.command(|connection| connection.active_streams()), 0);
}

/// §8.1: what is too much, or takes too long, is ended by NO_ERROR, behind the reply.
#[test]
fn an_early_reply_is_followed_by_a_reset_in_the_end() {
    let config = Config { linger_bytes_max: 20_000, ..Config::default() };
    let (mut script, _) = replied_early(&config);
    script.send(data(1, flag::NONE, &[7; 10_000])).send(data(1, flag::NONE, &[7; 10_000]));
    assert!(script.frames().iter().all(|frame| frame.kind == kind::WINDOW_UPDATE));
    script.send(data(1, flag::NONE, b"a byte too many"));
    script.expect_stream_error(1, ErrorCode::NO_ERROR);

    let (mut script, _) = replied_early(&config);
    // Its time begins when it is first looked at.
    script.pass(Duration::ZERO);
    script.pass(LINGER_TIMEOUT - Duration::from_millis(1));
    script.expect_ignored();
    script.pass(Duration::from_millis(1));
    script.expect_stream_error(1, ErrorCode::NO_ERROR);
}

/// §8.1: a request that says that it is too long is stopped at once, to the byte.
#[test]
fn what_is_known_to_be_too_much_is_not_waited_for() {
    let config = Config { linger_bytes_max: 20_000, ..Config::default() };
    for (length, is_reset) in [("20000", false), ("20001", true)] {
        let mut script = Script::with(Role::Server, &config);
        script.send(headers(1, flag::NONE, &with_length(REQUEST, length)));
        let [Seen::Head { stream, .. }] = script.events()[..] else { panic!() };
        script.command(|connection| {
            connection.send_head(stream, &head(REPLY), End::Stream);
            connection.reset_after_data(stream, ErrorCode::NO_ERROR);
        });
        let kinds: Vec<_> = script.frames().iter().map(|frame| frame.kind).collect();
        assert_eq!(kinds.contains(&kind::RST_STREAM), is_reset, "{length}: {kinds:?}");
    }
}

/// §8.1: the same with a reply that waits for its window.
#[test]
fn a_waiting_reply_goes_before_the_reset() {
    let config = Config { linger_bytes_max: 0, ..Config::default() };
    let mut script = Script::with(Role::Server, &config);
    let key = script.stream(1, End::Open);
    script.command(|connection| {
        connection.send_head(key, &head(REPLY), End::Open);
        connection.send_data(key, &[7; 70_000], End::Stream);
        connection.reset_after_data(key, ErrorCode::NO_ERROR);
    });
    assert!(script.frames().iter().all(|frame| frame.kind != kind::RST_STREAM));
    script.send(window_update(1, 10_000)).send(window_update(0, 10_000));
    let frames = script.frames();
    let shape: Vec<_> = frames.iter().map(|frame| (frame.kind, frame.flags)).collect();
    assert_eq!(
        shape[shape.len() - 2..],
        [(kind::DATA, flag::END_STREAM), (kind::RST_STREAM, flag::NONE)]
    );
    assert_eq!(frames.last().map(Frame::code), Some(ErrorCode::NO_ERROR));
}

/// A server that has replied to a request with some of its body still to come.
fn replied_early(config: &Config) -> (Script, StreamKey) {
    let mut script = Script::with(Role::Server, config);
    let key = script.stream(1, End::Open);
    script.send(data(1, flag::NONE, &[7; 10_000]));
    script.command(|connection| {
        connection.send_head(key, &head(REPLY), End::Stream);
        connection.reset_after_data(key, ErrorCode::NO_ERROR);
    });
    script.events();
    assert!(script.frames().iter().all(|frame| frame.kind != kind::RST_STREAM));
    (script, key)
}

/// §8.1.1: a content-length that differs from the data is a stream error PROTOCOL_ERROR: less, more, none,
/// and in several frames.
#[test]
fn a_content_length_that_differs_from_the_data_is_a_stream_error() {
    for pieces in [&[&b"test"[..]][..], &[b"te", b"st"], &[b""], &[b"te", b"st", b"test", b"t"]] {
        for mut script in Script::both() {
            let is_client = script.role == Role::Client;
            if is_client {
                script.open(End::Stream);
            }
            let fields = if is_client { REPLY } else { REQUEST };
            script.send(headers(1, flag::NONE, &with_length(fields, "8"))).forget();
            for (at, piece) in pieces.iter().enumerate() {
                let end = if at + 1 == pieces.len() { flag::END_STREAM } else { flag::NONE };
                script.send(data(1, end, piece));
            }
            script.expect_stream_error(1, ErrorCode::PROTOCOL_ERROR);
        }
    }
}

/// §8.1.1: the same when the stream ends with the head, or with trailers.
#[test]
fn a_content_length_without_data_is_a_stream_error() {
    let mut script = Script::server();
    script.send(headers(1, flag::END_STREAM, &with_length(REQUEST, "8")));
    script.expect_stream_error(1, ErrorCode::PROTOCOL_ERROR);
    script.send(headers(3, flag::NONE, &with_length(REQUEST, "8")));
    script.send(data(3, flag::NONE, b"test")).forget();
    script.send(headers(3, flag::END_STREAM, TRAILERS));
    script.expect_stream_error(3, ErrorCode::PROTOCOL_ERROR);
    let mut script = asked("POST");
    script.send(headers(1, flag::END_STREAM, &with_length(REPLY, "8")));
    script.expect_stream_error(1, ErrorCode::PROTOCOL_ERROR);
}

/// §8.1.1: a content-length that fits; padding does not count for it.
#[test]
fn a_content_length_that_fits_is_taken() {
    let mut script = Script::server();
    script.send(headers(1, flag::NONE, &with_length(REQUEST, "8")));
    script.send(data(1, flag::PADDED, &padded(b"test", 9)));
    script.send(data(1, flag::NONE, b"test")).send(headers(1, flag::END_STREAM, TRAILERS));
    let events = script.events();
    assert!(
        matches!(events[..], [Seen::Head { .. }, Seen::Data { .. }, Seen::Trailers { .. }]),
        "{events:?}"
    );
    script.send(headers(3, flag::END_STREAM, &with_length(REQUEST, "0")));
    assert!(matches!(script.events()[..], [Seen::Head { end: End::Stream, .. }]));
}

/// §8.1.1: replies to HEAD, and 204 and 304, have no content whatever their content-length says.
#[test]
fn replies_without_content_may_have_a_content_length() {
    for (method, status) in [("HEAD", "200"), ("GET", "304"), ("GET", "204")] {
        let mut script = asked(method);
        script.send(headers(1, flag::END_STREAM, &with_length(&[(":status", status)], "8")));
        assert!(matches!(script.events()[..], [Seen::Head { end: End::Stream, .. }]));
        let mut script = asked(method);
        script.send(headers(1, flag::NONE, &with_length(&[(":status", status)], "8"))).forget();
        script.send(data(1, flag::END_STREAM, b"12345678"));
        script.expect_stream_error(1, ErrorCode::PROTOCOL_ERROR);
    }
}
