//! What each verb does.

mod check;
mod explain;
mod node;
mod remote;
mod route;

use std::path::{Path, PathBuf};

use clap::CommandFactory;
use narrows_control::config::Config;
use narrows_control::{config, daemon, demo, offline};
use serde_json::{Value, json};

use crate::args::{Check, Cli, Dump, Schema, Verb, Version};
use crate::client::Admin;
use crate::outcome::{Failure, Outcome};

/// Does what the command line says.
pub(crate) fn run(cli: Cli) -> Outcome {
    let path = cli.config.clone().unwrap_or_else(|| PathBuf::from("narrows.yaml"));
    match cli.verb {
        None if cli.test => check::check(&path, &Check::default()),
        None if cli.print => dump(&path, &Dump::default()),
        None | Some(Verb::Run) => daemon::run(&path).map_err(Failure::from),
        Some(Verb::Check(args)) => check::check(&path, &args),
        Some(Verb::Dump(args)) => dump(&path, &args),
        Some(Verb::Explain(args)) => explain::explain(&path, &args),
        Some(Verb::Route(verb)) => route::route(cli.config.as_deref(), &verb),
        Some(Verb::Reload(remote)) => remote::reload(&remote),
        Some(Verb::Drain(args)) => remote::drain(&args),
        Some(Verb::Undrain(args)) => node::undrain(&args),
        Some(Verb::Weight(args)) => node::weight(&args),
        Some(Verb::Routes(remote)) => remote::list(&remote, remote::ROUTES),
        Some(Verb::Upstreams(remote)) => remote::list(&remote, remote::UPSTREAMS),
        Some(Verb::Stores(remote)) => remote::list(&remote, remote::STORES),
        Some(Verb::Connections(remote)) => remote::list(&remote, remote::CONNECTIONS),
        Some(Verb::Streams(remote)) => remote::list(&remote, remote::STREAMS),
        Some(Verb::Schema(args)) => schema(&args),
        Some(Verb::Demo(args)) => demo::run(args.once).map_err(Failure::refused),
        Some(Verb::Version(args)) => version(&args),
        Some(Verb::Completions { shell }) => {
            let mut command = Cli::command();
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "narrows", &mut script);
            print(&String::from_utf8_lossy(&script));
            Ok(())
        }
    }
}

/// Prints text that may be piped into a program that stops reading.
fn print(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn print_json(value: &Value) {
    print(&format!("{value:#}\n"));
}

fn dump(path: &Path, args: &Dump) -> Outcome {
    let config = match &args.admin {
        Some(admin) => Admin::new(admin).get("/config")?["config"].take(),
        None => {
            let checked = offline::check(path)?;
            serde_json::to_value(&checked.loaded.config).map_err(Failure::refused)?
        }
    };
    if args.json {
        print_json(&config);
        return Ok(());
    }
    let config = serde_json::from_value::<Config>(config).map_err(Failure::refused)?;
    print(&config::dump(&config));
    Ok(())
}

fn schema(args: &Schema) -> Outcome {
    print(&if args.markdown && !args.json { config::reference() } else { config::schema() });
    Ok(())
}

fn version(args: &Version) -> Outcome {
    let own = env!("CARGO_PKG_VERSION");
    let daemon =
        args.admin.as_deref().map(|admin| Admin::new(admin).get("/version")).transpose()?;
    if args.json {
        print_json(&json!({ "version": own, "gateway": daemon }));
        return Ok(());
    }
    print(&format!("narrows {own}\n"));
    if let Some(daemon) = daemon {
        let text = |name: &str| match &daemon[name] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        print(&format!(
            "gateway {} {} config {} up {} s pid {}\n",
            text("version"),
            text("state"),
            text("config_hash"),
            text("uptime_seconds"),
            text("pid"),
        ));
    }
    Ok(())
}
