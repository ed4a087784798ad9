//! A client for programs: awaitable answers, streams of messages, reconnecting by itself.

mod command;
mod handle;
mod link;
mod messages;
mod offline;
mod online;
mod subscriptions;

pub use handle::{Client, Receipt, State};
pub use messages::{Messages, Subscription};
