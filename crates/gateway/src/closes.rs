//! Why connections end, each counted once: the label `reason` of the counters of closes.
//!
//! The first reason that is known counts, and what comes of it does not. A connection that takes no more calls, because
//! it is old or one side goes away, ends for that, even if it is the peer who hangs up in the end.

use std::io;

use narrows_wire::codec::{ConnectionError, ErrorCode, Reason, Refusal};
use narrows_wire::h1::Fault;

use crate::stats::Counter;

macro_rules! closes {
    ($($(#[$doc:meta])* $close:ident $label:literal)*) => {
        /// Why a connection ended.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Close {
            $($(#[$doc])* $close,)*
        }

        impl Close {
            /// Every reason, in the order of the enum.
            pub const ALL: &[Self] = &[$(Self::$close),*];

            /// Its label.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$close => $label,)*
                }
            }
        }
    };
}

closes! {
    /// No TCP connection to the node came about.
    ConnectFailed "connect_failed"
    /// TCP towards the node took too long.
    ConnectTimeout "connect_timeout"
    /// TLS towards the node took too long.
    TlsTimeout "tls_timeout"
    /// TLS could not agree, or agreed on a protocol that is not spoken.
    HandshakeFailed "handshake_failed"
    /// A client did not shake hands, or did not show what it speaks, in time.
    HandshakeTimeout "handshake_timeout"
    /// A source has as many connections as it may.
    Refused "refused"
    /// No stream for as long as is allowed.
    Idle "idle"
    /// As old as is allowed.
    Age "age"
    /// The peer said that it takes no more: GOAWAY.
    GoAway "goaway"
    /// The peer ended its direction.
    PeerFin "peer_fin"
    /// The peer, or what stands between, cut the connection.
    PeerReset "peer_reset"
    /// It said nothing, and did not answer PING.
    KeepaliveTimeout "keepalive_timeout"
    /// The network failed otherwise: keepalive of TCP went unanswered, no route.
    Network "network"
    /// TLS failed after its handshake.
    Tls "tls"
    /// What the peer had begun to send did not go on in time.
    ReadTimeout "read_timeout"
    /// The peer took nothing of what it was sent in time.
    WriteTimeout "write_timeout"
    /// The peer broke the protocol, or a limit of it.
    Protocol "protocol"
    /// The peer went over a limit against abuse.
    Abuse "abuse"
    /// Nothing is left to be said: a last reply of HTTP/1, a tunnel with two ends.
    Finished "finished"
    /// The gateway or the node drains, or the listener is no more.
    Drained "drained"
    /// The grace of a drain is over.
    Shutdown "shutdown"
}

/// What is known of why a connection ends.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ending {
    /// Why it takes no more calls.
    leaving: Option<Close>,
    /// Why it ended.
    close: Option<Close>,
}

/// A counter for each reason.
#[derive(Debug, Default)]
pub struct Closes([Counter; Close::ALL.len()]);

// === impl Close ===

impl Close {
    /// That of a connection which an engine ended.
    pub fn of_error(error: ConnectionError) -> Self {
        match Self::of_reason(error.reason) {
            Self::Protocol if error.code == ErrorCode::ENHANCE_YOUR_CALM => Self::Abuse,
            close => close,
        }
    }

    /// That of a connection which ends with a stream that broke off.
    pub fn of_reason(reason: Reason) -> Self {
        match reason {
            Reason::PrefaceLate
            | Reason::SettingsAckLate
            | Reason::HeaderLate
            | Reason::Http1(Fault::HeadLate | Fault::BodyLate) => Self::ReadTimeout,
            Reason::StreamStalled | Reason::OutputStalled => Self::WriteTimeout,
            Reason::PeerReset => Self::PeerReset,
            Reason::PeerWentAway => Self::GoAway,
            Reason::Owner(_) => Self::Finished,
            Reason::Http1(Fault::Truncated | Fault::ClosedEarly) => Self::PeerFin,
            _ => Self::Protocol,
        }
    }

    /// That of a connection which ends behind the answer to a refused request.
    pub fn of_refusal(refusal: Refusal) -> Self {
        Self::of_reason(refusal.reason())
    }

    /// That of a connection on which reading or writing failed.
    pub fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Self::PeerReset,
            _ => Self::Network,
        }
    }

    /// Whether it says no more than that the connection ended, not why.
    fn is_mere_end(self) -> bool {
        matches!(self, Self::PeerFin | Self::PeerReset | Self::Finished)
    }
}

// === impl Ending ===

impl Ending {
    /// It takes no more calls, and will end for that.
    pub fn leave(&mut self, close: Close) {
        self.leaving.get_or_insert(close);
    }

    /// It ends.
    pub fn end(&mut self, close: Close) {
        let leaving = self.leaving.filter(|_| close.is_mere_end());
        self.close.get_or_insert(leaving.unwrap_or(close));
    }

    /// Why it ended.
    pub fn close(&self) -> Close {
        self.close.or(self.leaving).unwrap_or(Close::Finished)
    }
}

// === impl Closes ===

impl Closes {
    /// The counter of a reason.
    pub fn of(&self, close: Close) -> &Counter {
        &self.0[close as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_label_of_its_own() {
        let mut labels: Vec<_> = Close::ALL.iter().map(|close| close.label()).collect();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), Close::ALL.len());
        for (at, close) in Close::ALL.iter().enumerate() {
            assert_eq!(*close as usize, at);
        }
    }

    #[test]
    fn what_an_engine_says_is_told_apart() {
        let error = |code, reason| ConnectionError { code, reason };
        for (reason, close) in [
            (Reason::HeaderLate, Close::ReadTimeout),
            (Reason::OutputStalled, Close::WriteTimeout),
            (Reason::FrameTooLong, Close::Protocol),
            (Reason::Http1(Fault::Truncated), Close::PeerFin),
        ] {
            assert_eq!(Close::of_error(error(ErrorCode::PROTOCOL_ERROR, reason)), close);
        }
        let flood = error(ErrorCode::ENHANCE_YOUR_CALM, Reason::PingFlood);
        assert_eq!(Close::of_error(flood), Close::Abuse);
    }

    #[test]
    fn the_first_reason_counts_and_a_mere_end_gives_way_to_why_it_came() {
        let ended = |leaving: Option<Close>, ends: &[Close]| {
            let mut ending = Ending { leaving, close: None };
            ends.iter().for_each(|close| ending.end(*close));
            ending.close()
        };
        assert_eq!(ended(None, &[Close::Idle, Close::PeerReset]), Close::Idle);
        assert_eq!(ended(Some(Close::GoAway), &[Close::PeerFin]), Close::GoAway);
        assert_eq!(ended(Some(Close::Age), &[Close::Protocol]), Close::Protocol);
        assert_eq!(ended(None, &[]), Close::Finished);
    }

    #[test]
    fn a_cut_connection_is_told_from_a_dead_network() {
        for (kind, close) in [
            (io::ErrorKind::ConnectionReset, Close::PeerReset),
            (io::ErrorKind::BrokenPipe, Close::PeerReset),
            (io::ErrorKind::TimedOut, Close::Network),
        ] {
            assert_eq!(Close::of_io(&kind.into()), close);
        }
    }
}
