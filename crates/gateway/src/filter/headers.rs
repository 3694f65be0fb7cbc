//! Sets, adds, and removes fields of requests and replies.
//!
//! A value may hold variables of the request. A field that is to be set and can not be, because the request
//! lacks what would fill it, is removed: what a caller wrote there itself must not pass for ours.

use super::{Filter, FilterError, ReplyView, RequestView, Verdict};
use crate::route::{HeaderName, Request, Template};

/// Edits fields.
#[derive(Debug, Default)]
pub struct Headers {
    /// Those of requests.
    pub request: Edits,
    /// Those of replies.
    pub reply: Edits,
}

/// What happens to fields, in this order.
#[derive(Debug, Default)]
pub struct Edits {
    /// These are removed.
    pub remove: Vec<HeaderName>,
    /// These get one value, in place of any other.
    pub set: Vec<(HeaderName, Template)>,
    /// These get one value more.
    pub add: Vec<(HeaderName, Template)>,
}

// === impl Edits ===

impl Edits {
    fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }
}

/// The value, if the request has all that it takes.
fn rendered(template: &Template, request: &Request<'_>) -> Option<Vec<u8>> {
    let mut value = Vec::new();
    template.render(request, &mut value).ok()?;
    Some(value)
}

// === impl Headers ===

impl Filter for Headers {
    fn name(&self) -> &'static str {
        "headers"
    }

    fn on_request(&self, view: &mut RequestView<'_>) -> Result<Verdict, FilterError> {
        for name in &self.request.remove {
            view.remove(name);
        }
        for (name, template) in &self.request.set {
            match rendered(template, &view.request()) {
                Some(value) => view.set(name, &value)?,
                None => view.remove(name),
            }
        }
        for (name, template) in &self.request.add {
            if let Some(value) = rendered(template, &view.request()) {
                view.add(name, &value)?;
            }
        }
        Ok(Verdict::Continue)
    }

    fn on_reply(&self, view: &mut ReplyView<'_>) -> Result<(), FilterError> {
        for name in &self.reply.remove {
            view.remove(name);
        }
        for (name, template) in &self.reply.set {
            match rendered(template, &view.request()) {
                Some(value) => view.set(name, &value)?,
                None => view.remove(name),
            }
        }
        for (name, template) in &self.reply.add {
            if let Some(value) = rendered(template, &view.request()) {
                view.add(name, &value)?;
            }
        }
        Ok(())
    }

    fn sees_replies(&self) -> bool {
        !self.reply.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use narrows_wire::Indexing;

    use super::super::testing::{Call, reply};
    use super::*;

    fn edits(remove: &[&str], set: &[(&str, &str)], add: &[(&str, &str)]) -> Edits {
        let name = |text: &str| HeaderName::new(text).expect("a name");
        let fields = |fields: &[(&str, &str)]| {
            let pair =
                |(n, value): &(&str, &str)| (name(n), Template::parse(value).expect("a template"));
            fields.iter().map(pair).collect()
        };
        let remove = remove.iter().map(|text| name(text)).collect();
        Edits { remove, set: fields(set), add: fields(add) }
    }

    #[test]
    fn fields_of_both_ways_are_edited() {
        let filter = Headers {
            request: edits(&["x-old"], &[("x-path", "{path}")], &[("accept", "text/plain")]),
            reply: edits(&["server"], &[("x-host", "{authority}")], &[]),
        };
        let mut call = Call::get("/a?b");
        call.head.push_text(b"x-old", b"1", Indexing::Unique);
        call.head.push_text(b"accept", b"*/*", Indexing::Unique);
        call.head.push_text(b"x-path", b"forged", Indexing::Unique);
        assert!(call.request(&filter).is_none());
        assert_eq!(call.head.find(b"x-old"), None);
        let values = |wanted: &[u8]| {
            let fields = call.head.iter().filter(|(name, _)| *name == wanted);
            fields.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(values(b"x-path"), ["/a"]);
        assert_eq!(values(b"accept"), ["*/*", "text/plain"]);
        let (head, _) = call.reply(&filter, reply(&[(":status", "200"), ("server", "nginx")]));
        assert_eq!(head.find(b"server"), None);
        assert_eq!(head.find(b"x-host"), Some(&b"api.example.com:8080"[..]));
    }

    #[test]
    fn what_a_caller_wrote_does_not_pass_for_ours() {
        let filter = Headers {
            request: edits(&[], &[("x-user", "{cookie.user}")], &[]),
            ..Headers::default()
        };
        let mut call = Call::get("/");
        call.head.push_text(b"x-user", b"admin", Indexing::Unique);
        assert!(call.request(&filter).is_none());
        assert_eq!(call.head.find(b"x-user"), None);
    }

    /// The query is decoded for the value; a line break in it would begin another field.
    #[test]
    fn a_value_that_can_not_be_sent_is_an_error() {
        let filter =
            Headers { request: edits(&[], &[("x-q", "{query.q}")], &[]), ..Headers::default() };
        let mut call = Call::get("/?q=a%0d%0ax-admin:1");
        let error = call.try_request(&filter).expect_err("a line break");
        assert!(matches!(error, FilterError::Value { .. }), "{error}");
        assert_eq!(call.head.find(b"x-q"), None);
    }
}
