//! What calls say of the nodes that had them.
//!
//! Each call that leaves its node is judged once: the node did what it was asked, or failed it in some way, or nothing
//! can be said. What counts as a failure the upstream says; see `outlier.rs` for what comes of it.

use std::rc::Rc;

use narrows_wire::Time;

use crate::balance::{Balanced, Peer};
use crate::exchange::Exchange;
use crate::outlier::Fault;
use crate::reply::Cause;
use crate::snapshot::Targets;

/// How a call went, as far as its node has to answer for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The node did what it was asked.
    Success,
    /// The node did not.
    Failure(Fault),
    /// The call ended for reasons of others.
    Unknown,
}

/// The node that was chosen has the exchange no longer.
pub(super) fn detach(exchange: &mut Exchange, outcome: Outcome, now: Time) {
    if let Some(peer) = exchange.peer.take() {
        release(exchange, &peer, outcome, now);
    }
}

/// A node of the upstream of an exchange has it no longer.
pub(super) fn release(exchange: &Exchange, peer: &Rc<Peer>, outcome: Outcome, now: Time) {
    peer.end();
    match (outcome, exchange.upstream().map(|upstream| &upstream.targets)) {
        (Outcome::Success, _) => succeed(peer),
        (Outcome::Failure(fault), Some(Targets::Balanced(balanced))) => {
            fail((exchange, balanced), peer, fault, now);
        }
        (Outcome::Failure(_) | Outcome::Unknown, _) => {}
    }
}

fn succeed(peer: &Peer) {
    peer.endpoint.shard(peer.worker).successes.add(1);
    peer.endpoint.succeed();
}

#[cold]
fn fail((exchange, balanced): (&Exchange, &Balanced), peer: &Rc<Peer>, fault: Fault, now: Time) {
    let detection = &balanced.outliers;
    match (detection.failures.contain(fault), fault) {
        (true, _) => {
            peer.endpoint.shard(peer.worker).failures.add(1);
            peer.on_failure(now.since(exchange.times.chosen), now);
            exchange.active.on_failure(exchange.upstream, peer);
        }
        // An answer that counts as none of the failures is an answer.
        (false, Fault::Http(_) | Fault::Grpc(_)) => return succeed(peer),
        (false, Fault::Connect | Fault::Timeout | Fault::Reset) => {}
    }
    detection.on_failure(&balanced.endpoints, &peer.endpoint, fault, now);
}

/// How an exchange that has ended went at its node.
pub(super) fn outcome(exchange: &Exchange) -> Outcome {
    match (exchange.cause, exchange.grpc_status) {
        (Some(cause), _) => blame(cause),
        (None, Some(0)) => Outcome::Success,
        (None, Some(code)) => Outcome::Failure(Fault::Grpc(code)),
        (None, None) if exchange.status >= 500 => Outcome::Failure(Fault::Http(exchange.status)),
        (None, None) => Outcome::Success,
    }
}

/// What the gateway ended a call for says of its node.
pub(super) fn blame(cause: Cause) -> Outcome {
    match cause {
        Cause::ConnectFailed | Cause::ConnectTimeout | Cause::TlsTimeout => {
            Outcome::Failure(Fault::Connect)
        }
        Cause::ResponseTimeout | Cause::PerTryTimeout | Cause::ReplyBodyTimeout => {
            Outcome::Failure(Fault::Timeout)
        }
        Cause::UpstreamReset
        | Cause::UpstreamClosed
        | Cause::UpstreamProtocol
        | Cause::UpstreamCalm
        | Cause::UpstreamNotGrpc
        | Cause::Unprocessed => Outcome::Failure(Fault::Reset),
        _ => Outcome::Unknown,
    }
}
