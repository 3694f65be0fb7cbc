//! The way of a request: JSON or content as it is in, framed messages out.
//!
//! A request that is one message is held until its end; of one that is a stream each line is a message, sent on as
//! soon as it is whole. What path and query say is set in every message.

use std::sync::Arc;

use narrows_wire::codec::End;
use prost::Message as _;
use prost_reflect::{DynamicMessage, Value};

use crate::binding::{Binding, Body};
use crate::failure::Failure;
use crate::options::Options;
use crate::query::Assignment;
use crate::{frame, json};

/// A request as far as it has come.
#[derive(Debug)]
pub(crate) struct Request {
    binding: Arc<Binding>,
    assignments: Vec<Assignment>,
    content_type: Option<String>,
    kind: Kind,
    /// What has come of a body, a line, or a piece of content.
    held: Vec<u8>,
}

/// How a body becomes messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// One message without a body.
    Nothing,
    /// One message.
    Json,
    /// A message for each line.
    Lines,
    /// One message with the body as it is.
    Content,
    /// A message for each piece of the body.
    Pieces,
}

/// What a line of NDJSON may be surrounded by.
const BLANK: &[u8] = b" \t\r\n";

// === impl Request ===

impl Request {
    pub(crate) fn new(
        binding: Arc<Binding>,
        assignments: Vec<Assignment>,
        content_type: Option<String>,
    ) -> Self {
        let kind = match (binding.takes_content(), binding.method.is_client_streaming()) {
            _ if matches!(binding.body, Body::None) => Kind::Nothing,
            (false, false) => Kind::Json,
            (false, true) => Kind::Lines,
            (true, false) => Kind::Content,
            (true, true) => Kind::Pieces,
        };
        Self { binding, assignments, content_type, kind, held: Vec::new() }
    }

    /// Takes the next bytes of the body and appends the messages that they complete.
    pub(crate) fn push(
        &mut self,
        data: &[u8],
        end: End,
        options: &Options,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        if !data.is_empty() {
            self.check_kind()?;
        }
        match self.kind {
            Kind::Nothing if !data.is_empty() => {
                Err(Failure::wrong("this method takes no body; use parameters of the query"))
            }
            Kind::Nothing | Kind::Json | Kind::Content => {
                self.hold(data, options.limits.request_bytes_max, "the body")?;
                match end {
                    End::Open => Ok(()),
                    End::Stream => {
                        let held = std::mem::take(&mut self.held);
                        self.message(&held, options, out)
                    }
                }
            }
            Kind::Lines => self.lines(data, end, options, out),
            Kind::Pieces if data.is_empty() => Ok(()),
            Kind::Pieces => self.message(data, options, out),
        }
    }

    /// JSON has to be called so: what a form of a foreign page can send is not taken for it.
    fn check_kind(&self) -> Result<(), Failure> {
        if !matches!(self.kind, Kind::Json | Kind::Lines) {
            return Ok(());
        }
        let kind = self.content_type.as_deref().unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is_json = kind == "application/json" || kind.ends_with("+json");
        let is_lines = kind == "application/x-ndjson" || kind == "application/ndjson";
        match self.kind {
            Kind::Lines if is_json || is_lines => Ok(()),
            Kind::Lines => {
                Err(Failure::media("the body must be of content-type application/x-ndjson"))
            }
            _ if is_json => Ok(()),
            _ => Err(Failure::media("the body must be of content-type application/json")),
        }
    }

    fn hold(&mut self, data: &[u8], bytes_max: usize, what: &str) -> Result<(), Failure> {
        if self.held.len().saturating_add(data.len()) > bytes_max {
            let message = format!("{what} is larger than {bytes_max} bytes");
            return Err(Failure::too_large(message));
        }
        self.held.extend_from_slice(data);
        Ok(())
    }

    fn lines(
        &mut self,
        mut data: &[u8],
        end: End,
        options: &Options,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let bytes_max = options.limits.line_bytes_max;
        while let Some(at) = data.iter().position(|byte| *byte == b'\n') {
            let (line, behind) = data.split_at(at);
            data = behind.get(1..).unwrap_or_default();
            self.hold(line, bytes_max, "a line")?;
            self.line(options, out)?;
        }
        self.hold(data, bytes_max, "a line")?;
        if end == End::Stream { self.line(options, out) } else { Ok(()) }
    }

    /// The line that is held. A blank one is no message.
    fn line(&mut self, options: &Options, out: &mut Vec<u8>) -> Result<(), Failure> {
        let mut held = std::mem::take(&mut self.held);
        let blank = held.iter().all(|byte| BLANK.contains(byte));
        let written = if blank { Ok(()) } else { self.message(&held, options, out) };
        held.clear();
        self.held = held;
        written
    }

    /// Appends the message that a body, a line, or a piece of content makes.
    fn message(&self, text: &[u8], options: &Options, out: &mut Vec<u8>) -> Result<(), Failure> {
        let mut message = match self.kind {
            Kind::Nothing => DynamicMessage::new(self.binding.method.input()),
            Kind::Json | Kind::Lines => self.read_json(text, options)?,
            Kind::Content | Kind::Pieces => self.wrap_content(text),
        };
        for Assignment { field, value } in &self.assignments {
            if !field.is_free(&message) {
                let message = format!("{}: another field of its oneof is set", field.text());
                return Err(Failure::wrong(message));
            }
            field.set(&mut message, value.clone());
        }
        frame::write(&message.encode_to_vec(), out)
            .map_err(|length| Failure::too_large(format!("the message would have {length} bytes")))
    }

    fn read_json(&self, text: &[u8], options: &Options) -> Result<DynamicMessage, Failure> {
        let depth_max = options.limits.json_depth_max;
        if json::is_deeper(text, depth_max) {
            return Err(Failure::wrong(format!("the JSON is deeper than {depth_max}")));
        }
        let input = self.binding.method.input();
        // A body that is empty is a message without fields.
        if text.iter().all(|byte| BLANK.contains(byte)) {
            return Ok(DynamicMessage::new(input));
        }
        let wrong = |fault: String| Failure::wrong(format!("the JSON can not be read: {fault}"));
        let unknown = options.unknown_json;
        match &self.binding.body {
            Body::None => Ok(DynamicMessage::new(input)),
            Body::Whole => json::message(input, text, unknown).map_err(wrong),
            Body::Field(path) => {
                let mut message = DynamicMessage::new(input);
                if let Some(value) = json::field_text(path.field(), text, unknown).map_err(wrong)? {
                    path.set(&mut message, value);
                }
                Ok(message)
            }
        }
    }

    fn wrap_content(&self, data: &[u8]) -> DynamicMessage {
        let mut message = DynamicMessage::new(self.binding.method.input());
        match &self.binding.body {
            Body::None => {}
            Body::Whole => self.fill(&mut message, data),
            Body::Field(path) => {
                if let Some(kind) = path.field().kind().as_message() {
                    let mut content = DynamicMessage::new(kind.clone());
                    self.fill(&mut content, data);
                    path.set(&mut message, Value::Message(content));
                }
            }
        }
        message
    }

    /// Fills a `google.api.HttpBody`, as far as the descriptors know its fields.
    fn fill(&self, content: &mut DynamicMessage, data: &[u8]) {
        if let Some(kind) = &self.content_type {
            let _ = content.try_set_field_by_name("content_type", Value::String(kind.clone()));
        }
        let data = Value::Bytes(data.to_vec().into());
        let _ = content.try_set_field_by_name("data", data);
    }
}
