//! The broker's mind: bytes and time in, bytes out. It opens no socket, reads no clock, never waits.
//!
//! Read `sink.rs` first (what the engine asks of its surroundings), then `shard/mod.rs` (what can
//! happen to a shard), then `shard/publish.rs` (what happens most).

pub mod commons;
pub mod envelope;
pub mod event;
pub mod ids;
pub mod letter;
pub mod limits;
pub mod lobby;
pub mod out_queue;
pub mod routing;
pub mod session;
pub mod shard;
pub mod sink;
pub mod slab;
pub mod store_op;
pub mod wheel;
