//! Templates as OpenAPI writes them: each wildcard is a parameter of its own.
//!
//! `/v1/{name=shelves/*/books/*}` is `/v1/shelves/{name_1}/books/{name_2}`, because a parameter of OpenAPI holds no
//! slash.

use crate::binding::{Binding, BoundVariable};
use crate::template::Segment;

/// A template in the words of OpenAPI.
#[derive(Debug)]
pub(super) struct Path<'b> {
    /// The path with `{}` for each wildcard: what is the same for paths that OpenAPI takes for one.
    pub(super) shape: String,
    /// The parameters in their order.
    pub(super) parameters: Vec<Parameter<'b>>,
}

/// A wildcard.
#[derive(Debug)]
pub(super) struct Parameter<'b> {
    pub(super) name: String,
    /// The variable that it is a part of.
    pub(super) bound: Option<&'b BoundVariable>,
    /// Whether it is the whole variable.
    pub(super) part: Part,
    /// Whether it takes more segments than one.
    pub(super) takes: Takes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Some,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    One,
    Rest,
}

// === impl Path ===

impl<'b> Path<'b> {
    pub(super) fn of(binding: &'b Binding) -> Self {
        let mut path = Self { shape: String::new(), parameters: Vec::new() };
        for (number, segment) in binding.template.segments.iter().enumerate() {
            path.shape.push('/');
            let takes = match segment {
                Segment::Literal(text) => {
                    path.shape.push_str(text);
                    continue;
                }
                Segment::Any => Takes::One,
                Segment::Rest => Takes::Rest,
            };
            path.shape.push_str("{}");
            path.parameters.push(Parameter::at(binding, number, takes));
        }
        if path.shape.is_empty() {
            path.shape.push('/');
        }
        if let Some(verb) = &binding.template.verb {
            path.shape.push(':');
            path.shape.push_str(verb);
        }
        path
    }

    /// The path with these names in their places.
    pub(super) fn text<'n>(&self, names: impl Iterator<Item = &'n str>) -> String {
        let mut text = String::new();
        let mut names = names.fuse();
        for (number, part) in self.shape.split("{}").enumerate() {
            if number > 0 {
                text.push_str(&format!("{{{}}}", names.next().unwrap_or_default()));
            }
            text.push_str(part);
        }
        text
    }
}

// === impl Parameter ===

impl<'b> Parameter<'b> {
    /// The wildcard that is the segment with this number.
    fn at(binding: &'b Binding, number: usize, takes: Takes) -> Self {
        let covers =
            |bound: &&BoundVariable| (bound.variable.start..bound.variable.end).contains(&number);
        let Some(bound) = binding.variables.iter().find(covers) else {
            let name = format!("segment_{}", number + 1);
            return Self { name, bound: None, part: Part::Some, takes };
        };
        let (start, end) = (bound.variable.start, bound.variable.end);
        let is_wildcard = |segment: &&Segment| !matches!(segment, Segment::Literal(_));
        let wildcards = |from: usize, to: usize| {
            let segments = binding.template.segments.get(from..to).unwrap_or_default();
            segments.iter().filter(is_wildcard).count()
        };
        let field = &bound.variable.field;
        let name = match wildcards(start, end) {
            1 => field.clone(),
            _ => format!("{field}_{}", wildcards(start, number) + 1),
        };
        let part = if end - start == 1 { Part::Whole } else { Part::Some };
        Self { name, bound: Some(bound), part, takes }
    }
}
