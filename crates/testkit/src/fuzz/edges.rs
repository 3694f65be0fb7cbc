//! The protocols around the relay: what a connection begins with, and what is translated.

use narrows_wire::client_hello::{ClientHelloReader, HELLO_BYTES_MAX, HelloFault, Peek};
use narrows_wire::grpc_web::{Format, ReplyEncoder, TextDecoder, TextFault};
use narrows_wire::proxy_protocol::{self, Checksum, Origin, Progress};
use narrows_wire::websocket::{self, CloseCode, FrameScanner, Masking, Position};

/// A header that is understood is written and understood again; one that is cut asks for more.
pub fn proxy_protocol(input: &[u8]) {
    let Ok(Progress::Parsed { consumed, header }) = proxy_protocol::parse(input) else { return };
    for cut in 0..consumed {
        assert_eq!(proxy_protocol::parse(&input[..cut]), Ok(Progress::NeedMore), "cut at {cut}");
    }
    let mut line = Vec::new();
    proxy_protocol::encode_v1(&header.origin, &mut line);
    assert!(line.len() <= proxy_protocol::V1_BYTES_MAX, "a line above its limit");
    let mut binary = Vec::new();
    proxy_protocol::encode_v2(&header, Checksum::Present, &mut binary);
    let Ok(Progress::Parsed { header: again, .. }) = proxy_protocol::parse(&binary) else {
        panic!("our own header is not understood");
    };
    if let Origin::Proxied(_) = header.origin {
        assert_eq!(again.authority, header.authority);
        let Ok(Progress::Parsed { header: line, .. }) = proxy_protocol::parse(&line) else {
            panic!("our own line is not understood");
        };
        assert_eq!(line.origin, again.origin);
    }
}

/// A hello is the same however it is cut, and never longer than the limit. The first byte says into how
/// large pieces it is cut.
pub fn client_hello(input: &[u8]) {
    let Some((&cut, bytes)) = input.split_first() else { return };
    let whole = ClientHelloReader::new().feed(bytes);
    let mut reader = ClientHelloReader::new();
    let mut pieces = Ok(Peek::NeedMore);
    let mut fed = 0;
    for chunk in bytes.chunks(usize::from(cut) + 1) {
        pieces = reader.feed(chunk);
        if pieces != Ok(Peek::NeedMore) {
            break;
        }
        fed += chunk.len();
        assert!(fed <= HELLO_BYTES_MAX, "more is asked for beyond the limit");
    }
    // A record that goes on behind the hello may be told a read later.
    let is_same = pieces == whole || matches!((&pieces, &whole), (Err(_), Err(_)));
    assert!(is_same, "{pieces:?} in pieces, {whole:?} at once");
    if let Ok(Peek::Hello(hello)) = whole {
        assert!(hello.alpn().all(|name| !name.is_empty()));
        let lower = hello.server_name().map(str::to_ascii_lowercase);
        assert_eq!(lower.as_deref(), hello.server_name());
    } else if bytes.len() > HELLO_BYTES_MAX && whole == Ok(Peek::NeedMore) {
        panic!("no verdict beyond the limit: {:?}", HelloFault::TooLong);
    }
}

/// Frames are found in the same places however they are cut, and a Close is put between them alone.
pub fn websocket_frames(input: &[u8]) {
    let mut whole = FrameScanner::new();
    whole.feed(input);
    let mut single = FrameScanner::new();
    for (at, byte) in input.iter().enumerate() {
        if single.position() == Position::Between {
            let mut closed = single;
            let mut close = Vec::new();
            let mask = Masking::Key([at as u8; 4]);
            websocket::write_close(CloseCode::GOING_AWAY, mask, &mut close);
            closed.feed(&close);
            assert_eq!(closed.position(), Position::Closed);
        }
        single.feed(std::slice::from_ref(byte));
    }
    let told =
        |scanner: &FrameScanner| (scanner.frames(), scanner.payload_bytes(), scanner.position());
    assert_eq!(told(&whole), told(&single));
}

/// A text decodes the same however it is cut, and what we write of it decodes to it.
pub fn grpc_web_text(input: &[u8]) {
    let (whole, bytes) = decode(input, input.len().max(1));
    for chunk_bytes in [1, 3] {
        let (result, in_pieces) = decode(input, chunk_bytes);
        assert_eq!(result, whole);
        assert!(result.is_err() || in_pieces == bytes);
    }
    let mut encoder = ReplyEncoder::new(Format::Text);
    let mut text = Vec::new();
    for (at, chunk) in input.chunks(7).enumerate() {
        encoder.data(chunk, &mut text);
        if at % 2 == 0 {
            encoder.flush(&mut text);
        }
    }
    encoder.flush(&mut text);
    assert_eq!(decode(&text, 5), (Ok(()), input.to_vec()));
}

fn decode(text: &[u8], chunk_bytes: usize) -> (Result<(), TextFault>, Vec<u8>) {
    let (mut decoder, mut out) = (TextDecoder::new(), Vec::new());
    let fed = text.chunks(chunk_bytes).try_for_each(|chunk| decoder.feed(chunk, &mut out));
    (fed.and_then(|()| decoder.finish()), out)
}
