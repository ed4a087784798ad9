//! What a shard of the simulated broker writes into: queues over links in memory, letters and
//! questions that wait for the end of the turn, operations for the store.

use std::collections::VecDeque;
use std::io::IoSlice;

use mqtt_broker::engine::event::{Cause, Event};
use mqtt_broker::engine::ids::{ConnectionId, ShardId};
use mqtt_broker::engine::letter::Batch;
use mqtt_broker::engine::lobby::Admitted;
use mqtt_broker::engine::out_queue::OutQueue;
use mqtt_broker::engine::sink::{Question, Reading, Sink, Verdict};
use mqtt_broker::engine::store_op::{StoreOp, Ticket, Urgency};
use mqtt_session::time::Instant;

use super::network::{LinkId, Network};

/// Something that the engine told, as far as the checks want to hear of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// A client was greeted on this link.
    Connected(LinkId),
    /// A connection ended.
    Disconnected(LinkId, Cause),
    /// The session of a client ended by time.
    Expired(usize),
    /// A message was dropped because a queue was full.
    Dropped,
    /// Messages could not be read from the store.
    Damaged,
    /// A message did not fit into a packet that its client takes.
    TooLarge,
}

/// One connection of a shard.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) link: LinkId,
    pub(crate) out: OutQueue,
    pub(crate) paused: bool,
    /// The engine has closed it; it goes once all is flushed, or at this time.
    pub(crate) closing: Option<Instant>,
}

/// A connection on its way to another shard.
#[derive(Debug)]
pub(crate) struct Departure {
    pub(crate) socket: Socket,
    pub(crate) admitted: Box<Admitted>,
}

/// Time that a closed connection has to take its last bytes.
const LINGER_MILLIS: u64 = 2_000;

/// The surroundings of one shard.
#[derive(Debug)]
pub(crate) struct ShardSink {
    slots: Vec<(u32, Option<Socket>)>,
    free: Vec<u32>,
    pub(crate) now: Instant,
    pub(crate) outboxes: Vec<Batch>,
    pub(crate) departures: Vec<(ShardId, Departure)>,
    pub(crate) questions: VecDeque<(ConnectionId, Verdict)>,
    pub(crate) ops: Vec<(StoreOp, Urgency)>,
    /// Batches that were submitted.
    pub(crate) batches: u64,
    pub(crate) told: Vec<Told>,
    void: OutQueue,
}

impl ShardSink {
    pub(crate) fn new(shards: u16) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            now: Instant::default(),
            outboxes: (0..shards).map(|_| Batch::default()).collect(),
            departures: Vec::new(),
            questions: VecDeque::new(),
            ops: Vec::new(),
            batches: 0,
            told: Vec::new(),
            void: OutQueue::default(),
        }
    }

    /// Gives a connection a place. Places are used again, under another generation.
    pub(crate) fn insert(&mut self, socket: Socket) -> ConnectionId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            u32::try_from(self.slots.len() - 1).expect("a world is small")
        });
        let slot = &mut self.slots[index as usize];
        slot.0 += 1;
        slot.1 = Some(socket);
        ConnectionId {
            index,
            generation: slot.0,
        }
    }

    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<Socket> {
        self.get_mut(id)?;
        self.free.push(id.index);
        self.slots[id.index as usize].1.take()
    }

    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Socket> {
        let slot = self.slots.get_mut(id.index as usize)?;
        slot.1.as_mut().filter(|_| slot.0 == id.generation)
    }

    fn get(&self, id: ConnectionId) -> Option<&Socket> {
        let slot = self.slots.get(id.index as usize)?;
        slot.1.as_ref().filter(|_| slot.0 == id.generation)
    }

    /// All connections, in the order of their places.
    pub(crate) fn ids(&self) -> Vec<ConnectionId> {
        let ids = self.slots.iter().zip(0..);
        ids.filter(|((_, socket), _)| socket.is_some())
            .map(|((generation, _), index)| ConnectionId {
                index,
                generation: *generation,
            })
            .collect()
    }

    /// Moves what a connection has to say to its link, as far as there is room. Whether the engine
    /// wants to hear of the room that is there now.
    pub(crate) fn flush(&mut self, id: ConnectionId, network: &mut Network) -> bool {
        let Some(socket) = self.get_mut(id) else {
            return false;
        };
        let pipe = &mut network.links[socket.link].down;
        while pipe.room() > 0 && !socket.out.is_empty() {
            let mut slices = [IoSlice::new(&[]); 8];
            let filled = socket.out.fill(&mut slices);
            let mut sent = 0;
            for slice in &slices[..filled] {
                sent += pipe.write(slice);
            }
            socket.out.consume(sent, &mut Vec::new());
        }
        let blocked = !socket.out.is_empty();
        socket.out.set_blocked(blocked);
        let room = socket.out.take_room();
        room && socket.closing.is_none()
    }

    fn link_of(&self, id: ConnectionId) -> Option<LinkId> {
        Some(self.get(id)?.link)
    }
}

impl Sink for ShardSink {
    fn out(&mut self, to: ConnectionId) -> &mut OutQueue {
        let slot = self.slots.get_mut(to.index as usize);
        let socket = slot.and_then(|(generation, socket)| {
            socket.as_mut().filter(|_| *generation == to.generation)
        });
        match socket {
            Some(socket) if socket.closing.is_none() => &mut socket.out,
            _ => {
                self.void = OutQueue::default();
                &mut self.void
            }
        }
    }

    fn close(&mut self, connection: ConnectionId) {
        let until = self.now + std::time::Duration::from_millis(LINGER_MILLIS);
        if let Some(socket) = self.get_mut(connection) {
            socket.closing.get_or_insert(until);
        }
    }

    fn reading(&mut self, connection: ConnectionId, reading: Reading) {
        if let Some(socket) = self.get_mut(connection) {
            socket.paused = reading == Reading::Paused;
        }
    }

    fn hand_over(&mut self, connection: ConnectionId, home: ShardId, admitted: Box<Admitted>) {
        if let Some(socket) = self.remove(connection) {
            let departure = Departure { socket, admitted };
            self.departures.push((home, departure));
        }
    }

    fn outbox(&mut self, to: ShardId) -> &mut Batch {
        &mut self.outboxes[to.index()]
    }

    fn persist(&mut self, op: StoreOp, urgency: Urgency) -> Ticket {
        self.ops.push((op, urgency));
        Ticket(self.batches + 1)
    }

    fn ask(&mut self, connection: ConnectionId, question: Question) {
        let Question::Password { hash, password } = question;
        let verdict = if hash.verify(&password) {
            Verdict::Allow
        } else {
            Verdict::Deny
        };
        self.questions.push_back((connection, verdict));
    }

    fn tell(&mut self, event: Event<'_>) {
        let told = match event {
            Event::ClientConnected { connection, .. } => {
                self.link_of(connection).map(Told::Connected)
            }
            Event::Disconnected {
                connection, cause, ..
            } => self
                .link_of(connection)
                .map(|link| Told::Disconnected(link, cause)),
            Event::SessionExpired { client_id } => slot_of(client_id).map(Told::Expired),
            Event::MessagesDropped { .. } => Some(Told::Dropped),
            Event::OutgoingTooLarge { .. } => Some(Told::TooLarge),
            Event::MessagesDamaged { .. } => Some(Told::Damaged),
            _ => None,
        };
        self.told.extend(told);
    }
}

/// The number of a client by its id.
fn slot_of(client_id: &str) -> Option<usize> {
    client_id.strip_prefix('c')?.parse().ok()
}
