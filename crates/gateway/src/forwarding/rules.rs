//! What is done to the fields of requests and replies, as configured.

use std::net::IpAddr;

use super::Trust;
use crate::snapshot::Networks;

/// A field that tells of the way of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trail {
    /// `x-forwarded-for`: the addresses of the client and of each proxy but the last.
    XForwardedFor,
    /// `x-forwarded-proto`: `http` or `https`, as the client spoke it.
    XForwardedProto,
    /// `x-forwarded-host`: the authority that the client asked for.
    XForwardedHost,
    /// `x-forwarded-port`: the port that the client connected to.
    XForwardedPort,
    /// `x-real-ip`: the address of the client.
    XRealIp,
    /// `forwarded` (RFC 7239), with `for`, `host`, and `proto`.
    Forwarded,
}

/// What happens to `x-request-id`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RequestIds {
    /// It goes on as it came, or not at all.
    #[default]
    Pass,
    /// It is made where there is none.
    Fill,
    /// It is made where there is none, and where it came from a peer that is not trusted.
    Replace,
}

/// What happens to `traceparent` (W3C Trace Context).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Traces {
    /// It goes on as it came, or not at all.
    #[default]
    Pass,
    /// A trace begins here where there is none.
    Begin,
}

/// What happens to `server` of a reply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ServerField {
    /// It goes on as it came.
    #[default]
    Pass,
    /// It is removed.
    Remove,
    /// It is replaced, or added.
    Replace(Box<str>),
}

/// What kind of request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// gRPC, by its `content-type`.
    Grpc,
    /// Any other.
    Other,
}

/// Which requests fields are added to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AddTo {
    /// All but gRPC, whose servers hardly ever read them.
    #[default]
    NotGrpc,
    /// All.
    All,
}

/// Whether the client is told the `x-request-id` of its request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Echo {
    /// It is not.
    #[default]
    Off,
    /// It is.
    On,
}

/// What is done, as configured.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Peers whose fields are believed.
    pub trusted: Networks,
    /// So many proxies before us are believed, whatever their addresses.
    pub trusted_hops: u32,
    /// The fields that are added.
    pub add: Vec<Trail>,
    /// To which requests.
    pub add_to: AddTo,
    /// Our name in `via`; `None`: it is left as it came.
    pub via: Option<Box<str>>,
    /// What happens to `x-request-id`.
    pub request_ids: RequestIds,
    /// Whether replies carry it.
    pub echo: Echo,
    /// What happens to `traceparent`.
    pub traces: Traces,
    /// What happens to `server`.
    pub server: ServerField,
}

// === impl Rules ===

impl Rules {
    pub(super) fn added_to(&self, kind: Kind) -> &[Trail] {
        match (self.add_to, kind) {
            (AddTo::NotGrpc, Kind::Grpc) => &[],
            (AddTo::All, Kind::Grpc) | (_, Kind::Other) => &self.add,
        }
    }

    pub(super) fn trust(&self, peer: IpAddr) -> Trust {
        if self.trusted_hops > 0 || self.trusted.contains(peer) { Trust::Yes } else { Trust::No }
    }
}
