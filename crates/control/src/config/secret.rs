//! Values that must not be seen.
//!
//! A secret prints as `****` wherever it goes: dumps, logs, messages, `{:?}`. Its content leaves
//! only through [`Secret::reveal`], called where the connection is made. `file:PATH` in its place
//! is replaced by the content of the file when the configuration is loaded.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use super::form::{TextForm, text_form};

/// What stands in place of a secret.
pub const MASK: &str = "****";

/// A password, token, or key.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// A URL whose password is a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl {
    url: String,
}

/// Why a text is no URL of a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected redis://[user:password@]host[:port][/database], or rediss:// for TLS")]
pub struct UrlError;

text_form!(Secret);
text_form!(SecretUrl);

// === impl Secret ===

impl Secret {
    /// The content. Never log it, never put it into an error.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl TextForm for Secret {
    const FORMAT: &'static str = "secret";
    const EXPECTED: &'static str = "a secret, or file:PATH of a file that holds it";
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

// === impl SecretUrl ===

impl SecretUrl {
    /// The whole URL. Never log it, never put it into an error.
    pub fn reveal(&self) -> &str {
        &self.url
    }

    /// Whether the connection is to be made with TLS.
    pub fn is_tls(&self) -> bool {
        self.url.starts_with("rediss://")
    }
}

impl TextForm for SecretUrl {
    const FORMAT: &'static str = "redis-url";
    const EXPECTED: &'static str = "redis://[user:password@]host[:port][/database], or rediss://";
}

impl FromStr for SecretUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let rest = text.strip_prefix("redis://").or_else(|| text.strip_prefix("rediss://"));
        let authority = rest.map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
        let host = authority.map(|a| a.rsplit_once('@').map_or(a, |(_, host)| host));
        match host {
            Some(host) if !host.is_empty() && !text.contains(char::is_whitespace) => {
                Ok(Self { url: text.to_owned() })
            }
            _ => Err(UrlError),
        }
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.url.split_once("://").unwrap_or(("redis", ""));
        // The last `@` ends the password, which may itself hold one.
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let at = rest[..end].rfind('@').or_else(|| rest.rfind('@'));
        match at.map(|at| (&rest[..at], &rest[at..])) {
            Some((user, host)) => {
                let user = user.split_once(':').map_or("", |(user, _)| user);
                write!(f, "{scheme}://{user}:{MASK}{host}")
            }
            None => write!(f, "{scheme}://{rest}"),
        }
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints() {
        let secret: Secret = "hunter2".parse().expect("any text");
        assert_eq!(format!("{secret} {secret:?}"), "**** ****");
        assert_eq!(serde_json::to_string(&secret).expect("json"), "\"****\"");
        assert_eq!(secret.reveal(), "hunter2");
    }

    #[test]
    fn the_password_of_a_url_never_prints() {
        for (url, shown) in [
            ("redis://h:1", "redis://h:1"),
            ("redis://:hunter2@h:1/0", "redis://:****@h:1/0"),
            ("rediss://u:hunter2@h:1", "rediss://u:****@h:1"),
            ("redis://u:hun@ter2@h:1", "redis://u:****@h:1"),
            ("redis://u:hun/ter2@h:1", "redis://u:****@h:1"),
            ("redis://hunter2@h:1", "redis://:****@h:1"),
        ] {
            let url: SecretUrl = url.parse().expect(url);
            assert_eq!(format!("{url} {url:?}"), format!("{shown} {shown}"));
        }
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for text in ["", "h:1", "http://h", "redis://", "redis://u:p@", "redis://h 1"] {
            assert_eq!(text.parse::<SecretUrl>().expect_err(text), UrlError);
        }
    }
}
