//! Verbs that ask a running gateway.

use serde_json::Value;

use super::{print, print_json};
use crate::args::{Drain, Remote};
use crate::client::{Admin, segment};
use crate::outcome::Outcome;
use crate::table::{self, Columns};

/// A page of the admin listener that is a list, and its columns.
pub(super) type List = (&'static str, Columns);

pub(super) const ROUTES: List = (
    "/routes",
    &[
        ("ROUTE", "route"),
        ("UPSTREAM", "upstream"),
        ("ACTIVE", "active"),
        ("STARTED", "started"),
        ("BYTES IN", "bytes_in"),
        ("BYTES OUT", "bytes_out"),
    ],
);

pub(super) const UPSTREAMS: List = (
    "/upstreams",
    &[
        ("UPSTREAM", "upstream"),
        ("PROTOCOL", "protocol"),
        ("STORE", "targets/lookup/store"),
        ("ENDPOINTS", "targets/endpoints"),
        ("NODES", "nodes"),
        ("CONNECTIONS", "connections"),
        ("STREAMS", "streams"),
        ("PENDING", "pending"),
    ],
);

pub(super) const STORES: List = (
    "/stores",
    &[
        ("STORE", "store"),
        ("KIND", "kind"),
        ("UP", "up"),
        ("ENTRIES", "entries"),
        ("QUERIES", "queries"),
        ("FAILURES", "failures"),
        ("DETAIL", "detail"),
    ],
);

pub(super) const CONNECTIONS: List = (
    "/connections",
    &[
        ("SIDE", "side"),
        ("PEER", "peer"),
        ("OWNER", "owner"),
        ("STATE", "state"),
        ("PROTOCOL", "protocol"),
        ("STREAMS", "streams"),
        ("PENDING BYTES", "pending_bytes"),
        ("AGE", "age_seconds"),
    ],
);

pub(super) const STREAMS: List = (
    "/streams",
    &[
        ("ID", "id"),
        ("CLIENT", "client"),
        ("PATH", "path"),
        ("ROUTE", "route"),
        ("NODE", "node"),
        ("JOB", "job"),
        ("STAGE", "stage"),
        ("AGE", "age_seconds"),
        ("IDLE", "idle_seconds"),
        ("BYTES IN", "bytes_in"),
        ("BYTES OUT", "bytes_out"),
    ],
);

pub(super) fn list(remote: &Remote, (page, columns): List) -> Outcome {
    let list = Admin::new(&remote.admin).get(page)?;
    if remote.json {
        print_json(&list)
    } else {
        print(&table::render(&list, columns))
    }
    Ok(())
}

pub(super) fn reload(remote: &Remote) -> Outcome {
    let applied = Admin::new(&remote.admin).call("POST", "/reload", None)?;
    if remote.json {
        print_json(&applied);
        return Ok(());
    }
    for warning in applied["warnings"].as_array().into_iter().flatten() {
        eprintln!("{}", warning.as_str().unwrap_or_default());
    }
    let hash = applied["hash"].as_str().unwrap_or_default();
    let changed = applied["changed"] == Value::Bool(true);
    print(&format!("reloaded, config {hash}{}\n", if changed { "" } else { " (no change)" }));
    Ok(())
}

pub(super) fn drain(args: &Drain) -> Outcome {
    if let Some(node) = &args.node {
        return super::node::drain(node, args.upstream.as_deref(), &args.remote);
    }
    let query = args.timeout.as_deref().map(|timeout| format!("?timeout={}", segment(timeout)));
    let path = format!("/drain{}", query.unwrap_or_default());
    let reply = Admin::new(&args.remote.admin).call("POST", &path, None)?;
    if args.remote.json {
        print_json(&reply);
        return Ok(());
    }
    print(&format!("draining, for at most {} s\n", reply["timeout_seconds"]));
    Ok(())
}
