//! The gateway's own entry: where it is, and what is wrong with one.

use super::*;

fn with(register: &str) -> String {
    format!("{GOOD}\nregister: {register}\n")
}

#[test]
fn an_entry_is_named_by_the_address() {
    for (register, place) in [
        (
            "{ address: 'gate:80', zookeeper: { servers: ['z:1'], path: /gates/ } }",
            "zookeeper /gates/gate:80",
        ),
        (
            "{ address: '[::1]:80', etcd: { endpoints: ['e:1'], prefix: /gates } }",
            "etcd /gates/[::1]:80",
        ),
        (
            "{ address: 'gate:80', etcd: { endpoints: ['e:1'], prefix: /gates/ } }",
            "etcd /gates/gate:80",
        ),
    ] {
        let compiled = compiled(&with(register));
        assert_eq!(compiled.duties.register.expect("an entry").to_string(), place);
    }
    assert_eq!(compiled(GOOD).duties.register, None);
}

#[test]
fn what_is_wrong_with_an_entry_is_told_at_its_place() {
    for (register, fault) in [
        ("{ address: 'g:80' }", "register: write one of zookeeper and etcd"),
        (
            "{ address: 'g:80', etcd: { endpoints: ['e:1'], prefix: /g }, zookeeper: { servers: ['z:1'], path: /g } }",
            "register: write one of",
        ),
        (
            "{ address: 'grpc://g:80', etcd: { endpoints: ['e:1'], prefix: /g } }",
            "register.address: write host:port",
        ),
        (
            "{ address: 'g:80', lease: 999ms, etcd: { endpoints: ['e:1'], prefix: /g } }",
            "register.lease: must be from 1s",
        ),
        (
            "{ address: 'g:80', zookeeper: { servers: [], path: /g } }",
            "register.zookeeper.servers: no servers",
        ),
    ] {
        let errors = errors(&with(register));
        assert!(errors.iter().any(|error| error.contains(fault)), "{register}: {errors:?}");
    }
}
