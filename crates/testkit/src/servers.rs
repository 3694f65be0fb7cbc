//! Launchers of the real programs that the end-to-end tests run: the gateway, Redis, ZooKeeper, etcd, NSD, gRPC peers,
//! web servers.
//!
//! Every launcher binds port 0 or asks the kernel for a free port, waits until the program says that it serves,
//! and kills it when it goes out of scope. `cargo xtask test` installs the programs.

mod authority;
mod certificate;
mod etcd;
mod grpc;
mod http;
mod kubernetes;
mod narrows;
mod nsd;
mod partition;
mod redis;
mod zookeeper;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

pub use authority::{Authority, Signed};
pub use certificate::Certificate;
pub use etcd::{Etcd, EtcdLease};
pub use grpc::{GrpcServer, Stack, node, python, run_client, run_oracle};
pub use http::{HttpServer, Seen, WebServer};
pub use kubernetes::{Kubernetes, TOKEN};
pub use narrows::{HttpReply, Narrows};
pub use nsd::{Nsd, ZONE};
pub use partition::Wire;
pub use redis::Redis;
pub use zookeeper::{Zookeeper, ZookeeperSession};

/// The root of the repository.
///
/// # Panics
///
/// When the crate has been moved out of it.
pub fn repository() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Path::parent);
    crates.expect("the crate lies two levels below the root").to_path_buf()
}

/// An address on loopback whose port was free a moment ago, for programs that can not bind port 0 and tell.
///
/// # Panics
///
/// When the machine has no free port.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    listener.local_addr().expect("a bound listener has an address")
}

/// The file that `cargo xtask test` installed, unless the variable names another.
fn installed(variable: &str, path: &str) -> PathBuf {
    match std::env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        None => repository().join(path),
    }
}
