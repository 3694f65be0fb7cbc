//! `narrows_testkit::fuzz::client_hello` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| narrows_testkit::fuzz::client_hello(input));
