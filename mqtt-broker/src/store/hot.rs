//! Messages whose receivers all stand in their own row, because their clients are connected and will
//! answer soon: most messages come and go without a row for each receiver, and those that are answered
//! before the next commit without any row.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::BuildHasherDefault;

use ahash::AHasher;

use super::blob;
use crate::engine::envelope::Message;
use crate::engine::store_op::{MessageNo, Receipt, Receivers, SessionNo};

/// Messages kept that way.
const MESSAGES_MAX: usize = 65_536;
/// Their bytes.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// The messages with receivers in their rows, oldest first.
#[derive(Debug, Default)]
pub(super) struct Hot {
    messages: BTreeMap<MessageNo, HotMessage>,
    /// In rising order; nothing is empty. The numbers are our own, so nobody can choose them to collide.
    by_session: HashMap<SessionNo, VecDeque<MessageNo>, BuildHasherDefault<AHasher>>,
    bytes: usize,
    /// Those that may have no row yet.
    unwritten: Vec<MessageNo>,
    /// What changed since the last commit, to be undone if the next one fails.
    changes: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Added(MessageNo),
    Settled(MessageNo, Receipt),
    Taken(MessageNo, HotMessage),
}

#[derive(Clone, Debug)]
struct HotMessage {
    receivers: Receivers,
    bytes: usize,
    payload_bytes: usize,
    /// The message, while it has no row.
    unwritten: Option<Message>,
}

/// What became of a message when a session was done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// It is none of these.
    Unknown,
    /// Others are not done with it, or nothing was ever written.
    Nothing,
    /// It was the last receiver: the row is of no use any more.
    Row,
}

/// A message that was taken out, with the receivers that had not settled it.
pub(super) struct Cold {
    pub(super) receivers: Receivers,
    pub(super) payload_bytes: usize,
    /// The message, if it has no row.
    pub(super) unwritten: Option<Message>,
}

impl Hot {
    /// A message with its receivers. It gets its row with the next commit.
    pub(super) fn add(&mut self, number: MessageNo, receivers: Receivers, message: Message) {
        self.unwritten.push(number);
        self.changes.push(Change::Added(number));
        let message = HotMessage {
            receivers,
            bytes: message.bytes().len(),
            payload_bytes: message.payload_len(),
            unwritten: Some(message),
        };
        self.put(number, message);
    }

    fn put(&mut self, number: MessageNo, message: HotMessage) {
        for receipt in &message.receivers {
            let numbers = self.by_session.entry(receipt.session).or_default();
            // Behind all others, but for what is put back.
            let place = numbers.partition_point(|other| *other < number);
            numbers.insert(place, number);
        }
        self.bytes += message.bytes;
        self.messages.insert(number, message);
    }

    /// Everything so far was committed.
    pub(super) fn keep_changes(&mut self) {
        self.changes.clear();
    }

    /// Nothing since the last commit happened.
    pub(super) fn undo_changes(&mut self) {
        self.unwritten.clear();
        while let Some(change) = self.changes.pop() {
            match change {
                Change::Added(number) => drop(self.remove(number)),
                Change::Settled(number, receipt) => {
                    if let Some(mut message) = self.remove(number) {
                        message.receivers.push(receipt);
                        self.put(number, message);
                    }
                }
                Change::Taken(number, message) => self.put(number, message),
            }
        }
    }

    /// A session is done with a message.
    pub(super) fn settle(&mut self, session: SessionNo, number: MessageNo) -> Settled {
        let Some(message) = self.messages.get_mut(&number) else {
            return Settled::Unknown;
        };
        let mut receivers = message.receivers.iter();
        let Some(place) = receivers.position(|receipt| receipt.session == session) else {
            return Settled::Unknown;
        };
        let receipt = message.receivers.swap_remove(place);
        self.changes.push(Change::Settled(number, receipt));
        let last = message.receivers.is_empty();
        self.forget(session, number);
        match last.then(|| self.take(number)).flatten() {
            Some(Cold {
                unwritten: None, ..
            }) => Settled::Row,
            _ => Settled::Nothing,
        }
    }

    /// Messages that may have no row; those that still have none are to be written down.
    pub(super) fn unwritten(&mut self) -> Vec<MessageNo> {
        std::mem::take(&mut self.unwritten)
    }

    /// A message that gets its row now, with its receivers as they stand in it; `None` if it has one or
    /// needs none.
    pub(super) fn write_down(&mut self, number: MessageNo) -> Option<(Message, Vec<u8>)> {
        let message = self.messages.get_mut(&number)?;
        let body = message.unwritten.take()?;
        Some((body, blob::write_receipts(message.receivers.iter())))
    }

    /// The messages of one session.
    pub(super) fn of(&self, session: SessionNo) -> Vec<MessageNo> {
        let numbers = self.by_session.get(&session);
        numbers.into_iter().flatten().copied().collect()
    }

    /// Takes a message out.
    pub(super) fn take(&mut self, number: MessageNo) -> Option<Cold> {
        let message = self.remove(number)?;
        self.changes.push(Change::Taken(number, message.clone()));
        Some(Cold {
            receivers: message.receivers,
            payload_bytes: message.payload_bytes,
            unwritten: message.unwritten,
        })
    }

    fn remove(&mut self, number: MessageNo) -> Option<HotMessage> {
        let message = self.messages.remove(&number)?;
        self.bytes -= message.bytes;
        for receipt in &message.receivers {
            self.forget(receipt.session, number);
        }
        Some(message)
    }

    /// The oldest message, if there are too many of them.
    pub(super) fn surplus(&self) -> Option<MessageNo> {
        let full = self.messages.len() > MESSAGES_MAX || self.bytes > BYTES_MAX;
        let (oldest, _) = self.messages.first_key_value().filter(|_| full)?;
        Some(*oldest)
    }

    fn forget(&mut self, session: SessionNo, number: MessageNo) {
        if let Some(numbers) = self.by_session.get_mut(&session) {
            // Sessions answer mostly in order: it is the first.
            if let Ok(place) = numbers.binary_search(&number) {
                numbers.remove(place);
            }
            if numbers.is_empty() {
                self.by_session.remove(&session);
            }
        }
    }
}
