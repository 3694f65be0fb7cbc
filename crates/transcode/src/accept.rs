//! What the caller wants a reply to look like.

/// The form of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyForm {
    /// One text, when the call has ended.
    Whole,
    /// A line of JSON for each message (`application/x-ndjson`).
    Lines,
    /// An event for each message (`text/event-stream`).
    Events,
}

/// The weight of a kind of content in thousandths, and those of the kinds that NDJSON goes by.
#[derive(Debug, Default)]
struct Weights {
    events: u16,
    lines: u16,
}

const NDJSON: [&str; 2] = ["application/x-ndjson", "application/ndjson"];

/// The form of a stream: events if they are named and nothing else is named above them, lines otherwise.
pub(crate) fn stream_form(accept: &[u8]) -> ReplyForm {
    let Ok(accept) = std::str::from_utf8(accept) else { return ReplyForm::Lines };
    let mut weights = Weights::default();
    for item in accept.split(',') {
        let mut parts = item.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let weight = parts.find_map(weight).unwrap_or(1000);
        if kind.eq_ignore_ascii_case("text/event-stream") {
            weights.events = weights.events.max(weight);
        } else if NDJSON.iter().any(|name| kind.eq_ignore_ascii_case(name)) {
            weights.lines = weights.lines.max(weight);
        }
    }
    if weights.events > weights.lines { ReplyForm::Events } else { ReplyForm::Lines }
}

/// The weight in `q=0.5` (RFC 9110 §12.4.2), in thousandths.
fn weight(parameter: &str) -> Option<u16> {
    let text = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="))?;
    let (whole, behind) = text.split_once('.').unwrap_or((text, ""));
    let whole: u16 = whole.parse().ok()?;
    let mut thousandths = 0;
    for place in 0..3 {
        let digit = behind.as_bytes().get(place).copied().unwrap_or(b'0');
        thousandths = thousandths * 10 + u16::from(digit.checked_sub(b'0')?.min(9));
    }
    Some(whole.min(1).saturating_mul(1000).saturating_add(thousandths).min(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_for_those_who_ask_for_them() {
        for (accept, form) in [
            ("", ReplyForm::Lines),
            ("*/*", ReplyForm::Lines),
            ("application/json", ReplyForm::Lines),
            ("text/event-stream", ReplyForm::Events),
            ("Text/Event-Stream ; charset=utf-8", ReplyForm::Events),
            ("text/event-stream, */*", ReplyForm::Events),
            ("text/event-stream;q=0, */*", ReplyForm::Lines),
            ("text/event-stream;q=0.001", ReplyForm::Events),
            ("text/event-stream;q=0.5, application/x-ndjson;q=0.6", ReplyForm::Lines),
            ("text/event-stream;q=0.7, application/x-ndjson;q=0.6", ReplyForm::Events),
            ("text/event-stream, application/x-ndjson", ReplyForm::Lines),
            ("text/event-stream;q=banana", ReplyForm::Events),
        ] {
            assert_eq!(stream_form(accept.as_bytes()), form, "{accept}");
        }
        assert_eq!(stream_form(b"\xff"), ReplyForm::Lines);
    }
}
