//! Switching protocols: the handshake of WebSocket (RFC 6455 §4), to and from extended CONNECT (RFC 8441),
//! and the offer to go on in HTTP/2 (RFC 7540 §3.2).
//!
//! In the form that all protocols share, a WebSocket is opened by CONNECT with `:protocol websocket` and
//! accepted with 200. Key and accept value belong to the connection: they prove that its other end speaks
//! HTTP/1.1 and WebSocket, and are made and checked here.

use super::options::Options;
use crate::base64;
use crate::websocket::{ACCEPT, KEY, Key, VERSION, VERSION_13, WEBSOCKET};
use crate::{Head, Indexing, Name};

const SETTINGS: &[u8] = b"http2-settings";
/// Bytes of a payload of SETTINGS that comes with a request: more than all settings that there are.
const SETTINGS_BYTES_MAX: usize = 120;

/// What a client offers to switch to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Offer {
    /// WebSocket, with this key.
    WebSocket(Key),
    /// HTTP/2, with this payload of SETTINGS.
    H2c(Vec<u8>),
}

/// What the fields of a head say of it.
#[derive(Debug, Default)]
pub(super) struct Notes<'a> {
    pub(super) websocket: bool,
    key: Option<&'a [u8]>,
    pub(super) accept: Option<&'a [u8]>,
    is_version_13: bool,
    h2c: bool,
    settings: Option<&'a [u8]>,
    settings_count: u32,
}

// === impl Notes ===

impl<'a> Notes<'a> {
    /// RFC 9110 §7.8: what Upgrade lists.
    pub(super) fn read_protocols(&mut self, value: &[u8]) {
        for protocol in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            self.websocket |= protocol.eq_ignore_ascii_case(WEBSOCKET);
            self.h2c |= protocol == b"h2c";
        }
    }

    /// A field whose name is not a known one.
    pub(super) fn read(&mut self, name: &[u8], value: &'a [u8]) {
        match name {
            KEY => self.key = Some(value),
            ACCEPT => self.accept = Some(value),
            SETTINGS => {
                self.settings = Some(value);
                self.settings_count += 1;
            }
            VERSION => self.is_version_13 = value == VERSION_13,
            _ => {}
        }
    }
}

/// Whether a field concerns this connection alone, whether or not Connection names it.
pub(super) fn is_consumed(name: &[u8]) -> bool {
    name == SETTINGS
}

/// A request that offers what we can switch to becomes an extended CONNECT. Any other offer is ignored: the
/// request is what it is without.
pub(super) fn offered(
    method: &[u8],
    notes: &Notes<'_>,
    options: &Options<'_>,
    head: &mut Head,
) -> Option<Offer> {
    offered_websocket(method, notes, head).or_else(|| offered_h2c(notes, options).map(Offer::H2c))
}

/// RFC 7540 §3.2.1: one HTTP2-Settings, which Connection names too.
fn offered_h2c(notes: &Notes<'_>, options: &Options<'_>) -> Option<Vec<u8>> {
    let is_offered = notes.h2c && notes.settings_count == 1 && options.names(SETTINGS);
    let text = notes.settings.filter(|text| is_offered && text.len() <= SETTINGS_BYTES_MAX * 2)?;
    let mut payload = Vec::new();
    base64::decode_url(text, &mut payload)?;
    (payload.len() <= SETTINGS_BYTES_MAX && payload.len().is_multiple_of(6)).then_some(payload)
}

fn offered_websocket(method: &[u8], notes: &Notes<'_>, head: &mut Head) -> Option<Offer> {
    let is_valid = method == b"GET" && notes.websocket && notes.is_version_13;
    let key = notes.key.filter(|_| is_valid).and_then(Key::parse)?;
    head.retain(|head, field| head.name(field) != KEY && field.name != Name::ContentLength);
    to_connect(head);
    Some(Offer::WebSocket(key))
}

/// RFC 8441 §5: GET with Upgrade is CONNECT with :protocol.
fn to_connect(head: &mut Head) {
    head.set(Name::Method, b"CONNECT", Indexing::MayRepeat);
    let mut whole = Head::new();
    std::mem::swap(head, &mut whole);
    for field in whole.fields() {
        head.push_text(whole.name(field), whole.value(field), field.indexing);
        if field.name == Name::Method {
            head.push(Name::Protocol, WEBSOCKET, Indexing::MayRepeat);
        }
    }
}

/// A key from a number that is not used twice. It need not be a secret: it only has to be another one for
/// each connection.
pub(super) fn key(seed: u64, number: u64) -> Key {
    let mut bytes = [0; 16];
    let (first, second) = bytes.split_at_mut(8);
    first.copy_from_slice(&mix(seed ^ number).to_le_bytes());
    second.copy_from_slice(&mix(seed.rotate_left(32).wrapping_add(number)).to_le_bytes());
    Key::new(bytes)
}

/// SplitMix64.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
