//! A shard: a whole small broker on one thread, with its own connections, sessions, subscriptions and
//! timers, without a lock. Everything that can happen to it comes in through a `handle_*` method; a
//! file a verb says what follows.

mod acknowledge;
mod admit;
mod attach;
mod cold;
mod deliver;
mod disconnect;
mod expire;
mod keep;
mod letters;
mod packets;
mod publish;
mod pump;
mod reload;
mod restore;
mod scarce;
mod shared;
mod state;
mod subscribe;
#[cfg(test)]
mod tests;
mod write;

use std::collections::HashMap;
use std::num::NonZeroU16;
use std::rc::Rc;
use std::sync::Arc;

use ahash::RandomState;
use hashbrown::HashTable;
use mqtt_codec::{Packet, PropertiesBuf, ReasonCode, TopicName, Version};
use mqtt_session::time::{Instant, Now};
use mqtt_session::topic_alias::InboundAliases;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::commons::Commons;
use super::commons::counters::Tally;
use super::envelope::Message;
use super::event::{Cause, Event};
use super::ids::{ConnectionId, SessionAddress, SessionId, ShardId};
use super::letter::Batch;
use super::limits::Settings;
use super::lobby::Admitted;
use super::routing::cache::{MatchCache, Stamp};
use super::routing::filter_map::hasher;
use super::routing::groups::Groups;
use super::routing::local::{LocalIndex, Match};
use super::session::{HELD_MESSAGES_MAX, Session};
use super::sink::{Reading, Sink, Verdict};
use super::slab::{Place, Slab};
use super::store_op::{Page, Ticket};
use super::wheel::Wheel;
use keep::Promises;
use state::{Connection, Stage, Timer};
use write::Frames;

/// What a connection came through.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Number of the listener in `Settings::listeners`.
    pub listener: u16,
    /// One of the broker's own connections: trusted, neither counted nor told of.
    pub internal: bool,
}

/// One shard.
#[derive(Debug)]
pub struct Shard {
    id: ShardId,
    commons: Arc<Commons>,
    settings: Arc<Settings>,
    connections: Slab<Connection>,
    sessions: Slab<Session>,
    /// Sessions by client id.
    clients: HashTable<u32>,
    index: LocalIndex,
    cache: MatchCache,
    /// How many of them belong to durable sessions, where other shards need to know.
    durable_filters: HashMap<Arc<str>, u32, RandomState>,
    groups: Groups,
    /// Filters of the groups that this shard looks after, by number.
    group_filters: HashMap<u32, Arc<str>>,
    timers: Wheel<Timer>,
    tally: Tally,
    /// The tally has changed since others could see it.
    uncounted: bool,
    hasher: RandomState,
    random: StdRng,
    next_sweep: Option<Instant>,
    promises: Promises,
    /// Payload bytes of messages that are in the store alone.
    cold_bytes: u64,
    /// The store takes nothing more.
    store_is_full: bool,
    // Buffers that are used again in each turn.
    frames: Frames,
    scratch: Vec<u8>,
    forwarded: PropertiesBuf,
    page: Vec<Message>,
    woken: Vec<(Instant, Timer)>,
}

impl Shard {
    /// A shard without clients. All shards of a broker share `commons`.
    #[must_use]
    pub fn new(id: ShardId, commons: Arc<Commons>, settings: Arc<Settings>) -> Self {
        let mut seed = commons.random_seed;
        for (byte, own) in seed.iter_mut().zip(id.0.to_le_bytes()) {
            *byte ^= own;
        }
        Self {
            id,
            connections: Slab::default(),
            sessions: Slab::default(),
            clients: HashTable::new(),
            index: LocalIndex::new(commons.seed),
            cache: MatchCache::new(commons.seed),
            durable_filters: HashMap::with_hasher(hasher(commons.seed)),
            groups: Groups::new(commons.seed),
            group_filters: HashMap::new(),
            timers: Wheel::new(Instant::from_millis(0)),
            tally: Tally::default(),
            uncounted: false,
            hasher: hasher(commons.seed),
            random: StdRng::from_seed(seed),
            next_sweep: None,
            promises: Promises::default(),
            cold_bytes: 0,
            store_is_full: false,
            frames: Frames::default(),
            scratch: Vec::new(),
            forwarded: PropertiesBuf::new(),
            page: Vec::new(),
            woken: Vec::new(),
            commons,
            settings,
        }
    }

    /// A connection was accepted, or one of the broker's own was made.
    pub fn handle_opened<S: Sink>(
        &mut self,
        now: Now,
        connection: ConnectionId,
        peer: Peer,
        _sink: &mut S,
    ) {
        self.connections
            .insert_at(place(connection), Connection::new(now, peer));
        let deadline = now.instant.saturating_add(self.settings.connect_timeout);
        self.watch(now, connection, deadline);
        self.tally.connections += u64::from(!peer.internal);
        self.uncounted = true;
    }

    /// Bytes came in. All are taken; a packet that is cut at their end is kept.
    pub fn handle_bytes<S: Sink>(
        &mut self,
        now: Now,
        connection: ConnectionId,
        bytes: &[u8],
        sink: &mut S,
    ) {
        self.take_bytes(now, connection, bytes, sink);
        self.uncounted = true;
    }

    /// A client that another shard let in comes home.
    pub fn handle_arrival<S: Sink>(
        &mut self,
        now: Now,
        connection: ConnectionId,
        admitted: Box<Admitted>,
        sink: &mut S,
    ) {
        let peer = Peer {
            listener: admitted.listener,
            internal: admitted.internal,
        };
        self.connections
            .insert_at(place(connection), Connection::new(now, peer));
        self.tally.connections += u64::from(!peer.internal);
        self.uncounted = true;
        self.attach(now, connection, admitted, sink);
    }

    /// The out queue of a connection has room again, after [`super::out_queue::OutQueue::ask_for_room`].
    pub fn handle_room<S: Sink>(&mut self, now: Now, connection: ConnectionId, sink: &mut S) {
        if let Some(state) = self.connections.get_mut(place(connection))
            && std::mem::replace(&mut state.paused, false)
        {
            // It could not be heard meanwhile.
            state.last_packet = now.instant;
            sink.reading(connection, Reading::Resumed);
        }
        if let Some(session) = self.session_of(connection) {
            self.pump(now, session, sink);
            self.uncounted = true;
        }
    }

    /// A connection ended by itself.
    pub fn handle_closed<S: Sink>(
        &mut self,
        now: Now,
        connection: ConnectionId,
        cause: Cause,
        sink: &mut S,
    ) {
        self.detach(now, connection, cause, sink);
        self.uncounted = true;
    }

    /// Letters from another shard.
    pub fn handle_batch<S: Sink>(&mut self, now: Now, _from: ShardId, batch: Batch, sink: &mut S) {
        self.read_letters(now, batch, sink);
        self.uncounted = true;
    }

    /// What was persisted up to this ticket is durable.
    pub fn handle_durable<S: Sink>(&mut self, now: Now, upto: Ticket, sink: &mut S) {
        self.keep_promises(now, upto, sink);
        self.uncounted = true;
    }

    /// A page of a session's queue was read, after [`super::store_op::StoreOp::Read`].
    pub fn handle_page<S: Sink>(&mut self, now: Now, page: Page, sink: &mut S) {
        self.take_page(now, page, sink);
        self.uncounted = true;
    }

    /// The store has no room for more, or has room again.
    pub fn handle_store_full<S: Sink>(&mut self, full: bool, sink: &mut S) {
        self.note_store_full(full, sink);
    }

    /// The answer to a question. For a connection that is gone it is dropped.
    pub fn handle_verdict<S: Sink>(
        &mut self,
        now: Now,
        connection: ConnectionId,
        verdict: Verdict,
        sink: &mut S,
    ) {
        self.judge(now, connection, verdict, sink);
        self.uncounted = true;
    }

    /// New settings. Clients whose credentials do not hold any more are disconnected.
    pub fn handle_settings<S: Sink>(&mut self, now: Now, settings: Arc<Settings>, sink: &mut S) {
        self.settings = settings;
        self.check_again(now, sink);
        self.uncounted = true;
    }

    /// The broker stops: wills are published, 5.0 clients are told why, all connections end.
    pub fn handle_stop<S: Sink>(&mut self, now: Now, reason: ReasonCode, sink: &mut S) {
        let all: Vec<Place> = self.connections.iter().map(|(place, _)| place).collect();
        for (index, generation) in all {
            let connection = ConnectionId { index, generation };
            self.close(now, connection, Cause::ShuttingDown, Some(reason), sink);
        }
        self.publish_pending_wills(now, sink);
    }

    /// Time has passed.
    pub fn handle_tick<S: Sink>(&mut self, now: Now, sink: &mut S) {
        self.expire(now, sink);
    }

    /// When [`Self::handle_tick`] is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let timer = self.timers.next_deadline();
        match (timer, self.next_sweep) {
            (Some(timer), Some(sweep)) => Some(timer.min(sweep)),
            (one, other) => one.or(other),
        }
    }

    /// The turn is over: makes what was counted visible. The runtime adds what it counts itself.
    pub fn end_turn(&mut self, bytes_received: u64, bytes_sent: u64, sockets_accepted: u64) {
        self.uncounted |= self.tally.bytes_sent != bytes_sent;
        if !self.uncounted {
            return;
        }
        self.uncounted = false;
        self.tally.bytes_received = bytes_received;
        self.tally.bytes_sent = bytes_sent;
        self.tally.sockets_accepted = sockets_accepted;
        if let Some(counters) = self.commons.counters.get(self.id.index()) {
            counters.store(&self.tally);
        }
    }

    // ---- what several verbs need ----

    /// The session that a connection serves.
    fn session_of(&self, connection: ConnectionId) -> Option<SessionId> {
        match self.connections.get(place(connection))?.stage {
            Stage::Online(session) => Some(session),
            _ => None,
        }
    }

    /// How other shards name one of our sessions.
    fn address_of(&self, session: SessionId) -> SessionAddress {
        SessionAddress {
            shard: self.id,
            session,
        }
    }

    /// The shard that looks after a client id or a group.
    fn home_of(&self, key: &str) -> ShardId {
        self.commons.home_of(key)
    }

    /// Sends a packet other than PUBLISH to a client that has a session.
    fn send<S: Sink>(
        &mut self,
        connection: ConnectionId,
        version: Version,
        packet: &Packet<'_>,
        sink: &mut S,
    ) {
        self.trace(connection, version, packet, sink);
        self.append(connection, |out| packet.encode(version, out), sink);
    }

    /// Tells of a packet that is sent to a client that has a session.
    fn trace<S: Sink>(
        &self,
        connection: ConnectionId,
        version: Version,
        packet: &Packet<'_>,
        sink: &mut S,
    ) {
        if self.settings.trace {
            let session = self.session_of(connection);
            let state = session.and_then(|id| self.sessions.get(key(id)));
            let client_id = state.map(|state| &*state.client_id);
            self.tell_sending(connection, version, client_id, packet, sink);
        }
    }

    fn tell_sending<S: Sink>(
        &self,
        connection: ConnectionId,
        version: Version,
        client_id: Option<&str>,
        packet: &Packet<'_>,
        sink: &mut S,
    ) {
        if self.settings.trace && !self.is_internal(connection) {
            sink.tell(Event::Sending {
                client_id,
                connection,
                version,
                packet,
                payload_len: 0,
            });
        }
    }

    /// Appends one packet to what a connection is sent.
    fn append<S: Sink>(
        &mut self,
        connection: ConnectionId,
        encode: impl FnOnce(&mut Vec<u8>),
        sink: &mut S,
    ) {
        self.tally.packets_sent += u64::from(!self.is_internal(connection));
        let out = sink.out(connection);
        out.append(encode);
        if out.is_full() {
            // Who does not take the answers is not asked for more of what they answer.
            out.ask_for_room();
            sink.reading(connection, Reading::Paused);
            if let Some(state) = self.connections.get_mut(place(connection)) {
                state.paused = true;
            }
        }
    }

    /// Whether a connection is one of the broker's own.
    fn is_internal(&self, connection: ConnectionId) -> bool {
        let state = self.connections.get(place(connection));
        state.is_some_and(|state| state.internal)
    }

    /// QoS 2 messages that a client may have open towards us. 3.x is told no number, so theirs only
    /// bounds what looking one up costs.
    fn receive_maximum(&self, version: Version, internal: bool) -> NonZeroU16 {
        match version {
            _ if internal => NonZeroU16::MAX,
            Version::V5 => self.settings.max_inflight_messages,
            Version::V31 | Version::V311 => HELD_MESSAGES_MAX,
        }
    }

    /// Everybody who wants a topic.
    fn lookup(&mut self, topic: TopicName<'_>) -> Rc<Match> {
        let alone = self.commons.shards == 1;
        if !alone {
            self.take_in_members();
        }
        let global = if alone {
            0
        } else {
            self.commons.interest.generation()
        };
        let stamp = Stamp {
            local: self.index.generation(),
            global,
        };
        if let Some(found) = self.cache.get(topic.as_str(), stamp) {
            return found;
        }
        let mut found = self
            .index
            .lookup(topic, self.settings.allow_duplicate_messages);
        let mut stamp = stamp;
        if !alone {
            let (mut wanted, generation) = self.commons.interest.shards_for(topic);
            wanted.by = wanted.by.without(self.id);
            found.remote = wanted;
            stamp.global = generation;
        }
        let found = Rc::new(found);
        self.cache.put(topic.as_str(), stamp, Rc::clone(&found));
        found
    }
}

/// Of a client that announced none: every alias is invalid.
fn no_aliases() -> InboundAliases {
    InboundAliases::new(0)
}

/// The place of a connection in its table.
fn place(connection: ConnectionId) -> Place {
    (connection.index, connection.generation)
}

/// The place of a session in its table.
fn key(session: SessionId) -> Place {
    (session.index, session.generation)
}
