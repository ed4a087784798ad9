//! What is acknowledged is kept: one file, one thread that writes it, one sync for many messages.
//!
//! Shards submit a batch a turn and never wait. The writer takes what is there, brings it into its
//! order (`ledger.rs`), writes it in one transaction (`database.rs`) and says up to where each shard's
//! tickets are durable; while it syncs, the next batch gathers. There is no timer in it: a lone message
//! waits for one sync and no more.

pub mod blob;
mod cleared;
pub mod database;
mod deliveries;
mod failure;
mod health;
mod hot;
mod journal;
mod last_commit;
pub mod ledger;
mod load;
pub mod mosquitto;
mod page;
pub mod recovery;
mod room;
mod schema;
mod squeeze;
#[cfg(test)]
mod tests;
pub mod tools;
mod weight;
mod writer;

use std::num::NonZeroU64;

pub use cleared::Turns;
pub use failure::Failure;
pub use health::{Figures, Health};
pub use load::Recovered;
pub use schema::Sync;
pub use writer::Store;

use crate::engine::store_op::MessageNo;

/// A store cannot be opened or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file is a database of another program.
    #[error("it is a database of another program")]
    Foreign,
    /// The file has a format that this program does not know.
    #[error(
        "it has format {format}, written by {}; this program reads format 1",
        created_by.as_deref().unwrap_or("another version")
    )]
    Format {
        /// What it says.
        format: i64,
        /// Who made it.
        created_by: Option<String>,
    },
    /// A setting did not take, as on a network file system.
    #[error(
        "{name} stays \"{read}\": the file system cannot do what is needed (a network file system?)"
    )]
    Setting {
        /// Which.
        name: &'static str,
        /// What it is instead.
        read: String,
    },
    /// The library is too old.
    #[error("SQLite {0} can damage its journal; at least 3.51.3 is needed")]
    Library(&'static str),
    /// Whatever SQLite or the disk says.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

fn number(value: i64) -> Option<MessageNo> {
    NonZeroU64::new(u64::try_from(value).ok()?).map(MessageNo)
}
