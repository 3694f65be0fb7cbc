//! RFC 9113 §5.1.2: how many streams may be open at once.

use narrows_wire::codec::{End, ErrorCode, OpenError, Role};
use narrows_wire::h2::Config;

use crate::frames::*;
use crate::script::{Script, Seen, head};

/// §5.1.2: the limit is announced, and a stream beyond it is refused, which says that it was not processed.
#[test]
fn a_stream_over_the_limit_is_refused() {
    let config = Config { max_concurrent_streams: 3, ..Config::default() };
    let mut script = Script::fresh(Role::Server, &config);
    script.command(|_| ());
    let announced = script.frames().remove(0).payload;
    let entry = [0, setting::MAX_CONCURRENT_STREAMS as u8, 0, 0, 0, 3];
    assert!(announced.as_chunks::<6>().0.contains(&entry), "{announced:?}");

    let mut script = Script::with(Role::Server, &config);
    for id in [1, 3, 5] {
        script.stream(id, End::Stream);
    }
    script.send(headers(7, flag::END_STREAM, REQUEST));
    assert!(script.events().is_empty());
    script.expect_stream_error(7, ErrorCode::REFUSED_STREAM);
}

/// §5.1.2: half-closed streams count, closed ones do not.
#[test]
fn a_closed_stream_makes_room() {
    let config = Config { max_concurrent_streams: 2, ..Config::default() };
    let mut script = Script::with(Role::Server, &config);
    let first = script.stream(1, End::Stream);
    script.stream(3, End::Open);
    script.finish(first);
    script.stream(5, End::Stream);
    script.send(headers(7, flag::END_STREAM, REQUEST));
    script.expect_stream_error(7, ErrorCode::REFUSED_STREAM);
}

/// §5.1.2: our client keeps to the limit of its peer, also when that is lowered, and to none.
#[test]
fn our_client_keeps_to_the_limit() {
    let mut script = Script::client();
    let room = |script: &mut Script| script.command(|connection| connection.capacity());
    script.send(settings(&[(setting::MAX_CONCURRENT_STREAMS, 2)]));
    assert_eq!(room(&mut script), 2);
    script.open(End::Stream);
    script.open(End::Stream);
    assert_eq!(room(&mut script), 0);
    let now = narrows_wire::Time::ZERO;
    let open = |script: &mut Script| {
        script.command(|connection| connection.open(now, 0, &head(REQUEST), End::Stream))
    };
    assert_eq!(open(&mut script), Err(OpenError::Full));
    script.send(settings(&[(setting::MAX_CONCURRENT_STREAMS, 1)]));
    script.send(headers(1, flag::END_STREAM, REPLY));
    assert_eq!(open(&mut script), Err(OpenError::Full), "one is still open");
    script.send(headers(3, flag::END_STREAM, REPLY));
    assert_eq!(room(&mut script), 1);
    script.send(settings(&[(setting::MAX_CONCURRENT_STREAMS, 0)]));
    assert_eq!((room(&mut script), open(&mut script)), (0, Err(OpenError::Full)));
}

/// §5.1.2: a limit below what is open leaves open what is.
#[test]
fn a_lowered_limit_leaves_open_streams_alone() {
    let mut script = Script::client();
    script.open(End::Stream);
    script.open(End::Stream);
    script.send(settings(&[(setting::MAX_CONCURRENT_STREAMS, 0)])).forget();
    for id in [1, 3] {
        script.send(headers(id, flag::END_STREAM, REPLY));
        assert!(matches!(script.events()[..], [Seen::Head { end: End::Stream, .. }]));
    }
}
