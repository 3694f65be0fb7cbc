//! Nodes of upstreams as other systems know them.
//!
//! A source (a file of `discovery/` for each kind) follows its system and says again and again which nodes there are.
//! It knows nothing of the others. `keeper.rs` puts together what the sources of an upstream say, within what
//! `guard.rs` believes, keeps it on disk (`memory.rs`), and hands it to the workers. A source that is away changes
//! nothing: the last nodes that it named stay in force. Sources live as long as a configuration asks for the same:
//! a reload that leaves them as they are does not touch them.
//! Invariant: whatever happens to a source, no worker waits, and no node is lost because of silence.

mod dns;
mod etcd;
mod file;
mod guard;
mod keeper;
mod kubernetes;
mod memory;
mod node;
mod options;
mod redis_set;
mod slot;
mod zookeeper;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use narrows_gateway::clock;
use narrows_gateway::endpoints::{Endpoints, Member};
use tokio::task::JoinSet;

pub use self::dns::{DnsName, Records};
pub use self::etcd::EtcdPrefix;
pub use self::guard::Rules;
use self::keeper::{Keeper, Sink};
pub use self::kubernetes::KubernetesService;
use self::memory::Memory;
pub use self::node::{Node, NodeError};
pub use self::options::{Place, SourceOptions};
pub use self::redis_set::RedisKey;
use self::slot::Slot;
pub use self::slot::SourceStatus;
pub use self::zookeeper::ZookeeperPath;

/// How long a start or a reload waits for the first words of new sources.
pub const FIRST_WORD_TIMEOUT: Duration = Duration::from_secs(3);

/// An upstream whose nodes are to be followed.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Its name.
    pub upstream: Arc<str>,
    /// Where they are handed over.
    pub endpoints: Arc<Endpoints>,
    /// Where they come from, at least one.
    pub sources: Vec<SourceOptions>,
}

/// All that is followed.
#[derive(Debug)]
pub struct Discovery {
    followed: Mutex<Vec<Followed>>,
    /// Where sets are kept; `None`: nowhere.
    state_directory: Option<PathBuf>,
}

/// An upstream that is followed. Its tasks end with it.
#[derive(Debug)]
struct Followed {
    wanted: Wanted,
    slots: Vec<Arc<Slot>>,
    _tasks: JoinSet<()>,
}

// === impl Discovery ===

impl Discovery {
    /// Follows nothing yet. Sets are kept in the directory, which is made when it is needed.
    pub fn new(state_directory: Option<PathBuf>) -> Arc<Self> {
        Arc::new(Self { followed: Mutex::default(), state_directory })
    }

    /// Follows these and no others; what is followed already stays as it is. Waits a while for the first words of
    /// those that are new.
    pub async fn follow(&self, wanted: &[Wanted]) {
        let started: Vec<_> = {
            let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
            followed.retain(|one| wanted.iter().any(|wanted| one.wanted.is_same(wanted)));
            let is_new = |one: &&Wanted| !followed.iter().any(|known| known.wanted.is_same(one));
            let new: Vec<_> = wanted.iter().filter(is_new).collect();
            let started: Vec<_> = new.into_iter().map(|one| self.start(one)).collect();
            let slots = started.iter().flat_map(|one: &Followed| one.slots.clone()).collect();
            followed.extend(started);
            slots
        };
        let all = async {
            for slot in &started {
                slot.heard().await;
            }
        };
        // A source that is away now is heard when it comes.
        let _ = tokio::time::timeout(FIRST_WORD_TIMEOUT, all).await;
    }

    /// How the sources are doing, by upstream in the order of the configuration.
    pub fn status(&self) -> Vec<(Arc<str>, Vec<SourceStatus>)> {
        let followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let status = |one: &Followed| {
            let sources = one.slots.iter().map(|slot| slot.status()).collect();
            (one.wanted.upstream.clone(), sources)
        };
        let mut all: Vec<_> = followed.iter().map(status).collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }

    fn start(&self, wanted: &Wanted) -> Followed {
        let mut tasks = JoinSet::new();
        let slots = Slot::of(&wanted.upstream, &wanted.sources);
        let memory = self.state_directory.as_ref().map(|at| Memory::new(at, &wanted.upstream));
        let keeper = Keeper::new(&wanted.sources, slots.clone(), sink(&wanted.endpoints), memory);
        tasks.spawn(keeper.run());
        for (slot, options) in slots.iter().zip(&wanted.sources) {
            tasks.spawn(options::run(options.clone(), slot.clone()));
        }
        Followed { wanted: wanted.clone(), slots, _tasks: tasks }
    }
}

// === impl Wanted ===

impl Wanted {
    fn is_same(&self, other: &Self) -> bool {
        self.upstream == other.upstream
            && Arc::ptr_eq(&self.endpoints, &other.endpoints)
            && self.sources == other.sources
    }
}

fn sink(endpoints: &Arc<Endpoints>) -> Sink {
    let endpoints = endpoints.clone();
    Box::new(move |nodes: &[Node]| {
        let members = nodes.iter().map(member).collect();
        endpoints.replace(members, clock::now());
    })
}

fn member(node: &Node) -> Member {
    let labels = node.labels.iter();
    Member {
        target: Arc::new(node.target.clone()),
        weight: node.weight,
        priority: node.priority,
        labels: labels.map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect(),
    }
}
