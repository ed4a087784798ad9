//! Many clients that come, go, answer late and stop reading, in an order drawn by lot: whatever
//! happens, nothing of QoS 1 and 2 is lost, doubled or out of order, no window is exceeded, and in the
//! end nothing is left.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mqtt_codec::{Packet, Property, TopicName, Version};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::SHARDS;
use super::world::{Client, How, World, settings};

/// Clients that subscribe by themselves and keep their sessions.
const PLAIN: usize = 3;
/// Members of a group, of whom the first keeps its session and the others leave for good.
const MEMBERS: usize = 3;

/// A client that takes what it gets as the standard says, and answers when it is asked to.
#[derive(Default)]
struct Taker {
    name: String,
    member: bool,
    kept: bool,
    client: Option<Client>,
    window: usize,
    /// Answers that are owed: by packet id, of what.
    owed: VecDeque<(char, u16)>,
    /// Open deliveries of this connection.
    open: BTreeSet<u16>,
    /// QoS 2 that was taken and not released.
    held: BTreeSet<u16>,
    /// How often each message came, repeats by their id not counted.
    got: BTreeMap<u32, usize>,
    /// The last new message of each topic and QoS.
    last: BTreeMap<String, u32>,
}

impl Taker {
    fn connect(&mut self, world: &mut World, random: &mut StdRng) {
        self.window = random.random_range(1..6);
        let window = u16::try_from(self.window).unwrap();
        let mut how = if self.kept {
            How::kept()
        } else {
            How::default()
        };
        how.properties.push(Property::ReceiveMaximum(window));
        if random.random_range(0..4) == 0 && self.kept {
            how.properties.clear();
            how.version = Version::V311;
            self.window = 20;
        }
        (self.owed, self.open) = Default::default();
        let (client, lines) = world.connect_all(&self.name, &how);
        self.client = Some(client);
        self.take(lines);
        if !self.kept {
            self.held.clear();
            self.last.clear();
            self.subscribe(world);
        }
    }

    fn subscribe(&mut self, world: &mut World) {
        let filter = if self.member { "$share/g/t/#" } else { "t/#" };
        let lines = world.subscribe(
            self.client.unwrap(),
            filter,
            if self.member { 1 } else { 2 },
        );
        self.take(lines);
    }

    fn cut(&mut self, world: &mut World) {
        if let Some(client) = self.client.take() {
            world.block(client, false);
            let lines = world.lines(client);
            self.take(lines);
            world.cut(client);
        }
    }

    fn take(&mut self, lines: Vec<String>) {
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            match words[0] {
                "PUBLISH" if words[2] != "q0" => self.take_publish(&words),
                "PUBREL" => {
                    let id = words[1].parse().unwrap();
                    self.held.remove(&id);
                    self.owed.push_back(('c', id));
                }
                "PUBLISH" | "CONNACK" | "SUBACK" => {}
                _ => panic!("{} got {line}", self.name),
            }
        }
    }

    fn take_publish(&mut self, words: &[&str]) {
        let dup = words.contains(&"dup");
        let live = !words.contains(&"retain");
        let at = words.iter().position(|word| word.starts_with('m')).unwrap();
        let id: u16 = words[at][1..].parse().unwrap();
        let number: u32 = words[at + 1].trim_end_matches('.').parse().unwrap();
        assert!(self.open.insert(id), "{} has {id} open", self.name);
        assert!(self.open.len() <= self.window, "{}", self.name);
        let again = words[2] == "q2" && !self.held.insert(id);
        if live && !again && !(dup && words[2] == "q1") {
            *self.got.entry(number).or_default() += 1;
            if !self.member && !dup {
                let last = self.last.entry(words[1..3].join(" ")).or_default();
                assert!(*last < number, "{}: {number} after {last}", self.name);
                *last = number;
            }
        }
        self.owed
            .push_back((if words[2] == "q2" { 'r' } else { 'a' }, id));
    }

    /// Gives so many of the answers that it owes.
    fn answer(&mut self, world: &mut World, most: usize) {
        let Some(client) = self.client else { return };
        for _ in 0..most {
            let lines = world.lines(client);
            self.take(lines);
            let Some((kind, id)) = self.owed.pop_front() else {
                return;
            };
            match kind {
                'a' => world.ack(client, Packet::Puback, id),
                'r' => world.ack(client, Packet::Pubrec, id),
                _ => world.ack(client, Packet::Pubcomp, id),
            }
            if kind != 'r' {
                self.open.remove(&id);
            }
        }
    }
}

#[test]
fn nothing_is_lost_or_doubled_whatever_clients_do() {
    for seed in 0..4 {
        for shards in SHARDS {
            storm(shards, seed);
        }
    }
}

fn storm(shards: u16, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut settings = settings();
    settings.max_queued_messages = None;
    let mut world = World::with(shards, settings);
    let publishers = [0, 1].map(|n| world.join(&format!("publisher {n}"), &How::default()));
    let mut takers: Vec<Taker> = (0..PLAIN + MEMBERS)
        .map(|n| Taker {
            name: format!("taker {n}"),
            member: n >= PLAIN,
            kept: n <= PLAIN,
            ..Taker::default()
        })
        .collect();
    for taker in takers.iter_mut().filter(|taker| taker.kept) {
        taker.connect(&mut world, &mut random);
        taker.subscribe(&mut world);
    }
    let mut sent = BTreeMap::new();
    for number in 1..=400 {
        let qos = random.random_range(0..3);
        publish(&mut world, &mut random, &publishers, qos, number);
        sent.insert(number, qos);
        let taker = random.random_range(0..takers.len());
        let taker = &mut takers[taker];
        match (random.random_range(0..8), taker.client) {
            (0, _) => taker.cut(&mut world),
            (1, Some(client)) => world.block(client, true),
            (2, Some(client)) => world.block(client, false),
            (3, Some(_)) => {}
            (_, None) => taker.connect(&mut world, &mut random),
            (_, Some(_)) => taker.answer(&mut world, 4),
        }
    }
    for taker in &mut takers {
        if let Some(client) = taker.client {
            world.block(client, false);
        } else if taker.kept {
            taker.connect(&mut world, &mut random);
        }
        taker.answer(&mut world, usize::MAX);
    }
    check(&takers, &sent, &format!("{shards} shards, seed {seed}"));
    for taker in &mut takers {
        taker.cut(&mut world);
        // Ends what it left.
        let last = world.join(&taker.name, &How::default());
        world.cut(last);
    }
    publishers.into_iter().for_each(|client| world.cut(client));
    nothing_is_left(&world);
}

fn nothing_is_left(world: &World) {
    let topic = TopicName::parse("t/0/0").unwrap();
    for shard in &world.shards {
        assert!(shard.sessions.is_empty() && shard.connections.is_empty());
        assert!(shard.groups.number("g/t/#").is_none() && shard.group_filters.is_empty());
        let found = shard.index.lookup(topic, false);
        assert!(found.targets.is_empty() && found.groups.is_empty());
        assert!(shard.commons.interest.shards_for(topic).0.by.is_empty());
        let tally = shard.tally;
        assert_eq!((tally.messages_stored, tally.messages_stored_bytes), (0, 0));
        assert_eq!((tally.subscriptions, tally.shared_subscriptions), (0, 0));
        assert_eq!((tally.clients_total, tally.clients_connected), (0, 0));
    }
}

fn publish(world: &mut World, random: &mut StdRng, publishers: &[Client; 2], qos: u8, number: u32) {
    let which = random.random_range(0..2);
    let topic = format!("t/{which}/{}", random.random_range(0..2));
    let long = random.random_range(0..4) == 0;
    let payload = format!("{number:08}{}", ".".repeat(if long { 40_000 } else { 0 }));
    let retain = random.random_range(0..8) == 0;
    let client = publishers[which];
    world.publish_with(client, &topic, qos, retain, &payload, &[]);
    if qos == 2 {
        world.ack(client, Packet::Pubrel, 77);
    }
}

fn check(takers: &[Taker], sent: &BTreeMap<u32, u8>, when: &str) {
    for (number, qos) in sent.iter().filter(|(_, qos)| **qos > 0) {
        for taker in takers.iter().filter(|taker| !taker.member) {
            let times = taker.got.get(number).copied().unwrap_or(0);
            assert_eq!(times, 1, "{number} q{qos} to {}, {when}", taker.name);
        }
        let members = takers.iter().filter(|taker| taker.member);
        let times: usize = members.filter_map(|taker| taker.got.get(number)).sum();
        assert!(times > 0, "{number} q{qos} to the group, {when}");
    }
}
