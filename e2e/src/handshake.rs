//! A TLS handshake alone, to see which certificate a listener shows.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use narrows_testkit::process::PATIENCE;
use narrows_testkit::servers::{Authority, Signed};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

/// A client that shakes hands anew each time: no session of it resumes.
#[derive(Debug)]
pub struct Handshakes {
    config: Arc<ClientConfig>,
}

// === impl Handshakes ===

impl Handshakes {
    /// A client that trusts the authority.
    ///
    /// # Panics
    ///
    /// When the authority is none.
    pub fn new(trusted: &Authority) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(trusted.pem())).expect("an authority");
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = rustls::client::Resumption::disabled();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self { config: Arc::new(config) }
    }

    /// Shakes hands and tells whether the server has shown this certificate.
    pub fn shows(&self, server: SocketAddr, expected: &Signed) -> std::io::Result<bool> {
        let name = ServerName::try_from("localhost").expect("a name");
        let mut tls =
            ClientConnection::new(Arc::clone(&self.config), name).map_err(std::io::Error::other)?;
        let mut socket = TcpStream::connect(server)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        let shown = tls.peer_certificates().and_then(<[_]>::first);
        Ok(shown == Some(&certificate(&expected.certificate)))
    }
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")
}
