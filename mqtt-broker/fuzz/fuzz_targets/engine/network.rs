//! The shards with everything between them and the clients: sockets, letters, verdicts, the store.
//! What is under way arrives in an order that the input draws, within what a runtime promises:
//! letters of one shard to another stay in order, and a shard submits before its letters leave.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use mqtt_broker::engine::commons::Commons;
use mqtt_broker::engine::ids::{ConnectionId, ShardId};
use mqtt_broker::engine::letter::Batch;
use mqtt_broker::engine::limits::Settings;
use mqtt_broker::engine::lobby::Admitted;
use mqtt_broker::engine::out_queue::{FULL_BYTES, OutQueue};
use mqtt_broker::engine::shard::Shard;
use mqtt_broker::engine::sink::{Question, Verdict};
use mqtt_broker::engine::store_op::Ticket;
use mqtt_session::time::{Instant, Now, UnixTime};

use crate::client::Client;
use crate::sink::ShardSink;
use crate::store::Store;

/// Above a full queue: the largest packet, and answers to all that was read at once.
const OVER_FULL_MAX: usize = 256 * 1024;

pub struct Network {
    pub now: Now,
    pub commons: Arc<Commons>,
    pub shards: Vec<Shard>,
    pub sinks: Vec<ShardSink>,
    store: Store,
    /// By sender and receiver.
    mail: Vec<Vec<VecDeque<Mail>>>,
    verdicts: VecDeque<(usize, ConnectionId, Verdict)>,
    /// Connections by client; the index of a connection is its client's number.
    pub ends: Vec<End>,
    pub generation: u32,
}

/// A client with its socket.
pub struct End {
    pub client: Client,
    /// Where it is served; none if it is closed or on its way.
    pub at: Option<(usize, ConnectionId)>,
    pub on_its_way: bool,
    /// Sent by the client and not read by the broker.
    pub unread: Vec<u8>,
    pub hung_up: bool,
}

pub enum Mail {
    Letters(Batch),
    Arrival(u32, OutQueue, Box<Admitted>),
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

    /// A client that takes nothing costs a full queue, or what it had coming by then, and no more.
    pub fn check_bounds(&self, n: usize) {
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
        let (ticket, pages) = self.store.announce(n, drawn % ready + 1);
        self.shards[n].handle_durable(self.now, ticket, &mut self.sinks[n]);
        for page in pages {
            self.shards[n].handle_page(self.now, page, &mut self.sinks[n]);
        }
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

    /// What the store still has to do or to keep, when all is over.
    pub fn is_store_at_rest(&self) -> Result<(), String> {
        self.store.is_at_rest()
    }
}
