//! The status codes of gRPC and the tables that lead to and from them.

macro_rules! statuses {
    ($($variant:ident = $code:literal $name:literal $http:literal $doc:literal),* $(,)?) => {
        /// How a call ended.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Status { $(#[doc = $doc] $variant = $code,)* }

        impl Status {
            /// Every status, by code.
            pub const ALL: [Self; 17] = [$(Self::$variant),*];

            /// The name as in the gRPC documents: `DEADLINE_EXCEEDED`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The code as it stands in a `grpc-status` field.
            pub const fn digits(self) -> &'static str {
                match self { $(Self::$variant => stringify!($code),)* }
            }

            /// The HTTP status for a caller that speaks JSON (google.rpc.Code). Local replies choose
            /// theirs by cause instead.
            pub const fn to_http(self) -> u16 {
                match self { $(Self::$variant => $http,)* }
            }
        }
    };
}

statuses! {
    Ok = 0 "OK" 200 "It worked.",
    Cancelled = 1 "CANCELLED" 499 "The caller gave up.",
    Unknown = 2 "UNKNOWN" 500 "Nobody knows why it failed.",
    InvalidArgument = 3 "INVALID_ARGUMENT" 400 "The request is wrong whatever the state.",
    DeadlineExceeded = 4 "DEADLINE_EXCEEDED" 504 "The time was up.",
    NotFound = 5 "NOT_FOUND" 404 "What was asked for does not exist.",
    AlreadyExists = 6 "ALREADY_EXISTS" 409 "What was to be made exists.",
    PermissionDenied = 7 "PERMISSION_DENIED" 403 "The caller may not.",
    ResourceExhausted = 8 "RESOURCE_EXHAUSTED" 429 "A quota or a limit is used up.",
    FailedPrecondition = 9 "FAILED_PRECONDITION" 400 "The state does not allow it.",
    Aborted = 10 "ABORTED" 409 "A conflict; the caller may try the whole again.",
    OutOfRange = 11 "OUT_OF_RANGE" 400 "Past the end.",
    Unimplemented = 12 "UNIMPLEMENTED" 501 "There is no such method.",
    Internal = 13 "INTERNAL" 500 "An invariant is broken.",
    Unavailable = 14 "UNAVAILABLE" 503 "Not now; the caller may try again.",
    DataLoss = 15 "DATA_LOSS" 500 "Data are lost or damaged.",
    Unauthenticated = 16 "UNAUTHENTICATED" 401 "The caller did not prove who it is.",
}

// === impl Status ===

impl Status {
    /// The code.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The status with this code.
    pub const fn from_code(code: u32) -> Option<Self> {
        if code < Self::ALL.len() as u32 { Some(Self::ALL[code as usize]) } else { None }
    }

    /// The status in a `grpc-status` field. A code that nobody defined is [`Status::Unknown`], a text
    /// that is no code is none.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.is_empty() || text.len() > 9 || !text.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let code = text.iter().fold(0, |code, digit| code * 10 + u32::from(digit - b'0'));
        Some(Self::from_code(code).unwrap_or(Self::Unknown))
    }

    /// What a reply without `grpc-status` means for the caller (http-grpc-status-mapping.md). It must
    /// not be used to choose an HTTP status.
    pub const fn from_http(http: u16) -> Self {
        match http {
            400 => Self::Internal,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 => Self::Unimplemented,
            429 | 502 | 503 | 504 => Self::Unavailable,
            _ => Self::Unknown,
        }
    }

    /// What an RST_STREAM with this error code (RFC 9113 §7) means (PROTOCOL-HTTP2.md, "Errors").
    pub const fn from_reset(error_code: u32) -> Self {
        match error_code {
            0x7 => Self::Unavailable,       // REFUSED_STREAM: nothing was processed
            0x8 => Self::Cancelled,         // CANCEL
            0xb => Self::ResourceExhausted, // ENHANCE_YOUR_CALM
            0xc => Self::PermissionDenied,  // INADEQUATE_SECURITY
            _ => Self::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Status;

    #[test]
    fn codes_and_names_come_back() {
        for (code, status) in Status::ALL.into_iter().enumerate() {
            assert_eq!(status.code() as usize, code);
            assert_eq!(Status::from_code(code as u32), Some(status));
            assert_eq!(Status::parse(status.digits().as_bytes()), Some(status));
        }
        assert_eq!(Status::from_code(17), None);
        assert_eq!(Status::DeadlineExceeded.name(), "DEADLINE_EXCEEDED");
        assert_eq!(Status::Unauthenticated.digits(), "16");
    }

    #[test]
    fn an_undefined_code_is_unknown_and_a_wrong_text_is_none() {
        assert_eq!(Status::parse(b"17"), Some(Status::Unknown));
        assert_eq!(Status::parse(b"999999999"), Some(Status::Unknown));
        for text in [&b""[..], b"-1", b" 1", b"1 ", b"OK", b"1234567890"] {
            assert_eq!(Status::parse(text), None);
        }
    }

    #[test]
    fn a_reply_that_is_not_grpc_by_its_http_status() {
        let table = [
            (400, Status::Internal),
            (401, Status::Unauthenticated),
            (403, Status::PermissionDenied),
            (404, Status::Unimplemented),
            (429, Status::Unavailable),
            (502, Status::Unavailable),
            (503, Status::Unavailable),
            (504, Status::Unavailable),
            (200, Status::Unknown),
            (500, Status::Unknown),
        ];
        for (http, status) in table {
            assert_eq!(Status::from_http(http), status, "{http}");
        }
    }

    #[test]
    fn a_reset_by_its_error_code() {
        for code in 0..=0xd {
            let expected = match code {
                0x7 => Status::Unavailable,
                0x8 => Status::Cancelled,
                0xb => Status::ResourceExhausted,
                0xc => Status::PermissionDenied,
                _ => Status::Internal,
            };
            assert_eq!(Status::from_reset(code), expected, "{code:#x}");
        }
    }

    #[test]
    fn a_caller_that_speaks_json_gets_an_http_status() {
        let https: Vec<_> = Status::ALL.iter().map(|status| status.to_http()).collect();
        let table =
            [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];
        assert_eq!(https, table);
    }
}
