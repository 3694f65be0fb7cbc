//! One record as a line.
//!
//! Bytes from the wire are hostile: control characters are escaped, also those above ASCII, so that no line
//! can be forged and no terminal driven; what is not UTF-8 becomes U+FFFD. A field that does not apply is
//! left out of a JSON line and is `-` in a `combined` one.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use narrows_gateway::record::{Kind, Record, Text};

use super::Format;
use crate::time_format::{self, Stamp};

/// Canonical names of the gRPC statuses, by number.
const GRPC_NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Appends the line of a record.
pub(super) fn write(out: &mut Vec<u8>, record: &Record, format: Format) {
    match format {
        Format::Json => json(out, record),
        Format::Combined => combined(out, record),
    }
    out.push(b'\n');
}

fn json(out: &mut Vec<u8>, record: &Record) {
    out.extend_from_slice(b"{\"ts\":\"");
    time_format::push(out, record.unix_time, Stamp::Millis);
    out.extend_from_slice(b"\",\"level\":\"info\",\"msg\":\"access\"");
    if record.kind != Kind::End {
        string(out, "kind", if record.kind == Kind::Start { b"start" } else { b"periodic" });
    }
    request(out, record);
    target(out, record);
    answer(out, record);
    timings(out, record);
    number(out, "bytes_in", record.bytes_in);
    number(out, "bytes_out", record.bytes_out);
    optional(out, "msgs_in", record.messages_in);
    optional(out, "msgs_out", record.messages_out);
    number(out, "attempts", u64::from(record.attempts));
    if let Some(cause) = record.cause {
        let row = cause.row();
        string(out, "response_flags", row.flag.as_bytes());
        string(out, "reason", row.reason.as_bytes());
    }
    text(out, "tls_version", record.tls_version.as_bytes());
    text(out, "sni", record.text(Text::Sni));
    text(out, "user_agent", record.text(Text::UserAgent));
    text(out, "job", record.text(Text::Job));
    out.push(b'}');
}

fn request(out: &mut Vec<u8>, record: &Record) {
    text(out, "request_id", record.text(Text::RequestId));
    if let Some((trace, span)) = trace(record.text(Text::Traceparent)) {
        string(out, "trace_id", trace);
        string(out, "span_id", span);
    }
    if let Some(client) = record.client {
        display(out, "client_ip", client);
    }
    if let Some(peer) = record.peer {
        display(out, "peer", peer);
    }
    text(out, "listener", record.listener.as_deref().unwrap_or_default().as_bytes());
    text(out, "protocol", record.protocol.as_bytes());
    text(out, "method", record.text(Text::Method));
    text(out, "authority", record.text(Text::Authority));
    text(out, "path", record.text(Text::Path));
}

fn target(out: &mut Vec<u8>, record: &Record) {
    text(out, "route", record.route.as_deref().unwrap_or_default().as_bytes());
    text(out, "upstream", record.upstream.as_deref().unwrap_or_default().as_bytes());
    if let Some(node) = record.node {
        display(out, "node", node);
    }
}

fn answer(out: &mut Vec<u8>, record: &Record) {
    if record.status != 0 {
        number(out, "status", u64::from(record.status));
    }
    if let Some(code) = record.grpc_status {
        number(out, "grpc_status", u64::from(code));
        let name = GRPC_NAMES.get(usize::from(code)).copied().unwrap_or("UNKNOWN");
        string(out, "grpc_status_name", name.as_bytes());
    }
    text(out, "grpc_message", record.text(Text::GrpcMessage));
}

fn timings(out: &mut Vec<u8>, record: &Record) {
    let stages = &record.stages;
    millis(out, "duration_ms", Some(stages.total));
    millis(out, "ttfb_ms", stages.first_byte);
    millis(out, "t_queue_ms", stages.queue);
    millis(out, "t_resolve_ms", stages.resolve);
    millis(out, "t_connect_ms", stages.connect);
}

/// `$remote_addr - - [time] "request" status bytes "referer" "agent"`; the referer is not recorded.
fn combined(out: &mut Vec<u8>, record: &Record) {
    match record.client {
        // Writing to a vector does not fail, here and below.
        Some(client) => _ = write!(out, "{client}"),
        None => out.push(b'-'),
    }
    out.extend_from_slice(b" - - [");
    time_format::push(out, record.unix_time, Stamp::Combined);
    out.extend_from_slice(b"] \"");
    escaped(out, record.text(Text::Method));
    out.push(b' ');
    escaped(out, record.text(Text::Path));
    let _ = write!(out, " {}\" ", record.protocol);
    match record.status {
        0 => out.push(b'-'),
        status => _ = write!(out, "{status}"),
    }
    let _ = write!(out, " {} \"-\" \"", record.bytes_out);
    match record.text(Text::UserAgent) {
        [] => out.push(b'-'),
        agent => escaped(out, agent),
    }
    out.push(b'"');
}

/// Trace and span of a `traceparent`: `00-<32 hex>-<16 hex>-<2 hex>`; `None` when it is not one.
fn trace(header: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = header.split(|b| *b == b'-');
    let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
    let hex = |part: &[u8], len| part.len() == len && part.iter().all(u8::is_ascii_hexdigit);
    (hex(version, 2) && hex(trace, 32) && hex(span, 16)).then_some((trace, span))
}

/// A field with a text, if there is one.
fn text(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    if !value.is_empty() {
        string(out, name, value);
    }
}

fn string(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    key(out, name);
    out.push(b'"');
    escaped(out, value);
    out.push(b'"');
}

fn display(out: &mut Vec<u8>, name: &str, value: impl std::fmt::Display) {
    key(out, name);
    let _ = write!(out, "\"{value}\"");
}

fn number(out: &mut Vec<u8>, name: &str, value: u64) {
    key(out, name);
    let _ = write!(out, "{value}");
}

fn optional(out: &mut Vec<u8>, name: &str, value: Option<u64>) {
    if let Some(value) = value {
        number(out, name, value);
    }
}

/// Milliseconds with three places, if the stage was there.
fn millis(out: &mut Vec<u8>, name: &str, value: Option<Duration>) {
    if let Some(value) = value {
        let micros = value.as_micros();
        key(out, name);
        let _ = write!(out, "{}.{:03}", micros / 1000, micros % 1000);
    }
}

fn key(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// The bytes as the inside of a JSON string.
fn escaped(out: &mut Vec<u8>, value: &[u8]) {
    // Nearly every value is plain ASCII and goes through as it is.
    if value.iter().all(|b| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\')) {
        out.extend_from_slice(value);
        return;
    }
    let mut text = String::with_capacity(value.len() + 16);
    for c in String::from_utf8_lossy(value).chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c if c.is_control() => _ = write!(text, "\\u{:04x}", u32::from(c)),
            c => text.push(c),
        }
    }
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use narrows_gateway::record::Stages;
    use narrows_gateway::reply::Cause;

    use super::*;

    #[test]
    fn a_json_line_has_the_fields_of_the_call_under_their_names() {
        let value = parse(&full_record());
        let expected = serde_json::json!({
            "ts": "2026-02-28T23:59:59.012Z", "level": "info", "msg": "access",
            "request_id": "r-1", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7",
            "client_ip": "10.0.0.9", "peer": "10.0.0.9:4000", "listener": "0.0.0.0:8091", "protocol": "HTTP/2",
            "method": "POST", "authority": "gw", "path": "/a.B/C", "route": "jobs", "upstream": "nodes",
            "node": "10.1.0.7:50051", "status": 200, "grpc_status": 5, "grpc_status_name": "NOT_FOUND",
            "grpc_message": "gone", "duration_ms": 12.345, "ttfb_ms": 1.0, "t_resolve_ms": 0.007,
            "bytes_in": 10, "bytes_out": 20, "msgs_in": 1, "attempts": 2, "response_flags": "NR",
            "reason": "unknown_job", "tls_version": "TLSv1.3", "sni": "gw.local", "user_agent": "grpc-go/1",
            "job": "job-7",
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn nothing_from_the_wire_can_forge_a_line_or_break_the_json() {
        let mut record = Record::default();
        record.set_text(Text::Path, b"/a\n{\"ts\":\"x\"}\r\t\x1b[2J\x00\x7f\xc2\x9b");
        record.set_text(Text::Job, b"\xff\xfe job \xe4\xbd\xa0");
        record.set_text(Text::UserAgent, b"quote\" and back\\slash");
        let mut line = Vec::new();
        write(&mut line, &record, Format::Json);
        let body = line.strip_suffix(b"\n").expect("one newline at the end");
        assert!(!String::from_utf8(body.to_vec()).expect("UTF-8").contains(char::is_control));
        let value = parse(&record);
        assert_eq!(value["path"], "/a\n{\"ts\":\"x\"}\r\t\u{1b}[2J\0\u{7f}\u{9b}");
        assert_eq!(value["job"], "\u{fffd}\u{fffd} job \u{4f60}");
        assert_eq!(value["user_agent"], "quote\" and back\\slash");
    }

    #[test]
    fn a_record_in_between_says_so() {
        let mut record = Record::default();
        record.kind = Kind::Periodic;
        assert_eq!(parse(&record)["kind"], "periodic");
        assert!(parse(&record).get("status").is_none());
    }

    #[test]
    fn what_is_no_traceparent_gives_no_ids() {
        assert_eq!(trace(b""), None);
        assert_eq!(trace(b"00-xyz-1-01"), None);
        assert_eq!(trace(b"00-4bf92f3577b34da6a3ce929d0e0e4736"), None);
    }

    #[test]
    fn a_combined_line_is_the_one_that_log_tools_know() {
        let mut line = Vec::new();
        write(&mut line, &full_record(), Format::Combined);
        let expected = "10.0.0.9 - - [28/Feb/2026:23:59:59 +0000] \"POST /a.B/C HTTP/2\" 200 20 \"-\" \"grpc-go/1\"\n";
        assert_eq!(String::from_utf8(line).expect("UTF-8"), expected);
    }

    fn parse(record: &Record) -> serde_json::Value {
        let mut line = Vec::new();
        write(&mut line, record, Format::Json);
        serde_json::from_slice(&line).expect("JSON")
    }

    fn full_record() -> Record {
        let mut record = Record::default();
        record.unix_time = Duration::from_millis(1_772_323_199_012);
        record.client = Some([10, 0, 0, 9].into());
        record.peer = Some(([10, 0, 0, 9], 4000).into());
        record.listener = Some("0.0.0.0:8091".into());
        record.protocol = "HTTP/2";
        record.tls_version = "TLSv1.3";
        record.route = Some("jobs".into());
        record.upstream = Some("nodes".into());
        record.node = Some(([10, 1, 0, 7], 50051).into());
        record.status = 200;
        record.grpc_status = Some(5);
        record.cause = Some(Cause::UnknownJob);
        record.stages = Stages {
            total: Duration::from_micros(12_345),
            first_byte: Some(Duration::from_millis(1)),
            resolve: Some(Duration::from_nanos(7_900)),
            ..Stages::default()
        };
        record.bytes_in = 10;
        record.bytes_out = 20;
        record.messages_in = Some(1);
        record.attempts = 2;
        for (field, value) in [
            (Text::Method, "POST"),
            (Text::Authority, "gw"),
            (Text::Path, "/a.B/C"),
            (Text::UserAgent, "grpc-go/1"),
            (Text::RequestId, "r-1"),
            (Text::Traceparent, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            (Text::GrpcMessage, "gone"),
            (Text::Sni, "gw.local"),
            (Text::Job, "job-7"),
        ] {
            record.set_text(field, value.as_bytes());
        }
        record
    }
}
