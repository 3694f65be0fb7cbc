//! Finds the end of a head: the empty line.
//!
//! Each byte is looked at once, however the head is cut into pieces, so that a peer that sends it byte by
//! byte costs no more. Lines end with CR LF and nothing else, here and in trailers (RFC 9112 §2.2 allows
//! more, and readers disagree about that). Limits are checked before a line is complete.

use memchr::memchr;

use super::Fault;

/// How far the search is in bytes that only grow.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Scanner {
    /// Where the first line begins that is not complete, or is wrong.
    pub(super) line: usize,
    /// Lines that are complete, the first line of a head included.
    pub(super) lines: usize,
    /// Where the first line begins: behind an empty one, perhaps.
    pub(super) begin: usize,
    /// Where the fields begin.
    pub(super) fields: usize,
    /// Bytes that were looked at.
    seen: usize,
}

/// What is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The head of a request: one empty line may stand before it.
    Request,
    /// The head of a reply.
    Reply,
    /// Fields without a first line.
    Trailers,
}

/// How much is searched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) line_bytes_max: usize,
    pub(super) fields_bytes_max: usize,
    pub(super) fields_max: usize,
}

// === impl Scanner ===

impl Scanner {
    /// Looks at what is new in `bytes`. The length of the whole, empty line included, if it is there.
    pub(super) fn advance(
        &mut self,
        kind: Kind,
        limits: &Limits,
        bytes: &[u8],
    ) -> Result<Option<usize>, Fault> {
        while let Some(new) = bytes.get(self.seen..)
            && let Some(found) = memchr(b'\n', new)
        {
            let end = self.seen + found;
            self.check_beginning(kind, bytes)?;
            let text = bytes.get(self.line..end).unwrap_or_default();
            let is_last = self.line_ended(kind, limits, text, end + 1)?;
            (self.seen, self.line) = (end + 1, end + 1);
            if is_last {
                return Ok(Some(end + 1));
            }
        }
        self.seen = bytes.len();
        // The line that is not complete; it may end with its CR.
        let rest = bytes.len().saturating_sub(self.line).saturating_sub(1);
        self.check_beginning(kind, bytes)?;
        self.check_length(kind, limits, rest, bytes.len())?;
        Ok(None)
    }

    /// A line is complete; whether it is the last.
    fn line_ended(
        &mut self,
        kind: Kind,
        limits: &Limits,
        text: &[u8],
        end: usize,
    ) -> Result<bool, Fault> {
        let is_first = self.lines == 0 && kind != Kind::Trailers;
        let line = text.strip_suffix(b"\r");
        self.check_length(kind, limits, line.unwrap_or(text).len(), end)?;
        // RFC 9112 §2.2: we do not take a bare LF for the end of a line, although we might.
        let text = line.ok_or(Fault::BareLineFeed)?;
        if is_first && text.is_empty() {
            // RFC 9112 §2.2: an empty line before a request is ignored, one.
            if kind == Kind::Reply || self.begin > 0 {
                return Err(Fault::StartLine);
            }
            self.begin = end;
            return Ok(false);
        }
        if text.is_empty() {
            return Ok(true);
        }
        // RFC 9112 §5.2.
        if !is_first && matches!(text.first(), Some(b' ' | b'\t')) {
            return Err(Fault::LineFolded);
        }
        self.lines += 1;
        if is_first {
            self.fields = end;
        }
        Ok(false)
    }

    /// Bytes that can not begin a message are told at once, not when a line of them is complete.
    fn check_beginning(&self, kind: Kind, bytes: &[u8]) -> Result<(), Fault> {
        let Some(first) = bytes.get(self.begin).filter(|_| self.lines == 0) else { return Ok(()) };
        let is_able = match kind {
            Kind::Request => first.is_ascii_graphic() || matches!(first, b'\r' | b'\n'),
            Kind::Reply => *first == b'H',
            Kind::Trailers => true,
        };
        is_able.then_some(()).ok_or(Fault::StartLine)
    }

    /// `line`: length of the present line; `end`: of everything up to and with it.
    fn check_length(
        &self,
        kind: Kind,
        limits: &Limits,
        line: usize,
        end: usize,
    ) -> Result<(), Fault> {
        let is_first = self.lines == 0 && kind != Kind::Trailers;
        if is_first {
            let fits = line <= limits.line_bytes_max;
            return fits.then_some(()).ok_or(Fault::RequestLineTooLong);
        }
        let fields = self.lines + usize::from(kind == Kind::Trailers) - 1 + usize::from(line > 0);
        let fits = end - self.fields <= limits.fields_bytes_max + 2 && fields <= limits.fields_max;
        fits.then_some(()).ok_or(Fault::HeadTooLarge)
    }
}
