//! The thread that writes, and what shards have of it.

use std::collections::VecDeque;
use std::io;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mqtt_session::time::{Instant, UnixTime};

use super::cleared::Turns;
use super::database::Database;
use super::failure::Failure;
use super::health::{Board, Figures};
use super::ledger::{Effect, Ledger};
use super::recovery;
use super::room::AGAIN;
use super::weight::{OP_BYTES, weight};
use crate::engine::ids::ShardId;
use crate::engine::store_op::{Page, StoreOp, Ticket};

/// How long what nobody waits for may stay in memory.
const LAZY: Duration = Duration::from_secs(1);
/// Bytes that wait from which on shards stop reading.
const FULL_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes for one transaction.
const BATCH_BYTES: u64 = 8 * 1024 * 1024;

/// A store as shards have it.
#[derive(Clone, Debug)]
pub struct Store(Arc<Desk>);

#[derive(Debug)]
struct Desk {
    inbox: Mutex<Inbox>,
    changed: Condvar,
    /// The last durable ticket of each shard.
    durable: Vec<AtomicU64>,
    turns: Turns,
    /// Pages that were read for each shard.
    pages: Vec<Mutex<Vec<Page>>>,
    /// Bytes that were submitted and did not take effect.
    waiting: AtomicU64,
    full: AtomicBool,
    /// The disk has no room for more.
    no_room: AtomicBool,
    /// The time, in milliseconds since 1970.
    time: AtomicU64,
    board: Board,
}

#[derive(Debug)]
struct Batch {
    shard: ShardId,
    ticket: Ticket,
    ops: Vec<StoreOp>,
    bytes: u64,
}

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
    /// The writer panics when it looks next.
    #[cfg(test)]
    panics: bool,
}

impl Store {
    /// A store for so many shards, whose writer is [`Self::write`].
    #[must_use]
    pub fn new(shards: u16) -> Self {
        Self(Arc::new(Desk {
            inbox: Mutex::default(),
            changed: Condvar::new(),
            durable: (0..shards).map(|_| AtomicU64::new(0)).collect(),
            turns: Turns::new(shards),
            pages: (0..shards).map(|_| Mutex::default()).collect(),
            waiting: AtomicU64::new(0),
            full: AtomicBool::new(false),
            no_room: AtomicBool::new(false),
            time: AtomicU64::new(0),
            board: Board::default(),
        }))
    }

    /// The time, which is kept with what is submitted next.
    pub fn note_time(&self, now: UnixTime) {
        self.0.time.fetch_max(now.as_millis(), Ordering::Relaxed);
    }

    /// Hands a batch over. Never waits.
    pub fn submit(&self, shard: ShardId, ticket: Ticket, ops: Vec<StoreOp>, awaited: bool) {
        let bytes = ops.iter().map(weight).sum();
        let waiting = self.0.waiting.fetch_add(bytes, Ordering::SeqCst) + bytes;
        if waiting >= FULL_BYTES {
            self.0.full.store(true, Ordering::SeqCst);
        }
        // What nobody waits for must not gather without end.
        let awaited = awaited || waiting >= BATCH_BYTES;
        let mut inbox = self.inbox();
        self.0.turns.note_ticket(shard, ticket);
        inbox.batches.push_back(Batch {
            shard,
            ticket,
            ops,
            bytes,
        });
        let wake = awaited && !inbox.awaited;
        // The first of a quiet time starts the wait for others.
        let wake = wake || inbox.batches.len() == 1;
        inbox.awaited |= awaited;
        drop(inbox);
        if wake {
            self.0.changed.notify_one();
        }
    }

    /// All that a shard has decided so far is submitted.
    pub fn note_turn(&self, shard: ShardId) {
        self.0.turns.note_turn(shard);
    }

    /// A shard sleeps from now on, with nothing left to submit, or no longer.
    pub fn sleeps(&self, shard: ShardId, sleeping: bool) {
        self.0.turns.sleeps(shard, sleeping);
    }

    /// The last durable ticket of a shard.
    #[must_use]
    pub fn durable(&self, shard: ShardId) -> Ticket {
        let ticket = self.0.durable.get(shard.index());
        Ticket(ticket.map_or(0, |ticket| ticket.load(Ordering::SeqCst)))
    }

    /// Takes the pages that were read for a shard: those of all tickets that [`Self::durable`] said
    /// before.
    #[must_use]
    pub fn take_pages(&self, shard: ShardId) -> Vec<Page> {
        let pages = self.0.pages.get(shard.index());
        pages.map_or_else(Vec::new, |pages| std::mem::take(&mut lock(pages)))
    }

    /// More waits than should: who reads from clients makes it worse. Where it waits for room on the disk,
    /// only what clients acknowledge can make some, and so more may wait.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let may_wait = || self.0.waiting.load(Ordering::SeqCst) < 2 * FULL_BYTES;
        self.0.full.load(Ordering::SeqCst) && !(self.has_no_room() && may_wait())
    }

    /// The disk has no room: nothing more must be taken that would have to be kept.
    #[must_use]
    pub fn has_no_room(&self) -> bool {
        self.0.no_room.load(Ordering::SeqCst)
    }

    /// How much was in it after the last commit.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.0.board.figures()
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

    /// Has the writer panic before it takes anything more.
    #[cfg(test)]
    pub(crate) fn have_it_panic(&self) {
        self.inbox().panics = true;
    }

    /// Writes until [`Self::end`]. `clock` gives the time, and `wake` is called for each shard whose
    /// tickets became durable, or which may read again. How many operations were left out in the end because the disk has no room for
    /// them: their tickets never became durable, so nobody was promised anything.
    ///
    /// # Errors
    /// [`Failure`] when the disk fails; the tickets that are durable by then stay true.
    pub fn write(
        &self,
        database: Database,
        clock: impl Fn() -> Instant,
        wake: impl FnMut(ShardId) -> io::Result<()>,
    ) -> Result<usize, Failure> {
        // It is closed after a good end alone. After a failure, closing it would sync once more and be
        // told that all is well: what could not be written may count as written. After a panic nobody
        // knows what it is in the middle of.
        let mut database = ManuallyDrop::new(database);
        let written = self.write_to(&mut database, clock, wake);
        let left_out = written.map_err(|error| {
            let file = database.file().unwrap_or_default();
            // The failure itself is told; should the next start not know, it finds out by itself.
            let _ = recovery::note_damage(&file, &error);
            Failure::new(file, error)
        })?;
        drop(ManuallyDrop::into_inner(database));
        Ok(left_out)
    }

    fn write_to(
        &self,
        database: &mut Database,
        clock: impl Fn() -> Instant,
        mut wake: impl FnMut(ShardId) -> io::Result<()>,
    ) -> rusqlite::Result<usize> {
        let mut ledger = Ledger::new(self.shards());
        // What was submitted and did not take effect, and its bytes.
        let mut pending: Vec<Effect> = Vec::new();
        let mut bytes = 0;
        database.room.hold_reserve();
        loop {
            self.0.board.note(database.figures());
            let Taken {
                batches,
                checkpoint,
                ending,
            } = self.take(database);
            let time = self.0.time.load(Ordering::Relaxed);
            database.note_time(UnixTime::from_millis(time));
            let is_over = ending && batches.is_empty();
            for batch in batches {
                bytes += batch.bytes;
                ledger.submit(batch.shard, batch.ticket, batch.ops);
            }
            pending.extend(std::iter::from_fn(|| ledger.take()));
            self.transact(database, &mut pending, clock(), &mut wake)?;
            if is_over {
                database.end_run()?;
                database.checkpoint()?;
                return Ok(pending.len());
            }
            if checkpoint {
                database.checkpoint()?;
                database.begin_run()?;
            }
            if pending.is_empty() {
                self.tell(database, &ledger, std::mem::take(&mut bytes), &mut wake);
            }
        }
    }

    /// What was submitted took effect, so many bytes of it: the shards hear of it.
    fn tell(
        &self,
        database: &mut Database,
        ledger: &Ledger,
        bytes: u64,
        wake: &mut impl FnMut(ShardId) -> io::Result<()>,
    ) {
        for (shard, page) in database.take_pages() {
            if let Some(pages) = self.0.pages.get(shard.index()) {
                lock(pages).push(page);
            }
        }
        database.forget_cleared(&self.0.turns, ledger);
        let left = self.0.waiting.fetch_sub(bytes, Ordering::SeqCst) - bytes;
        // What waits for parts counts too.
        let left = left + ledger.waiting() as u64 * OP_BYTES;
        let room = left < FULL_BYTES / 2 && self.0.full.swap(false, Ordering::SeqCst);
        for shard in (0..self.shards()).map(ShardId) {
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

    fn shards(&self) -> u16 {
        u16::try_from(self.0.durable.len()).unwrap_or(u16::MAX)
    }

    /// One transaction. If the disk has no room for it the reserve is given up, and as much takes effect
    /// as fits then; what is left waits for room.
    fn transact(
        &self,
        database: &mut Database,
        pending: &mut Vec<Effect>,
        now: Instant,
        wake: &mut impl FnMut(ShardId) -> io::Result<()>,
    ) -> rusqlite::Result<()> {
        if database.try_transact(pending)? {
            pending.clear();
        } else {
            database.room.run_out(now);
            self.say_no_room(true, wake);
            database.squeeze(pending)?;
        }
        if database.room.is_full() {
            if pending.is_empty() {
                database.look_for_room(now)?;
            }
            self.say_no_room(database.room.is_full(), wake);
        }
        database.keep_journal_short()
    }

    fn say_no_room(&self, no_room: bool, wake: &mut impl FnMut(ShardId) -> io::Result<()>) {
        if self.0.no_room.swap(no_room, Ordering::SeqCst) != no_room {
            for shard in (0..self.shards()).map(ShardId) {
                // A shard that is gone needs nothing any more.
                let _gone = wake(shard);
            }
        }
    }

    /// Waits for batches that somebody waits for, or a while for others; not while there is work.
    fn take(&self, database: &Database) -> Taken {
        let full = database.room.is_full();
        let working = database.is_tidying() && !full;
        let mut inbox = self.inbox();
        let calm =
            |inbox: &mut Inbox| !(working || inbox.awaited || inbox.checkpoint || inbox.ending);
        let idle = |inbox: &mut Inbox| calm(inbox) && inbox.batches.is_empty();
        // An idle broker sleeps, unless it has to look whether there is room again.
        inbox = if full {
            let waited = self.0.changed.wait_timeout_while(inbox, AGAIN, idle);
            waited.unwrap_or_else(PoisonError::into_inner).0
        } else {
            let waited = self.0.changed.wait_while(inbox, idle);
            waited.unwrap_or_else(PoisonError::into_inner)
        };
        // What nobody waits for has a while for others to join it.
        if calm(&mut inbox) && !inbox.batches.is_empty() {
            let waited = self.0.changed.wait_timeout_while(inbox, LAZY, calm);
            inbox = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        #[cfg(test)]
        assert!(!inbox.panics, "the writer panics as it was told");
        let mut batches = Vec::new();
        let mut bytes = 0;
        while bytes < BATCH_BYTES
            && let Some(batch) = inbox.batches.pop_front()
        {
            bytes += batch.bytes;
            batches.push(batch);
        }
        // What is left had its wait.
        inbox.awaited = !inbox.batches.is_empty();
        Taken {
            batches,
            checkpoint: std::mem::take(&mut inbox.checkpoint),
            ending: inbox.ending,
        }
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        lock(&self.0.inbox)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
