//! The certificates of a listener: which one a client gets, and for which names.
//!
//! The set can be exchanged at any time; a handshake takes the one in force, and connections that are
//! open keep what they have. Choosing takes no lock. The control plane reads the files and calls
//! [`Certificates::replace`]; [`Handshake::coverage`](crate::link::Handshake::coverage) asks what a
//! certificate covers.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Certificates that serve one name, with different kinds of keys; never empty.
pub type Candidates = Arc<[Arc<CertifiedKey>]>;

/// The certificates in force.
#[derive(Debug)]
pub struct Certificates(ArcSwap<CertificateSet>);

/// Certificates by name.
#[derive(Debug)]
pub struct CertificateSet {
    /// By whole name, lower case.
    exact: HashMap<String, Candidates>,
    /// By what follows the `*.` of a wildcard, which stands for exactly one label (RFC 6125
    /// §6.4.3).
    wildcard: HashMap<String, Candidates>,
    /// For all others.
    default: Candidates,
}

/// Whether a certificate is good for the authority of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// It is, or nobody wants to know.
    Covered,
    /// The request came on the wrong connection: RFC 9110 §15.5.20.
    Misdirected,
}

// === impl Certificates ===

impl Certificates {
    /// These, until others are given.
    pub fn new(set: CertificateSet) -> Self {
        Self(ArcSwap::from_pointee(set))
    }

    /// Puts others in force for handshakes that begin from now on.
    pub fn replace(&self, set: CertificateSet) {
        self.0.store(Arc::new(set));
    }

    /// Those for a client that asks for this name, or for none (empty).
    pub fn serving(&self, name: &str) -> Candidates {
        self.0.load().serving(name).clone()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let set = self.0.load();
        let candidates = set.serving(hello.server_name().unwrap_or_default());
        let fits =
            |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        candidates.iter().find(fits).or(candidates.first()).cloned()
    }
}

// === impl CertificateSet ===

impl CertificateSet {
    /// Each certificate with the DNS names that it is for; `default` serves clients that ask for no
    /// name or for one that no certificate carries.
    pub fn new<'a>(
        default: Arc<CertifiedKey>,
        certificates: impl IntoIterator<Item = (&'a Arc<CertifiedKey>, Vec<String>)>,
    ) -> Self {
        let (mut exact, mut wildcard) = (HashMap::new(), HashMap::new());
        for (key, names) in certificates {
            for name in names {
                let name = name.to_ascii_lowercase();
                let (map, name) = match name.strip_prefix("*.") {
                    Some(domain) => (&mut wildcard, domain.to_owned()),
                    None => (&mut exact, name),
                };
                map.entry(name).or_insert_with(Vec::new).push(key.clone());
            }
        }
        let share = |map: HashMap<String, Vec<_>>| {
            map.into_iter().map(|(name, keys)| (name, Candidates::from(keys))).collect()
        };
        Self { exact: share(exact), wildcard: share(wildcard), default: Arc::new([default]) }
    }

    fn serving(&self, name: &str) -> &Candidates {
        let name = name.to_ascii_lowercase();
        let below = || name.split_once('.').and_then(|(_, domain)| self.wildcard.get(domain));
        self.exact.get(&name).or_else(below).unwrap_or(&self.default)
    }
}

// === impl Coverage ===

impl Coverage {
    /// Whether every certificate that may have been chosen is good for this authority, port and all.
    pub(crate) fn of(candidates: &Candidates, authority: &[u8]) -> Self {
        let covered = host(authority)
            .is_some_and(|host| candidates.iter().all(|key| is_valid_for(key, &host)));
        if covered { Self::Covered } else { Self::Misdirected }
    }
}

/// The host of an authority: a name without the dot of the root, or an address.
fn host(authority: &[u8]) -> Option<ServerName<'_>> {
    let text = std::str::from_utf8(authority).ok()?;
    let host = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => text.split_once(':').map_or(text, |(host, _)| host),
    };
    ServerName::try_from(host.strip_suffix('.').unwrap_or(host)).ok()
}

fn is_valid_for(key: &CertifiedKey, host: &ServerName<'_>) -> bool {
    let leaf = key.cert.first().map(webpki::EndEntityCert::try_from);
    leaf.is_some_and(|leaf| {
        leaf.is_ok_and(|leaf| leaf.verify_is_valid_for_subject_name(host).is_ok())
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use rustls::crypto::ring::sign::any_supported_type;
    use rustls::pki_types::PrivateKeyDer;

    use super::*;

    #[test]
    fn names_wildcards_and_the_default() {
        let (one, two) = (certified(&["one.test"]), certified(&["*.two.test"]));
        let certificates = Certificates::new(set(&[&one, &two]));
        for (name, expected) in [
            ("one.test", &one),
            ("a.two.test", &two),
            ("A.Two.Test", &two),
            ("a.b.two.test", &one),
            ("two.test", &one),
            ("", &one),
        ] {
            assert!(Arc::ptr_eq(&certificates.serving(name)[0], &expected.0), "{name}");
        }
    }

    #[test]
    fn what_was_chosen_stays_when_others_come() {
        let (old, new) = (certified(&["one.test"]), certified(&["one.test"]));
        let certificates = Certificates::new(set(&[&old]));
        let chosen = certificates.serving("one.test");
        certificates.replace(set(&[&new]));
        assert!(Arc::ptr_eq(&chosen[0], &old.0));
        assert!(Arc::ptr_eq(&certificates.serving("one.test")[0], &new.0));
    }

    #[test]
    fn an_authority_is_covered_by_the_names_of_the_certificate() {
        let certificate = certified(&["one.test", "*.two.test", "127.0.0.1", "::1"]);
        let candidates = Certificates::new(set(&[&certificate])).serving("");
        for (authority, expected) in [
            ("one.test", Coverage::Covered),
            ("One.Test:8443", Coverage::Covered),
            ("one.test.", Coverage::Covered),
            ("a.two.test", Coverage::Covered),
            ("127.0.0.1:1", Coverage::Covered),
            ("[::1]:1", Coverage::Covered),
            ("two.test", Coverage::Misdirected),
            ("a.b.two.test", Coverage::Misdirected),
            ("other.test", Coverage::Misdirected),
            ("127.0.0.2", Coverage::Misdirected),
            ("[::1", Coverage::Misdirected),
            ("", Coverage::Misdirected),
            ("*.two.test", Coverage::Misdirected),
        ] {
            assert_eq!(Coverage::of(&candidates, authority.as_bytes()), expected, "{authority}");
        }
        assert_eq!(Coverage::of(&candidates, b"\xff"), Coverage::Misdirected);
    }

    type Named = (Arc<CertifiedKey>, Vec<String>);

    fn certified(names: &[&str]) -> Named {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(names.clone()).expect("names");
        let certificate = params.self_signed(&key).expect("a certificate");
        let signer = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let signer = any_supported_type(&signer).expect("a kind that ring knows");
        (Arc::new(CertifiedKey::new(vec![certificate.der().clone()], signer)), names)
    }

    fn set(certificates: &[&Named]) -> CertificateSet {
        let all = certificates.iter().map(|(key, names)| (key, names.clone()));
        CertificateSet::new(certificates[0].0.clone(), all)
    }
}
