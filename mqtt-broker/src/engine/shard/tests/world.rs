//! A broker of several shards on one thread: connections are vectors of bytes, time stands until it
//! is moved, and what shards post is delivered when the world settles.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use mqtt_codec::{
    Ack, Connect, Decoded, Limits, Packet, PacketId, Properties, PropertiesBuf, Property, Publish,
    QoS, ReasonCode, Sender, Subscribe, SubscribeFiltersBuf, SubscriptionOptions, TopicName,
    Unsubscribe, UnsubscribeFiltersBuf, Version, Will, decode,
};
use mqtt_session::time::{Instant, Now, UnixTime};

use super::super::{Peer, Shard};
use super::disk::Disk;
use crate::engine::commons::Commons;
use crate::engine::event::{Cause, Event};
use crate::engine::ids::{ConnectionId, ShardId};
use crate::engine::letter::Batch;
use crate::engine::limits::{ListenerSettings, Settings};
use crate::engine::lobby::Admitted;
use crate::engine::out_queue::OutQueue;
use crate::engine::sink::{Question, Reading, Sink, Verdict};
use crate::engine::store_op::{Page, SavedSession, StoreOp, Ticket, Urgency};

/// A client's end of a connection, by number.
pub(super) type Client = usize;

pub(super) struct World {
    pub(super) shards: Vec<Shard>,
    sinks: Vec<TestSink>,
    clients: Vec<Wire>,
    pub(super) now: Now,
    /// How questions are answered.
    pub(super) verdicts: Verdicts,
    /// Nothing more becomes durable.
    pub(super) disk_waits: bool,
    /// What shards write to each other is not read.
    pub(super) mail_waits: bool,
    pub(super) disk: Disk,
    next_index: u32,
}

/// What becomes of the shards' questions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdicts {
    /// They are answered at once.
    Given,
    /// They wait until this is changed.
    Late,
    /// Nobody has time for them.
    Overloaded,
}

struct Wire {
    at: (usize, ConnectionId),
    version: Version,
    received: Vec<u8>,
    closed: bool,
}

#[derive(Default)]
pub(super) struct TestSink {
    out: HashMap<ConnectionId, OutQueue>,
    outboxes: BTreeMap<u16, Batch>,
    closed: Vec<ConnectionId>,
    paused: HashSet<ConnectionId>,
    moved: Vec<(ConnectionId, ShardId, Box<Admitted>)>,
    questions: VecDeque<(ConnectionId, Question)>,
    pub(super) lines: Vec<String>,
    /// What was to be kept, in order.
    ops: Vec<(StoreOp, Urgency)>,
    /// What did not take effect yet.
    pending: Vec<StoreOp>,
    /// Of these, how many are in batches that were submitted.
    submitted: usize,
    batches: u64,
    durable: u64,
}

impl Sink for TestSink {
    fn out(&mut self, to: ConnectionId) -> &mut OutQueue {
        self.out.entry(to).or_default()
    }
    fn close(&mut self, connection: ConnectionId) {
        self.closed.push(connection);
    }
    fn reading(&mut self, connection: ConnectionId, reading: Reading) {
        match reading {
            Reading::Paused => self.paused.insert(connection),
            Reading::Resumed => self.paused.remove(&connection),
        };
    }
    fn hand_over(&mut self, connection: ConnectionId, home: ShardId, admitted: Box<Admitted>) {
        self.moved.push((connection, home, admitted));
    }
    fn outbox(&mut self, to: ShardId) -> &mut Batch {
        self.outboxes.entry(to.0).or_default()
    }
    fn persist(&mut self, op: StoreOp, urgency: Urgency) -> Ticket {
        self.pending.push(op.clone());
        self.ops.push((op, urgency));
        Ticket(self.batches + 1)
    }
    fn ask(&mut self, connection: ConnectionId, question: Question) {
        self.questions.push_back((connection, question));
    }
    fn tell(&mut self, event: Event<'_>) {
        let line = match event {
            Event::Disconnected {
                client_id, cause, ..
            } => {
                format!("{} gone: {cause:?}", client_id.unwrap_or("?"))
            }
            Event::StoreFull { full } => format!("store full: {full}"),
            Event::MessagesDropped { client_id } => format!("{client_id} dropping"),
            Event::MessagesDamaged {
                client_id,
                messages,
            } => format!("{client_id} lost {messages}"),
            Event::SessionExpired { client_id } => format!("{client_id} expired"),
            Event::OutgoingTooLarge { client_id, .. } => format!("{client_id} too large"),
            _ => return,
        };
        self.lines.push(line);
    }
}

pub(super) fn settings() -> Settings {
    let listener = ListenerSettings {
        allow_anonymous: true,
        ..ListenerSettings::default()
    };
    Settings {
        listeners: vec![listener],
        max_queued_messages_connected: Some(1000),
        connect_timeout: Duration::from_secs(10),
        ..Settings::default()
    }
}

/// How a client connects; the rest is usual.
pub(super) struct How<'a> {
    pub(super) version: Version,
    pub(super) clean_start: bool,
    pub(super) keep_alive: u16,
    pub(super) properties: Vec<Property<'a>>,
    pub(super) will: Option<(&'a str, &'a str)>,
    pub(super) will_properties: Vec<Property<'a>>,
    pub(super) will_retain: bool,
    pub(super) user: Option<(&'a str, &'a str)>,
    /// One of the broker's own.
    pub(super) internal: bool,
}

impl Default for How<'_> {
    fn default() -> Self {
        Self {
            version: Version::V5,
            clean_start: true,
            keep_alive: 0,
            properties: Vec::new(),
            will: None,
            will_properties: Vec::new(),
            will_retain: false,
            user: None,
            internal: false,
        }
    }
}

impl How<'_> {
    pub(super) fn v311() -> Self {
        Self {
            version: Version::V311,
            ..Self::default()
        }
    }

    /// A 5.0 client whose session is kept.
    pub(super) fn kept() -> Self {
        let properties = vec![Property::SessionExpiryInterval(1000)];
        Self {
            clean_start: false,
            properties,
            ..Self::default()
        }
    }
}

impl World {
    pub(super) fn new(shards: u16) -> Self {
        Self::with(shards, settings())
    }

    pub(super) fn with(shards: u16, settings: Settings) -> Self {
        let commons = Arc::new(Commons::new(shards, [7; 32]));
        let settings = Arc::new(settings);
        let shard = |n| Shard::new(ShardId(n), Arc::clone(&commons), Arc::clone(&settings));
        Self {
            shards: (0..shards).map(shard).collect(),
            sinks: (0..shards).map(|_| TestSink::default()).collect(),
            clients: Vec::new(),
            now: Now {
                instant: Instant::from_millis(1_000_000),
                unix: UnixTime::from_millis(1_700_000_000_000),
            },
            verdicts: Verdicts::Given,
            disk_waits: false,
            mail_waits: false,
            disk: Disk::default(),
            next_index: 0,
        }
    }

    /// Opens a connection at one of the shards.
    pub(super) fn open(&mut self) -> Client {
        self.open_as(false)
    }

    fn open_as(&mut self, internal: bool) -> Client {
        let shard = self.clients.len() % self.shards.len();
        let connection = self.new_id();
        let peer = Peer {
            listener: 0,
            internal,
        };
        self.shards[shard].handle_opened(self.now, connection, peer, &mut self.sinks[shard]);
        let at = (shard, connection);
        self.clients.push(Wire {
            at,
            version: Version::V5,
            received: Vec::new(),
            closed: false,
        });
        self.clients.len() - 1
    }

    /// Connects, and gives the CONNACK's line.
    pub(super) fn connect(&mut self, client_id: &str, how: &How<'_>) -> (Client, String) {
        let client = self.open_as(how.internal);
        self.clients[client].version = how.version;
        let properties = block(&how.properties);
        let will_properties = block(&how.will_properties);
        let connect = Connect {
            version: how.version,
            bridge: false,
            clean_start: how.clean_start,
            keep_alive: how.keep_alive,
            properties: properties.as_properties(),
            client_id,
            will: how.will.map(|(topic, payload)| Will {
                qos: QoS::AtLeastOnce,
                retain: how.will_retain,
                topic: TopicName::parse(topic).unwrap(),
                properties: will_properties.as_properties(),
                payload: payload.as_bytes(),
            }),
            user_name: how.user.map(|(name, _)| name),
            password: how.user.map(|(_, password)| password.as_bytes()),
        };
        self.send(client, &Packet::Connect(connect));
        let mut lines = self.lines(client);
        let connack = if lines.is_empty() {
            String::new()
        } else {
            lines.remove(0)
        };
        lines.retain(|line| line != "closed");
        assert!(
            lines.is_empty(),
            "{client_id} got {lines:?} with its CONNACK: use connect_all"
        );
        (client, connack)
    }

    /// As [`Self::connect`], for a client that expects nothing behind its CONNACK.
    pub(super) fn join(&mut self, client_id: &str, how: &How<'_>) -> Client {
        let (client, connack) = self.connect(client_id, how);
        assert!(
            connack.starts_with("CONNACK 0 Success"),
            "{client_id}: {connack}"
        );
        client
    }

    /// As [`Self::connect`], with all that comes at once.
    pub(super) fn connect_all(&mut self, client_id: &str, how: &How<'_>) -> (Client, Vec<String>) {
        let client = self.open();
        self.clients[client].version = how.version;
        let properties = block(&how.properties);
        let connect = Connect {
            version: how.version,
            bridge: false,
            clean_start: how.clean_start,
            keep_alive: how.keep_alive,
            properties: properties.as_properties(),
            client_id,
            will: None,
            user_name: None,
            password: None,
        };
        self.send(client, &Packet::Connect(connect));
        let lines = self.lines(client);
        (client, lines)
    }

    /// Has a client read what it gets as this version.
    pub(super) fn set_version(&mut self, client: Client, version: Version) {
        self.clients[client].version = version;
    }

    pub(super) fn send(&mut self, client: Client, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(self.clients[client].version, &mut bytes);
        self.send_bytes(client, &bytes);
    }

    pub(super) fn send_bytes(&mut self, client: Client, bytes: &[u8]) {
        if self.clients[client].closed {
            return;
        }
        let (shard, connection) = self.clients[client].at;
        self.shards[shard].handle_bytes(self.now, connection, bytes, &mut self.sinks[shard]);
        self.settle();
    }

    pub(super) fn publish(&mut self, client: Client, topic: &str, qos: u8, payload: &str) {
        self.publish_with(client, topic, qos, false, payload, &[]);
    }

    pub(super) fn publish_with(
        &mut self,
        client: Client,
        topic: &str,
        qos: u8,
        retain: bool,
        payload: &str,
        properties: &[Property<'_>],
    ) {
        let properties = block(properties);
        let publish = Publish {
            dup: false,
            qos: QoS::from_u8(qos).unwrap(),
            retain,
            topic: (!topic.is_empty()).then(|| TopicName::parse(topic).unwrap()),
            packet_id: (qos > 0).then(|| PacketId::new(77).unwrap()),
            properties: properties.as_properties(),
            payload: payload.as_bytes(),
        };
        self.send(client, &Packet::Publish(publish));
    }

    /// Publishes at QoS 2 and goes through the whole exchange.
    pub(super) fn publish_twice_safe(&mut self, client: Client, topic: &str, payload: &str) {
        self.publish(client, topic, 2, payload);
        self.ack(client, Packet::Pubrel, 77);
    }

    pub(super) fn ack(
        &mut self,
        client: Client,
        kind: fn(Ack<'static>) -> Packet<'static>,
        id: u16,
    ) {
        self.ack_with(client, kind, id, ReasonCode::Success);
    }

    pub(super) fn ack_with(
        &mut self,
        client: Client,
        kind: fn(Ack<'static>) -> Packet<'static>,
        id: u16,
        reason: ReasonCode,
    ) {
        let packet_id = PacketId::new(id).unwrap();
        self.send(
            client,
            &kind(Ack {
                packet_id,
                reason,
                properties: Properties::EMPTY,
            }),
        );
    }

    pub(super) fn subscribe(&mut self, client: Client, filter: &str, qos: u8) -> Vec<String> {
        let qos = QoS::from_u8(qos).unwrap();
        let options = SubscriptionOptions {
            qos,
            ..SubscriptionOptions::default()
        };
        self.subscribe_with(client, filter, options, &[])
    }

    pub(super) fn subscribe_with(
        &mut self,
        client: Client,
        filter: &str,
        options: SubscriptionOptions,
        properties: &[Property<'_>],
    ) -> Vec<String> {
        let mut filters = SubscribeFiltersBuf::new();
        filters.push(filter, options);
        let properties = block(properties);
        let subscribe = Subscribe {
            packet_id: PacketId::new(9).unwrap(),
            properties: properties.as_properties(),
            filters: filters.as_filters(),
        };
        self.send(client, &Packet::Subscribe(subscribe));
        self.lines(client)
    }

    pub(super) fn unsubscribe(&mut self, client: Client, filter: &str) -> Vec<String> {
        let mut filters = UnsubscribeFiltersBuf::new();
        filters.push(filter);
        let unsubscribe = Unsubscribe {
            packet_id: PacketId::new(9).unwrap(),
            properties: Properties::EMPTY,
            filters: filters.as_filters(),
        };
        self.send(client, &Packet::Unsubscribe(unsubscribe));
        self.lines(client)
    }

    /// The network fails under a connection.
    pub(super) fn cut(&mut self, client: Client) {
        let (shard, connection) = self.clients[client].at;
        if !self.clients[client].closed {
            self.clients[client].closed = true;
            let sink = &mut self.sinks[shard];
            self.shards[shard].handle_closed(self.now, connection, Cause::ClosedByPeer, sink);
        }
        self.settle();
    }

    pub(super) fn sleep(&mut self, span: Duration) {
        let target = self.now.instant.saturating_add(span);
        loop {
            let next = self.shards.iter().filter_map(Shard::next_deadline).min();
            let Some(next) = next.filter(|next| *next <= target) else {
                break;
            };
            self.move_to(next.max(self.now.instant));
        }
        self.move_to(target);
    }

    fn move_to(&mut self, instant: Instant) {
        let passed = instant.saturating_since(self.now.instant);
        self.now = Now {
            instant,
            unix: self.now.unix.saturating_add(passed),
        };
        for (shard, sink) in self.shards.iter_mut().zip(&mut self.sinks) {
            shard.handle_tick(self.now, sink);
        }
        self.settle();
    }

    /// What a client received since the last look, a line a packet.
    pub(super) fn lines(&mut self, client: Client) -> Vec<String> {
        let wire = &mut self.clients[client];
        let mut lines = Vec::new();
        let mut at = 0;
        while let Ok(Decoded::Packet { packet, consumed }) = decode(
            &wire.received[at..],
            wire.version,
            Sender::Server,
            &Limits::default(),
        ) {
            lines.push(describe(&packet));
            at += consumed;
        }
        wire.received.drain(..at);
        assert!(
            wire.received.is_empty(),
            "undecodable: {:02x?}",
            wire.received
        );
        if wire.closed {
            lines.push("closed".to_owned());
        }
        lines
    }

    /// What was told about, since the last look.
    pub(super) fn told(&mut self) -> Vec<String> {
        self.sinks
            .iter_mut()
            .flat_map(|sink| std::mem::take(&mut sink.lines))
            .collect()
    }

    pub(super) fn reload(&mut self, settings: Settings) {
        let settings = Arc::new(settings);
        for (shard, sink) in self.shards.iter_mut().zip(&mut self.sinks) {
            shard.handle_settings(self.now, Arc::clone(&settings), sink);
        }
        self.settle();
    }

    /// The store has no room for more, or has room again.
    pub(super) fn fill_store(&mut self, full: bool) {
        for (shard, sink) in self.shards.iter_mut().zip(&mut self.sinks) {
            shard.handle_store_full(full, sink);
        }
    }

    pub(super) fn stop(&mut self) {
        for (shard, sink) in self.shards.iter_mut().zip(&mut self.sinks) {
            shard.handle_stop(self.now, ReasonCode::ServerShuttingDown, sink);
        }
        self.settle();
    }

    /// Marks a client's socket as taking nothing, or as taking all again.
    pub(super) fn block(&mut self, client: Client, blocked: bool) {
        let (shard, connection) = self.clients[client].at;
        self.sinks[shard]
            .out
            .entry(connection)
            .or_default()
            .set_blocked(blocked);
        self.settle();
    }

    /// Whether a client is not read from.
    pub(super) fn is_paused(&self, client: Client) -> bool {
        let (shard, connection) = self.clients[client].at;
        self.sinks[shard].paused.contains(&connection)
    }

    fn new_id(&mut self) -> ConnectionId {
        self.next_index += 1;
        ConnectionId {
            index: self.next_index,
            generation: 5,
        }
    }

    /// Lets everything happen that follows from what happened.
    pub(super) fn settle(&mut self) {
        for _ in 0..10_000 {
            let mut busy = false;
            for n in 0..self.shards.len() {
                busy |= self.settle_shard(n);
            }
            if !busy {
                return;
            }
        }
        panic!("the world does not come to rest");
    }

    fn settle_shard(&mut self, n: usize) -> bool {
        let mut busy = false;
        for (connection, home, admitted) in std::mem::take(&mut self.sinks[n].moved) {
            busy = true;
            let moved = self.new_id();
            let wire = self
                .clients
                .iter_mut()
                .find(|wire| wire.at == (n, connection))
                .unwrap();
            wire.at = (home.index(), moved);
            let sink = &mut self.sinks[home.index()];
            self.shards[home.index()].handle_arrival(self.now, moved, admitted, sink);
        }
        while self.verdicts != Verdicts::Late
            && let Some((connection, question)) = self.sinks[n].questions.pop_front()
        {
            busy = true;
            let Question::Password { hash, password } = question;
            let verdict = if self.verdicts == Verdicts::Overloaded {
                Verdict::Overloaded
            } else if hash.verify(&password) {
                Verdict::Allow
            } else {
                Verdict::Deny
            };
            self.shards[n].handle_verdict(self.now, connection, verdict, &mut self.sinks[n]);
        }
        while !self.mail_waits
            && let Some((to, batch)) = self.sinks[n].outboxes.pop_first()
        {
            busy = true;
            let from = ShardId(u16::try_from(n).unwrap());
            let sink = &mut self.sinks[usize::from(to)];
            self.shards[usize::from(to)].handle_batch(self.now, from, batch, sink);
        }
        busy | self.flush(n) | self.submit(n)
    }

    fn submit(&mut self, n: usize) -> bool {
        let sink = &mut self.sinks[n];
        if sink.submitted < sink.ops.len() {
            sink.submitted = sink.ops.len();
            sink.batches += 1;
        }
        if self.disk_waits || sink.durable == sink.batches {
            return false;
        }
        sink.durable = sink.batches;
        let ops = std::mem::take(&mut sink.pending).into_iter();
        let pages: Vec<Page> = ops.filter_map(|op| self.disk.apply(op)).collect();
        self.shards[n].handle_durable(self.now, Ticket(sink.durable), sink);
        for page in pages {
            self.shards[n].handle_page(self.now, page, sink);
        }
        true
    }

    /// Batches that a shard has submitted.
    pub(super) fn batches(&self, n: usize) -> u64 {
        self.sinks[n].batches
    }

    /// The first batches of a shard are durable, whatever `disk_waits` says.
    pub(super) fn make_durable(&mut self, n: usize, upto: u64) {
        let sink = &mut self.sinks[n];
        sink.durable = upto;
        self.shards[n].handle_durable(self.now, Ticket(upto), sink);
        self.settle();
    }

    /// What was to be kept since the last look.
    pub(super) fn kept(&mut self) -> Vec<StoreOp> {
        let ops = self.sinks.iter_mut().flat_map(|sink| {
            sink.submitted = 0;
            std::mem::take(&mut sink.ops)
        });
        ops.map(|(op, _)| op).collect()
    }

    /// Takes in a session as a former life of the broker left it.
    pub(super) fn restore(&mut self, saved: &SavedSession) {
        self.shards[0].commons.numbers.go_on_after(100, 100);
        for (shard, sink) in self.shards.iter_mut().zip(&mut self.sinks) {
            if shard.is_home_of(&saved.session.client_id) {
                shard.restore(self.now, saved.clone(), sink);
            }
        }
        self.settle();
    }

    fn flush(&mut self, n: usize) -> bool {
        let mut room = Vec::new();
        for wire in self.clients.iter_mut().filter(|wire| wire.at.0 == n) {
            let Some(out) = self.sinks[n].out.get_mut(&wire.at.1) else {
                continue;
            };
            while !out.is_blocked() && !out.is_empty() {
                let mut slices = [std::io::IoSlice::new(&[]); 8];
                let filled = out.fill(&mut slices);
                let bytes: Vec<u8> = slices[..filled]
                    .iter()
                    .flat_map(|slice| slice.to_vec())
                    .collect();
                wire.received.extend_from_slice(&bytes);
                out.consume(bytes.len(), &mut Vec::new());
            }
            if out.take_room() {
                room.push(wire.at.1);
            }
        }
        for connection in std::mem::take(&mut self.sinks[n].closed) {
            for wire in self
                .clients
                .iter_mut()
                .filter(|wire| wire.at == (n, connection))
            {
                wire.closed = true;
            }
        }
        for connection in &room {
            self.shards[n].handle_room(self.now, *connection, &mut self.sinks[n]);
        }
        self.shards[n].end_turn(0, 0, 0);
        !room.is_empty()
    }
}

fn block(properties: &[Property<'_>]) -> PropertiesBuf {
    let mut block = PropertiesBuf::new();
    for property in properties {
        block.push(*property);
    }
    block
}

/// A packet in one line: what tests look at.
fn describe(packet: &Packet<'_>) -> String {
    let list = |properties: Properties<'_>| -> String {
        properties
            .iter()
            .map(|property| format!(" {property:?}"))
            .collect()
    };
    let ack = |name: &str, ack: &Ack<'_>| format!("{name} {} {}", ack.packet_id, ack.reason.name());
    match packet {
        Packet::Connack(connack) => format!(
            "CONNACK {} {}{}",
            u8::from(connack.session_present),
            connack.reason.name(),
            list(connack.properties)
        ),
        Packet::Publish(publish) => format!(
            "PUBLISH {} q{}{}{}{} {}{}",
            publish.topic.map_or("-", |topic| topic.as_str()),
            publish.qos.as_u8(),
            if publish.dup { " dup" } else { "" },
            if publish.retain { " retain" } else { "" },
            publish
                .packet_id
                .map_or_else(String::new, |id| format!(" m{id}")),
            String::from_utf8_lossy(&publish.payload[..publish.payload.len().min(20)]),
            list(publish.properties)
        ),
        Packet::Puback(a) => ack("PUBACK", a),
        Packet::Pubrec(a) => ack("PUBREC", a),
        Packet::Pubrel(a) => ack("PUBREL", a),
        Packet::Pubcomp(a) => ack("PUBCOMP", a),
        Packet::Suback(suback) => format!("SUBACK {:02x?}", suback.reasons),
        Packet::Unsuback(unsuback) => format!("UNSUBACK {:02x?}", unsuback.reasons),
        Packet::Disconnect(disconnect) => format!("DISCONNECT {}", disconnect.reason.name()),
        Packet::Pingresp => "PINGRESP".to_owned(),
        other => format!("{other:?}"),
    }
}
