//! Which binding a path belongs to.
//!
//! A tree of segments. At each one a literal goes before `*`, and `*` before `**`, from the left to the right, so
//! that the most specific template wins; a verb goes before none. A node of the tree is visited once for a path
//! at most, so that a hostile path costs no more than the tree has nodes.

use std::collections::BTreeMap;

use crate::template::{Segment, Template};

/// All bindings by method and path.
#[derive(Debug, Default)]
pub(crate) struct Matcher {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    literals: BTreeMap<String, Node>,
    any: Option<Box<Node>>,
    /// What ends here.
    ends: Vec<End>,
    /// What ends here and takes the rest of the path.
    rest: Vec<End>,
}

#[derive(Debug)]
struct End {
    verb: Option<String>,
    /// `*` for any.
    method: String,
    binding: usize,
}

/// What is found for a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The binding with this number, and where the path ends before the verb.
    Binding {
        /// As it was given to [`Matcher::insert`].
        binding: usize,
        /// The length of the path without its verb.
        path_bytes: usize,
    },
    /// The path belongs to other methods: these.
    Methods(Vec<String>),
    /// Nothing.
    Nothing,
}

/// One request, and what was seen on the way.
struct Search<'a> {
    method: &'a str,
    verb: Option<&'a str>,
    others: Vec<String>,
}

// === impl Matcher ===

impl Matcher {
    /// Adds a binding; an error is the number of the one that has the same method and shape.
    pub(crate) fn insert(
        &mut self,
        method: &str,
        template: &Template,
        binding: usize,
    ) -> Result<(), usize> {
        let mut node = &mut self.root;
        let mut takes_rest = false;
        for segment in &template.segments {
            match segment {
                Segment::Literal(text) => node = node.literals.entry(text.clone()).or_default(),
                Segment::Any => node = node.any.get_or_insert_default(),
                Segment::Rest => takes_rest = true,
            }
        }
        let ends = if takes_rest { &mut node.rest } else { &mut node.ends };
        let same = |end: &&End| end.method == method && end.verb == template.verb;
        if let Some(end) = ends.iter().find(same) {
            return Err(end.binding);
        }
        let (verb, method) = (template.verb.clone(), method.to_owned());
        ends.push(End { verb, method, binding });
        Ok(())
    }

    /// Looks a path without its query up.
    pub(crate) fn find(&self, method: &str, path: &str) -> Found {
        let Some(inside) = path.strip_prefix('/') else { return Found::Nothing };
        let mut search = Search { method, verb: None, others: Vec::new() };
        let last = inside.rfind('/').map_or(0, |at| at + 1);
        if let Some(colon) = inside[last..].rfind(':') {
            let (rest, verb) = (&inside[..last + colon], &inside[last + colon + 1..]);
            search.verb = Some(verb);
            if let Some(binding) = search.visit(&self.root, start(rest)) {
                return Found::Binding { binding, path_bytes: 1 + rest.len() };
            }
        }
        search.verb = None;
        if let Some(binding) = search.visit(&self.root, start(inside)) {
            return Found::Binding { binding, path_bytes: path.len() };
        }
        if search.others.is_empty() {
            return Found::Nothing;
        }
        search.others.sort_unstable();
        search.others.dedup();
        Found::Methods(search.others)
    }
}

/// The segments behind the first slash; the root has none.
fn start(inside: &str) -> Option<&str> {
    (!inside.is_empty()).then_some(inside)
}

// === impl Search ===

impl Search<'_> {
    /// `path` is what is left of it, without the slash before it. No deeper than the deepest template.
    fn visit(&mut self, node: &Node, path: Option<&str>) -> Option<usize> {
        match path {
            None => {
                if let Some(binding) = self.pick(&node.ends) {
                    return Some(binding);
                }
            }
            Some(path) => {
                let (segment, behind) = match path.split_once('/') {
                    Some((segment, behind)) => (segment, Some(behind)),
                    None => (path, None),
                };
                let literal = node.literals.get(segment);
                let any = node.any.as_deref().filter(|_| !segment.is_empty());
                for next in literal.into_iter().chain(any) {
                    if let Some(binding) = self.visit(next, behind) {
                        return Some(binding);
                    }
                }
            }
        }
        self.pick(&node.rest)
    }

    /// The binding for this method, one for any method if there is none.
    fn pick(&mut self, ends: &[End]) -> Option<usize> {
        let fits = |end: &&End| end.verb.as_deref() == self.verb;
        let of = |method: &str| ends.iter().filter(fits).find(|end| end.method == method);
        if let Some(end) = of(self.method).or_else(|| of("*")) {
            return Some(end.binding);
        }
        let others: Vec<_> = ends.iter().filter(fits).map(|end| end.method.clone()).collect();
        self.others.extend(others);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher(bindings: &[(&str, &str)]) -> Matcher {
        let mut matcher = Matcher::default();
        for (number, (method, path)) in bindings.iter().enumerate() {
            let template = Template::parse(path).expect(path);
            assert_eq!(matcher.insert(method, &template, number), Ok(()), "{path}");
        }
        matcher
    }

    fn found(matcher: &Matcher, method: &str, path: &str) -> Option<usize> {
        match matcher.find(method, path) {
            Found::Binding { binding, .. } => Some(binding),
            Found::Methods(_) | Found::Nothing => None,
        }
    }

    #[test]
    fn the_most_specific_template_wins() {
        let matcher = matcher(&[
            ("GET", "/v1/shelves/new"),
            ("GET", "/v1/shelves/{id}"),
            ("GET", "/v1/{name=**}"),
            ("GET", "/v1/{a}/books"),
            ("GET", "/v1/shelves/{id}:open"),
            ("GET", "/v1/{name=**}:open"),
            ("GET", "/"),
        ]);
        for (path, binding) in [
            ("/v1/shelves/new", Some(0)),
            ("/v1/shelves/7", Some(1)),
            ("/v1/shelves/books", Some(1)),
            ("/v1/x/books", Some(3)),
            ("/v1/x/y", Some(2)),
            ("/v1", Some(2)),
            ("/v1/", Some(2)),
            ("/v1/shelves/", Some(2)),
            ("/v1/shelves/7/8/9", Some(2)),
            ("/v1/shelves/7:open", Some(4)),
            ("/v1/shelves/7:8:open", Some(4)),
            ("/v1/shelves/7:close", Some(1)),
            ("/v1/a/b/c:open", Some(5)),
            ("/", Some(6)),
            ("//", None),
            ("/v2", None),
            ("", None),
            ("v1", None),
        ] {
            assert_eq!(found(&matcher, "GET", path), binding, "{path}");
        }
    }

    #[test]
    fn a_method_that_is_not_there_looks_further_and_is_told_of_others() {
        let matcher = matcher(&[
            ("GET", "/v1/a"),
            ("PUT", "/v1/{id}"),
            ("PATCH", "/v1/{id}"),
            ("*", "/v2/a"),
            ("GET", "/v2/a"),
        ]);
        assert_eq!(found(&matcher, "PUT", "/v1/a"), Some(1));
        let others = ["GET", "PATCH", "PUT"].map(str::to_owned).to_vec();
        assert_eq!(matcher.find("POST", "/v1/a"), Found::Methods(others));
        assert_eq!(found(&matcher, "GET", "/v2/a"), Some(4));
        assert_eq!(found(&matcher, "PURGE", "/v2/a"), Some(3));
    }

    #[test]
    fn the_same_shape_twice_is_not_taken() {
        let mut matcher = matcher(&[("GET", "/v1/{a}"), ("GET", "/v1/{a=**}:x")]);
        let template = |path| Template::parse(path).expect("a template");
        assert_eq!(matcher.insert("GET", &template("/v1/{b=*}"), 9), Err(0));
        assert_eq!(matcher.insert("GET", &template("/v1/**:x"), 9), Err(1));
        assert_eq!(matcher.insert("PUT", &template("/v1/{b}"), 9), Ok(()));
        assert_eq!(matcher.insert("GET", &template("/v1/**"), 9), Ok(()));
    }

    #[test]
    fn no_path_is_too_long() {
        let matcher = matcher(&[("GET", "/*/*/*/*/a"), ("GET", "/x/{b=**}")]);
        assert_eq!(found(&matcher, "GET", &"/x".repeat(100_000)), Some(1));
        assert_eq!(found(&matcher, "GET", &"/".repeat(100_000)), None);
    }
}
