//! Conformance with RFC 9113, HTTP/2, laid out as the RFC is.
//!
//! A test is one requirement, which is its doc comment, in our words. A peer writes frames as bytes, see
//! `support/script.rs`; what holds for both roles is run against both. docs/http2.md lists which test covers
//! which case of h2spec.

#[path = "support/frames.rs"]
#[allow(dead_code, reason = "two test programs share it")]
mod frames;
#[path = "support/script.rs"]
#[allow(dead_code, reason = "two test programs share it")]
mod script;

#[path = "rfc9113/s10_5_limits.rs"]
mod s10_5_limits;
#[path = "rfc9113/s3_starting.rs"]
mod s3_starting;
#[path = "rfc9113/s4_1_frame_format.rs"]
mod s4_1_frame_format;
#[path = "rfc9113/s4_2_frame_size.rs"]
mod s4_2_frame_size;
#[path = "rfc9113/s4_3_field_compression.rs"]
mod s4_3_field_compression;
#[path = "rfc9113/s5_1_1_identifiers.rs"]
mod s5_1_1_identifiers;
#[path = "rfc9113/s5_1_2_concurrency.rs"]
mod s5_1_2_concurrency;
#[path = "rfc9113/s5_1_stream_states.rs"]
mod s5_1_stream_states;
#[path = "rfc9113/s5_3_priority.rs"]
mod s5_3_priority;
#[path = "rfc9113/s5_4_errors.rs"]
mod s5_4_errors;
#[path = "rfc9113/s5_5_extensions.rs"]
mod s5_5_extensions;
#[path = "rfc9113/s6_10_continuation.rs"]
mod s6_10_continuation;
#[path = "rfc9113/s6_1_data.rs"]
mod s6_1_data;
#[path = "rfc9113/s6_2_headers.rs"]
mod s6_2_headers;
#[path = "rfc9113/s6_3_priority.rs"]
mod s6_3_priority;
#[path = "rfc9113/s6_4_rst_stream.rs"]
mod s6_4_rst_stream;
#[path = "rfc9113/s6_5_settings.rs"]
mod s6_5_settings;
#[path = "rfc9113/s6_6_push_promise.rs"]
mod s6_6_push_promise;
#[path = "rfc9113/s6_7_ping.rs"]
mod s6_7_ping;
#[path = "rfc9113/s6_8_goaway.rs"]
mod s6_8_goaway;
#[path = "rfc9113/s6_9_window_update.rs"]
mod s6_9_window_update;
#[path = "rfc9113/s7_error_codes.rs"]
mod s7_error_codes;
#[path = "rfc9113/s8_1_message_framing.rs"]
mod s8_1_message_framing;
#[path = "rfc9113/s8_2_fields.rs"]
mod s8_2_fields;
#[path = "rfc9113/s8_3_control_data.rs"]
mod s8_3_control_data;
#[path = "rfc9113/s8_5_connect.rs"]
mod s8_5_connect;
