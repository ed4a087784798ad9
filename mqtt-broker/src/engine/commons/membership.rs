//! Who joins and leaves the shared subscriptions that a shard looks after. Members write it here, and
//! the shard takes it in before it next matches a topic: a letter would be read too late by a shard
//! that is handed a PUBLISH whose sender already knows of the SUBACK.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::engine::ids::SessionAddress;
use crate::engine::letter::GroupSubscription;

/// What members of one shard's groups wrote and the shard has not taken in yet.
#[derive(Debug, Default)]
pub struct Membership {
    written: AtomicBool,
    changes: Mutex<Vec<Change>>,
}

/// One member of one group: `share name` `/` `filter`.
#[derive(Debug)]
pub struct Change {
    /// The group.
    pub group: Box<str>,
    /// Which session.
    pub member: SessionAddress,
    /// What it does.
    pub what: What,
}

/// What a member does.
#[derive(Clone, Copy, Debug)]
pub enum What {
    /// It joins, or joins anew with other options.
    Join {
        /// Its terms.
        subscription: GroupSubscription,
        /// Its session is durable.
        durable: bool,
        /// Its client is connected.
        online: bool,
    },
    /// Its session is durable no longer.
    NotDurable,
    /// It leaves.
    Leave,
    /// Its client came (true) or went.
    Presence(bool),
}

impl Membership {
    /// Writes a change. Whether it is the first since the shard looked, so that it has to be told.
    pub fn write(&self, change: Change) -> bool {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.push(change);
        !self.written.swap(true, Ordering::SeqCst)
    }

    /// Takes all changes in the order in which they were written; one load if there are none.
    #[must_use]
    pub fn take(&self) -> Vec<Change> {
        if !self.written.load(Ordering::SeqCst) {
            return Vec::new();
        }
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        self.written.store(false, Ordering::SeqCst);
        std::mem::take(&mut *changes)
    }
}
