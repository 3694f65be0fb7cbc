//! Where the certificates of a listener are, and reading them.
//!
//! Certificates are listed one by one, or lie in a directory, or both. Reading goes on after a
//! problem, so that all are told at once; one that was read before stands in for one that can not be
//! read now. See `watch.rs` for who reads again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use narrows_gateway::certificates::CertificateSet;
use rustls::sign::CertifiedKey;

use super::{PairErrors, TlsFileError, certified, ocsp, read, time_problem};
use crate::config::{CertificatePair, CertificateSource, FilePath, ListenerTls};
use crate::time_format::{Stamp, push};

/// Certificates in one directory.
pub(in crate::compile) const CERTIFICATES_MAX: usize = 4096;

/// The pair of this name serves clients that ask for no other.
const DEFAULT: &str = "default";

/// The key in the configuration of all that lies in the directory.
const IN_DIRECTORY: &str = "certificates";

/// Where the certificates of a listener are.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// Each with its key in the configuration.
    listed: Vec<(String, CertificatePair)>,
    directory: Option<FilePath>,
}

/// A certificate with its name: the key in the configuration, or the name in the directory.
pub(super) type Named = (String, Arc<CertifiedKey>);

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// In the order of preference.
    pub(super) certificates: Vec<Named>,
    /// What is wrong: the key in the configuration, and why.
    pub(super) problems: Vec<(String, String)>,
    /// What somebody should look at, likewise.
    pub(super) warnings: Vec<(String, String)>,
}

/// Tells whether any file has changed: its time, size, and identity; `None`: it is not there.
pub(in crate::compile) type Fingerprint = BTreeMap<PathBuf, Option<(SystemTime, u64, u64)>>;

/// What a directory holds under one name.
#[derive(Debug, Default)]
struct Entry {
    certificates: Vec<FilePath>,
    private_key: Option<FilePath>,
    ocsp: Option<FilePath>,
}

// === impl Source ===

impl Source {
    /// As it is written; half a pair is left out and is the caller's to report.
    pub(super) fn new(config: &ListenerTls) -> Self {
        let mut listed = Vec::new();
        if let (Some(certificate), Some(private_key)) = (&config.certificate, &config.private_key) {
            let pair = CertificatePair {
                certificate: certificate.clone(),
                private_key: private_key.clone(),
                ocsp: config.ocsp.clone(),
            };
            listed.push((String::new(), pair));
        }
        let directory = match &config.certificates {
            CertificateSource::List(pairs) => {
                let key = |at: usize| format!("certificates[{at}].");
                listed.extend(pairs.iter().enumerate().map(|(at, pair)| (key(at), pair.clone())));
                None
            }
            CertificateSource::Directory(directory) => Some(directory.clone()),
        };
        Self { listed, directory }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.listed.is_empty() && self.directory.is_none()
    }

    /// Reads everything. What can not be read is taken from `before`, if it was there.
    pub(super) fn read(&self, before: &[Named]) -> Read {
        let mut found = Read::default();
        for (key, pair) in &self.listed {
            found.add(key, key, pair, before);
        }
        match self.directory.as_ref().map(entries) {
            None => {}
            Some(Ok(entries)) => {
                let mut entries: Vec<_> = entries.into_iter().collect();
                // The sort is stable: behind the default, all stay in the order of their names.
                entries.sort_by_key(|(name, _)| name != DEFAULT);
                for (name, entry) in entries {
                    match entry.pair() {
                        Ok(pair) => found.add(IN_DIRECTORY, &name, &pair, before),
                        Err(error) => found.fail(&name, error, before),
                    }
                }
            }
            Some(Err(error)) => {
                found.problems.push((IN_DIRECTORY.to_owned(), error.to_string()));
                let listed = |name| self.listed.iter().any(|(key, _)| key == name);
                let inside = before.iter().filter(|(name, _)| !listed(name));
                found.certificates.extend(inside.cloned());
            }
        }
        found
    }

    /// How all files look now. What can not be listed has no files.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let listed = self.listed.iter().flat_map(|(_, pair)| {
            let files = [Some(&pair.certificate), Some(&pair.private_key), pair.ocsp.as_ref()];
            files.into_iter().flatten().cloned()
        });
        let entries = self.directory.as_ref().and_then(|directory| entries(directory).ok());
        let inside = entries.unwrap_or_default().into_values().flat_map(|entry| {
            entry.certificates.into_iter().chain(entry.private_key).chain(entry.ocsp)
        });
        listed.chain(inside).map(|file| (file.0.clone(), look(&file))).collect()
    }
}

/// How a file looks now.
pub(in crate::compile) fn look(file: &Path) -> Option<(SystemTime, u64, u64)> {
    let found = std::fs::metadata(file).ok()?;
    let identity = std::os::unix::fs::MetadataExt::ino(&found);
    Some((found.modified().ok()?, found.len(), identity))
}

/// What a directory holds, by name. Hidden files and other endings are passed over.
fn entries(directory: &FilePath) -> Result<BTreeMap<String, Entry>, TlsFileError> {
    let failed = |error| TlsFileError::Read(directory.clone(), error);
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    for file in std::fs::read_dir(&**directory).map_err(failed)? {
        let path = file.map_err(failed)?.path();
        let part =
            |part: Option<&std::ffi::OsStr>| part.and_then(|p| p.to_str()).map(str::to_owned);
        let (Some(name), Some(ending)) = (part(path.file_stem()), part(path.extension())) else {
            continue;
        };
        if name.starts_with('.') || !["crt", "pem", "key", "ocsp"].contains(&ending.as_str()) {
            continue;
        }
        let entry = entries.entry(name).or_default();
        match ending.as_str() {
            "key" => entry.private_key = Some(FilePath(path)),
            "ocsp" => entry.ocsp = Some(FilePath(path)),
            _ => entry.certificates.push(FilePath(path)),
        }
        if entries.len() > CERTIFICATES_MAX {
            return Err(TlsFileError::TooMany(directory.clone()));
        }
    }
    if entries.is_empty() {
        return Err(TlsFileError::EmptyDirectory(directory.clone()));
    }
    Ok(entries)
}

/// Certificate, chain, key, and OCSP response, and what somebody should look at.
fn load(
    pair: &CertificatePair,
    warnings: &mut Vec<(&'static str, String)>,
) -> Result<CertifiedKey, PairErrors> {
    let mut certified = certified(&pair.certificate, &pair.private_key)?;
    let Some(leaf) = certified.cert.first().cloned() else { return Ok(certified) };
    warnings.extend(time_problem(&pair.certificate, &leaf).map(|text| ("certificate", text)));
    if let Some(file) = &pair.ocsp {
        let failed = |error| vec![("ocsp", error)];
        let response = read(file).map_err(failed)?;
        let verdict = ocsp::check(&response, &leaf, &now())
            .map_err(|error| failed(TlsFileError::Ocsp(file.clone(), error)))?;
        match verdict {
            ocsp::Verdict::Good => certified.ocsp = Some(response),
            ocsp::Verdict::Bad => {
                warnings.push(("ocsp", format!("{file} says that the certificate is revoked")));
                certified.ocsp = Some(response);
            }
            // Clients that look refuse it, while most do without one.
            ocsp::Verdict::Expired => {
                let text = format!("the OCSP response in {file} has expired and is not shown");
                warnings.push(("ocsp", text));
            }
        }
    }
    Ok(certified)
}

/// The key in the configuration of one of the files of a pair.
fn place(key: &str, which: &str) -> String {
    if key == IN_DIRECTORY { key.to_owned() } else { format!("{key}{which}") }
}

/// The DNS names that a certificate is for.
fn names(key: &CertifiedKey) -> Vec<String> {
    let leaf = key.cert.first().and_then(|leaf| webpki::EndEntityCert::try_from(leaf).ok());
    leaf.map(|leaf| leaf.valid_dns_names().map(str::to_owned).collect()).unwrap_or_default()
}

/// `YYYYMMDDHHMMSSZ`, as certificates have it.
fn now() -> String {
    let mut text = Vec::new();
    push(&mut text, narrows_gateway::clock::unix(narrows_gateway::clock::now()), Stamp::Millis);
    let digits = text.iter().take_while(|byte| **byte != b'.').filter(|byte| byte.is_ascii_digit());
    digits.map(|byte| char::from(*byte)).chain(['Z']).collect()
}

// === impl Entry ===

impl Entry {
    fn pair(self) -> Result<CertificatePair, &'static str> {
        match (&*self.certificates, self.private_key) {
            ([certificate], Some(private_key)) => Ok(CertificatePair {
                certificate: certificate.clone(),
                private_key,
                ocsp: self.ocsp,
            }),
            ([_], None) => Err("has no file NAME.key"),
            ([], _) => Err("has no file NAME.crt or NAME.pem"),
            _ => Err("has both a file NAME.crt and a file NAME.pem"),
        }
    }
}

// === impl Read ===

impl Read {
    fn add(&mut self, key: &str, name: &str, pair: &CertificatePair, before: &[Named]) {
        let mut warnings = Vec::new();
        match load(pair, &mut warnings) {
            Ok(certified) => {
                self.certificates.push((name.to_owned(), Arc::new(certified)));
                let warnings = warnings.into_iter().map(|(which, text)| (place(key, which), text));
                self.warnings.extend(warnings);
            }
            Err(errors) => {
                let errors = errors.into_iter();
                self.problems
                    .extend(errors.map(|(which, error)| (place(key, which), error.to_string())));
                self.keep(name, before);
            }
        }
    }

    fn fail(&mut self, name: &str, error: &str, before: &[Named]) {
        self.problems.push((IN_DIRECTORY.to_owned(), format!("{name:?} {error}")));
        self.keep(name, before);
    }

    fn keep(&mut self, name: &str, before: &[Named]) {
        self.certificates.extend(before.iter().find(|(known, _)| known == name).cloned());
    }

    /// All of them by the names that they are for; `None`: there is none.
    pub(super) fn set(&self) -> Option<CertificateSet> {
        let (_, default) = self.certificates.first()?;
        let all = self.certificates.iter().map(|(_, key)| (key, names(key)));
        Some(CertificateSet::new(default.clone(), all))
    }
}
