//! Operations: one for each binding.

use std::collections::{HashMap, HashSet};

use prost_reflect::{FieldDescriptor, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::comments::Comments;
use super::path::{Parameter, Part, Path, Takes};
use super::schema::Schemas;
use super::{STATUS, describe};
use crate::binding::{Binding, Body};
use crate::fields::{self, FieldPath};

/// How deep messages are looked into for parameters of the query.
const QUERY_DEPTH_MAX: usize = 4;

/// All operations by their paths.
pub(super) struct Operations<'s, 'c> {
    comments: &'c Comments,
    schemas: &'s mut Schemas<'c>,
    paths: Map<String, Value>,
    /// The names of the parameters of each shape: OpenAPI takes paths that differ only in them for one.
    names: HashMap<String, Vec<String>>,
    ids: HashSet<String>,
}

// === impl Operations ===

impl<'s, 'c> Operations<'s, 'c> {
    pub(super) fn new(comments: &'c Comments, schemas: &'s mut Schemas<'c>) -> Self {
        let (paths, names, ids) = (Map::new(), HashMap::new(), HashSet::new());
        Self { comments, schemas, paths, names, ids }
    }

    pub(super) fn into_paths(self) -> Map<String, Value> {
        self.paths
    }

    pub(super) fn add(&mut self, binding: &Binding) {
        let mut path = Path::of(binding);
        let own = || path.parameters.iter().map(|parameter| parameter.name.clone()).collect();
        let names = self.names.entry(path.shape.clone()).or_insert_with(own).clone();
        for (parameter, name) in path.parameters.iter_mut().zip(names) {
            parameter.name = name;
        }
        let text = path.text(path.parameters.iter().map(|parameter| parameter.name.as_str()));
        let operation = self.operation(binding, &path);
        let item = self.paths.entry(text).or_insert_with(|| json!({}));
        if let Value::Object(item) = item {
            item.insert(binding.http_method.to_ascii_lowercase(), operation);
        }
    }

    fn operation(&mut self, binding: &Binding, path: &Path<'_>) -> Value {
        let method = &binding.method;
        let mut operation = Map::new();
        operation.insert("tags".to_owned(), json!([method.parent_service().full_name()]));
        operation.insert("operationId".to_owned(), json!(self.id(binding)));
        describe(&mut operation, self.comments.of_method(method));
        let deprecated = method.method_descriptor_proto().options.as_ref();
        if deprecated.is_some_and(|options| options.deprecated()) {
            operation.insert("deprecated".to_owned(), json!(true));
        }
        let mut parameters: Vec<Value> =
            path.parameters.iter().map(|parameter| self.path_parameter(parameter)).collect();
        if !matches!(binding.body, Body::Whole) {
            self.query_parameters(binding, &method.input(), &mut Vec::new(), &mut parameters);
        }
        if !parameters.is_empty() {
            operation.insert("parameters".to_owned(), json!(parameters));
        }
        if let Some(body) = self.request(binding) {
            operation.insert("requestBody".to_owned(), body);
        }
        operation.insert("responses".to_owned(), self.responses(binding));
        Value::Object(operation)
    }

    /// `Service_Method`, with a number if there are several.
    fn id(&mut self, binding: &Binding) -> String {
        let method = &binding.method;
        let first = format!("{}_{}", method.parent_service().name(), method.name());
        let mut id = first.clone();
        let mut number = 1;
        while !self.ids.insert(id.clone()) {
            number += 1;
            id = format!("{first}_{number}");
        }
        id
    }

    fn path_parameter(&mut self, parameter: &Parameter<'_>) -> Value {
        let schema = match (parameter.bound, parameter.part) {
            (Some(bound), Part::Whole) => self.schemas.of_field(bound.field.field()),
            (Some(_) | None, _) => json!({ "type": "string" }),
        };
        let mut object = Map::new();
        object.insert("name".to_owned(), json!(parameter.name));
        object.insert("in".to_owned(), json!("path"));
        object.insert("required".to_owned(), json!(true));
        let field = parameter.bound.map(|bound| bound.variable.field.as_str());
        let text = match (field, parameter.part, parameter.takes) {
            (_, Part::Whole, Takes::One) | (None, Part::Some, Takes::One) => None,
            (Some(field), Part::Some, Takes::One) => Some(format!("A part of `{field}`.")),
            (Some(field), Part::Some, Takes::Rest) => {
                Some(format!("The rest of `{field}`; it may hold slashes."))
            }
            (_, _, Takes::Rest) => Some("It may hold slashes.".to_owned()),
        };
        describe(&mut object, text.as_deref());
        object.insert("schema".to_owned(), schema);
        Value::Object(object)
    }

    /// The fields that neither the path nor the body has, as deep as messages are looked into.
    fn query_parameters(
        &mut self,
        binding: &Binding,
        message: &MessageDescriptor,
        way: &mut Vec<FieldDescriptor>,
        parameters: &mut Vec<Value>,
    ) {
        for field in message.fields() {
            way.push(field.clone());
            let path = FieldPath::of(way.clone());
            let is_taken = binding.variables.iter().any(|bound| bound.field == path)
                || matches!(&binding.body, Body::Field(body) if path.is_within(body));
            if !is_taken && fields::is_text(&field) {
                parameters.push(self.query_parameter(&field, way));
            } else if !is_taken
                && way.len() < QUERY_DEPTH_MAX
                && let Some(inner) = fields::inside(&field)
                && way.iter().all(|before| *before.parent_message() != inner)
            {
                self.query_parameters(binding, &inner, way, parameters);
            }
            way.pop();
        }
    }

    fn query_parameter(&mut self, field: &FieldDescriptor, way: &[FieldDescriptor]) -> Value {
        let names: Vec<_> = way.iter().map(|field| self.schemas.name(field)).collect();
        let name = names.join(".");
        json!({ "name": name, "in": "query", "schema": self.schemas.of_field(field) })
    }

    fn request(&mut self, binding: &Binding) -> Option<Value> {
        let schema = match &binding.body {
            Body::None => return None,
            _ if binding.takes_content() => return Some(json!({ "content": content() })),
            Body::Whole => self.schemas.of_message(&binding.method.input()),
            Body::Field(path) => self.schemas.of_field(path.field()),
        };
        Some(match binding.method.is_client_streaming() {
            true => json!({
                "description": "A line of JSON for each message.",
                "content": { "application/x-ndjson": { "schema": schema } },
            }),
            false => json!({ "content": { "application/json": { "schema": schema } } }),
        })
    }

    fn responses(&mut self, binding: &Binding) -> Value {
        let failure = json!({ "$ref": format!("#/components/schemas/{STATUS}") });
        let failure = json!({
            "description": "The call failed.",
            "content": { "application/json": { "schema": failure } },
        });
        let schema = match &binding.reply_field {
            None => self.schemas.of_message(&binding.method.output()),
            Some(field) => self.schemas.of_field(field),
        };
        let success = match binding.method.is_server_streaming() {
            _ if binding.gives_content() => {
                json!({ "description": "Content of any kind.", "content": content() })
            }
            true => json!({
                "description": "A line of JSON or an event for each message.",
                "content": {
                    "application/x-ndjson": { "schema": schema },
                    "text/event-stream": { "schema": schema },
                },
            }),
            false => json!({
                "description": "The call succeeded.",
                "content": { "application/json": { "schema": schema } },
            }),
        };
        json!({ "200": success, "default": failure })
    }
}

/// Content as it is.
fn content() -> Value {
    json!({ "*/*": { "schema": { "type": "string", "format": "binary" } } })
}
