//! A store that keeps nothing, but knows when it could say that all of a turn is durable.

use std::collections::{HashMap, HashSet, VecDeque};

use mqtt_broker::engine::store_op::{MessageNo, SessionNo, StoreOp, Ticket};

#[derive(Default)]
pub struct Store {
    /// By shard: batches that are not durable, each with the publishes it waits for.
    batches: Vec<VecDeque<Vec<MessageNo>>>,
    durable: Vec<u64>,
    /// Publishes, and how many parts are owed to them; a part may come before its publish.
    owed: HashMap<MessageNo, Owed>,
    sessions: HashSet<SessionNo>,
}

#[derive(Default)]
struct Owed {
    submitted: bool,
    parts: i64,
}

impl Store {
    pub fn new(shards: usize) -> Self {
        Self {
            batches: vec![VecDeque::new(); shards],
            durable: vec![0; shards],
            ..Self::default()
        }
    }

    pub fn submit(&mut self, shard: usize, ops: Vec<StoreOp>) {
        let mut waits = Vec::new();
        for op in ops {
            let rows = match op {
                StoreOp::Publish(op) => {
                    let owed = self.owed.entry(op.number).or_default();
                    assert!(!owed.submitted, "{:?} is published twice", op.number);
                    owed.submitted = true;
                    owed.parts += i64::from(op.awaits);
                    waits.push(op.number);
                    op.rows
                }
                StoreOp::Part(op) => {
                    self.owed.entry(op.of).or_default().parts += i64::from(op.awaits) - 1;
                    waits.push(op.of);
                    op.rows
                }
                StoreOp::Session(op) => {
                    self.sessions.insert(op.session);
                    Vec::new()
                }
                StoreOp::End { session } => {
                    assert!(self.sessions.remove(&session), "{session:?} ends twice");
                    Vec::new()
                }
                _ => Vec::new(),
            };
            assert!(
                rows.iter().all(|row| !row.receivers.is_empty()),
                "a row for nobody"
            );
        }
        self.batches[shard].push_back(waits);
    }

    /// How many batches of a shard could be said to be durable now.
    pub fn ready(&self, shard: usize) -> usize {
        let is_complete = |number| {
            let owed = self.owed.get(number);
            owed.is_some_and(|owed| owed.submitted && owed.parts == 0)
        };
        let batches = self.batches[shard].iter();
        batches
            .take_while(|waits| waits.iter().all(is_complete))
            .count()
    }

    /// The ticket to announce for so many more batches.
    pub fn announce(&mut self, shard: usize, batches: usize) -> Ticket {
        self.batches[shard].drain(..batches);
        self.durable[shard] += batches as u64;
        Ticket(self.durable[shard])
    }

    pub fn next_ticket(&self, shard: usize) -> Ticket {
        Ticket(self.durable[shard] + self.batches[shard].len() as u64 + 1)
    }

    /// Nobody owes a part, and no session is kept.
    pub fn is_at_rest(&self) -> bool {
        self.batches.iter().all(VecDeque::is_empty)
            && self
                .owed
                .values()
                .all(|owed| owed.submitted && owed.parts == 0)
            && self.sessions.is_empty()
    }
}
