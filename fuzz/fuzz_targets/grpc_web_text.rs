//! `narrows_testkit::fuzz::grpc_web_text` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| narrows_testkit::fuzz::grpc_web_text(input));
