//! A worker that panics, in a whole gateway.
//!
//! The fault is put between the worker and the daemon: posting a job panics, on the thread of the worker.

use std::io::{Read, Write};
use std::net::TcpStream;

use narrows_gateway::control::{Busy, Job};

use super::*;
use crate::scratch::Scratch;

/// A name of a node has to be resolved, so a call posts a job.
const CONFIG: &str = "\
workers: 2
listeners: [{ address: 127.0.0.1:0 }]
upstreams: { nodes: { endpoints: ['node.invalid:1'] } }
routes: [{ name: all, upstream: nodes }]
admin: { enabled: false }
";

/// RFC 9113 §3.4: the preface and empty SETTINGS; then `GET /` as RFC 7541 has it in its tables.
const CALL: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\
    \x00\x00\x00\x04\x00\x00\x00\x00\x00\
    \x00\x00\x06\x01\x05\x00\x00\x00\x01\x82\x86\x84\x41\x01a";

struct Trap(Arc<dyn ControlPort>);

impl ControlPort for Trap {
    fn submit(&self, _: Job) -> Result<(), Busy> {
        panic!("a fault for a test");
    }

    fn failed(&self, failure: WorkerFailure) {
        self.0.failed(failure);
    }
}

#[test]
fn a_worker_that_panics_ends_the_process_and_says_why() {
    let scratch = Scratch::new("panic");
    let path = scratch.path().join("narrows.yaml");
    std::fs::write(&path, CONFIG).expect("written");
    let loaded = compile::load(&path).expect("valid");
    let runtime = control_runtime().expect("a runtime");
    let start = Daemon::start_behind(&path, loaded, |port| Arc::new(Trap(port)));
    let mut daemon = runtime.block_on(start).expect("started");
    let shared = daemon.shared().clone();
    assert!(!shared.is_draining());

    let (_, address) = daemon.addresses()[0];
    let mut caller = TcpStream::connect(address).expect("listens");
    caller.write_all(CALL).expect("written");
    let failure = runtime.block_on(daemon.serve(None)).expect_err("a worker has ended");

    assert_eq!(failure.why, "panic: a fault for a test");
    assert!(failure.worker < 2, "{failure}");
    assert!(shared.is_draining(), "readiness has been told");
    // The caller sees its connection end; a reset is an end too.
    let _ = caller.read_to_end(&mut Vec::new());
    assert!(TcpStream::connect(address).is_err(), "the other worker has been drained");
}
