//! Limits in time of a call, and which place of the configuration says so.
//!
//! A route, its upstream, and the listener may each write any of them; what the most specific place writes
//! holds, and where none writes anything the default. They are looked up when a call begins, waits, or needs a
//! connection, so that nothing of it is on the path of its bytes. `worker/timers.rs` has what is due when, and
//! the table of `reply.rs` what a caller is told.

use std::time::Duration;

use narrows_wire::Time;

use crate::reply::Cause;

/// As good as never: a hundred years, far from where arithmetic overflows. Written `none`.
pub const NEVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// What one place writes. `None`: nothing; [`NEVER`]: that there is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timeouts {
    /// TCP connect to a node, for a connection that is made for the call.
    pub connect: Option<Duration>,
    /// The TLS handshake on it.
    pub tls: Option<Duration>,
    /// Waiting for a stream on a connection.
    pub acquire: Option<Duration>,
    /// Bytes that wait make no progress, towards the node or the client.
    pub write: Option<Duration>,
    /// From when the whole request has left for the node to the head of the reply.
    pub response: Option<Duration>,
    /// Without a byte of the reply's body, while the client takes what comes.
    pub body: Option<Duration>,
    /// Without a byte of the body in either direction.
    pub idle: Option<Duration>,
    /// From the first HEADERS to the end, whatever the client allows.
    pub total: Option<Duration>,
    /// Cap of `grpc-timeout`. Applies only to calls that carry one.
    pub grpc_timeout_max: Option<Duration>,
    /// Without a byte in either direction of a tunnel; takes the place of `idle`.
    pub tunnel_idle: Option<Duration>,
}

/// What the places of a call write, the most specific first.
#[derive(Debug, Clone, Copy)]
pub struct Layers<'a>(pub [&'a Timeouts; 3]);

/// What holds where no place writes anything. `write` has its defaults in the engines.
const DEFAULTS: Timeouts = Timeouts {
    connect: Some(Duration::from_secs(2)),
    tls: Some(Duration::from_secs(2)),
    acquire: Some(Duration::from_secs(5)),
    tunnel_idle: Some(Duration::from_secs(3600)),
    ..Timeouts::NOTHING
};

/// The stages whose limit in time can pass, by the cause that says so; names of the counter.
pub const STAGES: [(Cause, &str); 14] = [
    (Cause::HeadTimeout, "parse"),
    (Cause::LookupTimeout, "resolve"),
    (Cause::ConnectTimeout, "connect"),
    (Cause::TlsTimeout, "tls"),
    (Cause::AcquireTimeout, "acquire"),
    (Cause::LateBeforeWrite, "prewrite"),
    (Cause::WriteTimeout, "write"),
    (Cause::ResponseTimeout, "response"),
    (Cause::PerTryTimeout, "per_try"),
    (Cause::BodyTimeout, "request_body"),
    (Cause::ReplyBodyTimeout, "body"),
    (Cause::IdleTimeout, "idle"),
    (Cause::TotalTimeout, "total"),
    (Cause::Deadline, "deadline"),
];

// === impl Timeouts ===

impl Timeouts {
    /// A place that writes nothing.
    pub const NOTHING: Self = Self {
        connect: None,
        tls: None,
        acquire: None,
        write: None,
        response: None,
        body: None,
        idle: None,
        total: None,
        grpc_timeout_max: None,
        tunnel_idle: None,
    };
}

// === impl Layers ===

impl Layers<'_> {
    /// A limit; `None`: there is none.
    #[inline]
    pub fn limit(&self, pick: impl Fn(&Timeouts) -> Option<Duration>) -> Option<Duration> {
        let [route, upstream, listener] = self.0;
        let written = pick(route).or_else(|| pick(upstream)).or_else(|| pick(listener));
        written.or_else(|| pick(&DEFAULTS)).filter(|limit| *limit < NEVER)
    }

    /// When a limit passes that begins now.
    #[inline]
    pub fn due(&self, now: Time, pick: impl Fn(&Timeouts) -> Option<Duration>) -> Time {
        self.limit(pick).map_or(Time::NEVER, |limit| now + limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_most_specific_place_that_writes_a_limit_wins() {
        let nothing = Timeouts::default();
        let write = |response| Timeouts { response: Some(response), ..Timeouts::default() };
        let (one, two, three) = (write(SECOND), write(2 * SECOND), write(3 * SECOND));
        let response = |layers: [&Timeouts; 3]| Layers(layers).limit(|place| place.response);
        assert_eq!(response([&one, &two, &three]), Some(SECOND));
        assert_eq!(response([&nothing, &two, &three]), Some(2 * SECOND));
        assert_eq!(response([&nothing, &nothing, &three]), Some(3 * SECOND));
        assert_eq!(response([&nothing; 3]), None);
    }

    #[test]
    fn that_there_is_no_limit_can_be_written_over_one() {
        let never = Timeouts { connect: Some(NEVER), ..Timeouts::default() };
        let second = Timeouts { connect: Some(SECOND), ..Timeouts::default() };
        let connect = |layers| Layers(layers).limit(|place| place.connect);
        assert_eq!(connect([&never, &second, &second]), None);
        assert_eq!(connect([&Timeouts::NOTHING; 3]), Some(2 * SECOND));
        let due = Layers([&never; 3]).due(Time::ZERO, |place| place.connect);
        assert_eq!(due, Time::NEVER);
    }

    #[test]
    fn each_stage_has_a_cause_and_a_name_of_its_own() {
        for (at, (cause, name)) in STAGES.iter().enumerate() {
            for (other, name_of_other) in &STAGES[..at] {
                assert!(cause != other && name != name_of_other, "{name}");
            }
        }
    }
}
