//! `narrows drain`, `undrain`, and `weight` of a node.

use super::{print, print_json};
use crate::args::{Remote, Undrain, Weight};
use crate::client::{Admin, segment};
use crate::outcome::Outcome;

pub(super) fn drain(node: &str, upstream: Option<&str>, remote: &Remote) -> Outcome {
    change(node, upstream, remote, "drain")
}

pub(super) fn undrain(args: &Undrain) -> Outcome {
    change(&args.node, args.upstream.as_deref(), &args.remote, "undrain")
}

pub(super) fn weight(args: &Weight) -> Outcome {
    let action = format!("weight?weight={}", args.weight);
    change(&args.node, args.upstream.as_deref(), &args.remote, &action)
}

fn change(node: &str, upstream: Option<&str>, remote: &Remote, action: &str) -> Outcome {
    let of = upstream.map(|name| format!("/upstreams/{}", segment(name))).unwrap_or_default();
    let path = format!("{of}/nodes/{}:{action}", segment(node));
    let reply = Admin::new(&remote.admin).call("POST", &path, None)?;
    if remote.json {
        print_json(&reply);
        return Ok(());
    }
    let upstreams = reply["upstreams"].as_array().into_iter().flatten();
    let upstreams: Vec<&str> = upstreams.filter_map(|name| name.as_str()).collect();
    let action = reply["action"].as_str().unwrap_or_default();
    print(&format!("{action} {node}: upstream {}\n", upstreams.join(", ")));
    Ok(())
}
