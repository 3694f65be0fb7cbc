//! Certificates, keys, and the rustls configurations made from them.
//!
//! Files are read at each compilation. A file that can not be used is an error with the reason; a
//! certificate that has expired is a warning, because refusing it would also stop the listeners
//! whose certificates are good. See `tls/server.rs` and `tls/client.rs` for the two sides,
//! `tls/watch.rs` for certificates that change without a reload.

mod client;
mod der;
mod ocsp;
mod server;
mod source;
mod watch;

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::sign::{CertifiedKey, SigningKey};

pub(super) use client::{ClientRoots, client};
pub(super) use server::server;
#[cfg(test)]
pub(super) use source::CERTIFICATES_MAX;
pub(super) use source::{Fingerprint, look};
pub use watch::{Look, Watch};

use super::report::Report;
use crate::config::FilePath;

/// Said wherever certificates are not checked.
pub(super) const INSECURE: &str =
    "certificates are not checked: whoever is in the middle can read and change everything";

/// What is offered inside TLS (RFC 7301), in the order of preference.
pub(super) type AlpnList = &'static [&'static [u8]];

/// HTTP/2 (RFC 9113 §3.2) alone.
pub(super) const ALPN_H2: AlpnList = &[b"h2"];

/// HTTP of either version.
pub(super) const ALPN_HTTP: AlpnList = &[b"h2", b"http/1.1"];

/// Nothing: whatever the peer wants to speak is fine.
pub(super) const ALPN_NONE: AlpnList = &[];

/// The largest file of certificates or keys.
const PEM_BYTES_MAX: u64 = 8 << 20;

/// Why a file can not be used for TLS.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsFileError {
    #[error("can not read {0}: {1}")]
    Read(FilePath, std::io::Error),
    #[error("{0} holds more than {PEM_BYTES_MAX} bytes")]
    TooLarge(FilePath),
    #[error("{0} is not PEM: {1}")]
    Pem(FilePath, rustls::pki_types::pem::Error),
    #[error("{0} holds no certificate")]
    NoCertificate(FilePath),
    #[error("{0} holds no private key that can be read (an encrypted one can not)")]
    NoKey(FilePath),
    #[error("{0} holds a private key of a kind that is not supported")]
    KeyKind(FilePath),
    #[error("{key} is not the private key of the certificate in {certificate}")]
    Mismatch { certificate: FilePath, key: FilePath },
    #[error("{0} holds a certificate that can not be used: {1}")]
    Unusable(FilePath, String),
    #[error("{0} {1}")]
    Ocsp(FilePath, ocsp::OcspError),
    #[error("{0} holds no certificates")]
    EmptyDirectory(FilePath),
    #[error("{0} holds more than {max} certificates", max = source::CERTIFICATES_MAX)]
    TooMany(FilePath),
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn read(file: &FilePath) -> Result<Vec<u8>, TlsFileError> {
    let failed = |error| TlsFileError::Read(file.clone(), error);
    if std::fs::metadata(Path::new(&**file)).map_err(failed)?.len() > PEM_BYTES_MAX {
        return Err(TlsFileError::TooLarge(file.clone()));
    }
    std::fs::read(&**file).map_err(failed)
}

/// The certificates in a file, at least one.
fn certificates(file: &FilePath) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let content = read(file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&content).collect();
    let found = found.map_err(|error| TlsFileError::Pem(file.clone(), error))?;
    if found.is_empty() {
        return Err(TlsFileError::NoCertificate(file.clone()));
    }
    Ok(found)
}

fn private_key(file: &FilePath) -> Result<PrivateKeyDer<'static>, TlsFileError> {
    PrivateKeyDer::from_pem_slice(&read(file)?).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => TlsFileError::NoKey(file.clone()),
        error => TlsFileError::Pem(file.clone(), error),
    })
}

fn signer(file: &FilePath) -> Result<Arc<dyn SigningKey>, TlsFileError> {
    let key = provider().key_provider.load_private_key(private_key(file)?);
    key.map_err(|_| TlsFileError::KeyKind(file.clone()))
}

/// What is wrong with a pair of files: the key that names the file in the configuration, and why.
type PairErrors = Vec<(&'static str, TlsFileError)>;

/// A certificate with its chain and the key that belongs to it, or what is wrong with either.
fn certified(certificate: &FilePath, key: &FilePath) -> Result<CertifiedKey, PairErrors> {
    let (chain, signer) = match (certificates(certificate), signer(key)) {
        (Ok(chain), Ok(signer)) => (chain, signer),
        (chain, signer) => {
            let chain = chain.err().map(|error| ("certificate", error));
            let signer = signer.err().map(|error| ("private_key", error));
            return Err(chain.into_iter().chain(signer).collect());
        }
    };
    let certified = CertifiedKey::new(chain, signer);
    let error = match certified.keys_match() {
        Ok(()) => return Ok(certified),
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => {
            TlsFileError::Mismatch { certificate: certificate.clone(), key: key.clone() }
        }
        // A key that can not tell its public half is found out by the first handshake.
        Err(rustls::Error::InconsistentKeys(_)) => return Ok(certified),
        Err(error) => TlsFileError::Unusable(certificate.clone(), error.to_string()),
    };
    Err(vec![("certificate", error)])
}

/// The authorities in a file, at least one.
fn authorities(file: &FilePath) -> Result<RootCertStore, TlsFileError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        let added = roots.add(certificate);
        added.map_err(|error| TlsFileError::Unusable(file.clone(), error.to_string()))?;
    }
    Ok(roots)
}

/// What is wrong with the time of a certificate, if anything.
fn time_problem(file: &FilePath, certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
    // Checked before anything else, so the empty lists of algorithms and authorities do not matter.
    let verdict = certificate.verify_for_usage(
        &[],
        &[],
        &[],
        UnixTime::now(),
        webpki::KeyUsage::server_auth(),
        None,
        None,
    );
    match verdict.err()? {
        webpki::Error::CertExpired { time, not_after } => {
            let days = (time.as_secs() - not_after.as_secs()) / 86_400;
            Some(format!("the certificate in {file} expired {days} days ago"))
        }
        webpki::Error::CertNotValidYet { .. } => {
            Some(format!("the certificate in {file} is not valid yet"))
        }
        _ => None,
    }
}

/// A pair of files, the keys of which are at a path; `None`: faults were reported.
fn pair_of(
    path: &str,
    certificate: &FilePath,
    key: &FilePath,
    report: &mut Report<'_>,
) -> Option<CertifiedKey> {
    match certified(certificate, key) {
        Ok(pair) => {
            if let Some(problem) = time_problem(certificate, pair.cert.first()?) {
                report.warn(format!("{path}.certificate"), problem);
            }
            Some(pair)
        }
        Err(errors) => {
            for (which, error) in errors {
                report.error(format!("{path}.{which}"), error.to_string());
            }
            None
        }
    }
}

/// Checks the files of a TLS client whose connections are made elsewhere.
pub(super) fn check_client_files(
    path: &str,
    ca: Option<&FilePath>,
    pair: Option<(&FilePath, &FilePath)>,
    is_half: bool,
    report: &mut Report<'_>,
) {
    if let Some(ca) = ca {
        report.ok(format!("{path}.ca"), authorities(ca));
    }
    if is_half {
        report.error(path, HALF_A_PAIR);
    }
    if let Some((certificate, key)) = pair {
        pair_of(path, certificate, key, report);
    }
}

/// Said where one of the two is missing.
const HALF_A_PAIR: &str = "certificate and private_key go together; one of them is missing";
