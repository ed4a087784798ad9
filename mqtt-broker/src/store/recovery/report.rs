//! What a start found out about the files, in words.

use std::path::PathBuf;

use super::salvage::Salvage;

/// Clients that are named one by one.
const CLIENTS_NAMED_MAX: usize = 100;

/// How much something matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Something that was acknowledged may be missing.
    Loss,
    /// An operator should look at it.
    Notice,
    /// As it always is after a crash.
    Usual,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A transaction was under way when the broker ended.
    Torn {
        /// Its last frame is there.
        ended: bool,
    },
    /// What was synced cannot be read in the journal.
    Journal {
        /// Where the files are as they were.
        folder: PathBuf,
        /// Frames from the first bad one on.
        frames: u64,
        /// Commits in them.
        commits: u64,
    },
    /// There is no journal, though the broker did not end in order.
    NoJournal,
    /// The name of a client is not the same everywhere in the store.
    Misnamed(String),
    /// Rows were read one by one.
    Salvaged {
        /// Where the files are as they were.
        folder: PathBuf,
        /// What was wrong.
        why: String,
        /// What came of it.
        salvage: Box<Salvage>,
    },
}

impl Report {
    /// Lines for people.
    #[must_use]
    pub fn lines(&self) -> Vec<(Weight, String)> {
        match self {
            Self::Torn { ended: false } => vec![(
                Weight::Usual,
                "The journal of the store ends in a transaction that was under way; it is dropped."
                    .to_owned(),
            )],
            Self::Torn { ended: true } => vec![(
                Weight::Notice,
                "The last transaction in the journal of the store is not whole and is dropped, as \
                 after a loss of power. If there was none, what was acknowledged last is missing."
                    .to_owned(),
            )],
            Self::Journal {
                folder,
                frames,
                commits,
            } => vec![(
                Weight::Loss,
                format!(
                    "Error: The journal of the store is damaged: {frames} frames, about {commits} \
                     commits unreadable. What they added is missing; what they removed comes again. \
                     The files as they were are in {}.",
                    folder.display()
                ),
            )],
            Self::NoJournal => vec![(
                Weight::Notice,
                "Warning: The broker did not end in order, and the store has no journal. If somebody \
                 removed it, what was acknowledged last is missing."
                    .to_owned(),
            )],
            Self::Misnamed(client) => vec![(
                Weight::Loss,
                format!(
                    "Error: The store is damaged: the session of client {client} has another name in \
                     its index; one of both names is wrong."
                ),
            )],
            Self::Salvaged {
                folder,
                why,
                salvage,
            } => {
                let mut lines = vec![format!(
                    "Error: The store is damaged ({why}). What can be read of it goes on; the files \
                     as they were are in {}.",
                    folder.display()
                )];
                lines.extend(salvage.lines());
                lines.into_iter().map(|line| (Weight::Loss, line)).collect()
            }
        }
    }
}

impl Salvage {
    /// What was saved and what was lost.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "Saved of the damaged store: {} clients, {} subscriptions, {} retained messages, {} \
             messages to or from clients.",
            self.sessions,
            self.subscriptions,
            self.retained,
            self.clients.values().map(|share| share.saved).sum::<u64>()
        )];
        if self.pages_unreadable + self.rows_unreadable > 0 {
            lines.push(format!(
                "Not readable: {} pages, and {} rows of others.",
                self.pages_unreadable, self.rows_unreadable
            ));
        }
        let losers = self.clients.iter().filter(|(_, share)| share.lost > 0);
        let mut others = self.clients.iter().filter(|(_, share)| share.lost == 0);
        let room = CLIENTS_NAMED_MAX;
        let named: Vec<_> = losers.chain(&mut others).take(room).collect();
        for (client, share) in &named {
            lines.push(format!(
                "Client {client}: {} messages saved, {} lost.",
                share.saved, share.lost
            ));
        }
        let left = self.clients.len() - named.len();
        if left > 0 {
            lines.push(format!("And {left} other clients with messages."));
        }
        if self.unknown > 0 {
            let text = "messages are lost of which it cannot be told for whom they were.";
            lines.push(format!("{} {text}", self.unknown));
        }
        for what in &self.lost {
            lines.push(format!("Lost: {what}."));
        }
        let unnamed = self.lost_count - self.lost.len() as u64;
        if unnamed > 0 {
            lines.push(format!("Lost: {unnamed} further entries."));
        }
        if self.may_return {
            lines.push(
                "It cannot be told which pages were out of use: what was delivered or removed long \
                 ago may come again."
                    .to_owned(),
            );
        }
        lines
    }
}
