//! gRPC-Web to gRPC: what a browser sends becomes a call, and trailers become the end of the body.
//!
//! How both look on the wire is in `narrows_wire::grpc_web`. Here it becomes a stage: every ending of a call
//! (trailers, a reply without a body, a failure of the gateway's own) is told in the client's format.

use narrows_wire::codec::End;
use narrows_wire::grpc::MessageScanner;
use narrows_wire::grpc_web::{self, Format, Formats, ReplyEncoder, TextDecoder, Translation};
use narrows_wire::{Head, Indexing, Name};

use super::{BodyStage, Emitted, Part, Refusal};
use crate::reply::Cause;

/// Translates one call.
#[derive(Debug)]
pub struct GrpcWeb {
    format: Formats,
    /// Reads a request in base64.
    request: Option<TextDecoder>,
    reply: Reply,
    /// Finds the messages in a reply that is translated.
    messages: MessageScanner,
}

/// How far the reply is.
#[derive(Debug)]
enum Reply {
    /// Its head has not come.
    Awaited,
    /// Its body is being translated.
    Translated(ReplyEncoder),
    /// It is not gRPC and passes as it is.
    Other,
}

// === impl GrpcWeb ===

impl GrpcWeb {
    /// A stage for a request with this head, if it is gRPC-Web.
    pub fn of(head: &Head) -> Option<Self> {
        let format = grpc_web::formats(head)?;
        let request = (format.request == Format::Text).then(TextDecoder::new);
        Some(Self { format, request, reply: Reply::Awaited, messages: MessageScanner::new() })
    }

    /// A head is sent, and whatever ends the reply with it.
    fn head(&mut self, head: &Head, end: End, out: &mut Emitted) {
        let mut head = head.clone();
        self.reply = match grpc_web::rewrite_reply(&mut head, self.format.reply) {
            Translation::Needed => Reply::Translated(ReplyEncoder::new(self.format.reply)),
            Translation::None => Reply::Other,
        };
        out.head = Some(head);
        out.ended = end == End::Stream;
    }

    fn trailers(&mut self, trailers: &Head, out: &mut Emitted) {
        match &mut self.reply {
            Reply::Translated(encoder) => encoder.trailers(trailers, &mut out.data),
            Reply::Awaited | Reply::Other => out.trailers = Some(trailers.clone()),
        }
        out.ended = true;
    }
}

impl BodyStage for GrpcWeb {
    fn request_head(&mut self, head: &mut Head) {
        grpc_web::rewrite_request(head, self.format.request);
        // What the client can read is the concern of this hop alone.
        head.remove(Name::Accept);
        head.retain(|head, field| head.name(field) != b"x-grpc-web");
    }

    fn request_data(&mut self, data: &[u8], end: End, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let Some(decoder) = &mut self.request else {
            out.extend_from_slice(data);
            return Ok(());
        };
        let decoded = decoder.feed(data, out).and_then(|()| match end {
            End::Open => Ok(()),
            End::Stream => std::mem::take(decoder).finish(),
        });
        decoded.map_err(|fault| Refusal { cause: Cause::BadBody, detail: fault.to_string() })
    }

    fn reply(&mut self, part: Part<'_>, out: &mut Emitted) -> Result<(), Refusal> {
        match part {
            Part::Head(head, end) => self.head(head, end, out),
            Part::Data(data, end) => {
                match &mut self.reply {
                    Reply::Translated(encoder) => {
                        self.messages.feed(data);
                        encoder.data(data, &mut out.data);
                        encoder.flush(&mut out.data);
                    }
                    Reply::Awaited | Reply::Other => out.data.extend_from_slice(data),
                }
                out.ended = end == End::Stream;
            }
            Part::Trailers(trailers) => self.trailers(trailers, out),
            Part::Failure(whole) => match self.reply {
                Reply::Awaited => self.head(whole, End::Stream, out),
                // In the middle of a message the frame of the trailers would be taken for the rest of it.
                Reply::Translated(_) if self.messages.is_mid_message() => {
                    return Err(Refusal { cause: Cause::UpstreamReset, detail: String::new() });
                }
                Reply::Translated(_) => self.trailers(&ending(whole), out),
                // A foreign body that breaks off; there is no telling how it should end.
                Reply::Other => {
                    return Err(Refusal { cause: Cause::UpstreamNotGrpc, detail: String::new() });
                }
            },
        }
        Ok(())
    }
}

/// What ends a call that has begun its reply: the fields of a whole reply that are trailers.
fn ending(whole: &Head) -> Head {
    let mut trailers = Head::new();
    for name in [Name::GrpcStatus, Name::GrpcMessage, Name::GrpcRetryPushback] {
        if let Some(value) = whole.get(name) {
            trailers.push(name, value, Indexing::MayRepeat);
        }
    }
    trailers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(content_type: &str) -> Head {
        let mut head = Head::new();
        head.push(Name::Method, b"POST", Indexing::MayRepeat);
        head.push(Name::ContentType, content_type.as_bytes(), Indexing::MayRepeat);
        head.push_text(b"x-grpc-web", b"1", Indexing::MayRepeat);
        head
    }

    fn reply(fields: &[(Name, &str)]) -> Head {
        let mut head = Head::new();
        for (name, value) in fields {
            head.push(*name, value.as_bytes(), Indexing::MayRepeat);
        }
        head
    }

    fn emitted(stage: &mut GrpcWeb, part: Part<'_>) -> Emitted {
        let mut out = Emitted::default();
        stage.reply(part, &mut out).unwrap();
        out
    }

    #[test]
    fn a_call_from_a_browser_becomes_one_of_grpc() {
        let mut head = request("application/grpc-web-text+proto");
        let mut stage = GrpcWeb::of(&head).unwrap();
        stage.request_head(&mut head);
        assert_eq!(head.get(Name::ContentType), Some(&b"application/grpc+proto"[..]));
        assert_eq!(head.get(Name::Te), Some(&b"trailers"[..]));
        assert_eq!(head.find(b"x-grpc-web"), None);
        let mut out = Vec::new();
        stage.request_data(b"AAAAA", End::Open, &mut out).unwrap();
        stage.request_data(b"AA=", End::Stream, &mut out).unwrap();
        assert_eq!(out, [0; 5]);
        assert!(GrpcWeb::of(&request("application/grpc")).is_none());
    }

    #[test]
    fn a_body_that_is_no_base64_is_refused() {
        let mut stage = GrpcWeb::of(&request("application/grpc-web-text")).unwrap();
        let refusal = stage.request_data(b"!!!!", End::Open, &mut Vec::new()).unwrap_err();
        assert_eq!(refusal.cause, Cause::BadBody);
        let refusal = stage.request_data(b"AA", End::Stream, &mut Vec::new()).unwrap_err();
        assert_eq!(refusal.cause, Cause::BadBody, "cut off");
    }

    #[test]
    fn a_message_that_breaks_off_is_followed_by_nothing() {
        let mut stage = GrpcWeb::of(&request("application/grpc-web+proto")).unwrap();
        let head = reply(&[(Name::Status, "200"), (Name::ContentType, "application/grpc")]);
        emitted(&mut stage, Part::Head(&head, End::Open));
        emitted(&mut stage, Part::Data(b"\0\0\0\0\x05he", End::Open));
        let whole = reply(&[(Name::Status, "200"), (Name::GrpcStatus, "13")]);
        assert!(stage.reply(Part::Failure(&whole), &mut Emitted::default()).is_err());
    }

    #[test]
    fn trailers_become_the_last_frame_of_the_body() {
        let mut stage = GrpcWeb::of(&request("application/grpc-web+proto")).unwrap();
        let head = reply(&[(Name::Status, "200"), (Name::ContentType, "application/grpc")]);
        let out = emitted(&mut stage, Part::Head(&head, End::Open));
        let head = out.head.unwrap();
        assert_eq!(head.get(Name::ContentType), Some(&b"application/grpc-web+proto"[..]));
        assert_eq!(emitted(&mut stage, Part::Data(b"\0\0\0\0\0", End::Open)).data, [0; 5]);
        let trailers = reply(&[(Name::GrpcStatus, "0")]);
        let out = emitted(&mut stage, Part::Trailers(&trailers));
        assert_eq!(out.data, b"\x80\0\0\0\x10grpc-status: 0\r\n");
        assert!(out.ended && out.trailers.is_none());
    }

    /// Before the head it is a whole reply, behind it a last frame; a foreign body can not be ended.
    #[test]
    fn a_failure_is_told_in_the_clients_format() {
        let whole = reply(&[
            (Name::Status, "200"),
            (Name::ContentType, "application/grpc"),
            (Name::GrpcStatus, "14"),
        ]);
        let mut stage = GrpcWeb::of(&request("application/grpc-web+proto")).unwrap();
        let out = emitted(&mut stage, Part::Failure(&whole));
        assert!(out.ended && out.data.is_empty());
        assert_eq!(out.head.unwrap().get(Name::GrpcStatus), Some(&b"14"[..]));

        let mut stage = GrpcWeb::of(&request("application/grpc-web+proto")).unwrap();
        let head = reply(&[(Name::Status, "200"), (Name::ContentType, "application/grpc")]);
        emitted(&mut stage, Part::Head(&head, End::Open));
        let out = emitted(&mut stage, Part::Failure(&whole));
        assert_eq!(out.data, b"\x80\0\0\0\x11grpc-status: 14\r\n");

        let mut stage = GrpcWeb::of(&request("application/grpc-web+proto")).unwrap();
        let head = reply(&[(Name::Status, "502"), (Name::ContentType, "text/html")]);
        emitted(&mut stage, Part::Head(&head, End::Open));
        assert!(stage.reply(Part::Failure(&whole), &mut Emitted::default()).is_err());
    }
}
