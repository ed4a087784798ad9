//! What can be read of a damaged store, row by row, into a new one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mqtt_session::time::UnixTime;

use super::fresh::{Fresh, MakeError};
use super::gather::Gathering;
use super::pages::Pages;
use super::settle::settle;

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

/// Reads all that can be read into a new file at `path`, which is synced when this returns.
pub(crate) fn salvage(pages: &Pages, path: PathBuf, now: UnixTime) -> Result<Salvage, MakeError> {
    let fresh = Fresh::begin(path)?;
    let mut gathering = Gathering::new(pages, &fresh.connection);
    gathering.read(now)?;
    let report = settle(&fresh.connection, gathering.end())?;
    fresh.end()?;
    Ok(report)
}
