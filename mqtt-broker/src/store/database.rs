//! The one connection that writes: operations become rows.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use mqtt_codec::PacketId;
use mqtt_session::time::UnixTime;
use rusqlite::{Connection, OpenFlags, Params, ffi, params};

use super::StoreError;
use super::blob;
use super::cleared::{Cleared, Turns};
use super::health::Figures;
use super::hot::Hot;
use super::journal::pages_max;
use super::last_commit::LastCommit;
use super::ledger::{Effect, Ledger};
use super::room::Room;
use super::schema::{self, Sync};
use crate::engine::ids::ShardId;
use crate::engine::session::SessionExpiry;
use crate::engine::store_op::{
    MessageNo, Origin, Page, PublishOp, Retain, Row, SavedSubscription, SessionNo, SessionOp,
    StoreOp,
};

/// Statements that are prepared once; more than there are.
const STATEMENTS: usize = 64;
/// Pages that a file of SQLite may have.
const PAGES_MAX: i64 = 0xffff_fffe;

/// An open store.
#[derive(Debug)]
pub struct Database {
    pub(super) connection: Connection,
    pub(super) hot: Hot,
    /// Deliveries of which only PUBCOMP is awaited, by packet id.
    pub(super) released: HashMap<SessionNo, HashMap<PacketId, MessageNo>>,
    /// Sessions that ended and still have rows.
    pub(super) gone: Vec<SessionNo>,
    /// Topics whose retained message was cleared, while it matters.
    pub(super) cleared: Cleared,
    /// Messages in `msg`, which nobody could count without reading them all, and what the file says.
    pub(super) messages: i64,
    pub(super) messages_written: i64,
    pub(super) last_commit: LastCommit,
    /// Transactions since it was opened.
    commits: u64,
    /// Pages that were read since the last commit, and those before that were not handed over.
    pub(super) pages: Vec<(ShardId, Page)>,
    pub(super) pages_read: Vec<(ShardId, Page)>,
    pub(super) room: Room,
    /// Pages of the journal after the last commit.
    pub(super) journal_pages: Arc<AtomicI32>,
    /// From so many on it is brought into the file.
    pub(super) journal_pages_max: i32,
}

impl Database {
    /// Opens a store, or makes one.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing is changed then.
    pub fn open(path: &Path, sync: Sync) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        schema::prepare(&connection, sync)?;
        let journal_pages = Arc::new(AtomicI32::new(0));
        let pages_now = Arc::clone(&journal_pages);
        connection.wal_hook(Some(move |_: &mut _, pages| {
            pages_now.store(pages, Ordering::Relaxed);
            Ok(())
        }))?;
        let room = Room::of(path);
        Ok(Self {
            connection,
            journal_pages,
            journal_pages_max: pages_max(&room),
            hot: Hot::default(),
            released: HashMap::new(),
            gone: Vec::new(),
            cleared: Cleared::default(),
            messages: 0,
            messages_written: 0,
            last_commit: LastCommit::default(),
            commits: 0,
            pages: Vec::new(),
            pages_read: Vec::new(),
            room,
        })
    }

    /// Lets something take effect; [`Self::commit`] makes it last.
    ///
    /// # Errors
    /// Whatever the disk has. The transaction is of no use then: see [`Self::undo`].
    pub fn apply(&mut self, effect: &Effect) -> rusqlite::Result<()> {
        match effect {
            Effect::Publish(publish, rows) => self.publish(publish, rows),
            Effect::Op(op) => self.op(op),
        }
    }

    /// One transaction. While the disk is full it must not need more of it than there is.
    ///
    /// # Errors
    /// As [`Self::apply`] and [`Self::commit`].
    pub fn transact(&mut self, effects: &[Effect]) -> rusqlite::Result<()> {
        let pages = self.room.is_full().then(|| self.pages()).transpose()?;
        for effect in effects {
            self.apply(effect)?;
        }
        self.tidy()?;
        self.write_down()?;
        if let Some(pages) = pages
            && self.outgrows_the_disk(pages)?
        {
            let full = ffi::Error::new(ffi::SQLITE_FULL);
            return Err(rusqlite::Error::SqliteFailure(full, None));
        }
        self.commit()
    }

    /// Nothing happened since the last commit. It may be tried again if the disk had no room: a write
    /// that failed left nothing behind, other than a sync that failed.
    ///
    /// # Errors
    /// Whatever the disk has.
    pub fn undo(&mut self) -> rusqlite::Result<()> {
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        self.hot.undo_changes();
        self.pages.clear();
        self.last_commit.forget_written();
        self.recall()
    }

    /// Makes everything applied so far last.
    ///
    /// # Errors
    /// Whatever the disk has. Nothing that was applied since the last commit may be promised then,
    /// and this must not be tried again: a page that was not written may count as written.
    pub fn commit(&mut self) -> rusqlite::Result<()> {
        self.write_down()?;
        if !self.connection.is_autocommit() {
            self.write_last_commit()?;
            self.connection.execute_batch("COMMIT")?;
            self.commits += 1;
        }
        self.hot.keep_changes();
        self.pages_read.append(&mut self.pages);
        Ok(())
    }

    /// What is known besides the rows becomes rows.
    fn write_down(&mut self) -> rusqlite::Result<()> {
        while let Some(number) = self.hot.surplus() {
            self.spill(number)?;
        }
        for number in self.hot.unwritten() {
            if let Some((message, receipts)) = self.hot.write_down(number) {
                let block = blob::write_message(&message);
                let insert = "INSERT INTO hot(m, r, b) VALUES(?1, ?2, ?3)";
                self.run(insert, params![key(number), receipts, block])?;
            }
        }
        if self.messages != self.messages_written {
            let update = "INSERT OR REPLACE INTO meta(k, v) VALUES('messages', ?1)";
            self.run(update, [self.messages])?;
            self.messages_written = self.messages;
        }
        Ok(())
    }

    /// The time, which goes with the next commits. It does not go back.
    pub fn note_time(&mut self, now: UnixTime) {
        self.last_commit.note(now);
    }

    /// How much there is, after a commit.
    pub(super) fn figures(&self) -> Figures {
        Figures {
            messages: u64::try_from(self.messages).unwrap_or(0),
            bytes: self.room.length(),
            commits: self.commits,
        }
    }

    /// Forgets which retained messages were cleared, as far as nothing older can come any more.
    pub fn forget_cleared(&mut self, turns: &Turns, ledger: &Ledger) {
        if !self.cleared.is_empty() {
            let progress = turns.progress(|shard| ledger.reached(shard));
            self.cleared.advance(&progress);
        }
    }

    /// Has the file grow by so many pages at most, as if the disk had no more room, or as far as it can.
    ///
    /// # Errors
    /// Whatever the disk has.
    pub fn limit_growth(&self, pages: Option<u32>) -> rusqlite::Result<()> {
        let limit = match pages {
            Some(pages) => {
                schema::integer(&self.connection, "PRAGMA page_count")? + i64::from(pages)
            }
            None => PAGES_MAX,
        };
        let limit = format!("PRAGMA max_page_count={limit}");
        self.connection.query_row(&limit, [], |_| Ok(()))
    }

    pub(super) fn run(&self, statement: &str, values: impl Params) -> rusqlite::Result<usize> {
        if self.connection.is_autocommit() {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
        }
        self.connection.prepare_cached(statement)?.execute(values)
    }

    fn publish(&mut self, publish: &PublishOp, parts: &[Row]) -> rusqlite::Result<()> {
        match publish.origin {
            Origin::Fresh => {}
            Origin::Released { session, packet_id } => {
                let packet_id = packet_id.get();
                self.run(
                    "DELETE FROM held WHERE s = ?1 AND p = ?2",
                    params![session.0.get(), packet_id],
                )?;
            }
            Origin::Will { session } => self.forget_will(session)?,
            Origin::Moved { session, number } => self.settle(session, number)?,
        }
        for row in publish.rows.iter().chain(parts) {
            self.insert(row)?;
        }
        match &publish.retain {
            Some(retain) => self.retain(retain),
            None => Ok(()),
        }
    }

    fn op(&mut self, op: &StoreOp) -> rusqlite::Result<()> {
        match op {
            // Both are effects of their own; see the ledger.
            StoreOp::Publish(publish) => self.publish(publish, &[]),
            StoreOp::Part(_) => Ok(()),
            StoreOp::Hold {
                session,
                packet_id,
                message,
            } => {
                let blob = blob::write_message(message);
                let values = params![session.0.get(), packet_id.get(), blob];
                let replace = "INSERT OR REPLACE INTO held(s, p, b) VALUES(?1, ?2, ?3)";
                self.run(replace, values)?;
                Ok(())
            }
            StoreOp::Acked { session, number } => self.settle(*session, *number),
            StoreOp::Sent {
                session,
                number,
                packet_id,
            } => {
                let values = params![session.0.get(), key(*number), packet_id.get()];
                self.run("UPDATE q SET p = ?3 WHERE s = ?1 AND m = ?2", values)?;
                Ok(())
            }
            StoreOp::Released {
                session,
                number,
                packet_id,
            } => self.release(*session, *number, *packet_id),
            StoreOp::Completed { session, packet_id } => self.complete(*session, *packet_id),
            StoreOp::Read(read) => self.read(read),
            StoreOp::Session(session) => self.session(session),
            StoreOp::Away {
                session,
                since,
                expiry,
                will_due,
            } => self.away(*session, *since, *expiry, *will_due),
            StoreOp::End { session } => self.end(*session),
            StoreOp::Subscribe {
                session,
                subscription,
            } => self.subscribe(*session, subscription),
            StoreOp::Replayed { session, filter } => {
                let values = params![session.0.get(), filter];
                self.run("UPDATE sub SET r = 0 WHERE s = ?1 AND f = ?2", values)?;
                Ok(())
            }
            StoreOp::Unsubscribe { session, filter } => {
                let values = params![session.0.get(), filter];
                self.run("DELETE FROM sub WHERE s = ?1 AND f = ?2", values)?;
                Ok(())
            }
        }
    }

    fn away(
        &mut self,
        session: SessionNo,
        since: UnixTime,
        expiry: SessionExpiry,
        will_due: Option<UnixTime>,
    ) -> rusqlite::Result<()> {
        let since = signed(since.as_millis());
        let values = params![session.0.get(), since, blob::expiry_to_millis(expiry)];
        self.run("UPDATE sess SET a = ?2, e = ?3 WHERE s = ?1", values)?;
        match will_due {
            None => self.forget_will(session)?,
            Some(due) => {
                let values = params![session.0.get(), signed(due.as_millis())];
                self.run("UPDATE will SET due = ?2 WHERE s = ?1", values)?;
            }
        }
        // Its client will not answer soon.
        for number in self.hot.of(session) {
            self.spill(number)?;
        }
        Ok(())
    }

    fn subscribe(
        &self,
        session: SessionNo,
        subscription: &SavedSubscription,
    ) -> rusqlite::Result<()> {
        let values = params![
            session.0.get(),
            &*subscription.filter,
            subscription.options.as_byte(),
            subscription.identifier,
            subscription.replays
        ];
        let replace = "INSERT OR REPLACE INTO sub(s, f, o, i, r) VALUES(?1, ?2, ?3, ?4, ?5)";
        self.run(replace, values).map(drop)
    }

    fn session(&mut self, op: &SessionOp) -> rusqlite::Result<()> {
        let number = op.session.0.get();
        let expiry = blob::expiry_to_millis(op.expiry);
        let values = params![number, &*op.client_id, expiry, op.user_name, op.listener];
        self.run(
            "INSERT INTO sess(s, client, e, a, u, l) VALUES(?1, ?2, ?3, NULL, ?4, ?5)
             ON CONFLICT(s) DO UPDATE SET e = ?3, a = NULL, u = ?4, l = ?5",
            values,
        )?;
        match &op.will {
            None => self.forget_will(op.session),
            Some(will) => {
                let replace = "INSERT OR REPLACE INTO will(s, due, b) VALUES(?1, NULL, ?2)";
                self.run(replace, params![number, blob::write_will(will)])
                    .map(drop)
            }
        }
    }

    fn forget_will(&self, session: SessionNo) -> rusqlite::Result<()> {
        self.run("DELETE FROM will WHERE s = ?1", [session.0.get()])
            .map(drop)
    }

    fn retain(&mut self, retain: &Retain) -> rusqlite::Result<()> {
        let view = retain.message.view();
        let topic = view.topic.as_str();
        let version = signed(retain.version);
        if view.payload.is_empty() {
            self.cleared.add(topic, retain.version);
            let delete = "DELETE FROM ret WHERE t = ?1 AND v < ?2";
            return self.run(delete, params![topic, version]).map(drop);
        }
        if self.cleared.is_outdated(topic, retain.version) {
            return Ok(());
        }
        self.run(
            "INSERT INTO ret(t, v, b) VALUES(?1, ?2, ?3)
             ON CONFLICT(t) DO UPDATE SET v = ?2, b = ?3 WHERE v < ?2",
            params![topic, version, blob::write_message(&retain.message)],
        )
        .map(drop)
    }
}

/// SQLite's integers have a sign; numbers and times do not reach it in a thousand years.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn key(number: MessageNo) -> i64 {
    signed(number.0.get())
}
