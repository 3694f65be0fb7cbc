//! The Redis store against real servers that the tests start.

#[path = "store_redis/access.rs"]
mod access;
#[path = "store_redis/cluster.rs"]
mod cluster;
#[path = "store_redis/failover.rs"]
mod failover;
#[path = "store_redis/lookups.rs"]
mod lookups;
#[path = "store_redis/outages.rs"]
mod outages;
#[path = "store_redis/pins.rs"]
mod pins;
#[path = "store_redis/support.rs"]
mod support;
#[path = "store_redis/tracking.rs"]
mod tracking;
