//! The clients' side: they open, send, close, and their sockets take nothing for a while.

use std::io::IoSlice;

use mqtt_broker::engine::event::Cause;
use mqtt_broker::engine::ids::ConnectionId;
use mqtt_broker::engine::out_queue::OutQueue;
use mqtt_broker::engine::shard::Peer;

use crate::client::Client;
use crate::network::Network;
use crate::sink::Socket;

impl Network {
    /// Opens a connection, unless the client has one.
    pub fn open(&mut self, client: usize, peer: Peer) -> bool {
        let end = &mut self.ends[client];
        if end.at.is_some() || end.on_its_way {
            return false;
        }
        let shard = self.generation as usize % self.shards.len();
        end.client = Client::new();
        end.unread.clear();
        end.hung_up = false;
        let connection = self.place(client, shard, OutQueue::default());
        self.shards[shard].handle_opened(self.now, connection, peer, &mut self.sinks[shard]);
        true
    }

    pub(crate) fn place(&mut self, client: usize, shard: usize, out: OutQueue) -> ConnectionId {
        self.generation += 1;
        let connection = ConnectionId {
            index: u32::try_from(client).expect("clients are few"),
            generation: self.generation,
        };
        let socket = Socket {
            blocked_at: out.len(),
            out,
            ..Socket::default()
        };
        self.sinks[shard].sockets.insert(connection, socket);
        self.ends[client].at = Some((shard, connection));
        connection
    }

    pub fn send(&mut self, client: usize, bytes: &[u8]) {
        let end = &mut self.ends[client];
        if (end.at.is_some() || end.on_its_way) && !end.hung_up {
            end.client.sends(bytes);
            end.unread.extend_from_slice(bytes);
            self.read(client);
        }
    }

    /// The broker reads what it may of what the client sent.
    pub(crate) fn read(&mut self, client: usize) {
        let end = &mut self.ends[client];
        let Some((shard, connection)) = end.at else {
            return;
        };
        let sink = &mut self.sinks[shard];
        let Some(socket) = sink.sockets.get(&connection) else {
            return;
        };
        if socket.closing {
            return;
        }
        if !socket.paused && !end.unread.is_empty() {
            let bytes = std::mem::take(&mut end.unread);
            self.shards[shard].handle_bytes(self.now, connection, &bytes, sink);
            self.check_bounds(shard);
        }
        let end = &self.ends[client];
        let sink = &mut self.sinks[shard];
        if end.hung_up && end.unread.is_empty() && sink.sockets.remove(&connection).is_some() {
            self.shards[shard].handle_closed(self.now, connection, Cause::ClosedByPeer, sink);
            self.ends[client].at = None;
        } else if !sink.sockets.contains_key(&connection) {
            // It moved while it was read from.
            self.ends[client].at = None;
            self.ends[client].on_its_way = true;
        }
    }

    /// The client closes; what it sent before is read first if the broker reads at all.
    pub fn close(&mut self, client: usize) {
        self.ends[client].hung_up = true;
        if let Some((shard, connection)) = self.ends[client].at {
            self.deliver(client, shard, connection);
            if let Some(socket) = self.sinks[shard].sockets.get(&connection)
                && socket.paused
            {
                self.ends[client].unread.clear();
            }
        }
        self.read(client);
    }

    /// The client's socket takes nothing, or all again.
    pub fn block(&mut self, client: usize, blocked: bool) {
        if let Some((shard, connection)) = self.ends[client].at
            && let Some(socket) = self.sinks[shard].sockets.get_mut(&connection)
        {
            if !socket.out.is_blocked() {
                socket.blocked_at = socket.out.len();
            }
            socket.out.set_blocked(blocked);
        }
    }

    pub(crate) fn deliver(&mut self, client: usize, n: usize, connection: ConnectionId) {
        let Some(socket) = self.sinks[n].sockets.get_mut(&connection) else {
            return;
        };
        let mut bytes = Vec::with_capacity(socket.out.len());
        while !socket.out.is_empty() {
            let mut slices = [IoSlice::new(&[]); 8];
            let filled = socket.out.fill(&mut slices);
            let before = bytes.len();
            slices[..filled]
                .iter()
                .for_each(|slice| bytes.extend_from_slice(slice));
            socket.out.consume(bytes.len() - before, &mut Vec::new());
        }
        self.ends[client].client.takes(&bytes);
    }
}
