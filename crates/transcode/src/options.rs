//! What a transcoder is told, and the limits that it keeps.

/// How services are transcoded.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Which services can be called.
    pub services: Services,
    /// Whether each method can be called by its gRPC path.
    pub default_mapping: DefaultMapping,
    /// What becomes of a query parameter that names no field.
    pub unknown_query: Unknown,
    /// What becomes of a member of a JSON object that names no field.
    pub unknown_json: Unknown,
    /// How JSON is written.
    pub print: Print,
    /// What callers and nodes may ask for.
    pub limits: Limits,
}

/// Services by their full names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Services {
    /// All that the descriptors hold.
    #[default]
    All,
    /// These.
    Named(Vec<String>),
}

/// Whether `POST /package.Service/Method` calls the method, with the whole message as the body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DefaultMapping {
    /// Yes.
    #[default]
    On,
    /// Only annotations count.
    Off,
}

/// What becomes of a name that nobody knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unknown {
    /// The request is refused.
    #[default]
    Refuse,
    /// The value is left out.
    Ignore,
}

/// How JSON is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Print {
    /// How values of an enum look.
    pub enums: EnumForm,
    /// Whether fields without presence are written when they are empty.
    pub defaults: DefaultValues,
    /// How fields are called.
    pub names: FieldNames,
}

/// How values of an enum look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EnumForm {
    /// `"ACTIVE"`.
    #[default]
    Names,
    /// `1`.
    Numbers,
}

/// Whether fields that are zero, empty, or false are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DefaultValues {
    /// They are left out.
    #[default]
    Omit,
    /// They are written, but for those that know whether they were set.
    Write,
}

/// How fields are called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FieldNames {
    /// `pageToken`.
    #[default]
    Json,
    /// `page_token`, as in the `.proto` file.
    Proto,
}

/// What callers and nodes may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest body that is held as a whole. Default: 4 MiB.
    pub request_bytes_max: usize,
    /// The longest line of a streamed request. Default: 1 MiB.
    pub line_bytes_max: usize,
    /// How deep arrays and objects of a request may lie in each other. Default: 64. What is above
    /// 127 counts as 127.
    pub json_depth_max: usize,
    /// The most parameters of a query. Default: 256.
    pub query_parameters_max: usize,
    /// The largest message of a reply. Default: 4 MiB.
    pub reply_message_bytes_max: usize,
    /// The longest JSON text of one message of a reply. Default: 16 MiB.
    pub reply_json_bytes_max: usize,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes_max: 4 << 20,
            line_bytes_max: 1 << 20,
            json_depth_max: 64,
            query_parameters_max: 256,
            reply_message_bytes_max: 4 << 20,
            reply_json_bytes_max: 16 << 20,
        }
    }
}
