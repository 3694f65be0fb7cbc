//! The conformance cases of another make (the crate httpwg, after h2spec) against the running gateway.
//!
//! Each case has a connection of its own, with prior knowledge (RFC 9113 §3.3); it passes when it finds no fault. The gateway relays to a node that
//! answers every request with a short body, because some cases look at DATA that comes back. `tests/rfc9113.rs`
//! of the crate `narrows-wire` holds our own cases, for both roles; docs/http2.md tells how they relate.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;

use bytes::Bytes;
use httpwg::rfc9113::*;
use httpwg::{Config, Conn};
use narrows_e2e::config;
use narrows_testkit::process::PATIENCE;
use narrows_testkit::servers::Narrows;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

// buffet, on which httpwg is built, calls a part of socket2 0.5 that is behind a feature, and forgets to ask for it.
use socket2_of_buffet as _;

type Outcome = Pin<Box<dyn Future<Output = Result<(), String>>>>;
type Case = (&'static str, fn(Conn<TcpStream>) -> Outcome);

macro_rules! cases {
    ($($module:ident { $($case:ident,)* })*) => {
        &[$($((stringify!($case), |connection| {
            Box::pin(async { $module::$case(connection).await.map_err(|fault| format!("{fault:?}")) })
        }),)*)*]
    };
}

#[rustfmt::skip]
const CASES: &[Case] = cases! {
    _3_starting_http2 {
        sends_client_connection_preface,
        sends_invalid_connection_preface,
    }
    _4_http_frames {
        sends_frame_with_unknown_type,
        sends_frame_with_unused_flags,
        sends_frame_with_reserved_bit_set,
        data_frame_with_max_length,
        frame_exceeding_max_size,
        large_headers_frame_exceeding_max_size,
        invalid_header_block_fragment,
        priority_frame_while_sending_headers,
        headers_frame_to_another_stream,
    }
    _5_streams_and_multiplexing {
        idle_sends_data_frame,
        idle_sends_rst_stream_frame,
        idle_sends_window_update_frame,
        idle_sends_continuation_frame,
        half_closed_remote_sends_data_frame,
        half_closed_remote_sends_headers_frame,
        half_closed_remote_sends_continuation_frame,
        closed_sends_data_frame_after_rst_stream,
        closed_sends_headers_frame_after_rst_stream,
        closed_sends_continuation_frame_after_rst_stream,
        closed_sends_data_frame,
        closed_sends_headers_frame,
        closed_sends_continuation_frame,
        sends_even_numbered_stream_identifier,
        sends_smaller_stream_identifier,
        exceeds_concurrent_stream_limit,
        invalid_ping_frame_for_connection_close,
        test_invalid_ping_frame_for_goaway,
        unknown_extension_frame_in_header_block,
    }
    _6_frame_definitions {
        sends_data_frame_with_zero_stream_id,
        sends_data_frame_on_invalid_stream_state,
        sends_data_frame_with_invalid_pad_length,
        sends_headers_frame_with_zero_stream_id,
        sends_headers_frame_with_invalid_pad_length,
        sends_priority_frame_with_zero_stream_id,
        sends_priority_frame_with_invalid_length,
        sends_rst_stream_frame_with_zero_stream_id,
        sends_rst_stream_frame_on_idle_stream,
        sends_rst_stream_frame_with_invalid_length,
        sends_settings_frame_with_ack_and_payload,
        sends_settings_frame_with_non_zero_stream_id,
        sends_settings_frame_with_invalid_length,
        sends_settings_enable_push_with_invalid_value,
        sends_settings_initial_window_size_with_invalid_value,
        sends_settings_max_frame_size_with_invalid_value_below_initial,
        sends_settings_max_frame_size_with_invalid_value_above_max,
        sends_settings_frame_with_unknown_identifier,
        sends_multiple_values_of_settings_initial_window_size,
        sends_settings_frame_without_ack_flag,
        sends_ping_frame,
        sends_ping_frame_with_ack,
        sends_ping_frame_with_non_zero_stream_id,
        sends_ping_frame_with_invalid_length,
        sends_goaway_frame_with_non_zero_stream_id,
        sends_window_update_frame_with_zero_increment,
        sends_window_update_frame_with_zero_increment_on_stream,
        sends_window_update_frame_with_invalid_length,
        sends_settings_frame_to_set_initial_window_size_to_1_and_sends_headers_frame,
        sends_multiple_window_update_frames_increasing_flow_control_window_above_max,
        sends_multiple_window_update_frames_increasing_flow_control_window_above_max_on_stream,
        changes_settings_initial_window_size_after_sending_headers_frame,
        sends_settings_frame_for_window_size_to_be_negative,
        sends_settings_initial_window_size_with_exceeded_max_window_size_value,
        sends_multiple_continuation_frames_preceded_by_headers_frame,
        sends_continuation_frame_followed_by_non_continuation_frame,
        sends_continuation_frame_with_zero_stream_id,
        sends_continuation_frame_preceded_by_headers_frame_with_end_headers_flag,
        sends_continuation_frame_preceded_by_continuation_frame_with_end_headers_flag,
        sends_continuation_frame_preceded_by_data_frame,
    }
    _7_error_codes {
        sends_goaway_frame_with_unknown_error_code,
        sends_rst_stream_frame_with_unknown_error_code,
    }
    _8_expressing_http_semantics_in_http2 {
        sends_second_headers_frame_without_end_stream,
        sends_headers_frame_with_incorrect_content_length_single_data_frame,
        sends_headers_frame_with_incorrect_content_length_multiple_data_frames,
        sends_headers_frame_with_uppercase_field_name,
        sends_headers_frame_with_space_in_field_name,
        sends_headers_frame_with_non_visible_ascii,
        sends_headers_frame_with_del_character,
        sends_headers_frame_with_non_ascii_character,
        sends_headers_frame_with_colon_in_field_name,
        sends_headers_frame_with_lf_in_field_value,
        sends_headers_frame_with_cr_in_field_value,
        sends_headers_frame_with_nul_in_field_value,
        sends_headers_frame_with_leading_space_in_field_value,
        sends_headers_frame_with_trailing_tab_in_field_value,
        sends_headers_frame_with_connection_header,
        sends_headers_frame_with_proxy_connection_header,
        sends_headers_frame_with_keep_alive_header,
        sends_headers_frame_with_transfer_encoding_header,
        sends_headers_frame_with_upgrade_header,
        sends_headers_frame_with_te_trailers,
        sends_headers_frame_with_te_not_trailers,
        sends_headers_frame_with_response_pseudo_header,
        sends_headers_frame_with_pseudo_header_in_trailer,
        sends_headers_frame_with_duplicate_pseudo_headers,
        sends_headers_frame_with_mismatched_host_authority,
        sends_headers_frame_with_empty_path_component,
        sends_headers_frame_without_method,
        sends_headers_frame_without_scheme,
        sends_headers_frame_without_path,
        sends_headers_frame_without_status,
        client_sends_push_promise_frame,
        sends_connect_with_scheme,
        sends_connect_with_path,
        sends_connect_without_authority,
        sends_headers_frame_with_pseudo_headers_after_regular_headers,
    }
};

/// Cases that go on writing behind the frame that ends the connection, as it should: if the gateway is quick,
/// they find it closed.
const WRITES_ON: &[&str] =
    &["sends_multiple_window_update_frames_increasing_flow_control_window_above_max"];

#[test]
fn every_case_of_another_make_passes() {
    let (_node, address) = start_node();
    let gateway = Narrows::start(&config::fixed(&[address]));
    let target = gateway.address();
    buffet::bufpool::initialize_allocator().expect("there is memory");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let failures: Vec<String> = runtime.expect("a runtime").block_on(async {
        let mut failures = Vec::new();
        for (name, case) in CASES {
            // A case that panics fails; its connection goes with its tasks.
            let tasks = LocalSet::new();
            let outcome = tasks.run_until(async move {
                let stream = TcpStream::connect(target).await.expect("the gateway accepts");
                stream.set_nodelay(true).expect("loopback takes options");
                let connection = Conn::new(Rc::new(wanted(target)), stream);
                tokio::task::spawn_local(case(connection)).await
            });
            match outcome.await {
                Ok(Ok(())) => {}
                Ok(Err(fault)) if WRITES_ON.contains(name) && fault.contains("Broken pipe") => {}
                Ok(Err(fault)) => failures.push(format!("{name}: {fault}")),
                Err(panic) => failures.push(format!("{name}: {panic}")),
            }
        }
        failures
    });
    assert!(failures.is_empty(), "{} of {}\n{}", failures.len(), CASES.len(), failures.join("\n"));
}

fn wanted(target: SocketAddr) -> Config {
    Config {
        host: "localhost".to_owned(),
        port: target.port(),
        timeout: PATIENCE / 4,
        ..Config::default()
    }
}

/// A node that reads each request to its end and answers with a short body.
fn start_node() -> (Runtime, SocketAddr) {
    let runtime = Runtime::new().expect("a runtime");
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    (runtime, address)
}

async fn serve(stream: TcpStream) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(stream).await?;
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        tokio::spawn(async move {
            let mut body = request.into_body();
            while let Some(Ok(data)) = body.data().await {
                let _ = body.flow_control().release_capacity(data.len());
            }
            let mut reply = respond.send_response(http::Response::new(()), false)?;
            reply.send_data(Bytes::from_static(b"a short body"), true)
        });
    }
    Ok(())
}
