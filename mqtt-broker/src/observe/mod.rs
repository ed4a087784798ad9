//! What people and programs see of the broker: the log and `$SYS`.
//!
//! `log.rs` takes lines and writes them, `lines.rs` makes them of events, `sys_topics.rs` publishes
//! figures.

mod client_lines;
mod destinations;
mod escape;
mod level;
mod line;
mod lines;
mod load;
mod log;
mod packet_trace;
mod reasons;
mod runtime_lines;
pub mod sensitive_file;
mod sys_figures;
mod sys_topics;
mod timestamp;

pub use destinations::{Destinations, LogFileError};
pub use escape::Escaped;
pub use level::{Level, Levels};
pub use log::{Log, LogSettings};
pub use runtime_lines::describe;
pub use sys_topics::SysTopics;
pub use timestamp::Timestamp;

#[cfg(test)]
pub(crate) use log::tests as testing;

/// The name under which the broker speaks of itself.
pub const NAME: &str = "mqtt-broker";
/// Its version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
