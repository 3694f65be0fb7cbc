//! The life of a stream as a table (RFC 9113 §5.1), and of the message in each of its directions (§8.1).
//!
//! ```text
//!                      HEADERS                           each direction: Head -> Body -> Ended
//!   Idle ------------------------------> Active { recv, send }
//!                                          |       \
//!                    both directions Ended |        \ RST_STREAM, either way
//!                                          v         v
//!                               Closed(Ended)     Closed(ResetByUs | ResetByPeer)
//! ```
//! `Active` with a direction `Ended` is what the RFC calls half-closed; `reserved` does not exist, as push
//! is disabled. The table is a pure function: it knows neither windows nor content.

use crate::codec::{ConnectionError, ErrorCode, Reason};
use crate::codec::{End, Party};

/// Where a stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Idle,
    Active { recv: Half, send: Half },
    Closed(Cause),
}

/// How far the message of one direction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    /// Its head has not come yet.
    Head,
    /// Data or trailers come next.
    Body,
    /// END_STREAM.
    Ended,
}

/// How a stream came to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Both directions ended.
    Ended,
    ResetByUs,
    ResetByPeer,
    /// So long ago, or skipped, that nobody knows.
    Forgotten,
}

/// A frame that came or goes, as far as the state minds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Headers(End),
    Data(End),
    Reset,
    WindowUpdate,
}

/// What to do about a frame that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing: it crossed with something of ours. It is charged.
    Ignore,
    /// Reset the stream.
    Stream(ErrorCode, Reason),
    /// Close the connection.
    Connection(ConnectionError),
}

// === impl State ===

impl State {
    /// A frame came. The order of the arms is that of how often they are taken.
    #[inline]
    pub(super) fn receive(self, step: Step) -> Result<Self, Fault> {
        match (self, step) {
            (Self::Active { recv, send }, Step::Data(end)) => {
                Ok(Self::of(recv.receive_data(end)?, send))
            }
            (Self::Active { recv, send }, Step::Headers(end)) => {
                Ok(Self::of(recv.receive_headers(end)?, send))
            }
            (Self::Active { .. }, Step::WindowUpdate) => Ok(self),
            (Self::Active { .. }, Step::Reset) => Ok(Self::Closed(Cause::ResetByPeer)),
            // RFC 9113 §5.1: a stream begins with HEADERS.
            (Self::Idle, Step::Headers(end)) => Ok(Self::of(Half::Head.after(end), Half::Head)),
            (Self::Idle, _) => {
                Err(Fault::Connection(ConnectionError::protocol(Reason::StreamIdle)))
            }
            (Self::Closed(cause), step) => Err(cause.fault(step)),
        }
    }

    /// We want to send a frame. None if it has no place here: the caller's fault.
    #[inline]
    pub(super) fn send(self, step: Step) -> Option<Self> {
        match (self, step) {
            (Self::Active { recv, send: Half::Body }, Step::Data(end)) => {
                Some(Self::of(recv, Half::Body.after(end)))
            }
            (Self::Active { recv, send: Half::Head }, Step::Headers(end)) => {
                Some(Self::of(recv, Half::Head.after(end)))
            }
            // Trailers; they end the stream (§8.1).
            (Self::Active { recv, send: Half::Body }, Step::Headers(End::Stream)) => {
                Some(Self::of(recv, Half::Ended))
            }
            (Self::Active { .. }, Step::Reset) => Some(Self::Closed(Cause::ResetByUs)),
            (Self::Active { .. }, Step::WindowUpdate) => Some(self),
            (Self::Idle, Step::Headers(end)) => Some(Self::of(Half::Head, Half::Head.after(end))),
            _ => None,
        }
    }

    /// Whether both directions are over.
    #[inline]
    pub(super) fn is_closed(self) -> bool {
        matches!(self, Self::Closed(_))
    }

    /// Whether the peer may still send a message, or the rest of one.
    #[inline]
    pub(super) fn receives(self) -> bool {
        matches!(self, Self::Active { recv: Half::Head | Half::Body, .. })
    }

    /// Whether we have sent all, and the peer has not.
    #[inline]
    pub(super) fn is_sent(self) -> bool {
        matches!(self, Self::Active { send: Half::Ended, .. })
    }

    /// Whether the head that we send has not gone yet.
    #[inline]
    pub(super) fn awaits_our_head(self) -> bool {
        matches!(self, Self::Active { send: Half::Head, .. })
    }

    /// Whether the peer's head has not come yet.
    #[inline]
    pub(super) fn awaits_head(self) -> bool {
        matches!(self, Self::Active { recv: Half::Head, .. })
    }

    #[inline]
    fn of(recv: Half, send: Half) -> Self {
        match (recv, send) {
            (Half::Ended, Half::Ended) => Self::Closed(Cause::Ended),
            _ => Self::Active { recv, send },
        }
    }
}

// === impl Half ===

impl Half {
    #[inline]
    fn after(self, end: End) -> Self {
        match end {
            End::Open => Self::Body,
            End::Stream => Self::Ended,
        }
    }

    #[inline]
    fn receive_data(self, end: End) -> Result<Self, Fault> {
        match self {
            Self::Body => Ok(self.after(end)),
            // RFC 9113 §8.1: a message begins with its head.
            Self::Head => Err(Fault::Stream(ErrorCode::PROTOCOL_ERROR, Reason::DataBeforeHead)),
            // RFC 9113 §5.1, half-closed (remote).
            Self::Ended => Err(Fault::Stream(ErrorCode::STREAM_CLOSED, Reason::StreamEnded)),
        }
    }

    #[inline]
    fn receive_headers(self, end: End) -> Result<Self, Fault> {
        match (self, end) {
            (Self::Head, _) => Ok(self.after(end)),
            (Self::Body, End::Stream) => Ok(Self::Ended),
            // RFC 9113 §8.1: a field section after the head ends the stream, or the message is malformed.
            (Self::Body, End::Open) => {
                Err(Fault::Stream(ErrorCode::PROTOCOL_ERROR, Reason::TrailersWithoutEnd))
            }
            (Self::Ended, _) => Err(Fault::Stream(ErrorCode::STREAM_CLOSED, Reason::StreamEnded)),
        }
    }
}

// === impl Cause ===

impl Cause {
    /// RFC 9113 §5.1, closed.
    fn fault(self, step: Step) -> Fault {
        let ended = Fault::Stream(ErrorCode::STREAM_CLOSED, Reason::StreamEnded);
        match (self, step) {
            // What the peer sent before it read our reset, or crossed with the end of the stream.
            (Self::ResetByUs, _) | (_, Step::WindowUpdate | Step::Reset) => Fault::Ignore,
            (Self::ResetByPeer, _) | (Self::Forgotten, Step::Data(_)) => ended,
            // The peer has said itself that nothing follows.
            (Self::Ended, _) => Fault::Connection(ConnectionError::new(
                ErrorCode::STREAM_CLOSED,
                Reason::StreamEnded,
            )),
            // RFC 9113 §5.1.1: ids only grow.
            (Self::Forgotten, Step::Headers(_)) => {
                Fault::Connection(ConnectionError::protocol(Reason::StreamIdOrder))
            }
        }
    }

    /// The cause of a reset by `party`.
    pub(super) fn reset_by(party: Party) -> Self {
        match party {
            Party::Us => Self::ResetByUs,
            Party::Peer => Self::ResetByPeer,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    const STATES: [State; 10] = {
        use Half::{Body, Ended, Head};
        [
            State::Idle,
            State::Active { recv: Head, send: Body },
            State::Active { recv: Head, send: Ended },
            State::Active { recv: Body, send: Head },
            State::Active { recv: Body, send: Ended },
            State::Active { recv: Ended, send: Body },
            State::Closed(Cause::Ended),
            State::Closed(Cause::ResetByUs),
            State::Closed(Cause::ResetByPeer),
            State::Closed(Cause::Forgotten),
        ]
    };
    const STEPS: [Step; 6] = [
        Step::Headers(End::Open),
        Step::Headers(End::Stream),
        Step::Data(End::Open),
        Step::Data(End::Stream),
        Step::Reset,
        Step::WindowUpdate,
    ];

    fn short(state: State) -> String {
        match state {
            State::Active { recv, send } => format!("{recv:?}/{send:?}"),
            State::Closed(cause) => format!("{cause:?}"),
            State::Idle => "Idle".to_owned(),
        }
    }

    /// Every pair of state and frame, the illegal ones too. `a/b`: receives a, sends b; `!` resets the
    /// stream, `!!` closes the connection, `-` is ignored, and for what we send, `x` is not sent.
    #[test]
    fn the_whole_table() {
        let mut table = String::new();
        for state in STATES {
            let _ = write!(table, "{:12}", short(state));
            for step in STEPS {
                let cell = match state.receive(step) {
                    Ok(next) => short(next),
                    Err(Fault::Ignore) => "-".to_owned(),
                    Err(Fault::Stream(code, _)) => format!("!{code}"),
                    Err(Fault::Connection(error)) => format!("!!{}", error.code),
                };
                let _ = write!(table, " {cell:16}");
            }
            table = table.trim_end().to_owned() + "\n" + &format!("{:12}", "  sent");
            for step in STEPS {
                let cell = state.send(step).map_or("x".to_owned(), short);
                let _ = write!(table, " {cell:16}");
            }
            table = table.trim_end().to_owned() + "\n";
        }
        assert_eq!(table, TABLE, "\n{table}");
    }

    /// Columns: HEADERS, HEADERS with END_STREAM, DATA, DATA with END_STREAM, RST_STREAM, WINDOW_UPDATE.
    const TABLE: &str = "\
Idle         Body/Head        Ended/Head       !!PROTOCOL_ERROR !!PROTOCOL_ERROR !!PROTOCOL_ERROR !!PROTOCOL_ERROR
  sent       Head/Body        Head/Ended       x                x                x                x
Head/Body    Body/Body        Ended/Body       !PROTOCOL_ERROR  !PROTOCOL_ERROR  ResetByPeer      Head/Body
  sent       x                Head/Ended       Head/Body        Head/Ended       ResetByUs        Head/Body
Head/Ended   Body/Ended       Ended            !PROTOCOL_ERROR  !PROTOCOL_ERROR  ResetByPeer      Head/Ended
  sent       x                x                x                x                ResetByUs        Head/Ended
Body/Head    !PROTOCOL_ERROR  Ended/Head       Body/Head        Ended/Head       ResetByPeer      Body/Head
  sent       Body/Body        Body/Ended       x                x                ResetByUs        Body/Head
Body/Ended   !PROTOCOL_ERROR  Ended            Body/Ended       Ended            ResetByPeer      Body/Ended
  sent       x                x                x                x                ResetByUs        Body/Ended
Ended/Body   !STREAM_CLOSED   !STREAM_CLOSED   !STREAM_CLOSED   !STREAM_CLOSED   ResetByPeer      Ended/Body
  sent       x                Ended            Ended/Body       Ended            ResetByUs        Ended/Body
Ended        !!STREAM_CLOSED  !!STREAM_CLOSED  !!STREAM_CLOSED  !!STREAM_CLOSED  -                -
  sent       x                x                x                x                x                x
ResetByUs    -                -                -                -                -                -
  sent       x                x                x                x                x                x
ResetByPeer  !STREAM_CLOSED   !STREAM_CLOSED   !STREAM_CLOSED   !STREAM_CLOSED   -                -
  sent       x                x                x                x                x                x
Forgotten    !!PROTOCOL_ERROR !!PROTOCOL_ERROR !STREAM_CLOSED   !STREAM_CLOSED   -                -
  sent       x                x                x                x                x                x
";
}
