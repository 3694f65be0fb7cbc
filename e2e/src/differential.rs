//! Sends hostile requests through the gateway and holds its record against that of the server behind it.
//!
//! The access log says what the gateway took for a request and how long its body was. The server must have seen
//! exactly those, in no other number and of no other length: two that agree on that can not be played off against
//! each other. Behind each request goes a probe on the same connection, and another one on a connection of its
//! own, which a reply that was left on a connection to the server would answer wrongly.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use narrows_testkit::process::{PATIENCE, eventually};
use narrows_testkit::servers::{Narrows, Seen};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::hostile::Case;
use crate::strict::{NoReply, read_reply};

/// Connections at once.
const CLIENTS: usize = 8;
/// A reply that does not come for so long may be waiting for more of the request: then the request ends.
const SILENCE: Duration = Duration::from_millis(150);

/// A request in the gateway's access log.
#[derive(Debug, Clone)]
struct Record {
    method: String,
    target: String,
    body: u64,
    status: u64,
    /// Why the gateway ended it, if it did.
    reason: Option<String>,
    was_forwarded: bool,
    client: Option<IpAddr>,
}

/// What one case came to on the wire.
#[derive(Debug)]
struct Outcome {
    number: usize,
    reply: Vec<u8>,
}

/// Whether replies of the server name the request that they answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replies {
    /// They are the target.
    Name,
    /// They may be anything.
    Vary,
}

/// A gateway in front of `server`, which speaks `protocol`.
pub fn gateway(server: SocketAddr, protocol: &str) -> Narrows {
    Narrows::start(&format!(
        "\
workers: 1
listeners:
  - address: 127.0.0.1:0
    timeouts: {{ parse: 5s, write: 5s }}
upstreams:
  server: {{ protocol: {protocol}, endpoints: ['{server}'] }}
routes:
  - name: all
    match: {{ path: {{ prefix: / }} }}
    upstream: server
access_log: {{ path: access.log }}
"
    ))
}

/// Sends all cases and returns every disagreement.
pub fn disagreements(
    gateway: &Narrows,
    cases: &[Case],
    replies: Replies,
    seen: impl Fn() -> Vec<Seen>,
) -> Vec<String> {
    let found = Mutex::new(Vec::new());
    let outcomes = Mutex::new(Vec::new());
    let address = gateway.address();
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (found, outcomes) = (&found, &outcomes);
            scope.spawn(move || {
                for case in cases.iter().skip(client).step_by(CLIENTS) {
                    let outcome = send(address, case);
                    let fault = probe(address, case.number, replies);
                    let mut found = found.lock().expect("nobody panics with it");
                    found.extend(fault.map(|fault| format!("{fault}, behind {}", text(case))));
                    outcomes.lock().expect("nobody panics with it").push(outcome);
                }
            });
        }
    });
    let mut found = found.into_inner().expect("nobody panics with it");
    let outcomes = outcomes.into_inner().expect("nobody panics with it");
    let records = settled(gateway, cases.len(), &seen);
    found.extend(connections(&records, &outcomes, cases));
    found.extend(compare(&records, &seen()));
    found
}

/// Returns every disagreement between the gateway and the server, once `probes` probes have passed both.
pub fn disagreements_about(
    gateway: &Narrows,
    probes: usize,
    seen: impl Fn() -> Vec<Seen>,
) -> Vec<String> {
    let records = settled(gateway, probes, &seen);
    compare(&records, &seen())
}

/// Sends a case and the probe behind it, and reads until the gateway closes.
fn send(to: SocketAddr, case: &Case) -> Outcome {
    let mut stream = connect(to, case.number);
    stream.set_read_timeout(Some(SILENCE)).expect("loopback takes options");
    let probe = format!("GET /p/{} HTTP/1.1\r\nHost: probe\r\n\r\n", case.number);
    // It may close before it has read everything.
    let _ = stream.write_all(&[&case.bytes, probe.as_bytes()].concat());
    let mut reply = Vec::new();
    let mut piece = [0; 16 << 10];
    let mut is_open = true;
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => reply.extend_from_slice(&piece[..read]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                assert!(
                    is_open,
                    "case {}: the gateway does not close: {}",
                    case.number,
                    text(case)
                );
                is_open = false;
                let _ = stream.shutdown(Shutdown::Write);
                stream.set_read_timeout(Some(PATIENCE)).expect("loopback takes options");
            }
            Err(_) => break,
        }
        let is_answered = reply.windows(9).filter(|window| window == b"HTTP/1.1 ").count() > 1;
        if is_answered && is_open {
            is_open = false;
            let _ = stream.shutdown(Shutdown::Write);
            stream.set_read_timeout(Some(PATIENCE)).expect("loopback takes options");
        }
    }
    Outcome { number: case.number, reply }
}

/// Each case has an address of its own, by which its records are found again.
fn client_of(number: usize) -> IpAddr {
    let [_, _, high, low] = (number as u32).to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(127, 1, high, low))
}

fn connect(to: SocketAddr, number: usize) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("there are sockets");
    let from = SocketAddr::new(client_of(number), 0);
    socket.bind(&from.into()).expect("all of 127.0.0.0/8 is ours");
    socket.connect(&to.into()).expect("the gateway accepts");
    socket.into()
}

/// Sends a good request, `/q/N`, on a new connection; what is wrong if it does not get its own reply.
pub fn probe(to: SocketAddr, number: usize, replies: Replies) -> Option<String> {
    let mut stream = TcpStream::connect(to).expect("the gateway accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("loopback takes options");
    let target = format!("/q/{number}");
    let request = format!("GET {target} HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the gateway reads");
    let mut input = BufReader::new(stream);
    let reply = read_reply(&mut input, "GET");
    let is_its_own = reply.as_ref().is_ok_and(|reply| match replies {
        Replies::Name => reply.status == 200 && reply.body == target.as_bytes(),
        Replies::Vary => true,
    });
    let is_last = read_reply(&mut input, "GET") == Err(NoReply::End);
    (!is_its_own || !is_last).then(|| format!("the probe {target} is answered {reply:?}"))
}

/// The access log once all probes are in it, and the server has seen those too.
fn settled(gateway: &Narrows, cases: usize, seen: &impl Fn() -> Vec<Seen>) -> Vec<Record> {
    let is_probe = |target: &str| target.starts_with("/q/");
    eventually("the access log is complete", || {
        records(gateway).iter().filter(|record| is_probe(&record.target)).count() == cases
    });
    eventually("the server has logged all probes", || {
        seen().iter().filter(|seen| is_probe(&seen.target)).count() >= cases
    });
    let records = records(gateway);
    let of_cases = records.iter().filter(|record| record.target.starts_with("/c/"));
    let forwarded = of_cases.filter(|record| record.was_forwarded).count();
    assert!((cases / 10..cases).contains(&forwarded), "{forwarded} of {cases} were forwarded");
    records
}

fn records(gateway: &Narrows) -> Vec<Record> {
    let log = fs::read(gateway.directory().join("access.log")).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let complete = log.rfind('\n').map_or("", |end| &log[..end]);
    complete.lines().map(record).collect()
}

fn record(line: &str) -> Record {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    Record {
        method: text("method"),
        target: text("path"),
        body: value["bytes_in"].as_u64().unwrap_or(0),
        status: value["status"].as_u64().unwrap_or(0),
        reason: value["reason"].as_str().map(str::to_owned),
        was_forwarded: value["node"].is_string(),
        client: text("client_ip").parse().ok(),
    }
}

/// What is wrong with single connections: a request that was refused and not the last, or not answered.
fn connections(records: &[Record], outcomes: &[Outcome], cases: &[Case]) -> Vec<String> {
    let mut by_client: HashMap<Option<IpAddr>, Vec<&Record>> = HashMap::new();
    for record in records {
        by_client.entry(record.client).or_default().push(record);
    }
    let mut found = Vec::new();
    for outcome in outcomes {
        let client = Some(client_of(outcome.number));
        let mine = by_client.get(&client).map_or(&[][..], Vec::as_slice);
        let shown = || format!("{mine:?} answered {}", outcome.reply.escape_ascii());
        let case = || text(&cases[outcome.number]);
        let refused = mine.iter().position(|record| record.is_refusal());
        if refused.is_some_and(|at| at + 1 < mine.len()) {
            found.push(format!("goes on behind a refusal: {} {}", case(), shown()));
        }
        let is_wrong = |record: &&&Record| !record.was_forwarded && record.reason.is_none();
        if mine.iter().any(|record| is_wrong(&record)) {
            found.push(format!("neither forwarded nor refused: {} {}", case(), shown()));
        }
        let replies = outcome.reply.windows(9).filter(|window| window == b"HTTP/1.1 ").count();
        if refused.is_some() && replies == 0 {
            found.push(format!("refused without a word: {} {}", case(), shown()));
        }
    }
    found
}

/// Holds what was forwarded against what was seen.
fn compare(records: &[Record], seen: &[Seen]) -> Vec<String> {
    let mut balance: BTreeMap<(String, String), Vec<&Seen>> = BTreeMap::new();
    for one in seen {
        balance.entry(name(&one.method, &one.target)).or_default().push(one);
    }
    let mut found = Vec::new();
    let forwarded = records.iter().filter(|record| record.was_forwarded);
    let (whole, broken): (Vec<_>, Vec<_>) = forwarded.partition(|record| record.reason.is_none());
    for record in whole {
        let matching = balance.entry(name(&record.method, &record.target)).or_default();
        // A case may hold two that differ in their bodies alone.
        let alike = matching.iter().position(|seen| !seen.differs(record));
        let found_as = alike.or(matching.len().checked_sub(1)).map(|at| matching.remove(at));
        match found_as {
            None if record.is_rejected() => {}
            None => found.push(format!("forwarded and not seen: {record:?}")),
            Some(seen) if seen.differs(record) => found.push(format!("{seen:?} is not {record:?}")),
            Some(_) => {}
        }
    }
    // One that was broken off may have been seen or not.
    for record in broken {
        if let Some(seen) = balance.get_mut(&name(&record.method, &record.target)) {
            seen.pop();
        }
    }
    // What a server can not read has no method or no target in its log.
    let left = balance
        .values()
        .flatten()
        .filter(|seen| !seen.method.is_empty() && !seen.target.is_empty());
    found.extend(left.map(|seen| format!("seen and not forwarded: {seen:?}")));
    found
}

fn text(case: &Case) -> String {
    format!("case {} {}", case.number, case.bytes[..case.bytes.len().min(400)].escape_ascii())
}

// === impl Record ===

impl Record {
    /// Whether the server had something against the request itself: its method, an escape in its target, what
    /// it expects. It has nothing against a probe, unless it takes something before it for its beginning.
    fn is_rejected(&self) -> bool {
        let is_probe = self.method == "GET"
            && (self.target.starts_with("/p/") || self.target.starts_with("/q/"));
        self.status >= 400 && !is_probe
    }

    /// Whether the gateway has found fault with it.
    fn is_refusal(&self) -> bool {
        self.reason.is_some() && !self.was_forwarded && self.status != 404 && self.status != 501
    }
}

/// What is the same for all servers: some write methods in upper case, some leave an empty query out.
fn name(method: &str, target: &str) -> (String, String) {
    (method.to_ascii_uppercase(), target.strip_suffix('?').unwrap_or(target).to_owned())
}

/// Compared with the record of the gateway.
trait Differs {
    fn differs(&self, record: &Record) -> bool;
}

impl Differs for Seen {
    /// A server that answers with an error may not have looked at the body.
    fn differs(&self, record: &Record) -> bool {
        let has_status = self.status.is_none_or(|status| u64::from(status) == record.status);
        let is_read = self.status.is_none_or(|status| status < 400);
        !has_status || (is_read && self.body.is_some_and(|body| body != record.body))
    }
}
