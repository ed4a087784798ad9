//! The broker of a simulated world: real shards, whose turns come in any order, with mailboxes whose
//! mail comes late and in order for each pair of shards.

use std::collections::VecDeque;
use std::sync::Arc;

use mqtt_broker::engine::commons::Commons;
use mqtt_broker::engine::event::Cause;
use mqtt_broker::engine::ids::{ConnectionId, ShardId};
use mqtt_broker::engine::letter::Batch;
use mqtt_broker::engine::limits::Settings;
use mqtt_broker::engine::out_queue::OutQueue;
use mqtt_broker::engine::shard::{Peer, Shard};
use mqtt_broker::engine::sink::Verdict;
use mqtt_broker::engine::store_op::Ticket;
use mqtt_codec::ReasonCode;
use mqtt_session::time::{Instant, Now};

use super::dice::Dice;
use super::network::{LinkId, Network};
use super::sent::Sent;
use super::sockets::{Departure, ShardSink, Socket, Told};
use super::store::Store;

/// What one shard sends to another.
#[derive(Debug)]
pub(super) enum Mail {
    Letters(Batch),
    Arrival(Box<Departure>),
}

/// Something that happened in a turn, in order.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Happened {
    /// The broker has read a packet of a client.
    Read(LinkId, Sent),
    /// The engine told something.
    Told(Told),
}

/// How much is done in one turn of a shard.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Some of what could be done.
    Some,
    /// All of it.
    All,
}

/// The broker.
pub(crate) struct Broker {
    pub(crate) commons: Arc<Commons>,
    settings: Arc<Settings>,
    pub(super) shards: Vec<Shard>,
    pub(super) sinks: Vec<ShardSink>,
    /// By sender and receiver.
    pub(super) mail: Vec<Vec<VecDeque<Mail>>>,
    /// Answers about passwords, by shard.
    verdicts: Vec<VecDeque<(ConnectionId, Verdict)>>,
    /// Settings that a shard has not heard of yet.
    news: Vec<Option<Arc<Settings>>>,
    /// Mailboxes that a shard wrote to since it could last read.
    written: Vec<u64>,
    /// The last ticket that a shard was told of.
    durable: Vec<u64>,
    /// Whether a shard was told that the store has no room.
    no_room: Vec<bool>,
    mails_max: usize,
    /// The longest queue there was towards one connection.
    pub(crate) longest_queue: usize,
    pub(crate) happened: Vec<Happened>,
    /// What a turn did that is worth another look.
    busy: bool,
}

impl Broker {
    pub(crate) fn new(
        shards: u16,
        mails_max: usize,
        random: [u8; 32],
        settings: &Arc<Settings>,
    ) -> Self {
        let commons = Arc::new(Commons::new(shards, random));
        let count = usize::from(shards);
        Self {
            shards: (0..shards)
                .map(|id| Shard::new(ShardId(id), Arc::clone(&commons), Arc::clone(settings)))
                .collect(),
            sinks: (0..shards).map(|_| ShardSink::new(shards)).collect(),
            mail: (0..shards)
                .map(|_| (0..shards).map(|_| VecDeque::new()).collect())
                .collect(),
            verdicts: vec![VecDeque::new(); count],
            news: vec![None; count],
            written: vec![0; count],
            durable: vec![0; count],
            no_room: vec![false; count],
            settings: Arc::clone(settings),
            commons,
            mails_max,
            longest_queue: 0,
            happened: Vec::new(),
            busy: false,
        }
    }

    pub(crate) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// A shard accepts a connection.
    pub(crate) fn accept(&mut self, now: Now, shard: usize, link: LinkId) {
        let sink = &mut self.sinks[shard];
        sink.now = now.instant;
        let id = sink.insert(Socket {
            link,
            out: OutQueue::default(),
            paused: false,
            closing: None,
        });
        let peer = Peer {
            listener: 0,
            internal: false,
        };
        self.shards[shard].handle_opened(now, id, peer, sink);
    }

    /// New settings are on their way to all shards.
    pub(crate) fn reload(&mut self, settings: &Arc<Settings>) {
        self.settings = Arc::clone(settings);
        for news in &mut self.news {
            *news = Some(Arc::clone(settings));
        }
    }

    /// When something is due at a shard.
    pub(crate) fn next_deadline(&self, shard: usize) -> Option<Instant> {
        self.shards[shard].next_deadline()
    }

    /// One turn of a shard. Whether anything was done.
    pub(crate) fn turn(
        &mut self,
        s: usize,
        now: Now,
        pace: Pace,
        (network, store, dice): (&mut Network, &mut dyn Store, &mut Dice),
    ) -> bool {
        self.busy = false;
        self.sinks[s].now = now.instant;
        self.read_all(s, now, pace, network, dice);
        self.take_mail(s, now, pace, dice);
        self.hear(s, now, pace, store, dice);
        let shard = &mut self.shards[s];
        if shard.next_deadline().is_some_and(|due| due <= now.instant) {
            shard.handle_tick(now, &mut self.sinks[s]);
            self.busy = true;
        }
        for flushes in 1..=2 {
            self.submit(s, store);
            self.post(s);
            let rooms = self.flush(s, now, network);
            if rooms.is_empty() {
                break;
            }
            self.busy = true;
            for id in rooms {
                self.shards[s].handle_room(now, id, &mut self.sinks[s]);
            }
            if flushes == 2 {
                // What it wrote leaves with the next turn, as it would if this were a later one.
                self.submit(s, store);
                self.post(s);
            }
        }
        store.note_turn(s);
        self.shards[s].end_turn(0, 0, 0);
        self.note_told(s);
        self.busy
    }

    /// The broker ends, since its store has failed: a shard says goodbye, and nobody keeps what follows.
    pub(super) fn stop(&mut self, s: usize, now: Now, network: &mut Network) {
        let sink = &mut self.sinks[s];
        sink.now = now.instant;
        self.shards[s].handle_stop(now, ReasonCode::ServerShuttingDown, sink);
        self.flush(s, now, network);
        self.note_told(s);
    }

    /// Whether a shard takes nothing that would have to be kept.
    pub(super) fn has_no_room(&self) -> bool {
        self.no_room.contains(&true)
    }

    fn note_told(&mut self, s: usize) {
        let told = self.sinks[s].told.drain(..);
        self.happened.extend(told.map(Happened::Told));
    }

    fn may_read(&mut self, s: usize) -> bool {
        for to in 0..self.shards.len() {
            let waiting: usize = self.mail.iter().map(|from| from[to].len()).sum();
            if waiting < self.mails_max {
                self.written[s] &= !(1 << to);
            }
        }
        self.written[s] == 0
    }

    fn read_all(&mut self, s: usize, now: Now, pace: Pace, network: &mut Network, dice: &mut Dice) {
        if !self.may_read(s) {
            return;
        }
        for id in self.sinks[s].ids() {
            if matches!(pace, Pace::Some) && dice.chance(30) {
                continue;
            }
            self.read(s, id, now, pace, network, dice);
        }
    }

    /// Reads from one connection: a few bytes or many.
    fn read(
        &mut self,
        s: usize,
        id: ConnectionId,
        now: Now,
        pace: Pace,
        network: &mut Network,
        dice: &mut Dice,
    ) {
        let Some(socket) = self.sinks[s].get_mut(id) else {
            return;
        };
        let link = &mut network.links[socket.link];
        if socket.closing.is_some() || socket.paused {
            return;
        }
        let most = match pace {
            Pace::Some => *dice.pick(&[1, 7, 50, 400, usize::MAX, usize::MAX, usize::MAX]),
            Pace::All => usize::MAX,
        };
        link.up.arrive(most);
        let count = link.up.readable().len();
        if count > 0 {
            let bytes = link.up.readable().to_vec();
            link.up.consume(count);
            while link
                .sent
                .front()
                .is_some_and(|(end, _)| *end <= link.up.read)
            {
                let (_, sent) = link.sent.pop_front().expect("it is there");
                self.happened.push(Happened::Read(socket.link, sent));
            }
            self.busy = true;
            self.shards[s].handle_bytes(now, id, &bytes, &mut self.sinks[s]);
            self.note_told(s);
        } else if link.up.is_at_end() {
            self.busy = true;
            let socket_link = socket.link;
            self.shards[s].handle_closed(now, id, Cause::ClosedByPeer, &mut self.sinks[s]);
            self.note_told(s);
            self.sinks[s].remove(id);
            network.broker_leaves(socket_link, false);
        }
    }

    /// Takes some of the mail, in order for each sender.
    fn take_mail(&mut self, s: usize, now: Now, pace: Pace, dice: &mut Dice) {
        loop {
            let senders: Vec<usize> = (0..self.shards.len())
                .filter(|from| !self.mail[*from][s].is_empty())
                .collect();
            if senders.is_empty() || (matches!(pace, Pace::Some) && dice.chance(30)) {
                return;
            }
            let from = *dice.pick(&senders);
            let Some(mail) = self.mail[from][s].pop_front() else {
                return;
            };
            self.busy = true;
            let sink = &mut self.sinks[s];
            match mail {
                Mail::Letters(batch) => {
                    let from = ShardId(u16::try_from(from).expect("few shards"));
                    self.shards[s].handle_batch(now, from, batch, sink);
                }
                Mail::Arrival(departure) => {
                    let Departure { socket, admitted } = *departure;
                    let id = sink.insert(socket);
                    self.shards[s].handle_arrival(now, id, admitted, sink);
                }
            }
        }
    }

    /// Verdicts, news and what became durable.
    fn hear(&mut self, s: usize, now: Now, pace: Pace, store: &mut dyn Store, dice: &mut Dice) {
        let late = matches!(pace, Pace::Some);
        let asked = std::mem::take(&mut self.sinks[s].questions);
        self.verdicts[s].extend(asked);
        while !(late && dice.chance(50))
            && let Some((id, verdict)) = self.verdicts[s].pop_front()
        {
            self.busy = true;
            let busy = late && dice.chance(3);
            let verdict = if busy { Verdict::Overloaded } else { verdict };
            self.shards[s].handle_verdict(now, id, verdict, &mut self.sinks[s]);
        }
        if !(late && dice.chance(50))
            && let Some(settings) = self.news[s].take()
        {
            self.busy = true;
            self.shards[s].handle_settings(now, settings, &mut self.sinks[s]);
        }
        let durable = store.durable(s);
        if durable > self.durable[s] && !(late && dice.chance(30)) {
            self.busy = true;
            self.durable[s] = durable;
            self.shards[s].handle_durable(now, Ticket(durable), &mut self.sinks[s]);
        }
        while !(late && dice.chance(50))
            && let Some(page) = store.next_page(s)
        {
            self.busy = true;
            self.shards[s].handle_page(now, page, &mut self.sinks[s]);
        }
        let no_room = store.has_no_room();
        if no_room != self.no_room[s] && !(late && dice.chance(30)) {
            self.busy = true;
            self.no_room[s] = no_room;
            self.shards[s].handle_store_full(no_room, &mut self.sinks[s]);
        }
    }

    fn submit(&mut self, s: usize, store: &mut dyn Store) {
        let sink = &mut self.sinks[s];
        if !sink.ops.is_empty() {
            sink.batches += 1;
            store.submit(s, sink.batches, std::mem::take(&mut sink.ops));
            self.busy = true;
        }
    }

    fn post(&mut self, s: usize) {
        let sink = &mut self.sinks[s];
        for (to, outbox) in sink.outboxes.iter_mut().enumerate() {
            if !outbox.is_empty() {
                self.mail[s][to].push_back(Mail::Letters(std::mem::take(outbox)));
                self.written[s] |= 1 << to;
                self.busy = true;
            }
        }
        for (home, departure) in sink.departures.drain(..) {
            self.mail[s][home.index()].push_back(Mail::Arrival(Box::new(departure)));
            self.busy = true;
        }
    }

    /// Flushes all connections, lets those go that are done, and names those that have room.
    fn flush(&mut self, s: usize, now: Now, network: &mut Network) -> Vec<ConnectionId> {
        let mut rooms = Vec::new();
        let sink = &mut self.sinks[s];
        for id in sink.ids() {
            if sink.flush(id, network) {
                rooms.push(id);
            }
            let Some(socket) = sink.get_mut(id) else {
                continue;
            };
            self.longest_queue = self.longest_queue.max(socket.out.len());
            let link = &network.links[socket.link];
            let over = socket.closing.is_some_and(|until| {
                socket.out.is_empty() || until <= now.instant || link.up.is_at_end()
            });
            if over {
                let (link, orderly) = (socket.link, socket.out.is_empty());
                sink.remove(id);
                network.broker_leaves(link, orderly);
                self.busy = true;
            }
        }
        rooms
    }
}
