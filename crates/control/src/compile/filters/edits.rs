//! The filters that change where a request goes and what it says: `redirect`, `rewrite`, `headers`.

use std::collections::BTreeMap;

use narrows_gateway::filter::{Edits, Headers, PathEdit, Redirect, Rewrite};
use narrows_gateway::route::{AuthorityMatch, HeaderName, Pattern, Template};

use super::super::report::{Report, transpose};
use crate::config::{
    HeaderEdits, HeadersConfig, PathRule, RedirectConfig, RedirectStatus, RewriteConfig, SchemeWord,
};

/// Fields that belong to a connection or to how a body is framed: who could edit them could make two
/// requests of one.
const FRAMING: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

pub(super) fn redirect(
    path: &str,
    config: &RedirectConfig,
    report: &mut Report<'_>,
) -> Option<Redirect> {
    if (&config.scheme, &config.host, &config.port, &config.path) == (&None, &None, &None, &None) {
        report.error(path, "leads nowhere: give scheme, host, port, or path");
    }
    let host = config.host.as_ref().map(|host| {
        let result = match host.contains('*') {
            true => Err(format!("{host:?} is no host")),
            false => AuthorityMatch::new(host).map_err(|error| error.to_string()),
        };
        report.ok(format!("{path}.host"), result).map(|_| host.as_str().into())
    });
    let rule = config.path.as_ref().map(|rule| path_edit(&format!("{path}.path"), rule, report));
    Some(Redirect {
        status: match config.status {
            RedirectStatus::MovedPermanently => 301,
            RedirectStatus::Found => 302,
            RedirectStatus::SeeOther => 303,
            RedirectStatus::Temporary => 307,
            RedirectStatus::Permanent => 308,
        },
        scheme: config.scheme.map(|scheme| match scheme {
            SchemeWord::Http => "http".into(),
            SchemeWord::Https => "https".into(),
        }),
        host: transpose(host)?,
        port: config.port,
        path: transpose(rule)?,
    })
}

pub(super) fn rewrite(
    path: &str,
    config: &RewriteConfig,
    report: &mut Report<'_>,
) -> Option<Rewrite> {
    Some(Rewrite { path: path_edit(&format!("{path}.path"), &config.path, report)? })
}

fn path_edit(path: &str, rule: &PathRule, report: &mut Report<'_>) -> Option<PathEdit> {
    match rule {
        PathRule::Prefix(rule) => {
            if !rule.from.starts_with('/') {
                report.error(format!("{path}.prefix.from"), "a path begins with /");
            }
            let to = report.ok(format!("{path}.prefix.to"), piece(&rule.to))?;
            Some(PathEdit::Prefix { prefix: rule.from.as_str().into(), replace: to.into() })
        }
        PathRule::Regex(rule) => {
            let pattern = report.ok(format!("{path}.regex.from"), Pattern::new(&rule.from));
            let to = report.ok(format!("{path}.regex.to"), piece(&rule.to));
            Some(PathEdit::Regex { pattern: pattern?, replace: to?.into() })
        }
        PathRule::Whole(text) => {
            let text = report.ok(format!("{path}.whole"), piece(text))?;
            Some(PathEdit::Whole(text.into()))
        }
    }
}

/// A piece of a path.
fn piece(text: &str) -> Result<&str, String> {
    let bad = |byte: u8| !(0x21..0x7f).contains(&byte) || matches!(byte, b'#' | b'?');
    match text.bytes().any(bad) {
        true => Err(format!("{text:?} can not stand in a path: no blank, ?, or #")),
        false => Ok(text),
    }
}

pub(super) fn headers(
    path: &str,
    config: &HeadersConfig,
    report: &mut Report<'_>,
) -> Option<Headers> {
    let request = edits(&format!("{path}.request"), &config.request, report);
    let reply = edits(&format!("{path}.reply"), &config.reply, report);
    Some(Headers { request: request?, reply: reply? })
}

fn edits(path: &str, config: &HeaderEdits, report: &mut Report<'_>) -> Option<Edits> {
    let each = config.remove.iter().enumerate();
    let remove: Vec<_> =
        each.map(|(at, name)| editable(&format!("{path}.remove[{at}]"), name, report)).collect();
    let set = fields(&format!("{path}.set"), &config.set, report);
    let add = fields(&format!("{path}.add"), &config.add, report);
    Some(Edits { remove: remove.into_iter().collect::<Option<_>>()?, set: set?, add: add? })
}

fn fields(
    path: &str,
    fields: &BTreeMap<String, String>,
    report: &mut Report<'_>,
) -> Option<Vec<(HeaderName, Template)>> {
    let each = fields.iter().map(|(name, value)| {
        let path = format!("{path}.{name}");
        let name = editable(&path, name, report);
        name.zip(report.ok(&path, Template::parse(value)))
    });
    each.collect::<Vec<_>>().into_iter().collect()
}

/// The name of a field that filters may write.
pub(super) fn editable(path: &str, name: &str, report: &mut Report<'_>) -> Option<HeaderName> {
    let name = report.ok(path, HeaderName::new(name))?;
    if FRAMING.contains(&name.as_str()) {
        report.error(path, format!("{name} is the gateway's own and can not be edited"));
    }
    Some(name)
}
