//! Certificates in a directory, and files that change while the gateway runs.

use std::path::Path;

use rustls::pki_types::CertificateDer;

use super::files::{Files, Pair};
use crate::compile::tls::CERTIFICATES_MAX;
use crate::compile::{Compiled, DryStores, Look, Previous, Watch, compile};
use crate::config::Fault;

#[test]
fn certificates_of_a_directory_are_chosen_by_their_names() {
    let world = World::new();
    world.put("two", &["*.two.test"]);
    world.put("one", &["one.test"]);
    std::fs::write(world.path().join("README"), "not one of them").expect("written");
    std::fs::write(world.path().join(".hidden.key"), "not one of them").expect("written");
    let compiled = world.load(TLS).expect("valid");
    assert!(world.serves(&compiled, "a.two.test", "two"));
    assert!(world.serves(&compiled, "one.test", "one"));
    assert!(world.serves(&compiled, "other.test", "one"), "the first by name");
    world.put("default", &["default.test"]);
    let compiled = world.load(TLS).expect("valid");
    assert!(world.serves(&compiled, "other.test", "default"));
}

#[test]
fn what_can_not_be_used_in_a_directory_is_told() {
    let world = World::new();
    let shown = |expected: &str| {
        let faults = world.load(TLS).expect_err(expected);
        let (shown, path) = (faults[0].to_string(), ": listeners[0].tls.certificates: ");
        assert!(faults.len() == 1 && shown.contains(path), "{shown}");
        assert!(shown.ends_with(expected), "{shown}\n{expected}");
    };
    shown("certs holds no certificates");
    world.put("one", &["one.test"]);
    std::fs::copy(world.path().join("one.crt"), world.path().join("half.crt")).expect("copied");
    shown("\"half\" has no file NAME.key");
    std::fs::rename(world.path().join("half.crt"), world.path().join("one.pem")).expect("moved");
    shown("\"one\" has both a file NAME.crt and a file NAME.pem");
    std::fs::remove_file(world.path().join("one.pem")).expect("there");
    std::fs::remove_file(world.path().join("one.crt")).expect("there");
    shown("\"one\" has no file NAME.crt or NAME.pem");
    std::fs::write(world.path().join("one.crt"), "half a cert").expect("written");
    shown("one.crt holds no certificate");
}

#[test]
fn a_directory_with_too_many_certificates_is_refused() {
    let world = World::new();
    for at in 0..=CERTIFICATES_MAX {
        std::fs::write(world.path().join(format!("{at}.key")), "").expect("written");
    }
    let faults = world.load(TLS).expect_err("too many");
    let shown = faults[0].to_string();
    assert!(
        faults.len() == 1 && shown.ends_with("certs holds more than 4096 certificates"),
        "{shown}"
    );
}

#[test]
fn a_change_is_taken_when_it_has_settled() {
    let world = World::new();
    world.put("one", &["one.test"]);
    let compiled = world.load(TLS).expect("valid");
    let [watch] = &compiled.duties.watches[..] else { panic!("a directory is watched") };
    assert_eq!(watch.look(), Look::Same);
    let before = world.served(&compiled, "one.test");
    world.put("one", &["one.test"]);
    world.put("two", &["two.test"]);
    assert_eq!(watch.look(), Look::Same, "it may still be changing");
    assert_eq!(world.served(&compiled, "one.test"), before);
    assert_eq!(watch.look(), Look::Taken);
    assert!(world.serves(&compiled, "one.test", "one"));
    assert!(world.serves(&compiled, "two.test", "two"));
    assert_eq!(watch.look(), Look::Same);
    for file in ["one.crt", "one.key"] {
        std::fs::remove_file(world.path().join(file)).expect("there");
    }
    assert_eq!(settled(watch), Look::Taken);
    assert!(world.serves(&compiled, "one.test", "two"), "the one that is left");
}

#[test]
fn what_is_half_written_leaves_the_one_before_in_force() {
    let world = World::new();
    world.put("one", &["one.test"]);
    world.put("two", &["two.test"]);
    let compiled = world.load(TLS).expect("valid");
    let [watch] = &compiled.duties.watches[..] else { panic!("a directory is watched") };
    let before = world.served(&compiled, "one.test");
    // The certificate came, its key did not; and another pair is whole.
    let old_key = std::fs::read(world.path().join("one.key")).expect("there");
    world.put("one", &["one.test"]);
    let new_key = std::fs::read(world.path().join("one.key")).expect("there");
    std::fs::write(world.path().join("one.key"), old_key).expect("written");
    world.put("two", &["two.test"]);
    assert_eq!(settled(watch), Look::Refused);
    assert_eq!(world.served(&compiled, "one.test"), before);
    assert!(world.serves(&compiled, "two.test", "two"));
    assert_eq!(settled(watch), Look::Same, "it is said once");
    std::fs::write(world.path().join("one.key"), new_key).expect("written");
    assert_eq!(settled(watch), Look::Taken);
    assert!(world.serves(&compiled, "one.test", "one"));
}

#[test]
fn a_directory_that_is_gone_leaves_all_in_force() {
    let world = World::new();
    world.put("one", &["one.test"]);
    let compiled = world.load(TLS).expect("valid");
    let [watch] = &compiled.duties.watches[..] else { panic!("a directory is watched") };
    let before = world.served(&compiled, "one.test");
    std::fs::rename(world.path(), world.files.0.path().join("away")).expect("moved");
    assert_eq!(settled(watch), Look::Refused);
    assert_eq!(world.served(&compiled, "one.test"), before);
    std::fs::rename(world.files.0.path().join("away"), world.path()).expect("moved");
    assert_eq!(settled(watch), Look::Taken);
}

#[test]
fn files_that_are_named_are_watched_if_that_is_wanted() {
    let world = World::new();
    world.put("one", &["one.test"]);
    let named = "certificate: certs/one.crt, private_key: certs/one.key";
    assert!(world.load(named).expect("valid").duties.watches.is_empty());
    assert!(world.load(&format!("{TLS}, watch: false")).expect("valid").duties.watches.is_empty());
    let compiled = world.load(&format!("{named}, watch: true")).expect("valid");
    let [watch] = &compiled.duties.watches[..] else { panic!("it is watched") };
    world.put("one", &["one.test"]);
    assert_eq!(settled(watch), Look::Taken);
    assert!(world.serves(&compiled, "one.test", "one"));
}

const TLS: &str = "certificates: certs";

/// A directory of certificates.
struct World {
    files: Files,
}

impl World {
    fn new() -> Self {
        let world = Self { files: Files::new() };
        std::fs::create_dir(world.path()).expect("created");
        world
    }

    fn path(&self) -> std::path::PathBuf {
        self.files.0.path().join("certs")
    }

    /// Makes a new certificate and puts it there, in new files as careful people do.
    fn put(&self, name: &str, names: &[&str]) {
        self.files.pair(name, names);
        let moved = |from: &Path, to: &str| std::fs::rename(from, self.path().join(to));
        let made = |ending: &str| self.files.0.path().join(format!("{name}.{ending}"));
        moved(&made("pem"), &format!("{name}.crt")).expect("moved");
        moved(&made("key"), &format!("{name}.key")).expect("moved");
    }

    fn load(&self, tls: &str) -> Result<Compiled, Vec<Fault>> {
        compile(&self.files.load(tls), &Previous::new(2), &mut DryStores)
    }

    fn served(&self, compiled: &Compiled, name: &str) -> CertificateDer<'static> {
        let tls = compiled.snapshot.listeners[0].tls.as_ref().expect("tls");
        let mut pair = Pair::new(&tls.config, self.files.client_trusting_all(), name);
        pair.shake_hands().expect(name);
        pair.client.peer_certificates().expect("a chain")[0].clone()
    }

    fn serves(&self, compiled: &Compiled, name: &str, file: &str) -> bool {
        self.served(compiled, name) == self.files.certificate_in(&format!("certs/{file}.crt"))
    }
}

/// The second look at the same files.
fn settled(watch: &Watch) -> Look {
    let _ = watch.look();
    watch.look()
}
