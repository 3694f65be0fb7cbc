//! The filter `compress`.

use narrows_gateway::filter::{Coding, Compress, MediaType};
use narrows_wire::syntax::is_name_byte;

use super::super::report::Report;
use super::super::routes::each;
use crate::config::{CodingWord, CompressConfig};

pub(super) fn compile(
    path: &str,
    config: &CompressConfig,
    report: &mut Report<'_>,
) -> Option<Compress> {
    if config.codings.is_empty() {
        report.error(format!("{path}.codings"), "is empty: nothing could be compressed");
    }
    for (at, word) in config.codings.iter().enumerate() {
        if config.codings.iter().take(at).any(|before| before == word) {
            report.error(format!("{path}.codings[{at}]"), "is there already");
        }
    }
    let coding = |word: &CodingWord| match word {
        CodingWord::Zstd => Coding::Zstd,
        CodingWord::Br => Coding::Brotli,
        CodingWord::Gzip => Coding::Gzip,
    };
    let types = each(path, "types", &config.types, media_type, report)?;
    let codings = config.codings.iter().map(coding).collect();
    Some(Compress::new(codings, types, config.body_bytes_min.0))
}

/// `type/subtype`, or `type/*`.
fn media_type(text: &str) -> Result<MediaType, String> {
    let text = text.to_ascii_lowercase();
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(is_name_byte);
    match text.split_once('/') {
        _ if text.starts_with("application/grpc") => {
            Err("messages of gRPC have a compression of their own".to_owned())
        }
        Some((kind, "*")) if is_name(kind) && kind != "*" => {
            Ok(MediaType::Below(format!("{kind}/").into()))
        }
        Some((kind, rest)) if is_name(kind) && is_name(rest) && !text.contains('*') => {
            Ok(MediaType::Exact(text.into()))
        }
        Some(_) | None => Err(format!("{text:?} is no media type, such as text/html or text/*")),
    }
}
