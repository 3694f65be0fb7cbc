//! Nothing that comes from outside makes it panic, hang, or hold more than it may.

use narrows_transcode::Transcoder;
use narrows_wire::codec::End;
use narrows_wire::{Head, Indexing};

use crate::roundtrip::Rng;
use crate::support::{bind, framed, usual};

const PATHS: &[&str] = &[
    "/v1/shelves/7",
    "/v1/tenants/t/shelves/7?with_books=true",
    "/v1/shelves/s/books/b:archive",
    "/v1/books:search?text=a&kinds=NOVEL&page.size.max_books=1&since=2024-01-01T00:00:00Z",
    "/test.v1.Library/Echo",
    "/v1/shelves/s/books:import?a%20b=%ff",
    "/v1/files/a:stream",
    "/v1/talk",
];

const BODIES: &[&str] = &[
    r#"{"fDouble":1e308,"wTimestamp":"9999-12-31T23:59:59.999999999Z","wDuration":"-315576000000s"}"#,
    r#"{"wAny":{"@type":"a/google.protobuf.Any","value":{"@type":"a/test.v1.Book","title":"t"}}}"#,
    r#"{"mString":{"a":{}},"mInt64":{"1":"NaN"},"mBool":{"false":1},"wStruct":{"a":[1,{"b":null}]}}"#,
    "{\"title\":\"a\"}\n{\"sequel\":{\"sequel\":{\"kind\":2}}}\n",
    r#"{"wMask":"a.b,cD","fBytes":"AAA=","wBytes":"_-","cNull":null,"rEnum":["NOVEL",1]}"#,
];

const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE", "PURGE", "X", ""];

fn mutated_one(rng: &mut Rng, texts: &[&str]) -> Vec<u8> {
    let text = texts[rng.below(texts.len())];
    mutated(rng, text.as_bytes())
}

/// Changes some bytes of a text, or cuts it, or doubles a part.
fn mutated(rng: &mut Rng, text: &[u8]) -> Vec<u8> {
    const BYTES: &[u8] = b"/:%?&=.{}[]\",\\*+ \n09aZ-_\x00\xff\xc3";
    let mut text = text.to_vec();
    for _ in 0..rng.below(4) {
        let at = rng.below(text.len() + 1);
        match rng.below(4) {
            0 => text.insert(at, BYTES[rng.below(BYTES.len())]),
            1 if at < text.len() => text[at] = BYTES[rng.below(BYTES.len())],
            2 => text.truncate(at),
            _ => {
                let end = (at + rng.below(20)).min(text.len());
                let part = text[at..end].to_vec();
                text.splice(at..at, part);
            }
        }
    }
    text
}

/// What the descriptors below write of themselves has no end when a message holds itself.
#[test]
fn a_call_can_be_written_to_a_log() {
    let call = bind(usual(), "GET", "/v1/books:search?like.title=x").expect("a binding");
    let text = format!("{call:?} {:?}", usual());
    assert!(text.contains("GET /v1/books:search to /test.v1.Library/Search"), "{text}");
    assert!(text.contains("like.title"), "{text}");
}

#[test]
fn requests_and_replies_of_any_bytes_come_to_an_end() {
    let mut rng = Rng::new(0x7472_616e_7363_6f64);
    let reply = [framed("Book", r#"{"title":"t"}"#), framed("Shelf", r#"{"books":[{}]}"#)].concat();
    let mut bound = 0;
    for _ in 0..20_000 {
        let path = mutated_one(&mut rng, PATHS);
        let body = mutated_one(&mut rng, BODIES);
        let reply = mutated(&mut rng, &reply);
        let method = METHODS[rng.below(METHODS.len())];
        bound += usize::from(run(usual(), method, &path, &body, &reply, &mut rng));
    }
    assert!(bound > 1_000, "only {bound} calls were bound");
}

/// Runs a call to its end; whether it was bound.
fn run(
    transcoder: &Transcoder,
    method: &str,
    path: &[u8],
    body: &[u8],
    reply: &[u8],
    rng: &mut Rng,
) -> bool {
    let mut head = Head::new();
    head.push_text(b":method", method.as_bytes(), Indexing::MayRepeat);
    head.push_text(b":path", path, Indexing::MayRepeat);
    head.push_text(b"content-type", b"application/json", Indexing::MayRepeat);
    if rng.below(2) == 0 {
        head.push_text(b"accept", b"text/event-stream", Indexing::MayRepeat);
    }
    let Ok(Some(mut call)) = transcoder.bind(&head) else { return false };
    let chunk_bytes = 1 + rng.below(40);
    let mut out = Vec::new();
    let pushed = body
        .chunks(chunk_bytes)
        .try_for_each(|chunk| call.push_request(chunk, End::Open, &mut out))
        .and_then(|()| call.push_request(&[], End::Stream, &mut out));
    let replied = pushed.and_then(|()| {
        reply.chunks(chunk_bytes).try_for_each(|chunk| call.push_reply(chunk, &mut out).map(drop))
    });
    match replied {
        Ok(()) => {
            let ended = narrows_transcode::Ended {
                status: narrows_wire::grpc::Status::Ok,
                message: b"",
                details: Some(body),
            };
            call.finish(&ended, &mut out);
        }
        Err(failure) => {
            call.fail(&failure, &mut out);
        }
    }
    true
}
