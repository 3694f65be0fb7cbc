//! The way of a reply: framed messages in, JSON or content as it is out.

use std::sync::Arc;

use prost_reflect::{DynamicMessage, Value};
use serde_json::json;

use crate::accept::ReplyForm;
use crate::binding::Binding;
use crate::failure::Failure;
use crate::frame::{FrameFault, FrameReader};
use crate::json::{self, Unwritable};
use crate::options::Options;

/// Content whose kind nobody told (RFC 9110 §8.3).
const OCTETS: &str = "application/octet-stream";

/// A reply as far as it has come.
#[derive(Debug)]
pub(crate) struct Reply {
    binding: Arc<Binding>,
    form: ReplyForm,
    frames: FrameReader,
    /// Messages so far.
    messages: u64,
    /// The kind of content, known with the first message.
    content_type: String,
    /// The text of a reply that is one message.
    held: Vec<u8>,
}

// === impl Reply ===

impl Reply {
    pub(crate) fn new(binding: Arc<Binding>, form: ReplyForm, options: &Options) -> Self {
        let content_type = match (binding.gives_content(), form) {
            (true, _) => OCTETS,
            (false, ReplyForm::Whole) => "application/json",
            (false, ReplyForm::Lines) => "application/x-ndjson",
            (false, ReplyForm::Events) => "text/event-stream",
        };
        Self {
            binding,
            form,
            frames: FrameReader::new(options.limits.reply_message_bytes_max),
            messages: 0,
            content_type: content_type.to_owned(),
            held: Vec::new(),
        }
    }

    pub(crate) const fn form(&self) -> ReplyForm {
        self.form
    }

    pub(crate) fn content_type(&self) -> &str {
        &self.content_type
    }

    pub(crate) const fn messages(&self) -> u64 {
        self.messages
    }

    /// Whether the body is content as it is, which has no place for an error.
    pub(crate) fn is_content(&self) -> bool {
        self.binding.gives_content()
    }

    /// Takes the next bytes of the node and appends what the caller gets for the messages in them. A reply that
    /// is one message appends nothing before [`Self::take_whole`].
    pub(crate) fn push(
        &mut self,
        mut data: &[u8],
        options: &Options,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        // The reader lends what it gives, while the rest of us is needed to write it.
        let mut frames = std::mem::replace(&mut self.frames, FrameReader::new(0));
        let result = loop {
            match frames.next(&mut data) {
                Ok(None) => break Ok(()),
                Ok(Some(message)) => {
                    if let Err(failure) = self.message(message, options, out) {
                        break Err(failure);
                    }
                }
                Err(fault) => break Err(fault.into()),
            }
        };
        self.frames = frames;
        result
    }

    /// The text of a reply that is one message and has come to a good end.
    pub(crate) fn take_whole(&mut self, out: &mut Vec<u8>) -> Result<(), Failure> {
        if self.messages == 0 {
            return Err(Failure::node("the node ended the call without a message"));
        }
        out.append(&mut self.held);
        Ok(())
    }

    /// A stream must not end inside of a message.
    pub(crate) fn check_end(&self) -> Result<(), Failure> {
        if self.frames.is_mid_frame() {
            return Err(Failure::node("the node ended the call inside of a message"));
        }
        Ok(())
    }

    /// Appends a failure where messages have been sent already.
    pub(crate) fn write_failure(&self, failure: &Failure, out: &mut Vec<u8>) {
        match self.form {
            ReplyForm::Whole => {}
            ReplyForm::Lines => {
                out.extend_from_slice(json!({ "error": failure.json() }).to_string().as_bytes());
                out.push(b'\n');
            }
            ReplyForm::Events => {
                out.extend_from_slice(b"event: error\ndata: ");
                out.extend_from_slice(failure.json().to_string().as_bytes());
                out.extend_from_slice(b"\n\n");
            }
        }
    }

    fn message(
        &mut self,
        bytes: &[u8],
        options: &Options,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        if self.form == ReplyForm::Whole && self.messages > 0 {
            return Err(Failure::node("the node sent a second message"));
        }
        let message = DynamicMessage::decode(self.binding.method.output(), bytes)
            .map_err(|error| Failure::node(format!("the node's message: {error}")))?;
        match self.form {
            _ if self.is_content() => self.content(message, out),
            ReplyForm::Whole => {
                let mut held = std::mem::take(&mut self.held);
                let written = self.text(message, options, &mut held);
                self.held = held;
                written?;
            }
            ReplyForm::Lines => {
                self.text(message, options, out)?;
                out.push(b'\n');
            }
            ReplyForm::Events => {
                let start = out.len();
                out.extend_from_slice(b"data: ");
                // The text has no line break: those in strings are escaped.
                if let Err(failure) = self.text(message, options, out) {
                    out.truncate(start);
                    return Err(failure);
                }
                out.extend_from_slice(b"\n\n");
            }
        }
        self.messages += 1;
        Ok(())
    }

    fn text(
        &self,
        mut message: DynamicMessage,
        options: &Options,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let (print, bytes_max) = (options.print, options.limits.reply_json_bytes_max);
        let written = match &self.binding.reply_field {
            None => json::write(&message, print, bytes_max, out),
            Some(field) => json::write_field(&mut message, field, print, bytes_max, out),
        };
        written.map_err(|error| match error {
            Unwritable::TooLong => {
                Failure::node(format!("the JSON of a message is longer than {bytes_max} bytes"))
            }
            Unwritable::NoForm(fault) => {
                Failure::node(format!("a message has no form in JSON: {fault}"))
            }
        })
    }

    /// Takes the content out of a message, and its kind out of the first.
    fn content(&mut self, mut message: DynamicMessage, out: &mut Vec<u8>) {
        let mut content = match &self.binding.reply_field {
            None => message,
            Some(field) => match message.take_field(field) {
                Some(Value::Message(content)) => content,
                Some(_) | None => return,
            },
        };
        if self.messages == 0
            && let Some(Value::String(kind)) = content.take_field_by_name("content_type")
            && is_field_value(&kind)
        {
            self.content_type = kind;
        }
        if let Some(Value::Bytes(data)) = content.take_field_by_name("data") {
            let out = if self.form == ReplyForm::Whole { &mut self.held } else { out };
            out.extend_from_slice(&data);
        }
    }
}

/// What may stand in a field of HTTP (RFC 9110 §5.5), and is not empty.
fn is_field_value(text: &str) -> bool {
    !text.is_empty() && narrows_wire::syntax::check_value(text.as_bytes()).is_ok()
}

impl From<FrameFault> for Failure {
    fn from(fault: FrameFault) -> Self {
        match fault {
            FrameFault::Compressed => Self::node("the node's message is compressed"),
            FrameFault::Flags => Self::node("the node's message has unknown flags"),
            FrameFault::TooLong(length) => {
                Self::node(format!("the node's message of {length} bytes is too long"))
            }
        }
    }
}
