//! What clients do by themselves: connect, ask for something, leave, begin anew.

use mqtt_codec::{Properties, QoS, ReasonCode};
use mqtt_session::time::Instant;

use super::broker::Pace;
use super::client::Heard;
use super::model::Expected;
use super::plan::WATCHER;
use super::sent::{self, Sent};
use super::topics::{FIRST_SHARED, Filter};
use super::world::{LinkFacts, World};

impl World {
    /// A client reads, does something, and writes. Whether anything was read or written.
    pub(super) fn client_turn(&mut self, slot: usize, pace: Pace) -> bool {
        let all = matches!(pace, Pace::All);
        if self.clients[slot].actor.link.is_none() && !self.may_connect(slot, all) {
            if !all && self.dice.chance(10) {
                self.publish_something(slot);
            }
            return false;
        }
        let mut busy = self.read(slot, all);
        if !all && self.clients[slot].actor.link.is_some() {
            self.act(slot);
        }
        busy |= self.write(slot);
        self.leave_if_done(slot);
        busy
    }

    /// Opens a connection if that is wanted.
    fn may_connect(&mut self, slot: usize, all: bool) -> bool {
        if !all && slot != WATCHER && !self.dice.chance(40) {
            return false;
        }
        let link = self.network.open(slot, self.plan.pipe_bytes);
        let actor = &mut self.clients[slot].actor;
        actor.open(self.now, link);
        let version = actor.plan.version;
        let (_, first) = sent::first(actor.output(), version);
        let clean = first == Sent::Connect(true);
        let life = self.life(slot);
        self.facts.push(LinkFacts {
            life,
            clean,
            connect_read: None,
            goodbye: None,
            session: None,
            heard: false,
        });
        if clean {
            self.model.will_start_clean(slot);
        }
        let client = &mut self.clients[slot];
        client.leaving = false;
        client.requests.clear();
        let shard = self.dice.below(self.broker.shards());
        self.trace.say(&[link as u64, shard as u64], || {
            format!("c{slot} opens link {link} to shard {shard}")
        });
        let clocks = self.clocks();
        self.broker.accept(clocks, shard, link);
        self.take_in(shard);
        true
    }

    fn read(&mut self, slot: usize, all: bool) -> bool {
        let Some(link) = self.clients[slot].actor.link else {
            return false;
        };
        if self.clients[slot].leaving {
            let down = &self.network.links[link].down;
            let broken = down.reset || down.closed;
            if broken {
                self.close(slot, false);
            }
            return broken;
        }
        let most = if all {
            usize::MAX
        } else {
            *self
                .dice
                .pick(&[1, 9, 60, 500, usize::MAX, usize::MAX, usize::MAX])
        };
        self.network.links[link].down.arrive(most);
        let (_, version) = self.version(slot);
        let mut heard = Vec::new();
        let trace = &mut self.trace;
        let mut see = |bytes: &[u8]| {
            trace.packet(slot, "<-", bytes, (mqtt_codec::Sender::Server, version));
        };
        let actor = &mut self.clients[slot].actor;
        let busy = actor.read(
            self.now,
            &mut self.network,
            &mut self.dice,
            &mut heard,
            &mut see,
        );
        self.hear(slot, heard);
        if self.clients[slot].actor.link == Some(link) && self.network.links[link].down.is_at_end()
        {
            self.close(slot, false);
            return true;
        }
        let mut heard = Vec::new();
        let actor = &mut self.clients[slot].actor;
        actor.tick(self.now, &mut self.dice, &mut heard);
        self.hear(slot, heard);
        busy
    }

    fn write(&mut self, slot: usize) -> bool {
        let who = self.version(slot);
        let trace = &mut self.trace;
        let mut see = |bytes: &[u8]| trace.packet(slot, "->", bytes, who);
        let mut heard = Vec::new();
        let actor = &mut self.clients[slot].actor;
        let busy = actor.write(self.now, &mut self.network, &mut heard, &mut see);
        self.hear(slot, heard);
        busy
    }

    fn leave_if_done(&mut self, slot: usize) {
        let client = &self.clients[slot];
        if client.leaving && client.actor.output().is_empty() {
            self.close(slot, true);
        }
    }

    /// A client lets go of its connection, or finds that it is gone.
    pub(super) fn close(&mut self, slot: usize, orderly: bool) {
        let client = &mut self.clients[slot];
        let Some(link) = client.actor.link else {
            return;
        };
        let LinkFacts { session, heard, .. } = self.facts[link];
        client.out_of_step |= !heard && session.is_some_and(|(_, it)| it != Expected::Present);
        for packet_id in &client.actor.to_ack {
            if let (Some((number, QoS::ExactlyOnce)), Some((at, _))) =
                (client.told.get(packet_id), session)
            {
                self.model.untold(at, *number);
            }
        }
        for number in &client.open {
            self.model.comes_again(*number);
        }
        self.model.client_lost_connection(slot);
        client.leaving = false;
        client.actor.closed();
        let mut heard = Vec::new();
        client.actor.outcomes(&mut heard);
        self.network.client_leaves(link, orderly);
        self.trace
            .say(&[link as u64], || format!("c{slot} lets go of link {link}"));
        self.hear(slot, heard);
    }

    fn act(&mut self, slot: usize) {
        if slot == WATCHER || !self.clients[slot].actor.is_connected() {
            return;
        }
        if self.clients[slot].leaving {
            return;
        }
        let member = self.plan.members[slot];
        match self.dice.below(100) {
            0..45 => self.publish_something(slot),
            45..60 => match member {
                Some(filter) => {
                    if self.dice.chance(40) {
                        self.subscribe(slot, filter);
                    }
                }
                None => {
                    let filter = self.dice.below(FIRST_SHARED) as Filter;
                    self.subscribe(slot, filter);
                }
            },
            60..63 => {
                let filter = match member {
                    Some(filter) => filter,
                    None => self.dice.below(FIRST_SHARED) as Filter,
                };
                self.unsubscribe(slot, filter);
            }
            63..65 => self.say_goodbye(slot),
            65 | 66 => {
                // Gone without a word, and perhaps back before the broker knows.
                self.vanish(slot);
            }
            67 => {
                self.vanish(slot);
                let plan = self.draw_life(slot);
                self.clients[slot] = self.new_life(slot, plan);
            }
            _ => {}
        }
    }

    fn vanish(&mut self, slot: usize) {
        let Some(link) = self.clients[slot].actor.link else {
            return;
        };
        let noticed = self.dice.chance(50);
        self.close(slot, false);
        if !noticed {
            let up = &mut self.network.links[link].up;
            up.reset = false;
            up.closed = false;
            up.stalled = true;
        }
    }

    fn say_goodbye(&mut self, slot: usize) {
        let with_will = self.dice.chance(30);
        let client = &mut self.clients[slot];
        let reason = if with_will && client.actor.plan.version.is_v5() {
            ReasonCode::DisconnectWithWill
        } else {
            ReasonCode::Success
        };
        let now = Instant::from_millis(self.now);
        let said = client
            .actor
            .session
            .disconnect(now, reason, Properties::EMPTY);
        client.leaving = said.is_ok();
    }

    /// Hears all of it.
    pub(super) fn hear(&mut self, slot: usize, heard: Vec<Heard>) {
        let link = self.clients[slot].actor.link;
        for one in heard {
            let is_news = matches!(one, Heard::Published(..) | Heard::Over(_));
            if self.clients[slot].actor.link != link && !is_news {
                // It let go of the connection meanwhile.
                continue;
            }
            self.hear_one(slot, one);
        }
    }
}
