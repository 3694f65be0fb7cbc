//! The settings of an endpoint (RFC 9113 §6.5.2).
//!
//! [`Settings`] is what the peer announced, at first the protocol's defaults. Reading a payload checks
//! every value; what a change means for open streams is the business of `connection/control.rs`.

use super::Config;
use super::frame::{self, FrameHeader, HEADER_BYTES, kind};
use crate::codec::Role;
use crate::codec::{ConnectionError, Reason};

/// Payload bytes that no peer's SETTINGS_MAX_FRAME_SIZE may go below.
pub(super) const FRAME_BYTES_MIN: u32 = 16_384;
/// The largest frame payload that the protocol can express.
pub(super) const FRAME_BYTES_MAX: u32 = (1 << 24) - 1;
/// The window of new streams and of the connection until something else is agreed.
pub(super) const WINDOW_DEFAULT: u32 = 65_535;
/// The largest window (RFC 9113 §6.9.1).
pub(super) const WINDOW_MAX: u32 = (1 << 31) - 1;
/// Streams that a client opens at once before it knows the server's limit. The protocol would allow any
/// number (§6.5.2); this is what it recommends as the least.
const STREAMS_ASSUMED: u32 = 100;

/// What the peer announced about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of the table that the peer decodes with.
    pub header_table_bytes: u32,
    /// Streams that we may have open at once.
    pub max_concurrent_streams: u32,
    /// Window of a new stream towards the peer.
    pub initial_window_bytes: u32,
    /// Largest frame payload that the peer takes.
    pub max_frame_bytes: u32,
    /// Largest field section that the peer wants, as RFC 9113 §10.5.1 counts it. `u32::MAX`: no limit.
    pub section_bytes_max: u32,
    /// Whether the peer takes extended CONNECT (RFC 8441 §3).
    pub connect_protocol: bool,
}

/// The identifiers on the wire.
mod id {
    pub(super) const HEADER_TABLE_SIZE: u16 = 0x1;
    pub(super) const ENABLE_PUSH: u16 = 0x2;
    pub(super) const MAX_CONCURRENT_STREAMS: u16 = 0x3;
    pub(super) const INITIAL_WINDOW_SIZE: u16 = 0x4;
    pub(super) const MAX_FRAME_SIZE: u16 = 0x5;
    pub(super) const MAX_HEADER_LIST_SIZE: u16 = 0x6;
    pub(super) const ENABLE_CONNECT_PROTOCOL: u16 = 0x8;
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            header_table_bytes: 4096,
            max_concurrent_streams: STREAMS_ASSUMED,
            initial_window_bytes: WINDOW_DEFAULT,
            max_frame_bytes: FRAME_BYTES_MIN,
            section_bytes_max: u32::MAX,
            connect_protocol: false,
        }
    }
}

impl Settings {
    /// Takes over the payload of a SETTINGS frame of a peer, while we are `role`. The first frame also
    /// lifts the assumed limit of streams if it names none.
    pub(super) fn read(&mut self, role: Role, payload: &[u8]) -> Result<(), ConnectionError> {
        let (entries, rest) = payload.as_chunks::<6>();
        if !rest.is_empty() {
            // RFC 9113 §6.5: a length that is no multiple of 6.
            return Err(ConnectionError::size(Reason::FrameLength));
        }
        for [i0, i1, v0, v1, v2, v3] in entries {
            let value = u32::from_be_bytes([*v0, *v1, *v2, *v3]);
            self.set(role, u16::from_be_bytes([*i0, *i1]), value)?;
        }
        Ok(())
    }

    fn set(&mut self, role: Role, id: u16, value: u32) -> Result<(), ConnectionError> {
        let invalid = Err(ConnectionError::protocol(Reason::SettingValue));
        match id {
            id::HEADER_TABLE_SIZE => self.header_table_bytes = value,
            // RFC 9113 §6.5.2: a boolean, and a server never enables it.
            id::ENABLE_PUSH if value > 1 || (value == 1 && role == Role::Client) => return invalid,
            id::MAX_CONCURRENT_STREAMS => self.max_concurrent_streams = value,
            // RFC 9113 §6.5.2: above 2^31-1 is a FLOW_CONTROL_ERROR.
            id::INITIAL_WINDOW_SIZE if value > WINDOW_MAX => {
                return Err(ConnectionError::flow(Reason::SettingWindow));
            }
            id::INITIAL_WINDOW_SIZE => self.initial_window_bytes = value,
            id::MAX_FRAME_SIZE if !(FRAME_BYTES_MIN..=FRAME_BYTES_MAX).contains(&value) => {
                return invalid;
            }
            id::MAX_FRAME_SIZE => self.max_frame_bytes = value,
            id::MAX_HEADER_LIST_SIZE => self.section_bytes_max = value,
            // RFC 8441 §3: a boolean that is never taken back.
            id::ENABLE_CONNECT_PROTOCOL if value > 1 || (value == 0 && self.connect_protocol) => {
                return invalid;
            }
            id::ENABLE_CONNECT_PROTOCOL => self.connect_protocol = value == 1,
            _ => {} // RFC 9113 §6.5.2: unknown settings are ignored.
        }
        Ok(())
    }
}

/// Appends our SETTINGS: what differs from the protocol's defaults.
pub(super) fn put(out: &mut Vec<u8>, role: Role, config: &Config) {
    let at = out.len();
    FrameHeader { len: 0, kind: kind::SETTINGS, flags: 0, stream: 0 }.write(out);
    let mut set = |id: u16, value: u32| {
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    };
    match role {
        Role::Client => set(id::ENABLE_PUSH, 0),
        Role::Server => set(id::MAX_CONCURRENT_STREAMS, config.max_concurrent_streams),
    }
    if config.initial_window_bytes != WINDOW_DEFAULT {
        set(id::INITIAL_WINDOW_SIZE, config.initial_window_bytes.min(WINDOW_MAX));
    }
    if config.max_frame_bytes != FRAME_BYTES_MIN {
        set(id::MAX_FRAME_SIZE, config.max_frame_bytes.clamp(FRAME_BYTES_MIN, FRAME_BYTES_MAX));
    }
    set(id::MAX_HEADER_LIST_SIZE, config.section.bytes_max);
    if role == Role::Server && config.connect_protocol {
        set(id::ENABLE_CONNECT_PROTOCOL, 1);
    }
    let len = out.len() - at - HEADER_BYTES;
    frame::patch(out, at, len, 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::ErrorCode;

    fn read(role: Role, entries: &[(u16, u32)]) -> Result<Settings, ConnectionError> {
        let mut payload = Vec::new();
        for (id, value) in entries {
            payload.extend_from_slice(&id.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        }
        let mut settings = Settings::default();
        settings.read(role, &payload).map(|()| settings)
    }

    /// Each value at its bounds and one past them.
    #[test]
    fn values_are_held_to_their_ranges() {
        let protocol = ErrorCode::PROTOCOL_ERROR;
        let cases = [
            (Role::Server, 2, 0, None),
            (Role::Server, 2, 1, None),
            (Role::Server, 2, 2, Some(protocol)),
            (Role::Client, 2, 0, None),
            (Role::Client, 2, 1, Some(protocol)),
            (Role::Server, 4, (1 << 31) - 1, None),
            (Role::Server, 4, 1 << 31, Some(ErrorCode::FLOW_CONTROL_ERROR)),
            (Role::Server, 5, 16_383, Some(protocol)),
            (Role::Server, 5, 16_384, None),
            (Role::Server, 5, (1 << 24) - 1, None),
            (Role::Server, 5, 1 << 24, Some(protocol)),
            (Role::Client, 8, 1, None),
            (Role::Client, 8, 2, Some(protocol)),
            (Role::Client, 0x7777, u32::MAX, None),
        ];
        for (role, id, value, code) in cases {
            let code_found = read(role, &[(id, value)]).err().map(|error| error.code);
            assert_eq!(code_found, code, "{role:?} {id} {value}");
        }
    }

    #[test]
    fn extended_connect_is_not_taken_back() {
        assert!(read(Role::Client, &[(8, 1), (8, 1)]).is_ok_and(|read| read.connect_protocol));
        assert!(read(Role::Client, &[(8, 1), (8, 0)]).is_err());
    }

    #[test]
    fn a_payload_is_whole_entries() {
        let error = Settings::default().read(Role::Server, &[0; 7]).unwrap_err();
        assert_eq!(error.code, ErrorCode::FRAME_SIZE_ERROR);
    }

    #[test]
    fn what_we_announce_is_what_the_peer_reads() {
        let config = Config {
            max_concurrent_streams: 7,
            initial_window_bytes: 1 << 20,
            max_frame_bytes: 1 << 15,
            connect_protocol: true,
            ..Config::default()
        };
        let mut out = Vec::new();
        put(&mut out, Role::Server, &config);
        let mut read = Settings::default();
        read.read(Role::Client, &out[HEADER_BYTES..]).unwrap();
        let announced = Settings {
            header_table_bytes: 4096,
            max_concurrent_streams: 7,
            initial_window_bytes: 1 << 20,
            max_frame_bytes: 1 << 15,
            section_bytes_max: config.section.bytes_max,
            connect_protocol: true,
        };
        assert_eq!(read, announced);
    }
}
