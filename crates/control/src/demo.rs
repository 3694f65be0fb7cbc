//! `narrows demo`: two nodes, an embedded store with a few jobs, the gateway, and calls through it.
//!
//! Everything runs in this process and goes over real sockets on loopback; the store is a file in a
//! directory that is removed at the end. The nodes and the caller speak HTTP/2 with the engine of the
//! gateway itself. Nothing here is used by the gateway. `node.rs` is a node, `caller.rs` a caller,
//! `pipe.rs` a connection of either, `message.rs` what they say.

mod caller;
mod message;
mod node;
mod pipe;

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use narrows_gateway::control::WorkerFailure;

use crate::compile;
use crate::daemon::{Daemon, Order, StartError, control_runtime, logging};
use crate::scratch::Scratch;
use crate::signals::Signals;
use caller::{Caller, Reply};
use message::{Answer, PROTO};

/// Why the demonstration ended badly.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Sockets, files, threads.
    #[error("the demonstration can not run: {0}")]
    Io(#[from] io::Error),
    /// The gateway.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The gateway ended by itself.
    #[error(transparent)]
    Worker(#[from] WorkerFailure),
    /// The store.
    #[error("the store of the demonstration: {0}")]
    Store(String),
    /// Calls that went wrong.
    #[error("{0} of the calls did not end as they should")]
    Wrong(usize),
}

/// What takes part.
struct Stage {
    nodes: [(&'static str, SocketAddr); 2],
    gateway: SocketAddr,
    admin: SocketAddr,
    scratch: Scratch,
}

/// The jobs and the index of the node that each runs on.
const JOBS: [(&str, usize); 4] = [("job-1", 0), ("job-2", 1), ("job-3", 0), ("job-4", 1)];

/// Where the gateway listens if nothing else does.
const GATEWAY_PORT: u16 = 8091;
/// The same for its admin listener.
const ADMIN_PORT: u16 = 9901;

/// Runs the demonstration; `once`: ends after the calls.
pub fn run(once: bool) -> Result<(), DemoError> {
    let runtime = control_runtime()?;
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let scratch = Scratch::create("demo")?;
        let nodes = [("node-1", node::start("node-1")?), ("node-2", node::start("node-2")?)];
        let mut daemon = start_gateway(scratch.path()).await?;
        fill(&daemon, &nodes).await?;
        let gateway = daemon.addresses().first().map(|(_, address)| *address);
        let stage = Arc::new(Stage {
            nodes,
            gateway: gateway.ok_or_else(|| io::Error::other("the gateway does not listen"))?,
            admin: daemon.admin_address().unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0))),
            scratch,
        });
        let wrong = play(&stage, &daemon).await?;
        if once || wrong > 0 {
            daemon.shared().order(Order::Stop).await;
        } else {
            say(&stage.invitation());
        }
        daemon.serve(Some(&mut signals)).await?;
        if wrong > 0 { Err(DemoError::Wrong(wrong)) } else { Ok(()) }
    })
}

async fn start_gateway(directory: &Path) -> Result<Daemon, DemoError> {
    let path = directory.join("narrows.yaml");
    std::fs::write(&path, configuration())?;
    std::fs::write(directory.join("echo.proto"), PROTO)?;
    let loaded = compile::load(&path).map_err(StartError::Config)?;
    logging::init(&loaded.config.log);
    Ok(Daemon::start(&path, loaded).await?)
}

/// The configuration of the gateway; what a user would write.
fn configuration() -> String {
    format!(
        "\
listeners:
  - address: 127.0.0.1:{}
stores:
  jobs: {{ embedded: {{ path: jobs.redb }} }}
upstreams:
  job-nodes:
    protocol: h2c
    lookup: {{ store: jobs, key: \"{{header.jobid}}\", allow: [127.0.0.0/8] }}
routes:
  - name: jobs
    match: {{ headers: {{ jobid: {{ present: true }} }} }}
    upstream: job-nodes
admin: {{ address: 127.0.0.1:{} }}
log: {{ level: warn }}
workers: 2
",
        free_or_any(GATEWAY_PORT),
        free_or_any(ADMIN_PORT),
    )
}

/// The port if nothing listens there, else 0, which lets the system choose.
fn free_or_any(port: u16) -> u16 {
    TcpListener::bind(("127.0.0.1", port)).map_or(0, |_| port)
}

async fn fill(daemon: &Daemon, nodes: &[(&str, SocketAddr); 2]) -> Result<(), DemoError> {
    for (job, node) in JOBS {
        set(daemon, job, nodes[node].1).await?;
    }
    Ok(())
}

async fn set(daemon: &Daemon, job: &str, node: SocketAddr) -> Result<(), DemoError> {
    let store = daemon.shared().stores.embedded("jobs");
    let store = store.ok_or_else(|| DemoError::Store("it is not there".to_owned()))?;
    let set = store.set(job.as_bytes(), &node.to_string(), None).await;
    set.map_err(|error| DemoError::Store(error.to_string()))
}

/// Makes the calls; returns how many of them went wrong.
async fn play(stage: &Arc<Stage>, daemon: &Daemon) -> Result<usize, DemoError> {
    say(&stage.cast());
    let calls = blocking(stage, Stage::first_act).await?;
    let (moved, node) = ("job-1", stage.nodes[1]);
    say(&format!("\nmoved  {moved} to {} ({}), as `narrows route set` does\n\n", node.0, node.1));
    set(daemon, moved, node.1).await?;
    let more = blocking(stage, Stage::second_act).await?;
    let wrong = calls.iter().chain(&more).filter(|right| !**right).count();
    let total = calls.len() + more.len();
    say(&format!("\n{} of {total} calls ended as they should\n", total - wrong));
    Ok(wrong)
}

/// Runs an act, which waits for sockets, off the control plane's threads.
async fn blocking(
    stage: &Arc<Stage>,
    act: fn(&Stage) -> io::Result<Vec<bool>>,
) -> Result<Vec<bool>, DemoError> {
    let stage = stage.clone();
    Ok(tokio::task::spawn_blocking(move || act(&stage)).await.map_err(io::Error::other)??)
}

/// Prints to stdout; nobody may be reading.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

// === impl Stage ===

impl Stage {
    fn cast(&self) -> String {
        let [(first, at_first), (second, at_second)] = self.nodes;
        let jobs = JOBS.map(|(job, node)| format!("{job} on {}", self.nodes[node].0)).join(", ");
        format!(
            "{first} listens on {at_first}, {second} on {at_second}\n\
             the gateway listens on {}, its admin listener on {}\n\
             the store says: {jobs}\n\n",
            self.gateway, self.admin
        )
    }

    fn first_act(&self) -> io::Result<Vec<bool>> {
        let mut caller = Caller::connect(self.gateway)?;
        let mut right = Vec::new();
        for (job, node) in JOBS {
            let reply = caller.say(job, &["hello"])?;
            right.push(self.judge("unary", job, &reply, Some(self.nodes[node].0), 1));
        }
        for (job, node) in [JOBS[0], JOBS[1]] {
            let reply = caller.say(job, &["one", "two", "three"])?;
            right.push(self.judge("bidi", job, &reply, Some(self.nodes[node].0), 3));
        }
        let reply = caller.say("job-9", &["hello"])?;
        right.push(self.judge("unary", "job-9", &reply, None, 0));
        Ok(right)
    }

    fn second_act(&self) -> io::Result<Vec<bool>> {
        let mut caller = Caller::connect(self.gateway)?;
        let reply = caller.say("job-1", &["where are you now?"])?;
        Ok(vec![self.judge("unary", "job-1", &reply, Some(self.nodes[1].0), 1)])
    }

    /// Prints what became of a call and whether that is right. Without a node, the job must be unknown.
    fn judge(
        &self,
        kind: &str,
        job: &str,
        reply: &Reply,
        node: Option<&str>,
        answers: usize,
    ) -> bool {
        let served = |answer: &Answer| Some(&*answer.node) == node && answer.job == job;
        let right = reply.answers.len() == answers
            && reply.answers.iter().all(served)
            && reply.status == if node.is_some() { "0" } else { "5" };
        for answer in &reply.answers {
            let at = self.nodes.iter().find(|(name, _)| *name == answer.node);
            let at = at.map(|(_, address)| address.to_string()).unwrap_or_default();
            say(&format!(
                "{kind:<5}  jobid={job}  ->  {} ({at})  {:?}\n",
                answer.node, answer.text
            ));
        }
        if reply.answers.is_empty() {
            let message = &reply.message;
            say(&format!("{kind:<5}  jobid={job}  ->  status {}  {message:?}\n", reply.status));
        }
        if !right {
            say("       this is not what it should be\n");
        }
        right
    }

    fn invitation(&self) -> String {
        let (gateway, admin) = (self.gateway, self.admin);
        let directory = self.scratch.path().display();
        let (other, config) = (self.nodes[1].1, self.scratch.path().join("narrows.yaml"));
        let config = config.display();
        format!(
            "
Call it yourself, until Ctrl-C:
  grpcurl -plaintext -import-path {directory} -proto echo.proto -H 'jobid: job-3' \\
    -d '{{\"text\": \"hello\"}}' {gateway} narrows.demo.Echo/Say
  python3 -c \"import grpc; say = grpc.insecure_channel('{gateway}').unary_unary('/narrows.demo.Echo/Say'); \
print(say(b'\\n\\x05hello', metadata=[('jobid', 'job-3')]))\"
  narrows route set job-3 {other} --admin {admin}
  narrows explain -H jobid=job-3 --admin {admin}
  curl -s http://{admin}/metrics
The configuration is {config}
"
        )
    }
}
