//! What JSON to gRPC is written as: where the methods come from, and how JSON is read and written.
//!
//! See `compile/transcode.rs` for what becomes of it, and the crate `narrows-transcode` for what an
//! annotation means.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::path::FilePath;
use super::units::{Period, Size};

/// Requests that are not gRPC become calls in gRPC, by the `google.api.http` annotations of the
/// methods. Exactly one of `descriptors`, `protos`, and `reflection` says which methods there are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TranscodeConfig {
    /// File with an encoded `google.protobuf.FileDescriptorSet`, as `protoc --include_imports
    /// --descriptor_set_out` and `buf build` write it. Read again at each reload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptors: Option<FilePath>,
    /// `.proto` files, which the gateway compiles itself. Read again at each reload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protos: Option<ProtosConfig>,
    /// The nodes are asked, by gRPC server reflection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reflection: Option<ReflectionConfig>,
    /// Full names of the services that can be called. Default: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// Whether `POST /package.Service/Method` calls each method, also one without an annotation.
    pub default_mapping: bool,
    /// What becomes of a query parameter that names no field.
    pub unknown_query: UnknownWord,
    /// What becomes of a member of a JSON object that names no field.
    pub unknown_json: UnknownWord,
    /// How JSON is written.
    pub print: PrintConfig,
    /// What callers and nodes may ask for.
    pub limits: TranscodeLimits,
    /// Path at which callers get a description of the methods in OpenAPI 3, such as
    /// `/openapi.json`. Default: only the admin listener has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub openapi: Option<String>,
}

/// `.proto` files.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["files"]))]
pub struct ProtosConfig {
    /// The files with the services. Each lies in one of the directories of `include`.
    pub files: Vec<FilePath>,
    /// Directories in which imports are looked for, the first one first. Files of
    /// `google/protobuf`, and those of `google/api` that hold the annotations, need none. Default:
    /// the directories of `files`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<FilePath>,
}

/// Methods by the nodes' own word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReflectionConfig {
    /// A node is asked again after this long. Until one has answered for the first time, calls in
    /// JSON fail with 503; a node that is away changes nothing after that.
    pub interval: Period,
}

/// What becomes of a name that nobody knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownWord {
    /// The request is refused.
    #[default]
    Refuse,
    /// The value is left out.
    Ignore,
}

/// How JSON is written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PrintConfig {
    /// How values of an enum look.
    pub enums: EnumWord,
    /// Whether fields without presence are written when they are zero, empty, or false.
    pub defaults: DefaultsWord,
    /// How fields are called.
    pub names: NamesWord,
}

/// How values of an enum look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EnumWord {
    /// `"ACTIVE"`.
    #[default]
    Names,
    /// `1`.
    Numbers,
}

/// Whether fields that are zero, empty, or false are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DefaultsWord {
    /// They are left out.
    #[default]
    Omit,
    /// They are written, but for those that know whether they were set.
    Write,
}

/// How fields are called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NamesWord {
    /// `pageToken`.
    #[default]
    Json,
    /// `page_token`, as in the `.proto` file.
    Proto,
}

/// What callers and nodes may ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TranscodeLimits {
    /// The largest body that is held as a whole.
    pub request_bytes_max: Size,
    /// The longest line of a streamed request.
    pub line_bytes_max: Size,
    /// How deep arrays and objects of a request may lie in each other.
    #[schemars(range(min = 1, max = 127))]
    pub json_depth_max: u32,
    /// The most parameters of a query.
    pub query_parameters_max: u32,
    /// The largest message of a reply.
    pub reply_message_bytes_max: Size,
    /// The longest JSON text of one message of a reply.
    pub reply_json_bytes_max: Size,
}

// === impl TranscodeConfig ===

impl Default for TranscodeConfig {
    fn default() -> Self {
        Self {
            descriptors: None,
            protos: None,
            reflection: None,
            services: Vec::new(),
            default_mapping: true,
            unknown_query: UnknownWord::default(),
            unknown_json: UnknownWord::default(),
            print: PrintConfig::default(),
            limits: TranscodeLimits::default(),
            openapi: None,
        }
    }
}

// === impl ReflectionConfig ===

impl Default for ReflectionConfig {
    fn default() -> Self {
        Self { interval: Period::seconds(30) }
    }
}

// === impl TranscodeLimits ===

impl Default for TranscodeLimits {
    fn default() -> Self {
        Self {
            request_bytes_max: Size(4 << 20),
            line_bytes_max: Size(1 << 20),
            json_depth_max: 64,
            query_parameters_max: 256,
            reply_message_bytes_max: Size(4 << 20),
            reply_json_bytes_max: Size(16 << 20),
        }
    }
}
