//! Field names that the gateway itself reads or that HPACK knows.

macro_rules! names {
    ($($variant:ident = $text:literal),* $(,)?) => {
        /// A field name: one of those known at compile time, or [`Name::Other`], whose text stands in
        /// the arena of the [`Head`](crate::Head).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[allow(missing_docs, reason = "each variant is named after its text")]
        pub enum Name { $($variant,)* Other }

        impl Name {
            /// Every known name.
            pub const KNOWN: &[Self] = &[$(Self::$variant),*];

            /// The text of a known name; empty for [`Name::Other`].
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* Self::Other => "" }
            }
        }
    };
}

// The pseudo fields come first: `is_pseudo` relies on it.
names! {
    Authority = ":authority", Method = ":method", Path = ":path", Scheme = ":scheme",
    Status = ":status", Protocol = ":protocol",
    // The rest of HPACK's static table (RFC 7541 Appendix A), in its order.
    AcceptCharset = "accept-charset", AcceptEncoding = "accept-encoding",
    AcceptLanguage = "accept-language", AcceptRanges = "accept-ranges", Accept = "accept",
    AccessControlAllowOrigin = "access-control-allow-origin", Age = "age", Allow = "allow",
    Authorization = "authorization", CacheControl = "cache-control",
    ContentDisposition = "content-disposition", ContentEncoding = "content-encoding",
    ContentLanguage = "content-language", ContentLength = "content-length",
    ContentLocation = "content-location", ContentRange = "content-range",
    ContentType = "content-type", Cookie = "cookie", Date = "date", Etag = "etag",
    Expect = "expect", Expires = "expires", From = "from", Host = "host", IfMatch = "if-match",
    IfModifiedSince = "if-modified-since", IfNoneMatch = "if-none-match", IfRange = "if-range",
    IfUnmodifiedSince = "if-unmodified-since", LastModified = "last-modified", Link = "link",
    Location = "location", MaxForwards = "max-forwards",
    ProxyAuthenticate = "proxy-authenticate", ProxyAuthorization = "proxy-authorization",
    Range = "range", Referer = "referer", Refresh = "refresh", RetryAfter = "retry-after",
    Server = "server", SetCookie = "set-cookie",
    StrictTransportSecurity = "strict-transport-security", TransferEncoding = "transfer-encoding",
    UserAgent = "user-agent", Vary = "vary", Via = "via", WwwAuthenticate = "www-authenticate",
    // Connection-specific fields (RFC 9113 §8.2.2).
    Connection = "connection", KeepAlive = "keep-alive", ProxyConnection = "proxy-connection",
    Te = "te", Trailer = "trailer", Upgrade = "upgrade",
    // gRPC (PROTOCOL-HTTP2.md).
    GrpcTimeout = "grpc-timeout", GrpcStatus = "grpc-status", GrpcMessage = "grpc-message",
    GrpcStatusDetails = "grpc-status-details-bin", GrpcEncoding = "grpc-encoding",
    GrpcAcceptEncoding = "grpc-accept-encoding",
    GrpcPreviousRpcAttempts = "grpc-previous-rpc-attempts",
    GrpcRetryPushback = "grpc-retry-pushback-ms",
    // Forwarding and tracing.
    Traceparent = "traceparent", Tracestate = "tracestate", XRequestId = "x-request-id",
    XForwardedFor = "x-forwarded-for", XForwardedProto = "x-forwarded-proto",
    XForwardedHost = "x-forwarded-host", XForwardedPort = "x-forwarded-port",
    XRealIp = "x-real-ip", Forwarded = "forwarded", Priority = "priority",
}

/// Places of the table that finds a known name by its text.
const PLACES: usize = 1024;

/// A factor for [`place`] that gives each known name a place of its own.
const FACTOR: u64 = perfect_factor();

/// Lengths by name.
static LENGTHS: [u8; Name::KNOWN.len() + 1] = lengths();

/// Which known name could have its text at this place.
static CANDIDATES: [Name; PLACES] = candidates();

impl Name {
    /// The name with this text (lower case).
    #[inline]
    pub fn of(text: &[u8]) -> Self {
        let candidate = match text {
            [_, .., _] => CANDIDATES[place(text, FACTOR)],
            _ => Self::Other,
        };
        if candidate.as_str().as_bytes() == text { candidate } else { Self::Other }
    }

    /// The length of the text of a known name; zero for [`Name::Other`].
    #[inline]
    pub(crate) fn len(self) -> u32 {
        u32::from(LENGTHS[self as usize])
    }

    /// Whether this is a pseudo field (RFC 9113 §8.3).
    pub const fn is_pseudo(self) -> bool {
        (self as u8) <= (Self::Protocol as u8)
    }
}

/// Where a text of two bytes or more belongs, by its length and the bytes that tell known names apart.
const fn place(text: &[u8], factor: u64) -> usize {
    let len = text.len();
    let ends = text[0] as u64 | (text[len - 2] as u64) << 8 | (text[len - 1] as u64) << 16;
    let key = ends | (text[len / 2] as u64) << 24 | (len as u64) << 32;
    (key.wrapping_mul(factor) >> 54) as usize % PLACES
}

/// Tries odd factors until no two names meet. The compiler does this, once.
const fn perfect_factor() -> u64 {
    let mut factor = 0x9e37_79b9_7f4a_7c15_u64;
    while !is_perfect(factor) {
        factor = factor.wrapping_mul(0xd134_2543_de82_ef95);
    }
    factor
}

const fn is_perfect(factor: u64) -> bool {
    let mut taken = [false; PLACES];
    let mut at = 0;
    while at < Name::KNOWN.len() {
        let place = place(Name::KNOWN[at].as_str().as_bytes(), factor);
        if taken[place] {
            return false;
        }
        taken[place] = true;
        at += 1;
    }
    true
}

const fn candidates() -> [Name; PLACES] {
    let mut table = [Name::Other; PLACES];
    let mut at = 0;
    while at < Name::KNOWN.len() {
        table[place(Name::KNOWN[at].as_str().as_bytes(), FACTOR)] = Name::KNOWN[at];
        at += 1;
    }
    table
}

const fn lengths() -> [u8; Name::KNOWN.len() + 1] {
    let mut table = [0; Name::KNOWN.len() + 1];
    let mut at = 0;
    while at < Name::KNOWN.len() {
        table[at] = Name::KNOWN[at].as_str().len() as u8;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn every_known_name_is_found_by_its_text() {
        for name in Name::KNOWN {
            assert_eq!(Name::of(name.as_str().as_bytes()), *name);
            assert_eq!(name.len() as usize, name.as_str().len());
            assert_eq!(name.is_pseudo(), name.as_str().starts_with(':'));
        }
        assert_eq!(Name::of(b"jobid"), Name::Other);
        assert_eq!(Name::of(b""), Name::Other);
        assert_eq!(Name::of(b"t"), Name::Other);
        assert_eq!(Name::of(b"Te"), Name::Other);
    }
}
