//! What of a session's queue stands in the store alone: memory holds a page of it, the rest is only
//! counted here and read when the client comes to it.
//!
//! The numbers of the messages towards one session rise: each is given on the session's own shard when
//! the message is brought to it. So the queue in memory ends at one number, the cursor, and everything
//! behind it is in the store. Messages of shared subscriptions are no part of this: others have to get
//! them when the session ends, and so they stay in memory.

use mqtt_codec::QoS;
use mqtt_session::time::UnixTime;

use crate::engine::store_op::{Backlog, MessageNo};

/// The part of a queue that is not in memory.
#[derive(Debug, Default)]
pub struct Cold {
    /// What a page that is being read may be of, or all.
    known: Backlog,
    /// What came since a page was asked for.
    later: Backlog,
    reading: bool,
    cursor: Option<MessageNo>,
    /// The last message that went to the store alone.
    newest: Option<MessageNo>,
    away_since: Option<UnixTime>,
}

impl Cold {
    /// What a former life of the broker left, up to a number, for a client that was away since then,
    /// or was there.
    #[must_use]
    pub fn restored(
        backlog: Backlog,
        newest: Option<MessageNo>,
        away_since: Option<UnixTime>,
    ) -> Self {
        Self {
            known: backlog,
            newest,
            away_since,
            ..Self::default()
        }
    }

    /// How much it is.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        self.known.and(self.later)
    }

    /// Whether all is in memory.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.messages == 0 && self.later.messages == 0
    }

    /// Since when the client was away when the broker started, if it was.
    #[must_use]
    pub fn away_since(&self) -> Option<UnixTime> {
        self.away_since
    }

    /// One more message is in the store alone.
    pub fn add(&mut self, number: MessageNo, payload_bytes: usize, qos: QoS) {
        debug_assert!(self.newest < Some(number), "numbers rise");
        self.newest = Some(number);
        let later = if self.reading {
            &mut self.later
        } else {
            &mut self.known
        };
        later.add(payload_bytes, qos);
    }

    /// A message went to memory, behind all others that are there.
    pub fn note(&mut self, number: MessageNo) {
        debug_assert!(self.cursor < Some(number), "numbers rise");
        self.cursor = Some(number);
    }

    /// Messages that were in memory are in the store alone: those behind the first number, up to the
    /// second.
    pub fn take_back(&mut self, backlog: Backlog, cursor: MessageNo, newest: MessageNo) {
        debug_assert!(!self.reading, "a page would come behind them");
        self.known = self.known.and(backlog);
        self.cursor = Some(cursor);
        self.newest = self.newest.max(Some(newest));
    }

    /// Whether there is something to read and nobody reads.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        !self.reading && self.known.messages > 0
    }

    /// A page is asked for: of what stands behind the first number, up to the second. What comes later
    /// can be in the store already when the page is read, and not all of it: the part that this shard
    /// owes to another's publish takes effect with that, before what was submitted earlier.
    pub fn begin_read(&mut self) -> (Option<MessageNo>, Option<MessageNo>) {
        self.reading = true;
        (self.cursor, self.newest)
    }

    /// Whether a page was asked for.
    #[must_use]
    pub fn is_reading(&self) -> bool {
        self.reading
    }

    /// A page came, which ends at this number. What is missing if it was the last one: rows that
    /// somebody has removed.
    pub fn end_read(&mut self, upto: Option<MessageNo>, taken: Backlog, last: bool) -> Backlog {
        self.reading = false;
        self.cursor = self.cursor.max(upto);
        let left = self.known.less(taken);
        let (left, missing) = if last {
            (Backlog::default(), left)
        } else {
            (left, Backlog::default())
        };
        self.known = left.and(std::mem::take(&mut self.later));
        missing
    }
}
