//! Where a shard's decisions go: out queues, lists of what the end of the turn has to do, and batches
//! for other shards. Nothing here makes a system call but taking a socket off the poller.

use std::sync::Arc;

use mqtt_session::time::Now;

use super::buffers::Buffers;
use super::linger::Linger;
use super::mailbox::{Mail, bit};
use super::observer::Observer;
use super::quota::Quota;
use super::sockets::{Connection, Sockets, Stage};
use super::verdicts::Oracle;
use crate::engine::event::Event;
use crate::engine::ids::{ConnectionId, ShardId};
use crate::engine::letter::Batch;
use crate::engine::lobby::Admitted;
use crate::engine::out_queue::OutQueue;
use crate::engine::sink::{Question, Reading, Sink, Verdict};
use crate::engine::store_op::{StoreOp, Ticket, Urgency};
use crate::store::Store;

/// The store operations of a turn.
#[derive(Default)]
pub(super) struct ToStore {
    pub(super) store: Option<Store>,
    pub(super) ops: Vec<StoreOp>,
    /// Somebody waits for one of them.
    pub(super) awaited: bool,
    /// The last batch that was submitted.
    pub(super) submitted: Ticket,
    /// The last one that the shard knows to be durable.
    pub(super) durable: Ticket,
    /// The shard knows that the disk has no room.
    pub(super) no_room: bool,
}

/// The surroundings of one shard.
pub(super) struct ShardSink {
    pub(super) me: ShardId,
    /// The time of this turn.
    pub(super) now: Now,
    pub(super) sockets: Sockets,
    pub(super) buffers: Buffers,
    /// Connections whose queue was touched since they were last flushed.
    pub(super) dirty: Vec<ConnectionId>,
    /// How often something was appended to a queue in this turn.
    pub(super) appends: usize,
    /// Connections to read from in this turn or the next.
    pub(super) ready: Vec<ConnectionId>,
    /// Connections that the engine has closed and that are not gone yet.
    pub(super) linger: Linger,
    /// Answers that came at once.
    pub(super) verdicts: Vec<(ConnectionId, Verdict)>,
    /// Connections that leave for other shards.
    pub(super) departures: Vec<(ShardId, Mail)>,
    /// What is to be kept.
    pub(super) to_store: ToStore,
    /// Letters to each shard.
    pub(super) outboxes: Vec<Batch>,
    /// Shards with letters to them, a bit each.
    pub(super) written: u64,
    pub(super) oracle: Oracle,
    pub(super) quota: Arc<Quota>,
    pub(super) observer: Arc<dyn Observer>,
    /// What is said to connections that are gone.
    void: OutQueue,
    /// What is said to shards that do not exist.
    void_batch: Batch,
}

impl ShardSink {
    /// Surroundings without connections, among `shards` shards.
    pub(super) fn new(
        me: ShardId,
        shards: usize,
        now: Now,
        sockets: Sockets,
        oracle: Oracle,
        quota: Arc<Quota>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        Self {
            me,
            now,
            sockets,
            buffers: Buffers::default(),
            dirty: Vec::new(),
            appends: 0,
            ready: Vec::new(),
            linger: Linger::default(),
            verdicts: Vec::new(),
            departures: Vec::new(),
            to_store: ToStore::default(),
            outboxes: std::iter::repeat_with(Batch::default)
                .take(shards)
                .collect(),
            written: 0,
            oracle,
            quota,
            observer,
            void: OutQueue::default(),
            void_batch: Batch::default(),
        }
    }

    /// Puts a connection on the list of those to be read from.
    pub(super) fn list(&mut self, id: ConnectionId) {
        if let Some(connection) = self.sockets.get_mut(id)
            && !connection.listed
        {
            connection.listed = true;
            self.ready.push(id);
        }
    }

    /// Puts a connection on the list of those to be flushed.
    pub(super) fn touch(&mut self, id: ConnectionId) {
        if let Some(connection) = self.sockets.get_mut(id)
            && !connection.dirty
        {
            connection.dirty = true;
            self.dirty.push(id);
        }
    }

    /// Closes a socket now, and counts it out if that was not done.
    pub(super) fn drop_socket(&mut self, id: ConnectionId) {
        if let Some(Connection {
            stage: Stage::Open,
            listener,
            ..
        }) = self.sockets.remove(id)
        {
            self.quota.leave(listener);
        }
    }
}

impl Sink for ShardSink {
    #[inline]
    fn out(&mut self, to: ConnectionId) -> &mut OutQueue {
        self.appends += 1;
        match self.sockets.get_mut(to) {
            Some(connection) if connection.stage == Stage::Open => {
                if !connection.dirty {
                    connection.dirty = true;
                    self.dirty.push(to);
                    self.buffers.lend(&mut connection.out);
                }
                &mut connection.out
            }
            _ => {
                self.void = OutQueue::default();
                &mut self.void
            }
        }
    }

    fn close(&mut self, id: ConnectionId) {
        let Some(connection) = self.sockets.get_mut(id) else {
            return;
        };
        if connection.stage != Stage::Open {
            return;
        }
        connection.stage = Stage::Closing;
        self.quota.leave(connection.listener);
        self.linger.push(self.now.instant, id);
        self.touch(id);
    }

    fn reading(&mut self, id: ConnectionId, reading: Reading) {
        let Some(connection) = self.sockets.get_mut(id) else {
            return;
        };
        connection.paused = reading == Reading::Paused;
        if !connection.paused && connection.is_readable() {
            self.list(id);
        }
    }

    fn hand_over(&mut self, id: ConnectionId, home: ShardId, admitted: Box<Admitted>) {
        if let Some(arrival) = self.sockets.depart(id, admitted) {
            self.departures
                .push((home, Mail::Arrival(Box::new(arrival))));
        }
    }

    fn outbox(&mut self, to: ShardId) -> &mut Batch {
        match self.outboxes.get_mut(to.index()) {
            Some(outbox) => {
                self.written |= bit(to);
                outbox
            }
            None => {
                self.void_batch = Batch::default();
                &mut self.void_batch
            }
        }
    }

    fn persist(&mut self, op: StoreOp, urgency: Urgency) -> Ticket {
        self.to_store.ops.push(op);
        self.to_store.awaited |= urgency == Urgency::Awaited;
        Ticket(self.to_store.submitted.0 + 1)
    }

    fn ask(&mut self, connection: ConnectionId, question: Question) {
        if let Some(verdict) = self.oracle.ask(self.me, connection, question) {
            self.verdicts.push((connection, verdict));
        }
    }

    fn tell(&mut self, event: Event<'_>) {
        let connection = connection_of(&event).and_then(|id| self.sockets.get(id));
        let peer = connection.map(Connection::peer);
        self.observer.event(&event, peer.as_ref());
    }
}

/// The connection that an event names.
fn connection_of(event: &Event<'_>) -> Option<ConnectionId> {
    match event {
        Event::ClientConnected { connection, .. }
        | Event::Disconnected { connection, .. }
        | Event::ProtocolViolation { connection, .. }
        | Event::SecondConnect { connection }
        | Event::TlsOnPlainListener { connection }
        | Event::Sending { connection, .. } => Some(*connection),
        _ => None,
    }
}
