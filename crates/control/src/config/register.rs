//! Where the gateway registers itself, so that callers find it.
//!
//! The systems are written as the sources of nodes are (`discovery.rs`); what becomes of it is in
//! `compile/register.rs`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address::NodeAddress;
use super::discovery::{EtcdConfig, ZookeeperConfig};
use super::units::Period;

/// The gateway's own entry in a system that knows nodes. Exactly one of `zookeeper` and `etcd` says
/// where it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterConfig {
    /// Where callers reach this gateway, as `host:port`.
    pub address: NodeAddress,
    /// An ephemeral node at the path, named by the address. It outlives a gateway that was killed by
    /// `session_timeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zookeeper: Option<ZookeeperConfig>,
    /// A key below the prefix, named by the address, with a lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etcd: Option<EtcdConfig>,
    /// How long a key in etcd outlives a gateway that was killed.
    #[serde(default = "lease")]
    pub lease: Period,
}

fn lease() -> Period {
    Period::seconds(10)
}
