//! What people do with a store by hand: `mqtt-broker store`. Who only reads leaves no trace, neither in
//! the file nor beside it.

mod check;
mod compact;
mod export;
mod import;
mod inspect;
mod lines;
mod message;
mod reading;
mod stats;
#[cfg(test)]
mod tests;

pub use check::{Findings, check};
pub use compact::compact;
pub use export::{Exported, Form, export};
pub use import::{ImportError, import};
pub use inspect::Inspector;
pub use lines::LineError;
pub use reading::{Reading, ReadingError};
pub use stats::{Queue, Stats, stats};
