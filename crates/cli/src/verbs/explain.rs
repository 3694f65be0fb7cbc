//! `narrows explain`: which route, which node, why.

use std::fmt::Write as _;
use std::path::Path;

use narrows_control::compile::Call;
use narrows_control::offline;
use serde_json::Value;

use super::{print, print_json};
use crate::args::Explain;
use crate::client::Admin;
use crate::outcome::{Failure, Outcome};

pub(super) fn explain(path: &Path, args: &Explain) -> Outcome {
    let call = Call {
        method: args.method.clone(),
        path: args.path.clone(),
        authority: args.authority.clone(),
        headers: args.headers.clone(),
        source: args.source,
    };
    let explanation = match &args.admin {
        Some(admin) => {
            let body = serde_json::to_value(&call).map_err(Failure::refused)?;
            Admin::new(admin).call("POST", "/explain", Some(&body))?
        }
        None => {
            let explanation = offline::explain(path, &call)?;
            serde_json::to_value(explanation).map_err(Failure::refused)?
        }
    };
    if args.json {
        print_json(&explanation)
    } else {
        print(&text(&explanation))
    }
    Ok(())
}

/// The explanation for people: the result first, then the routes that were tried.
fn text(explanation: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let mut out = format!("route     {}\n", word(&explanation["route"]));
    if !explanation["upstream"].is_null() {
        let _ = writeln!(out, "upstream  {}", word(&explanation["upstream"]));
    }
    if let Value::Object(target) = &explanation["target"] {
        for (name, value) in target.iter().filter(|(name, _)| *name != "kind") {
            let _ = writeln!(out, "{name:<9} {}", plain(value));
        }
        let kind = target.get("kind").map(word).unwrap_or_default();
        let _ = writeln!(out, "result    {}", result(&kind));
    } else {
        out.push_str("result    refused: no route matches (UNIMPLEMENTED, HTTP 404)\n");
    }
    out.push_str("routes in the order in which they are tried:\n");
    for route in explanation["considered"].as_array().into_iter().flatten() {
        let verdict = match &route["failed"] {
            Value::Null => "matches".to_owned(),
            failed => format!("no, it wants: {}", plain(failed)),
        };
        let _ = writeln!(out, "  {}: {verdict}", word(&route["route"]));
    }
    out
}

fn result(kind: &str) -> &'static str {
    match kind {
        "endpoints" => "goes to one of the endpoints",
        "no_key" => "refused: the request lacks what names its target (INVALID_ARGUMENT, HTTP 400)",
        "found" => "goes to the target",
        "not_allowed" => {
            "refused: the target is outside the allowed networks (PERMISSION_DENIED, HTTP 403)"
        }
        "malformed" => "refused: the store holds no usable address (UNAVAILABLE, HTTP 503)",
        "missing" => "the store does not know the key",
        "not_asked" => {
            "goes where the store says; it was not asked (--admin asks a running gateway)"
        }
        _ => "see above",
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.escape_debug().to_string(),
        Value::Array(all) => all.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_result_comes_first_and_the_reasons_behind_it() {
        let explanation = json!({
            "route": "jobs", "upstream": "nodes",
            "target": { "kind": "found", "store": "jobs", "key": "job-1", "target": "10.0.0.1:1" },
            "considered": [
                { "route": "search", "failed": "path /search" },
                { "route": "jobs", "failed": null },
            ],
        });
        let expected = "\
route     jobs
upstream  nodes
store     jobs
key       job-1
target    10.0.0.1:1
result    goes to the target
routes in the order in which they are tried:
  search: no, it wants: path /search
  jobs: matches
";
        assert_eq!(text(&explanation), expected);
    }

    #[test]
    fn a_call_that_no_route_takes_is_said_to_be_refused() {
        let explanation =
            json!({ "route": null, "upstream": null, "target": null, "considered": [] });
        assert!(text(&explanation).contains("refused: no route matches"));
    }
}
