//! A broker of one shard, and clients that do to it what they like.

use std::sync::Arc;

use mqtt_broker::engine::commons::Commons;
use mqtt_broker::engine::ids::ShardId;
use mqtt_broker::engine::limits::Settings;
use mqtt_broker::engine::shard::Shard;
use mqtt_broker::engine::sink::Sink;
use mqtt_codec::{Connect, Version};
use mqtt_session::time::Now;

use crate::support::sockets::{PEER, START, Sockets, connection, open_settings};

pub struct Broker {
    pub shard: Shard,
    pub sockets: Sockets,
    pub now: Now,
}

impl Broker {
    pub fn new() -> Self {
        Self::with(open_settings())
    }

    pub fn with(settings: Settings) -> Self {
        let commons = Arc::new(Commons::new(1, [3; 32]));
        Self {
            shard: Shard::new(ShardId(0), commons, Arc::new(settings)),
            sockets: Sockets::default(),
            now: START,
        }
    }

    pub fn open(&mut self, client: u32) {
        let id = connection(client);
        self.shard
            .handle_opened(self.now, id, PEER, &mut self.sockets);
    }

    pub fn join(&mut self, client: u32) {
        self.open(client);
        let mut bytes = Vec::new();
        Connect::new(Version::V5, &client.to_string()).encode(&mut bytes);
        self.send(client, &bytes);
        assert_eq!(self.sockets.take(client)[0], 0x20, "CONNACK");
    }

    pub fn send(&mut self, client: u32, bytes: &[u8]) {
        let id = connection(client);
        self.shard
            .handle_bytes(self.now, id, bytes, &mut self.sockets);
    }

    pub fn block(&mut self, client: u32) {
        self.sockets.out(connection(client)).set_blocked(true);
    }

    /// The sockets take what they can.
    pub fn turn(&mut self) {
        self.sockets.flush();
        self.shard.end_turn(0, 0, 0);
    }

    /// Tells the broker of the client's room if it waits for that.
    pub fn has_room(&mut self, client: u32) -> bool {
        let id = connection(client);
        let is_awaited = self.sockets.out(id).take_room();
        if is_awaited {
            self.shard.handle_room(self.now, id, &mut self.sockets);
        }
        is_awaited
    }

    /// Sends, and reads the answer.
    pub fn ask(&mut self, client: u32, bytes: &[u8]) -> Vec<u8> {
        self.send(client, bytes);
        self.sockets.take(client)
    }

    pub fn is_closed(&self, client: u32) -> bool {
        self.sockets.closed.contains(&connection(client))
    }
}
