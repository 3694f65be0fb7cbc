//! What TLS of a listener is written as.
//!
//! See `compile/tls/source.rs` for how the certificates are found and `compile/tls/watch.rs` for how
//! they change without a reload.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::path::FilePath;

/// TLS of a listener: TLS 1.2 and 1.3, the protocol by ALPN (`h2` or `http/1.1`). Files are read
/// again at each reload.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListenerTls {
    /// PEM file with the certificate and its chain. With `private_key`, short for one entry in
    /// `certificates`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<FilePath>,
    /// PEM file with the private key of `certificate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_key: Option<FilePath>,
    /// File with an OCSP response (DER) for `certificate`, which clients that ask are shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ocsp: Option<FilePath>,
    /// Certificates to choose from by the name that the client asks for (SNI): a list of them, or a
    /// directory that holds `NAME.crt` or `NAME.pem`, `NAME.key`, and perhaps `NAME.ocsp` for each.
    /// The first one, or the one called `default` in a directory, also serves clients that ask for
    /// no name or for one that no certificate carries.
    #[serde(skip_serializing_if = "CertificateSource::is_empty")]
    pub certificates: CertificateSource,
    /// Looks at the files of certificates, keys, and OCSP responses each second and takes those that
    /// changed, without a reload and without touching connections. Default: `true` if `certificates`
    /// is a directory, else `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watch: Option<bool>,
    /// PEM file with the authorities whose client certificates are accepted. With it, a client
    /// without a valid certificate is refused (mutual TLS).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<FilePath>,
    /// The oldest version of TLS that is spoken.
    pub min_version: TlsVersion,
    /// Refuses requests whose authority the certificate of their connection is not good for (HTTP
    /// status 421), so that clients make a connection of its own for each certificate.
    pub strict_sni: bool,
}

/// Where certificates are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum CertificateSource {
    /// In files, one by one.
    List(Vec<CertificatePair>),
    /// In a directory.
    Directory(FilePath),
}

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificatePair {
    /// PEM file with the certificate and its chain, the certificate itself first.
    pub certificate: FilePath,
    /// PEM file with its private key.
    pub private_key: FilePath,
    /// File with an OCSP response (DER) for it, which clients that ask are shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ocsp: Option<FilePath>,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2 and 1.3.
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3 only.
    #[serde(rename = "1.3")]
    V1_3,
}

// === impl CertificateSource ===

impl CertificateSource {
    fn is_empty(&self) -> bool {
        matches!(self, Self::List(list) if list.is_empty())
    }
}

impl Default for CertificateSource {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}
