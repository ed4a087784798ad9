//! What can be read of a damaged store, row by row, into a new one.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use mqtt_session::time::UnixTime;

use super::gather::Gathering;
use super::pages::Pages;
use super::settle::settle;
use crate::store::database::Database;
use crate::store::{StoreError, Sync};

/// Things that are named one by one; the others are counted.
const NAMED_MAX: usize = 50;

/// What was saved of a damaged store, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Salvage {
    /// Sessions.
    pub sessions: u64,
    /// Subscriptions.
    pub subscriptions: u64,
    /// Retained messages.
    pub retained: u64,
    /// Messages to clients and those held for them: by client, saved and lost.
    pub clients: BTreeMap<String, Share>,
    /// Deliveries that are lost with what says whose they were.
    pub unknown: u64,
    /// Pages of 4096 bytes that cannot be read, or make no sense.
    pub pages_unreadable: u64,
    /// Rows of readable pages that cannot be read.
    pub rows_unreadable: u64,
    /// Other things that are lost, by name; only the first ones.
    pub lost: Vec<String>,
    /// How many those are.
    pub lost_count: u64,
    /// It cannot be told which pages were out of use: rows that were deleted may have come back.
    pub may_return: bool,
}

/// A client's part in a [`Salvage`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Messages that were saved.
    pub saved: u64,
    /// Messages that are lost.
    pub lost: u64,
}

impl Salvage {
    pub(super) fn lose(&mut self, what: String) {
        self.lost_count += 1;
        if self.lost.len() < NAMED_MAX {
            self.lost.push(what);
        }
    }

    /// Whether anything at all is missing.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unknown == 0
            && self.pages_unreadable == 0
            && self.rows_unreadable == 0
            && self.lost_count == 0
            && self.clients.values().all(|share| share.lost == 0)
    }
}

/// A store cannot be salvaged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SalvageError {
    /// The new store cannot be made.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The old one cannot be read, or the new one not be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<rusqlite::Error> for SalvageError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Reads all that can be read into a new file at `path`, which must not be there yet. The file is
/// synced when this returns.
pub(crate) fn salvage(pages: &Pages, path: &Path, now: UnixTime) -> Result<Salvage, SalvageError> {
    let database = Database::open(path, Sync::Full)?;
    let connection = &database.connection;
    // Should the power be lost, it is begun anew.
    connection.execute_batch("PRAGMA synchronous=OFF; BEGIN")?;
    let mut gathering = Gathering::new(pages, connection);
    gathering.read(now)?;
    let report = settle(connection, gathering.end())?;
    connection.execute_batch("COMMIT; PRAGMA synchronous=FULL")?;
    database.checkpoint()?;
    drop(database);
    std::fs::File::open(path)?.sync_all()?;
    Ok(report)
}
