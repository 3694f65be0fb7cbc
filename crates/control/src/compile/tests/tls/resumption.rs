//! Sessions: who resumes them, for how long, and that nothing is sent early.

use std::sync::Arc;

use rustls::client::{Resumption, Tls12Resumption};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::files::{Files, Pair, provider};
use crate::compile::{Compiled, DryStores, Previous, compile};
use crate::config::parse;

#[test]
fn sessions_resume_after_a_reload_but_not_past_a_new_authority() {
    let files = Files::new();
    let pair = files.pair("server", &["one.test"]);
    let text = |more: &str| files.config(&format!("certificates: [{pair}]{more}"));
    let first = load(&files, &text(""), &Previous::new(2));
    let second = load(&files, &text(""), &first.next);
    let third = load(&files, &text(", client_ca: ca.pem"), &second.next);
    for (version, resumption) in [
        (&TLS13, Tls12Resumption::Disabled),
        (&TLS12, Tls12Resumption::SessionIdOrTickets),
        (&TLS12, Tls12Resumption::SessionIdOnly),
    ] {
        let client = client(&files, version, resumption);
        assert_eq!(kind(&server(&first), &client), Some(HandshakeKind::Full));
        // Each worker has the same configuration, so a session of one resumes on another.
        assert_eq!(kind(&server(&first), &client), Some(HandshakeKind::Resumed));
        assert_eq!(kind(&server(&second), &client), Some(HandshakeKind::Resumed));
        assert_eq!(kind(&server(&third), &client), None, "a client without a certificate");
    }
}

#[test]
fn a_session_is_good_for_its_own_listener_only() {
    let files = Files::new();
    let pair = files.pair("server", &["one.test"]);
    let one = files.config(&format!("certificates: [{pair}]"));
    let [start, end] = ["listeners: [", "]\nupstreams:"].map(|part| one.find(part).expect("there"));
    let listener = &one[start + "listeners: [".len()..end];
    let two = one.replace(listener, &format!("{listener}, {listener}"));
    let compiled = load(&files, &two, &Previous::new(2));
    let server = |at: usize| {
        let listeners = &compiled.snapshot.listeners;
        listeners[at].tls.as_ref().expect("tls").config.clone()
    };
    let client = client(&files, &TLS13, Tls12Resumption::Disabled);
    assert_eq!(kind(&server(0), &client), Some(HandshakeKind::Full));
    assert_eq!(kind(&server(1), &client), Some(HandshakeKind::Full));
    assert_eq!(kind(&server(1), &client), Some(HandshakeKind::Resumed));
}

/// Who the client is was found out by the handshake that began the session.
#[test]
fn a_resumed_session_still_knows_its_client() {
    let files = Files::new();
    let pair = files.pair("server", &["one.test"]);
    files.pair("client", &["client.test"]);
    let server = files.server(&format!("certificates: [{pair}], client_ca: ca.pem"));
    let client = files.client("client");
    for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let mut pair = Pair::new(&server, client.clone(), "one.test");
        pair.shake_hands().expect("let in");
        assert_eq!(pair.server.handshake_kind(), Some(expected));
        let shown = pair.server.peer_certificates().and_then(|chain| chain.first()).cloned();
        assert_eq!(shown, Some(files.certificate("client")));
    }
}

#[test]
fn sessions_with_nodes_are_shared_and_outlive_a_reload() {
    let files = Files::new();
    let node = files.server(&format!("certificates: [{}]", files.pair("node", &["node.test"])));
    let text = files.upstream_config("ca: ca.pem");
    let client = |compiled: &Compiled| compiled.snapshot.upstreams[0].tls.config.clone();
    let kind = |client: Arc<ClientConfig>| {
        let mut pair = Pair::new(&node, client, "node.test");
        pair.shake_hands().expect("trusted");
        pair.client.handshake_kind()
    };
    let first = load(&files, &text, &Previous::new(2));
    assert_eq!(kind(client(&first)), Some(HandshakeKind::Full));
    assert_eq!(kind(client(&first)), Some(HandshakeKind::Resumed));
    let second = load(&files, &text, &first.next);
    assert_eq!(kind(client(&second)), Some(HandshakeKind::Resumed));
    // Another identity begins anew.
    files.pair("gateway", &["gateway.test"]);
    let text =
        files.upstream_config("ca: ca.pem, certificate: gateway.pem, private_key: gateway.key");
    let third = load(&files, &text, &second.next);
    assert_eq!(kind(client(&third)), Some(HandshakeKind::Full));
}

/// Early data can be replayed by whoever sees it (RFC 8446 §8).
#[test]
fn nothing_is_sent_early() {
    let files = Files::new();
    let pair = files.pair("server", &["one.test"]);
    let server = files.server(&format!("certificates: [{pair}]"));
    assert_eq!(server.max_early_data_size, 0);
    assert!(!server.send_half_rtt_data);
    assert!(!files.client_trusting_all().enable_early_data);
}

fn load(files: &Files, text: &str, previous: &Previous) -> Compiled {
    let loaded = parse(&files.0.path().join("c.yaml"), text, &|_| None).expect("valid");
    compile(&loaded, previous, &mut DryStores).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

fn server(compiled: &Compiled) -> Arc<ServerConfig> {
    compiled.snapshot.listeners[0].tls.as_ref().expect("tls").config.clone()
}

fn client(
    files: &Files,
    version: &'static SupportedProtocolVersion,
    resumption: Tls12Resumption,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(files.certificate("ca")).expect("an authority");
    let client = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .expect("ring speaks it");
    let mut client = client.with_root_certificates(roots).with_no_client_auth();
    client.resumption = Resumption::in_memory_sessions(8).tls12_resumption(resumption);
    Arc::new(client)
}

/// How the handshake went; `None`: not well.
fn kind(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>) -> Option<HandshakeKind> {
    let mut pair = Pair::new(server, client.clone(), "one.test");
    pair.shake_hands().ok()?;
    assert_eq!(pair.client.handshake_kind(), pair.server.handshake_kind());
    pair.client.handshake_kind()
}
