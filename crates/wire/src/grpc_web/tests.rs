//! Heads, texts cut anywhere, and frames of trailers.

use super::*;

fn head(fields: &[(&str, &str)]) -> Head {
    let mut head = Head::new();
    for (name, value) in fields {
        head.push_text(name.as_bytes(), value.as_bytes(), Indexing::MayRepeat);
    }
    head
}

fn kind(head: &Head) -> &str {
    str::from_utf8(head.get(Name::ContentType).unwrap_or_default()).expect("ASCII")
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    crate::base64::encode(bytes, &mut text);
    text
}

#[test]
fn formats_are_those_of_content_type_and_accept() {
    use Format::{Binary, Text};
    let table = [
        ("application/grpc-web", "", Some((Binary, Binary))),
        ("application/grpc-web+proto", "*/*", Some((Binary, Binary))),
        ("Application/gRPC-Web; charset=utf-8", "", Some((Binary, Binary))),
        ("application/grpc-web-text", "", Some((Text, Text))),
        ("application/grpc-web-text+proto", "application/grpc-web-text", Some((Text, Text))),
        ("application/grpc-web-text", "a/b, application/grpc-web+proto", Some((Text, Binary))),
        ("application/grpc-web", "application/grpc-web-text;q=1", Some((Binary, Text))),
        ("application/grpc", "application/grpc-web", None),
        ("application/grpc-webx", "", None),
        ("application/grpc-web-textx", "", None),
        ("application/json", "", None),
    ];
    for (content_type, accept, expected) in table {
        let request = head(&[("content-type", content_type), ("accept", accept)]);
        let found = formats(&request).map(|formats| (formats.request, formats.reply));
        assert_eq!(found, expected, "{content_type}, {accept}");
    }
    assert_eq!(formats(&head(&[])), None);
}

#[test]
fn a_request_becomes_one_of_grpc() {
    let table = [
        ("application/grpc-web", Format::Binary, "application/grpc"),
        ("application/grpc-web+proto", Format::Binary, "application/grpc+proto"),
        ("application/grpc-web-text+proto", Format::Text, "application/grpc+proto"),
        ("application/grpc-web-text;a=b", Format::Text, "application/grpc;a=b"),
    ];
    for (content_type, format, expected) in table {
        let mut request = head(&[
            ("content-type", content_type),
            ("content-length", "8"),
            ("grpc-accept-encoding", "gzip"),
        ]);
        rewrite_request(&mut request, format);
        assert_eq!(kind(&request), expected);
        assert!(crate::grpc::is_grpc(expected.as_bytes()));
        assert_eq!(request.get(Name::Te), Some(&b"trailers"[..]));
        assert_eq!(request.get(Name::GrpcAcceptEncoding), Some(&b"gzip"[..]));
        assert_eq!(request.get(Name::ContentLength).is_some(), format == Format::Binary);
    }
}

#[test]
fn a_reply_becomes_one_of_grpc_web() {
    let table = [
        ("application/grpc", Format::Binary, "application/grpc-web+proto"),
        ("application/grpc+json", Format::Binary, "application/grpc-web+json"),
        ("application/grpc;a=b", Format::Text, "application/grpc-web-text+proto;a=b"),
        ("application/grpc+proto", Format::Text, "application/grpc-web-text+proto"),
    ];
    for (content_type, format, expected) in table {
        let mut reply = head(&[("content-type", content_type), ("content-length", "0")]);
        assert_eq!(rewrite_reply(&mut reply, format), Translation::Needed);
        assert_eq!((kind(&reply), reply.get(Name::ContentLength)), (expected, None));
    }
    let mut other = head(&[("content-type", "text/html"), ("content-length", "5")]);
    assert_eq!(rewrite_reply(&mut other, Format::Text), Translation::None);
    assert_eq!(other.get(Name::ContentLength), Some(&b"5"[..]));
}

/// The status of a reply without a body stays in its head (PROTOCOL-WEB.md).
#[test]
fn trailers_only_stays_in_the_head() {
    let mut reply = head(&[(":status", "200"), ("content-type", "application/grpc")]);
    reply.push(Name::GrpcStatus, b"5", Indexing::MayRepeat);
    assert_eq!(rewrite_reply(&mut reply, Format::Binary), Translation::Needed);
    assert_eq!(reply.get(Name::GrpcStatus), Some(&b"5"[..]));
}

#[test]
fn texts_one_behind_the_other_are_decoded_however_they_are_cut() {
    let parts: [&[u8]; 4] = [b"a", b"bcd", b"\0\xff", b"0123456789"];
    let text: Vec<u8> = parts.iter().flat_map(|part| base64(part)).collect();
    for chunk_bytes in 1..=text.len() {
        let (mut decoder, mut out) = (TextDecoder::new(), Vec::new());
        for chunk in text.chunks(chunk_bytes) {
            decoder.feed(chunk, &mut out).expect("it is base64");
        }
        assert_eq!((decoder.finish(), out), (Ok(()), parts.concat()));
    }
}

#[test]
fn what_is_no_text_is_told() {
    for wrong in ["Zg=v", "Z===", "====", "Zh==", "Zg==\n", "Zm9v Zm9v", "Zm-_", "Zm9v\0AAA"] {
        for chunk_bytes in [1, 3, 8] {
            let (mut decoder, mut out) = (TextDecoder::new(), Vec::new());
            let mut chunks = wrong.as_bytes().chunks(chunk_bytes);
            let fed = chunks.try_for_each(|chunk| decoder.feed(chunk, &mut out));
            let result = fed.and_then(|()| decoder.finish());
            assert!(result.is_err(), "{wrong:?}");
        }
    }
    let mut decoder = TextDecoder::new();
    assert_eq!(decoder.feed(b"Zm9vZ", &mut Vec::new()), Ok(()));
    assert_eq!(decoder.finish(), Err(TextFault::Cut));
}

#[test]
fn trailers_are_the_last_frame() {
    let trailers = head(&[
        ("grpc-status", "0"),
        ("grpc-message", ""),
        ("x-trace-bin", "AAE"),
        (":status", "1"),
    ]);
    let text = b"grpc-status: 0\r\ngrpc-message: \r\nx-trace-bin: AAE\r\n";
    let frame = [&[0x80, 0, 0, 0, text.len() as u8], &text[..]].concat();
    let (mut encoder, mut out) = (ReplyEncoder::new(Format::Binary), Vec::new());
    encoder.data(b"\0\0\0\0\x01x", &mut out);
    encoder.trailers(&trailers, &mut out);
    assert_eq!(out, [b"\0\0\0\0\x01x", &frame[..]].concat());

    let (mut encoder, mut out) = (ReplyEncoder::new(Format::Text), Vec::new());
    encoder.data(b"\0\0\0\0\x01x", &mut out);
    encoder.flush(&mut out);
    encoder.trailers(&trailers, &mut out);
    assert_eq!(out, [base64(b"\0\0\0\0\x01x"), base64(&frame)].concat());
}

#[test]
fn what_was_given_can_be_read_after_a_flush() {
    let bytes: Vec<u8> = (0..=255).collect();
    for chunk_bytes in 1..20 {
        let (mut encoder, mut decoder) = (ReplyEncoder::new(Format::Text), TextDecoder::new());
        let mut read = Vec::new();
        for (at, chunk) in bytes.chunks(chunk_bytes).enumerate() {
            let mut text = Vec::new();
            encoder.data(chunk, &mut text);
            if at % 3 == 0 {
                encoder.flush(&mut text);
            }
            decoder.feed(&text, &mut read).expect("our own text");
            let given = (at * chunk_bytes + chunk.len()).min(bytes.len());
            let held = if at % 3 == 0 { 0 } else { 2 };
            assert!(read.len() + held >= given, "{} of {given}", read.len());
        }
        let mut text = Vec::new();
        encoder.flush(&mut text);
        decoder.feed(&text, &mut read).expect("our own text");
        assert_eq!((&read, decoder.finish()), (&bytes, Ok(())));
    }
}
