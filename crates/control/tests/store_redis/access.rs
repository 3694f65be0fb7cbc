//! Who may connect, and over what: passwords, users, databases, TLS.

use std::fs;

use narrows_control::stores::redis::{Password, RedisOptions, TlsOptions};
use narrows_testkit::process::Scratch;
use narrows_testkit::servers::{Redis, free_address};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::support::{Opened, options};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_is_given_and_a_wrong_one_is_told() {
    let mut redis = Redis::start_with(&["--requirepass", "open-sesame"]);
    redis.set("job-1", "10.0.0.1:1");
    let with = |password: Option<&str>| RedisOptions {
        password: password.map(Password::from),
        ..options(redis.address())
    };
    let opened = Opened::connected(with(Some("open-sesame"))).await;
    assert_eq!(opened.lookup("job-1").await, "10.0.0.1:1");
    let wrong = Opened::new(with(Some("open-barley"))).lookup("job-1").await;
    assert!(wrong.contains("it refuses the user name or the password"), "{wrong}");
    assert!(!wrong.contains("barley"), "{wrong}");
    let none = Opened::new(with(None)).lookup("job-1").await;
    assert!(none.contains("it wants a password; set password"), "{none}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_with_few_rights_is_enough_and_fewer_are_told() {
    let mut redis = Redis::start();
    redis.set("jobs:1", "10.0.0.1:1");
    let rights = ["+get", "+ping", "+client", "~jobs:*"];
    redis.command(&[&["ACL", "SETUSER", "narrow", "on", ">pass"], &rights[..]].concat());
    let narrow = RedisOptions {
        username: Some("narrow".into()),
        password: Some("pass".into()),
        ..options(redis.address())
    };
    let opened = Opened::connected(narrow.clone()).await;
    assert_eq!(opened.lookup("jobs:1").await, "10.0.0.1:1");
    let denied = opened.lookup("other:1").await;
    assert!(denied.contains("the user may not do this; allow it +get"), "{denied}");
    assert!(opened.store.is_up());
    redis.command(&["ACL", "SETUSER", "narrow", "-client"]);
    let denied = Opened::new(narrow).lookup("jobs:1").await;
    assert!(denied.contains("allow it") && denied.contains("+client"), "{denied}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_is_the_one_that_is_named() {
    let mut redis = Redis::start();
    redis.command(&["SELECT", "3"]);
    redis.set("job-1", "10.0.0.3:3");
    redis.command(&["SELECT", "0"]);
    redis.set("job-1", "10.0.0.1:1");
    let url = format!("redis://{}/3", redis.address());
    let opened = Opened::connected(RedisOptions::from_url(&url).expect("a url")).await;
    assert_eq!(opened.lookup("job-1").await, "10.0.0.3:3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_checks_the_server_and_shows_our_certificate() {
    let files = Scratch::new("redis-tls");
    let authority = authority("ours");
    let (certificate, key) = issue(&authority, "127.0.0.1");
    let write = |name: &str, content: &str| {
        let path = files.path().join(name);
        fs::write(&path, content).expect("temporary files can be written");
        path.to_str().expect("a plain path").to_owned()
    };
    let ca = write("ca.pem", &authority.pem());
    let (cert_file, key_file) = (write("cert.pem", &certificate), write("key.pem", &key));
    let tls = free_address();
    let mut redis = Redis::start_with(&[
        "--tls-port",
        &tls.port().to_string(),
        "--tls-ca-cert-file",
        &ca,
        "--tls-cert-file",
        &cert_file,
        "--tls-key-file",
        &key_file,
    ]);
    redis.set("job-1", "10.0.0.1:1");
    let over = |ca: String, client: Option<(String, String)>| {
        let client = client.map(|(cert, key)| (cert.into_bytes(), key.into_bytes().into()));
        let tls_options = TlsOptions { ca: Some(ca.into_bytes()), client, insecure: false };
        RedisOptions { tls: Some(tls_options), ..options(tls) }
    };
    let ours = issue(&authority, "127.0.0.1");
    let opened = Opened::connected(over(authority.pem(), Some(ours.clone()))).await;
    assert_eq!(opened.lookup("job-1").await, "10.0.0.1:1");
    redis.set("job-1", "10.0.0.2:2");
    opened.until_seen("job-1", "10.0.0.2:2").await;

    let stranger = Opened::new(over(self::authority("other").pem(), Some(ours)));
    let failure = stranger.lookup("job-1").await;
    assert!(failure.contains("certificate"), "{failure}");
    let nobody = Opened::new(over(authority.pem(), None)).lookup("job-1").await;
    assert!(nobody.contains("can not be reached"), "{nobody}");
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"))
        .expect("a certificate")
}

fn issue(authority: &CertifiedIssuer<'static, KeyPair>, name: &str) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, authority).expect("a certificate");
    (certificate.pem(), key.serialize_pem())
}
