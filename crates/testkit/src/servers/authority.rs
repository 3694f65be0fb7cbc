//! An authority for tests: it signs certificates of servers and of clients, as many as are asked for.
//!
//! What it signs is given as PEM text, so that a test can put another certificate into a file that a
//! running program has been named.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

/// An authority.
#[derive(Debug, Clone)]
pub struct Authority {
    pem: String,
    issuer: Arc<Issuer<'static, KeyPair>>,
}

/// A certificate that an authority signed, and its key, both as PEM.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub private_key: String,
}

// === impl Authority ===

impl Authority {
    /// Makes a new one, which nobody trusts yet.
    ///
    /// # Panics
    ///
    /// Never, as long as the machine has random numbers.
    #[allow(clippy::new_without_default, reason = "each one is another")]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.self_signed(&key).expect("an authority signs itself");
        Self { pem: certificate.pem(), issuer: Arc::new(Issuer::new(params, key)) }
    }

    /// Its own certificate, for those who are to trust it.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Signs a certificate for `localhost`, `127.0.0.1`, and the name, for use on either side.
    ///
    /// # Panics
    ///
    /// When the name is no DNS name.
    pub fn sign(&self, name: &str) -> Signed {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned(), name.to_owned()];
        let mut params = CertificateParams::new(names).expect("the names are valid");
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.signed_by(&key, &self.issuer).expect("an authority signs");
        Signed { certificate: certificate.pem(), private_key: key.serialize_pem() }
    }
}
