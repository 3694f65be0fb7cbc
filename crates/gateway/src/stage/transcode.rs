//! JSON to gRPC and back: a call that `narrows-transcode` bound becomes a stage.
//!
//! What is wrong with a message is kept until the worker has given the node up and asks how the caller is told:
//! by then the stage knows better than the cause what happened.

use narrows_transcode::{Call, Ended, Ending, Failure, Finish, ReplyHead};
use narrows_wire::codec::End;
use narrows_wire::grpc::{self, Status};
use narrows_wire::{Head, Indexing, Name};

use super::{BodyStage, Emitted, Part, Refusal};
use crate::reply::Cause;

/// Translates one call.
#[derive(Debug)]
pub struct Transcode {
    call: Call,
    /// The head of the node, whose fields go into the head of the reply.
    node: Head,
    /// What is to be sent: nothing, but after a failure in the middle of a piece.
    out: Vec<u8>,
    /// What ended the call, if it was not the node.
    failure: Option<Failure>,
}

/// Tells a caller in JSON why its request can not be bound to a method. The worker ends the call right after it
/// was added.
#[derive(Debug)]
pub struct Unbound(Failure);

// === impl Transcode ===

impl Transcode {
    /// A stage for this call.
    pub fn new(call: Call) -> Self {
        Self { call, node: Head::new(), out: Vec::new(), failure: None }
    }

    /// Keeps why the call ends here.
    fn refuse(&mut self, cause: Cause, failure: Failure) -> Refusal {
        let detail = failure.message.clone();
        self.failure = Some(failure);
        Refusal { cause, detail }
    }

    fn node_head(&mut self, head: &Head, end: End, out: &mut Emitted) -> Result<(), Refusal> {
        let status = head.get(Name::Status).unwrap_or_default();
        if status != b"200" || !head.get(Name::ContentType).is_some_and(grpc::is_grpc) {
            return Err(self.not_grpc(status));
        }
        self.node.clone_from(head);
        match end {
            End::Open => {
                let begun = self.call.begin_reply();
                self.emit(begun, out);
                Ok(())
            }
            End::Stream => self.trailers(head, out),
        }
    }

    fn not_grpc(&mut self, status: &[u8]) -> Refusal {
        let http = std::str::from_utf8(status).ok().and_then(|text| text.parse().ok());
        let status = http.map_or(Status::Unknown, Status::from_http);
        let failure = Failure::new(status, "the node's reply is not gRPC");
        self.refuse(Cause::UpstreamNotGrpc, failure)
    }

    fn data(&mut self, data: &[u8], out: &mut Emitted) -> Result<(), Refusal> {
        match self.call.push_reply(data, &mut self.out) {
            Ok(head) => {
                self.emit(head, out);
                Ok(())
            }
            Err(failure) => Err(self.refuse(Cause::UpstreamProtocol, failure)),
        }
    }

    /// What ends the call, as far as there is a status in it.
    fn trailers(&mut self, trailers: &Head, out: &mut Emitted) -> Result<(), Refusal> {
        let Some(ended) = Ended::of(trailers) else { return Err(self.not_grpc(b"200")) };
        let finish = self.call.finish(&ended, &mut self.out);
        self.end(finish, out)
    }

    fn end(&mut self, finish: Finish, out: &mut Emitted) -> Result<(), Refusal> {
        let length = self.out.len().to_string();
        let is_whole = finish.head.is_some() && finish.ending == Ending::Complete;
        self.emit(finish.head, out);
        if let Some(head) = out.head.as_mut().filter(|_| is_whole) {
            head.push(Name::ContentLength, length.as_bytes(), Indexing::MayRepeat);
        }
        out.ended = true;
        match finish.ending {
            Ending::Complete => Ok(()),
            Ending::Cut => Err(Refusal { cause: Cause::UpstreamReset, detail: String::new() }),
        }
    }

    fn emit(&mut self, head: Option<ReplyHead>, out: &mut Emitted) {
        if let Some(head) = head {
            let mut fields = Head::new();
            head.write(&self.node, &mut fields);
            out.head = Some(fields);
        }
        out.data.append(&mut self.out);
    }
}

impl BodyStage for Transcode {
    fn request_head(&mut self, head: &mut Head) {
        let caller = std::mem::take(head);
        self.call.request_head(&caller, head);
    }

    fn request_data(&mut self, data: &[u8], end: End, out: &mut Vec<u8>) -> Result<(), Refusal> {
        self.call
            .push_request(data, end, out)
            .map_err(|failure| self.refuse(Cause::BadBody, failure))
    }

    fn reply(&mut self, part: Part<'_>, out: &mut Emitted) -> Result<(), Refusal> {
        match part {
            Part::Head(head, end) => self.node_head(head, end, out),
            Part::Data(data, End::Open) => self.data(data, out),
            Part::Data(data, End::Stream) => {
                self.data(data, out)?;
                Err(self.not_grpc(b"200"))
            }
            Part::Trailers(trailers) => self.trailers(trailers, out),
            Part::Failure(whole) => match self.failure.take() {
                Some(failure) => {
                    let finish = self.call.fail(&failure, &mut self.out);
                    self.end(finish, out)
                }
                None => self.trailers(whole, out),
            },
        }
    }
}

// === impl Unbound ===

impl Unbound {
    /// A stage that says so.
    pub fn new(failure: Failure) -> Self {
        Self(failure)
    }
}

impl BodyStage for Unbound {
    fn request_head(&mut self, _: &mut Head) {}

    fn request_data(&mut self, _: &[u8], _: End, _: &mut Vec<u8>) -> Result<(), Refusal> {
        Ok(())
    }

    fn reply(&mut self, _: Part<'_>, out: &mut Emitted) -> Result<(), Refusal> {
        let mut head = Head::new();
        self.0.write(&mut out.data).write(&Head::new(), &mut head);
        let length = out.data.len().to_string();
        head.push(Name::ContentLength, length.as_bytes(), Indexing::MayRepeat);
        out.head = Some(head);
        out.ended = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use narrows_transcode::{Options, Transcoder};

    use super::*;

    fn head(fields: &[(&str, &str)]) -> Head {
        let mut head = Head::new();
        for (name, value) in fields {
            head.push_text(name.as_bytes(), value.as_bytes(), Indexing::MayRepeat);
        }
        head
    }

    fn transcoder() -> Transcoder {
        let protos = concat!(env!("CARGO_MANIFEST_DIR"), "/../transcode/tests/protos");
        let mut compiler = protox::Compiler::new([protos]).expect("the directory is there");
        compiler.include_imports(true).open_file("library.proto").expect("our own file compiles");
        let set = compiler.encode_file_descriptor_set();
        Transcoder::new(&set, Options::default()).expect("no fault")
    }

    /// The stage of a request, and the head of the gRPC call.
    fn stage(method: &str, path: &str) -> (Transcode, Head) {
        let mut head = head(&[
            (":method", method),
            (":scheme", "http"),
            (":path", path),
            (":authority", "a"),
            ("content-type", "application/json"),
            ("content-length", "2"),
        ]);
        let call = transcoder().bind(&head).expect("no failure").expect("a binding");
        let mut stage = Transcode::new(call);
        stage.request_head(&mut head);
        (stage, head)
    }

    fn emitted(stage: &mut Transcode, part: Part<'_>) -> Emitted {
        let mut out = Emitted::default();
        stage.reply(part, &mut out).expect("the stage takes it");
        out
    }

    fn node_head() -> Head {
        head(&[(":status", "200"), ("content-type", "application/grpc"), ("x-took", "3")])
    }

    fn field<'h>(out: &'h Emitted, name: &str) -> Option<&'h str> {
        let value = out.head.as_ref()?.find(name.as_bytes())?;
        std::str::from_utf8(value).ok()
    }

    /// `id: 7`, framed.
    const SHELF: &[u8] = &[0, 0, 0, 0, 2, 8, 7];

    #[test]
    fn a_call_is_answered_once_its_status_is_known() {
        let (mut stage, head_of_call) = stage("GET", "/v1/shelves/7");
        assert_eq!(head_of_call.get(Name::Path), Some(&b"/test.v1.Library/GetShelf"[..]));
        assert_eq!(head_of_call.get(Name::ContentLength), None);
        let mut request = Vec::new();
        stage.request_data(&[], End::Stream, &mut request).expect("no body is needed");
        assert_eq!(request, SHELF);
        assert!(emitted(&mut stage, Part::Head(&node_head(), End::Open)).head.is_none());
        assert!(emitted(&mut stage, Part::Data(SHELF, End::Open)).head.is_none());
        let out = emitted(&mut stage, Part::Trailers(&head(&[("grpc-status", "0")])));
        assert_eq!(out.data, br#"{"id":"7"}"#);
        assert!(out.ended && out.trailers.is_none());
        let fields = [":status", "content-type", "content-length", "x-took"];
        let expected = [Some("200"), Some("application/json"), Some("10"), Some("3")];
        assert_eq!(fields.map(|name| field(&out, name)), expected);
    }

    #[test]
    fn messages_of_a_stream_go_on_as_they_come() {
        let (mut stage, _) = stage("GET", "/v1/books:search");
        emitted(&mut stage, Part::Head(&node_head(), End::Open));
        let out = emitted(&mut stage, Part::Data(&[0, 0, 0, 0, 0], End::Open));
        assert_eq!((field(&out, "content-type"), out.ended), (Some("application/x-ndjson"), false));
        assert_eq!((out.data, field(&Emitted::default(), ":status")), (b"{}\n".to_vec(), None));
        let out = emitted(&mut stage, Part::Trailers(&head(&[("grpc-status", "0")])));
        assert!(out.head.is_none() && out.data.is_empty() && out.ended);
    }

    /// Failures of the node, of the gateway, of the body, and of what the node sends.
    #[test]
    fn each_failure_is_told_in_json() {
        let status = head(&[
            (":status", "200"),
            ("content-type", "application/grpc"),
            ("grpc-status", "5"),
            ("grpc-message", "no shelf"),
        ]);
        let text = br#"{"code":5,"message":"no shelf","details":[]}"#;
        let (mut stage_of_node, _) = stage("GET", "/v1/shelves/7");
        let out = emitted(&mut stage_of_node, Part::Head(&status, End::Stream));
        assert_eq!((field(&out, ":status"), out.data.as_slice()), (Some("404"), &text[..]));
        let (mut of_gateway, _) = stage("GET", "/v1/shelves/7");
        let out = emitted(&mut of_gateway, Part::Failure(&status));
        assert_eq!((field(&out, ":status"), out.data.as_slice()), (Some("404"), &text[..]));

        let (mut of_body, _) = stage("POST", "/v1/shelves");
        let refusal = of_body.request_data(b"[]", End::Stream, &mut Vec::new());
        assert_eq!(refusal.expect_err("no object").cause, Cause::BadBody);
        let out = emitted(&mut of_body, Part::Failure(&status));
        assert_eq!(field(&out, ":status"), Some("400"));
        assert!(out.data.starts_with(br#"{"code":3,"message":"the JSON can not be read"#));

        let (mut of_reply, _) = stage("GET", "/v1/books:search");
        emitted(&mut of_reply, Part::Head(&node_head(), End::Open));
        let data = [0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        let refusal = of_reply.reply(Part::Data(&data, End::Open), &mut Emitted::default());
        assert_eq!(refusal.expect_err("compressed").cause, Cause::UpstreamProtocol);
        let out = emitted(&mut of_reply, Part::Failure(&status));
        assert_eq!(field(&out, ":status"), Some("200"));
        assert!(out.data.starts_with(b"{}\n{\"error\":{\"code\":13"));
        assert_eq!(field(&out, "content-length"), Some(&*out.data.len().to_string()));
    }

    #[test]
    fn a_reply_that_is_not_grpc_is_a_failure() {
        let page = head(&[(":status", "503"), ("content-type", "text/html")]);
        let (mut stage, _) = stage("GET", "/v1/shelves/7");
        let refusal = stage.reply(Part::Head(&page, End::Open), &mut Emitted::default());
        assert_eq!(refusal.expect_err("a page").cause, Cause::UpstreamNotGrpc);
        let out = emitted(&mut stage, Part::Failure(&head(&[("grpc-status", "13")])));
        assert_eq!(field(&out, ":status"), Some("503"));
    }

    #[test]
    fn content_that_breaks_off_is_cut() {
        let (mut stage, _) = stage("GET", "/v1/files/a:stream");
        emitted(&mut stage, Part::Head(&node_head(), End::Open));
        let out = emitted(&mut stage, Part::Data(&[0, 0, 0, 0, 3, 0x12, 1, b'x'], End::Open));
        assert_eq!(out.data, b"x");
        let trailers = head(&[("grpc-status", "13")]);
        assert!(stage.reply(Part::Trailers(&trailers), &mut Emitted::default()).is_err());
        assert!(stage.reply(Part::Failure(&trailers), &mut Emitted::default()).is_err());
    }
    #[test]
    fn a_request_that_can_not_be_bound_is_told_why() {
        let request = head(&[(":method", "PUT"), (":path", "/v1/shelves/7")]);
        let failure = transcoder().bind(&request).expect_err("no such method");
        let mut stage = Unbound::new(failure);
        let mut out = Emitted::default();
        stage.reply(Part::Failure(&head(&[])), &mut out).expect("it says so");
        assert_eq!(
            (field(&out, ":status"), field(&out, "allow")),
            (Some("405"), Some("DELETE, GET"))
        );
        assert!(out.ended && out.data.starts_with(br#"{"code":12,"#));
    }
}
