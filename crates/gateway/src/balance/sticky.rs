//! Sessions that stay with their node, whatever becomes of the others.
//!
//! The first call of a session goes where the policy says, and a store remembers that under the key of the session:
//! its pin. All later calls go there, on whichever gateway they come, as all of them ask the same store. See
//! `worker/sticky.rs` for how a call is sent that way.

use std::sync::Arc;
use std::time::Duration;

use narrows_wire::Time;

use crate::lookup::Store;
use crate::route::{Request, Template};
use crate::target::Target;

/// What a session goes by.
#[derive(Debug)]
pub struct Sticky {
    /// Who remembers.
    pub store: Arc<Store>,
    /// Makes the key of a session from a call.
    pub key: Template,
    /// What callers without a session are given.
    pub cookie: Option<SessionCookie>,
    /// How long a pin lasts without calls.
    pub ttl: Duration,
    /// How long a call waits for the store.
    pub budget: Duration,
    /// What happens if the node of a session is gone.
    pub on_gone: OnGone,
}

/// A cookie that names a session.
#[derive(Debug)]
pub struct SessionCookie {
    /// Its name.
    pub name: Box<str>,
    /// What stands in front of its value in the key of the session.
    pub prefix: Box<str>,
}

/// What happens to a call whose node is not in the set any more, or not in service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnGone {
    /// The call fails.
    Fail,
    /// The call waits this long for the node to come back.
    Wait(Duration),
    /// The session moves to another node.
    Rebalance,
}

/// What is known of the session of a call.
#[derive(Debug, Default)]
pub struct Session {
    /// Its name, if it was made for this call; the caller is told with the reply.
    pub made: Option<Box<str>>,
    /// Its node, if that could not be reached.
    pub unreached: Option<Arc<Target>>,
    /// Since when the node is waited for.
    pub gone_since: Option<Time>,
    /// How often it has moved for this call.
    pub moves: u8,
}

// === impl Sticky ===

impl Sticky {
    /// Replaces what `out` holds by the key of the session of a call. `false`: it has none.
    pub(crate) fn render(
        &self,
        request: &Request<'_>,
        session: Option<&Session>,
        out: &mut Vec<u8>,
    ) -> bool {
        let made = session.and_then(|session| session.made.as_deref());
        let (Some(id), Some(cookie)) = (made, &self.cookie) else {
            return self.key.render(request, out).is_ok();
        };
        out.clear();
        out.extend_from_slice(cookie.prefix.as_bytes());
        out.extend_from_slice(id.as_bytes());
        true
    }
}
