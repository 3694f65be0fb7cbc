//! The gateway's own entry: what can be wrong with it before anybody is asked.

use std::time::Duration;

use narrows_gateway::target::Scheme;

use super::discovery::{self, Means};
use super::previous::Previous;
use super::report::Report;
use super::tls::ClientRoots;
use crate::config::Config;
use crate::register::{EtcdKey, RegisterOptions, ZookeeperNode};

/// The shortest and the longest lease. Servers have limits of their own.
const LEASES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));

/// Where the gateway registers itself; `None`: nowhere, or faults were reported.
pub(super) fn compile(
    config: &Config,
    previous: &Previous,
    next: &mut Previous,
    report: &mut Report<'_>,
) -> Option<RegisterOptions> {
    let written = config.register.as_ref()?;
    if written.address.0.scheme != Scheme::Inherit {
        report.error("register.address", "write host:port");
    }
    let lease = written.lease.0;
    if !(LEASES.0..=LEASES.1).contains(&lease) {
        report.error("register.lease", format!("must be from {:?} to {:?}", LEASES.0, LEASES.1));
    }
    let address = written.address.0.to_string();
    let mut roots = ClientRoots::default();
    let mut means = Means { roots: &mut roots, previous, next, report };
    match (&written.zookeeper, &written.etcd) {
        (Some(zookeeper), None) => {
            let at = discovery::zookeeper("register.zookeeper", zookeeper, &mut means)?;
            let (ensemble, parent) = (at.ensemble, at.path);
            Some(RegisterOptions::Zookeeper(ZookeeperNode { ensemble, parent, address }))
        }
        (None, Some(etcd)) => {
            let at = discovery::etcd("register.etcd", etcd, &mut means)?;
            let prefix = format!("{}/", at.prefix.trim_end_matches('/'));
            Some(RegisterOptions::Etcd(EtcdKey { etcd: at.etcd, prefix, address, lease }))
        }
        _ => {
            report.error("register", "write one of zookeeper and etcd");
            None
        }
    }
}
