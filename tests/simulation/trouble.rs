//! What breaks in a world: connections, the broker's process, and what its settings were.

use super::broker::Broker;
use super::plan::WATCHER;
use super::world::World;

impl World {
    /// Something breaks, or new settings come.
    pub(super) fn trouble(&mut self) {
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

    /// The store has failed, with the power of the whole machine or without it: then the broker says
    /// goodbye before it ends.
    pub(super) fn fail(&mut self) {
        if self.dice.chance(50) {
            return self.crash();
        }
        self.counts.failed_syncs += 1;
        self.trace.say(&[], || "the store fails".to_owned());
        self.model.stops(self.facts.iter().map(|facts| facts.life));
        let now = self.clocks();
        for shard in 0..self.broker.shards() {
            self.broker.stop(shard, now, &mut self.network);
            self.take_in(shard);
        }
        self.crash();
    }

    /// The broker's process ends, and another one begins with what the store kept.
    fn crash(&mut self) {
        self.counts.crashes += 1;
        let now = self.now;
        let shards = *self.dice.pick(&[1, 2, 3, self.plan.shards]);
        self.trace
            .say(&[u64::from(shards)], || format!("crash; {shards} shards"));
        let since = self.store.behind_since().unwrap_or(now);
        self.model.crashed(now, since);
        for facts in &self.facts {
            if facts.connect_read.is_some() && facts.session.is_none() {
                self.model.parted_ungreeted(facts.life, now);
            }
        }
        self.store.set_clock(self.clocks());
        self.store.crash(&mut self.dice);
        let recovered = self.store.begin(shards);
        let settings = self.plan.settings(self.locked);
        let random = self.dice.bytes();
        let broker = Broker::new(shards, self.plan.mails_max, random, &settings);
        let old = std::mem::replace(&mut self.broker, broker);
        old.crash(&mut self.network);
        for facts in &mut self.facts {
            facts.connect_read = None;
        }
        let (message, session, version) = recovered.last_numbers;
        self.trace.say(&[message, u64::from(session), version], || {
            let sessions = recovered.sessions.len();
            let retained = recovered.retained.len();
            format!("a start finds {sessions} sessions and {retained} retained messages")
        });
        self.counts.restored += recovered.sessions.len() as u64;
        let clocks = self.clocks();
        self.broker.restore(clocks, recovered);
    }
}
