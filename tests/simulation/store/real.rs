//! The real store, without the thread that writes: its pieces are called when the world says so, on a disk
//! that is full for a while, fails a sync, or loses its power.
//!
//! At most one commit is under way when the broker ends. It is made here after the last one that
//! anybody heard of, and of its pages any may be missing (`power.rs`). What is left is copied, and the next
//! life starts from the copy.

use std::fs;
use std::path::{Path, PathBuf};

use mqtt_broker::engine::ids::ShardId;
use mqtt_broker::engine::store_op::{Page, StoreOp, Urgency};
use mqtt_broker::store::recovery::{Report, Start, Started, beside};
use mqtt_broker::store::tools::{Reading, check, stats};
use mqtt_broker::store::{Recovered, Sync};
use mqtt_session::time::Now;

use super::life::{FULL, Life};
use super::{Store, power};
use crate::simulation::dice::Dice;
use crate::simulation::trace::Counts;

/// The real store.
#[derive(Debug)]
pub(crate) struct Real {
    /// Where its files are.
    folder: PathBuf,
    /// What becomes of the disk is drawn apart from the world, which draws what it always does.
    dice: Dice,
    faults: Faults,
    may_fail: bool,
    now: Now,
    lives: u32,
    life: Option<Life>,
    counts: Counts,
}

/// How often something happens, in so many of a hundred commits.
#[derive(Clone, Copy, Debug)]
struct Faults {
    /// The disk is full for a while.
    full: usize,
    /// A sync fails, or the power goes.
    end: usize,
    /// Everything is brought into the one file.
    save: usize,
}

impl Real {
    /// A store in an empty folder.
    pub(crate) fn new(folder: &Path, seed: u64) -> Self {
        let mut dice = Dice::new(!seed);
        let faults = Faults {
            full: *dice.pick(&[0, 0, 5, 20]),
            end: *dice.pick(&[0, 2, 5, 10]),
            save: *dice.pick(&[0, 2, 10]),
        };
        Self {
            folder: folder.to_owned(),
            dice,
            faults,
            may_fail: false,
            now: Now::default(),
            lives: 0,
            life: None,
            counts: Counts::default(),
        }
    }

    fn life(&self) -> &Life {
        self.life.as_ref().expect("a life has begun")
    }

    fn life_mut(&mut self) -> &mut Life {
        self.life.as_mut().expect("a life has begun")
    }

    /// The file of the life that has begun or begins next.
    fn file(&self) -> PathBuf {
        self.folder.join(format!("life-{}.db", self.lives))
    }

    /// Draws what becomes of the disk before a commit. Whether there can be one.
    fn is_served(&mut self) -> bool {
        let now = self.now.instant.as_millis();
        let life = self.life.as_mut().expect("a life has begun");
        if life.full_until.is_some_and(|until| until <= now) {
            life.full_until = None;
            life.limit_growth(None);
        }
        if !self.may_fail || life.effects.is_empty() {
            return true;
        }
        if self.dice.chance(self.faults.end) {
            life.failed = true;
            return false;
        }
        if life.full_until.is_none() && self.dice.chance(self.faults.full) {
            life.full_until = Some(now + self.dice.range(1, 6_000));
            life.limit_growth(Some(0));
        }
        true
    }

    /// There is no room: shards hear of it, and what was held in reserve is given up.
    fn run_out(&mut self) {
        if !self.life().no_room {
            let reserve = self.dice.below(8) as u32;
            self.counts.full += 1;
            let life = self.life_mut();
            life.no_room = true;
            life.limit_growth(Some(reserve));
        }
    }

    /// The store as the next start finds it is sound.
    fn check(file: &Path) -> Result<(), String> {
        let reading = Reading::open(file).map_err(|error| format!("the store: {error}"))?;
        let findings = check(&reading);
        match findings.lines.first() {
            Some(first) => Err(format!("the store is not sound: {first}")),
            None => Ok(()),
        }
    }

    /// What a start finds is what a crash may leave, and no damage.
    fn is_no_damage(&mut self, started: &Started) {
        for report in &started.reports {
            match report {
                Report::Torn { .. } => self.counts.torn += 1,
                other => panic!("a start found damage: {other:?}"),
            }
        }
        let damaged = &started.recovered.damaged;
        assert!(damaged.is_empty(), "a start found damage: {damaged:?}");
    }
}

impl Store for Real {
    fn set_clock(&mut self, now: Now) {
        self.now = now;
    }

    fn begin(&mut self, shards: u16) -> Recovered {
        let file = self.file();
        if file.exists() {
            Self::check(&file).expect("a crash damages nothing");
        }
        let start = Start {
            file: &file,
            sync: Sync::Full,
            sync_before: Sync::Full,
            salvages: false,
            now: self.now.unix,
        };
        let started = start.open().expect("a crash leaves what can be opened");
        self.is_no_damage(&started);
        self.life = Some(Life::new(file, started.database, shards));
        started.recovered
    }

    fn submit(&mut self, shard: usize, batch: u64, ops: Vec<(StoreOp, Urgency)>) {
        let now = self.now.instant.as_millis();
        let ops = ops.into_iter().map(|(op, _)| op);
        self.life_mut().submit(now, shard, batch, ops);
    }

    fn note_turn(&mut self, shard: usize) {
        self.life().turns.note_turn(ShardId(shard as u16));
    }

    fn durable(&self, shard: usize) -> u64 {
        self.life().durable[shard]
    }

    fn next_page(&mut self, shard: usize) -> Option<Page> {
        let page = self.life_mut().pages[shard].pop_front()?;
        self.counts.pages += 1;
        self.counts.paged += page.deliveries.len() as u64;
        Some(page)
    }

    fn waits_since(&self) -> Option<u64> {
        self.life().waits_since
    }

    fn apply(&mut self, most: usize) -> bool {
        let life = self.life_mut();
        !life.failed && life.apply(most)
    }

    fn commit(&mut self) -> bool {
        let now = self.now.instant.as_millis();
        let before = (self.life().durable.clone(), self.life().no_room);
        if self.life().failed || !self.is_served() {
            self.life_mut().waits_since = Some(now);
            return false;
        }
        // Pages of the file are not all that needs room: the journal does, too.
        let is_full = self.life().full_until.is_some();
        let journal_is_full = is_full && self.dice.chance(30);
        if journal_is_full {
            self.life_mut().undo(FULL);
        }
        if journal_is_full || !self.life_mut().commit() {
            self.run_out();
            self.life_mut().waits_since = Some(now);
            return false;
        }
        let save = self.may_fail && self.dice.chance(self.faults.save);
        let life = self.life_mut();
        life.announce(now);
        if save && life.full_until.is_none() {
            life.save();
            self.counts.saved += 1;
        }
        before != (self.life().durable.clone(), self.life().no_room)
    }

    fn has_no_room(&self) -> bool {
        self.life().no_room
    }

    fn has_failed(&self) -> bool {
        self.life().failed
    }

    fn behind_since(&self) -> Option<u64> {
        self.life().behind_since()
    }

    fn may_fail(&mut self, may: bool) {
        self.may_fail = may;
        if !may {
            self.life_mut().heal();
        }
    }

    fn crash(&mut self, dice: &mut Dice) {
        let life = self.life_mut();
        let synced = power::journal(&life.file).expect("the journal can be read");
        if life.failed || dice.chance(60) {
            life.commit_unheard(dice);
        }
        let written = power::journal(&life.file).expect("the journal can be read");
        let left = power::cut(&synced, &written, dice);
        let old = life.file.clone();
        self.lives += 1;
        let new = self.file();
        power::copy(&old, &new, &left).expect("the files can be copied");
        self.life = None;
        fs::remove_file(&old).expect("it is there");
        for suffix in ["-wal", "-shm"] {
            // They went when the file was closed, as a rule.
            let _gone = fs::remove_file(beside(&old, suffix));
        }
    }

    fn count(&self, counts: &mut Counts) {
        counts.add(&self.counts);
    }

    fn leftovers(&mut self) -> Result<(), String> {
        let life = self.life_mut();
        let waiting = life.ledger.waiting();
        if waiting > 0 {
            return Err(format!("{waiting} operations never took effect"));
        }
        while life.database.is_tidying() {
            let tidied = life.database.transact(&[]);
            tidied.map_err(|error| format!("tidying failed: {error}"))?;
        }
        let end = self.folder.join("end.db");
        let file = self.life().file.clone();
        let journal = power::journal(&file).map_err(|error| error.to_string())?;
        power::copy(&file, &end, &journal).map_err(|error| error.to_string())?;
        Self::check(&end)?;
        let reading = Reading::open(&end).map_err(|error| error.to_string())?;
        let stats = stats(&reading).map_err(|error| error.to_string())?;
        match stats.counts.iter().find(|(_, count)| *count > 0) {
            Some((what, count)) => Err(format!("the store still has {count} {what}")),
            None => Ok(()),
        }
    }
}
