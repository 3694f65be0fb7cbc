//! An authority, what it signed, and handshakes in memory.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};

use crate::compile::{DryStores, Previous, compile};
use crate::config::parse;
use crate::scratch::Scratch;

/// An authority and what it signed, in files.
pub(super) struct Files(pub(super) Scratch, Issuer<'static, KeyPair>);

impl Files {
    pub(super) fn new() -> Self {
        let directory = Scratch::new("tls");
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate: Certificate = params.self_signed(&key).expect("an authority");
        std::fs::write(directory.path().join("ca.pem"), certificate.pem()).expect("written");
        Self(directory, Issuer::new(params, key))
    }

    /// Writes a certificate for these names and its key; returns them as the configuration has
    /// them.
    pub(super) fn pair(&self, file: &str, names: &[&str]) -> String {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        self.sign(file, CertificateParams::new(names).expect("names"))
    }

    pub(super) fn sign(&self, file: &str, params: CertificateParams) -> String {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.1).expect("a certificate");
        let write = |name: &str, text: String| {
            std::fs::write(self.0.path().join(name), text).expect("written");
        };
        write(&format!("{file}.pem"), certificate.pem());
        write(&format!("{file}.key"), key.serialize_pem());
        format!("{{ certificate: {file}.pem, private_key: {file}.key }}")
    }

    pub(super) fn config(&self, tls: &str) -> String {
        format!(
            "workers: 2\nlisteners: [{{ address: 127.0.0.1:0, tls: {{ {tls} }} }}]\nupstreams: \
             {{ u: {{ endpoints: ['h:1'] }} }}\nroutes: [{{ name: r, upstream: u }}]\n"
        )
    }

    pub(super) fn upstream_config(&self, tls: &str) -> String {
        format!(
            "workers: 2\nlisteners: [{{ address: 127.0.0.1:0 }}]\nupstreams: {{ u: {{ endpoints: \
             ['h:1'], tls: {{ {tls} }} }} }}\nroutes: [{{ name: r, upstream: u }}]\n"
        )
    }

    pub(super) fn load(&self, tls: &str) -> crate::config::Loaded {
        let file = self.0.path().join("c.yaml");
        parse(&file, &self.config(tls), &|_| None).expect("valid")
    }

    pub(super) fn server(&self, tls: &str) -> Arc<ServerConfig> {
        let compiled = compile(&self.load(tls), &Previous::new(2), &mut DryStores);
        let compiled = compiled.unwrap_or_else(|faults| panic!("{faults:#?}"));
        compiled.snapshot.listeners[0].tls.as_ref().expect("tls").config.clone()
    }

    /// As [`config`](Self::config), for a listener that takes any bytes.
    pub(super) fn tcp_config(&self, tls: &str) -> String {
        let text = self.config(tls).replace("tls: {", "protocol: tcp, upstream: t, tls: {");
        text.replace("u: {", "t: { protocol: tcp, endpoints: ['h:1'] }, u: {")
    }

    pub(super) fn tcp_server(&self, tls: &str) -> Arc<ServerConfig> {
        let text = self.tcp_config(tls);
        let loaded = parse(&self.0.path().join("c.yaml"), &text, &|_| None).expect("valid");
        let compiled = compile(&loaded, &Previous::new(2), &mut DryStores);
        let compiled = compiled.unwrap_or_else(|faults| panic!("{faults:#?}"));
        compiled.snapshot.listeners[0].tls.as_ref().expect("tls").config.clone()
    }

    pub(super) fn certificate(&self, file: &str) -> CertificateDer<'static> {
        self.certificate_in(&format!("{file}.pem"))
    }

    pub(super) fn certificate_in(&self, file: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.0.path().join(file)).expect("a certificate")
    }

    pub(super) fn client_trusting_all(&self) -> Arc<ClientConfig> {
        self.client_config("insecure_skip_verify: true")
    }

    pub(super) fn client(&self, file: &str) -> Arc<ClientConfig> {
        self.client_config(&format!(
            "insecure_skip_verify: true, certificate: {file}.pem, private_key: {file}.key"
        ))
    }

    pub(super) fn client_config(&self, tls: &str) -> Arc<ClientConfig> {
        let text = self.upstream_config(tls);
        let loaded = parse(&self.0.path().join("c.yaml"), &text, &|_| None).expect("valid");
        let compiled = compile(&loaded, &Previous::new(2), &mut DryStores).expect("valid");
        compiled.snapshot.upstreams[0].tls.config.clone()
    }
}

/// A client and a server that talk in memory.
pub(super) struct Pair {
    pub(super) client: ClientConnection,
    pub(super) server: ServerConnection,
}

impl Pair {
    pub(super) fn new(server: &Arc<ServerConfig>, client: Arc<ClientConfig>, name: &str) -> Self {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        Self {
            client: ClientConnection::new(client, name).expect("a client"),
            server: ServerConnection::new(server.clone()).expect("a server"),
        }
    }

    /// Carries bytes until both sides are done; a byte at the end proves that the client was let
    /// in.
    pub(super) fn shake_hands(&mut self) -> Result<(), rustls::Error> {
        self.server.writer().write_all(b"!").expect("buffered");
        for _ in 0..8 {
            let mut bytes = Vec::new();
            self.client.write_tls(&mut bytes).expect("in memory");
            self.server.read_tls(&mut &*bytes).expect("in memory");
            let verdict = self.server.process_new_packets().map(drop);
            let mut bytes = Vec::new();
            self.server.write_tls(&mut bytes).expect("in memory");
            self.client.read_tls(&mut &*bytes).expect("in memory");
            self.client.process_new_packets()?;
            verdict?;
        }
        let mut byte = [0];
        self.client.reader().read_exact(&mut byte).expect("the server's byte");
        Ok(())
    }
}

pub(super) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
