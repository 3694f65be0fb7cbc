//! The descriptors of the tests, and calls in one line.

use std::path::Path;
use std::sync::OnceLock;

use narrows_transcode::{Call, Ended, Failure, Finish, Options, Transcoder};
use narrows_wire::codec::End;
use narrows_wire::grpc::Status;
use narrows_wire::{Head, Indexing};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::Value;

/// The method that was called and its messages, each as JSON.
pub(crate) type Sent = (String, Vec<Value>);

/// What the caller gets: the status of HTTP, the kind of content, the body.
pub(crate) type Got = (u16, String, String);

pub(crate) fn descriptor_set() -> &'static [u8] {
    static SET: OnceLock<Vec<u8>> = OnceLock::new();
    SET.get_or_init(|| {
        let protos = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protos");
        let mut compiler = protox::Compiler::new([protos]).expect("the directory is there");
        compiler.include_imports(true).include_source_info(true);
        compiler.open_file("library.proto").expect("our own files compile");
        // Not by way of `prost_types`, which would lose the annotations.
        compiler.encode_file_descriptor_set()
    })
}

pub(crate) fn pool() -> &'static DescriptorPool {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    POOL.get_or_init(|| DescriptorPool::decode(descriptor_set()).expect("our own set"))
}

pub(crate) fn transcoder(options: Options) -> Transcoder {
    Transcoder::new(descriptor_set(), options).expect("our own set has no fault")
}

/// With the options that everyone has.
pub(crate) fn usual() -> &'static Transcoder {
    static USUAL: OnceLock<Transcoder> = OnceLock::new();
    USUAL.get_or_init(|| transcoder(Options::default()))
}

pub(crate) fn kind(name: &str) -> MessageDescriptor {
    pool().get_message_by_name(&format!("test.v1.{name}")).expect("a message of the tests")
}

pub(crate) fn head(fields: &[(&str, &str)]) -> Head {
    let mut head = Head::new();
    for (name, value) in fields {
        head.push_text(name.as_bytes(), value.as_bytes(), Indexing::MayRepeat);
    }
    head
}

/// A request with JSON, bound.
pub(crate) fn bind(transcoder: &Transcoder, method: &str, path: &str) -> Result<Call, Failure> {
    let fields = [(":method", method), (":path", path), ("content-type", "application/json")];
    bind_fields(transcoder, &fields)
}

pub(crate) fn bind_fields(
    transcoder: &Transcoder,
    fields: &[(&str, &str)],
) -> Result<Call, Failure> {
    transcoder.bind(&head(fields)).map(|call| call.expect("a binding has this path"))
}

/// What the node gets for a request: the path and the messages.
pub(crate) fn send(
    transcoder: &Transcoder,
    method: &str,
    path: &str,
    body: &str,
) -> Result<Sent, Failure> {
    let mut call = bind(transcoder, method, path)?;
    let mut out = Vec::new();
    call.push_request(body.as_bytes(), End::Stream, &mut out)?;
    Ok((call.grpc_path().to_owned(), messages(call.grpc_path(), &out)))
}

/// The only message that the node gets.
pub(crate) fn sent(method: &str, path: &str, body: &str) -> Value {
    let (_, mut messages) = send(usual(), method, path, body).expect("the request is good");
    assert_eq!(messages.len(), 1, "{path}");
    messages.remove(0)
}

/// The message of the failure that a request meets.
pub(crate) fn refused(method: &str, path: &str, body: &str) -> String {
    let failure = send(usual(), method, path, body).expect_err("the request is wrong");
    assert_eq!((failure.status, failure.http_status), (Status::InvalidArgument, 400));
    failure.message
}

/// The messages in frames, as JSON.
fn messages(grpc_path: &str, frames: &[u8]) -> Vec<Value> {
    let name = grpc_path.rsplit('/').next().expect("a path has a slash");
    let service = pool().get_service_by_name("test.v1.Library").expect("the service");
    let method = service.methods().find(|method| method.name() == name).expect("the method");
    let decode = |bytes: Vec<u8>| {
        let message = DynamicMessage::decode(method.input(), bytes.as_slice());
        serde_json::to_value(message.expect("a message")).expect("JSON")
    };
    unframe(frames).into_iter().map(decode).collect()
}

pub(crate) fn unframe(mut frames: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let [flags, a, b, c, d, rest @ ..] = frames {
        assert_eq!(*flags, 0);
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        messages.push(rest[..length].to_vec());
        frames = &rest[length..];
    }
    assert!(frames.is_empty());
    messages
}

/// A message from JSON, framed.
pub(crate) fn framed(name: &str, json: &str) -> Vec<u8> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let message = DynamicMessage::deserialize(kind(name), &mut deserializer).expect(json);
    frame(&message.encode_to_vec())
}

pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a short message");
    [&[0], length.to_be_bytes().as_slice(), message].concat()
}

/// What the caller gets for the bytes of a node and its status, in one piece.
pub(crate) fn reply(mut call: Call, body: &[u8], status: Status) -> (Got, Finish) {
    let ended = Ended { status, message: b"", details: None };
    finish(&mut call, body, &ended)
}

pub(crate) fn finish(call: &mut Call, body: &[u8], ended: &Ended<'_>) -> (Got, Finish) {
    let mut out = Vec::new();
    let (head, finish) = match call.push_reply(body, &mut out) {
        Ok(head) => (head, call.finish(ended, &mut out)),
        Err(failure) => (None, call.fail(&failure, &mut out)),
    };
    let head = head.or_else(|| finish.head.clone()).expect("a head is given");
    let body = String::from_utf8(out).expect("text");
    ((head.http_status, head.content_type, body), finish)
}
