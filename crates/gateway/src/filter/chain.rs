//! The filters of a route in their order, each guarded.
//!
//! A filter that errs or panics is counted, and skipped or taken for a refusal. Replies and ends are shown
//! only to filters that saw the request.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{Ended, Filter, FilterError, ReplyView, RequestView, Verdict};
use crate::reply::LocalReply;
use crate::route::Match;
use crate::stats::FilterStats;

/// Filters that a route can have, over all places where they are written.
pub const FILTERS_MAX: usize = 64;

/// The filters of a route.
#[derive(Debug, Default)]
pub struct Chain {
    filters: Box<[Guarded]>,
    /// Those that look at replies.
    reply: Filtered,
}

/// A filter with what surrounds it.
#[derive(Debug, Clone)]
pub struct Guarded {
    /// The filter.
    pub filter: Arc<dyn Filter>,
    /// Which requests of the route it sees.
    pub conditions: Match,
    /// What follows if it fails.
    pub on_error: OnError,
    /// How often it failed.
    pub stats: Arc<FilterStats>,
}

/// What follows if a filter fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// The call goes on without it.
    Open,
    /// The call is refused.
    Closed,
}

/// Which filters of a chain saw a request, a bit for each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filtered(u64);

/// A filter failed that has to hold; the name of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken(pub &'static str);

// === impl Chain ===

impl Chain {
    /// A chain of these filters; those beyond [`FILTERS_MAX`] are left out.
    pub fn new(filters: Vec<Guarded>) -> Self {
        let filters: Box<[_]> = filters.into_iter().take(FILTERS_MAX).collect();
        let mut reply = Filtered::default();
        for (at, guarded) in filters.iter().enumerate() {
            if guarded.filter.sees_replies() {
                reply.note(at);
            }
        }
        Self { filters, reply }
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// The filters in their order.
    pub fn filters(&self) -> &[Guarded] {
        &self.filters
    }

    /// Shows a request to each filter, until one of them answers it. `seen`: which ones saw it.
    pub fn on_request(
        &self,
        view: &mut RequestView<'_>,
        worker: usize,
        seen: &mut Filtered,
    ) -> Result<Option<LocalReply>, Broken> {
        for (at, guarded) in self.filters.iter().enumerate() {
            if !guarded.conditions.accepts(&view.request()) {
                continue;
            }
            seen.note(at);
            match guarded.run(worker, |filter| filter.on_request(view))? {
                Some(Verdict::Reply(reply)) => return Ok(Some(reply)),
                Some(Verdict::Continue) | None => {}
            }
        }
        Ok(None)
    }

    /// Whether one of those that saw the request looks at replies.
    #[inline]
    pub fn sees_reply(&self, seen: Filtered) -> bool {
        self.reply.0 & seen.0 != 0
    }

    /// Shows a reply to the filters that saw the request, in reverse order.
    pub fn on_reply(
        &self,
        view: &mut ReplyView<'_>,
        worker: usize,
        seen: Filtered,
    ) -> Result<(), Broken> {
        for (at, guarded) in self.filters.iter().enumerate().rev() {
            if seen.has(at) {
                guarded.run(worker, |filter| filter.on_reply(view))?;
            }
        }
        Ok(())
    }

    /// Shows the end of a call to the filters that saw its request.
    pub fn on_end(&self, ended: &Ended<'_>, worker: usize, seen: Filtered) {
        for (at, guarded) in self.filters.iter().enumerate() {
            if seen.has(at) {
                // Nothing is left that could be refused.
                let _ = guarded.run(worker, |filter| filter.on_end(ended));
            }
        }
    }
}

// === impl Guarded ===

impl Guarded {
    /// Runs a hook. `Ok(None)`: it failed, and the call goes on without it.
    fn run<T>(
        &self,
        worker: usize,
        hook: impl FnOnce(&dyn Filter) -> Result<T, FilterError>,
    ) -> Result<Option<T>, Broken> {
        let name = self.filter.name();
        // A view is whole between any two edits, and a filter's own state is its own concern.
        match catch_unwind(AssertUnwindSafe(|| hook(&*self.filter))) {
            Ok(Ok(value)) => return Ok(Some(value)),
            Ok(Err(error)) => tracing::debug!(filter = name, %error, "a filter failed"),
            Err(_) => tracing::error!(filter = name, "a filter panicked"),
        }
        self.stats.of(worker).add(1);
        match self.on_error {
            OnError::Open => Ok(None),
            OnError::Closed => Err(Broken(name)),
        }
    }
}

// === impl Filtered ===

impl Filtered {
    /// Whether none saw it.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn note(&mut self, at: usize) {
        self.0 |= 1 << at;
    }

    fn has(self, at: usize) -> bool {
        self.0 & 1 << at != 0
    }
}
