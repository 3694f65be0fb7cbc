//! What gRPC puts on top of HTTP/2 (PROTOCOL-HTTP2.md), as far as a gateway needs it without knowing
//! any `.proto`.
//!
//! Status codes and how they follow from other causes, deadlines, status messages, and the framing of
//! messages. Nothing here may hold a message: the scanner counts as the bytes go by.

mod message;
mod scanner;
mod status;
mod timeout;

pub use message::{decode_message, encode_message};
pub use scanner::MessageScanner;
pub use status::Status;
pub use timeout::{Timeout, TimeoutFault, TimeoutText};

/// Whether this `content-type` is gRPC: `application/grpc`, with a subtype (`+proto`) or parameters
/// (`;...`) or without. gRPC-Web is another protocol.
pub fn is_grpc(content_type: &[u8]) -> bool {
    const TYPE: &[u8] = b"application/grpc";
    if content_type == TYPE {
        return true; // as almost all are written
    }
    match content_type.split_at_checked(TYPE.len()) {
        Some((kind, rest)) => {
            kind.eq_ignore_ascii_case(TYPE) && matches!(rest.first(), None | Some(b'+' | b';'))
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_grpc;

    #[test]
    fn grpc_is_told_from_its_neighbours() {
        for yes in ["application/grpc", "application/grpc+proto", "application/grpc;v=1"] {
            assert!(is_grpc(yes.as_bytes()), "{yes}");
        }
        assert!(is_grpc(b"Application/gRPC+json"));
        for no in [
            "application/grpc-web",
            "application/grpc-web+proto",
            "application/grpc-web-text",
            "application/grp",
            "application/grpcx",
            "application/json",
            "",
        ] {
            assert!(!is_grpc(no.as_bytes()), "{no}");
        }
    }
}
