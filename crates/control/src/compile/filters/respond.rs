//! The filter `respond`.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use narrows_gateway::filter::Respond;
use narrows_gateway::reply::LocalReply;
use narrows_gateway::route::HeaderName;
use narrows_wire::Name;
use narrows_wire::grpc::Status;
use narrows_wire::syntax::check_value;

use super::super::report::Report;
use super::edits::editable;
use crate::config::{BodyConfig, BodySource, RespondConfig};

/// The largest body of a reply that the gateway makes.
const BODY_BYTES_MAX: u64 = 1 << 20;

pub(super) fn compile(
    path: &str,
    config: &RespondConfig,
    report: &mut Report<'_>,
) -> Option<Respond> {
    let mut reply = LocalReply::new(config.status);
    let content_type = format!("{path}.content_type");
    report.ok(content_type, check_value(config.content_type.as_bytes()))?;
    if config.body.is_some() {
        let name = HeaderName::known(Name::ContentType);
        reply = reply.field(name, config.content_type.as_bytes());
    }
    for (name, value) in &config.headers {
        let path = format!("{path}.headers.{name}");
        let name = editable(&path, name, report)?;
        report.ok(&path, check_value(value.as_bytes()))?;
        reply = reply.field(name, value.as_bytes());
    }
    if let Some(body) = &config.body {
        reply = reply.body(body_bytes(&format!("{path}.body"), body, report)?);
    }
    match config.grpc_status.and_then(|code| Status::from_code(code.into())) {
        Some(status) => reply = reply.grpc(status, config.grpc_message.as_str().into()),
        None if config.grpc_message.is_empty() => {}
        None => report.error(format!("{path}.grpc_message"), "needs grpc_status beside it"),
    }
    Some(Respond { reply })
}

fn body_bytes(path: &str, config: &BodyConfig, report: &mut Report<'_>) -> Option<Arc<[u8]>> {
    match config {
        BodyConfig::Text(text) => Some(text.as_bytes().into()),
        BodyConfig::Source(BodySource::File(file)) => {
            report.ok(format!("{path}.file"), read(file)).map(Arc::from)
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    let wrong = |error| format!("can not read {}: {error}", file.display());
    let mut bytes = Vec::new();
    let file_bytes = File::open(file).map_err(wrong)?;
    file_bytes.take(BODY_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(wrong)?;
    match bytes.len() as u64 <= BODY_BYTES_MAX {
        true => Ok(bytes),
        false => Err(format!("{} holds more than {BODY_BYTES_MAX} bytes", file.display())),
    }
}
