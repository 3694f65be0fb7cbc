//! A check over HTTP/1.1: one request on a connection of its own, of whose answer only the status is read.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::HttpProbe;
use super::probe::CheckError;
use crate::connect::Node;

/// The longest status line that is read.
const STATUS_LINE_BYTES_MAX: usize = 1024;

/// Asks and gives the status.
pub(super) async fn ask(node: &Node, probe: &HttpProbe) -> Result<u16, CheckError> {
    let mut stream = node.clone().connect().await.map_err(CheckError::Connect)?;
    let authority = node.authority();
    let host = probe.host.as_deref().unwrap_or(&authority);
    let request = format!(
        "{} {} HTTP/1.1\r\nhost: {host}\r\nuser-agent: narrows-health-check\r\naccept: */*\r\n\
         connection: close\r\n\r\n",
        probe.method, probe.path,
    );
    stream.write_all(request.as_bytes()).await.map_err(CheckError::Connection)?;
    stream.flush().await.map_err(CheckError::Connection)?;
    let mut line = Vec::new();
    let mut byte = [0; 64];
    while !line.contains(&b'\n') {
        match stream.read(&mut byte).await.map_err(CheckError::Connection)? {
            0 => return Err(CheckError::NotHttp),
            n => line.extend_from_slice(byte.get(..n).unwrap_or_default()),
        }
        if line.len() > STATUS_LINE_BYTES_MAX {
            return Err(CheckError::NotHttp);
        }
    }
    status(&line).ok_or(CheckError::NotHttp)
}

/// RFC 9112 §4: `HTTP/1.1 200 OK`.
fn status(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(b"HTTP/1.")?;
    let [b'0' | b'1', b' ', digits @ ..] = rest else { return None };
    let (digits, rest) = digits.split_at_checked(3)?;
    let ends = matches!(rest.first(), Some(b' ' | b'\r' | b'\n'));
    let digits = std::str::from_utf8(digits).ok()?;
    digits.parse().ok().filter(|status| ends && *status >= 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_line_is_read_and_nothing_else() {
        for (line, found) in [
            ("HTTP/1.1 200 OK\r\n", Some(200)),
            ("HTTP/1.0 503\r\n", Some(503)),
            ("HTTP/1.1 204 \r\n", Some(204)),
            ("HTTP/1.1 2000 OK\r\n", None),
            ("HTTP/1.1 20\r\n", None),
            ("HTTP/1.1 +20 OK\r\n", None),
            ("HTTP/2 200\r\n", None),
            ("SSH-2.0-x\r\n", None),
            ("\r\n", None),
        ] {
            assert_eq!(status(line.as_bytes()), found, "{line:?}");
        }
    }
}
