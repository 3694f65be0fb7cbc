//! YAML text as a tree in which every node and key knows its place.
//!
//! Scalars stay text: their type is decided by the schema, not by YAML's guesses, so that `no`,
//! `1.10`, and `0x1f` mean what the key says they mean. Aliases are expanded; the limits below keep
//! a small file from becoming a large tree.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag};

/// Nodes of one file, after aliases are expanded.
pub(crate) const NODES_MAX: usize = 1_000_000;
/// Lists and maps inside each other.
pub(crate) const DEPTH_MAX: usize = 64;

/// A place: which of the files, line and column from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Place {
    pub(crate) file: usize,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// A value and its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// Text as written; `plain` when it was not quoted.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key of a map and its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) place: Place,
    pub(crate) value: Node,
}

/// Why a text could not be read, and where.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) place: Place,
    pub(crate) message: String,
}

/// Reads a text with at most one document. No tree: it is empty, or reading could not go on after
/// the last of the errors.
pub(crate) fn parse(file: usize, text: &str) -> (Option<Node>, Vec<SyntaxError>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let parser = Parser::new_from_str(text);
    let mut reader = Reader { file, parser, anchors: HashMap::new(), nodes: 0, passed: Vec::new() };
    let root = reader.document();
    let mut errors = reader.passed;
    let root = root.unwrap_or_else(|error| {
        errors.push(error);
        None
    });
    (root, errors)
}

struct Reader<'a> {
    file: usize,
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    /// Errors after which reading went on.
    passed: Vec<SyntaxError>,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Option<Node>, SyntaxError> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root),
                Event::DocumentStart(_) if root.is_some() => {
                    return Err(self.error(span, "a second document; only one is read"));
                }
                Event::Nothing
                | Event::StreamStart
                | Event::DocumentStart(_)
                | Event::DocumentEnd => {}
                event => {
                    let node = self.node(event, span, 0)?;
                    root = (!node.is_nothing()).then_some(node);
                }
            }
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, SyntaxError> {
        let place = self.place(span.start);
        self.count(1, span)?;
        if depth > DEPTH_MAX {
            return Err(self.error(span, &format!("nested deeper than {DEPTH_MAX}")));
        }
        let (kind, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tagged = self.core_tag(tag.as_deref(), span);
                let plain = style == ScalarStyle::Plain && !tagged;
                (Kind::Scalar { text: text.into_owned(), plain }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.core_tag(tag.as_deref(), span);
                (Kind::List(self.list(depth)?), anchor)
            }
            Event::MappingStart(anchor, tag) => {
                self.core_tag(tag.as_deref(), span);
                (Kind::Map(self.map(depth)?), anchor)
            }
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let node = node.ok_or_else(|| self.error(span, "the anchor is not known here"))?;
                self.count(node.size(), span)?;
                return Ok(node);
            }
            _ => return Err(self.error(span, "a value was expected")),
        };
        let node = Node { place, kind };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, SyntaxError> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(items);
            }
            items.push(self.node(event, span, depth + 1)?);
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<Entry>, SyntaxError> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut lines: HashMap<String, usize> = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(entries);
            }
            let Event::Scalar(key, ..) = event else {
                return Err(self.error(span, "a key must be a word"));
            };
            let (key, place) = (key.into_owned(), self.place(span.start));
            let first = lines.get(&key).copied();
            if let Some(line) = first {
                let text = format!("the key {key:?} is given twice, first on line {line}");
                self.passed.push(self.error(span, &text));
            }
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            if first.is_none() {
                lines.insert(key.clone(), place.line);
                entries.push(Entry { key, place, value });
            }
        }
    }

    /// Whether the tag makes the scalar a string. Tags of one's own are not read.
    fn core_tag(&mut self, tag: Option<&Tag>, span: Span) -> bool {
        match tag {
            None => false,
            Some(tag) if tag.is_yaml_core_schema() => tag.suffix == "str",
            Some(tag) => {
                let error = self.error(span, &format!("the tag {tag} has no meaning here"));
                self.passed.push(error);
                false
            }
        }
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), SyntaxError> {
        self.nodes += nodes;
        if self.nodes > NODES_MAX {
            return Err(self.error(span, &format!("more than {NODES_MAX} values")));
        }
        Ok(())
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), SyntaxError> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(SyntaxError {
                place: self.place(*error.marker()),
                message: format!("not YAML: {}", error.info()),
            }),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn place(&self, at: Marker) -> Place {
        Place { file: self.file, line: at.line(), column: at.col() + 1 }
    }

    fn error(&self, span: Span, message: &str) -> SyntaxError {
        SyntaxError { place: self.place(span.start), message: message.to_owned() }
    }
}

// === impl Node ===

impl Node {
    /// Whether nothing is written: `key:`, `~`, or `null`.
    pub(crate) fn is_nothing(&self) -> bool {
        match &self.kind {
            Kind::Scalar { text, plain } => *plain && matches!(text.as_str(), "" | "~" | "null"),
            Kind::List(_) | Kind::Map(_) => false,
        }
    }

    fn size(&self) -> usize {
        match &self.kind {
            Kind::Scalar { .. } => 1,
            Kind::List(items) => 1 + items.iter().map(Self::size).sum::<usize>(),
            Kind::Map(entries) => 1 + entries.iter().map(|e| e.value.size()).sum::<usize>(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(text: &str) -> (usize, usize, String) {
        let error = parse(0, text).1.pop().expect(text);
        (error.place.line, error.place.column, error.message)
    }

    #[test]
    fn every_node_knows_its_line_and_column() {
        let root = parse(0, "a: 1\nb:\n  - [x, \"é\", z]\n").0.expect("a document");
        let Kind::Map(entries) = root.kind else { panic!("a map") };
        assert_eq!((entries[1].place.line, entries[1].place.column), (2, 1));
        let Kind::List(items) = &entries[1].value.kind else { panic!("a list") };
        let Kind::List(items) = &items[0].kind else { panic!("a list") };
        assert_eq!((items[2].place.line, items[2].place.column), (3, 14));
    }

    #[test]
    fn an_empty_text_is_no_document() {
        for text in ["", "# nothing\n", "---\n", "~", "\u{feff}"] {
            let (root, errors) = parse(0, text);
            assert!(root.is_none() && errors.is_empty(), "{text:?}");
        }
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        assert_eq!(
            fails("a: 1\nb: 2\na: 3\n"),
            (3, 1, "the key \"a\" is given twice, first on line 1".into())
        );
        assert_eq!(fails("a: 1\n---\nb: 2\n").2, "a second document; only one is read");
        assert_eq!(fails("a: !mine 1\n").2, "the tag !mine has no meaning here");
        assert_eq!(fails("[a]: 1\n").2, "a key must be a word");
        assert!(fails("a: [1\n").2.starts_with("not YAML: "));
    }

    #[test]
    fn depth_is_limited() {
        let text = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(0, &text(DEPTH_MAX + 1)).1.is_empty());
        assert_eq!(fails(&text(DEPTH_MAX + 2)).2, "nested deeper than 64");
    }

    #[test]
    fn aliases_can_not_multiply_without_end() {
        let mut text = String::from("a: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..8 {
            let refs = vec![format!("*a{}", level - 1); 10].join(", ");
            text += &format!("k{level}: &a{level} [{refs}]\n");
        }
        assert_eq!(fails(&text).2, "more than 1000000 values");
    }
}
