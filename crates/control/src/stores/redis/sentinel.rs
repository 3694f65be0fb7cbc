//! Which server the sentinels call the master.

use std::sync::Arc;
use std::time::Duration;

use redis::cmd;

use super::Shared;
use super::connect::{open, sentinel_client};
use super::map::Map;
use super::options::{Node, RedisOptions, Topology};
use super::value::explain;

/// Between two questions, so that a switch is seen though the old master still answers.
const ASK_INTERVAL: Duration = Duration::from_millis(500);

/// The master, from the first sentinel that knows it.
pub(super) async fn master(options: &RedisOptions) -> Result<Node, String> {
    let Topology::Sentinel { sentinels, master, .. } = &options.topology else {
        return Err("the store has no sentinels".to_owned());
    };
    let mut problems = Vec::new();
    for sentinel in sentinels {
        match ask(options, sentinel, master).await {
            Ok(node) => return Ok(node),
            Err(problem) => problems.push(problem),
        }
    }
    Err(format!("no sentinel names the master {master}: {}", problems.join("; ")))
}

/// Has every lane connect again when the sentinels name another master.
pub(super) async fn watch(shared: Arc<Shared>, map: Arc<Map>) {
    loop {
        tokio::time::sleep(ASK_INTERVAL).await;
        let Ok(master) = master(&shared.options).await else { continue };
        for lane in map.lanes() {
            if lane.connected_to().is_none_or(|node| node != master) {
                lane.connect_again();
            }
        }
    }
}

async fn ask(options: &RedisOptions, sentinel: &Node, name: &str) -> Result<Node, String> {
    let Topology::Sentinel { username, password, .. } = &options.topology else {
        return Err("the store has no sentinels".to_owned());
    };
    let client = sentinel_client(options, sentinel, (username.as_deref(), password.as_ref()))?;
    let mut connection = open(options, &client, sentinel, None).await?;
    let mut question = cmd("SENTINEL");
    question.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
    let answer = question.query_async::<Option<(String, u16)>>(&mut connection).await;
    match answer {
        Ok(Some((host, port))) => Ok(Node::new(host, port)),
        Ok(None) => Err(format!("sentinel {sentinel} does not know {name}")),
        Err(error) => Err(explain(&error, sentinel, options.response_timeout)),
    }
}
