//! Speaks to the admin listener of a running gateway: one request, one connection.
//!
//! HTTP/1.0, so that a body ends where its length says or where the connection ends, and nothing else has to
//! be understood.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde_json::Value;

use crate::outcome::Failure;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A reload may have to read a store with millions of keys.
const READ_TIMEOUT: Duration = Duration::from_secs(300);
/// The largest reply that is read.
const REPLY_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The admin listener of a gateway.
#[derive(Debug, Clone)]
pub(crate) struct Admin {
    address: String,
}

// === impl Admin ===

impl Admin {
    pub(crate) fn new(address: &str) -> Self {
        let address = address.strip_prefix("http://").unwrap_or(address).trim_end_matches('/');
        Self { address: address.to_owned() }
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.call("GET", path, None)
    }

    /// A request; an answer that is an error is a failure with its text.
    pub(crate) fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let reply = self.exchange(method, path, body).map_err(|error| {
            let text = format!("no gateway answers at {}: {error}", self.address);
            Failure::Unreachable(text)
        })?;
        let (status, body) = parse(&reply).ok_or_else(|| {
            Failure::Unreachable(format!("what answers at {} is no gateway", self.address))
        })?;
        let value = serde_json::from_slice(body).map_err(|_| {
            Failure::Unreachable(format!("{} answers {status}, but not as a gateway", self.address))
        })?;
        if (200..300).contains(&status) { Ok(value) } else { Err(refused(&value)) }
    }

    fn exchange(&self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Vec<u8>> {
        let mut stream = self.connect()?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        stream.write_all(&request(&self.address, method, path, body))?;
        let mut reply = Vec::new();
        stream.take(REPLY_BYTES_MAX).read_to_end(&mut reply)?;
        Ok(reply)
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in self.address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

fn request(host: &str, method: &str, path: &str, body: Option<&Value>) -> Vec<u8> {
    let body = body.map(Value::to_string).unwrap_or_default();
    format!(
        "{method} {path} HTTP/1.0\r\nhost: {host}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Status and body of a reply.
fn parse(reply: &[u8]) -> Option<(u16, &[u8])> {
    let end = reply.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&reply[..end]).ok()?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some((status, &reply[end + 4..]))
}

fn refused(value: &Value) -> Failure {
    let mut text = value["error"].as_str().unwrap_or("refused without a reason").to_owned();
    for fault in value["faults"].as_array().into_iter().flatten() {
        let _ = write!(text, "\n{}", fault.as_str().unwrap_or_default());
    }
    Failure::Refused(text)
}

/// A text as one segment of a path or one value of a query.
pub(crate) fn segment(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            byte => _ = write!(out, "%{byte:02X}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_reply_is_read_to_its_end() {
        let (admin, request) = answers("HTTP/1.0 200 OK\r\ncontent-type: x\r\n\r\n{\"a\":1}");
        let reply = admin.call("PUT", "/x?y=1", Some(&json!({ "b": 2 })));
        assert_eq!(reply, Ok(json!({ "a": 1 })));
        let request = request.join().expect("served");
        assert!(request.starts_with("PUT /x?y=1 HTTP/1.0\r\n"), "{request}");
        assert!(request.contains("content-type: application/json\r\n"), "{request}");
        assert!(request.ends_with("\r\n\r\n{\"b\":2}"), "{request}");
    }

    #[test]
    fn an_error_is_told_in_its_own_words() {
        let (admin, _) =
            answers("HTTP/1.0 422 No\r\n\r\n{\"error\":\"bad\",\"faults\":[\"one\",\"two\"]}");
        assert_eq!(admin.get("/x"), Err(Failure::Refused("bad\none\ntwo".into())));
    }

    #[test]
    fn what_is_no_gateway_is_said_to_be_none() {
        for reply in ["", "220 mail ready\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n<html>"] {
            let (admin, _) = answers(reply);
            assert!(matches!(admin.get("/x"), Err(Failure::Unreachable(_))), "{reply}");
        }
        let nobody = TcpListener::bind("127.0.0.1:0").expect("port");
        let address = nobody.local_addr().expect("address").to_string();
        drop(nobody);
        assert!(matches!(Admin::new(&address).get("/x"), Err(Failure::Unreachable(_))));
    }

    #[test]
    fn a_key_of_any_kind_is_one_segment() {
        assert_eq!(segment("job-1_a.b~"), "job-1_a.b~");
        assert_eq!(segment("a/b c?&%\u{e9}"), "a%2Fb%20c%3F%26%25%C3%A9");
    }

    fn answers(reply: &'static str) -> (Admin, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("port");
        let address = listener.local_addr().expect("address").to_string();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("client");
            let mut buffer = [0; 4096];
            let mut request = Vec::new();
            while !is_whole(&request) {
                let len = stream.read(&mut buffer).expect("request");
                request.extend_from_slice(&buffer[..len]);
            }
            stream.write_all(reply.as_bytes()).expect("reply");
            String::from_utf8_lossy(&request).into_owned()
        });
        (Admin::new(&address), server)
    }

    fn is_whole(request: &[u8]) -> bool {
        let text = String::from_utf8_lossy(request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        length.and_then(|length| length.parse().ok()) == Some(body.len())
    }
}
