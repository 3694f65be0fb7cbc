//! JSON to gRPC: where the methods of an upstream come from.
//!
//! Descriptors and `.proto` files are read here, and again when they change (`watch.rs`). Nodes are asked
//! while the gateway runs; what they said last is carried over a reload, so that calls go on. See
//! `reflection/refresh.rs` for asking, `sources.rs` for files.

mod options;
mod sources;
mod watch;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use narrows_gateway::snapshot::ClientTls;
use narrows_gateway::transcoding::Transcoding;
use narrows_transcode::{Fault, Wrong};

pub use watch::DescriptorWatch;

use super::previous::Previous;
use super::report::Report;
use crate::config::{
    EndpointConfig, ProtocolWord, ReflectionConfig, Severity, TranscodeConfig, UpstreamConfig,
};
use crate::reflection::refresh::{self, Node, Refresh, Security};

/// An upstream that takes JSON.
pub(super) struct Asked<'a> {
    pub(super) name: &'a str,
    /// Its place in the configuration.
    pub(super) path: &'a str,
    pub(super) upstream: &'a UpstreamConfig,
    /// How nodes are spoken to.
    pub(super) tls: &'a Arc<ClientTls>,
}

/// Where methods come from.
enum Source<'a> {
    /// An encoded set of descriptors, the key that names it, and the files that it is from.
    Set(&'static str, Vec<u8>, BTreeSet<PathBuf>),
    /// The nodes.
    Nodes(&'a ReflectionConfig),
}

const ONE_SOURCE: &str = "write exactly one of descriptors, protos, and reflection";

/// What makes JSON into gRPC for this upstream, if anything does. What nodes are to be asked is
/// noted in `next`.
pub(super) fn compile(
    asked: &Asked<'_>,
    previous: &Previous,
    next: &mut Previous,
    report: &mut Report<'_>,
) -> Option<Arc<Transcoding>> {
    let config = asked.upstream.transcode.as_ref()?;
    let path = format!("{}.transcode", asked.path);
    if report.is_certain(&format!("{}.protocol", asked.path)) {
        check_protocol(&path, asked.upstream.protocol, report);
    }
    check_description(&path, config, report);
    let options = options::options(config);
    let transcoding = Arc::new(Transcoding::new(config.openapi.as_deref().map(Into::into)));
    match source(&path, config, report)? {
        Source::Set(key, set, files) => match refresh::methods(asked.name, &set, options.clone()) {
            Ok(methods) => {
                transcoding.replace(methods);
                let target = transcoding.clone();
                let watch = DescriptorWatch::new(asked.name, config, options, target, files);
                next.duties.descriptors.push(Arc::new(watch));
            }
            Err(faults) => tell(&path, key, config, &faults, report),
        },
        Source::Nodes(reflection) => {
            let memory = previous.memory(asked.name, next);
            let nodes = nodes(&path, asked, report)?;
            let interval = reflection.interval.0;
            let target = transcoding.clone();
            let refresh = Refresh::new(asked.name, interval, options, nodes, (target, memory));
            next.duties.refreshes.push(Arc::new(refresh));
        }
    }
    Some(transcoding)
}

fn check_protocol(path: &str, protocol: ProtocolWord, report: &mut Report<'_>) {
    if !matches!(protocol, ProtocolWord::H2c | ProtocolWord::H2) {
        report.error(path, "gRPC needs HTTP/2: the protocol of the upstream must be h2c or h2");
    }
}

fn check_description(path: &str, config: &TranscodeConfig, report: &mut Report<'_>) {
    if let Some(at) = &config.openapi
        && (!at.starts_with('/') || at.contains(['?', '#', ' ']))
    {
        report.error(format!("{path}.openapi"), format!("{at:?} is no path such as /openapi.json"));
    }
}

/// Reads what can be read now.
fn source<'a>(
    path: &str,
    config: &'a TranscodeConfig,
    report: &mut Report<'_>,
) -> Option<Source<'a>> {
    match (&config.descriptors, &config.protos, &config.reflection) {
        (Some(_), None, None) => files(path, "descriptors", config, report),
        (None, Some(_), None) => files(path, "protos", config, report),
        (None, None, Some(reflection)) => Some(Source::Nodes(reflection)),
        (None, None, None) => {
            report.none(path, ONE_SOURCE, Severity::Error);
            None
        }
        _ => {
            report.error(path, ONE_SOURCE);
            None
        }
    }
}

fn files<'a>(
    path: &str,
    key: &'static str,
    config: &TranscodeConfig,
    report: &mut Report<'_>,
) -> Option<Source<'a>> {
    let read = sources::read(config)?;
    for (place, problem) in read.problems {
        report.error(format!("{path}.{place}"), problem);
    }
    Some(Source::Set(key, read.set?, read.files))
}

/// The nodes that can be asked.
fn nodes(path: &str, asked: &Asked<'_>, report: &mut Report<'_>) -> Option<Vec<Node>> {
    let upstream = asked.upstream;
    if upstream.lookup.is_some() {
        let message = "the upstream lists no endpoints that could be asked";
        report.error(format!("{path}.reflection"), message);
        return None;
    }
    let node = |endpoint: &EndpointConfig| {
        let target = endpoint.parts().0.0.clone();
        let security = if upstream.protocol.is_secure() { Security::Tls } else { Security::Plain };
        Node::new(target, security, asked.tls)
    };
    Some(upstream.endpoints.iter().map(node).collect())
}

/// Tells all faults, each at the key that it is about.
fn tell(
    path: &str,
    key: &str,
    config: &TranscodeConfig,
    faults: &[Fault],
    report: &mut Report<'_>,
) {
    for fault in faults {
        let listed = config.services.iter().position(|name| *name == fault.place);
        match (&fault.wrong, listed) {
            (Wrong::NoService { .. }, Some(at)) => {
                report.error(format!("{path}.services[{at}]"), fault.to_string());
            }
            _ => report.error(format!("{path}.{key}"), fault.to_string()),
        }
    }
}
