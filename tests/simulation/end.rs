//! The end of a world: the network heals, everybody comes back and reads everything, and then all
//! that was promised has to be there, and nothing must be left.

use mqtt_codec::{QoS, SubscriptionOptions};

use super::broker::Pace;
use super::plan::{ClientPlan, Lasts};
use super::topics::{CLIENTS_MAX, TOPICS, Topic};
use super::world::World;

/// Rounds after which a world has to have come to rest.
const ROUNDS_MAX: usize = 3_000;
/// The client that looks at the retained messages; no other has its id.
const LATE: usize = CLIENTS_MAX - 1;

impl World {
    /// Lets the world end.
    pub(super) fn end(&mut self) -> Result<(), String> {
        self.unlock();
        if self.store.has_failed() {
            self.fail();
        }
        self.store.may_fail(false);
        if self.dice.chance(50) {
            let later = self.now + self.dice.range(0, 30_000);
            self.advance(later);
            self.check()?;
        }
        for id in self.network.live.clone() {
            let link = &mut self.network.links[id];
            if link.up.stalled || link.down.stalled {
                self.network.discover(id);
            }
        }
        for client in &mut self.clients {
            client.actor.reformed = true;
        }
        self.settle(true)?;
        self.all_is_there()?;
        self.retained_is_right()?;
        self.nothing_is_left()
    }

    /// Clients are welcome again.
    fn unlock(&mut self) {
        if self.locked {
            self.locked = false;
            let settings = self.plan.settings(false);
            self.broker.reload(&settings);
        }
    }

    /// Goes on until nothing happens any more.
    fn settle(&mut self, all_connect: bool) -> Result<(), String> {
        for _ in 0..ROUNDS_MAX {
            let mut busy = false;
            for shard in 0..self.broker.shards() {
                busy |= self.shard_turn(shard, Pace::All);
            }
            if self.store.waits_since().is_some() {
                self.store.set_clock(self.clocks());
                busy |= self.store.apply(usize::MAX);
                busy |= self.store.commit();
            }
            for slot in 0..self.clients.len() {
                if self.clients[slot].leaving {
                    // Nobody waits for what it still had to say.
                    self.close(slot, false);
                }
                let connected = self.clients[slot].actor.link.is_some();
                if connected || all_connect {
                    busy |= !connected;
                    busy |= self.client_turn(slot, Pace::All);
                }
            }
            self.check()?;
            if !busy {
                return Ok(());
            }
            // So that what asks again in a moment gets its moment.
            self.advance(self.now + 5);
        }
        Err("the world does not come to rest".to_owned())
    }

    fn all_is_there(&mut self) -> Result<(), String> {
        let now = self.now;
        self.model.check_all_is_there(now);
        for slot in 0..self.clients.len() {
            if !self.is_finished(slot) {
                let open = &self.clients[slot].open;
                self.model
                    .fail(format!("c{slot} was never answered: {open:?}"));
            }
        }
        self.counts.owed = self.model.owed();
        self.check()
    }

    /// Who subscribes now gets the last retained message of each topic.
    fn retained_is_right(&mut self) -> Result<(), String> {
        let plan = ClientPlan {
            lasts: Lasts::Connection,
            ..ClientPlan::watcher()
        };
        while self.clients.len() < LATE {
            let slot = self.clients.len();
            let client = self.new_life(slot, plan.clone());
            self.clients.push(client);
        }
        let late = self.new_life(LATE, plan);
        self.clients.push(late);
        for client in &mut self.clients {
            client.actor.reformed = true;
        }
        self.plan.members[LATE] = None;
        self.settle(true)?;
        let options = SubscriptionOptions {
            qos: QoS::ExactlyOnce,
            ..SubscriptionOptions::default()
        };
        self.subscribe_as(LATE, 0, options);
        self.subscribe_as(LATE, 9, options);
        self.settle(true)?;
        for topic in 0..TOPICS.len() {
            let topic = topic as Topic;
            let seen = self.retained_seen.get(&topic).copied();
            let is_will = seen.is_some_and(|number| self.model.messages[number as usize].will);
            if !self.model.retained.may_be(topic, seen, is_will) {
                let name = TOPICS[usize::from(topic)];
                let known = self.model.retained.describe(topic);
                self.model
                    .fail(format!("{name} has message {seen:?} retained, not {known}"));
            }
        }
        self.counts.certain = self.model.retained.certain();
        self.check()
    }

    /// All sessions end, and all that is retained is cleared.
    fn nothing_is_left(&mut self) -> Result<(), String> {
        for slot in 0..LATE {
            self.close(slot, true);
            let plan = ClientPlan {
                lasts: Lasts::Connection,
                ..ClientPlan::watcher()
            };
            self.clients[slot] = self.new_life(slot, plan);
            self.clients[slot].actor.reformed = true;
        }
        self.plan.members = [None; CLIENTS_MAX];
        self.settle(true)?;
        for topic in 0..TOPICS.len() {
            let topic = topic as Topic;
            if !super::topics::is_forbidden(topic) {
                self.publish(LATE, topic, QoS::AtLeastOnce, true, 0, None);
            }
        }
        self.settle(true)?;
        for slot in 0..self.clients.len() {
            self.close(slot, true);
        }
        self.settle(false)?;
        self.advance(self.now + 5_000);
        self.settle(false)?;
        self.check()?;
        self.broker.leftovers()?;
        self.store.leftovers()
    }
}
