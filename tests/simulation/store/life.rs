//! The real store in one life of its broker: what its writer does, a piece at a time.

use std::collections::VecDeque;
use std::path::PathBuf;

use mqtt_broker::engine::ids::ShardId;
use mqtt_broker::engine::store_op::{Page, StoreOp, Ticket};
use mqtt_broker::store::Turns;
use mqtt_broker::store::database::Database;
use mqtt_broker::store::ledger::{Effect, Ledger};

use crate::simulation::dice::Dice;

/// How SQLite says that there is no room.
pub(super) const FULL: &str = "database or disk is full";

/// What lasts as long as the broker.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) file: PathBuf,
    pub(super) database: Database,
    pub(super) ledger: Ledger,
    pub(super) turns: Turns,
    /// What took effect and is not committed.
    pub(super) effects: Vec<Effect>,
    /// Nothing of that stands in the database, since there was no room for all of it.
    pub(super) undone: bool,
    /// What each shard submitted and is not durable: the tickets, and when, in milliseconds.
    pub(super) batches: Vec<VecDeque<(Ticket, u64)>>,
    pub(super) durable: Vec<u64>,
    pub(super) pages: Vec<VecDeque<Page>>,
    pub(super) waits_since: Option<u64>,
    /// Until when the disk is full, in milliseconds.
    pub(super) full_until: Option<u64>,
    /// Shards are told that there is no room.
    pub(super) no_room: bool,
    pub(super) failed: bool,
}

impl Life {
    /// A store that was opened.
    pub(super) fn new(file: PathBuf, database: Database, shards: u16) -> Self {
        let turns = Turns::new(shards);
        for shard in (0..shards).map(ShardId) {
            turns.sleeps(shard, false);
        }
        let count = usize::from(shards);
        Self {
            file,
            database,
            ledger: Ledger::new(shards),
            turns,
            effects: Vec::new(),
            undone: false,
            batches: (0..shards).map(|_| VecDeque::new()).collect(),
            durable: vec![0; count],
            pages: (0..shards).map(|_| VecDeque::new()).collect(),
            waits_since: None,
            full_until: None,
            no_room: false,
            failed: false,
        }
    }

    /// Takes a shard's batch.
    pub(super) fn submit(
        &mut self,
        now: u64,
        shard: usize,
        batch: u64,
        ops: impl IntoIterator<Item = StoreOp>,
    ) {
        self.waits_since.get_or_insert(now);
        self.batches[shard].push_back((Ticket(batch), now));
        let (shard, ticket) = (ShardId(shard as u16), Ticket(batch));
        self.turns.note_ticket(shard, ticket);
        self.ledger.submit(shard, ticket, ops);
    }

    /// Has the file grow by so many pages, or as far as it likes.
    pub(super) fn limit_growth(&self, pages: Option<u32>) {
        let limited = self.database.limit_growth(pages);
        limited.expect("that needs no room");
    }

    /// The disk did not take all of it, as a full one may, and nothing of it is left.
    pub(super) fn undo(&mut self, error: &str) {
        assert!(self.full_until.is_some() && error == FULL, "{error}");
        self.database.undo().expect("what failed leaves nothing");
        self.undone = true;
    }

    /// Has up to so many operations take effect. Whether any did.
    pub(super) fn apply(&mut self, most: usize) -> bool {
        for done in 0..most {
            let effect = (!self.undone).then(|| self.ledger.take()).flatten();
            let Some(effect) = effect else {
                return done > 0;
            };
            let applied = self.database.apply(&effect);
            self.effects.push(effect);
            if let Err(error) = applied {
                self.undo(&error.to_string());
            }
        }
        true
    }

    /// Tries to commit what took effect. Whether the disk took it.
    pub(super) fn commit(&mut self) -> bool {
        let committed = if self.undone {
            self.database.transact(&self.effects)
        } else {
            self.database.tidy().and_then(|()| self.database.commit())
        };
        if let Err(error) = committed {
            self.undo(&error.to_string());
            return false;
        }
        self.undone = false;
        self.effects.clear();
        true
    }

    /// When the first was submitted of what is not durable.
    pub(super) fn behind_since(&self) -> Option<u64> {
        let first = self.batches.iter().filter_map(|batches| batches.front());
        first.map(|(_, since)| *since).min()
    }

    /// The broker hears of the last commit.
    pub(super) fn announce(&mut self, now: u64) {
        self.no_room &= self.full_until.is_some();
        for (shard, page) in self.database.take_pages() {
            self.pages[shard.index()].push_back(page);
        }
        self.database.forget_cleared(&self.turns, &self.ledger);
        for (shard, batches) in (0..).map(ShardId).zip(&mut self.batches) {
            let reached = self.ledger.reached(shard);
            batches.retain(|(ticket, _)| *ticket > reached);
            self.durable[shard.index()] = reached.0;
        }
        // It is looked again whether there is room.
        let waits = self.no_room || self.behind_since().is_some();
        self.waits_since = waits.then_some(now);
    }

    /// A commit that nobody hears of, of all that took effect or of the first of it.
    pub(super) fn commit_unheard(&mut self, dice: &mut Dice) {
        self.apply(dice.below(20));
        let most = dice.below(self.effects.len() + 1);
        if self.undone || most < self.effects.len() {
            self.database.undo().expect("nothing has failed");
            self.effects.truncate(most);
            self.undone = true;
        }
        // Where there is no room for it nothing is written.
        let _full = self.commit();
    }

    /// As a USR1 does.
    pub(super) fn save(&mut self) {
        let saved = self.database.checkpoint();
        let saved = saved.and_then(|()| self.database.begin_run());
        saved.expect("the disk is sound");
    }

    /// The disk has room again.
    pub(super) fn heal(&mut self) {
        self.full_until = None;
        self.limit_growth(None);
    }
}
