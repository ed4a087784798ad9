//! The order in which operations take effect: those of a shard in their own order, a publish on
//! several shards at once with all its parts. Pure, so that it is tested without a disk.

use std::collections::{HashMap, VecDeque};

use crate::engine::ids::ShardId;
use crate::engine::store_op::{MessageNo, PublishOp, Row, StoreOp, Ticket};

/// Operations that were submitted and have not taken effect.
#[derive(Debug, Default)]
pub struct Ledger {
    lines: Vec<Line>,
    publishes: HashMap<MessageNo, Parts>,
    waiting: usize,
}

/// What one shard submitted.
#[derive(Debug, Default)]
struct Line {
    entries: VecDeque<Entry>,
    /// The last ticket of which everything took effect.
    reached: Ticket,
}

#[derive(Debug)]
enum Entry {
    Op(StoreOp),
    /// A part of this publish stood here; its row is with the others.
    Part(MessageNo),
    /// The end of a batch.
    Ticket(Ticket),
}

/// The parts of a publish that were submitted.
#[derive(Debug, Default)]
struct Parts {
    rows: Vec<Row>,
    /// Parts that are still to be submitted; below 0 while the publish itself is.
    owed: i64,
    /// Parts that stand in the lines.
    standing: usize,
    done: bool,
}

/// What takes effect next, as a whole.
#[derive(Debug)]
pub enum Effect {
    /// A publish, with its rows for other shards.
    Publish(Box<PublishOp>, Vec<Row>),
    /// Anything else.
    Op(StoreOp),
}

impl Ledger {
    /// Nothing submitted, by so many shards.
    #[must_use]
    pub fn new(shards: u16) -> Self {
        Self {
            lines: (0..shards).map(|_| Line::default()).collect(),
            ..Self::default()
        }
    }

    /// A shard's batch.
    pub fn submit(
        &mut self,
        shard: ShardId,
        ticket: Ticket,
        ops: impl IntoIterator<Item = StoreOp>,
    ) {
        let Some(line) = self.lines.get_mut(shard.index()) else {
            return;
        };
        for op in ops {
            self.waiting += 1;
            let entry = match op {
                StoreOp::Part(part) => {
                    let parts = self.publishes.entry(part.of).or_default();
                    parts.owed += i64::from(part.awaits) - 1;
                    parts.standing += 1;
                    parts.rows.extend(part.rows);
                    Entry::Part(part.of)
                }
                StoreOp::Publish(publish) if publish.awaits > 0 => {
                    let parts = self.publishes.entry(publish.number).or_default();
                    parts.owed += i64::from(publish.awaits);
                    Entry::Op(StoreOp::Publish(publish))
                }
                op => Entry::Op(op),
            };
            line.entries.push_back(entry);
        }
        line.entries.push_back(Entry::Ticket(ticket));
    }

    /// Takes what takes effect next; `None` when all that is left waits for parts.
    pub fn take(&mut self) -> Option<Effect> {
        for line in &mut self.lines {
            while let Some(entry) = line.entries.front() {
                match entry {
                    Entry::Ticket(ticket) => line.reached = *ticket,
                    Entry::Part(of) => {
                        let Some(parts) = self.publishes.get_mut(of).filter(|parts| parts.done)
                        else {
                            break;
                        };
                        parts.standing -= 1;
                        if parts.standing == 0 {
                            self.publishes.remove(of);
                        }
                        self.waiting -= 1;
                    }
                    Entry::Op(StoreOp::Publish(publish)) if publish.awaits > 0 => {
                        let parts = self.publishes.get_mut(&publish.number);
                        let Some(parts) = parts.filter(|parts| parts.owed == 0) else {
                            break;
                        };
                        parts.done = true;
                        let rows = std::mem::take(&mut parts.rows);
                        self.waiting -= 1;
                        if let Some(Entry::Op(StoreOp::Publish(publish))) = line.entries.pop_front()
                        {
                            return Some(Effect::Publish(publish, rows));
                        }
                        continue;
                    }
                    Entry::Op(_) => {
                        self.waiting -= 1;
                        match line.entries.pop_front() {
                            Some(Entry::Op(StoreOp::Publish(publish))) => {
                                return Some(Effect::Publish(publish, Vec::new()));
                            }
                            Some(Entry::Op(op)) => return Some(Effect::Op(op)),
                            _ => continue,
                        }
                    }
                }
                line.entries.pop_front();
            }
        }
        None
    }

    /// Up to which ticket everything of a shard took effect.
    #[must_use]
    pub fn reached(&self, shard: ShardId) -> Ticket {
        self.lines
            .get(shard.index())
            .map_or_else(Ticket::default, |line| line.reached)
    }

    /// Operations that have not taken effect.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::store_op::{Origin, PartOp, Rows, SessionNo};

    fn number(value: u64) -> MessageNo {
        MessageNo(value.try_into().unwrap())
    }

    fn publish(value: u64, awaits: u32) -> StoreOp {
        StoreOp::Publish(Box::new(PublishOp {
            number: number(value),
            rows: Rows::new(),
            retain: None,
            awaits,
            origin: Origin::Fresh,
        }))
    }

    fn part(of: u64, awaits: u32) -> StoreOp {
        StoreOp::Part(Box::new(PartOp {
            of: number(of),
            rows: Rows::new(),
            awaits,
        }))
    }

    fn end(session: u32) -> StoreOp {
        let session = SessionNo(session.try_into().unwrap());
        StoreOp::End { session }
    }

    /// What takes effect now, as numbers; sessions are negative.
    fn effects(ledger: &mut Ledger) -> Vec<i64> {
        std::iter::from_fn(|| ledger.take())
            .map(|effect| match effect {
                Effect::Publish(publish, _) => i64::try_from(publish.number.0.get()).unwrap(),
                Effect::Op(StoreOp::End { session }) => -i64::from(session.0.get()),
                Effect::Op(other) => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn a_publish_waits_for_its_parts_and_what_stands_behind_it_or_behind_a_part_waits_too() {
        let mut ledger = Ledger::new(3);
        let [a, b, c] = [0, 1, 2].map(ShardId);
        ledger.submit(a, Ticket(1), [publish(1, 2), end(1)]);
        assert_eq!(effects(&mut ledger), [0_i64; 0]);
        ledger.submit(b, Ticket(1), [part(1, 0), end(2)]);
        ledger.submit(c, Ticket(1), [end(3)]);
        assert_eq!(effects(&mut ledger), [-3]);
        assert_eq!([a, b, c].map(|s| ledger.reached(s).0), [0, 0, 1]);
        ledger.submit(c, Ticket(2), [end(4), part(1, 0)]);
        assert_eq!(effects(&mut ledger), [1, -1, -2, -4]);
        assert_eq!([a, b, c].map(|s| ledger.reached(s).0), [1, 1, 2]);
        assert_eq!(ledger.waiting(), 0);
        assert!(ledger.publishes.is_empty());
    }

    #[test]
    fn two_shards_that_owe_each_other_do_not_block() {
        let mut ledger = Ledger::new(2);
        ledger.submit(ShardId(0), Ticket(1), [publish(1, 1)]);
        ledger.submit(ShardId(1), Ticket(1), [publish(2, 1)]);
        ledger.submit(ShardId(0), Ticket(2), [part(2, 0)]);
        assert_eq!(effects(&mut ledger), [2]);
        ledger.submit(ShardId(1), Ticket(2), [part(1, 0)]);
        assert_eq!(effects(&mut ledger), [1]);
        assert!(ledger.publishes.is_empty());
    }

    #[test]
    fn a_part_may_owe_another_even_to_the_publisher() {
        let mut ledger = Ledger::new(2);
        ledger.submit(ShardId(0), Ticket(1), [publish(1, 1)]);
        ledger.submit(ShardId(1), Ticket(1), [part(1, 1), end(2)]);
        assert_eq!(effects(&mut ledger), [0_i64; 0]);
        ledger.submit(ShardId(0), Ticket(2), [part(1, 0), end(1)]);
        assert_eq!(effects(&mut ledger), [1, -1, -2]);
        assert!(ledger.publishes.is_empty());
    }
}
