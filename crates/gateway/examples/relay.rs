//! The data plane alone, for measurements: `relay LISTEN_PORT NODE_PORT`. Jobs `job-0` to `job-999`
//! run on the node.

#[path = "support/setup.rs"]
mod setup;

use std::sync::Arc;

use narrows_gateway::control::ControlPort;
use narrows_gateway::runtime;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let address = |port: &String| format!("127.0.0.1:{port}");
    let snapshot = setup::snapshot(&address(&args[1]), &address(&args[2]));
    let port: Arc<dyn ControlPort> = Arc::new(setup::Nobody);
    runtime::start(&snapshot, 1, &port).expect("start").join();
}
