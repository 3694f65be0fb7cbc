//! What of a configuration is not as it was written, because something else stands in for a fault.
//!
//! After a fault, reading goes on with a value that stands in, so that one run shows everything. A
//! later fault at such a place would be about the stand-in; whoever finds faults asks here first, so
//! that what follows from a fault is not reported beside it.

use std::collections::BTreeSet;

/// The places that are not as they were written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Doubts {
    paths: BTreeSet<String>,
    /// A part of a file could not be read at all, so that anything may be missing.
    is_part_missing: bool,
}

// === impl Doubts ===

impl Doubts {
    /// Something stands in for what is written at this path, or nothing does.
    pub(crate) fn add(&mut self, path: &str) {
        self.paths.insert(path.to_owned());
    }

    /// Something could not be read, and nobody knows what it was.
    pub(crate) fn miss_a_part(&mut self) {
        self.is_part_missing = true;
    }

    /// Whether everything is as it was written.
    pub(crate) fn is_empty(&self) -> bool {
        self.paths.is_empty() && !self.is_part_missing
    }

    /// Whether what is at this path stands in for what is written there.
    pub(crate) fn cover(&self, path: &str) -> bool {
        let mut ends = path.match_indices(['.', '[']).map(|(end, _)| end);
        self.paths.contains(path) || ends.any(|end| self.paths.contains(&path[..end]))
    }

    /// Whether anything at this path or inside it is not as it was written.
    pub(crate) fn touch(&self, path: &str) -> bool {
        let inside = |other: &String| {
            other.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', '[']))
        };
        self.cover(path) || self.paths.iter().any(inside)
    }

    /// Whether something may be missing from the list or the names at this path.
    pub(crate) fn may_lack(&self, path: &str) -> bool {
        self.is_part_missing || self.cover(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubt_covers_what_is_inside_and_touches_what_is_around() {
        let mut doubts = Doubts::default();
        doubts.add("routes[1].match");
        for (path, covered, touched) in [
            ("routes[1].match", true, true),
            ("routes[1].match.path", true, true),
            ("routes[1]", false, true),
            ("routes", false, true),
            ("routes[1].matches", false, false),
            ("routes[10].match", false, false),
        ] {
            assert_eq!((doubts.cover(path), doubts.touch(path)), (covered, touched), "{path}");
        }
    }

    #[test]
    fn anything_may_be_missing_from_a_part_that_was_not_read() {
        let mut doubts = Doubts::default();
        assert!(!doubts.may_lack("upstreams"));
        doubts.miss_a_part();
        assert!(doubts.may_lack("upstreams") && !doubts.is_empty());
        assert!(!doubts.cover("upstreams.a"));
    }
}
