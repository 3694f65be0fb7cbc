//! Descriptors of a node by its own word: the client of `grpc.reflection.v1.ServerReflection`.
//!
//! All services of a node are asked for, then the files that they stand in, then what those import. The files stay
//! the bytes that they are: decoded and encoded again they would lose options that nobody here knows, such as
//! `google.api.http`. The same descriptors always give the same bytes, so that a change shows. A node that knows
//! only the older `v1alpha` is asked for that; the messages of both are the same.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use prost::Message as _;
use prost_reflect::DescriptorPool;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::tokio_stream;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

pub(crate) mod codec;
mod messages;
pub mod refresh;

use codec::Prost;
use messages::{
    Answer, FileDescriptorSummary, Question, ServerReflectionRequest, ServerReflectionResponse,
};

/// How long asking for everything may take.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// The most services of a node.
pub const SERVICES_MAX: usize = 1024;

/// The most files of a node.
pub const FILES_MAX: usize = 4096;

/// The most bytes of all files of a node.
pub const FILES_BYTES_MAX: usize = 32 << 20;

/// The service in its versions, the newest first.
const PATHS: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reflected {
    /// An encoded `google.protobuf.FileDescriptorSet`; each file stands behind those that it imports.
    pub descriptor_set: Vec<u8>,
    /// Services that the node lists but can not describe.
    pub undescribed: Vec<String>,
}

/// Why a node does not describe itself.
#[derive(Debug, thiserror::Error)]
pub enum ReflectionError {
    /// It does not know the service, or the call failed.
    #[error("the node does not answer: {} ({:?})", .0.message(), .0.code())]
    Call(#[source] Box<Status>),
    /// It answered something else than was asked for.
    #[error("the node answers something else than was asked for")]
    Answer,
    /// A file that others import is not to be had.
    #[error("{file} is imported, but the node does not have it")]
    NoFile {
        /// The name of the file.
        file: String,
    },
    /// It has more than is taken.
    #[error("the node has more than {max} {what}")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// It took too long.
    #[error("the node did not answer within {FETCH_TIMEOUT:?}")]
    Timeout,
}

/// A node that is asked.
struct Node {
    grpc: tonic::client::Grpc<Channel>,
    path: PathAndQuery,
}

/// The files that have come, by name.
#[derive(Default)]
struct Files {
    by_name: BTreeMap<String, File>,
    bytes: usize,
}

/// A file as it came.
struct File {
    encoded: Vec<u8>,
    imports: Vec<String>,
}

/// Asks a node for all its descriptors.
pub async fn fetch(channel: Channel) -> Result<Reflected, ReflectionError> {
    let all = async {
        let mut result = Err(ReflectionError::Answer);
        for path in PATHS {
            let grpc = tonic::client::Grpc::new(channel.clone())
                .max_decoding_message_size(FILES_BYTES_MAX);
            let mut node = Node { grpc, path: PathAndQuery::from_static(path) };
            result = node.everything().await;
            match &result {
                Err(ReflectionError::Call(status)) if status.code() == Code::Unimplemented => {}
                _ => break,
            }
        }
        result
    };
    tokio::time::timeout(FETCH_TIMEOUT, all).await.unwrap_or(Err(ReflectionError::Timeout))
}

// === impl Node ===

impl Node {
    async fn everything(&mut self) -> Result<Reflected, ReflectionError> {
        let services = self.services().await?;
        let mut files = Files::default();
        let questions = services.iter().cloned().map(Question::FileContainingSymbol).collect();
        let mut undescribed = Vec::new();
        for (service, answer) in services.into_iter().zip(self.ask(questions).await?) {
            match answer {
                Answer::Files(found) => files.add(found.file_descriptor_proto)?,
                Answer::Error(_) => undescribed.push(service),
                Answer::Services(_) => return Err(ReflectionError::Answer),
            }
        }
        // Each round adds a file at least, so their limit ends it.
        loop {
            let missing = files.missing();
            if missing.is_empty() {
                return Ok(Reflected { descriptor_set: files.into_set(), undescribed });
            }
            self.import(missing, &mut files).await?;
        }
    }

    /// The names of all services, but for the one that answers.
    async fn services(&mut self) -> Result<Vec<String>, ReflectionError> {
        let mut answers = self.ask(vec![Question::ListServices(String::new())]).await?;
        let Some(Answer::Services(listed)) = answers.pop() else {
            return Err(ReflectionError::Answer);
        };
        let mut names: Vec<_> = listed.service.into_iter().map(|service| service.name).collect();
        names.retain(|name| !name.starts_with("grpc.reflection."));
        if names.len() > SERVICES_MAX {
            return Err(ReflectionError::TooMuch { what: "services", max: SERVICES_MAX });
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Asks for files that others import. Those that everybody has may be missing.
    async fn import(
        &mut self,
        missing: BTreeSet<String>,
        files: &mut Files,
    ) -> Result<(), ReflectionError> {
        let questions = missing.iter().cloned().map(Question::FileByFilename).collect();
        for (file, answer) in missing.into_iter().zip(self.ask(questions).await?) {
            match answer {
                Answer::Files(found) => files.add(found.file_descriptor_proto)?,
                Answer::Error(_) => files.add(vec![well_known(&file)?])?,
                Answer::Services(_) => return Err(ReflectionError::Answer),
            }
            if !files.by_name.contains_key(&file) {
                return Err(ReflectionError::NoFile { file });
            }
        }
        Ok(())
    }

    /// Puts questions in one call; there is an answer for each.
    async fn ask(&mut self, questions: Vec<Question>) -> Result<Vec<Answer>, ReflectionError> {
        let count = questions.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        let ask =
            |question| ServerReflectionRequest { question: Some(question), ..Default::default() };
        let requests = tokio_stream::iter(questions.into_iter().map(ask).collect::<Vec<_>>());
        let failed = |status| ReflectionError::Call(Box::new(status));
        let ready = self.grpc.ready().await;
        ready.map_err(|error| failed(Status::unavailable(error.to_string())))?;
        let codec = Prost::<ServerReflectionRequest, ServerReflectionResponse>::default();
        let call = self.grpc.streaming(Request::new(requests), self.path.clone(), codec);
        let mut replies = call.await.map_err(failed)?.into_inner();
        let mut answers = Vec::new();
        while answers.len() < count
            && let Some(reply) = replies.message().await.map_err(failed)?
        {
            answers.push(reply.answer.ok_or(ReflectionError::Answer)?);
        }
        if answers.len() == count { Ok(answers) } else { Err(ReflectionError::Answer) }
    }
}

/// A file that comes with every compiler, for nodes that do not tell it.
fn well_known(file: &str) -> Result<Vec<u8>, ReflectionError> {
    let known = DescriptorPool::global().get_file_by_name(file);
    let known = known.filter(|_| file.starts_with("google/protobuf/"));
    known
        .map(|file| file.encode_to_vec())
        .ok_or_else(|| ReflectionError::NoFile { file: file.to_owned() })
}

// === impl Files ===

impl Files {
    fn add(&mut self, encoded: Vec<Vec<u8>>) -> Result<(), ReflectionError> {
        for encoded in encoded {
            let summary = FileDescriptorSummary::decode(encoded.as_slice());
            let FileDescriptorSummary { name, dependency } =
                summary.map_err(|_| ReflectionError::Answer)?;
            if self.by_name.contains_key(&name) {
                continue;
            }
            self.bytes = self.bytes.saturating_add(encoded.len());
            self.by_name.insert(name, File { encoded, imports: dependency });
            if self.by_name.len() > FILES_MAX {
                return Err(ReflectionError::TooMuch { what: "files", max: FILES_MAX });
            }
            if self.bytes > FILES_BYTES_MAX {
                let what = "bytes of descriptors";
                return Err(ReflectionError::TooMuch { what, max: FILES_BYTES_MAX });
            }
        }
        Ok(())
    }

    /// What files import and is not there.
    fn missing(&self) -> BTreeSet<String> {
        let imports = self.by_name.values().flat_map(|file| &file.imports);
        imports.filter(|name| !self.by_name.contains_key(*name)).cloned().collect()
    }

    /// All files, each behind those that it imports.
    fn into_set(mut self) -> Vec<u8> {
        let mut set = Vec::new();
        while let Some(name) = self.next() {
            if let Some(file) = self.by_name.remove(&name) {
                // `repeated FileDescriptorProto file = 1`.
                prost::encoding::bytes::encode(1, &file.encoded, &mut set);
            }
        }
        set
    }

    /// The first file all of whose imports are written; the first of all where imports go round in a circle.
    fn next(&self) -> Option<String> {
        let is_free =
            |file: &File| !file.imports.iter().any(|name| self.by_name.contains_key(name));
        let free = self.by_name.iter().find(|(_, file)| is_free(file));
        free.or_else(|| self.by_name.iter().next()).map(|(name, _)| name.clone())
    }
}
