//! The Prometheus text format, version 0.0.4.
//!
//! A family is written as a whole: its HELP and TYPE lines, then its samples, as the format demands.

use std::fmt::Write;

/// For the `content-type` of a reply.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the samples of a family are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; the name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets, a sum, and a count.
    Histogram,
}

/// A page of metrics in the making.
#[derive(Debug, Default)]
pub struct Text(String);

/// The family whose samples are being written.
#[derive(Debug)]
pub struct Family<'a> {
    out: &'a mut String,
    name: &'a str,
}

/// Names and values of the labels of a sample.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

// === impl Text ===

impl Text {
    /// An empty page.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a family. Each name once in a page.
    pub fn family<'a>(&'a mut self, name: &'a str, kind: Kind, help: &str) -> Family<'a> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.0.push_str("# HELP ");
        self.0.push_str(name);
        self.0.push(' ');
        escape(&mut self.0, help, Quotes::AsTheyAre);
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "\n# TYPE {name} {kind}");
        Family { out: &mut self.0, name }
    }

    /// The page.
    pub fn into_string(self) -> String {
        self.0
    }
}

// === impl Family ===

impl Family<'_> {
    /// Writes one sample.
    pub fn sample(&mut self, labels: Labels<'_>, value: f64) -> &mut Self {
        self.line("", labels, None, value);
        self
    }

    /// Writes a histogram: `counts` are not cumulative and one longer than `bounds`.
    pub fn histogram(&mut self, labels: Labels<'_>, bounds: &[f64], counts: &[u64], sum: f64) {
        let mut total = 0;
        for (at, count) in counts.iter().enumerate() {
            total += count;
            let bound = bounds.get(at).copied().unwrap_or(f64::INFINITY);
            self.line("_bucket", labels, Some(bound), total as f64);
        }
        self.line("_sum", labels, None, sum);
        self.line("_count", labels, None, total as f64);
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<f64>, value: f64) {
        self.out.push_str(self.name);
        self.out.push_str(suffix);
        let mut separator = '{';
        for (name, value) in labels {
            self.out.push(separator);
            self.out.push_str(name);
            self.out.push_str("=\"");
            escape(self.out, value, Quotes::Escaped);
            self.out.push('"');
            separator = ',';
        }
        if let Some(bound) = bound {
            self.out.push(separator);
            self.out.push_str("le=\"");
            number(self.out, bound);
            self.out.push('"');
            separator = ',';
        }
        self.out.push_str(if separator == ',' { "} " } else { " " });
        number(self.out, value);
        self.out.push('\n');
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    AsTheyAre,
    Escaped,
}

fn escape(out: &mut String, text: &str, quotes: Quotes) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes == Quotes::Escaped => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

fn number(out: &mut String, value: f64) {
    let _ = if value == f64::INFINITY { write!(out, "+Inf") } else { write!(out, "{value}") };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_its_help_its_type_and_its_samples() {
        let mut text = Text::new();
        text.family("a_total", Kind::Counter, "Counts a.")
            .sample(&[], 3.0)
            .sample(&[("x", "1"), ("y", "two")], 0.25);
        let page = "# HELP a_total Counts a.\n# TYPE a_total counter\na_total 3\na_total{x=\"1\",y=\"two\"} 0.25\n";
        assert_eq!(text.into_string(), page);
    }

    #[test]
    fn what_would_break_a_line_or_a_label_is_escaped() {
        let mut text = Text::new();
        text.family("a", Kind::Gauge, "back\\slash \"and\"\nline")
            .sample(&[("p", "q\"\\\n")], -1.0);
        let page = text.into_string();
        assert!(page.starts_with("# HELP a back\\\\slash \"and\"\\nline\n"), "{page}");
        assert!(page.ends_with("a{p=\"q\\\"\\\\\\n\"} -1\n"), "{page}");
    }

    #[test]
    fn buckets_of_a_histogram_are_cumulative_and_end_with_infinity() {
        let mut text = Text::new();
        text.family("h", Kind::Histogram, "H.").histogram(
            &[("r", "a")],
            &[0.001, 1.0],
            &[1, 2, 4],
            9.5,
        );
        let page = text.into_string();
        let lines = page.lines().skip(2).collect::<Vec<_>>();
        assert_eq!(
            lines,
            [
                "h_bucket{r=\"a\",le=\"0.001\"} 1",
                "h_bucket{r=\"a\",le=\"1\"} 3",
                "h_bucket{r=\"a\",le=\"+Inf\"} 7",
                "h_sum{r=\"a\"} 9.5",
                "h_count{r=\"a\"} 7",
            ]
        );
    }
}
