//! TLS towards clients.
//!
//! The certificate is chosen by name (SNI), sessions resume by ticket. A ticket is good for its own
//! listener only, and no longer than the authorities for client certificates stay the same.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};

use super::{ALPN, HALF_A_PAIR, authorities, certified, check_time, provider, read};
use crate::compile::previous::{Previous, TicketScope};
use crate::compile::report::Report;
use crate::config::{CertificatePair, ListenerTls, TlsVersion};

/// Chooses a certificate by the name that the client asks for.
#[derive(Debug)]
struct ByName {
    /// By whole name, lower case. Several may serve one name with different kinds of keys.
    exact: HashMap<String, Vec<Arc<CertifiedKey>>>,
    /// By what follows the `*.` of a wildcard, which stands for exactly one label (RFC 6125
    /// §6.4.3).
    wildcard: HashMap<String, Vec<Arc<CertifiedKey>>>,
    /// For all others.
    first: Arc<CertifiedKey>,
}

/// The configuration of a listener's TLS; `None`: faults were reported.
pub(in crate::compile) fn server(
    path: &str,
    name: &Arc<str>,
    config: &ListenerTls,
    previous: &Previous,
    next: &mut Previous,
    report: &mut Report<'_>,
) -> Option<Arc<ServerConfig>> {
    let certificates = certificates(path, config, report);
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
    let mut server = builder.with_cert_resolver(Arc::new(ByName::new(certificates?)?));
    server.alpn_protocols = vec![ALPN.to_vec()];
    // Sessions resume by ticket alone, so that no worker has to know what another one has seen.
    server.session_storage = Arc::new(NoServerSessionStorage {});
    let scope = TicketScope { listener: name.clone(), client_ca };
    server.ticketer = report.ok(path, previous.tickets(scope, next))?;
    Some(Arc::new(server))
}

/// Reads every certificate, reporting all that can not be used.
fn certificates(
    path: &str,
    config: &ListenerTls,
    report: &mut Report<'_>,
) -> Option<Vec<Arc<CertifiedKey>>> {
    let mut pairs: Vec<(String, CertificatePair)> = Vec::new();
    match (&config.certificate, &config.private_key) {
        (Some(certificate), Some(private_key)) => {
            let pair = CertificatePair {
                certificate: certificate.clone(),
                private_key: private_key.clone(),
            };
            pairs.push((format!("{path}.certificate"), pair));
        }
        (None, None) => {}
        _ => report.error(path, HALF_A_PAIR),
    }
    for (at, pair) in config.certificates.iter().enumerate() {
        pairs.push((format!("{path}.certificates[{at}].certificate"), pair.clone()));
    }
    if pairs.is_empty() && config.certificate.is_none() && config.private_key.is_none() {
        report.error(path, "no certificate; write certificate and private_key");
    }
    let mut loaded = Vec::new();
    for (path, pair) in &pairs {
        let key = report.ok(path, certified(&pair.certificate, &pair.private_key));
        if let Some(key) = key {
            if let Some(certificate) = key.cert.first() {
                check_time(path, &pair.certificate, certificate, report);
            }
            loaded.push(Arc::new(key));
        }
    }
    (loaded.len() == pairs.len() && !loaded.is_empty()).then_some(loaded)
}

// === impl ByName ===

impl ByName {
    fn new(certificates: Vec<Arc<CertifiedKey>>) -> Option<Self> {
        let first = certificates.first()?.clone();
        let mut by_name = Self { exact: HashMap::new(), wildcard: HashMap::new(), first };
        for key in certificates {
            for name in key.cert.first().map(names).unwrap_or_default() {
                let (map, name) = match name.strip_prefix("*.") {
                    Some(domain) => (&mut by_name.wildcard, domain.to_owned()),
                    None => (&mut by_name.exact, name),
                };
                map.entry(name).or_default().push(key.clone());
            }
        }
        Some(by_name)
    }

    fn candidates(&self, name: &str) -> &[Arc<CertifiedKey>] {
        let name = name.to_ascii_lowercase();
        let below = || name.split_once('.').and_then(|(_, domain)| self.wildcard.get(domain));
        let found = self.exact.get(&name).or_else(below);
        found.map_or(std::slice::from_ref(&self.first), Vec::as_slice)
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let candidates = match hello.server_name() {
            Some(name) => self.candidates(name),
            None => std::slice::from_ref(&self.first),
        };
        let fits =
            |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        candidates.iter().find(fits).or(candidates.first()).cloned()
    }
}

/// The DNS names that a certificate is for, lower case.
fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = webpki::EndEntityCert::try_from(certificate) else { return Vec::new() };
    certificate.valid_dns_names().map(str::to_ascii_lowercase).collect()
}
