//! A store that is being made, under a name that nobody looks for.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::aside::{beside, remove};
use crate::store::schema::prepare;
use crate::store::{StoreError, Sync};

/// A new store cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MakeError {
    /// SQLite says so.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<rusqlite::Error> for MakeError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// A new store in a transaction, which is not synced until it is whole.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) connection: Connection,
    path: PathBuf,
}

impl Fresh {
    /// Begins one; what was left of an earlier one goes.
    pub(crate) fn begin(path: PathBuf) -> Result<Self, MakeError> {
        clear(&path)?;
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let connection = open(&path)?;
        connection.execute_batch("PRAGMA synchronous=OFF; BEGIN")?;
        Ok(Self { connection, path })
    }

    /// What was written so far need not be held in memory any longer.
    pub(crate) fn go_on(connection: &Connection) -> rusqlite::Result<()> {
        connection.execute_batch("COMMIT; BEGIN")
    }

    /// Ends it: one file, synced.
    pub(crate) fn end(self) -> Result<(), MakeError> {
        let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
        self.connection.execute_batch("COMMIT")?;
        self.connection.query_row(checkpoint, [], |_| Ok(()))?;
        self.connection.close().map_err(|(_, error)| error)?;
        Ok(File::open(&self.path)?.sync_all()?)
    }
}

/// Removes a store that was not finished.
pub(crate) fn clear(path: &Path) -> io::Result<()> {
    ["", "-wal", "-shm"]
        .into_iter()
        .try_for_each(|suffix| remove(&beside(path, suffix)))
}

/// Opens a store, or an empty file that becomes one, for somebody who is no broker.
pub(crate) fn open(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    prepare(&connection, Sync::Full)?;
    Ok(connection)
}
