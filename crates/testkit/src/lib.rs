//! Test support: nothing of this crate is part of the product.
//!
//! `world` simulates the whole gateway in one thread; `fuzz` holds the bodies of the fuzz targets; `process` and `servers` start real programs for the end-to-end tests.

pub mod fuzz;
pub mod process;
pub mod servers;
pub mod world;
