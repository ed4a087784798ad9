//! A world: what it is made of, and the steps it takes.

use std::collections::{BTreeMap, BTreeSet};

use mqtt_codec::{PacketId, QoS, ReasonCode, Sender};
use mqtt_session::time::{Instant, Now, UnixTime};

use super::broker::{Broker, Pace};
use super::client::Actor;
use super::dice::Dice;
use super::model::{Expected, Life, Message, Model, SessionAt};
use super::network::Network;
use super::plan::{ClientPlan, Plan, Reads, WATCHER};
use super::store::{StandIn, Store};
use super::topics::{CLIENTS_MAX, Filter, Topic, WILL_TOPIC};
use super::trace::{Counts, Trace};
use super::{Outcome, payload};

/// When a world begins, in milliseconds of its clock and since 1970.
pub(super) const START: u64 = 1_000_000;
const START_UNIX: u64 = 1_700_000_000_000;

fn clocks_at(now: u64) -> Now {
    Now {
        instant: Instant::from_millis(now),
        unix: UnixTime::from_millis(START_UNIX + (now - START)),
    }
}

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
    pub(super) store: Box<dyn Store>,
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
    /// Without a store of its own it has the stand-in, or none: that is drawn.
    pub(super) fn new(seed: u64, trace: bool, store: Option<Box<dyn Store>>) -> Self {
        let mut dice = Dice::new(seed);
        let plan = Plan::draw(&mut dice, store.is_some());
        let settings = plan.settings(false);
        let broker = Broker::new(plan.shards, plan.mails_max, dice.bytes(), &settings);
        let mut store = store.unwrap_or_else(|| Box::new(StandIn::default()));
        store.set_clock(clocks_at(START));
        store.begin(plan.shards);
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
        world.store.may_fail(true);
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
        clocks_at(self.now)
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
        if self.store.has_failed() && self.dice.chance(20) {
            self.fail();
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
        let now = self.clocks();
        self.store.set_clock(now);
        self.model.note_room(!self.broker.has_no_room());
        let busy = self.broker.turn(
            shard,
            now,
            pace,
            (&mut self.network, &mut *self.store, &mut self.dice),
        );
        self.model.note_room(!self.broker.has_no_room());
        self.take_in(shard);
        busy
    }

    pub(super) fn link_of(&self, slot: usize) -> Option<usize> {
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
        self.store.count(&mut self.counts);
        Outcome {
            counts: self.counts,
            hash: self.trace.hash,
        }
    }
}
