//! The journal is brought into the file by the writer itself, since SQLite does not tell when that fails,
//! and only where there is room for all of it.

use std::sync::atomic::Ordering;

use mqtt_session::time::Instant;
use rusqlite::config::DbConfig;

use super::database::Database;
use super::room::Room;
use super::schema;

/// Pages of the journal from which on it is brought into the file: 16 MiB, on a small disk less.
const JOURNAL_PAGES: i32 = 4000;
const PAGE_BYTES: u64 = 4096;

/// The same on this disk.
pub(super) fn pages_max(room: &Room) -> i32 {
    let pages = room.journal_bytes_max() / PAGE_BYTES;
    i32::try_from(pages).map_or(JOURNAL_PAGES, |pages| pages.clamp(1, JOURNAL_PAGES))
}

impl Database {
    /// Brings what the journal has into the file when it is long enough.
    ///
    /// # Errors
    /// Whatever the disk has, but for a lack of room, which does no harm here.
    pub fn keep_journal_short(&self) -> rusqlite::Result<()> {
        if self.journal_pages.load(Ordering::Relaxed) < self.journal_pages_max {
            return Ok(());
        }
        self.reuse_journal()
    }

    /// Has the journal begin anew, in the room that it has, as far as the file has room for it.
    ///
    /// # Errors
    /// Whatever else the disk has.
    pub(super) fn reuse_journal(&self) -> rusqlite::Result<()> {
        self.bring_in("PRAGMA wal_checkpoint(PASSIVE)")
    }

    /// Whether pages were added since there were so many, and the file cannot grow by them: the journal
    /// could never begin anew then, and what is removed later would find no room in it.
    pub(super) fn outgrows_the_disk(&self, pages: i64) -> rusqlite::Result<bool> {
        Ok(self.pages()? > pages && !self.room.has(self.growth()?))
    }

    /// Pages of the file when the journal is in it.
    pub(super) fn pages(&self) -> rusqlite::Result<i64> {
        schema::integer(&self.connection, "PRAGMA page_count")
    }

    /// Moves the journal into the file and ends it, so that one file holds everything; if the file has
    /// no room for it, it stays.
    ///
    /// # Errors
    /// Whatever else the disk has.
    pub fn checkpoint(&self) -> rusqlite::Result<()> {
        self.bring_in("PRAGMA wal_checkpoint(TRUNCATE)")
    }

    /// That is done only if there is room for all of it: a part would use up what is left for
    /// acknowledgements.
    pub(super) fn bring_in(&self, how: &str) -> rusqlite::Result<()> {
        let has_room = self.room.has(self.growth()?);
        // Closing tries it as well.
        let leave = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        self.connection.set_db_config(leave, !has_room)?;
        if !has_room {
            return Ok(());
        }
        self.room
            .excuses(self.connection.query_row(how, [], |_| Ok(())))
    }

    /// By how many bytes the file grows when the journal is brought in.
    fn growth(&self) -> rusqlite::Result<u64> {
        let length = self.bytes_of("PRAGMA page_count")?;
        Ok(length.saturating_sub(self.room.length()))
    }

    /// Looks whether there is room again for everything, if there was none.
    ///
    /// # Errors
    /// Whatever the disk has, but for a lack of room.
    pub fn look_for_room(&mut self, now: Instant) -> rusqlite::Result<()> {
        if !self.room.is_to_look(now) {
            return Ok(());
        }
        let inside = self.free_bytes()?;
        if self.room.needs_journal(inside) {
            self.checkpoint()?;
        }
        self.room.look_again(now, inside);
        Ok(())
    }

    /// Bytes of the file that hold nothing and may be used again.
    fn free_bytes(&self) -> rusqlite::Result<u64> {
        let free = self.bytes_of("PRAGMA freelist_count")?;
        // Some may be where the file has not grown to.
        Ok(free.saturating_sub(self.growth()?))
    }

    fn bytes_of(&self, pages: &str) -> rusqlite::Result<u64> {
        let pages = schema::integer(&self.connection, pages)?;
        Ok(u64::try_from(pages).unwrap_or(0) * PAGE_BYTES)
    }
}
