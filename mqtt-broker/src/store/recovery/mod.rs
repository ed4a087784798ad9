//! A store after a crash, or after its disk changed what was written: the journal is read before SQLite
//! does (`wal.rs`), and of a damaged database every row that can be read is saved (`salvage.rs`).

mod aside;
mod btree;
pub(crate) mod fresh;
mod gather;
mod look;
mod pages;
mod report;
mod run;
mod salvage;
#[cfg(test)]
pub(crate) mod sample;
mod settle;
mod start;
#[cfg(test)]
mod sweep_tests;
pub(crate) mod tables;
pub mod wal;

pub use aside::beside;
pub(crate) use aside::{remove, sync_folder_of};
pub use fresh::MakeError;
pub(crate) use look::open_untouched;
pub use look::{Look, look};
pub use report::{Report, Weight};
pub(crate) use run::forget_run;
pub use salvage::{Salvage, Share};
pub(crate) use settle::recount;
pub(crate) use start::read_journal;
pub use start::{Start, StartError, Started, is_damage, note_damage};
