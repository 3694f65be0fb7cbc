//! What of a call is hashed, so that calls which are equal in it reach the same node.

use std::net::IpAddr;

use super::hash::hash;
use crate::route::{Request, Template};

/// Keys in order; the first that a call has counts.
#[derive(Debug, Default)]
pub struct HashOn(Box<[HashKey]>);

/// A key.
#[derive(Debug)]
pub enum HashKey {
    /// The address of the caller.
    Source,
    /// What a template makes of the request.
    Template(Template),
}

// === impl HashOn ===

impl HashOn {
    /// These keys, in this order.
    pub fn new(keys: Vec<HashKey>) -> Self {
        Self(keys.into())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The hash of a call; `None` if it has none of the keys. `buffer` is room for a key.
    pub(super) fn hash(&self, request: &Request<'_>, buffer: &mut Vec<u8>) -> Option<u64> {
        self.0.iter().find_map(|key| match key {
            HashKey::Source => Some(match request.source.to_canonical() {
                IpAddr::V4(address) => hash(&address.octets()),
                IpAddr::V6(address) => hash(&address.octets()),
            }),
            HashKey::Template(template) => {
                template.render(request, buffer).is_ok().then(|| hash(buffer))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use narrows_wire::{Head, Indexing};

    use super::*;

    #[test]
    fn the_first_key_that_is_there_counts() {
        let template = |text| HashKey::Template(Template::parse(text).expect("a template"));
        let hash_on = HashOn::new(vec![
            template("{header.user}"),
            template("{cookie.session}"),
            template("{query.id}"),
        ]);
        let of = |fields: &[(&str, &str)]| {
            let mut head = Head::new();
            for (name, value) in fields {
                head.push_text(name.as_bytes(), value.as_bytes(), Indexing::MayRepeat);
            }
            let request = Request { head: &head, source: IpAddr::from([192, 0, 2, 1]) };
            hash_on.hash(&request, &mut Vec::new())
        };
        assert_eq!(of(&[("user", "a"), ("cookie", "session=b")]), Some(hash(b"a")));
        assert_eq!(of(&[("cookie", "session=b"), (":path", "/?id=c")]), Some(hash(b"b")));
        assert_eq!(of(&[(":path", "/?id=c")]), Some(hash(b"c")));
        assert_eq!(of(&[(":path", "/")]), None);
    }

    #[test]
    fn the_source_is_always_there() {
        let hash_on = HashOn::new(vec![HashKey::Source]);
        let of = |source: &str| {
            let source = source.parse().expect("an address");
            hash_on.hash(&Request { head: &Head::new(), source }, &mut Vec::new())
        };
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert!(of("2001:db8::1").is_some());
    }
}
