//! Parts of a set by labels: a call goes to nodes whose labels are what its request says.

use std::collections::BTreeMap;

use crate::endpoints::Member;
use crate::route::{Request, Template};

/// Stands between values; no label contains it, as labels are text.
const BETWEEN: u8 = 0xFF;

/// Which labels count, and what they have to be.
#[derive(Debug)]
pub struct Subset {
    /// Labels and the values that a request asks for.
    pub labels: BTreeMap<Box<str>, Template>,
    /// Where a call goes that asks for none, or for one that has no node in service.
    pub fallback: Fallback,
}

/// Where a call goes that finds no subset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// To any node of the set.
    Any,
    /// Nowhere: it fails.
    None,
}

// === impl Subset ===

impl Subset {
    /// Makes `out` the name of the subset that a request asks for. `false`: it asks for none.
    pub(crate) fn asked(
        &self,
        request: &Request<'_>,
        buffer: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> bool {
        out.clear();
        self.labels.values().all(|template| {
            let is_there = template.render(request, buffer).is_ok();
            out.extend_from_slice(buffer);
            out.push(BETWEEN);
            is_there
        })
    }

    /// The name of the subset that a member is in; `None`: in none.
    pub(crate) fn of(&self, member: &Member) -> Option<Box<[u8]>> {
        let mut name = Vec::new();
        for label in self.labels.keys() {
            name.extend_from_slice(member.labels.get(label)?.as_bytes());
            name.push(BETWEEN);
        }
        Some(name.into())
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;

    use narrows_wire::{Head, Indexing};

    use super::*;

    fn subset() -> Subset {
        let label = |(name, template): (&str, &str)| {
            (name.into(), Template::parse(template).expect("a template"))
        };
        let labels = [("zone", "{header.x-zone}"), ("stage", "{header.x-stage}")];
        Subset { labels: labels.into_iter().map(label).collect(), fallback: Fallback::Any }
    }

    fn member(labels: &[(&str, &str)]) -> Member {
        let label = |(name, value): &(&str, &str)| ((*name).into(), (*value).into());
        Member {
            target: Arc::new("a:1".parse().expect("a target")),
            weight: 1,
            priority: 0,
            labels: labels.iter().map(label).collect(),
        }
    }

    fn asked(fields: &[(&str, &str)]) -> Option<Box<[u8]>> {
        let mut head = Head::new();
        for (name, value) in fields {
            head.push_text(name.as_bytes(), value.as_bytes(), Indexing::MayRepeat);
        }
        let request = Request { head: &head, source: IpAddr::from([192, 0, 2, 1]) };
        let mut out = Vec::new();
        subset().asked(&request, &mut Vec::new(), &mut out).then(|| out.into())
    }

    #[test]
    fn a_request_names_the_subset_of_the_members_with_its_labels() {
        let of = |labels: &[(&str, &str)]| subset().of(&member(labels));
        let named = of(&[("zone", "a"), ("stage", "b"), ("other", "c")]);
        assert!(named.is_some());
        assert_eq!(asked(&[("x-zone", "a"), ("x-stage", "b")]), named);
        assert_ne!(asked(&[("x-zone", "ab"), ("x-stage", "")]), named);
        assert_ne!(asked(&[("x-zone", "b"), ("x-stage", "a")]), named);
    }

    #[test]
    fn without_one_of_the_labels_there_is_no_subset() {
        assert_eq!(subset().of(&member(&[("zone", "a")])), None);
        assert_eq!(asked(&[("x-zone", "a")]), None);
    }
}
