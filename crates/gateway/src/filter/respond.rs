//! Answers every request with the same reply: a route needs no node then.

use super::{Filter, FilterError, RequestView, Verdict};
use crate::reply::LocalReply;

/// Answers by itself.
#[derive(Debug)]
pub struct Respond {
    /// What it answers.
    pub reply: LocalReply,
}

// === impl Respond ===

impl Filter for Respond {
    fn name(&self) -> &'static str {
        "respond"
    }

    fn on_request(&self, _: &mut RequestView<'_>) -> Result<Verdict, FilterError> {
        Ok(Verdict::Reply(self.reply.clone()))
    }

    fn sees_replies(&self) -> bool {
        false
    }
}
