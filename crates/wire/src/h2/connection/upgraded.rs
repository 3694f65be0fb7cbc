//! A connection that began in HTTP/1.1 (RFC 7540 §3.2).
//!
//! Its first stream is the request that came with the client's offer; what else the client sends begins with
//! the preface, as always.

use std::sync::Arc;

use super::{Connection, ENCODER_TABLE_BYTES_MAX};
use crate::Time;
use crate::codec::{ConnectionError, End, Output, Reason, Role, StreamKey};
use crate::h2::Config;
use crate::h2::state::{State, Step};

/// RFC 7540 §3.2: the stream of the request that was upgraded.
const FIRST: u32 = 1;

// === impl Connection ===

impl Connection {
    /// A connection of the server role that goes on from HTTP/1.1: `settings` is the payload of the client's
    /// HTTP2-Settings, `output` what is still to be written of before. Its first stream is there, with a
    /// request that has ended; its head is with the caller, and no event tells of it.
    pub fn upgraded(
        config: Arc<Config>,
        settings: &[u8],
        output: Output,
        now: Time,
    ) -> Result<(Self, StreamKey), ConnectionError> {
        let mut connection = Self::behind(Role::Server, config, output, now);
        connection.peer.read(Role::Server, settings)?;
        let table_bytes = connection.peer.header_table_bytes.min(ENCODER_TABLE_BYTES_MAX);
        connection.encoder.set_table_bytes_max(table_bytes);
        let state = State::Idle.receive(Step::Headers(End::Stream));
        let state = state.map_err(|_| ConnectionError::protocol(Reason::StreamIdle))?;
        connection.last_peer_id = FIRST;
        connection.guard.opened();
        let stream = connection.new_stream(FIRST, state);
        let stream = connection.streams.insert(stream);
        Ok((connection, stream))
    }
}
