//! `narrows_testkit::fuzz::websocket_frames` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| narrows_testkit::fuzz::websocket_frames(input));
