//! A store in memory that takes its time: operations take effect late, become durable later, and what
//! was not is lost in a crash, up to any transaction.

use std::collections::{BTreeMap, VecDeque};

use mqtt_broker::engine::store_op::{MessageNo, Page, Row, StoreOp, Urgency};
use mqtt_broker::store::Recovered;
use mqtt_session::time::Now;

use super::Store;
use super::tables::{Tables, Transaction};
use crate::simulation::dice::Dice;
use crate::simulation::trace::Counts;

/// A publish whose parts are awaited.
#[derive(Debug, Default)]
struct Rendezvous {
    /// Parts that are owed, less those that came.
    outstanding: i64,
    rows: Vec<Row>,
    complete: bool,
    /// Its own and those of its parts that were not passed yet.
    waiting: usize,
}

/// An operation in the queue of its shard.
#[derive(Debug)]
struct Queued {
    place: u64,
    batch: u64,
    op: StoreOp,
}

/// The stand-in.
#[derive(Debug, Default)]
pub(crate) struct StandIn {
    disk: Tables,
    /// What took effect and is not on disk for certain.
    log: Vec<Transaction>,
    queues: Vec<VecDeque<Queued>>,
    submitted: Vec<u64>,
    durable: Vec<u64>,
    /// Pages that were read for each shard.
    pages: Vec<VecDeque<Page>>,
    /// Pages that were read in all, and the messages in them.
    read: (u64, u64),
    rendezvous: BTreeMap<MessageNo, Rendezvous>,
    place: u64,
    waits_since: Option<u64>,
    /// Milliseconds.
    now: u64,
}

impl StandIn {
    fn may_apply(&self, op: &StoreOp) -> bool {
        match op {
            StoreOp::Publish(publish) => self.rendezvous[&publish.number].outstanding == 0,
            StoreOp::Part(part) => self.rendezvous[&part.of].complete,
            _ => true,
        }
    }

    fn apply_one(&mut self, op: StoreOp) {
        let number = match &op {
            StoreOp::Publish(publish) => publish.number,
            StoreOp::Part(part) => part.of,
            _ => return self.log.push(Transaction::Op(op)),
        };
        let meeting = self.rendezvous.get_mut(&number).expect("it was submitted");
        meeting.waiting -= 1;
        if let StoreOp::Publish(publish) = op {
            meeting.complete = true;
            let rows = std::mem::take(&mut meeting.rows);
            self.log.push(Transaction::Publish(publish, rows));
        }
        if meeting.waiting == 0 {
            self.rendezvous.remove(&number);
        }
    }
}

impl Store for StandIn {
    fn set_clock(&mut self, now: Now) {
        self.now = now.instant.as_millis();
    }

    fn begin(&mut self, shards: u16) -> Recovered {
        let shards = usize::from(shards);
        self.log.clear();
        self.queues = (0..shards).map(|_| VecDeque::new()).collect();
        self.submitted = vec![0; shards];
        self.durable = vec![0; shards];
        self.pages = (0..shards).map(|_| VecDeque::new()).collect();
        self.rendezvous.clear();
        self.waits_since = None;
        Recovered {
            sessions: self.disk.sessions(),
            retained: self.disk.retained(),
            last_numbers: self.disk.last_numbers(),
            ..Recovered::default()
        }
    }

    fn submit(&mut self, shard: usize, batch: u64, ops: Vec<(StoreOp, Urgency)>) {
        self.waits_since.get_or_insert(self.now);
        self.submitted[shard] = batch;
        for (op, _) in ops {
            match &op {
                StoreOp::Publish(publish) => {
                    let meeting = self.rendezvous.entry(publish.number).or_default();
                    meeting.outstanding += i64::from(publish.awaits);
                    meeting.waiting += 1;
                }
                StoreOp::Part(part) => {
                    let meeting = self.rendezvous.entry(part.of).or_default();
                    meeting.outstanding += i64::from(part.awaits) - 1;
                    meeting.waiting += 1;
                    meeting.rows.extend(part.rows.iter().cloned());
                }
                _ => {}
            }
            self.place += 1;
            let place = self.place;
            self.queues[shard].push_back(Queued { place, batch, op });
        }
    }

    fn durable(&self, shard: usize) -> u64 {
        self.durable[shard]
    }

    fn next_page(&mut self, shard: usize) -> Option<Page> {
        self.pages[shard].pop_front()
    }

    fn waits_since(&self) -> Option<u64> {
        self.waits_since
    }

    fn apply(&mut self, most: usize) -> bool {
        for done in 0..most {
            let ready = (0..self.queues.len())
                .filter_map(|shard| {
                    let first = self.queues[shard].front()?;
                    self.may_apply(&first.op).then_some((first.place, shard))
                })
                .min();
            let Some((_, shard)) = ready else {
                return done > 0;
            };
            let queued = self.queues[shard].pop_front().expect("it is there");
            self.apply_one(queued.op);
        }
        true
    }

    fn commit(&mut self) -> bool {
        let before = self.durable.clone();
        for transaction in self.log.drain(..) {
            if let Transaction::Op(StoreOp::Read(read)) = transaction {
                let page = self.disk.read(&read);
                self.read.0 += 1;
                self.read.1 += page.deliveries.len() as u64;
                self.pages[read.reader.shard.index()].push_back(page);
            } else {
                self.disk.apply(transaction);
            }
        }
        for (shard, queue) in self.queues.iter().enumerate() {
            self.durable[shard] = match queue.front() {
                Some(first) => first.batch - 1,
                None => self.submitted[shard],
            };
        }
        let waits = self.queues.iter().any(|queue| !queue.is_empty());
        self.waits_since = waits.then_some(self.now);
        before != self.durable
    }

    fn crash(&mut self, dice: &mut Dice) {
        let kept = dice.below(self.log.len() + 1);
        for transaction in self.log.drain(..).take(kept) {
            self.disk.apply(transaction);
        }
        self.disk.end_unkept();
    }

    fn count(&self, counts: &mut Counts) {
        (counts.pages, counts.paged) = self.read;
    }

    fn leftovers(&mut self) -> Result<(), String> {
        match self.rendezvous.keys().next() {
            Some(number) => Err(format!("parts of {number:?} are still awaited")),
            None => {
                self.disk.leftovers()?;
                self.disk.retained_leftovers()
            }
        }
    }
}
