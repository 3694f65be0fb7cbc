//! The filter `cors`.

use narrows_gateway::filter::{AllowedHeaders, Cors, CorsRules, Credentials, OriginMatch, Origins};
use narrows_gateway::route::{HeaderName, Method, Pattern};

use super::super::report::Report;
use super::super::routes::each;
use crate::config::{CorsConfig, OriginConfig, OriginRule};

pub(super) fn compile(path: &str, config: &CorsConfig, report: &mut Report<'_>) -> Option<Cors> {
    let origins = origins(path, config, report);
    let methods = each(path, "methods", &config.methods, Method::new, report);
    let allowed = match config.headers.as_slice() {
        [any] if any == "*" => Some(AllowedHeaders::Any),
        _ => each(path, "headers", &config.headers, HeaderName::new, report)
            .map(AllowedHeaders::Some),
    };
    let exposed = each(path, "exposed_headers", &config.exposed_headers, HeaderName::new, report);
    Some(Cors::new(CorsRules {
        origins: origins?,
        credentials: match config.credentials {
            true => Credentials::Allowed,
            false => Credentials::Denied,
        },
        methods: methods?.iter().map(|method| method.to_string().into()).collect(),
        allowed: allowed?,
        exposed: exposed?,
        max_age_seconds: config.max_age.0.as_secs(),
    }))
}

fn origins(path: &str, config: &CorsConfig, report: &mut Report<'_>) -> Option<Origins> {
    if config.origins.is_empty() {
        report.error(format!("{path}.origins"), "is empty: no page could call");
    }
    let is_any = |origin: &OriginConfig| *origin == OriginConfig::Text("*".into());
    if config.origins.iter().any(is_any) {
        if config.origins.len() > 1 {
            report.error(format!("{path}.origins"), "* is all origins; write no other beside it");
        }
        if config.credentials {
            let message = "with the origin *, any page could act as the user; name the origins";
            report.error(format!("{path}.credentials"), message);
        }
        return Some(Origins::Any);
    }
    let each = config.origins.iter().enumerate();
    let some: Vec<_> = each
        .map(|(at, origin)| {
            let path = format!("{path}.origins[{at}]");
            match origin {
                OriginConfig::Text(text) => report.ok(path, origin_match(text)),
                OriginConfig::Rule(OriginRule::Regex(regex)) => {
                    report.ok(format!("{path}.regex"), Pattern::new(regex)).map(OriginMatch::Regex)
                }
            }
        })
        .collect();
    some.into_iter().collect::<Option<_>>().map(Origins::Some)
}

/// `scheme://host`, with a port unless it is that of the scheme, and nothing behind it.
fn origin_match(text: &str) -> Result<OriginMatch, String> {
    let bad = || format!("{text:?} is no origin, such as https://app.example.com");
    let (scheme, host) = text.split_once("://").ok_or_else(bad)?;
    let is_good =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._:[]*".contains(&byte);
    if scheme.is_empty() || host.is_empty() || scheme.contains('*') || !host.bytes().all(is_good) {
        return Err(bad());
    }
    match text.split_once('*') {
        None => Ok(OriginMatch::Exact(text.into())),
        Some((before, after)) if before.ends_with("://") && after.starts_with('.') => {
            match after.contains('*') {
                true => Err(bad()),
                false => Ok(OriginMatch::Wildcard { before: before.into(), after: after.into() }),
            }
        }
        Some(_) => Err(format!("{text:?}: * stands for the first labels of the host alone")),
    }
}
