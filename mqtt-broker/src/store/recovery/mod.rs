//! A store after a crash, or after its disk changed what was written: the journal is read before SQLite
//! does (`wal.rs`), and of a damaged database every row that can be read is saved (`salvage.rs`).

mod btree;
mod gather;
pub(crate) mod pages;
pub(crate) mod salvage;
mod settle;
mod tables;
pub mod wal;
