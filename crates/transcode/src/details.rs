//! `grpc-status-details-bin`: a `google.rpc.Status` whose details become JSON.
//!
//! A detail whose type the descriptors know is written as any message is; of others nobody knows the fields, and
//! their bytes are given in base64. What can not be read is left out: it must not hide the status.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::{Map, Value};

use crate::json;
use crate::options::Print;

/// Binary fields may come with padding or without (PROTOCOL-HTTP2.md, "Binary-Header").
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The most JSON that all details of a status may become.
const DETAILS_BYTES_MAX: usize = 64 << 10;

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

/// The message and the details in the value of the field.
pub(crate) fn read(field: &[u8], pool: &DescriptorPool, print: Print) -> (String, Vec<Value>) {
    let bytes = BASE64.decode(field).unwrap_or_default();
    let Ok(status) = RpcStatus::decode(bytes.as_slice()) else { return Default::default() };
    let mut left = DETAILS_BYTES_MAX;
    let mut details = Vec::new();
    for any in &status.details {
        let (text_bytes, detail) = known(any, pool, print, left).unwrap_or_else(|| unknown(any));
        if text_bytes > left {
            break;
        }
        left -= text_bytes;
        details.push(detail);
    }
    (status.message, details)
}

/// A detail whose type the descriptors have, and how long its text is.
fn known(
    any: &prost_types::Any,
    pool: &DescriptorPool,
    print: Print,
    bytes_max: usize,
) -> Option<(usize, Value)> {
    let (_, name) = any.type_url.rsplit_once('/')?;
    let message = DynamicMessage::decode(pool.get_message_by_name(name)?, any.value.as_slice());
    let mut text = Vec::new();
    json::write(&message.ok()?, print, bytes_max, &mut text).ok()?;
    let value = serde_json::from_slice(&text).ok()?;
    let mut detail = typed(any);
    match value {
        // Types with a form of their own stand in a member (proto3 JSON, "Any").
        Value::Object(fields) if !name.starts_with("google.protobuf.") => detail.extend(fields),
        value => {
            detail.insert("value".to_owned(), value);
        }
    }
    Some((text.len(), Value::Object(detail)))
}

fn unknown(any: &prost_types::Any) -> (usize, Value) {
    let value = BASE64.encode(&any.value);
    let mut detail = typed(any);
    let text_bytes = value.len();
    detail.insert("value".to_owned(), Value::String(value));
    (text_bytes, Value::Object(detail))
}

fn typed(any: &prost_types::Any) -> Map<String, Value> {
    Map::from_iter([("@type".to_owned(), Value::String(any.type_url.clone()))])
}
