//! What a broker of one and of several shards does, packet by packet, without a socket.

mod cold;
mod corners;
mod disk;
mod durable;
mod limits;
mod publishing;
mod scarce;
mod sessions;
mod shared;
mod storm;
mod world;

/// Every rule holds however many shards there are.
const SHARDS: [u16; 2] = [1, 3];
