//! The command line. `--help` of each verb is written from these comments.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

/// The admin listener, unless said otherwise.
pub(crate) const ADMIN: &str = "127.0.0.1:9901";

/// A gateway for gRPC and more.
///
/// Takes any gRPC call, reads one header of it, finds the node that runs that job, and relays the call.
#[derive(Debug, Parser)]
#[command(
    name = "narrows",
    version,
    arg_required_else_help = true,
    args_conflicts_with_subcommands = false,
    after_help = "Examples:
  narrows demo                                  see it work; nothing needs to be installed
  narrows check -c narrows.yaml                 every fault of a configuration, with its line
  narrows run -c narrows.yaml                   run the gateway
  narrows route set job-42 10.0.0.7:50051       tell where a job runs
  narrows explain -c narrows.yaml -H jobid=job-42 --path /pkg.Service/Method

Exit codes: 0 ok, 1 invalid configuration or refused, 2 usage, 3 no gateway answers, 70 the gateway ended
for a fault of its own.
Signals of `run`: TERM and QUIT drain, a second one or INT stops, HUP reloads, USR1 reopens logs."
)]
pub(crate) struct Cli {
    /// The configuration: a YAML file or a directory of them [default: narrows.yaml]
    #[arg(short = 'c', long = "config", global = true, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub(crate) config: Option<PathBuf>,
    /// Check the configuration, as `narrows check`
    #[arg(short = 't')]
    pub(crate) test: bool,
    /// Print the configuration in effect, as `narrows dump`
    #[arg(short = 'T')]
    pub(crate) print: bool,
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run the gateway in the foreground
    #[command(
        after_help = "Examples:\n  narrows run -c /etc/narrows/narrows.yaml\n\nThe log goes to \
        stderr. With systemd use Type=notify-reload. `kill -HUP` reloads; a bad file changes nothing."
    )]
    Run,
    /// Check a configuration; every fault is printed, with file, line, and column
    #[command(
        after_help = "Examples:\n  narrows check -c narrows.yaml\n  narrows check -c narrows.yaml \
        --host            also the limits of this machine\n  narrows check -c narrows.yaml --resolve --json"
    )]
    Check(Check),
    /// Print the configuration in effect: defaults filled in, secrets masked
    #[command(after_help = "Examples:\n  narrows dump -c narrows.yaml\n  narrows dump --admin \
        127.0.0.1:9901     that of a running gateway")]
    Dump(Dump),
    /// Say which route a call takes, which node it reaches, and why
    #[command(after_help = "Examples:\n  narrows explain -c narrows.yaml -H jobid=job-42 --path \
        /pkg.Service/Method\n  narrows explain --admin 127.0.0.1:9901 -H jobid=job-42 --path \
        /pkg.Service/Method\n\nWithout --admin remote stores are not asked.")]
    Explain(Explain),
    /// Read and write which node runs a job (embedded stores)
    #[command(
        subcommand,
        after_help = "With -c FILE the admin listener named there is asked; when no \
        gateway runs, the file of the store is opened directly."
    )]
    Route(Route),
    /// Load the configuration of a running gateway anew
    Reload(Remote),
    /// Let a running gateway finish its streams and end, or a node finish what it has
    #[command(
        after_help = "Examples:\n  narrows drain                        the whole gateway\n  \
        narrows drain --timeout 5m\n  narrows drain 10.0.0.5:50051         a node: no new calls, open \
        streams go on\n  narrows drain 10.0.0.5:50051 --upstream search"
    )]
    Drain(Drain),
    /// Let a node that was drained have calls again
    #[command(after_help = "Examples:\n  narrows undrain 10.0.0.5:50051")]
    Undrain(Undrain),
    /// Give a node another share of calls, until the gateway ends
    #[command(after_help = "Examples:\n  narrows weight 10.0.0.5:50051 3\n  narrows weight \
        10.0.0.5:50051 0      as configured")]
    Weight(Weight),
    /// List the routes of a running gateway
    Routes(Remote),
    /// List the upstreams of a running gateway
    Upstreams(Remote),
    /// List the stores of a running gateway
    Stores(Remote),
    /// List the open connections of a running gateway
    Connections(Remote),
    /// List the live calls of a running gateway, the oldest first
    Streams(Remote),
    /// Print the JSON schema of the configuration, for editors
    Schema(Schema),
    /// Show the gateway at work: two nodes, a store, and calls, all in this process
    #[command(
        after_help = "Examples:\n  narrows demo\n  narrows demo --once        make the calls and end"
    )]
    Demo(Demo),
    /// Print the version; with --admin also that of a running gateway
    Version(Version),
    /// Print completions for a shell
    #[command(
        after_help = "Examples:\n  narrows completions bash > /etc/bash_completion.d/narrows"
    )]
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Default, Args)]
pub(crate) struct Check {
    /// Also check limits and kernel settings of this machine
    #[arg(long)]
    pub(crate) host: bool,
    /// Also resolve the names of endpoints and connect to stores
    #[arg(long)]
    pub(crate) resolve: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Default, Args)]
pub(crate) struct Dump {
    /// Ask the running gateway whose admin listener has this address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// A header field; may be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) headers: Vec<(String, String)>,
    /// The path, /service/method for gRPC
    #[arg(long, default_value = "/")]
    pub(crate) path: String,
    /// The request method
    #[arg(long, default_value = "POST")]
    pub(crate) method: String,
    /// The host that the caller means
    #[arg(long, default_value = "localhost")]
    pub(crate) authority: String,
    /// The address of the caller
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) source: IpAddr,
    /// Ask the running gateway whose admin listener has this address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Route {
    /// Say where a job runs
    #[command(
        after_help = "Examples:\n  narrows route set job-42 10.0.0.7:50051\n  narrows route set \
        job-42 grpcs://node-7.local:443 --ttl 12h\n  narrows route set job-42 10.0.0.7:50051 -c narrows.yaml"
    )]
    Set {
        /// The key, such as a job id
        key: String,
        /// host:port, grpc://host:port, or grpcs://host:port
        target: String,
        /// The mapping ends after this long
        #[arg(long, value_name = "DURATION")]
        ttl: Option<String>,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Print where a job runs
    Get {
        /// The key
        key: String,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Forget where a job runs
    Del {
        /// The key
        key: String,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// List jobs and where they run
    #[command(
        after_help = "Examples:\n  narrows route list\n  narrows route list --prefix job- --limit 20"
    )]
    List {
        /// Only keys that begin with this
        #[arg(long, default_value = "")]
        prefix: String,
        /// Only keys behind this one, in the order of their bytes
        #[arg(long)]
        after: Option<String>,
        /// At most this many
        #[arg(long, default_value_t = 1000)]
        limit: usize,
        #[command(flatten)]
        store: StoreArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// The store; may be left out where only one is embedded
    #[arg(long, value_name = "NAME")]
    pub(crate) store: Option<String>,
    /// The admin listener of the running gateway [default: 127.0.0.1:9901, or as -c FILE says]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Remote {
    /// The admin listener of the running gateway
    #[arg(long, value_name = "ADDRESS", default_value = ADMIN)]
    pub(crate) admin: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Drain {
    /// The node, as configured or as the store names it; without it the gateway itself
    pub(crate) node: Option<String>,
    /// Only as a node of this upstream [default: of all that may send calls there]
    #[arg(long, value_name = "NAME", requires = "node")]
    pub(crate) upstream: Option<String>,
    /// Streams may go on for this long [default: as configured]
    #[arg(long, value_name = "DURATION", conflicts_with = "node")]
    pub(crate) timeout: Option<String>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Args)]
pub(crate) struct Undrain {
    /// The node
    pub(crate) node: String,
    /// Only as a node of this upstream
    #[arg(long, value_name = "NAME")]
    pub(crate) upstream: Option<String>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Args)]
pub(crate) struct Weight {
    /// The node
    pub(crate) node: String,
    /// Its share of calls relative to the other nodes, 1 to 1000; 0: as configured
    pub(crate) weight: u32,
    /// Only as a node of this upstream
    #[arg(long, value_name = "NAME")]
    pub(crate) upstream: Option<String>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// Print the reference page as Markdown instead
    #[arg(long)]
    pub(crate) markdown: bool,
    /// Print JSON, which is the default
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// End after the calls instead of staying up; fails if an answer is wrong
    #[arg(long)]
    pub(crate) once: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Version {
    /// Also ask the running gateway whose admin listener has this address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let at = text.find(['=', ':']).ok_or("expected NAME=VALUE")?;
    let (name, value) = (text[..at].trim(), text[at + 1..].trim());
    if name.is_empty() {
        return Err("the name is empty".to_owned());
    }
    Ok((name.to_ascii_lowercase(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_header_is_written_with_an_equals_sign_or_a_colon() {
        assert_eq!(pair("JobId=a=b"), Ok(("jobid".into(), "a=b".into())));
        assert_eq!(pair("x-a: b:c"), Ok(("x-a".into(), "b:c".into())));
        assert!(pair("x").is_err());
        assert!(pair("=x").is_err());
    }

    #[test]
    fn the_configuration_can_stand_before_and_behind_the_verb() {
        for words in [["narrows", "-c", "a.yaml", "run"], ["narrows", "run", "-c", "a.yaml"]] {
            let cli = Cli::try_parse_from(words).expect("valid");
            assert_eq!(cli.config, Some(PathBuf::from("a.yaml")));
            assert!(matches!(cli.verb, Some(Verb::Run)));
        }
        let cli = Cli::try_parse_from(["narrows", "-t", "-c", "a.yaml"]).expect("valid");
        assert!(cli.test && cli.verb.is_none());
    }
}
