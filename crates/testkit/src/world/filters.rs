//! Filters that do not work: each fails in all its hooks, one with an error, one with a panic, and one of
//! them fails in between two edits. Calls must not notice.

use std::sync::Arc;

use narrows_gateway::filter::{
    Chain, Ended, Filter, FilterError, Guarded, OnError, ReplyView, RequestView, Verdict,
};
use narrows_gateway::route::{HeaderName, Match};
use narrows_gateway::stage::{BodyStage, Emitted, Part, Refusal};
use narrows_gateway::stats::FilterStats;

/// Fails with an error, after an edit.
#[derive(Debug)]
struct Errs;

/// Panics, after an edit.
#[derive(Debug)]
struct Panics;

/// Works: passes the body of each reply through a stage.
#[derive(Debug)]
struct Copies;

#[derive(Debug)]
struct Copy;

/// A chain of one filter of each kind.
pub(super) fn broken_chain() -> Chain {
    let filters: [Arc<dyn Filter>; 3] = [Arc::new(Errs), Arc::new(Copies), Arc::new(Panics)];
    let guarded = filters.map(|filter| Guarded {
        filter,
        conditions: Match::default(),
        on_error: OnError::Open,
        stats: Arc::new(FilterStats::new(1)),
    });
    Chain::new(guarded.into())
}

/// Those of a chain that should have failed and did not, or should not have and did.
pub(super) fn misbehaved(chain: &Chain) -> impl Iterator<Item = String> {
    let filters = chain.filters().iter();
    filters.filter_map(|guarded| {
        let (name, failures) = (guarded.filter.name(), guarded.stats.failures());
        ((name == "copies") != (failures == 0)).then(|| format!("{name} failed {failures} times"))
    })
}

fn mark() -> HeaderName {
    HeaderName::new("x-mark").expect("a name")
}

// === impl Errs ===

impl Filter for Errs {
    fn name(&self) -> &'static str {
        "errs"
    }

    fn on_request(&self, view: &mut RequestView<'_>) -> Result<Verdict, FilterError> {
        view.set(&mark(), b"errs")?;
        Err(FilterError::Missing("all that it needs".into()))
    }

    fn on_reply(&self, view: &mut ReplyView<'_>) -> Result<(), FilterError> {
        view.set(&mark(), b"a line\r\nand another")
    }

    fn on_end(&self, _: &Ended<'_>) -> Result<(), FilterError> {
        Err(FilterError::Missing("an end".into()))
    }
}

// === impl Panics ===

impl Filter for Panics {
    fn name(&self) -> &'static str {
        "panics"
    }

    fn on_request(&self, view: &mut RequestView<'_>) -> Result<Verdict, FilterError> {
        view.remove(&mark());
        panic!("a request")
    }

    fn on_reply(&self, view: &mut ReplyView<'_>) -> Result<(), FilterError> {
        view.add(&mark(), b"panics")?;
        panic!("a reply")
    }

    fn on_end(&self, _: &Ended<'_>) -> Result<(), FilterError> {
        panic!("an end")
    }
}

// === impl Copies ===

impl Filter for Copies {
    fn name(&self) -> &'static str {
        "copies"
    }

    fn on_reply(&self, view: &mut ReplyView<'_>) -> Result<(), FilterError> {
        view.add_stage(Box::new(Copy));
        Ok(())
    }
}

impl BodyStage for Copy {
    fn reply(&mut self, part: Part<'_>, out: &mut Emitted) -> Result<(), Refusal> {
        *out = Emitted::of(part);
        Ok(())
    }

    fn tells_failures(&self) -> bool {
        false
    }
}
