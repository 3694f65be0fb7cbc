//! State by event: what each thing that can happen does in each state of a connection, written down as a
//! table. A change of behaviour shows as a change here.

use std::fmt::Write;

use narrows_wire::codec::{End, ErrorCode};

use crate::message::{Script, Seen, head};

type Step = (&'static str, fn(&mut Script));

const STATES_OF_A_SERVER: &[Step] = &[
    ("idle", |_| {}),
    ("in a head", |script| drop(script.send("GET / HT"))),
    ("in a body", |script| drop(script.send(POST))),
    ("asked", |script| drop(script.send(GET))),
    ("replying", |script| {
        script.send(GET);
        reply(script, End::Open);
    }),
    ("replied early", |script| {
        script.send(POST);
        reply(script, End::Stream);
    }),
    ("discarding", |script| {
        script.send(POST);
        reply(script, End::Stream);
        script.reset();
        release(script);
    }),
    ("replied", |script| {
        script.send(GET);
        reply(script, End::Stream);
    }),
    ("refused", |script| drop(script.send("GET /\r\n\r\n"))),
    ("tunnel", |script| {
        script.send("CONNECT b:1 HTTP/1.1\r\nHost: b\r\n\r\n");
        reply(script, End::Open);
    }),
    ("draining", |script| {
        script.send(GET);
        script.connection.drain(script.now);
    }),
    ("closed", |script| script.connection.close(ErrorCode::NO_ERROR, "")),
];

const STATES_OF_A_CLIENT: &[Step] = &[
    ("idle", |_| {}),
    ("asking", |script| {
        script.ask(&[(":method", "POST")], End::Open).ok();
    }),
    ("asked", |script| {
        script.ask(&[], End::Stream).ok();
    }),
    ("in a head", |script| {
        script.ask(&[], End::Stream).ok();
        script.send("HTTP/1.1 2");
    }),
    ("in a body", |script| {
        script.ask(&[], End::Stream).ok();
        script.send("HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\n");
    }),
    ("until the end", |script| {
        script.ask(&[], End::Stream).ok();
        script.send("HTTP/1.1 200 x\r\n\r\n");
    }),
    ("answered early", |script| {
        script.ask(&[(":method", "POST")], End::Open).ok();
        script.send("HTTP/1.1 204 x\r\n\r\n");
    }),
    ("tunnel offered", |script| {
        script.ask(&[(":method", "CONNECT")], End::Open).ok();
    }),
    ("tunnel", |script| {
        script.ask(&[(":method", "CONNECT")], End::Open).ok();
        script.send("HTTP/1.1 200 x\r\n\r\n");
    }),
    ("over", |script| {
        script.ask(&[], End::Stream).ok();
        script.reset();
        script.events();
    }),
];

const EVENTS: &[Step] = &[
    ("byte", |script| script.left.push(b'x')),
    ("end", |script| script.connection.end_input(script.now)),
    ("head", |script| reply(script, End::Open)),
    ("data", |script| {
        if let Some(key) = script.key {
            script.connection.send_data(key, b"y", End::Stream);
        }
    }),
    ("reset", |script| {
        if let Some(key) = script.key {
            script.connection.reset(key, ErrorCode::CANCEL);
        }
    }),
    ("release", release),
    ("drain", |script| script.connection.drain(script.now)),
    ("late", |script| {
        for _ in 0..2 {
            script.now = script.now + std::time::Duration::from_secs(100);
            if script.connection.deadline() <= script.now {
                script.connection.on_deadline(script.now);
            }
        }
    }),
];

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n";

fn reply(script: &mut Script, end: End) {
    if let Some(key) = script.key {
        let fields = [(":status", "200"), ("content-length", "1")];
        let fields = if end == End::Open { &fields[..] } else { &fields[..1] };
        script.connection.send_head(key, &head(fields), end);
    }
}

fn release(script: &mut Script) {
    if let Some(key) = script.key {
        script.connection.release(key);
    }
}

/// One line for each pair: the events that come of it, what is written, what may come next.
fn table(new: fn() -> Script, states: &[Step]) -> String {
    let mut table = String::new();
    for (state, enter) in states {
        for (event, act) in EVENTS {
            let mut script = new();
            enter(&mut script);
            script.written();
            act(&mut script);
            let seen: Vec<_> = script.events().iter().map(name).collect();
            let written = script.written();
            let line = written.split("\r\n").next().unwrap_or_default();
            let connection = &script.connection;
            let next = match (connection.is_closed(), connection.is_draining()) {
                (true, _) => "closed",
                (false, true) => "leaves",
                (false, false) => "stays",
            };
            let takes = if connection.accepts_input() { "" } else { ", paused" };
            let streams = connection.active_streams();
            let seen = if seen.is_empty() { "-".to_owned() } else { seen.join(" ") };
            let line = if line.is_empty() { String::new() } else { format!(" > {line}") };
            writeln!(table, "{state:>14} {event:<7} {seen}{line} [{streams} {next}{takes}]").ok();
        }
    }
    table
}

fn name(seen: &Seen) -> String {
    match seen {
        Seen::Head { end, .. } => format!("Head({end:?})"),
        Seen::Refused { refusal, .. } => format!("Refused({refusal:?})"),
        Seen::Informational { .. } => "Informational".to_owned(),
        Seen::Data { data, end } => format!("Data({}, {end:?})", data.len()),
        Seen::Trailers { .. } => "Trailers".to_owned(),
        Seen::Reset { by, reason } => format!("Reset({by:?}: {reason})"),
        Seen::Sent { bytes } => format!("Sent({bytes})"),
        Seen::Drained => "Drained".to_owned(),
        Seen::Closed { reason } => format!("Closed({reason})"),
    }
}

fn compare(file: &str, table: &str) {
    let path = format!("{}/tests/h1/{file}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("NARROWS_WRITE_TABLES").is_some() {
        std::fs::write(&path, table).expect("the table can be written");
    }
    let expected = std::fs::read_to_string(&path).expect("the table is there");
    for (now, then) in table.lines().zip(expected.lines()) {
        assert_eq!(now, then, "NARROWS_WRITE_TABLES=1 writes {file} anew");
    }
    assert_eq!(table.lines().count(), expected.lines().count());
}

#[test]
fn what_happens_to_a_server() {
    compare("states_server.txt", &table(Script::server, STATES_OF_A_SERVER));
}

#[test]
fn what_happens_to_a_client() {
    compare("states_client.txt", &table(Script::client, STATES_OF_A_CLIENT));
}
