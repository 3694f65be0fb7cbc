//! OCSP responses that are stapled: which files are taken, and that clients get them.

use rustls::pki_types::CertificateDer;

use super::files::Files;
use crate::compile::{Compiled, DryStores, Previous, compile};
use crate::config::Fault;

const GOOD: &[u8] = &[0x80, 0];
const REVOKED: &[u8] =
    &[0xa1, 17, 0x18, 15, 50, 48, 50, 48, 48, 49, 48, 49, 48, 48, 48, 48, 48, 48, 90];

#[test]
fn a_response_is_stapled() {
    let files = Files::new();
    let text = staple(&files, "one", &response(&files, "one", GOOD, "21000101000000Z"));
    let compiled = load(&files, &text).expect("valid");
    assert_eq!(compiled.warnings, []);
    let response = std::fs::read(files.0.path().join("one.ocsp")).expect("written");
    assert_eq!(stapled(&compiled), Some(response));
}

#[test]
fn what_is_no_response_for_the_certificate_is_an_error() {
    let files = Files::new();
    files.pair("other", &["other.test"]);
    let good = response(&files, "other", GOOD, "21000101000000Z");
    let cut = &good[..good.len() - 1];
    for (content, expected) in [
        (&good[..], "holds an OCSP response for another certificate"),
        (cut, "is no OCSP response in DER"),
        (&[], "is no OCSP response in DER"),
        (b"-----BEGIN", "is no OCSP response in DER"),
        // tryLater (RFC 6960 §4.2.1).
        (&[0x30, 3, 0x0a, 1, 3], "holds an OCSP response that is an error (status 3)"),
        (&[0x30, 3, 0x0a, 1, 0], "is no OCSP response in DER"),
    ] {
        let text = staple(&files, "one", content);
        let faults = load(&files, &text).expect_err(expected);
        let file = files.0.path().join("one.ocsp");
        let expected =
            format!(": listeners[0].tls.certificates[0].ocsp: {} {expected}", file.display());
        let shown = faults[0].to_string();
        assert!(faults.len() == 1 && shown.ends_with(&expected), "{shown}\n{expected}");
    }
}

#[test]
fn a_file_that_is_not_there_is_an_error() {
    let files = Files::new();
    let text = staple(&files, "one", GOOD);
    std::fs::remove_file(files.0.path().join("one.ocsp")).expect("it was there");
    let shown = load(&files, &text).expect_err("not there")[0].to_string();
    assert!(shown.contains(".ocsp: can not read "), "{shown}");
    let alone = load(
        &files,
        "ocsp: one.ocsp, certificates: [{ certificate: one.pem, private_key: one.key }]",
    );
    let shown = alone.expect_err("no certificate")[0].to_string();
    assert!(shown.ends_with(".ocsp: there is no certificate that this belongs to"), "{shown}");
}

#[test]
fn an_old_response_is_not_shown_and_a_bad_one_is_a_warning() {
    let files = Files::new();
    let text = staple(&files, "one", &response(&files, "one", GOOD, "20200101000000Z"));
    let compiled = load(&files, &text).expect("a warning only");
    let shown = compiled.warnings[0].to_string();
    assert!(shown.ends_with("one.ocsp has expired and is not shown"), "{shown}");
    assert_eq!(stapled(&compiled), None);
    let text = staple(&files, "one", &response(&files, "one", REVOKED, "21000101000000Z"));
    let compiled = load(&files, &text).expect("a warning only");
    let shown = compiled.warnings[0].to_string();
    assert!(shown.ends_with("one.ocsp says that the certificate is revoked"), "{shown}");
}

/// Writes the certificate once, the response each time.
fn staple(files: &Files, name: &str, response: &[u8]) -> String {
    if !files.0.path().join(format!("{name}.pem")).exists() {
        files.pair(name, &["one.test"]);
    }
    std::fs::write(files.0.path().join(format!("{name}.ocsp")), response).expect("written");
    format!(
        "certificates: [{{ certificate: {name}.pem, private_key: {name}.key, ocsp: {name}.ocsp }}]"
    )
}

fn load(files: &Files, tls: &str) -> Result<Compiled, Vec<Fault>> {
    compile(&files.load(tls), &Previous::new(2), &mut DryStores)
}

fn stapled(compiled: &Compiled) -> Option<Vec<u8>> {
    let tls = compiled.snapshot.listeners[0].tls.as_ref().expect("tls");
    tls.certificates.serving("one.test")[0].ocsp.clone()
}

/// A response as an authority would write it, but for the signature (RFC 6960 §4.2.1).
fn response(files: &Files, certificate: &str, status: &[u8], next_update: &str) -> Vec<u8> {
    if !files.0.path().join(format!("{certificate}.pem")).exists() {
        files.pair(certificate, &["one.test"]);
    }
    let certificate: CertificateDer<'_> = files.certificate(certificate);
    let parsed = webpki::EndEntityCert::try_from(&certificate).expect("a certificate");
    let hash = value(0x04, &[&[7; 20]]);
    let algorithm = value(0x30, &[&value(0x06, &[&[0x2b, 0x0e, 3, 2, 0x1a]])]);
    let id = value(0x30, &[&algorithm, &hash, &hash, &value(0x02, &[parsed.serial()])]);
    let time = |text: &str| value(0x18, &[text.as_bytes()]);
    let then = time("20200101000000Z");
    let single = value(0x30, &[&id, status, &then, &value(0xa0, &[&time(next_update)])]);
    let data = value(0x30, &[&value(0xa2, &[&hash]), &then, &value(0x30, &[&single])]);
    let basic = value(0x30, &[&data, &algorithm, &value(0x03, &[&[0, 1]])]);
    let kind = value(0x06, &[&[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1]]);
    let bytes = value(0xa0, &[&value(0x30, &[&kind, &value(0x04, &[&basic])])]);
    value(0x30, &[&value(0x0a, &[&[0]]), &bytes])
}

/// A value of DER.
fn value(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u16::try_from(content.len()).expect("short").to_be_bytes();
    [&[tag, 0x82, length[0], length[1]], &content[..]].concat()
}
