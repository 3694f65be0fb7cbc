//! The control plane of Narrows: configuration, stores, telemetry, admin.
//!
//! Ordinary async Rust on threads of its own. It gives the data plane immutable snapshots, lookup answers,
//! and commands; it never stands in the way of a call. Start reading at [`daemon`].
#![warn(missing_docs)]

pub mod access_log;
pub mod admin;
pub mod compile;
pub mod config;
pub mod connect;
pub mod daemon;
pub mod demo;
pub mod discovery;
pub mod etcd;
pub mod health;
pub mod host;
pub mod metrics;
pub mod offline;
mod pause;
pub mod reflection;
pub mod register;
pub mod scratch;
pub mod signals;
pub mod stores;

mod time_format;
pub mod zookeeper;
