//! A description of the bindings in OpenAPI 3.0.3, for callers and their tools.
//!
//! Each binding is an operation, each message and enum that one of them reaches a schema under its full name.
//! Comments of the `.proto` files become descriptions, if the descriptors have them (`--include_source_info`). What
//! OpenAPI can not say is left out: methods of HTTP that it does not know.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::binding::Binding;
use crate::transcoder::Transcoder;

mod comments;
mod operation;
mod path;
mod schema;

use comments::Comments;
use operation::Operations;
use schema::Schemas;

/// The methods that a path item of OpenAPI has.
const METHODS: &[&str] = &["GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"];

/// The name of the schema of failures.
const STATUS: &str = "google.rpc.Status";

/// What the description says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// The title.
    pub title: String,
    /// The version of what is described.
    pub version: String,
    /// The URL before all paths, if it is not that of the description.
    pub server: Option<String>,
}

// === impl Transcoder ===

impl Transcoder {
    /// The description of all bindings.
    pub fn openapi(&self, about: &About) -> Value {
        let shared = self.shared();
        let comments = Comments::of(&shared.pool);
        let mut schemas = Schemas::new(&comments, shared.options.print);
        let mut operations = Operations::new(&comments, &mut schemas);
        let bindings = self.bindings().filter(|binding| METHODS.contains(&binding.http_method()));
        bindings.for_each(|binding| operations.add(binding));
        let paths = operations.into_paths();
        let mut document = Map::new();
        document.insert("openapi".to_owned(), json!("3.0.3"));
        let info = json!({ "title": about.title, "version": about.version });
        document.insert("info".to_owned(), info);
        if let Some(server) = &about.server {
            document.insert("servers".to_owned(), json!([{ "url": server }]));
        }
        document.insert("tags".to_owned(), tags(self.bindings(), &comments));
        document.insert("paths".to_owned(), Value::Object(paths));
        let mut schemas = schemas.into_all();
        schemas.insert(STATUS.to_owned(), status());
        document.insert("components".to_owned(), json!({ "schemas": schemas }));
        Value::Object(document)
    }
}

/// A tag for each service.
fn tags<'a>(bindings: impl Iterator<Item = &'a Binding>, comments: &Comments) -> Value {
    let mut tags = BTreeMap::new();
    for binding in bindings {
        let service = binding.method.parent_service();
        tags.entry(service.full_name().to_owned()).or_insert_with(|| {
            let mut tag = Map::from_iter([("name".to_owned(), json!(service.full_name()))]);
            describe(&mut tag, comments.of_service(service));
            Value::Object(tag)
        });
    }
    tags.into_values().collect()
}

/// The schema of a failure.
fn status() -> Value {
    json!({
        "type": "object",
        "description": "Why a call failed.",
        "properties": {
            "code": {
                "type": "integer",
                "format": "int32",
                "description": "The status code of gRPC.",
            },
            "message": { "type": "string" },
            "details": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": { "@type": { "type": "string" } },
                    "additionalProperties": true,
                },
            },
        },
    })
}

fn describe(object: &mut Map<String, Value>, comment: Option<&str>) {
    if let Some(comment) = comment {
        object.insert("description".to_owned(), json!(comment));
    }
}
