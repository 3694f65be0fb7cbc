//! Cross-origin resource sharing: says which pages of other origins may call, and answers preflights.
//!
//! What nodes say of it is replaced, so that one place decides. A request of a page that may not call goes on
//! as any other: it is the browser that keeps the reply from the page. The fields are those of the Fetch
//! Standard, section "CORS protocol".

use narrows_wire::{Head, Name};

use super::{Filter, FilterError, ReplyView, RequestView, Verdict};
use crate::reply::LocalReply;
use crate::route::{HeaderName, Pattern};

/// The rule of which pages may call.
#[derive(Debug)]
pub struct Cors {
    origins: Origins,
    credentials: Credentials,
    /// Lists as they are sent.
    methods: Box<str>,
    allowed: AllowedHeaders,
    exposed: Box<str>,
    max_age: Box<str>,
    names: Names,
}

/// What makes a [`Cors`].
#[derive(Debug)]
pub struct CorsRules {
    /// Whose pages may call.
    pub origins: Origins,
    /// With cookies or not.
    pub credentials: Credentials,
    /// The methods that they may use.
    pub methods: Vec<Box<str>>,
    /// The fields that they may send.
    pub allowed: AllowedHeaders,
    /// The fields of replies that they may read.
    pub exposed: Vec<HeaderName>,
    /// How long a browser may remember the answer to a preflight, in seconds.
    pub max_age_seconds: u64,
}

/// Whose pages may call.
#[derive(Debug)]
pub enum Origins {
    /// Everybody's.
    Any,
    /// Those of origins that one of these accepts.
    Some(Vec<OriginMatch>),
}

/// A condition on an origin.
#[derive(Debug, Clone)]
pub enum OriginMatch {
    /// This one.
    Exact(Box<str>),
    /// One that begins and ends so, with at least a letter in between that is no slash or colon.
    Wildcard {
        /// Before the `*`.
        before: Box<str>,
        /// Behind the `*`.
        after: Box<str>,
    },
    /// One that matches as a whole.
    Regex(Pattern),
}

/// Whether pages may send cookies and other credentials, and read the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credentials {
    /// They may.
    Allowed,
    /// They may not.
    Denied,
}

/// The fields that pages may send.
#[derive(Debug)]
pub enum AllowedHeaders {
    /// Whatever they ask for.
    Any,
    /// These.
    Some(Vec<HeaderName>),
}

#[derive(Debug)]
struct Names {
    allow_origin: HeaderName,
    credentials: HeaderName,
    methods: HeaderName,
    headers: HeaderName,
    exposed: HeaderName,
    max_age: HeaderName,
    vary: HeaderName,
    origin: HeaderName,
}

const ORIGIN: &[u8] = b"origin";
const REQUEST_METHOD: &[u8] = b"access-control-request-method";
const REQUEST_HEADERS: &[u8] = b"access-control-request-headers";
/// What the answer to a preflight depends on.
const PREFLIGHT_VARY: &[u8] =
    b"origin, access-control-request-method, access-control-request-headers";

// === impl Cors ===

impl Cors {
    /// The filter of these rules.
    pub fn new(rules: CorsRules) -> Self {
        let allowed = rules.allowed;
        let exposed: Vec<&str> = rules.exposed.iter().map(HeaderName::as_str).collect();
        Self {
            origins: rules.origins,
            credentials: rules.credentials,
            methods: rules.methods.join(", ").into(),
            allowed,
            exposed: exposed.join(", ").into(),
            max_age: rules.max_age_seconds.to_string().into(),
            names: Names::new(),
        }
    }

    /// What to answer to this origin as the one that may call.
    fn admitted<'o>(&self, origin: &'o [u8]) -> Option<&'o [u8]> {
        match &self.origins {
            Origins::Any if self.credentials == Credentials::Denied => Some(b"*"),
            Origins::Any => None,
            Origins::Some(some) => some.iter().any(|one| one.accepts(origin)).then_some(origin),
        }
    }

    fn preflight(&self, head: &Head, origin: &[u8]) -> Result<LocalReply, FilterError> {
        let names = &self.names;
        let reply = |status| LocalReply::new(status).field(names.vary.clone(), PREFLIGHT_VARY);
        let Some(admitted) = self.admitted(origin) else {
            let body: &[u8] = b"pages of this origin may not call\n";
            return Ok(reply(403).body(body.into()));
        };
        let mut reply = reply(204)
            .checked_field(names.allow_origin.clone(), admitted)?
            .field(names.methods.clone(), self.methods.as_bytes())
            .field(names.max_age.clone(), self.max_age.as_bytes());
        if self.credentials == Credentials::Allowed {
            reply = reply.field(names.credentials.clone(), b"true");
        }
        match &self.allowed {
            AllowedHeaders::Any => match head.find(REQUEST_HEADERS) {
                Some(asked) => reply.checked_field(names.headers.clone(), asked),
                None => Ok(reply),
            },
            AllowedHeaders::Some(some) if some.is_empty() => Ok(reply),
            AllowedHeaders::Some(some) => {
                let list: Vec<&str> = some.iter().map(HeaderName::as_str).collect();
                Ok(reply.field(names.headers.clone(), list.join(", ").as_bytes()))
            }
        }
    }
}

impl Filter for Cors {
    fn name(&self) -> &'static str {
        "cors"
    }

    fn on_request(&self, view: &mut RequestView<'_>) -> Result<Verdict, FilterError> {
        let head = view.head();
        let is_preflight =
            head.get(Name::Method) == Some(b"OPTIONS") && head.find(REQUEST_METHOD).is_some();
        match head.find(ORIGIN) {
            Some(origin) if is_preflight => Ok(Verdict::Reply(self.preflight(head, origin)?)),
            Some(_) | None => Ok(Verdict::Continue),
        }
    }

    fn on_reply(&self, view: &mut ReplyView<'_>) -> Result<(), FilterError> {
        let names = &self.names;
        view.remove(&names.allow_origin);
        view.remove(&names.credentials);
        view.remove(&names.exposed);
        if let Origins::Some(_) = self.origins {
            view.vary_by(&names.origin);
        }
        let Some(origin) = view.request().head.find(ORIGIN) else { return Ok(()) };
        let Some(admitted) = self.admitted(origin).map(<[u8]>::to_vec) else { return Ok(()) };
        view.set(&names.allow_origin, &admitted)?;
        if self.credentials == Credentials::Allowed {
            view.set(&names.credentials, b"true")?;
        }
        if !self.exposed.is_empty() {
            view.set(&names.exposed, self.exposed.as_bytes())?;
        }
        Ok(())
    }
}

// === impl OriginMatch ===

impl OriginMatch {
    fn accepts(&self, origin: &[u8]) -> bool {
        match self {
            // Browsers write an origin in lower case.
            Self::Exact(text) => origin == text.as_bytes(),
            Self::Wildcard { before, after } => origin
                .strip_prefix(before.as_bytes())
                .and_then(|rest| rest.strip_suffix(after.as_bytes()))
                .is_some_and(|name| !name.is_empty() && !name.iter().any(|b| b"/:@".contains(b))),
            Self::Regex(pattern) => pattern.matches(origin),
        }
    }
}

// === impl Names ===

impl Names {
    fn new() -> Self {
        let name = |text: &str| HeaderName::new(text).expect("it is a name");
        Self {
            allow_origin: HeaderName::known(Name::AccessControlAllowOrigin),
            credentials: name("access-control-allow-credentials"),
            methods: name("access-control-allow-methods"),
            headers: name("access-control-allow-headers"),
            exposed: name("access-control-expose-headers"),
            max_age: name("access-control-max-age"),
            vary: HeaderName::known(Name::Vary),
            origin: name("origin"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Call, reply};
    use super::*;

    fn cors(origins: Origins, credentials: Credentials) -> Cors {
        Cors::new(CorsRules {
            origins,
            credentials,
            methods: vec!["GET".into(), "POST".into()],
            allowed: AllowedHeaders::Some(vec![HeaderName::new("x-grpc-web").expect("a name")]),
            exposed: vec![HeaderName::new("grpc-status").expect("a name")],
            max_age_seconds: 600,
        })
    }

    fn some() -> Origins {
        let pattern = Pattern::new(r"http://localhost:\d+").expect("a regex");
        Origins::Some(vec![
            OriginMatch::Exact("https://app.example.com".into()),
            OriginMatch::Wildcard { before: "https://".into(), after: ".example.org".into() },
            OriginMatch::Regex(pattern),
        ])
    }

    fn preflight(origin: &str) -> Call {
        Call::new("OPTIONS", "/a.B/C")
            .with("origin", origin)
            .with("access-control-request-method", "POST")
            .with("access-control-request-headers", "x-grpc-web")
    }

    #[test]
    fn a_preflight_is_answered_and_any_other_request_goes_on() {
        let filter = cors(some(), Credentials::Allowed);
        let answer = preflight("https://app.example.com").request(&filter).expect("an answer");
        let mut head = Head::new();
        answer.plain(&mut head);
        for (name, value) in [
            (":status", "204"),
            ("access-control-allow-origin", "https://app.example.com"),
            ("access-control-allow-methods", "GET, POST"),
            ("access-control-allow-headers", "x-grpc-web"),
            ("access-control-allow-credentials", "true"),
            ("access-control-max-age", "600"),
            ("vary", "origin, access-control-request-method, access-control-request-headers"),
        ] {
            assert_eq!(head.find(name.as_bytes()), Some(value.as_bytes()), "{name}");
        }
        let mut plain = Call::new("OPTIONS", "/").with("origin", "https://app.example.com");
        assert!(plain.request(&filter).is_none());
    }

    #[test]
    fn origins_are_compared_as_a_whole() {
        let filter = cors(some(), Credentials::Denied);
        for (origin, admitted) in [
            ("https://app.example.com", true),
            ("https://app.example.com.evil.com", false),
            ("http://app.example.com", false),
            ("https://a.b.example.org", true),
            ("https://.example.org", false),
            ("https://evil.com/.example.org", false),
            ("https://example.org", false),
            ("http://localhost:3000", true),
            ("http://localhost:3000.evil.com", false),
            ("null", false),
        ] {
            let call = Call::get("/").with("origin", origin);
            let (head, _) = call.reply(&filter, reply(&[(":status", "200")]));
            let answer = head.get(Name::AccessControlAllowOrigin);
            assert_eq!(answer.is_some(), admitted, "{origin}");
            assert_eq!(head.get(Name::Vary), Some(&b"origin"[..]));
            let mut head = Head::new();
            preflight(origin).request(&filter).expect("an answer").plain(&mut head);
            let status: &[u8] = if admitted { b"204" } else { b"403" };
            assert_eq!(head.get(Name::Status), Some(status), "{origin}");
        }
    }

    #[test]
    fn everybody_is_told_so_and_what_the_node_says_is_replaced() {
        let filter = cors(Origins::Any, Credentials::Denied);
        let call = Call::get("/").with("origin", "https://x.example");
        let fields = [
            (":status", "200"),
            ("access-control-allow-origin", "https://node.example"),
            ("access-control-allow-credentials", "true"),
        ];
        let (head, _) = call.reply(&filter, reply(&fields));
        assert_eq!(head.get(Name::AccessControlAllowOrigin), Some(&b"*"[..]));
        assert_eq!(head.find(b"access-control-allow-credentials"), None);
        assert_eq!(head.find(b"access-control-expose-headers"), Some(&b"grpc-status"[..]));
        assert_eq!(head.get(Name::Vary), None, "the reply is the same for all");
    }

    #[test]
    fn a_field_that_varies_already_is_not_named_twice() {
        let filter = cors(some(), Credentials::Denied);
        let fields = [(":status", "200"), ("vary", "Accept-Encoding, Origin")];
        let (head, _) = Call::get("/").reply(&filter, reply(&fields));
        assert_eq!(head.fields().iter().filter(|field| field.name == Name::Vary).count(), 1);
    }
}
