//! Time goes on, and what is due on the way happens in time.

use mqtt_session::time::Instant;

use super::broker::Pace;
use super::store::LAZY_MILLIS;
use super::world::{START, World};

impl World {
    /// Time goes on: a little, or to where something is due.
    pub(super) fn time_passes(&mut self) {
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
            let lazy = self.store.waits_since();
            let lazy = lazy.map(|since| since + LAZY_MILLIS);
            match (due, lazy.filter(|lazy| *lazy <= to)) {
                (due, Some(lazy)) if due.is_none_or(|(due, _)| lazy < due) => {
                    self.set_clock(lazy);
                    self.store.apply(usize::MAX);
                    self.store.commit();
                    if self.store.waits_since().is_some() {
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
        self.store.set_clock(self.clocks());
        self.trace.now = self.now - START;
    }

    pub(super) fn store_works(&mut self) {
        let most = *self.dice.pick(&[1, 3, 10, usize::MAX, usize::MAX]);
        self.store.set_clock(self.clocks());
        self.store.apply(most);
        if self.dice.chance(70) {
            self.store.commit();
        }
    }
}
