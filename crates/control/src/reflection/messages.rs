//! The messages of `grpc/reflection/v1/reflection.proto`, as far as they are used. Those of `v1alpha` are the same.

/// A question to the node.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ServerReflectionRequest {
    #[prost(string, tag = "1")]
    pub(super) host: String,
    #[prost(oneof = "Question", tags = "3, 4, 7")]
    pub(super) question: Option<Question>,
}

/// What is asked for.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Question {
    #[prost(string, tag = "3")]
    FileByFilename(String),
    #[prost(string, tag = "4")]
    FileContainingSymbol(String),
    #[prost(string, tag = "7")]
    ListServices(String),
}

/// An answer of the node.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ServerReflectionResponse {
    #[prost(oneof = "Answer", tags = "4, 6, 7")]
    pub(super) answer: Option<Answer>,
}

/// What is answered.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Answer {
    #[prost(message, tag = "4")]
    Files(FileDescriptorResponse),
    #[prost(message, tag = "6")]
    Services(ListServiceResponse),
    #[prost(message, tag = "7")]
    Error(ErrorResponse),
}

/// Files, encoded.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct FileDescriptorResponse {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(super) file_descriptor_proto: Vec<Vec<u8>>,
}

/// Services.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ListServiceResponse {
    #[prost(message, repeated, tag = "1")]
    pub(super) service: Vec<ServiceResponse>,
}

/// A service.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ServiceResponse {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

/// Why there is no answer.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ErrorResponse {
    #[prost(int32, tag = "1")]
    pub(super) error_code: i32,
    #[prost(string, tag = "2")]
    pub(super) error_message: String,
}

/// `google.protobuf.FileDescriptorProto`, as far as it says what belongs together.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct FileDescriptorSummary {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, repeated, tag = "3")]
    pub(super) dependency: Vec<String>,
}
