//! A server of HTTP/1.1 that takes RFC 9112 by the letter and keeps a record of what it was sent.
//!
//! It is for looking at what the gateway writes: where a server in use is lenient, this one notes a fault. It
//! answers each request with its target as the body, so that a reply can be told from any other. `reply.rs` reads
//! replies in the same way.

mod reply;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use narrows_testkit::servers::Seen;

pub use reply::{NoReply, Reply, read_reply};

/// Bytes of a line. What is longer is a fault.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// A running server.
#[derive(Debug)]
pub struct Recorder {
    /// Where it listens.
    pub address: SocketAddr,
    record: Arc<Mutex<Record>>,
}

/// What came.
#[derive(Debug, Default)]
struct Record {
    seen: Vec<Seen>,
    faults: Vec<String>,
}

/// A head: its first line in parts, and its fields.
#[derive(Debug)]
struct Request {
    method: String,
    target: String,
    fields: Vec<(String, Vec<u8>)>,
}

/// Why no request follows.
enum Stop {
    /// The connection ended between two requests, or in the middle of one.
    End,
    Fault(String),
}

type Read1<T> = Result<T, Stop>;

// === impl Recorder ===

impl Recorder {
    /// Starts it. It ends with the process.
    ///
    /// # Panics
    ///
    /// When the machine has no free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let record = Arc::new(Mutex::default());
        let shared = Arc::clone(&record);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let record = Arc::clone(&shared);
                thread::spawn(move || serve(stream, &record));
            }
        });
        Self { address, record }
    }

    /// The requests that were whole and without a fault.
    pub fn seen(&self) -> Vec<Seen> {
        self.record.lock().expect("nobody panics with it").seen.clone()
    }

    /// What broke a rule.
    pub fn faults(&self) -> Vec<String> {
        self.record.lock().expect("nobody panics with it").faults.clone()
    }
}

fn serve(stream: TcpStream, record: &Mutex<Record>) {
    let Ok(mut out) = stream.try_clone() else { return };
    let mut input = BufReader::new(stream);
    loop {
        let request = match head(&mut input) {
            Ok(request) => request,
            Err(Stop::End) => return,
            Err(Stop::Fault(fault)) => return note(record, fault),
        };
        if request.expects_continue() {
            let _ = out.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        let body = match request.check().and_then(|framing| body(&mut input, framing)) {
            Ok(body) => body,
            Err(Stop::End) => return,
            Err(Stop::Fault(fault)) => return note(record, format!("{fault} in {request:?}")),
        };
        let Request { method, target, .. } = request;
        let text = if method == "HEAD" { "" } else { target.as_str() };
        let reply = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", target.len());
        let seen = Seen { method, target, body: Some(body), status: Some(200) };
        record.lock().expect("nobody panics with it").seen.push(seen);
        if out.write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}

fn note(record: &Mutex<Record>, fault: String) {
    record.lock().expect("nobody panics with it").faults.push(fault);
}

fn fault<T>(what: &str, line: &[u8]) -> Read1<T> {
    Err(Stop::Fault(format!("{what}: {}", line.escape_ascii())))
}

/// A line without its CR LF, in which neither may stand.
fn line(input: &mut impl BufRead) -> Read1<Vec<u8>> {
    let mut line = Vec::new();
    let read = input.take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
    if read.is_err() || !line.ends_with(b"\n") {
        return if line.len() as u64 == LINE_BYTES_MAX {
            fault("long line", &[])
        } else {
            Err(Stop::End)
        };
    }
    line.pop();
    if line.pop() != Some(b'\r') || line.contains(&b'\r') {
        return fault("line that does not end with CR LF", &line);
    }
    Ok(line)
}

/// RFC 9112 §3, with the forms of a target that an origin server is sent.
fn head(input: &mut impl BufRead) -> Read1<Request> {
    let first = line(input)?;
    let Some(text) = first.strip_suffix(b" HTTP/1.1") else { return fault("first line", &first) };
    let Some(space) = text.iter().position(|byte| *byte == b' ') else {
        return fault("first line", &first);
    };
    let (method, target) = (&text[..space], &text[space + 1..]);
    let is_form = target.first() == Some(&b'/') || (target == b"*" && method == b"OPTIONS");
    let is_legal = |byte: &u8| byte.is_ascii_graphic() && *byte != b'#';
    if !is_token(method) || !is_form || !target.iter().all(is_legal) {
        return fault("first line", &first);
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Request { method: text(method), target: text(target), fields: fields(input)? })
}

/// RFC 9112 §5, and RFC 9110 §5.5 for values.
fn fields(input: &mut impl BufRead) -> Read1<Vec<(String, Vec<u8>)>> {
    let mut fields = Vec::new();
    loop {
        let line = line(input)?;
        if line.is_empty() {
            return Ok(fields);
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return fault("field", &line);
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii_start());
        let is_space = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
        let is_text = value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..));
        if !is_token(name) || !is_text || is_space(value.last()) {
            return fault("field", &line);
        }
        fields.push((String::from_utf8_lossy(name).to_ascii_lowercase(), value.to_vec()));
    }
}

/// RFC 9110 §5.6.2.
fn is_token(text: &[u8]) -> bool {
    let is_tchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(is_tchar)
}

/// Where a body ends.
enum Framing {
    Length(u64),
    Chunked,
}

// === impl Request ===

impl Request {
    fn all(&self, name: &str) -> Vec<&[u8]> {
        let fields = self.fields.iter().filter(|(other, _)| other == name);
        fields.map(|(_, value)| value.as_slice()).collect()
    }

    fn expects_continue(&self) -> bool {
        self.all("expect").iter().any(|value| value.eq_ignore_ascii_case(b"100-continue"))
    }

    /// One Host; one length of digits or one coding, never both; nothing of another hop.
    fn check(&self) -> Read1<Framing> {
        if self.all("host").len() != 1 {
            return fault("not one Host", b"");
        }
        for (option, name) in [("te", "te"), ("close", ""), ("upgrade", "upgrade")] {
            let is_named = self.all("connection").iter().any(|value| lists(value, option));
            if is_named && !name.is_empty() && self.all(name).is_empty() {
                return fault("Connection names what is not there", option.as_bytes());
            }
        }
        for name in ["keep-alive", "proxy-connection", "http2-settings"] {
            if !self.all(name).is_empty() {
                return fault("field of another hop", name.as_bytes());
            }
        }
        match (self.all("content-length").as_slice(), self.all("transfer-encoding").as_slice()) {
            ([], []) => Ok(Framing::Length(0)),
            ([], [b"chunked"]) => Ok(Framing::Chunked),
            ([length], []) if length.iter().all(u8::is_ascii_digit) => {
                let length = std::str::from_utf8(length).ok().and_then(|text| text.parse().ok());
                length.map_or_else(|| fault("length", b""), |length| Ok(Framing::Length(length)))
            }
            _ => fault("framing", b""),
        }
    }
}

fn lists(value: &[u8], option: &str) -> bool {
    let options = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    options.into_iter().any(|one| one.eq_ignore_ascii_case(option.as_bytes()))
}

/// Reads a body; how long it is.
fn body(input: &mut impl BufRead, framing: Framing) -> Read1<u64> {
    match framing {
        Framing::Length(length) => copy(input, length, &mut std::io::sink()).map(|()| length),
        Framing::Chunked => chunks(input, &mut std::io::sink()),
    }
}

/// RFC 9112 §7.1: digits and nothing else in the line of a chunk.
fn chunks(input: &mut impl BufRead, into: &mut impl Write) -> Read1<u64> {
    let mut whole = 0;
    loop {
        let line = line(input)?;
        let text = std::str::from_utf8(&line).unwrap_or_default();
        let size = u64::from_str_radix(text, 16).ok();
        let Some(size) = size.filter(|_| line.iter().all(u8::is_ascii_hexdigit)) else {
            return fault("chunk", &line);
        };
        if size == 0 {
            return trailers(input).map(|()| whole);
        }
        copy(input, size, into)?;
        let mut end = [0; 2];
        input.read_exact(&mut end).map_err(|_| Stop::End)?;
        if end != *b"\r\n" {
            return fault("end of a chunk", &end);
        }
        whole += size;
    }
}

/// RFC 9110 §6.5.1: nothing there that decides how the message is read.
fn trailers(input: &mut impl BufRead) -> Read1<()> {
    for (name, _) in fields(input)? {
        if matches!(name.as_str(), "content-length" | "transfer-encoding" | "host" | "connection") {
            return fault("trailer", name.as_bytes());
        }
    }
    Ok(())
}

fn copy(input: &mut impl BufRead, length: u64, into: &mut impl Write) -> Read1<()> {
    let read = std::io::copy(&mut input.take(length), into);
    if read.is_ok_and(|read| read == length) { Ok(()) } else { Err(Stop::End) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(text: &str) -> Vec<String> {
        let recorder = Recorder::start();
        let mut client = TcpStream::connect(recorder.address).unwrap();
        client.write_all(text.as_bytes()).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        client.read_to_end(&mut Vec::new()).unwrap();
        assert_eq!(recorder.seen().len(), text.matches("/good").count(), "{text}");
        recorder.faults()
    }

    #[test]
    fn what_the_letter_allows_passes() {
        let two = "POST /good HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\
                   3\r\nabc\r\n0\r\nx: y\r\n\r\nGET /good HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(faults_of(two), Vec::<String>::new());
    }

    #[test]
    fn anything_else_is_noted() {
        for text in [
            "GET / HTTP/1.1\nhost: a\r\n\r\n",
            "GET / HTTP/1.0\r\nhost: a\r\n\r\n",
            "GET  / HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nx : y\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\n x: y\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nx: \0\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: +1\r\n\r\nx",
            "GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 0\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1;x\r\na\r\n0\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\nhost: b\r\n\r\n",
        ] {
            assert_eq!(faults_of(text).len(), 1, "{text}");
        }
    }
}
