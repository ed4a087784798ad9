//! A world: what it is made of, and the steps it takes.

use std::collections::{BTreeMap, BTreeSet};

use mqtt_codec::{PacketId, QoS, ReasonCode, Sender};
use mqtt_session::time::{Instant, Now, UnixTime};

use super::broker::{Broker, Happened, Pace};
use super::client::Actor;
use super::dice::Dice;
use super::model::{Expected, Life, Message, Model, SessionAt};
use super::network::Network;
use super::plan::{ClientPlan, Plan, Reads, WATCHER};
use super::sent::Sent;
use super::sockets::Told;
use super::store::{LAZY_MILLIS, Store};
use super::topics::{CLIENTS_MAX, Filter, Topic, WILL_TOPIC};
use super::trace::{Counts, Trace};
use super::{Outcome, payload};

/// When a world begins, in milliseconds of its clock and since 1970.
const START: u64 = 1_000_000;
const START_UNIX: u64 = 1_700_000_000_000;

/// What is known of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct LinkFacts {
    pub(super) life: Life,
    pub(super) clean: bool,
    /// When the broker had read its CONNECT.
    pub(super) connect_read: Option<u64>,
    /// The DISCONNECT that the broker has read.
    pub(super) goodbye: Option<ReasonCode>,
    pub(super) session: Option<(SessionAt, Expected)>,
    /// Its client has read CONNACK.
    pub(super) heard: bool,
}

/// A SUBSCRIBE or UNSUBSCRIBE.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) packet_id: PacketId,
    pub(super) filter: Filter,
    /// What a SUBSCRIBE asks for.
    pub(super) qos: Option<QoS>,
    /// Its number in the account.
    pub(super) asked: u32,
}

/// A client, and what a program around it remembers.
pub(super) struct Client {
    pub(super) actor: Actor,
    /// QoS 1 and 2 messages without an answer.
    pub(super) open: BTreeSet<u32>,
    /// Requests without an answer.
    pub(super) requests: Vec<Request>,
    /// The last message that came under each packet id.
    pub(super) told: BTreeMap<PacketId, (u32, QoS)>,
    /// It has said goodbye.
    pub(super) leaving: bool,
    /// The broker began a new session and the CONNACK that says so was lost: what the client remembers
    /// belongs to another session, which MQTT has no word for.
    pub(super) out_of_step: bool,
}

/// The whole world.
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) dice: Dice,
    pub(super) now: u64,
    pub(super) network: Network,
    pub(super) facts: Vec<LinkFacts>,
    pub(super) broker: Broker,
    pub(super) store: Store,
    pub(super) clients: Vec<Client>,
    pub(super) model: Model,
    pub(super) counts: Counts,
    pub(super) trace: Trace,
    /// Retained messages that the last client saw, by topic.
    pub(super) retained_seen: BTreeMap<Topic, u32>,
    /// The password is another than the clients'.
    pub(super) locked: bool,
}

impl World {
    pub(super) fn new(seed: u64, trace: bool) -> Self {
        let mut dice = Dice::new(seed);
        let plan = Plan::draw(&mut dice);
        let settings = plan.settings(false);
        let broker = Broker::new(plan.shards, plan.mails_max, dice.bytes(), &settings);
        let mut store = Store::default();
        store.begin(usize::from(plan.shards));
        let mut world = Self {
            now: START,
            network: Network::default(),
            facts: Vec::new(),
            broker,
            store,
            clients: Vec::new(),
            model: Model::new(&plan),
            counts: Counts::default(),
            trace: Trace::new(trace),
            retained_seen: BTreeMap::new(),
            locked: false,
            plan,
            dice,
        };
        let text = format!("{:?}", world.plan);
        world.trace.say(&[], || text);
        world.add_client(WATCHER);
        while !world.model.is_subscribed(WATCHER) {
            world.client_turn(WATCHER, Pace::All);
            for shard in 0..world.broker.shards() {
                world.shard_turn(shard, Pace::All);
            }
            world.store.apply(usize::MAX);
            world.store.commit();
        }
        for slot in 1..world.plan.clients {
            world.add_client(slot);
        }
        world
    }

    fn add_client(&mut self, slot: usize) {
        let plan = if slot == WATCHER {
            ClientPlan::watcher()
        } else {
            self.draw_life(slot)
        };
        let client = self.new_life(slot, plan);
        self.clients.push(client);
    }

    pub(super) fn draw_life(&mut self, slot: usize) -> ClientPlan {
        let mut plan = ClientPlan::draw(&mut self.dice, self.plan.durable);
        if self.plan.members[slot].is_some() && self.dice.chance(50) {
            plan.reads = Reads::Well;
        }
        plan
    }

    /// A client begins anew, under its old client id.
    pub(super) fn new_life(&mut self, slot: usize, plan: ClientPlan) -> Client {
        let text = format!("c{slot} begins: {plan:?}");
        self.trace.say(&[slot as u64], || text);
        let will = plan.will.map(|will| {
            let number = self.model.next_number();
            self.model.add_will(Message {
                publisher: slot,
                topic: (WILL_TOPIC + slot) as Topic,
                qos: will.qos,
                retain: will.retain,
                size: payload::of(number, 0).len(),
                expires: false,
                refused: false,
                will: true,
                sent_at: 0,
                acked: false,
                sends: 1,
                crashes: 0,
            })
        });
        Client {
            actor: Actor::new(slot, plan, &self.plan, will),
            open: BTreeSet::new(),
            requests: Vec::new(),
            told: BTreeMap::new(),
            leaving: false,
            out_of_step: false,
        }
    }

    pub(super) fn clocks(&self) -> Now {
        Now {
            instant: Instant::from_millis(self.now),
            unix: UnixTime::from_millis(START_UNIX + (self.now - START)),
        }
    }

    /// One step. The error says what is not as it has to be.
    pub(super) fn step(&mut self) -> Result<(), String> {
        self.counts.steps += 1;
        match self.dice.below(100) {
            0..45 => {
                let slot = self.dice.below(self.clients.len());
                self.client_turn(slot, Pace::Some);
            }
            45..85 => {
                let shard = self.dice.below(self.broker.shards());
                self.shard_turn(shard, Pace::Some);
            }
            85..93 => self.time_passes(),
            93..97 => self.store_works(),
            _ => self.trouble(),
        }
        self.check()
    }

    pub(super) fn check(&mut self) -> Result<(), String> {
        if !self.broker.queues_are_bounded() {
            let longest = self.broker.longest_queue;
            self.model
                .fail(format!("{longest} bytes waited for one connection"));
        }
        match self.model.broken.take() {
            Some(what) => Err(what),
            None => Ok(()),
        }
    }

    /// A shard takes a turn. Whether anything was done.
    pub(super) fn shard_turn(&mut self, shard: usize, pace: Pace) -> bool {
        self.store.now = self.now;
        let around = (&mut self.network, &mut self.store, &mut self.dice);
        let now = Now {
            instant: Instant::from_millis(self.now),
            unix: UnixTime::from_millis(START_UNIX + (self.now - START)),
        };
        let busy = self.broker.turn(shard, now, pace, around);
        self.take_in(shard);
        busy
    }

    /// Tells the account what happened at the broker.
    pub(super) fn take_in(&mut self, shard: usize) {
        let mut happened = std::mem::take(&mut self.broker.happened);
        for what in happened.drain(..) {
            self.take_in_one(shard, what);
        }
        self.broker.happened = happened;
    }

    fn take_in_one(&mut self, shard: usize, what: Happened) {
        let now = self.now;
        match what {
            Happened::Read(link, sent) => {
                let facts = &mut self.facts[link];
                match sent {
                    Sent::Connect(clean) => {
                        facts.connect_read = Some(now);
                        self.model.connect_read(facts.life.slot, clean);
                    }
                    Sent::Disconnect(reason) => facts.goodbye = Some(reason),
                    Sent::Publish(super::sent::What::Message(number), QoS::AtMostOnce, _)
                        if facts.session.is_some() =>
                    {
                        let moment = self.model.next_moment();
                        self.model.retained.accepted(number, moment);
                    }
                    _ => {}
                }
            }
            Happened::Told(told) => {
                let text = format!("shard {shard} tells {told:?}");
                self.trace.say(&[shard as u64], || text);
                self.take_in_told(told, now);
            }
        }
    }

    fn take_in_told(&mut self, told: Told, now: u64) {
        use mqtt_broker::engine::event::Cause;
        match told {
            Told::Connected(link) => {
                let facts = self.facts[link];
                let read = facts.connect_read.unwrap_or(now);
                let session = self
                    .model
                    .greeted(link, facts.life, facts.clean, (read, now));
                self.facts[link].session = Some(session);
                if session.1 != Expected::Present && self.link_of(facts.life.slot) != Some(link) {
                    self.clients[facts.life.slot].out_of_step = true;
                }
            }
            Told::Disconnected(link, cause) => {
                let facts = self.facts[link];
                match cause {
                    Cause::TakenOver => self.counts.takeovers += 1,
                    Cause::KeepAliveTimeout => self.counts.silent += 1,
                    Cause::NoLongerAuthorised => self.counts.sent_away += 1,
                    _ => {}
                }
                if let Some((at, _)) = facts.session {
                    // Whoever takes over is not greeted yet.
                    let others = self.facts.iter().filter(|other| {
                        other.life.slot == facts.life.slot
                            && other.connect_read.is_some()
                            && other.session.is_none()
                    });
                    let clean = others.fold(false, |any, other| any | other.clean);
                    self.model.connect_read(facts.life.slot, clean);
                    self.model.parted(at, link, cause, facts.goodbye, now);
                } else if facts.connect_read.is_some() {
                    self.facts[link].connect_read = None;
                    self.model.parted_ungreeted(facts.life, now);
                }
            }
            Told::Expired(slot) => {
                self.counts.expired += 1;
                self.model.expired(slot, now);
            }
            Told::Dropped => {
                self.counts.dropping += 1;
                if self.plan.max_queued.is_none() {
                    self.model
                        .fail("a queue without a limit was full".to_owned());
                }
            }
            Told::Damaged => {
                let what = "messages that wait in the store are missing there";
                self.model.fail(what.to_owned());
            }
            Told::TooLarge => self.counts.too_large += 1,
        }
    }

    /// Time goes on: a little, or to where something is due.
    fn time_passes(&mut self) {
        let to = match self.dice.below(10) {
            0..6 => self.now + self.dice.range(0, 50),
            6..9 => match self.next_due() {
                Some(due) => due.min(self.now + 10_000),
                None => self.now + 1,
            },
            _ => self.now + self.dice.range(0, 4_000),
        };
        self.advance(to);
    }

    fn next_due(&self) -> Option<u64> {
        let shards = (0..self.broker.shards()).filter_map(|s| self.broker.next_deadline(s));
        let clients = self.clients.iter();
        let clients = clients.filter_map(|client| client.actor.next_deadline());
        shards.map(Instant::as_millis).chain(clients).min()
    }

    /// Moves the clock. Shards for which something is due on the way take their turns in time, and
    /// what nobody waits for is committed in time.
    pub(super) fn advance(&mut self, to: u64) {
        loop {
            let due = (0..self.broker.shards())
                .filter_map(|s| Some((self.broker.next_deadline(s)?.as_millis(), s)))
                .filter(|(due, _)| *due <= to)
                .min();
            let lazy = self
                .store
                .uncommitted_since
                .map(|since| since + LAZY_MILLIS);
            match (due, lazy.filter(|lazy| *lazy <= to)) {
                (due, Some(lazy)) if due.is_none_or(|(due, _)| lazy < due) => {
                    self.set_clock(lazy);
                    self.store.apply(usize::MAX);
                    self.store.commit();
                    if self.store.uncommitted_since.is_some() {
                        // Parts are still on their way: their shards have to move on.
                        for shard in 0..self.broker.shards() {
                            self.shard_turn(shard, Pace::All);
                        }
                    }
                }
                (Some((due, shard)), _) => {
                    self.set_clock(due);
                    self.shard_turn(shard, Pace::Some);
                }
                _ => break,
            }
        }
        self.set_clock(to);
    }

    fn set_clock(&mut self, to: u64) {
        self.now = self.now.max(to);
        self.store.now = self.now;
        self.trace.now = self.now - START;
    }

    fn store_works(&mut self) {
        let most = *self.dice.pick(&[1, 3, 10, usize::MAX, usize::MAX]);
        self.store.now = self.now;
        self.store.apply(most);
        if self.dice.chance(70) {
            self.store.commit();
        }
    }

    /// Something breaks, or new settings come.
    fn trouble(&mut self) {
        let trouble = self.plan.trouble;
        if trouble > 0 {
            for _ in 0..trouble {
                self.network_trouble();
            }
            if self.plan.durable && self.dice.chance(2 * trouble) {
                self.crash();
            }
        }
        if self.plan.passwords && self.dice.chance(25) {
            self.locked = !self.locked && self.dice.chance(30);
            let settings = self.plan.settings(self.locked);
            self.trace
                .say(&[u64::from(self.locked)], || "new settings".to_owned());
            self.broker.reload(&settings);
        }
    }

    fn network_trouble(&mut self) {
        let count = self.network.live.len();
        if count == 0 {
            return;
        }
        let id = self.network.live[self.dice.below(count)];
        if self.network.links[id].slot == WATCHER {
            return;
        }
        let kind = self.dice.below(6);
        self.trace.say(&[id as u64, kind as u64], || {
            format!("trouble {kind} on link {id}")
        });
        let (one, other) = (self.dice.chance(50), self.dice.chance(50));
        let link = &mut self.network.links[id];
        match kind {
            0 => {
                self.counts.cuts += 1;
                self.network.cut(id, one, other);
            }
            1 => link.up.stalled = true,
            2 => link.down.stalled = true,
            3 | 4 => {
                if link.client_holds && link.broker_holds {
                    link.up.stalled &= link.up.reset;
                    link.down.stalled &= link.down.reset;
                }
            }
            _ => {
                if link.up.stalled || link.down.stalled {
                    self.network.discover(id);
                }
            }
        }
    }

    /// The broker's process ends, and another one begins with what the store kept.
    fn crash(&mut self) {
        self.counts.crashes += 1;
        let now = self.now;
        let shards = *self.dice.pick(&[1, 2, 3, self.plan.shards]);
        self.trace
            .say(&[u64::from(shards)], || format!("crash; {shards} shards"));
        self.model.crashed(now);
        for facts in &self.facts {
            if facts.connect_read.is_some() && facts.session.is_none() {
                self.model.parted_ungreeted(facts.life, now);
            }
        }
        self.store.now = now;
        self.store.crash(&mut self.dice);
        self.store.begin(usize::from(shards));
        let settings = self.plan.settings(self.locked);
        let random = self.dice.bytes();
        let broker = Broker::new(shards, self.plan.mails_max, random, &settings);
        let old = std::mem::replace(&mut self.broker, broker);
        old.crash(&mut self.network);
        for facts in &mut self.facts {
            facts.connect_read = None;
        }
        self.counts.restored += self.store.disk.sessions().len() as u64;
        let clocks = self.clocks();
        self.broker.restore(clocks, &self.store);
    }

    fn link_of(&self, slot: usize) -> Option<usize> {
        self.clients.get(slot)?.actor.link
    }

    pub(super) fn version(&self, slot: usize) -> (Sender, mqtt_codec::Version) {
        (Sender::Client, self.clients[slot].actor.plan.version)
    }

    pub(super) fn life(&self, slot: usize) -> Life {
        let actor = &self.clients[slot].actor;
        let plan = &actor.plan;
        let cleaning = actor.is_cleaning();
        let delay = plan
            .will
            .map_or(0, |will| u64::from(will.delay_seconds) * 1000);
        let watched = !self.plan.durable && !self.plan.passwords;
        let waits = plan.will.is_some_and(|will| will.qos > QoS::AtMostOnce);
        Life {
            will_is_seen: watched || (waits && self.plan.max_queued.is_none()),
            slot,
            lasts: if cleaning {
                super::plan::Lasts::Connection
            } else {
                plan.lasts
            },
            will: actor.will.filter(|_| !cleaning).map(|will| (will, delay)),
            maximum_packet_size: plan.maximum_packet_size,
            is_v31: plan.version == mqtt_codec::Version::V31,
            member: slot < CLIENTS_MAX && self.plan.members[slot].is_some(),
        }
    }

    /// What happened in it, once it is over.
    pub(super) fn outcome(mut self, steps: u64) -> Outcome {
        self.counts.seeds = 1;
        self.counts.steps = steps;
        self.counts.wills = self.model.wills.count();
        (self.counts.pages, self.counts.paged) = self.store.read;
        Outcome {
            counts: self.counts,
            hash: self.trace.hash,
        }
    }
}
