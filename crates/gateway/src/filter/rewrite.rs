//! Asks the node for another path.
//!
//! The log keeps the path that came. Filters behind this one, and keys of lookups, see the new one.

use super::path::PathEdit;
use super::{Filter, FilterError, RequestView, Verdict};

/// Rewrites paths.
#[derive(Debug)]
pub struct Rewrite {
    /// The new path.
    pub path: PathEdit,
}

// === impl Rewrite ===

impl Filter for Rewrite {
    fn name(&self) -> &'static str {
        "rewrite"
    }

    fn on_request(&self, view: &mut RequestView<'_>) -> Result<Verdict, FilterError> {
        let mut path = Vec::new();
        if self.path.apply(view.head(), &mut path) {
            view.set_path(&path)?;
        }
        Ok(Verdict::Continue)
    }

    fn sees_replies(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use narrows_wire::Name;

    use super::super::testing::Call;
    use super::*;

    #[test]
    fn the_node_gets_the_new_path_and_the_log_the_old_one() {
        let filter =
            Rewrite { path: PathEdit::Prefix { prefix: "/api".into(), replace: "".into() } };
        let mut call = Call::get("/api/a?b");
        assert!(call.request(&filter).is_none());
        assert_eq!(call.head.get(Name::Path), Some(&b"/a?b"[..]));
        assert_eq!(call.original_path.as_deref(), Some(&b"/api/a?b"[..]));
    }
}
