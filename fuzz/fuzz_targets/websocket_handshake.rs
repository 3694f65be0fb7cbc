//! `narrows_testkit::fuzz::websocket_handshake` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| narrows_testkit::fuzz::websocket_handshake(input));
