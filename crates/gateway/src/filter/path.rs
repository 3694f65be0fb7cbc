//! How a path becomes another one.
//!
//! Only the path itself is looked at; the query stays behind it. A path always begins with a slash, so one
//! is put before what does not.

use narrows_wire::{Head, Name};

use crate::route::Pattern;

/// A rule that makes another path.
#[derive(Debug, Clone)]
pub enum PathEdit {
    /// What the path begins with is replaced; another path stays.
    Prefix {
        /// The beginning, not necessarily up to a slash.
        prefix: Box<str>,
        /// What stands there instead.
        replace: Box<str>,
    },
    /// A path that matches as a whole is replaced; another path stays.
    Regex {
        /// What it matches.
        pattern: Pattern,
        /// The new path; `$1` or `${name}` stands for what a group matched.
        replace: Box<str>,
    },
    /// Every path is replaced.
    Whole(Box<str>),
}

// === impl PathEdit ===

impl PathEdit {
    /// Appends the path that the request gets, its query included. `false`: the rule is not for its path.
    pub fn apply(&self, head: &Head, out: &mut Vec<u8>) -> bool {
        let target = head.get(Name::Path).unwrap_or_default();
        let query_at = memchr::memchr(b'?', target).unwrap_or(target.len());
        let (path, query) = target.split_at(query_at);
        let start = out.len();
        out.push(b'/');
        let fits = match self {
            Self::Prefix { prefix, replace } => match path.strip_prefix(prefix.as_bytes()) {
                Some(rest) => {
                    out.extend_from_slice(replace.as_bytes());
                    out.extend_from_slice(rest);
                    true
                }
                None => false,
            },
            Self::Regex { pattern, replace } => pattern.expand(path, replace, out),
            Self::Whole(whole) => {
                out.extend_from_slice(whole.as_bytes());
                true
            }
        };
        if !fits {
            out.truncate(start);
            return false;
        }
        if out.get(start + 1) == Some(&b'/') {
            out.remove(start);
        }
        out.extend_from_slice(query);
        true
    }
}

#[cfg(test)]
mod tests {
    use narrows_wire::Indexing;

    use super::*;

    fn edited(edit: &PathEdit, path: &str) -> Option<String> {
        let mut head = Head::new();
        head.push(Name::Path, path.as_bytes(), Indexing::Unique);
        let mut out = b"before ".to_vec();
        let fits = edit.apply(&head, &mut out);
        let text = String::from_utf8(out).expect("text");
        fits.then(|| text.strip_prefix("before ").expect("still there").to_owned())
    }

    #[test]
    fn a_prefix_is_replaced_and_the_query_stays() {
        let edit = |prefix: &str, replace: &str| PathEdit::Prefix {
            prefix: prefix.into(),
            replace: replace.into(),
        };
        for (prefix, replace, path, expected) in [
            ("/api", "/v2", "/api/a?b=/api", Some("/v2/a?b=/api")),
            ("/api", "", "/api/a", Some("/a")),
            ("/api", "", "/api?q", Some("/?q")),
            ("/api/", "", "/api/a", Some("/a")),
            ("/api", "/v2", "/other", None),
        ] {
            assert_eq!(edited(&edit(prefix, replace), path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn groups_of_a_regex_stand_in_the_new_path() {
        let pattern = Pattern::new(r"/users/(?<id>\d+)/(.*)").expect("a regex");
        let edit = PathEdit::Regex { pattern, replace: "/$2/of/${id}".into() };
        assert_eq!(edited(&edit, "/users/7/orders?x=1").as_deref(), Some("/orders/of/7?x=1"));
        assert_eq!(edited(&edit, "/users/x/orders"), None);
        assert_eq!(edited(&PathEdit::Whole("/".into()), "/a?b").as_deref(), Some("/?b"));
    }
}
