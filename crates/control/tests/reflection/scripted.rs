//! A node that tells the files it was given as they are, one at a time.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use prost::Message as _;
use prost::bytes::{Buf, BufMut, Bytes};
use prost_reflect::prost_types::FileDescriptorProto;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::{Service, http, tokio_stream};
use tonic::server::{Grpc, StreamingService};
use tonic::{Request, Response, Status, Streaming};

/// The name of the service.
const NAME: &str = "grpc.reflection.v1.ServerReflection";

type Answers = tokio_stream::Iter<std::vec::IntoIter<Result<Bytes, Status>>>;
type Answering<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Serves `grpc.reflection.v1.ServerReflection`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scripted {
    services: Vec<String>,
    /// By name, encoded.
    files: BTreeMap<String, Vec<u8>>,
    /// The file of each service.
    symbols: BTreeMap<String, String>,
}

/// Serves something else.
#[derive(Debug, Clone)]
pub(crate) struct Other;

/// `FileDescriptorSet`, with its files as bytes.
#[derive(Clone, PartialEq, prost::Message)]
struct RawSet {
    #[prost(bytes = "vec", repeated, tag = "1")]
    file: Vec<Vec<u8>>,
}

/// A question or an answer: all fields that are used are texts or bytes.
#[derive(Clone, PartialEq, prost::Message)]
struct Wire {
    #[prost(bytes = "vec", optional, tag = "3")]
    file: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "4")]
    symbol_or_files: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "6")]
    services: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "7")]
    list_or_error: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Raw;

// === impl Scripted ===

impl Scripted {
    pub(crate) fn of(set: &[u8]) -> Self {
        let mut node = Self::default();
        for encoded in RawSet::decode(set).expect("a set").file {
            let file = FileDescriptorProto::decode(encoded.as_slice()).expect("a file");
            for service in &file.service {
                let name = format!("{}.{}", file.package(), service.name());
                node.symbols.insert(name.clone(), file.name().to_owned());
                node.services.push(name);
            }
            node.files.insert(file.name().to_owned(), encoded);
        }
        node
    }

    pub(crate) fn forget(&mut self, file: &str) {
        self.files.remove(file).expect("a file of the set");
    }

    pub(crate) fn list(&mut self, service: &str) {
        self.services.push(service.to_owned());
    }

    fn answer(&self, question: &[u8]) -> Bytes {
        let question = Wire::decode(question).expect("a question");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("a name");
        let mut answer = Wire::default();
        if question.list_or_error.is_some() {
            let mut listed = Vec::new();
            for name in self.services.iter().map(String::as_str).chain([NAME]) {
                let mut service = Vec::new();
                prost::encoding::string::encode(1, &name.to_owned(), &mut service);
                prost::encoding::bytes::encode(1, &service, &mut listed);
            }
            answer.services = Some(listed);
            return answer.encode_to_vec().into();
        }
        let symbol = question.symbol_or_files.map(text);
        let name = symbol.and_then(|symbol| self.symbols.get(&symbol).cloned());
        let name = name.or_else(|| question.file.map(text));
        match name.and_then(|name| self.files.get(&name)) {
            Some(encoded) => {
                let mut files = Vec::new();
                prost::encoding::bytes::encode(1, encoded, &mut files);
                answer.symbol_or_files = Some(files);
            }
            // `error_code: 5`.
            None => answer.list_or_error = Some(vec![0x08, 5]),
        }
        answer.encode_to_vec().into()
    }
}

impl Service<http::Request<Body>> for Scripted {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answering<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        // The newer version alone.
        if request.uri().path() != format!("/{NAME}/ServerReflectionInfo") {
            return Box::pin(async { Ok(Status::unimplemented("no such method").into_http()) });
        }
        let node = self.clone();
        Box::pin(async move { Ok(Grpc::new(Raw).streaming(node, request).await) })
    }
}

impl StreamingService<Bytes> for Scripted {
    type Response = Bytes;
    type ResponseStream = Answers;
    type Future = Answering<Result<Response<Answers>, Status>>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let node = self.clone();
        Box::pin(async move {
            let mut questions = request.into_inner();
            let mut answers = Vec::new();
            while let Some(question) = questions.message().await? {
                answers.push(Ok(node.answer(&question)));
            }
            Ok(Response::new(tokio_stream::iter(answers)))
        })
    }
}

// === impl Other ===

impl Service<http::Request<Body>> for Other {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        std::future::ready(Ok(Status::unimplemented("no such method").into_http()))
    }
}

// === impl Raw ===

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
