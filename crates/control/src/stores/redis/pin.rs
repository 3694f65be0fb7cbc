//! Writes down which node a session has, so that all gateways read the same.
//!
//! A new pin is `SET key target NX PX ttl`: of several gateways the first one wins. One that takes the place of another
//! is written by a script that looks at what is there. What counts afterwards is what is read, in the same way as any
//! key, and from then on Redis announces changes to all who have read it.

use std::sync::Arc;

use narrows_gateway::control::{Pin, Written};
use redis::{Cmd, Value, cmd};

use super::fetch::{SETTLE, TRIES, lane_of, patience};
use super::value::{Named, Said, explain};
use super::{Key, Redis, Shared, ValueForm};
use crate::stores::{PinReply, refuse};

/// Pins that are being written; more are refused.
const PINS_MAX: usize = 16_384;

/// Sets KEYS[1] to ARGV[2] for ARGV[3] milliseconds if it is ARGV[1], or nothing.
const REPLACE: &str = "local now = redis.call('GET', KEYS[1]) \
    if now and now ~= ARGV[1] then return false end \
    return redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])";

// === impl Redis ===

impl Redis {
    /// Pins a session, and tells `reply` what Redis says of its key then.
    pub(in crate::stores) fn pin(&self, key: Key, pin: Pin, reply: Option<PinReply>) {
        let Ok(permit) = self.shared.pins.clone().try_acquire_owned() else {
            let text = format!("store {}: {PINS_MAX} pins wait already", self.shared.name());
            return refuse(reply, text);
        };
        let shared = self.shared.clone();
        tokio::spawn(async move {
            let result = write(&shared, &key, &pin).await;
            drop(permit);
            match (result, reply) {
                (Ok(written), Some(reply)) => shared.ask_after(key, written, reply),
                (Err(why), reply) => {
                    let text = format!("store {}: key {}: {why}", shared.name(), Named(&key));
                    tracing::debug!(%text, "a session was not pinned");
                    refuse(reply, text);
                }
                // Redis announces the change to whoever has read the key.
                (Ok(_), None) => {}
            }
        });
    }
}

// === impl Shared ===

impl Shared {
    /// Room for pins that are being written.
    pub(super) fn room_for_pins() -> Arc<tokio::sync::Semaphore> {
        Arc::new(tokio::sync::Semaphore::new(PINS_MAX))
    }

    /// Reads a key that was written: whatever was known of it is old.
    fn ask_after(self: &Arc<Self>, key: Key, written: Written, reply: PinReply) {
        self.cache.forget(&key);
        self.ask(key, Some(Box::new(move |result| reply(result.map(|it| (it, written))))));
    }
}

async fn write(shared: &Arc<Shared>, key: &[u8], pin: &Pin) -> Result<Written, String> {
    if !matches!(shared.options.value, ValueForm::String) {
        return Err("only stores whose values are strings remember sessions".to_owned());
    }
    let redis_key = shared.options.key.expand(key);
    let command = command(&redis_key, pin);
    for _ in 0..TRIES {
        let lane = lane_of(shared, &redis_key).await?;
        let mut up = lane.up(patience(shared)).await.map_err(|why| why.to_string())?;
        let reply = up.connection.send_packed_command(&command).await;
        let reply =
            reply.map_err(|error| explain(&error, &up.node, shared.options.response_timeout))?;
        match reply {
            Value::Okay => return Ok(Written::Now),
            Value::Nil => return Ok(Written::Before),
            other => match shared.options.value.read(shared.name(), &redis_key, &other) {
                Said::Moved(_) | Said::Ask(_) => {
                    shared.rediscover.notify_one();
                    tokio::time::sleep(SETTLE).await;
                }
                Said::Failure(why) => return Err(why),
                Said::Outcome(_) => return Err("the key holds no string".to_owned()),
            },
        }
    }
    Err("the nodes of the cluster disagree on who has it".to_owned())
}

fn command(redis_key: &[u8], pin: &Pin) -> Cmd {
    let (target, millis) = (pin.target.to_string(), pin.ttl.as_millis() as u64);
    match &pin.replaces {
        None => cmd("SET").arg(redis_key).arg(target).arg("NX").arg("PX").arg(millis).to_owned(),
        Some(old) => cmd("EVAL")
            .arg(REPLACE)
            .arg(1)
            .arg(redis_key)
            .arg(old.to_string())
            .arg(target)
            .arg(millis)
            .to_owned(),
    }
}
