//! Stores of Mosquitto: its `mosquitto.db` and its SQLite store are read into a snapshot, of which
//! a store of ours is made. And the way back.

mod bytes;
mod counts;
mod export;
mod fill;
mod order;
mod place;
mod read;
mod read_old;
pub mod snapshot;
mod sqlite;
#[cfg(test)]
mod tests;
mod translate;
mod write;

pub use counts::{Counts, LeftOut};
pub use export::{ExportError, export};
pub use place::{TakenOver, at_start, finish, import, take_over};
pub use read::{MAGIC, ReadError, read};
pub use write::write;

use std::io;
use std::path::PathBuf;

use super::StoreError;

/// A store of Mosquitto cannot be taken over. It is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It is damaged, or something else.
    #[error(
        "{0} (have the Mosquitto that wrote it load and save it again, or move it away to start empty)"
    )]
    Read(#[from] ReadError),
    /// It would become much larger than it is, or larger than can be.
    #[error("{0}")]
    TooMuch(&'static str),
    /// A file cannot be had.
    #[error("{} {what}: {error}", path.display())]
    System {
        /// Which.
        path: PathBuf,
        /// What cannot be done.
        what: &'static str,
        /// Why.
        error: io::Error,
    },
    /// SQLite cannot read it.
    #[error("the database of Mosquitto's plugin cannot be read: {0}")]
    Source(rusqlite::Error),
    /// The new store cannot be made.
    #[error("the new store: {0}")]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for ImportError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}
