//! Test support: nothing of this crate is part of the product.
//!
//! `process` and `servers` start real programs for the end-to-end tests.

pub mod process;
pub mod servers;
