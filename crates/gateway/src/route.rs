//! Which route a request takes: the most specific one whose match accepts it.
//!
//! Order, the first difference decides: exact path; gRPC service and method; longest prefix (a gRPC
//! service counts as the prefix `/service/`); regex, or a gRPC method alone; no path. Then exact authority,
//! wildcard (longest first), none. Then the number of header and query conditions. Then a method before
//! none. Then the longest source network before none. A list ranks as its least specific member. Routes
//! that are still equal keep the order of the file.
//! Finding allocates nothing and never depends on the number of routes with another path.
//! See `conditions.rs` for what a match can say, `template.rs` for keys made from a request.

mod conditions;
mod parts;
mod template;

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use narrows_wire::Head;

pub use conditions::{
    AuthorityMatch, GrpcMatch, HeaderName, Match, MatchError, Method, PathMatch, Pattern,
    ValueMatch,
};
pub use template::{KEY_BYTES_MAX, Missing, Template, TemplateError};

use crate::snapshot::Route;
use parts::Parts;

/// What matches and templates see of a request.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The head as the caller sent it.
    pub head: &'a Head,
    /// The address of the caller.
    pub source: IpAddr,
}

/// The routes of a snapshot, indexed by path.
#[derive(Debug, Default)]
pub struct Router {
    /// Most specific first; rules with the same text of the path stand together.
    rules: Vec<Rule>,
    /// Exact paths, and gRPC methods as `/service/method`.
    whole: HashMap<Box<[u8]>, Range<usize>, foldhash::fast::RandomState>,
    /// Sorted by text.
    prefixes: Vec<Prefix>,
    /// Where the rules begin that no text of a path finds.
    rest: usize,
    /// Routes that no request finds: those of listeners for opaque bytes.
    attached: Vec<Arc<Route>>,
}

#[derive(Debug)]
struct Rule {
    conditions: Match,
    route: Arc<Route>,
}

#[derive(Debug)]
struct Prefix {
    text: Box<[u8]>,
    /// The longest other prefix that this one begins with.
    parent: Option<usize>,
    rules: Range<usize>,
}

/// The text by which the index finds a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Indexed {
    Whole(Box<[u8]>),
    Prefix(Box<[u8]>),
    Not,
}

// === impl Router ===

impl Router {
    /// A router over these routes, given in the order of the file.
    pub fn new(routes: Vec<(Match, Arc<Route>)>) -> Self {
        let mut rules: Vec<_> = routes
            .into_iter()
            .map(|(conditions, route)| (indexed(&conditions), Rule { conditions, route }))
            .collect();
        // Rules with different texts of one length and kind never accept the same request, so keeping
        // equal texts together does not change which rule wins. The sort is stable: ties stay as they are.
        rules.sort_by_cached_key(|(text, rule)| {
            let rank = rule.conditions.rank();
            match text {
                Indexed::Whole(text) => (0, 0, text.clone(), rank),
                Indexed::Prefix(text) => (1, usize::MAX - text.len(), text.clone(), rank),
                Indexed::Not => (2, 0, Box::default(), rank),
            }
        });
        let mut router = Self::default();
        for (text, rule) in rules {
            router.push(text, rule);
        }
        router.prefixes.sort_by(|a, b| a.text.cmp(&b.text));
        router.find_parents();
        router
    }

    /// The index of the route that the request takes; see [`Router::route`].
    pub fn find(&self, request: &Request<'_>) -> Option<usize> {
        let parts = Parts::of(request);
        if let Some(rules) = self.whole.get(parts.path)
            && let Some(route) = self.first(rules.clone(), &parts)
        {
            return Some(route);
        }
        // Every prefix of the path is the last text that is not after it, or an ancestor of that one.
        let after = self.prefixes.partition_point(|prefix| *prefix.text <= *parts.path);
        let mut next = after.checked_sub(1);
        while let Some(prefix) = next.and_then(|at| self.prefixes.get(at)) {
            if parts.path.starts_with(&prefix.text)
                && let Some(route) = self.first(prefix.rules.clone(), &parts)
            {
                return Some(route);
            }
            next = prefix.parent;
        }
        self.first(self.rest..self.rules.len(), &parts)
    }

    /// The route with an index that [`Router::find`] gave.
    pub fn route(&self, index: usize) -> &Arc<Route> {
        match self.rules.get(index) {
            Some(rule) => &rule.route,
            None => &self.attached[index - self.rules.len()],
        }
    }

    /// Adds a route that no request finds; gives its index.
    pub fn attach(&mut self, route: Arc<Route>) -> usize {
        self.attached.push(route);
        self.rules.len() + self.attached.len() - 1
    }

    /// Every route, in the order of specificity, with the first condition that the request does not
    /// meet, in words. The first route without one is what [`Router::find`] gives.
    pub fn explain(&self, request: &Request<'_>) -> Vec<(Arc<Route>, Result<(), String>)> {
        let parts = Parts::of(request);
        let verdict = |rule: &Rule| match rule.conditions.failed(&parts) {
            None => Ok(()),
            Some(condition) => Err(condition.to_string()),
        };
        self.rules.iter().map(|rule| (rule.route.clone(), verdict(rule))).collect()
    }

    /// The routes in the order of specificity.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.rules.iter().map(|rule| &rule.route).chain(&self.attached)
    }

    fn first(&self, mut rules: Range<usize>, parts: &Parts<'_>) -> Option<usize> {
        rules.find(|at| self.rules[*at].conditions.failed(parts).is_none())
    }

    /// Adds the rule that comes next in the order.
    fn push(&mut self, text: Indexed, rule: Rule) {
        let at = self.rules.len();
        self.rules.push(rule);
        match text {
            Indexed::Whole(text) => self.whole.entry(text).or_insert(at..at).end = at + 1,
            Indexed::Prefix(text) => match self.prefixes.last_mut() {
                Some(last) if last.text == text => last.rules.end = at + 1,
                _ => self.prefixes.push(Prefix { text, parent: None, rules: at..at + 1 }),
            },
            Indexed::Not => return,
        }
        self.rest = at + 1;
    }

    fn find_parents(&mut self) {
        for at in 1..self.prefixes.len() {
            let mut parent = Some(at - 1);
            while let Some(candidate) = parent
                && !self.prefixes[at].text.starts_with(&self.prefixes[candidate].text)
            {
                parent = self.prefixes[candidate].parent;
            }
            self.prefixes[at].parent = parent;
        }
    }
}

fn indexed(conditions: &Match) -> Indexed {
    match (&conditions.path, &conditions.grpc) {
        (Some(PathMatch::Exact(text)), _) => Indexed::Whole(text.as_bytes().into()),
        (Some(PathMatch::Prefix(text)), _) => Indexed::Prefix(text.as_bytes().into()),
        (None, Some(grpc)) => match (grpc.service(), grpc.method()) {
            (Some(service), Some(method)) => {
                Indexed::Whole(format!("/{service}/{method}").into_bytes().into())
            }
            (Some(service), None) => Indexed::Prefix(format!("/{service}/").into_bytes().into()),
            (None, _) => Indexed::Not,
        },
        (Some(PathMatch::Regex(_)) | None, _) => Indexed::Not,
    }
}

#[cfg(test)]
mod tests;
