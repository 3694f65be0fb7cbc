//! Which replies are compressed, what is said of them, and that they can be read again, piece by piece.

use std::io::Read;

use super::super::testing::{Call, reply};
use super::*;

const ALL: [Coding; 3] = [Coding::Zstd, Coding::Brotli, Coding::Gzip];

fn compress() -> Compress {
    let types = vec![MediaType::Below("text/".into()), MediaType::Exact("application/json".into())];
    Compress::new(ALL.into(), types, 100)
}

fn get() -> Call {
    Call::get("/").with("accept-encoding", "gzip")
}

/// What is behind the filter, for a reply of text with these fields more.
fn behind(call: &Call, fields: &[(&str, &str)]) -> (Head, Option<Box<dyn BodyStage>>) {
    let has = |name: &str| fields.iter().any(|(known, _)| *known == name);
    let usual = [(":status", "200"), ("content-type", "text/html; charset=utf-8")];
    let missing = usual.into_iter().filter(|(name, _)| !has(name));
    let all: Vec<_> = missing.chain(fields.iter().copied()).collect();
    call.reply(&compress(), reply(&all))
}

#[test]
fn a_reply_that_is_compressed_says_so() {
    let fields = [("content-length", "5000"), ("etag", "\"a\""), ("accept-ranges", "bytes")];
    let (head, stage) = behind(&get(), &fields);
    assert!(stage.is_some());
    assert_eq!(head.get(Name::ContentEncoding), Some(&b"gzip"[..]));
    assert_eq!(head.get(Name::Vary), Some(&b"accept-encoding"[..]));
    assert_eq!(head.get(Name::Etag), Some(&b"W/\"a\""[..]));
    assert_eq!(head.get(Name::ContentLength), None);
    assert_eq!(head.get(Name::AcceptRanges), None);
    let (head, _) = behind(&get(), &[("etag", "W/\"a\"")]);
    assert_eq!(head.get(Name::Etag), Some(&b"W/\"a\""[..]));
}

#[test]
fn what_must_not_be_compressed_passes_as_it_is() {
    for fields in [
        [("content-encoding", "br")],
        [("content-type", "image/png")],
        [("content-type", "application/grpc-web+proto")],
        [("content-length", "99")],
        [("cache-control", "public, No-Transform")],
        [(":status", "204")],
        [(":status", "206")],
        [(":status", "304")],
        [("content-range", "bytes 0-1/2")],
    ] {
        let before = behind(&Call::get("/"), &fields).0;
        let (head, stage) = behind(&get(), &fields);
        assert!(stage.is_none(), "{fields:?}");
        assert_eq!(head.iter().collect::<Vec<_>>(), before.iter().collect::<Vec<_>>());
        assert_eq!(head.get(Name::Vary), None, "{fields:?}");
    }
    let call = get().with("cache-control", "no-transform");
    assert!(behind(&call, &[]).1.is_none());
    // Not even if everything is listed.
    let all = Compress::new(ALL.into(), vec![MediaType::Below("application/".into())], 0);
    let grpc = reply(&[(":status", "200"), ("content-type", "application/grpc")]);
    assert!(get().reply(&all, grpc).1.is_none());
}

#[test]
fn a_caller_that_accepts_none_is_told_that_others_do() {
    let (head, stage) = behind(&Call::get("/"), &[("etag", "\"a\"")]);
    assert!(stage.is_none());
    assert_eq!(head.get(Name::Vary), Some(&b"accept-encoding"[..]));
    assert_eq!(head.get(Name::Etag), Some(&b"\"a\""[..]));
}

#[test]
fn head_is_told_what_get_would_be() {
    let call = Call::new("HEAD", "/").with("accept-encoding", "gzip");
    let (head, stage) = behind(&call, &[("content-length", "5000")]);
    assert!(stage.is_none());
    assert_eq!(head.get(Name::ContentEncoding), Some(&b"gzip"[..]));
    assert_eq!(head.get(Name::ContentLength), None);
}

/// An event is no use to a page if it waits for the next one.
#[test]
fn each_piece_can_be_read_at_once() {
    for coding in ALL {
        let mut stage = Compression { coding, coder: None };
        let (mut sent, mut expected) = (Vec::new(), Vec::new());
        for piece in 0..20 {
            let event = format!("data: {piece}\n\n").repeat(piece);
            let mut out = Emitted::default();
            stage.reply(Part::Data(event.as_bytes(), End::Open), &mut out).unwrap();
            sent.append(&mut out.data);
            expected.extend_from_slice(event.as_bytes());
            assert_eq!(read_so_far(coding, &sent), expected, "{coding:?}");
        }
        let mut out = Emitted::default();
        stage.reply(Part::Data(b"the end", End::Stream), &mut out).unwrap();
        assert!(out.ended);
        sent.append(&mut out.data);
        expected.extend_from_slice(b"the end");
        assert_eq!(read(coding, &sent).unwrap(), expected, "{coding:?}");
    }
}

#[test]
fn trailers_end_the_content_and_an_empty_one_is_valid() {
    for coding in ALL {
        let mut stage = Compression { coding, coder: None };
        let mut out = Emitted::default();
        let trailers = reply(&[("x-sum", "1")]);
        stage.reply(Part::Trailers(&trailers), &mut out).unwrap();
        assert_eq!(read(coding, &out.data).unwrap(), b"", "{coding:?}");
        assert!(out.trailers.is_some() && out.ended);
    }
}

#[test]
fn much_becomes_little() {
    let line = b"the same again and again, as in a list of records; ";
    let text = line.repeat(20_000);
    for coding in ALL {
        let mut stage = Compression { coding, coder: None };
        let mut out = Emitted::default();
        for piece in text.chunks(16_384) {
            stage.reply(Part::Data(piece, End::Open), &mut out).unwrap();
        }
        stage.reply(Part::Data(b"", End::Stream), &mut out).unwrap();
        assert!(out.data.len() < text.len() / 50, "{coding:?}: {}", out.data.len());
        assert_eq!(read(coding, &out.data).unwrap(), text, "{coding:?}");
    }
}

fn decoder(coding: Coding, data: &[u8]) -> Box<dyn Read + '_> {
    match coding {
        Coding::Gzip => Box::new(flate2::read::GzDecoder::new(data)),
        Coding::Brotli => Box::new(brotli::Decompressor::new(data, 4096)),
        Coding::Zstd => Box::new(zstd::stream::read::Decoder::new(data).unwrap()),
    }
}

fn read(coding: Coding, data: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut all = Vec::new();
    decoder(coding, data).read_to_end(&mut all).map(|_| all)
}

/// What can be read of content whose end has not come.
fn read_so_far(coding: Coding, data: &[u8]) -> Vec<u8> {
    let (mut decoder, mut all, mut byte) = (decoder(coding, data), Vec::new(), [0]);
    while let Ok(1) = decoder.read(&mut byte) {
        all.push(byte[0]);
    }
    all
}
