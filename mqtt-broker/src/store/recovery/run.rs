//! Whether the broker ended in order stands in the store.

use std::path::PathBuf;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension as _};

use crate::store::database::Database;

/// Key of the word in `meta`.
const KEY: &str = "clean_shutdown";
/// Key of how often the word was written.
const COUNT: &str = "notes_of_runs";
/// Free bytes without which the word is not written: there are more important things then.
const SPARE_BYTES: u64 = 1024 * 1024;

/// Forgets how the last run ended: its journal was brought into the file by somebody else, and nobody
/// has removed it.
pub(crate) fn forget_run(connection: &Connection) -> rusqlite::Result<()> {
    let delete = "DELETE FROM meta WHERE k = ?1";
    connection.execute(delete, [KEY]).map(drop)
}

impl Database {
    /// Notes that a broker runs; whether the last one ended in order, `None` if there was none. The
    /// note stands in the file itself when this returns, and the journal is not empty: so a journal
    /// that goes missing can be told. A disk that is full gets by without.
    ///
    /// # Errors
    /// Whatever else the disk has.
    pub fn begin_run(&mut self) -> rusqlite::Result<Option<bool>> {
        let query = "SELECT v FROM meta WHERE k = ?1";
        let was_clean: Option<i64> = self
            .connection
            .query_row(query, [KEY], |row| row.get(0))
            .optional()?;
        if self.note_run(false)? {
            self.bring_in("PRAGMA wal_checkpoint(PASSIVE)")?;
        }
        Ok(was_clean.map(|clean| clean != 0))
    }

    /// Where it is.
    #[must_use]
    pub fn file(&self) -> Option<PathBuf> {
        self.connection.path().map(PathBuf::from)
    }

    /// Notes that the broker ends in order, if there is room for that.
    ///
    /// # Errors
    /// Whatever else the disk has.
    pub fn end_run(&self) -> rusqlite::Result<()> {
        self.note_run(true).map(drop)
    }

    /// The count makes it a change, which SQLite would not write otherwise. Whether there was room.
    fn note_run(&self, clean: bool) -> rusqlite::Result<bool> {
        if self.room.is_full() || !self.room.has(SPARE_BYTES) {
            return Ok(false);
        }
        match self.write_note(clean) {
            Err(error) if self.room.is_reason(&error) => Ok(false),
            written => written.map(|()| true),
        }
    }

    fn write_note(&self, clean: bool) -> rusqlite::Result<()> {
        // Should one of both fail, neither counts, and no transaction stays open.
        let transaction = self.connection.unchecked_transaction()?;
        transaction.execute_batch(&format!(
            "INSERT OR REPLACE INTO meta(k, v) VALUES('{KEY}', {clean});
             INSERT INTO meta(k, v) VALUES('{COUNT}', 1) ON CONFLICT(k) DO UPDATE SET v = v + 1;"
        ))?;
        self.insert_last_commit()?;
        transaction.commit()
    }

    /// Clients that stand with one name in their session and with another in its index: one of both is
    /// damaged, and it cannot be told which.
    pub(super) fn misnamed(&self) -> rusqlite::Result<Vec<String>> {
        let mut query = self.connection.prepare(
            "SELECT client FROM sess AS own NOT INDEXED WHERE NOT EXISTS(
                SELECT 1 FROM sess AS other INDEXED BY sqlite_autoindex_sess_1
                WHERE other.client = own.client) LIMIT 100",
        )?;
        let clients = query.query_map([], |row| row.get(0))?;
        clients.collect()
    }

    /// Messages whose receivers stand in their own rows; there are not many.
    pub(super) fn hot_numbers(&self) -> rusqlite::Result<Vec<i64>> {
        let mut query = self.connection.prepare("SELECT m FROM hot")?;
        let numbers = query.query_map([], |row| row.get(0))?;
        numbers.collect()
    }

    /// Whether each of these messages is where it is looked for. What a load has put into a damaged tree
    /// may not be found there again.
    pub(super) fn finds(&self, numbers: &[i64]) -> rusqlite::Result<bool> {
        let mut query = self.connection.prepare("SELECT 1 FROM msg WHERE m = ?1")?;
        for number in numbers {
            if !query.exists([number])? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the journal is left as it is when the store is closed.
    pub(super) fn leave_journal(&self, leave: bool) -> rusqlite::Result<()> {
        let option = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        self.connection.set_db_config(option, leave).map(drop)
    }

    /// Whether the trees are sound; the first thing that is not, as SQLite's own error.
    pub(super) fn check_quickly(&self) -> rusqlite::Result<()> {
        let query = "PRAGMA quick_check(1)";
        let found: String = self.connection.query_row(query, [], |row| row.get(0))?;
        if found == "ok" {
            return Ok(());
        }
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        Err(rusqlite::Error::SqliteFailure(code, Some(found)))
    }
}
