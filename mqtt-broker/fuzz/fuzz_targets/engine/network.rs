//! The shards with everything between them and the clients: sockets, letters, verdicts, the store.
//! What is under way arrives in an order that the input draws, within what a runtime promises:
//! letters of one shard to another stay in order, and a shard submits before its letters leave.

use std::collections::{HashMap, VecDeque};
use std::io::IoSlice;
use std::sync::Arc;
use std::time::Duration;

use mqtt_broker::engine::commons::Commons;
use mqtt_broker::engine::event::{Cause, Event};
use mqtt_broker::engine::ids::{ConnectionId, ShardId};
use mqtt_broker::engine::letter::Batch;
use mqtt_broker::engine::limits::Settings;
use mqtt_broker::engine::lobby::Admitted;
use mqtt_broker::engine::out_queue::{FULL_BYTES, OutQueue};
use mqtt_broker::engine::shard::{Peer, Shard};
use mqtt_broker::engine::sink::{Question, Reading, Sink, Verdict};
use mqtt_broker::engine::store_op::{StoreOp, Ticket, Urgency};
use mqtt_session::time::{Instant, Now, UnixTime};

use crate::client::Client;
use crate::store::Store;

/// Above a full queue: the largest packet, and answers to all that was read at once.
const OVER_FULL_MAX: usize = 256 * 1024;

pub struct Network {
    pub now: Now,
    pub commons: Arc<Commons>,
    shards: Vec<Shard>,
    sinks: Vec<ShardSink>,
    store: Store,
    /// By sender and receiver.
    mail: Vec<Vec<VecDeque<Mail>>>,
    verdicts: VecDeque<(usize, ConnectionId, Verdict)>,
    /// Connections by client; the index of a connection is its client's number.
    pub ends: Vec<End>,
    generation: u32,
}

/// A client with its socket.
pub struct End {
    pub client: Client,
    /// Where it is served; none if it is closed or on its way.
    at: Option<(usize, ConnectionId)>,
    on_its_way: bool,
    /// Sent by the client and not read by the broker.
    unread: Vec<u8>,
    hung_up: bool,
}

enum Mail {
    Letters(Batch),
    Arrival(u32, OutQueue, Box<Admitted>),
}

#[derive(Default)]
struct ShardSink {
    sockets: HashMap<ConnectionId, Socket>,
    nowhere: OutQueue,
    outboxes: Vec<Batch>,
    departures: Vec<(ShardId, Mail)>,
    questions: Vec<(ConnectionId, Question)>,
    ops: Vec<StoreOp>,
    ticket: Ticket,
    durable: bool,
}

#[derive(Default)]
struct Socket {
    out: OutQueue,
    /// What waited when it was found that the socket takes nothing: all that one turn brought may.
    blocked_at: usize,
    paused: bool,
    closing: bool,
}

impl Sink for ShardSink {
    fn out(&mut self, to: ConnectionId) -> &mut OutQueue {
        match self.sockets.get_mut(&to) {
            Some(socket) if !socket.closing => &mut socket.out,
            _ => {
                self.nowhere = OutQueue::default();
                &mut self.nowhere
            }
        }
    }
    fn close(&mut self, connection: ConnectionId) {
        if let Some(socket) = self.sockets.get_mut(&connection) {
            socket.closing = true;
        }
    }
    fn reading(&mut self, connection: ConnectionId, reading: Reading) {
        if let Some(socket) = self.sockets.get_mut(&connection) {
            socket.paused = reading == Reading::Paused;
        }
    }
    fn hand_over(&mut self, connection: ConnectionId, home: ShardId, admitted: Box<Admitted>) {
        let socket = self
            .sockets
            .remove(&connection)
            .expect("only who is here can move");
        let arrival = Mail::Arrival(connection.index, socket.out, admitted);
        self.departures.push((home, arrival));
    }
    fn outbox(&mut self, to: ShardId) -> &mut Batch {
        &mut self.outboxes[to.index()]
    }
    fn persist(&mut self, op: StoreOp, _: Urgency) -> Ticket {
        assert!(self.durable, "nothing is to be kept: {op:?}");
        self.ops.push(op);
        self.ticket
    }
    fn ask(&mut self, connection: ConnectionId, question: Question) {
        self.questions.push((connection, question));
    }
    fn tell(&mut self, _: Event<'_>) {}
}

impl Network {
    pub fn new(shards: u16, clients: usize, settings: &Arc<Settings>) -> Self {
        let commons = Arc::new(Commons::new(shards, [7; 32]));
        let count = usize::from(shards);
        let shard = |n| Shard::new(ShardId(n), Arc::clone(&commons), Arc::clone(settings));
        let sink = || ShardSink {
            outboxes: std::iter::repeat_with(Batch::default).take(count).collect(),
            ticket: Ticket(1),
            durable: settings.durable,
            ..ShardSink::default()
        };
        let row = || std::iter::repeat_with(VecDeque::new).take(count).collect();
        let end = || End {
            client: Client::new(),
            at: None,
            on_its_way: false,
            unread: Vec::new(),
            hung_up: false,
        };
        Self {
            now: Now {
                instant: Instant::from_millis(1_000_000),
                unix: UnixTime::from_millis(1_700_000_000_000),
            },
            shards: (0..shards).map(shard).collect(),
            sinks: std::iter::repeat_with(sink).take(count).collect(),
            store: Store::new(count),
            mail: std::iter::repeat_with(row).take(count).collect(),
            verdicts: VecDeque::new(),
            ends: std::iter::repeat_with(end).take(clients).collect(),
            generation: 0,
            commons,
        }
    }

    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    // ---- the clients' side ----

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

    fn place(&mut self, client: usize, shard: usize, out: OutQueue) -> ConnectionId {
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
    fn read(&mut self, client: usize) {
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

    // ---- the broker's side ----

    pub fn pass(&mut self, span: Duration) {
        self.now = Now {
            instant: self.now.instant.saturating_add(span),
            unix: self.now.unix.saturating_add(span),
        };
        for (shard, sink) in self.shards.iter_mut().zip(&mut self.sinks) {
            shard.handle_tick(self.now, sink);
        }
    }

    pub fn reload(&mut self, settings: &Arc<Settings>) {
        for (shard, sink) in self.shards.iter_mut().zip(&mut self.sinks) {
            shard.handle_settings(self.now, Arc::clone(settings), sink);
        }
    }

    /// The second half of a shard's turn: the store's batch, letters, bytes.
    pub fn end_turn(&mut self, n: usize) -> bool {
        let sink = &mut self.sinks[n];
        let ops = std::mem::take(&mut sink.ops);
        let mut busy = !ops.is_empty();
        if busy {
            self.store.submit(n, ops);
            sink.ticket = self.store.next_ticket(n);
        }
        for (to, outbox) in sink.outboxes.iter_mut().enumerate() {
            if !outbox.is_empty() {
                busy = true;
                self.mail[n][to].push_back(Mail::Letters(std::mem::take(outbox)));
            }
        }
        for (home, mail) in sink.departures.drain(..) {
            busy = true;
            self.mail[n][home.index()].push_back(mail);
        }
        for (connection, question) in sink.questions.drain(..) {
            busy = true;
            let Question::Password { hash, password } = question;
            let verdict = match password.first() {
                Some(b'?') => Verdict::Overloaded,
                _ if hash.verify(&password) => Verdict::Allow,
                _ => Verdict::Deny,
            };
            self.verdicts.push_back((n, connection, verdict));
        }
        busy |= self.flush(n);
        self.shards[n].end_turn(0, 0, 0);
        busy
    }

    fn flush(&mut self, n: usize) -> bool {
        let mut busy = false;
        for client in 0..self.ends.len() {
            let Some((_, connection)) = self.ends[client].at.filter(|at| at.0 == n) else {
                continue;
            };
            let Some(socket) = self.sinks[n].sockets.get_mut(&connection) else {
                continue;
            };
            if socket.closing || !socket.out.is_blocked() {
                busy |= !socket.out.is_empty();
                self.deliver(client, n, connection);
            }
            let sink = &mut self.sinks[n];
            let Some(socket) = sink.sockets.get_mut(&connection) else {
                continue;
            };
            if socket.closing {
                sink.sockets.remove(&connection);
                self.ends[client].at = None;
                busy = true;
            } else if socket.out.take_room() {
                self.shards[n].handle_room(self.now, connection, sink);
                self.check_bounds(n);
                busy = true;
            }
            self.read(client);
        }
        busy
    }

    fn deliver(&mut self, client: usize, n: usize, connection: ConnectionId) {
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

    /// A client that takes nothing costs a full queue, or what it had coming by then, and no more.
    fn check_bounds(&self, n: usize) {
        for socket in self.sinks[n].sockets.values() {
            let most = FULL_BYTES.max(socket.blocked_at) + OVER_FULL_MAX;
            assert!(
                !socket.out.is_blocked() || socket.out.len() <= most,
                "{}",
                socket.out.len()
            );
        }
    }

    /// Lets one thing arrive: which one is drawn.
    pub fn step(&mut self, drawn: usize) -> bool {
        let count = self.shards.len();
        for which in (0..count * count + count + 1).map(|n| n + drawn) {
            let which = which % (count * count + count + 1);
            let happened = if which < count * count {
                self.arrive(which / count, which % count)
            } else if which < count * count + count {
                self.become_durable(which - count * count, drawn)
            } else {
                self.judge()
            };
            if happened {
                return true;
            }
        }
        false
    }

    fn arrive(&mut self, from: usize, to: usize) -> bool {
        let Some(mail) = self.mail[from][to].pop_front() else {
            return false;
        };
        match mail {
            Mail::Letters(batch) => {
                let from = ShardId(u16::try_from(from).expect("shards are few"));
                self.shards[to].handle_batch(self.now, from, batch, &mut self.sinks[to]);
            }
            Mail::Arrival(client, out, admitted) => {
                let client = client as usize;
                self.ends[client].on_its_way = false;
                let connection = self.place(client, to, out);
                let sink = &mut self.sinks[to];
                self.shards[to].handle_arrival(self.now, connection, admitted, sink);
                self.read(client);
            }
        }
        self.check_bounds(to);
        true
    }

    fn become_durable(&mut self, n: usize, drawn: usize) -> bool {
        let ready = self.store.ready(n);
        if ready == 0 {
            return false;
        }
        let ticket = self.store.announce(n, drawn % ready + 1);
        self.shards[n].handle_durable(self.now, ticket, &mut self.sinks[n]);
        self.check_bounds(n);
        true
    }

    fn judge(&mut self) -> bool {
        let Some((n, connection, verdict)) = self.verdicts.pop_front() else {
            return false;
        };
        self.shards[n].handle_verdict(self.now, connection, verdict, &mut self.sinks[n]);
        true
    }

    /// Lets everything happen that follows from what happened.
    pub fn settle(&mut self) {
        for _ in 0..100_000 {
            let mut busy = false;
            for n in 0..self.shards.len() {
                busy |= self.end_turn(n);
            }
            if !(busy | self.step(0)) {
                return;
            }
        }
        panic!("the broker does not come to rest");
    }

    pub fn is_store_at_rest(&self) -> bool {
        self.store.is_at_rest()
    }
}
