//! A self-signed certificate for `localhost` and `127.0.0.1`, as files that any program can be given.

use std::fs;
use std::path::PathBuf;

use crate::process::Scratch;

/// A certificate and its key, in PEM files that go with it.
#[derive(Debug)]
pub struct Certificate {
    directory: Scratch,
}

// === impl Certificate ===

impl Certificate {
    /// Makes a new one. It is its own authority.
    ///
    /// # Panics
    ///
    /// When the directory of temporary files can not be written.
    pub fn for_localhost() -> Self {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("the names are valid");
        let directory = Scratch::new("certificate");
        directory.write("certificate.pem", &made.cert.pem());
        directory.write("private-key.pem", &made.signing_key.serialize_pem());
        Self { directory }
    }

    /// The certificate's file.
    pub fn certificate(&self) -> PathBuf {
        self.directory.path().join("certificate.pem")
    }

    /// The file of its private key.
    pub fn private_key(&self) -> PathBuf {
        self.directory.path().join("private-key.pem")
    }

    /// The certificate itself.
    ///
    /// # Panics
    ///
    /// When somebody removed the file.
    pub fn pem(&self) -> String {
        fs::read_to_string(self.certificate()).expect("the file lives as long as this")
    }

    /// The private key itself.
    ///
    /// # Panics
    ///
    /// When somebody removed the file.
    pub fn private_key_pem(&self) -> String {
        fs::read_to_string(self.private_key()).expect("the file lives as long as this")
    }
}
