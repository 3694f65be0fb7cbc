//! Heads on their way between a caller that speaks JSON and a node that speaks gRPC.

use narrows_wire::{Field, Head, Indexing, Name};

use crate::call::ReplyHead;

/// Replaces what `out` holds by the head of the gRPC request: the caller's fields but for those that speak of its
/// body and of what it accepts.
pub(crate) fn request(grpc_path: &str, caller: &Head, out: &mut Head) {
    out.clear();
    out.push(Name::Method, b"POST", Indexing::MayRepeat);
    for field in caller.fields().iter().filter(|field| field.name.is_pseudo()) {
        match field.name {
            Name::Scheme | Name::Authority => copy(caller, field, out),
            _ => {}
        }
    }
    out.push(Name::Path, grpc_path.as_bytes(), Indexing::MayRepeat);
    out.push(Name::Te, b"trailers", Indexing::MayRepeat);
    out.push(Name::ContentType, b"application/grpc", Indexing::MayRepeat);
    // We read the messages of the reply, and decompress none.
    out.push(Name::GrpcAcceptEncoding, b"identity", Indexing::MayRepeat);
    for field in caller.fields().iter().filter(|field| !is_of_content(field.name)) {
        copy(caller, field, out);
    }
}

/// Replaces what `out` holds by the head of the reply: what the node said, but for what is of gRPC.
pub(crate) fn reply(head: &ReplyHead, node: &Head, out: &mut Head) {
    out.clear();
    let status = head.http_status.to_string();
    out.push(Name::Status, status.as_bytes(), Indexing::MayRepeat);
    out.push(Name::ContentType, head.content_type.as_bytes(), Indexing::MayRepeat);
    for field in node.fields().iter().filter(|field| !is_of_content(field.name)) {
        copy(node, field, out);
    }
    if head.content_type == "text/event-stream" {
        // An event is for the one who is there to see it (HTML, "Server-sent events").
        out.set(Name::CacheControl, b"no-cache", Indexing::MayRepeat);
    }
    if !head.allow.is_empty() {
        out.set(Name::Allow, head.allow.join(", ").as_bytes(), Indexing::MayRepeat);
    }
}

fn copy(from: &Head, field: &Field, out: &mut Head) {
    out.push_text(from.name(field), from.value(field), field.indexing);
}

/// Whether a field speaks of a body that is no longer the same, or belongs to one of the two protocols.
fn is_of_content(name: Name) -> bool {
    name.is_pseudo()
        || matches!(
            name,
            Name::Accept
                | Name::AcceptCharset
                | Name::AcceptEncoding
                | Name::AcceptRanges
                | Name::Connection
                | Name::ContentEncoding
                | Name::ContentLength
                | Name::ContentRange
                | Name::ContentType
                | Name::Etag
                | Name::Expect
                | Name::GrpcAcceptEncoding
                | Name::GrpcEncoding
                | Name::GrpcMessage
                | Name::GrpcStatus
                | Name::GrpcStatusDetails
                | Name::IfMatch
                | Name::IfModifiedSince
                | Name::IfNoneMatch
                | Name::IfRange
                | Name::IfUnmodifiedSince
                | Name::KeepAlive
                | Name::ProxyConnection
                | Name::Range
                | Name::Te
                | Name::Trailer
                | Name::TransferEncoding
                | Name::Upgrade
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(fields: &[(&str, &str)]) -> Head {
        let mut head = Head::new();
        for (name, value) in fields {
            head.push_text(name.as_bytes(), value.as_bytes(), Indexing::MayRepeat);
        }
        head
    }

    fn text(head: &Head) -> String {
        let field = |(name, value)| {
            format!("{}: {}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
        };
        head.iter().map(field).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_request_keeps_what_is_not_of_its_body() {
        let caller = head(&[
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", "api.example"),
            (":path", "/v1/shelves/7"),
            ("content-length", "0"),
            ("content-type", "application/json"),
            ("accept", "*/*"),
            ("accept-encoding", "gzip"),
            ("if-none-match", "x"),
            ("authorization", "Bearer t"),
            ("grpc-timeout", "1S"),
            ("x-job", "7"),
        ]);
        let mut out = head(&[("left", "over")]);
        request("/pkg.Library/GetShelf", &caller, &mut out);
        assert_eq!(
            text(&out),
            ":method: POST\n:scheme: https\n:authority: api.example\n:path: /pkg.Library/GetShelf\n\
             te: trailers\ncontent-type: application/grpc\ngrpc-accept-encoding: identity\n\
             authorization: Bearer t\ngrpc-timeout: 1S\nx-job: 7"
        );
    }

    #[test]
    fn a_reply_keeps_what_is_not_of_grpc() {
        let node = head(&[
            (":status", "200"),
            ("content-type", "application/grpc"),
            ("grpc-encoding", "identity"),
            ("grpc-status", "5"),
            ("x-took", "3"),
        ]);
        let mut out = Head::new();
        let mut answer = ReplyHead::new(404, "application/json");
        reply(&answer, &node, &mut out);
        assert_eq!(text(&out), ":status: 404\ncontent-type: application/json\nx-took: 3");
        answer = ReplyHead::new(200, "text/event-stream");
        reply(&answer, &node, &mut out);
        assert!(text(&out).ends_with("x-took: 3\ncache-control: no-cache"));
        answer = ReplyHead::new(405, "application/json");
        answer.allow = vec!["GET".to_owned(), "PUT".to_owned()];
        reply(&answer, &node, &mut out);
        assert!(text(&out).ends_with("allow: GET, PUT"));
    }
}
