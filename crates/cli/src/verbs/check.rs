//! `narrows check`: every fault of a configuration; on demand also of the machine and the network.

use std::path::Path;

use narrows_control::config::{Fault, Severity};
use narrows_control::{host, offline};
use serde_json::{Value, json};

use super::{print, print_json};
use crate::args::Check;
use crate::outcome::{Failure, Outcome};

pub(super) fn check(path: &Path, args: &Check) -> Outcome {
    let checked = match offline::check(path) {
        Ok(checked) => checked,
        Err(faults) => return refuse(faults, args),
    };
    let host = if args.host { host::check(&offline::needs(&checked.snapshot)) } else { Vec::new() };
    let reach = if args.resolve { offline::reach(&checked) } else { Vec::new() };
    let unreachable = reach.iter().filter(|reach| reach.error.is_some()).count();
    if args.json {
        print_json(&json!({
            "ok": unreachable == 0,
            "hash": format!("{:016x}", checked.loaded.hash),
            "faults": checked.warnings.iter().map(fault).collect::<Vec<_>>(),
            "host": host,
            "reach": reach,
        }));
    } else {
        checked.warnings.iter().for_each(|warning| eprintln!("{warning}"));
        for warning in &host {
            print(&format!("{warning}\n"));
        }
        for reach in &reach {
            let result = reach.error.as_deref().unwrap_or("ok");
            print(&format!("{}: {}: {result}\n", reach.path, reach.address));
        }
        print(&summary(path, &checked.snapshot, host.len()));
    }
    if unreachable > 0 {
        return Err(Failure::Refused(format!("{unreachable} can not be reached")));
    }
    Ok(())
}

fn summary(
    path: &Path,
    snapshot: &narrows_gateway::snapshot::Snapshot,
    host_warnings: usize,
) -> String {
    let host = match host_warnings {
        0 => String::new(),
        some => format!("; {some} warnings about this machine"),
    };
    format!(
        "{}: ok ({} listeners, {} routes, {} upstreams){host}\n",
        path.display(),
        snapshot.listeners.len(),
        snapshot.router.routes().count(),
        snapshot.upstreams.len(),
    )
}

fn refuse(faults: Vec<Fault>, args: &Check) -> Outcome {
    if args.json {
        print_json(&json!({ "ok": false, "faults": faults.iter().map(fault).collect::<Vec<_>>() }));
        return Err(Failure::Refused(String::new()));
    }
    Err(faults.into())
}

fn fault(fault: &Fault) -> Value {
    let place = fault.position.as_ref();
    json!({
        "severity": match fault.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "file": place.map(|place| place.file.display().to_string()),
        "line": place.map(|place| place.line),
        "column": place.map(|place| place.column),
        "path": fault.path,
        "message": fault.message,
    })
}
