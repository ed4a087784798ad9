//! The thread that writes, and what shards have of it.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::database::Database;
use super::ledger::Ledger;
use crate::engine::ids::ShardId;
use crate::engine::store_op::{StoreOp, Ticket};

/// How long what nobody waits for may stay in memory.
const LAZY: Duration = Duration::from_secs(1);
/// Operations from which on shards stop reading.
const FULL: u64 = 256 * 1024;
/// Operations for one transaction.
const BATCH: usize = 4096;

/// A store as shards have it.
#[derive(Clone, Debug)]
pub struct Store(Arc<Desk>);

#[derive(Debug)]
struct Desk {
    inbox: Mutex<Inbox>,
    changed: Condvar,
    /// The last durable ticket of each shard.
    durable: Vec<AtomicU64>,
    /// Operations that were submitted and are not committed.
    waiting: AtomicU64,
    full: AtomicBool,
}

type Batch = (ShardId, Ticket, Vec<StoreOp>);

/// What the writer does next.
struct Taken {
    batches: Vec<Batch>,
    checkpoint: bool,
    ending: bool,
}

#[derive(Debug, Default)]
struct Inbox {
    batches: VecDeque<Batch>,
    /// Somebody waits for one of them.
    awaited: bool,
    checkpoint: bool,
    ending: bool,
}

/// Why the store ended: the broker has to end too, since it can promise nothing any more.
#[derive(Debug, thiserror::Error)]
#[error("the store cannot be written: {0}")]
pub struct Failure(#[from] rusqlite::Error);

impl Store {
    /// A store for so many shards, whose writer is [`Self::write`].
    #[must_use]
    pub fn new(shards: u16) -> Self {
        Self(Arc::new(Desk {
            inbox: Mutex::default(),
            changed: Condvar::new(),
            durable: (0..shards).map(|_| AtomicU64::new(0)).collect(),
            waiting: AtomicU64::new(0),
            full: AtomicBool::new(false),
        }))
    }

    /// Hands a batch over. Never waits.
    pub fn submit(&self, shard: ShardId, ticket: Ticket, ops: Vec<StoreOp>, awaited: bool) {
        let count = ops.len() as u64;
        let waiting = self.0.waiting.fetch_add(count, Ordering::SeqCst) + count;
        if waiting >= FULL {
            self.0.full.store(true, Ordering::SeqCst);
        }
        let mut inbox = self.inbox();
        inbox.batches.push_back((shard, ticket, ops));
        let wake = awaited && !inbox.awaited;
        inbox.awaited |= awaited;
        drop(inbox);
        if wake {
            self.0.changed.notify_one();
        }
    }

    /// The last durable ticket of a shard.
    #[must_use]
    pub fn durable(&self, shard: ShardId) -> Ticket {
        let ticket = self.0.durable.get(shard.index());
        Ticket(ticket.map_or(0, |ticket| ticket.load(Ordering::SeqCst)))
    }

    /// More waits than should: who reads from clients makes it worse.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.0.full.load(Ordering::SeqCst)
    }

    /// Has the writer bring everything into the one file.
    pub fn save(&self) {
        self.inbox().checkpoint = true;
        self.0.changed.notify_one();
    }

    /// Has the writer commit what there is and end.
    pub fn end(&self) {
        self.inbox().ending = true;
        self.0.changed.notify_one();
    }

    /// Writes until [`Self::end`]. `wake` is called for each shard whose tickets became durable, or
    /// which may read again.
    ///
    /// # Errors
    /// [`Failure`] when the disk fails; the tickets that are durable by then stay true.
    ///
    /// # Panics
    /// Only if a shard cannot be woken, which the caller reports.
    pub fn write(
        &self,
        mut database: Database,
        mut wake: impl FnMut(ShardId) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let shards = u16::try_from(self.0.durable.len()).unwrap_or(u16::MAX);
        let mut ledger = Ledger::new(shards);
        loop {
            let Taken {
                batches,
                checkpoint,
                ending,
            } = self.take();
            if batches.is_empty() && ending {
                database.commit()?;
                database.checkpoint()?;
                return Ok(());
            }
            let mut done = 0;
            for (shard, ticket, ops) in batches {
                done += ops.len() as u64;
                ledger.submit(shard, ticket, ops);
            }
            while let Some(effect) = ledger.take() {
                database.apply(effect)?;
            }
            database.commit()?;
            if checkpoint {
                database.checkpoint()?;
            }
            let left = self.0.waiting.fetch_sub(done, Ordering::SeqCst) - done;
            let room = left < FULL / 2 && self.0.full.swap(false, Ordering::SeqCst);
            for shard in (0..shards).map(ShardId) {
                let reached = ledger.reached(shard).0;
                let Some(durable) = self.0.durable.get(shard.index()) else {
                    continue;
                };
                if durable.swap(reached, Ordering::SeqCst) != reached || room {
                    // A shard that is gone needs nothing any more.
                    let _gone = wake(shard);
                }
            }
        }
    }

    /// Waits for batches that somebody waits for, or a while for others.
    fn take(&self) -> Taken {
        let mut inbox = self.inbox();
        let idle = |inbox: &mut Inbox| !(inbox.awaited || inbox.checkpoint || inbox.ending);
        if idle(&mut inbox) {
            let waited = self.0.changed.wait_timeout_while(inbox, LAZY, idle);
            inbox = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let mut batches = Vec::new();
        let mut ops = 0;
        while ops < BATCH
            && let Some(batch) = inbox.batches.pop_front()
        {
            ops += batch.2.len();
            batches.push(batch);
        }
        inbox.awaited &= !inbox.batches.is_empty();
        Taken {
            batches,
            checkpoint: std::mem::take(&mut inbox.checkpoint),
            ending: inbox.ending,
        }
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.0.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
