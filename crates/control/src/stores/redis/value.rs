//! What Redis says of a key: from the reply to an outcome, and from errors to words.
//!
//! Every text names what a person needs: the key, the store, and what to do.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use narrows_gateway::lookup::Outcome;
use narrows_gateway::target::Target;
use redis::{Cmd, ErrorKind, RedisError, ServerError, Value};

use super::options::{Node, ValueForm};

/// What a reply to a query says.
#[derive(Debug)]
pub(super) enum Said {
    /// An answer.
    Outcome(Outcome),
    /// Another node has the key from now on.
    Moved(Node),
    /// Another node has the key while it is being moved.
    Ask(Node),
    /// No answer, in words.
    Failure(String),
}

/// Names a key in texts: as text, shortened.
pub(super) struct Named<'a>(pub(super) &'a [u8]);

/// Bytes of a key or value that a text shows.
const SHOWN_BYTES_MAX: usize = 100;

// === impl ValueForm ===

impl ValueForm {
    /// Asks for the value of a key.
    pub(super) fn query(&self, redis_key: &[u8]) -> Cmd {
        match self {
            Self::String => Cmd::get(redis_key),
            Self::Field(field) => Cmd::hget(redis_key, field),
            Self::HostPort { host, port } => Cmd::hmget(redis_key, &[host, port]),
        }
    }

    /// Reads the reply to [`ValueForm::query`].
    pub(super) fn read(&self, store: &str, redis_key: &[u8], reply: &Value) -> Said {
        let malformed = |why: &str| {
            let text = format!("store {store}: key {}: {why}", Named(redis_key));
            Said::Outcome(Outcome::Malformed(text.into()))
        };
        match (self, reply) {
            (_, Value::ServerError(error)) if error.code() == "WRONGTYPE" => {
                malformed(match self {
                    Self::String => {
                        "it holds no string; store the target as a string, or set value"
                    }
                    Self::Field(_) | Self::HostPort { .. } => {
                        "it holds no hash; store the target in a hash, or set value"
                    }
                })
            }
            (_, Value::ServerError(error)) => refused(error),
            (Self::String | Self::Field(_), Value::Nil) => Said::Outcome(Outcome::Missing),
            (Self::String | Self::Field(_), Value::BulkString(text)) => target(text, &malformed),
            (Self::HostPort { host, port }, Value::Array(fields)) => match fields.as_slice() {
                [Value::Nil, Value::Nil] => Said::Outcome(Outcome::Missing),
                [Value::BulkString(host), Value::BulkString(port)] => {
                    let bare_v6 = host.contains(&b':') && !host.starts_with(b"[");
                    let (open, close) = if bare_v6 { ("[", "]:") } else { ("", ":") };
                    let parts = [open.as_bytes(), host, close.as_bytes(), port];
                    target(&parts.concat(), &malformed)
                }
                [Value::Nil, _] => malformed(&format!("the hash has no field {host:?}")),
                _ => malformed(&format!("the hash has no field {port:?}")),
            },
            (_, other) => Said::Failure(format!("Redis answered with {other:?}")),
        }
    }
}

impl std::fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = self.0.get(..SHOWN_BYTES_MAX).unwrap_or(self.0);
        let more = if shown.len() < self.0.len() { "..." } else { "" };
        write!(f, "{:?}{more}", String::from_utf8_lossy(shown))
    }
}

fn target(text: &[u8], malformed: &dyn Fn(&str) -> Said) -> Said {
    let Ok(utf8) = std::str::from_utf8(text) else {
        return malformed(&format!("its value {} is not UTF-8; expected host:port", Named(text)));
    };
    match Target::from_str(utf8) {
        Ok(target) => Said::Outcome(Outcome::Found(Arc::new(target))),
        Err(error) => malformed(&format!("its value {} is no target: {error}", Named(text))),
    }
}

fn refused(error: &ServerError) -> Said {
    let node = || {
        let (_slot, address) = error.details()?.split_once(' ')?;
        Node::parse(address)
    };
    match (error.code(), node()) {
        ("MOVED", Some(node)) => Said::Moved(node),
        ("ASK", Some(node)) => Said::Ask(node),
        (code, _) => {
            let text = advice(code, error.details().unwrap_or_default());
            Said::Failure(format!("Redis: {text}"))
        }
    }
}

/// An error reply in words, with what to do.
fn advice(code: &str, details: &str) -> String {
    let advice = match code {
        "NOAUTH" => "it wants a password; set password (and username) of the store",
        "WRONGPASS" => "it refuses the user name or the password of the store",
        "NOPERM" => {
            "the user may not do this; allow it +get +hget +hmget +ping +client, +set +eval for sessions, and the keys of the store"
        }
        "LOADING" => "it is still loading its data",
        "MASTERDOWN" => "it is a replica that has lost its master",
        "CLUSTERDOWN" => "the cluster is down: not all of its slots are served",
        "TRYAGAIN" => "the key is being moved between nodes of the cluster",
        _ => return format!("it refuses: {code} {details}"),
    };
    format!("{advice} ({code} {details})")
}

/// Why a connection could not be made or was of no use.
pub(super) fn explain(error: &RedisError, node: &Node, timeout: Duration) -> String {
    if error.is_timeout() {
        return format!("Redis {node} did not answer within {timeout:?}");
    }
    match error.kind() {
        ErrorKind::AuthenticationFailed => {
            let details = error.detail().unwrap_or_default();
            format!("Redis {node}: it refuses the user name or the password ({details})")
        }
        ErrorKind::RESP3NotSupported => {
            format!("Redis {node}: it does not speak RESP3; version 6 or later is needed")
        }
        ErrorKind::Io => format!("Redis {node} can not be reached: {error}"),
        _ => match error.code() {
            Some(code) => {
                format!("Redis {node}: {}", advice(code, error.detail().unwrap_or_default()))
            }
            None => format!("Redis {node}: {error}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(form: &ValueForm, reply: &Value) -> String {
        match form.read("jobs", b"job:7", reply) {
            Said::Outcome(Outcome::Found(target)) => target.to_string(),
            Said::Outcome(Outcome::Malformed(text)) => text.to_string(),
            other => format!("{other:?}"),
        }
    }

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    #[test]
    fn values_are_read_in_each_form() {
        let parts = ValueForm::HostPort { host: "ip".into(), port: "port".into() };
        let pair = |a, b| Value::Array(vec![a, b]);
        assert_eq!(said(&ValueForm::String, &text("10.0.0.1:1")), "10.0.0.1:1");
        assert_eq!(said(&ValueForm::Field("t".into()), &text("grpcs://a:1")), "grpcs://a:1");
        assert_eq!(said(&parts, &pair(text("10.0.0.1"), text("1"))), "10.0.0.1:1");
        assert_eq!(said(&parts, &pair(text("::1"), text("1"))), "[::1]:1");
        assert_eq!(said(&parts, &pair(text("[::1]"), text("1"))), "[::1]:1");
        assert_eq!(said(&ValueForm::String, &Value::Nil), "Outcome(Missing)");
        assert_eq!(said(&parts, &pair(Value::Nil, Value::Nil)), "Outcome(Missing)");
    }

    #[test]
    fn what_is_no_target_names_store_key_and_value() {
        let parts = ValueForm::HostPort { host: "ip".into(), port: "port".into() };
        assert_eq!(
            said(&ValueForm::String, &text("nonsense")),
            r#"store jobs: key "job:7": its value "nonsense" is no target: no port; expected host:port"#
        );
        let half = Value::Array(vec![text("10.0.0.1"), Value::Nil]);
        assert_eq!(said(&parts, &half), r#"store jobs: key "job:7": the hash has no field "port""#);
        let long = said(&ValueForm::String, &text(&"x".repeat(SHOWN_BYTES_MAX + 1)));
        assert!(long.contains(&format!("{:?}...", "x".repeat(SHOWN_BYTES_MAX))), "{long}");
    }
}
