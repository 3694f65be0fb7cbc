//! Nodes as records of a name in DNS.
//!
//! Asked again whenever the first record ends to live, within limits. Addresses of both families count; of SRV
//! records each address of each host is a node, with the weight and the priority of the record. A name without
//! records says the same as one that someone removed by mistake, so it is a failure like any other: the last nodes
//! stay. Only the root as the one host of an SRV record says that there are none. Nothing is cached but here.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData};
use hickory_resolver::{Resolver, TokioResolver};
use narrows_gateway::target::{Host, Scheme, Target};
use tokio::task::JoinSet;

use super::node::{Node, NodeError};
use super::slot::Slot;

/// Hosts of SRV records that are asked for at the same time.
const HOSTS_AT_ONCE: usize = 16;

/// A name in DNS. Equal options are the same source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsName {
    /// The name; with a dot at its end it is whole.
    pub name: String,
    /// What is asked for.
    pub records: Records,
    /// Servers to ask; none: those of the system.
    pub resolvers: Vec<SocketAddr>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// At least between two questions, and at most.
    pub ttl: (Duration, Duration),
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Records {
    /// Addresses; the nodes are at this port of them.
    Addresses(u16),
    /// SRV records.
    Services,
}

/// Why a name could not be resolved.
#[derive(Debug, thiserror::Error)]
enum DnsError {
    /// The system does not say whom to ask.
    #[error("no resolver: {0}")]
    Resolver(NetError),
    /// It has no such records, or is no name at all.
    #[error("{0}: no such records")]
    NoRecords(String),
    /// No server answered, or the one that did has failed.
    #[error("{name}: {error}")]
    Failed { name: String, error: NetError },
}

/// What a name stands for, and for how long.
#[derive(Debug)]
struct Answer<T> {
    found: Vec<T>,
    /// Of the record that ends first.
    ttl: Duration,
}

type Entry = (String, Result<Option<Node>, NodeError>);

/// Follows the name; never ends.
pub(super) async fn run(at: DnsName, slot: Arc<Slot>) {
    loop {
        // The system may name other servers by now, so they are looked up anew after each failure.
        let Err(error) = follow(&at, &slot).await;
        slot.away(error);
        tokio::time::sleep(at.ttl.0).await;
    }
}

async fn follow(at: &DnsName, slot: &Slot) -> Result<Infallible, DnsError> {
    let resolver = at.resolver().map_err(DnsError::Resolver)?;
    loop {
        let answer = match at.records {
            Records::Addresses(port) => nodes(&resolver, &at.name, port).await?,
            Records::Services => services(&resolver, &at.name).await?,
        };
        slot.found(answer.found);
        let (least, most) = at.ttl;
        tokio::time::sleep(answer.ttl.min(most).max(least)).await;
    }
}

async fn nodes(resolver: &TokioResolver, name: &str, port: u16) -> Result<Answer<Entry>, DnsError> {
    let Answer { mut found, ttl } = addresses(resolver, name).await?;
    // Servers give them in turn, and another order is no change.
    found.sort_unstable();
    let entry = |ip: IpAddr| (ip.to_string(), Ok(Some(node(ip, port))));
    Ok(Answer { found: found.into_iter().map(entry).collect(), ttl })
}

/// Addresses of both families. One family that fails could hide nodes, so it fails the whole.
async fn addresses(resolver: &TokioResolver, name: &str) -> Result<Answer<IpAddr>, DnsError> {
    let (v4, v6) = tokio::join!(resolver.ipv4_lookup(name), resolver.ipv6_lookup(name));
    let mut answer = Answer::default();
    for lookup in [v4, v6] {
        answer.take(name, lookup, |data| match data {
            RData::A(v4) => Some(v4.0.into()),
            RData::AAAA(v6) => Some(v6.0.into()),
            _ => None,
        })?;
    }
    answer.some_of(name)
}

async fn services(resolver: &TokioResolver, name: &str) -> Result<Answer<Entry>, DnsError> {
    let mut answer = Answer::default();
    answer.take(name, resolver.srv_lookup(name).await, |data| match data {
        RData::SRV(srv) => Some(srv.clone()),
        _ => None,
    })?;
    let Answer { found: records, mut ttl } = answer.some_of(name)?;
    // RFC 2782: the root as the only host says that there is no such service.
    let hosts: Vec<_> = records.iter().filter(|srv| !srv.target.is_root()).cloned().collect();
    let ranks: BTreeSet<_> = hosts.iter().map(|srv| srv.priority).collect();
    let mut found = Vec::new();
    for some in hosts.chunks(HOSTS_AT_ONCE) {
        let mut asked = JoinSet::new();
        for srv in some.iter().cloned() {
            let resolver = resolver.clone();
            asked.spawn(async move {
                let host = srv.target.to_ascii();
                (srv, addresses(&resolver, &host).await)
            });
        }
        while let Some(Ok((srv, addresses))) = asked.join_next().await {
            let entry = |ip| {
                let name = format!("{} {ip}:{}", srv.target, srv.port);
                (name, Ok(Some(service(&srv, ip, &ranks))))
            };
            match addresses {
                Ok(addresses) => {
                    ttl = ttl.min(addresses.ttl);
                    found.extend(addresses.found.into_iter().map(entry));
                }
                // The other records do not suffer for a host that is not there.
                Err(DnsError::NoRecords(host)) => found.push((host, Err(NodeError::NoHost))),
                Err(error) => return Err(error),
            }
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(Answer { found, ttl })
}

fn service(srv: &SRV, ip: IpAddr, ranks: &BTreeSet<u16>) -> Node {
    // RFC 2782: a weight of 0 has a small chance beside others, and none is refused for it.
    let weight = u32::from(srv.weight).max(1);
    // Priorities go to 65535 and only their order counts.
    let priority = u8::try_from(ranks.range(..srv.priority).count()).unwrap_or(u8::MAX);
    Node { weight, priority, ..node(ip, srv.port) }
}

fn node(ip: IpAddr, port: u16) -> Node {
    Node::new(Target { scheme: Scheme::Inherit, host: Host::Ip(ip), port })
}

// === impl DnsName ===

impl DnsName {
    /// Whether this can be a name at all.
    pub(crate) fn is_name(text: &str) -> bool {
        !text.is_empty() && Name::from_utf8(text).is_ok_and(|name| !name.is_root())
    }

    fn resolver(&self) -> Result<TokioResolver, NetError> {
        let mut builder = if self.resolvers.is_empty() {
            TokioResolver::builder_tokio()?
        } else {
            let servers = self.resolvers.iter().map(server).collect();
            let config = ResolverConfig::from_name_servers(servers);
            Resolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options: &mut ResolverOpts = builder.options_mut();
        options.cache_size = 0;
        options.timeout = self.timeout;
        options.attempts = 1;
        if !self.resolvers.is_empty() {
            options.use_hosts_file = ResolveHosts::Never;
        }
        builder.build()
    }
}

fn server(at: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
    let at_port = connections.map(|mut connection| {
        connection.port = at.port();
        connection
    });
    NameServerConfig::new(at.ip(), true, at_port.into())
}

// === impl Answer ===

impl<T> Answer<T> {
    /// Adds what was found; a name without such records adds nothing.
    fn take(
        &mut self,
        name: &str,
        lookup: Result<Lookup, NetError>,
        read: impl Fn(&RData) -> Option<T>,
    ) -> Result<(), DnsError> {
        let lookup = match lookup {
            Ok(lookup) => lookup,
            Err(error) if error.is_no_records_found() => return Ok(()),
            Err(error) => return Err(DnsError::Failed { name: name.to_owned(), error }),
        };
        for record in lookup.answers() {
            self.ttl = self.ttl.min(Duration::from_secs(record.ttl.into()));
            self.found.extend(read(&record.data));
        }
        Ok(())
    }

    fn some_of(self, name: &str) -> Result<Self, DnsError> {
        if self.found.is_empty() { Err(DnsError::NoRecords(name.to_owned())) } else { Ok(self) }
    }
}

impl<T> Default for Answer<T> {
    fn default() -> Self {
        Self { found: Vec::new(), ttl: Duration::MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_priorities_is_kept_and_no_weight_is_0() {
        let host = Name::from_utf8("a.example.").expect("a name");
        let records = [(65_535, 0), (10, 60), (20, 65_535)]
            .map(|(priority, weight)| SRV::new(priority, weight, 80, host.clone()));
        let ranks: BTreeSet<_> = records.iter().map(|srv| srv.priority).collect();
        let nodes = records.map(|srv| service(&srv, IpAddr::from([10, 0, 0, 1]), &ranks));
        assert_eq!(nodes.map(|node| (node.priority, node.weight)), [(2, 1), (0, 60), (1, 65_535)]);
    }

    #[test]
    fn a_name_is_told_from_what_is_none() {
        for name in ["a.example", "a.example.", "_grpc._tcp.a.example", "localhost"] {
            assert!(DnsName::is_name(name), "{name}");
        }
        for text in ["", ".", "a..b", &"a".repeat(64)] {
            assert!(!DnsName::is_name(text), "{text}");
        }
    }
}
