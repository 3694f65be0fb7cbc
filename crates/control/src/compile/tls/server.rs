//! TLS towards clients.
//!
//! The certificate is chosen by name (SNI). Sessions resume on any worker and after a reload, by
//! ticket or by what is kept of them; a session is good for its own listener only, and no longer
//! than the authorities for client certificates stay the same. Early data, which can be replayed, is
//! never taken.

use std::sync::Arc;

use narrows_gateway::certificates::Certificates;
use narrows_gateway::snapshot::{Authorities, ServerTls};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};

use super::source::Source;
use super::watch::Watch;
use super::{AlpnList, HALF_A_PAIR, authorities, provider, read};
use crate::compile::previous::{Previous, SessionScope};
use crate::compile::report::Report;
use crate::config::{CertificateSource, ListenerTls, TlsVersion};

/// TLS of a listener; `None`: faults were reported.
pub(in crate::compile) fn server(
    path: &str,
    name: &Arc<str>,
    config: &ListenerTls,
    alpn: AlpnList,
    (previous, next): (&Previous, &mut Previous),
    report: &mut Report<'_>,
) -> Option<Arc<ServerTls>> {
    let certificates = certificates(path, name, config, next, report);
    let versions: &[_] = match config.min_version {
        TlsVersion::V1_2 => &[&TLS13, &TLS12],
        TlsVersion::V1_3 => &[&TLS13],
    };
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .expect("ring speaks TLS 1.2 and 1.3");
    let (builder, client_ca) = match &config.client_ca {
        None => (builder.with_no_client_auth(), None),
        Some(file) => {
            let path = format!("{path}.client_ca");
            let roots = Arc::new(report.ok(&path, authorities(file))?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
            let verifier = report.ok(&path, verifier)?;
            (builder.with_client_cert_verifier(verifier), Some(report.ok(&path, read(file))?))
        }
    };
    let certificates = certificates?;
    let mut server = builder.with_cert_resolver(certificates.clone());
    server.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    let scope = SessionScope { listener: name.clone(), client_ca };
    let sessions = report.ok(path, previous.sessions(scope, next))?;
    server.ticketer = sessions.tickets;
    server.session_storage = sessions.kept;
    let authorities = match config.strict_sni {
        true => Authorities::OfCertificate,
        false => Authorities::Any,
    };
    Some(Arc::new(ServerTls { config: Arc::new(server), certificates, authorities }))
}

/// Reads every certificate, reporting all that can not be used.
fn certificates(
    path: &str,
    name: &Arc<str>,
    config: &ListenerTls,
    next: &mut Previous,
    report: &mut Report<'_>,
) -> Option<Arc<Certificates>> {
    let is_half = config.certificate.is_some() != config.private_key.is_some();
    let source = Source::new(config);
    if is_half {
        report.error(path, HALF_A_PAIR);
    } else if source.is_empty() {
        report.error(path, "no certificate; write certificate and private_key");
    }
    if config.ocsp.is_some() && config.certificate.is_none() {
        report.error(format!("{path}.ocsp"), "there is no certificate that this belongs to");
    }
    // First, so that what changes while it is read is seen by the watch.
    let fingerprint = source.fingerprint();
    let found = source.read(&[]);
    for (key, warning) in &found.warnings {
        report.warn(format!("{path}.{key}"), warning);
    }
    for (key, problem) in &found.problems {
        report.error(format!("{path}.{key}"), problem);
    }
    let set = found.set().filter(|_| found.problems.is_empty() && !is_half)?;
    let certificates = Arc::new(Certificates::new(set));
    let is_directory = matches!(config.certificates, CertificateSource::Directory(_));
    if config.watch.unwrap_or(is_directory) {
        let served = (certificates.clone(), found.certificates);
        let watch = Watch::new(name.clone(), source, fingerprint, served);
        next.duties.watches.push(Arc::new(watch));
    }
    Some(certificates)
}
