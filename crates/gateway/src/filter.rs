//! Filters: rules of a route that read a request, change it, or answer it in the node's place.
//!
//! A filter is compiled once, does no I/O, and never touches a socket. When which hook runs:
//!
//! ```text
//! route found -> on_request of each, first to last -> node -> on_reply, last to first -> ... -> on_end
//!                   | Verdict::Reply, a failure ------------------^ (of those that saw the request)
//! ```
//!
//! The order is that of the configuration: global filters, then those of the upstream, then those of the
//! route. Invariant: whatever a filter does, the call goes on, or ends with a reply; a filter that errs or
//! panics is counted and skipped ([`OnError::Open`]), or the call is refused ([`OnError::Closed`]). The
//! worker drives the chain in `worker/filters.rs`; one file of `filter/` is one filter.

mod chain;
mod compress;
mod cors;
mod headers;
mod path;
mod redirect;
mod respond;
mod rewrite;
#[cfg(test)]
mod testing;
mod view;

use std::fmt::Debug;

pub use chain::{Broken, Chain, FILTERS_MAX, Filtered, Guarded, OnError};
pub use compress::{Coding, Compress, MediaType};
pub use cors::{AllowedHeaders, Cors, CorsRules, Credentials, OriginMatch, Origins};
pub use headers::{Edits, Headers};
pub use path::PathEdit;
pub use redirect::Redirect;
pub use respond::Respond;
pub use rewrite::Rewrite;
pub use view::{Ended, Origin, ReplyView, RequestView};

use crate::reply::LocalReply;
use crate::route::HeaderName;
use narrows_wire::syntax::FieldFault;

/// A rule of a route.
pub trait Filter: Debug + Send + Sync {
    /// What it is called in the configuration, in logs, and in metrics.
    fn name(&self) -> &'static str;

    /// A request has come, and its route has been found.
    fn on_request(&self, _: &mut RequestView<'_>) -> Result<Verdict, FilterError> {
        Ok(Verdict::Continue)
    }

    /// A reply goes to the client: a node's, or one of the gateway's own.
    fn on_reply(&self, _: &mut ReplyView<'_>) -> Result<(), FilterError> {
        Ok(())
    }

    /// The call is over.
    fn on_end(&self, _: &Ended<'_>) -> Result<(), FilterError> {
        Ok(())
    }

    /// Whether it has an `on_reply`: replies that no filter looks at are not touched.
    fn sees_replies(&self) -> bool {
        true
    }
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Verdict {
    /// It goes on.
    Continue,
    /// It is answered at once.
    Reply(LocalReply),
}

/// Why a filter could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// A value that it made can not be sent.
    #[error("the value of {field} can not be sent: {fault}")]
    Value {
        /// The field.
        field: HeaderName,
        /// What is wrong.
        fault: FieldFault,
    },
    /// A path that it made is none.
    #[error("{0:?} is no path")]
    Path(String),
    /// The request lacks what it needs.
    #[error("the request lacks {0}")]
    Missing(String),
}
