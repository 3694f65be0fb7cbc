//! `narrows_testkit::fuzz::hpack` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| narrows_testkit::fuzz::hpack(input));
