//! Compresses replies in a coding that the caller accepts.
//!
//! What must stay as it is: replies that are encoded already or forbid transformation, parts of a whole (206),
//! replies without a body, gRPC, whose messages have a compression of their own. What is sent at once stays
//! so: the coder is flushed after each piece that the node sent, so events are not held back.

mod accept;
mod coder;

use narrows_wire::codec::End;
use narrows_wire::{Head, Name};

pub use accept::Coding;

use super::{Filter, FilterError, ReplyView};
use crate::route::HeaderName;
use crate::stage::{BodyStage, Emitted, Part, Refusal};
use coder::Coder;

/// The rules of compression.
#[derive(Debug)]
pub struct Compress {
    codings: Vec<Coding>,
    types: Vec<MediaType>,
    body_bytes_min: u64,
    names: Names,
}

/// A type of content that is compressed, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaType {
    /// `type/subtype`.
    Exact(Box<str>),
    /// All below `type/`, slash included.
    Below(Box<str>),
}

/// A reply that is being compressed.
#[derive(Debug)]
struct Compression {
    coding: Coding,
    coder: Option<Coder>,
}

#[derive(Debug)]
struct Names {
    accept_encoding: HeaderName,
    content_encoding: HeaderName,
    etag: HeaderName,
    /// Fields that tell of bytes which are sent no more.
    stale: Vec<HeaderName>,
}

// === impl Compress ===

impl Compress {
    /// Compresses these types in the first of these codings that the caller likes best. Replies that are known
    /// to be shorter than `body_bytes_min` are left alone.
    pub fn new(codings: Vec<Coding>, types: Vec<MediaType>, body_bytes_min: u64) -> Self {
        Self { codings, types, body_bytes_min, names: Names::new() }
    }

    /// Whether the reply would be compressed for a caller that accepts it.
    fn is_eligible(&self, request: &Head, reply: &Head) -> bool {
        let status = reply.get(Name::Status).unwrap_or_default();
        // RFC 9110 §15.3.5, §15.3.6, §15.4.5: no content; §15.3.7: a part, whose bytes are counted.
        if matches!(status, [b'1', ..] | b"204" | b"205" | b"206" | b"304") {
            return false;
        }
        let fixed = [Name::ContentEncoding, Name::ContentRange];
        let is_fixed = fixed.iter().any(|name| reply.get(*name).is_some());
        // RFC 9111 §5.2.1.6, §5.2.2.6.
        let is_open = may_transform(request) && may_transform(reply);
        let length = reply.get(Name::ContentLength).and_then(number);
        is_open
            && !is_fixed
            && request.get(Name::Method) != Some(b"CONNECT")
            && length.is_none_or(|length| length >= self.body_bytes_min)
            && self.types.iter().any(|one| one.accepts(reply.get(Name::ContentType)))
    }
}

impl Filter for Compress {
    fn name(&self) -> &'static str {
        "compress"
    }

    fn on_reply(&self, view: &mut ReplyView<'_>) -> Result<(), FilterError> {
        let request = view.request().head;
        let is_head = request.get(Name::Method) == Some(b"HEAD");
        if (view.end() == End::Stream && !is_head) || !self.is_eligible(request, view.head()) {
            return Ok(());
        }
        let coding = accept::choose(request, &self.codings);
        // RFC 9110 §12.5.5: also where this caller gets it as it is.
        view.vary_by(&self.names.accept_encoding);
        let Some(coding) = coding else { return Ok(()) };
        let weak = view.head().get(Name::Etag).filter(|tag| !tag.starts_with(b"W/"));
        // RFC 9110 §8.8.1: other bytes than those that the node made the tag for.
        if let Some(weak) = weak.map(|tag| [b"W/", tag].concat()) {
            view.set(&self.names.etag, &weak)?;
        }
        for name in &self.names.stale {
            view.remove(name);
        }
        view.set(&self.names.content_encoding, coding.token().as_bytes())?;
        // RFC 9110 §9.3.2: HEAD is told what GET would be, without content.
        if !is_head {
            view.add_stage(Box::new(Compression { coding, coder: None }));
        }
        Ok(())
    }
}

// === impl Compression ===

impl BodyStage for Compression {
    fn reply(&mut self, part: Part<'_>, out: &mut Emitted) -> Result<(), Refusal> {
        let data: &[u8] = match part {
            Part::Data(data, _) => data,
            Part::Trailers(_) => &[],
            Part::Head(..) | Part::Failure(_) => {
                *out = Emitted::of(part);
                return Ok(());
            }
        };
        // Memory is taken when there is something to compress.
        let mut coder = match self.coder.take() {
            Some(coder) => coder,
            None => Coder::new(self.coding)?,
        };
        if let Part::Data(_, End::Open) = part {
            coder.write(data, &mut out.data)?;
            self.coder = Some(coder);
            return Ok(());
        }
        coder.write_last(data, &mut out.data)?;
        out.ended = true;
        if let Part::Trailers(trailers) = part {
            out.trailers = Some(trailers.clone());
        }
        Ok(())
    }

    fn tells_failures(&self) -> bool {
        false
    }
}

// === impl MediaType ===

impl MediaType {
    fn accepts(&self, content_type: Option<&[u8]>) -> bool {
        let whole = content_type.unwrap_or_default();
        let found = whole.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        const GRPC: &[u8] = b"application/grpc";
        if found.get(..GRPC.len()).is_some_and(|start| start.eq_ignore_ascii_case(GRPC)) {
            return false;
        }
        match self {
            Self::Exact(text) => found.eq_ignore_ascii_case(text.as_bytes()),
            Self::Below(text) => found
                .get(..text.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(text.as_bytes())),
        }
    }
}

/// Whether nobody forbids other bytes.
fn may_transform(head: &Head) -> bool {
    let fields = head.fields().iter().filter(|field| field.name == Name::CacheControl);
    !fields
        .flat_map(|field| head.value(field).split(|byte| *byte == b','))
        .any(|directive| directive.trim_ascii().eq_ignore_ascii_case(b"no-transform"))
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

// === impl Names ===

impl Names {
    fn new() -> Self {
        let name = |text: &str| HeaderName::new(text).expect("it is a name");
        let stale = [
            "content-length",
            "accept-ranges",
            "content-md5",
            "digest",
            "content-digest",
            "repr-digest",
        ];
        Self {
            accept_encoding: HeaderName::known(Name::AcceptEncoding),
            content_encoding: HeaderName::known(Name::ContentEncoding),
            etag: HeaderName::known(Name::Etag),
            stale: stale.map(name).into(),
        }
    }
}

#[cfg(test)]
mod tests;
