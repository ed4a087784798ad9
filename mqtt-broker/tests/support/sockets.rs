//! Connections by index, whose sockets take everything that is flushed.

use std::io::IoSlice;

use mqtt_broker::engine::event::Event;
use mqtt_broker::engine::ids::{ConnectionId, ShardId};
use mqtt_broker::engine::letter::Batch;
use mqtt_broker::engine::limits::{ListenerSettings, Settings};
use mqtt_broker::engine::lobby::Admitted;
use mqtt_broker::engine::out_queue::{OutQueue, Pending};
use mqtt_broker::engine::shard::Peer;
use mqtt_broker::engine::sink::{Question, Reading, Sink};
use mqtt_broker::engine::store_op::{StoreOp, Ticket, Urgency};
use mqtt_session::time::{Instant, Now, UnixTime};

/// Where every test begins.
pub const START: Now = Now {
    instant: Instant::from_millis(1000),
    unix: UnixTime::from_millis(1000),
};

/// A client of the first listener.
pub const PEER: Peer = Peer {
    listener: 0,
    internal: false,
};

/// The one connection that a client has.
pub const fn connection(index: u32) -> ConnectionId {
    ConnectionId {
        index,
        generation: 0,
    }
}

/// Whoever connects may.
pub fn open_settings() -> Settings {
    let listener = ListenerSettings {
        allow_anonymous: true,
        ..ListenerSettings::default()
    };
    Settings {
        listeners: vec![listener],
        ..Settings::default()
    }
}

#[derive(Default)]
pub struct Sockets {
    queues: Vec<OutQueue>,
    pool: Vec<Box<Pending>>,
    batch: Batch,
    /// Bytes that the sockets took.
    pub sent: usize,
    /// In the order in which they were closed.
    pub closed: Vec<ConnectionId>,
    /// Connections that are not read from.
    pub paused: Vec<ConnectionId>,
}

impl Sink for Sockets {
    fn out(&mut self, to: ConnectionId) -> &mut OutQueue {
        let index = to.index as usize;
        if self.queues.len() <= index {
            self.queues.resize_with(index + 1, OutQueue::default);
        }
        let queue = &mut self.queues[index];
        queue.lend(&mut self.pool);
        queue
    }
    fn close(&mut self, connection: ConnectionId) {
        self.closed.push(connection);
    }
    fn reading(&mut self, connection: ConnectionId, reading: Reading) {
        self.paused.retain(|paused| *paused != connection);
        if reading == Reading::Paused {
            self.paused.push(connection);
        }
    }
    fn hand_over(&mut self, _: ConnectionId, _: ShardId, _: Box<Admitted>) {
        panic!("there is one shard");
    }
    fn outbox(&mut self, _: ShardId) -> &mut Batch {
        &mut self.batch
    }
    fn persist(&mut self, _: StoreOp, _: Urgency) -> Ticket {
        panic!("nothing is durable here")
    }
    fn ask(&mut self, _: ConnectionId, _: Question) {
        panic!("nobody has a password")
    }
    fn tell(&mut self, _: Event<'_>) {}
}

impl Sockets {
    /// The sockets that are not blocked take what waits for them.
    pub fn flush(&mut self) {
        for index in 0..self.queues.len() {
            self.drain(index, |_| {});
        }
    }

    fn drain(&mut self, index: usize, mut take: impl FnMut(&[u8])) {
        let queue = &mut self.queues[index];
        while !queue.is_empty() && !queue.is_blocked() {
            let mut slices = [IoSlice::new(&[]); 4];
            let filled = queue.fill(&mut slices);
            let slices = &slices[..filled];
            slices.iter().for_each(|slice| take(slice));
            let bytes = slices.iter().map(|slice| slice.len()).sum();
            self.sent += bytes;
            queue.consume(bytes, &mut self.pool);
        }
    }

    /// What waits for one client, which takes it.
    #[allow(dead_code, reason = "not every test reads what it is sent")]
    pub fn take(&mut self, index: u32) -> Vec<u8> {
        let mut taken = Vec::new();
        self.out(connection(index));
        self.drain(index as usize, |bytes| taken.extend_from_slice(bytes));
        taken
    }
}
