//! One call of the simulated world: what was planned, what came of it, and whether that is right.
//!
//! Bodies are one gRPC message whose bytes follow from the call, the direction, and the place, so that a
//! byte that is lost, doubled, or from another stream shows at once.

use narrows_wire::codec::ErrorCode;

use super::Plan;
use super::rng::mix;

/// What a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The node reads everything and answers.
    Echo,
    /// The node answers before it has read everything, and never takes the rest.
    Early,
    /// The node answers with a status only.
    Fails,
    /// The node refuses the first attempt without processing it.
    RefusedOnce,
    /// The node resets its stream in the middle of its reply.
    ResetMidway,
    /// The node ends its reply without trailers.
    NoTrailers,
    /// The caller cancels.
    Cancelled,
    /// The node never answers; the caller has a deadline.
    Silent,
    /// The node never answers, and the caller has all the time; the route has not.
    Mute,
    /// The request's message is larger than the route takes.
    Huge,
    /// The caller does not name a job.
    NoJob,
    /// No store knows the job.
    UnknownJob,
    /// The job is where nothing may connect to.
    ForbiddenJob,
    /// The job's node refuses connections.
    DeadNode,
    /// The job's node does not answer to connections.
    BlackHole,
    /// The first node answers UNAVAILABLE, another one answers.
    BusyOnce,
    /// The first node answers UNAVAILABLE and asks to be called again later.
    Later,
    /// Nodes answer UNAVAILABLE and ask not to be called again.
    KeepOff,
    /// The first node resets its stream without a reply.
    ResetOnce,
    /// The first node never answers.
    MuteOnce,
}

/// How a call ended for its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// With a gRPC status.
    Status(u8),
    /// With RST_STREAM.
    Reset(ErrorCode),
    /// The caller reset it.
    Cancelled,
    /// With its connection.
    Lost,
}

/// A call.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its number in the world.
    pub id: u64,
    /// What it is about.
    pub mode: Mode,
    /// The job it names.
    pub job: String,
    /// Bytes of the request's message.
    pub up: u64,
    /// Bytes of the reply's message.
    pub down: u64,
    /// Bytes of the reply that came.
    pub received: u64,
    /// How it ended.
    pub fate: Option<Fate>,
    /// What the gateway or the node said of it (`grpc-message`).
    pub message: String,
}

/// Modes that only mean something where calls are tried again come last; no call has them by chance.
pub(super) const CHANCE_MODES: usize = 15;

/// The order of the modes on the wire (`x-mode`).
pub(super) const MODES: [Mode; 20] = [
    Mode::Echo,
    Mode::Early,
    Mode::Fails,
    Mode::RefusedOnce,
    Mode::ResetMidway,
    Mode::NoTrailers,
    Mode::Cancelled,
    Mode::Silent,
    Mode::Mute,
    Mode::Huge,
    Mode::NoJob,
    Mode::UnknownJob,
    Mode::ForbiddenJob,
    Mode::DeadNode,
    Mode::BlackHole,
    Mode::BusyOnce,
    Mode::Later,
    Mode::KeepOff,
    Mode::ResetOnce,
    Mode::MuteOnce,
];

/// Which body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Up,
    Down,
}

// === impl Call ===

impl Call {
    /// Whether it ended as it should have. Where connections are cut it may have ended badly, and where
    /// there is little room it may have been turned away, but never wrongly.
    pub(super) fn verdict(&self, plan: Plan) -> Result<(), String> {
        let Some(fate) = self.fate else { return Err("has no end".into()) };
        let whole = self.received == body_bytes(self.down);
        if fate == Fate::Status(0) && !whole {
            return Err(format!("is OK with {} bytes", self.received));
        }
        let fits = match self.mode {
            Mode::Echo
            | Mode::RefusedOnce
            | Mode::Early
            | Mode::BusyOnce
            | Mode::Later
            | Mode::ResetOnce
            | Mode::MuteOnce => fate == Fate::Status(0),
            Mode::Fails => fate == Fate::Status(9),
            Mode::ResetMidway => {
                matches!(fate, Fate::Status(13) | Fate::Reset(ErrorCode::INTERNAL_ERROR))
            }
            Mode::NoTrailers => fate == Fate::Status(13),
            Mode::Cancelled => matches!(fate, Fate::Cancelled | Fate::Status(0)),
            Mode::Silent | Mode::Mute => fate == Fate::Status(4),
            Mode::Huge => fate == Fate::Status(8),
            Mode::NoJob => fate == Fate::Status(3),
            Mode::UnknownJob => fate == Fate::Status(5),
            Mode::ForbiddenJob => fate == Fate::Status(7),
            Mode::DeadNode | Mode::BlackHole | Mode::KeepOff => fate == Fate::Status(14),
        };
        let turned_away = plan.tight && matches!(fate, Fate::Status(8 | 14));
        let excused = turned_away || (plan.cuts || plan.hostile) && fate != Fate::Status(0);
        if fits || excused { Ok(()) } else { Err("ended wrongly".into()) }
    }
}

/// Bytes of a body with one message of so many bytes.
pub(super) fn body_bytes(message: u64) -> u64 {
    message + 5
}

/// The byte of a body at a place.
pub(super) fn body_byte(call: u64, way: Way, message: u64, at: u64) -> u8 {
    match at {
        0 => 0,
        1..5 => (message as u32).to_be_bytes()[at as usize - 1],
        _ => mix(call ^ (at << 20) ^ ((way as u64) << 63)) as u8,
    }
}

/// A part of a body.
pub(super) fn body_part(call: u64, way: Way, message: u64, from: u64, len: u64) -> Vec<u8> {
    (from..from + len).map(|at| body_byte(call, way, message, at)).collect()
}

/// The place of the first byte that is not what it should be.
pub(super) fn first_wrong(
    call: u64,
    way: Way,
    message: u64,
    from: u64,
    data: &[u8],
) -> Option<u64> {
    let wrong = |(at, byte): &(u64, &u8)| body_byte(call, way, message, *at) != **byte;
    (from..).zip(data).find(wrong).map(|(at, _)| at)
}
