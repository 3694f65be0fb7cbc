//! The description of the bindings.

use std::collections::HashSet;

use narrows_transcode::{About, EnumForm, FieldNames, Options, Print};
use serde_json::{Value, json};

use crate::support::{transcoder, usual};

fn document() -> Value {
    let about = About {
        title: "Library".to_owned(),
        version: "1".to_owned(),
        server: Some("https://api.example".to_owned()),
    };
    usual().openapi(&about)
}

fn names(parameters: &Value) -> Vec<&str> {
    let parameters = parameters.as_array().expect("parameters");
    parameters.iter().map(|parameter| parameter["name"].as_str().expect("a name")).collect()
}

#[test]
fn it_says_what_it_is() {
    let document = document();
    assert_eq!(document["openapi"], "3.0.3");
    assert_eq!(document["info"], json!({ "title": "Library", "version": "1" }));
    assert_eq!(document["servers"], json!([{ "url": "https://api.example" }]));
    let tag = json!({ "name": "test.v1.Library", "description": "Keeps books on shelves." });
    assert_eq!(document["tags"], json!([tag]));
}

#[test]
fn a_binding_is_an_operation() {
    let document = document();
    let shelf = json!({
        "tags": ["test.v1.Library"],
        "operationId": "Library_GetShelf",
        "description": "Gives one shelf.",
        "parameters": [
            {
                "name": "id", "in": "path", "required": true,
                "schema": { "type": "string", "format": "int64" },
            },
            { "name": "tenant.name", "in": "query", "schema": { "type": "string" } },
            { "name": "withBooks", "in": "query", "schema": { "type": "boolean" } },
        ],
        "responses": {
            "200": {
                "description": "The call succeeded.",
                "content": { "application/json": {
                    "schema": { "$ref": "#/components/schemas/test.v1.Shelf" },
                } },
            },
            "default": {
                "description": "The call failed.",
                "content": { "application/json": {
                    "schema": { "$ref": "#/components/schemas/google.rpc.Status" },
                } },
            },
        },
    });
    assert_eq!(document["paths"]["/v1/shelves/{id}"]["get"], shelf);
    let other = &document["paths"]["/v1/tenants/{tenant.name}/shelves/{id}"]["get"];
    assert_eq!(other["operationId"], "Library_GetShelf_2");
    assert_eq!(other["parameters"][0]["description"], "A part of `tenant.name`.");
    assert_eq!(other["parameters"][0]["schema"], json!({ "type": "string" }));
}

#[test]
fn each_wildcard_is_a_parameter_and_what_path_and_body_have_is_none() {
    let document = document();
    let patch = &document["paths"]["/v1/shelves/{book.name_1}/books/{book.name_2}"]["patch"];
    assert_eq!(names(&patch["parameters"]), ["book.name_1", "book.name_2", "updateMask"]);
    let schema = json!({ "$ref": "#/components/schemas/test.v1.Book" });
    assert_eq!(patch["requestBody"]["content"]["application/json"]["schema"], schema);
    let title = &document["paths"]["/v1/titles/{book.name}"]["put"];
    let schema = &title["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(*schema, json!({ "type": "string", "description": "How it is called." }));
    let echo = &document["paths"]["/test.v1.Library/Echo"]["post"];
    assert!(echo.get("parameters").is_none());
}

#[test]
fn paths_that_differ_in_names_alone_are_one() {
    let document = document();
    // `GET /v1/shelves/{id}` and `DELETE /v1/{name=shelves/**}`.
    let delete = &document["paths"]["/v1/shelves/{id}"]["delete"];
    assert_eq!(names(&delete["parameters"]), ["id"]);
    let text = "The rest of `name`; it may hold slashes.";
    assert_eq!(delete["parameters"][0]["description"], text);
    let paths = document["paths"].as_object().expect("paths");
    let shape = |path: &String| {
        path.split('{')
            .map(|part| part.split_once('}').map_or(part, |(_, behind)| behind))
            .fold(String::new(), |shape, part| shape + "{}" + part)
    };
    let shapes: HashSet<String> = paths.keys().map(shape).collect();
    assert_eq!(shapes.len(), paths.len());
}

#[test]
fn parameters_of_the_query_are_the_fields_that_can_be_text() {
    let document = document();
    let search = &document["paths"]["/v1/books:search"]["get"];
    let names = names(&search["parameters"]);
    for name in ["text", "page.size.maxBooks", "page.pageToken", "kinds", "words", "like.title"] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    // A message that holds itself is looked into once.
    assert!(!names.iter().any(|name| name.starts_with("like.sequel") || *name == "labels"));
    let kinds =
        json!({ "type": "array", "items": { "$ref": "#/components/schemas/test.v1.Kind" } });
    let parameters = search["parameters"].as_array().expect("parameters");
    assert!(parameters.contains(&json!({ "name": "kinds", "in": "query", "schema": kinds })));
}

#[test]
fn streams_and_content_have_their_kinds() {
    let document = document();
    let kinds = |value: &Value| -> Vec<String> {
        value["content"].as_object().expect("content").keys().cloned().collect()
    };
    let talk = &document["paths"]["/v1/talk"]["post"];
    assert_eq!(kinds(&talk["requestBody"]), ["application/x-ndjson"]);
    let streams = ["application/x-ndjson", "text/event-stream"];
    assert_eq!(kinds(&talk["responses"]["200"]), streams);
    let upload = &document["paths"]["/v1/files/{name}"]["put"];
    assert_eq!(kinds(&upload["requestBody"]), ["*/*"]);
    let download = &document["paths"]["/v1/files/{name}"]["get"];
    assert_eq!(kinds(&download["responses"]["200"]), ["*/*"]);
    let titles = &document["paths"]["/v1/titles"]["get"]["responses"]["200"];
    let schema = json!({ "type": "array", "items": { "type": "string" } });
    assert_eq!(titles["content"]["application/json"]["schema"], schema);
}

#[test]
fn methods_that_openapi_does_not_know_are_left_out() {
    let document = document();
    let paths = document["paths"].as_object().expect("paths");
    assert!(
        !paths.keys().any(|path| path.starts_with("/v1/cache") || path.starts_with("/v1/touch"))
    );
}

#[test]
fn messages_and_enums_are_schemas_with_their_comments() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let kind = json!({
        "type": "string",
        "description": "What a book is.",
        "enum": ["KIND_UNKNOWN", "NOVEL", "ATLAS"],
    });
    assert_eq!(schemas["test.v1.Kind"], kind);
    let book = json!({
        "type": "object",
        "properties": {
            "name": { "type": "string" },
            "title": { "type": "string", "description": "How it is called." },
            "shelf": { "type": "string" },
            "kind": { "$ref": "#/components/schemas/test.v1.Kind" },
            "published": { "type": "string", "format": "date-time" },
            "sequel": { "$ref": "#/components/schemas/test.v1.Book" },
        },
    });
    assert_eq!(schemas["test.v1.Book"], book);
    let everything = &schemas["test.v1.Everything"]["properties"];
    for (field, schema) in [
        ("fUint64", json!({ "type": "string", "format": "uint64" })),
        ("fUint32", json!({ "type": "integer", "minimum": 0 })),
        ("fBytes", json!({ "type": "string", "format": "byte" })),
        ("mInt64", {
            let value = json!({ "type": "number", "format": "double" });
            json!({ "type": "object", "additionalProperties": value })
        }),
        ("wInt64", json!({ "type": "string", "format": "int64", "nullable": true })),
        ("wValue", json!({})),
        ("cNull", json!({ "nullable": true })),
    ] {
        assert_eq!(everything[field], schema, "{field}");
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_id_is_its_own() {
    let document = document();
    let mut references = Vec::new();
    let mut ids = Vec::new();
    collect(&document, &mut references, &mut ids);
    assert!(references.len() > 20);
    for reference in references {
        let name = reference.strip_prefix("#/components/schemas/").expect("a schema");
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
    let different: HashSet<_> = ids.iter().collect();
    assert_eq!(different.len(), ids.len());
}

#[test]
fn names_and_numbers_are_as_they_are_written() {
    let print = Print { enums: EnumForm::Numbers, names: FieldNames::Proto, ..Print::default() };
    let transcoder = transcoder(Options { print, ..Options::default() });
    let document = transcoder.openapi(&About::default());
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["test.v1.Kind"]["enum"], json!([0, 1, 2]));
    assert!(schemas["test.v1.Page"]["properties"]["page_token"].is_object());
    assert!(document.get("servers").is_none());
}

/// All references and operation ids of a document.
fn collect(value: &Value, references: &mut Vec<String>, ids: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                match (name.as_str(), value) {
                    ("$ref", Value::String(text)) => references.push(text.clone()),
                    ("operationId", Value::String(text)) => ids.push(text.clone()),
                    _ => collect(value, references, ids),
                }
            }
        }
        Value::Array(values) => {
            values.iter().for_each(|value| collect(value, references, ids));
        }
        _ => {}
    }
}
