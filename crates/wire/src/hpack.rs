//! HPACK: header compression for HTTP/2 (RFC 7541).
//!
//! A [`Decoder`] turns a block of bytes into fields of a [`Head`](crate::Head), an [`Encoder`] the other
//! way. Both hold the dynamic table of one direction of one connection. Every call passes here twice, so
//! nothing is allocated per block or per table entry once the tables have grown, and a connection that
//! carried no block holds no memory at all.
//! The peer is hostile: no length, index, or table size is believed, and a block over a limit is still
//! decoded to its end, since the table must stay in step with the peer's.
//! Read `decoder.rs` and `encoder.rs` first; `table.rs` is shared by both.

mod decoder;
mod encoder;
mod hash;
mod huffman;
mod index;
mod integer;
mod section;
mod static_table;
mod table;

pub use crate::syntax::FieldFault;
pub use decoder::{DecodeError, Decoder};
pub use encoder::{Encoder, TABLE_BYTES_CAP};
pub use section::{Section, SectionLimits};
pub use static_table::StaticIndex;

/// What HPACK adds to the lengths of name and value for the size of a field (RFC 7541 §4.1).
pub const FIELD_OVERHEAD_BYTES: u32 = 32;
