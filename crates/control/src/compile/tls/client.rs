//! TLS towards nodes.
//!
//! Nodes are trusted by the authorities named, else by those of the system. What is offered by ALPN
//! is the protocol's to say. The configuration is carried over a reload as long as no file changed:
//! connections are pooled by it, and it holds the sessions that can be resumed. Early data, which can
//! be replayed, is never sent.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::sync::Arc;

use narrows_gateway::snapshot::ClientTls;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::{AlpnList, HALF_A_PAIR, INSECURE, authorities, certificates, pair_of, provider};
use crate::compile::previous::{ClientScope, Previous};
use crate::compile::report::{Report, transpose};
use crate::config::{FilePath, UpstreamTls};

/// Names of nodes whose sessions are kept, so that the next connection costs less.
const SESSIONS_MAX: usize = 1024;

/// Where systems keep the authorities that they trust.
const SYSTEM_AUTHORITIES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// The authorities of the system, read once for each compilation.
#[derive(Default)]
pub(in crate::compile) struct ClientRoots {
    system: Option<Arc<RootCertStore>>,
}

/// Takes any certificate, but still checks that the peer holds its key.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

/// The configuration of TLS towards the nodes of an upstream; `None`: faults were reported.
pub(in crate::compile) fn client(
    path: &str,
    config: &UpstreamTls,
    alpn: AlpnList,
    roots: &mut ClientRoots,
    (previous, next): (&Previous, &mut Previous),
    report: &mut Report<'_>,
) -> Option<Arc<ClientTls>> {
    let server_name = config.server_name.as_ref().map(|name| {
        let parsed = ServerName::try_from(name.clone());
        let parsed = parsed.map_err(|_| format!("{name:?} is no DNS name or address"));
        report.ok(format!("{path}.server_name"), parsed)
    });
    let trusted = match &config.ca {
        Some(file) => report.ok(format!("{path}.ca"), authorities(file)).map(Arc::new),
        None => Some(roots.system()),
    };
    if config.insecure_skip_verify {
        report.warn(format!("{path}.insecure_skip_verify"), INSECURE);
    }
    let identity = identity(path, config, report);
    let (server_name, trusted, identity) = (transpose(server_name)?, trusted?, identity?);
    let digest = digest(&trusted, identity.as_ref());
    let scope = ClientScope { config: config.clone(), alpn, digest };
    let make = || ClientTls {
        config: Arc::new(build(trusted, identity, alpn, config.insecure_skip_verify)),
        server_name,
    };
    Some(previous.client(scope, next, make))
}

fn build(
    trusted: Arc<RootCertStore>,
    identity: Option<CertifiedKey>,
    alpn: AlpnList,
    insecure_skip_verify: bool,
) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3");
    let builder = match insecure_skip_verify {
        false => builder.with_root_certificates(trusted),
        true => {
            let any = Arc::new(AcceptAny(provider()));
            builder.dangerous().with_custom_certificate_verifier(any)
        }
    };
    let mut client = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
        }
    };
    client.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    // All workers share the sessions, and a reload keeps them with the configuration they belong to.
    client.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
    client
}

/// Tells whether files have changed. A certificate holds the public half of its key, so the key
/// itself need not be looked at.
fn digest(trusted: &RootCertStore, identity: Option<&CertifiedKey>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for anchor in &trusted.roots {
        let constraints = anchor.name_constraints.as_deref();
        (&*anchor.subject, &*anchor.subject_public_key_info, constraints).hash(&mut hasher);
    }
    for certificate in identity.into_iter().flat_map(|identity| &identity.cert) {
        certificate.as_ref().hash(&mut hasher);
    }
    hasher.finish()
}

/// Our certificate, if nodes are shown one. The outer `None`: faults were reported.
fn identity(
    path: &str,
    config: &UpstreamTls,
    report: &mut Report<'_>,
) -> Option<Option<CertifiedKey>> {
    match (&config.certificate, &config.private_key) {
        (None, None) => Some(None),
        (Some(certificate), Some(key)) => Some(Some(pair_of(path, certificate, key, report)?)),
        _ => {
            report.error(path, HALF_A_PAIR);
            None
        }
    }
}

// === impl ClientRoots ===

impl ClientRoots {
    /// The authorities of the system; none if it keeps them nowhere.
    fn system(&mut self) -> Arc<RootCertStore> {
        let read = || {
            let file = SYSTEM_AUTHORITIES.iter().find(|file| Path::new(file).exists());
            let found = file.and_then(|file| certificates(&FilePath(file.into())).ok());
            let mut roots = RootCertStore::empty();
            // Systems also list what rustls can not use; the others still count.
            roots.add_parsable_certificates(found.unwrap_or_default());
            Arc::new(roots)
        };
        self.system.get_or_insert_with(read).clone()
    }

    /// Whether the system trusts nobody.
    pub(in crate::compile) fn system_is_empty(&mut self) -> bool {
        self.system().is_empty()
    }
}

// === impl AcceptAny ===

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
