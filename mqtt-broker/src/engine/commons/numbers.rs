//! Numbers that are given once and never again: of messages and sessions in the store.

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::engine::store_op::{MessageNo, SessionNo};

/// The numbers given so far.
#[derive(Debug, Default)]
pub struct Numbers {
    messages: AtomicU64,
    sessions: AtomicU32,
    /// The last message number that was given before this start.
    before: AtomicU64,
}

impl Numbers {
    /// A number for a message.
    #[must_use]
    pub fn message(&self) -> MessageNo {
        let given = self.messages.fetch_add(1, Ordering::Relaxed);
        MessageNo(NonZeroU64::MIN.saturating_add(given))
    }

    /// A number for a session.
    ///
    /// # Panics
    /// After four thousand million sessions: a number given twice would mix two clients' messages.
    #[must_use]
    pub fn session(&self) -> SessionNo {
        let given = self.sessions.fetch_add(1, Ordering::Relaxed);
        assert!(given < u32::MAX, "no session numbers are left");
        SessionNo(NonZeroU32::MIN.saturating_add(given))
    }

    /// The last number of a message that was given before the start, if any.
    #[must_use]
    pub fn before(&self) -> Option<MessageNo> {
        NonZeroU64::new(self.before.load(Ordering::Relaxed)).map(MessageNo)
    }

    /// Numbers up to these were given before a restart.
    pub fn go_on_after(&self, message: u64, session: u32) {
        self.messages.fetch_max(message, Ordering::Relaxed);
        self.before.fetch_max(message, Ordering::Relaxed);
        self.sessions.fetch_max(session, Ordering::Relaxed);
    }
}
