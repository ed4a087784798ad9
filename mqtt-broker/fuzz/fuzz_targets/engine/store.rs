//! A store in memory: operations take effect in the broker's own order, as those of the simulation do, and
//! are durable when the input says so.

use std::collections::{HashSet, VecDeque};

use mqtt_broker::engine::ids::ShardId;
use mqtt_broker::engine::store_op::{MessageNo, Page, SessionNo, StoreOp, Ticket};
use mqtt_broker::store::ledger::{Effect, Ledger};

use crate::tables::{Tables, Transaction};

pub struct Store {
    ledger: Ledger,
    tables: Tables,
    /// By shard.
    lines: Vec<Line>,
    published: HashSet<MessageNo>,
    sessions: HashSet<SessionNo>,
}

/// What a shard has of it.
#[derive(Default)]
struct Line {
    submitted: u64,
    durable: u64,
    /// Pages, each with the batch in which it was asked for.
    pages: VecDeque<(u64, Page)>,
}

impl Store {
    pub fn new(shards: usize) -> Self {
        let count = u16::try_from(shards).expect("shards are few");
        Self {
            ledger: Ledger::new(count),
            tables: Tables::default(),
            lines: std::iter::repeat_with(Line::default).take(shards).collect(),
            published: HashSet::new(),
            sessions: HashSet::new(),
        }
    }

    pub fn submit(&mut self, shard: usize, ops: Vec<StoreOp>) {
        for op in &ops {
            self.check(op);
        }
        self.lines[shard].submitted += 1;
        let ticket = Ticket(self.lines[shard].submitted);
        self.ledger.submit(id(shard), ticket, ops);
        while let Some(effect) = self.ledger.take() {
            match effect {
                Effect::Op(StoreOp::Read(read)) => {
                    let page = self.tables.read(&read);
                    let reader = read.reader.shard;
                    let batch = self.ledger.reached(reader).0 + 1;
                    self.lines[reader.index()].pages.push_back((batch, page));
                }
                Effect::Op(op) => self.tables.apply(Transaction::Op(op)),
                Effect::Publish(op, rows) => {
                    self.tables.apply(Transaction::Publish(op, rows));
                }
            }
        }
    }

    fn check(&mut self, op: &StoreOp) {
        let rows = match op {
            StoreOp::Publish(op) => {
                assert!(
                    self.published.insert(op.number),
                    "{:?} is published twice",
                    op.number
                );
                &op.rows
            }
            StoreOp::Part(op) => &op.rows,
            StoreOp::Session(op) => {
                self.sessions.insert(op.session);
                return;
            }
            StoreOp::End { session } => {
                assert!(self.sessions.remove(session), "{session:?} ends twice");
                return;
            }
            _ => return,
        };
        assert!(
            rows.iter().all(|row| !row.receivers.is_empty()),
            "a row for nobody"
        );
    }

    /// How many batches of a shard could be said to be durable now.
    pub fn ready(&self, shard: usize) -> usize {
        let ready = self.ledger.reached(id(shard)).0 - self.lines[shard].durable;
        usize::try_from(ready).expect("batches are not many")
    }

    /// The ticket to announce for so many more batches, and the pages that come with them.
    pub fn announce(&mut self, shard: usize, batches: usize) -> (Ticket, Vec<Page>) {
        let line = &mut self.lines[shard];
        line.durable += batches as u64;
        let mut pages = Vec::new();
        while let Some((_, page)) = line.pages.pop_front_if(|(batch, _)| *batch <= line.durable) {
            pages.push(page);
        }
        (Ticket(line.durable), pages)
    }

    pub fn next_ticket(&self, shard: usize) -> Ticket {
        Ticket(self.lines[shard].submitted + 1)
    }

    /// Nobody owes a part, nobody waits, and no session and no message of one is kept.
    pub fn is_at_rest(&self) -> Result<(), String> {
        if self.ledger.waiting() > 0 {
            return Err("parts are still awaited".to_owned());
        }
        let waits = |line: &&Line| line.durable < line.submitted || !line.pages.is_empty();
        if self.lines.iter().any(|line| waits(&line)) {
            return Err("somebody waits for the store".to_owned());
        }
        self.tables.leftovers()
    }
}

fn id(shard: usize) -> ShardId {
    ShardId(u16::try_from(shard).expect("shards are few"))
}
