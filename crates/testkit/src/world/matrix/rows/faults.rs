//! What nodes do wrong with streams, connections, and replies.

use std::sync::Arc;
use std::time::Duration;

use narrows_gateway::reply::Cause;
use narrows_gateway::snapshot::{Timeouts, Upstream};
use narrows_wire::codec::ErrorCode;
use narrows_wire::h2;

use super::super::node::{Begins, Then};
use super::super::{Ends, Row};
use super::{BASE, all, begun, broken, script};

pub(in super::super) static FAULTS: &[Row] = &[
    Row {
        name: "a reset: REFUSED_STREAM",
        script: script(Begins::Nothing, Then::Resets(ErrorCode::REFUSED_STREAM)),
        ends: all(Cause::Unprocessed),
        requests: 2,
        ..BASE
    },
    Row {
        name: "a reset: CANCEL",
        script: script(Begins::Nothing, Then::Resets(ErrorCode::CANCEL)),
        ends: all(Cause::UpstreamCancelled),
        requests: 1,
        ..BASE
    },
    Row {
        name: "a reset: ENHANCE_YOUR_CALM",
        script: script(Begins::Nothing, Then::Resets(ErrorCode::ENHANCE_YOUR_CALM)),
        ends: all(Cause::UpstreamCalm),
        requests: 1,
        ..BASE
    },
    Row {
        name: "a reset: INADEQUATE_SECURITY",
        script: script(Begins::Nothing, Then::Resets(ErrorCode::INADEQUATE_SECURITY)),
        ends: all(Cause::UpstreamInsecure),
        requests: 1,
        ..BASE
    },
    Row {
        name: "a reset: INTERNAL_ERROR",
        script: script(Begins::Nothing, Then::Resets(ErrorCode::INTERNAL_ERROR)),
        ends: all(Cause::UpstreamReset),
        requests: 1,
        ..BASE
    },
    Row {
        name: "a reset: PROTOCOL_ERROR",
        script: script(Begins::Nothing, Then::Resets(ErrorCode::PROTOCOL_ERROR)),
        ends: all(Cause::UpstreamReset),
        requests: 1,
        ..BASE
    },
    Row {
        name: "a reset: NO_ERROR",
        script: script(Begins::Nothing, Then::Resets(ErrorCode::NO_ERROR)),
        ends: all(Cause::UpstreamReset),
        requests: 1,
        ..BASE
    },
    Row {
        name: "a reset after a head",
        script: script(Begins::Head, Then::Resets(ErrorCode::INTERNAL_ERROR)),
        ends: begun(Cause::UpstreamReset, ErrorCode::INTERNAL_ERROR),
        ..BASE
    },
    Row {
        name: "a reset after a message",
        script: script(Begins::Message, Then::Resets(ErrorCode::INTERNAL_ERROR)),
        ends: begun(Cause::UpstreamReset, ErrorCode::INTERNAL_ERROR),
        ..BASE
    },
    Row {
        name: "a reset within a message",
        script: script(Begins::Part, Then::Resets(ErrorCode::INTERNAL_ERROR)),
        ends: broken(Cause::UpstreamReset, ErrorCode::INTERNAL_ERROR),
        ..BASE
    },
    Row {
        name: "a refusal that comes after a message",
        script: script(Begins::Message, Then::Resets(ErrorCode::REFUSED_STREAM)),
        ends: begun(Cause::Unprocessed, ErrorCode::INTERNAL_ERROR),
        ..BASE
    },
    Row {
        name: "a cancel within a message",
        script: script(Begins::Part, Then::Resets(ErrorCode::CANCEL)),
        ends: broken(Cause::UpstreamCancelled, ErrorCode::CANCEL),
        ..BASE
    },
    Row {
        name: "a connection that ends before a reply",
        script: script(Begins::Nothing, Then::Closes),
        ends: all(Cause::UpstreamClosed),
        ..BASE
    },
    Row {
        name: "a connection that ends after a message",
        script: script(Begins::Message, Then::Closes),
        ends: begun(Cause::UpstreamClosed, ErrorCode::INTERNAL_ERROR),
        ..BASE
    },
    Row {
        name: "a connection that ends within a message",
        script: script(Begins::Part, Then::Closes),
        ends: broken(Cause::UpstreamClosed, ErrorCode::INTERNAL_ERROR),
        ..BASE
    },
    Row {
        name: "a node that goes away below the call",
        script: script(Begins::Nothing, Then::GoesAway),
        ends: all(Cause::Unprocessed),
        requests: 2,
        ..BASE
    },
    Row {
        name: "a node that goes away and finishes",
        script: script(Begins::Message, Then::EndsAndGoesAway),
        ends: [Ends::Well; 2],
        ..BASE
    },
    Row {
        name: "a reply without trailers",
        script: script(Begins::Message, Then::EndsBare),
        ends: [Ends::As(Cause::UpstreamNotGrpc), Ends::Well],
        ..BASE
    },
    Row {
        name: "a reply that ends within a message",
        script: script(Begins::Part, Then::EndsBare),
        ends: [Ends::Breaks(Cause::UpstreamNotGrpc, ErrorCode::INTERNAL_ERROR), Ends::Well],
        ..BASE
    },
    Row {
        name: "a message that is too large",
        script: script(Begins::Part, Then::EndsBare),
        route: |route| {
            route.timeouts = Timeouts::default();
            route.message_bytes_max = Some(8);
        },
        ends: [Ends::Breaks(Cause::MessageTooLarge, ErrorCode::ENHANCE_YOUR_CALM), Ends::Well],
        ..BASE
    },
    Row {
        name: "DATA that belongs to no stream",
        script: script(Begins::Nothing, Then::Writes(&[0, 0, 0, 0, 0, 0, 0, 0, 0])),
        ends: all(Cause::UpstreamProtocol),
        ..BASE
    },
    Row {
        name: "DATA that belongs to no stream, after a message",
        script: script(Begins::Message, Then::Writes(&[0, 0, 0, 0, 0, 0, 0, 0, 0])),
        ends: begun(Cause::UpstreamProtocol, ErrorCode::INTERNAL_ERROR),
        ..BASE
    },
    Row {
        name: "a head that does not end",
        script: script(Begins::Nothing, Then::Writes(&[0, 0, 1, 1, 0, 0, 0, 0, 1, 0x88])),
        upstream: impatient,
        ends: all(Cause::UpstreamProtocol),
        after: (300, 300),
        ..BASE
    },
    Row {
        name: "a field with a capital letter",
        script: script(
            Begins::Nothing,
            Then::Writes(&[0, 0, 6, 1, 4, 0, 0, 0, 1, 0x88, 0, 1, b'A', 1, b'b']),
        ),
        ends: all(Cause::UpstreamProtocol),
        ..BASE
    },
    Row {
        name: "a promise of a push",
        script: script(
            Begins::Nothing,
            Then::Writes(&[0, 0, 5, 5, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0x88]),
        ),
        ends: all(Cause::UpstreamProtocol),
        ..BASE
    },
    Row {
        name: "a window that overflows",
        script: script(
            Begins::Nothing,
            Then::Writes(&[0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff]),
        ),
        ends: all(Cause::UpstreamProtocol),
        ..BASE
    },
    Row {
        name: "an HPACK index that means nothing",
        script: script(Begins::Nothing, Then::Writes(&[0, 0, 1, 1, 4, 0, 0, 0, 1, 0xff])),
        ends: all(Cause::UpstreamProtocol),
        ..BASE
    },
];

fn impatient(upstream: &mut Upstream) {
    let limits = h2::Config { header_timeout: Duration::from_millis(300), ..h2::Config::default() };
    upstream.h2 = Arc::new(limits);
}
