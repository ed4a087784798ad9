//! What the tests that count allocations share: the allocator that counts, and sockets in memory.

pub mod counting;
pub mod sockets;
