//! Path templates, by the grammar in `google/api/http.proto`.
//!
//! ```text
//! Template = "/" Segments [ Verb ] ;
//! Segments = Segment { "/" Segment } ;
//! Segment  = "*" | "**" | LITERAL | Variable ;
//! Variable = "{" FieldPath [ "=" Segments ] "}" ;
//! Verb     = ":" LITERAL ;
//! ```
//!
//! A variable holds no other, and `**` is the last segment. `matcher.rs` looks requests up.

/// A template, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) segments: Vec<Segment>,
    pub(crate) variables: Vec<Variable>,
    pub(crate) verb: Option<String>,
}

/// What one segment of a path must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// This text.
    Literal(String),
    /// Anything but nothing.
    Any,
    /// Any number of segments, also none.
    Rest,
}

/// A part of the path that becomes a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    /// The path of the field, as it is written.
    pub(crate) field: String,
    /// The segments that it covers.
    pub(crate) start: usize,
    /// One past the last of them.
    pub(crate) end: usize,
}

/// Reads a template one part after the other.
struct Parser<'t> {
    rest: &'t str,
    template: Template,
}

// === impl Template ===

impl Template {
    /// Takes a template apart; an error says what the grammar misses.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let rest = text.strip_prefix('/').ok_or("it must begin with /")?;
        let (rest, verb) = split_verb(rest)?;
        let template = Self { segments: Vec::new(), variables: Vec::new(), verb };
        let mut parser = Parser { rest, template };
        // The root alone has no segment.
        if !rest.is_empty() {
            parser.segments()?;
        }
        let template = parser.template;
        let rest = template.segments.iter().position(|segment| *segment == Segment::Rest);
        if rest.is_some_and(|at| at + 1 < template.segments.len()) {
            return Err("** must be the last segment");
        }
        Ok(template)
    }

    /// Whether the variable takes several segments, of which `%2F` is no separator.
    pub(crate) fn is_multiple(&self, variable: &Variable) -> bool {
        let covered = self.segments.get(variable.start..variable.end).unwrap_or_default();
        covered.len() > 1 || covered.contains(&Segment::Rest)
    }
}

/// Takes the verb off the last segment. A colon inside of braces is none.
fn split_verb(text: &str) -> Result<(&str, Option<String>), &'static str> {
    let last = text.rfind(['/', '}']).map_or(0, |at| at + 1);
    let Some(colon) = text[last..].find(':') else { return Ok((text, None)) };
    let (rest, verb) = (&text[..last + colon], &text[last + colon + 1..]);
    if rest.is_empty() || rest.ends_with('/') {
        return Err("a verb needs a segment before it");
    }
    if !is_literal(verb) {
        return Err("the text behind : is no verb");
    }
    Ok((rest, Some(verb.to_owned())))
}

/// Text that stands for itself: what RFC 3986 §3.3 lets stand in a segment, but for what the grammar uses.
fn is_literal(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()+,;@%".contains(&byte);
    !text.is_empty() && text.bytes().all(plain)
}

// === impl Parser ===

impl Parser<'_> {
    fn segments(&mut self) -> Result<(), &'static str> {
        loop {
            match self.rest.strip_prefix('{') {
                Some(inside) => {
                    let end = inside.find('}').ok_or("no } closes the {")?;
                    self.rest = &inside[end + 1..];
                    self.variable(&inside[..end])?;
                }
                None => {
                    let end = self.rest.find('/').unwrap_or(self.rest.len());
                    let (text, rest) = self.rest.split_at(end);
                    self.rest = rest;
                    self.segment(text)?;
                }
            }
            if self.rest.is_empty() {
                return Ok(());
            }
            self.rest = self.rest.strip_prefix('/').ok_or("a segment must end with / behind }")?;
        }
    }

    fn segment(&mut self, text: &str) -> Result<(), &'static str> {
        let segment = match text {
            "" => return Err("a segment is empty"),
            "*" => Segment::Any,
            "**" => Segment::Rest,
            text if text.contains(['{', '}']) => return Err("a brace inside of a segment"),
            // A colon is a verb only in the last segment.
            text if is_literal(&text.replace(':', "-")) => Segment::Literal(text.to_owned()),
            _ => return Err("a segment has a character that must be percent-encoded"),
        };
        self.template.segments.push(segment);
        Ok(())
    }

    fn variable(&mut self, inside: &str) -> Result<(), &'static str> {
        let (field, segments) = inside.split_once('=').unwrap_or((inside, "*"));
        if !field.split('.').all(is_identifier) {
            return Err("a variable must name a field");
        }
        if self.template.variables.iter().any(|variable| variable.field == field) {
            return Err("a variable is there twice");
        }
        let start = self.template.segments.len();
        for segment in segments.split('/') {
            self.segment(segment)?;
        }
        let end = self.template.segments.len();
        self.template.variables.push(Variable { field: field.to_owned(), start, end });
        Ok(())
    }
}

fn is_identifier(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    text.bytes().next().is_some_and(letter)
        && text.bytes().all(|byte| letter(byte) || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> String {
        let template = Template::parse(text).expect(text);
        let segments: Vec<_> = template
            .segments
            .iter()
            .map(|segment| match segment {
                Segment::Literal(text) => text.as_str(),
                Segment::Any => "*",
                Segment::Rest => "**",
            })
            .collect();
        let variables: Vec<_> = template
            .variables
            .iter()
            .map(|variable| format!("{}={}..{}", variable.field, variable.start, variable.end))
            .collect();
        let verb = template.verb.map_or(String::new(), |verb| format!(" :{verb}"));
        format!("{} [{}]{verb}", segments.join("/"), variables.join(" "))
    }

    #[test]
    fn templates_are_taken_apart() {
        for (text, expected) in [
            ("/", " []"),
            ("/v1/shelves", "v1/shelves []"),
            ("/v1/{shelf}", "v1/* [shelf=1..2]"),
            ("/v1/{name=shelves/*/books/*}", "v1/shelves/*/books/* [name=1..5]"),
            ("/v1/{name=shelves/**}:move", "v1/shelves/** [name=1..3] :move"),
            ("/v1/{a.b.c}/x/{d=*}", "v1/*/x/* [a.b.c=1..2 d=3..4]"),
            ("/v1/*/**:do", "v1/*/** [] :do"),
            ("/a:b/c", "a:b/c []"),
            ("/{rest=**}", "** [rest=0..1]"),
            ("/pkg.Service/Method", "pkg.Service/Method []"),
        ] {
            assert_eq!(shape(text), expected, "{text}");
        }
    }

    #[test]
    fn what_the_grammar_does_not_have_is_told() {
        for (text, fault) in [
            ("", "it must begin with /"),
            ("v1", "it must begin with /"),
            ("/v1/", "a segment is empty"),
            ("//v1", "a segment is empty"),
            ("/v1/{a", "no } closes the {"),
            ("/v1/a{b}", "a brace inside of a segment"),
            ("/v1/{a}b", "a segment must end with / behind }"),
            ("/v1/{a={b}}", "a brace inside of a segment"),
            ("/v1/{}", "a variable must name a field"),
            ("/v1/{a..b}", "a variable must name a field"),
            ("/v1/{1a}", "a variable must name a field"),
            ("/v1/{a=}", "a segment is empty"),
            ("/v1/{a}/{a}", "a variable is there twice"),
            ("/v1/**/x", "** must be the last segment"),
            ("/v1/{a=**}/x", "** must be the last segment"),
            ("/v1/a*", "a segment has a character that must be percent-encoded"),
            ("/v1/a b", "a segment has a character that must be percent-encoded"),
            ("/v1/a?b", "a segment has a character that must be percent-encoded"),
            ("/v1/a:", "the text behind : is no verb"),
            ("/v1/a:b:c", "the text behind : is no verb"),
            ("/:a", "a verb needs a segment before it"),
        ] {
            assert_eq!(Template::parse(text), Err(fault), "{text}");
        }
    }

    #[test]
    fn a_variable_of_several_segments_is_known() {
        for (text, multiple) in [
            ("/{a}", false),
            ("/{a=*}", false),
            ("/{a=x}", false),
            ("/{a=x/*}", true),
            ("/{a=**}", true),
        ] {
            let template = Template::parse(text).expect(text);
            assert_eq!(template.is_multiple(&template.variables[0]), multiple, "{text}");
        }
    }
}
