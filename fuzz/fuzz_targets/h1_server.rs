//! `narrows_testkit::fuzz::h1_server` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| narrows_testkit::fuzz::h1_server(input));
