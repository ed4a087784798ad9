//! How a store is, and how much is in it, for those who look after it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// How a store is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// There is none: nothing is kept.
    #[default]
    Off,
    /// Everything is kept.
    Ok,
    /// The disk has no room: what would have to be kept is refused.
    Full,
    /// The disk failed: the broker ends.
    Failed,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Ok => "ok",
            Self::Full => "full",
            Self::Failed => "failed",
        })
    }
}

/// How much is in a store, as of the last commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Messages whose receivers have rows of their own: those that wait, and QoS 2 under way.
    pub messages: u64,
    /// Bytes of the file. The journal beside it comes on top.
    pub bytes: u64,
    /// Transactions since the start.
    pub commits: u64,
}

/// The same, as the writer notes it and others read it.
#[derive(Debug, Default)]
pub(super) struct Board {
    messages: AtomicU64,
    bytes: AtomicU64,
    commits: AtomicU64,
}

impl Board {
    pub(super) fn note(&self, figures: Figures) {
        self.messages.store(figures.messages, Ordering::Relaxed);
        self.bytes.store(figures.bytes, Ordering::Relaxed);
        self.commits.store(figures.commits, Ordering::Relaxed);
    }

    pub(super) fn figures(&self) -> Figures {
        Figures {
            messages: self.messages.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            commits: self.commits.load(Ordering::Relaxed),
        }
    }
}
