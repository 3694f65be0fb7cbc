//! Certificates: which files are taken, which one a client gets, whose clients are let in.
//!
//! Both ends are rustls in memory with what was compiled, so that what is tested is the handshake,
//! not the configuration of it. See `tls/` for sessions, directories, and OCSP.

mod directory;
mod files;
mod ocsp;
mod resumption;

use narrows_gateway::snapshot::Authorities;
use rcgen::CertificateParams;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};

use super::*;
use files::{Files, Pair, provider};

/// HTTP/2 is what both ends agree on (RFC 9113 §3.2, §9.2).
#[test]
fn the_certificate_is_chosen_by_the_name_that_is_asked_for() {
    let files = Files::new();
    let (one, two) = (files.pair("one", &["one.test"]), files.pair("two", &["*.two.test"]));
    let server = files.server(&format!("certificates: [{one}, {two}]"));
    for (name, file) in [
        ("one.test", "one"),
        ("a.two.test", "two"),
        ("A.Two.Test", "two"),
        ("a.b.two.test", "one"),
        ("two.test", "one"),
        ("other.test", "one"),
    ] {
        let mut pair = Pair::new(&server, files.client_trusting_all(), name);
        pair.shake_hands().expect(name);
        let served = pair.client.peer_certificates().expect("a chain")[0].clone();
        assert_eq!(served, files.certificate(file), "{name}");
        assert_eq!(pair.client.alpn_protocol(), Some(&b"h2"[..]));
    }
}

/// RFC 7301 §3.2: a client that knows ALPN and wants nothing of what is offered is refused.
#[test]
fn listeners_offer_http_of_either_version_or_nothing_at_all() {
    let files = Files::new();
    let pair = files.pair("server", &["one.test"]);
    let http = files.server(&format!("certificates: [{pair}]"));
    let tcp = files.tcp_server(&format!("certificates: [{pair}]"));
    let agreed = |server, offered: &[&[u8]]| {
        let mut client = (*files.client_trusting_all()).clone();
        client.alpn_protocols = offered.iter().map(|protocol| protocol.to_vec()).collect();
        let mut pair = Pair::new(server, Arc::new(client), "one.test");
        pair.shake_hands().ok().map(|()| pair.client.alpn_protocol().map(<[u8]>::to_vec))
    };
    assert_eq!(agreed(&http, &[b"http/1.1", b"h2"]), Some(Some(b"h2".to_vec())));
    assert_eq!(agreed(&http, &[b"http/1.1"]), Some(Some(b"http/1.1".to_vec())));
    assert_eq!(agreed(&http, &[]), Some(None));
    assert_eq!(agreed(&http, &[b"mqtt"]), None);
    assert_eq!(agreed(&tcp, &[b"mqtt"]), Some(None));
}

#[test]
fn only_requests_can_be_held_to_a_certificate() {
    let files = Files::new();
    let pair = files.pair("server", &["one.test"]);
    let tls = format!("certificates: [{pair}], strict_sni: true");
    let compiled = compile(&files.load(&tls), &Previous::new(2), &mut DryStores).expect("valid");
    let tls_of = compiled.snapshot.listeners[0].tls.as_ref().expect("tls");
    assert_eq!(tls_of.authorities, Authorities::OfCertificate);
    let text = files.tcp_config(&tls);
    let loaded = parse(&files.0.path().join("c.yaml"), &text, &|_| None).expect("valid");
    let faults = compile(&loaded, &Previous::new(2), &mut DryStores).expect_err("tcp");
    let expected =
        "tls.strict_sni: only protocol http has requests that it could hold to a certificate";
    let shown = faults[0].to_string();
    assert!(faults.len() == 1 && shown.ends_with(expected), "{shown}");
}

#[test]
fn only_clients_of_the_named_authority_are_let_in() {
    let files = Files::new();
    let pair = files.pair("server", &["one.test"]);
    files.pair("client", &["client.test"]);
    let server = files.server(&format!("certificates: [{pair}], client_ca: ca.pem"));
    let anonymous = files.client_trusting_all();
    assert!(Pair::new(&server, anonymous, "one.test").shake_hands().is_err());
    Pair::new(&server, files.client("client"), "one.test").shake_hands().expect("let in");
    let others = Files::new();
    others.pair("client", &["client.test"]);
    let mut stranger = Pair::new(&server, others.client("client"), "one.test");
    assert!(stranger.shake_hands().is_err());
}

#[test]
fn tls_to_nodes_is_made_anew_only_when_a_file_has_changed() {
    let files = Files::new();
    files.pair("gateway", &["gateway.test"]);
    let text =
        files.upstream_config("ca: ca.pem, certificate: gateway.pem, private_key: gateway.key");
    let reload = |previous: &Previous| {
        let loaded = parse(&files.0.path().join("c.yaml"), &text, &|_| None).expect("valid");
        compile(&loaded, previous, &mut DryStores).expect("valid")
    };
    let client = |compiled: &Compiled| compiled.snapshot.upstreams[0].tls.clone();
    let first = reload(&Previous::new(2));
    let second = reload(&first.next);
    assert!(Arc::ptr_eq(&client(&first), &client(&second)));
    files.pair("gateway", &["gateway.test"]);
    let third = reload(&second.next);
    assert!(!Arc::ptr_eq(&client(&second), &client(&third)));
}

#[test]
fn version_1_3_alone_can_be_demanded() {
    let files = Files::new();
    let pair = files.pair("server", &["one.test"]);
    let only_1_2 = || {
        let mut roots = RootCertStore::empty();
        roots.add(files.certificate("ca")).expect("an authority");
        let client = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS12])
            .expect("ring speaks it");
        Arc::new(client.with_root_certificates(roots).with_no_client_auth())
    };
    let server = files.server(&format!("certificates: [{pair}]"));
    Pair::new(&server, only_1_2(), "one.test").shake_hands().expect("1.2 is spoken");
    let server = files.server(&format!("certificates: [{pair}], min_version: 1.3"));
    assert!(Pair::new(&server, only_1_2(), "one.test").shake_hands().is_err());
}

#[test]
fn an_expired_certificate_is_a_warning() {
    let files = Files::new();
    let mut params = CertificateParams::new(vec!["old.test".to_owned()]).expect("a name");
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2020, 2, 1);
    let pair = files.sign("old", params);
    let loaded = files.load(&format!("certificates: [{pair}]"));
    let compiled = compile(&loaded, &Previous::new(2), &mut DryStores).expect("a warning only");
    let shown = compiled.warnings[0].to_string();
    assert!(shown.contains("warning: listeners[0].tls.certificates[0].certificate: "), "{shown}");
    assert!(shown.contains("old.pem expired ") && shown.ends_with(" days ago"), "{shown}");
}

#[test]
fn files_that_can_not_be_used_say_why() {
    let files = Files::new();
    files.pair("one", &["one.test"]);
    files.pair("two", &["two.test"]);
    std::fs::write(files.0.path().join("empty.pem"), "# nothing\n").expect("written");
    let root = files.0.path().display();
    for (tls, expected) in [
        (
            "certificate: none.pem, private_key: one.key",
            format!(
                "tls.certificate: can not read {root}/none.pem: No such file or directory \
                     (os error 2)"
            ),
        ),
        (
            "certificate: empty.pem, private_key: one.key",
            format!("tls.certificate: {root}/empty.pem holds no certificate"),
        ),
        (
            "certificate: one.pem, private_key: empty.pem",
            format!(
                "tls.private_key: {root}/empty.pem holds no private key that can be read (an \
                     encrypted one can not)"
            ),
        ),
        (
            "certificate: one.pem, private_key: two.key",
            format!(
                "tls.certificate: {root}/two.key is not the private key of the certificate \
                     in {root}/one.pem"
            ),
        ),
        (
            "certificate: one.pem",
            "tls: certificate and private_key go together; one of them is missing".to_owned(),
        ),
        ("min_version: 1.3", "tls: no certificate; write certificate and private_key".to_owned()),
        (
            "certificate: one.pem, private_key: one.key, client_ca: empty.pem",
            format!("tls.client_ca: {root}/empty.pem holds no certificate"),
        ),
    ] {
        let loaded = files.load(tls);
        let faults = compile(&loaded, &Previous::new(2), &mut DryStores).expect_err(tls);
        let shown = faults[0].to_string();
        let path = format!(": listeners[0].{expected}");
        assert!(faults.len() == 1 && shown.ends_with(&path), "{shown}\n{path}");
    }
}

#[test]
fn upstreams_trust_their_authority_and_show_their_certificate() {
    let files = Files::new();
    let pair = files.pair("server", &["node.test"]);
    files.pair("gateway", &["gateway.test"]);
    let server = files.server(&format!("certificates: [{pair}], client_ca: ca.pem"));
    let upstream = |tls: &str| {
        let text = format!(
            "workers: 2\nlisteners: [{{ address: 127.0.0.1:0 }}]\nupstreams: {{ u: {{ \
             endpoints: ['h:1'], protocol: h2, tls: {{ {tls} }} }} }}\nroutes: [{{ name: r, upstream: u }}]\n"
        );
        let loaded = parse(&files.0.path().join("c.yaml"), &text, &|_| None).expect("valid");
        let compiled = compile(&loaded, &Previous::new(2), &mut DryStores).expect("valid");
        let Some(tls) = compiled.snapshot.upstreams[0].protocol.tls.clone() else { panic!("h2") };
        tls
    };
    let shakes_hands = |tls: &str, name: &str| {
        Pair::new(&server, upstream(tls).config.clone(), name).shake_hands().is_ok()
    };
    let own = "certificate: gateway.pem, private_key: gateway.key";
    assert!(shakes_hands(&format!("ca: ca.pem, {own}"), "node.test"));
    assert!(!shakes_hands(&format!("ca: ca.pem, {own}"), "other.test"));
    assert!(!shakes_hands("ca: ca.pem", "node.test"));
    assert!(!shakes_hands(own, "node.test"));
    assert!(shakes_hands(&format!("insecure_skip_verify: true, {own}"), "other.test"));
    let named = upstream("server_name: node.test");
    assert_eq!(named.server_name, Some(ServerName::try_from("node.test").expect("a name")));
}
