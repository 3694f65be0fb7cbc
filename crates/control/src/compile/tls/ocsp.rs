//! OCSP responses that are stapled to certificates (RFC 6960, RFC 6066 §8).
//!
//! Whoever fetches the response writes it to a file; we hand it on. The signature is the client's to
//! check, but a file that is something else or speaks of another certificate is an error, because a
//! client that looks would refuse the connection.

use rustls::pki_types::CertificateDer;

use super::der::{self, Der};

/// `id-pkix-ocsp-basic`, the only kind of response that there is (RFC 6960 §4.2.1).
const BASIC: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];

/// Why a file can not be stapled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::compile) enum OcspError {
    #[error("is no OCSP response in DER")]
    Malformed,
    #[error("holds an OCSP response that is an error (status {0})")]
    Unsuccessful(u8),
    #[error("holds an OCSP response for another certificate")]
    OtherCertificate,
}

/// What a response says of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    /// Revoked, or not known to the authority.
    Bad,
    /// Its time is over.
    Expired,
}

/// Looks whether a response is one for this certificate, and what it says at the time `now`, which is
/// written `YYYYMMDDHHMMSSZ`.
pub(super) fn check(
    response: &[u8],
    certificate: &CertificateDer<'_>,
    now: &str,
) -> Result<Verdict, OcspError> {
    let certificate =
        webpki::EndEntityCert::try_from(certificate).map_err(|_| OcspError::OtherCertificate)?;
    let mut singles = singles(response)?;
    while !singles.is_empty() {
        let single = singles.enter(der::SEQUENCE).and_then(Single::read);
        let single = single.ok_or(OcspError::Malformed)?;
        if single.serial == certificate.serial() {
            return Ok(single.verdict(now.as_bytes()));
        }
    }
    Err(OcspError::OtherCertificate)
}

/// What the response says of one certificate.
struct Single<'a> {
    serial: &'a [u8],
    is_good: bool,
    next_update: Option<&'a [u8]>,
}

/// The part of a response that speaks of certificates.
fn singles(response: &[u8]) -> Result<Der<'_>, OcspError> {
    let mut outer = Der::new(response);
    let mut message = outer.enter(der::SEQUENCE).ok_or(OcspError::Malformed)?;
    match message.take(der::ENUMERATED) {
        Some([0]) if outer.is_empty() => {}
        Some([status]) => return Err(OcspError::Unsuccessful(*status)),
        _ => return Err(OcspError::Malformed),
    }
    basic(message).ok_or(OcspError::Malformed)
}

fn basic(mut message: Der<'_>) -> Option<Der<'_>> {
    let mut kind = message.enter(der::context(0))?.enter(der::SEQUENCE)?;
    if kind.take(der::OBJECT_ID)? != BASIC {
        return None;
    }
    let mut basic = Der::new(kind.take(der::OCTETS)?).enter(der::SEQUENCE)?;
    let mut data = basic.enter(der::SEQUENCE)?;
    // The version is left out unless it is another one.
    let _ = data.take(der::context(0));
    // Who answered.
    data.skip()?;
    // When.
    data.take(der::TIME)?;
    data.enter(der::SEQUENCE)
}

// === impl Single ===

impl<'a> Single<'a> {
    fn read(mut single: Der<'a>) -> Option<Self> {
        let mut id = single.enter(der::SEQUENCE)?;
        // The kind of hash, and with it the name and the key of the authority.
        id.skip()?;
        id.take(der::OCTETS)?;
        id.take(der::OCTETS)?;
        let serial = id.take(der::INTEGER)?;
        // Good is an implicit NULL in [0]; the others have other numbers.
        let is_good = single.take(0x80).is_some();
        if !is_good {
            single.skip()?;
        }
        single.take(der::TIME)?;
        let next_update = match single.enter(der::context(0)) {
            Some(mut next) => Some(next.take(der::TIME)?),
            None => None,
        };
        Some(Self { serial, is_good, next_update })
    }

    fn verdict(&self, now: &[u8]) -> Verdict {
        match self.next_update {
            // Both have the same form, so the order of the text is that of time.
            Some(next) if next < now => Verdict::Expired,
            _ if self.is_good => Verdict::Good,
            _ => Verdict::Bad,
        }
    }
}
