//! What an import or an export brought over, for people.

use std::fmt;

/// Names of what was left out that are remembered; all are counted.
const NAMES_MAX: usize = 10;

/// How much was brought over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sessions.
    pub sessions: u64,
    /// Their subscriptions.
    pub subscriptions: u64,
    /// Messages towards their clients, one for each client.
    pub messages: u64,
    /// QoS 2 messages from their clients that were not released.
    pub held: u64,
    /// Wills.
    pub wills: u64,
    /// Retained messages.
    pub retained: u64,
    /// Sessions that had expired.
    pub expired_sessions: u64,
    /// Messages that had expired.
    pub expired_messages: u64,
    /// What cannot be brought over, each with the reason.
    pub left_out: LeftOut,
}

/// What was left out: how much, and the first of it by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// How much.
    pub count: u64,
    /// What, for people; some of it if it is much.
    pub names: Vec<String>,
}

impl LeftOut {
    pub(super) fn add(&mut self, name: impl FnOnce() -> String) {
        self.count += 1;
        if self.names.len() < NAMES_MAX {
            self.names.push(name());
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} sessions, {} subscriptions, {} messages for clients, {} retained messages",
            self.sessions, self.subscriptions, self.messages, self.retained
        )?;
        for (count, what) in [
            (self.held, "messages of QoS 2 from clients"),
            (self.wills, "wills"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        for (count, what) in [
            (self.expired_sessions, "sessions had expired"),
            (self.expired_messages, "messages had expired"),
        ] {
            if count > 0 {
                write!(f, "; {count} {what}")?;
            }
        }
        if self.left_out.count > 0 {
            let names = self.left_out.names.join(", ");
            write!(f, "; {} left out: {names}", self.left_out.count)?;
            if self.left_out.count > self.left_out.names.len() as u64 {
                write!(f, " and others")?;
            }
        }
        Ok(())
    }
}
