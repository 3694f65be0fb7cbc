//! JSON to gRPC and back, over the service that the tests of `narrows-transcode` use.

use std::sync::OnceLock;

use narrows_transcode::{Call, Ended, Finish, Options, Transcoder};
use narrows_wire::codec::End;
use narrows_wire::grpc::{MessageScanner, Status};
use narrows_wire::{Head, Indexing};

use super::INPUT_BYTES_MAX;
use crate::servers::repository;

/// The method whose messages are the pieces of the body, however it is cut.
const PIECES: &str = "/test.v1.Library/UploadStream";

/// A line with method and path, and behind it a body, for the node as well as from it. The first byte says into
/// how large pieces it is cut, which makes no difference; what goes to the node are whole messages.
pub fn transcode(input: &[u8]) {
    let input = &input[..input.len().min(INPUT_BYTES_MAX)];
    let Some((&cut, input)) = input.split_first() else { return };
    let line_bytes = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (line, body) = input.split_at(line_bytes);
    let body = body.get(1..).unwrap_or_default();
    let (Some(mut whole), Some(mut pieces)) = (bind(line), bind(line)) else { return };
    let chunk_bytes = usize::from(cut) + 1;
    let (at_once, in_pieces) =
        (request(&mut whole, body, body.len() + 1), request(&mut pieces, body, chunk_bytes));
    if whole.grpc_path() != PIECES {
        assert_eq!(at_once, in_pieces, "a request depends on how it is cut");
    }
    let at_once = reply(&mut whole, body, body.len() + 1);
    assert_eq!(at_once, reply(&mut pieces, body, chunk_bytes), "a reply depends on how it is cut");
}

fn bind(line: &[u8]) -> Option<Call> {
    let space = line.iter().position(|byte| *byte == b' ')?;
    let mut head = Head::new();
    for (name, value) in [
        (&b":method"[..], &line[..space]),
        (b":path", &line[space + 1..]),
        (b"content-type", b"application/json"),
        (b"accept", if line.len().is_multiple_of(2) { b"text/event-stream" } else { b"*/*" }),
    ] {
        head.push_text(name, value, Indexing::MayRepeat);
    }
    transcoder().bind(&head).ok().flatten()
}

/// How many bytes went to the node, unless the request failed. The order of maps is not told, their length is.
fn request(call: &mut Call, body: &[u8], chunk_bytes: usize) -> Option<usize> {
    let mut out = Vec::new();
    let pushed = body
        .chunks(chunk_bytes)
        .try_for_each(|chunk| call.push_request(chunk, End::Open, &mut out))
        .and_then(|()| call.push_request(&[], End::Stream, &mut out));
    let mut scanner = MessageScanner::new();
    scanner.feed(&out);
    assert!(!scanner.is_mid_message(), "part of a message");
    pushed.ok().map(|()| out.len())
}

/// How the reply ended and how long it was.
fn reply(call: &mut Call, body: &[u8], chunk_bytes: usize) -> (u16, Status, usize) {
    let mut out = Vec::new();
    let mut head = call.begin_reply();
    let mut end: Option<Finish> = None;
    for chunk in body.chunks(chunk_bytes) {
        match call.push_reply(chunk, &mut out) {
            Ok(begun) => head = head.or(begun),
            Err(failure) => {
                end = Some(call.fail(&failure, &mut out));
                break;
            }
        }
    }
    let details = Some(body);
    let ended = Ended { status: Status::Ok, message: b"", details };
    let finish = end.unwrap_or_else(|| call.finish(&ended, &mut out));
    let head = head.or(finish.head).expect("a reply has a head");
    (head.http_status, finish.status, out.len())
}

fn transcoder() -> &'static Transcoder {
    static TRANSCODER: OnceLock<Transcoder> = OnceLock::new();
    TRANSCODER.get_or_init(|| {
        let protos = repository().join("crates/transcode/tests/protos");
        let mut compiler = protox::Compiler::new([protos]).expect("the directory is there");
        compiler.include_imports(true).open_file("library.proto").expect("our own file compiles");
        let set = compiler.encode_file_descriptor_set();
        Transcoder::new(&set, Options::default()).expect("our own set has no fault")
    })
}
