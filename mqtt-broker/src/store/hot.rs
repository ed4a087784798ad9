//! Messages whose receivers all stand in their own row, because their clients are connected and will
//! answer soon: most messages come and go without a row for each receiver.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::engine::store_op::{MessageNo, Receipt, SessionNo};

/// Messages kept that way.
const MESSAGES_MAX: usize = 65_536;
/// Their bytes.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// The messages with receivers in their rows, oldest first.
#[derive(Debug, Default)]
pub(super) struct Hot {
    messages: BTreeMap<MessageNo, HotMessage>,
    by_session: HashMap<SessionNo, BTreeSet<MessageNo>>,
    bytes: usize,
}

#[derive(Debug)]
struct HotMessage {
    receivers: Vec<Receipt>,
    bytes: usize,
}

impl Hot {
    /// A message with its receivers, and the size of its row.
    pub(super) fn add(&mut self, number: MessageNo, receivers: Vec<Receipt>, bytes: usize) {
        for receipt in &receivers {
            let numbers = self.by_session.entry(receipt.session).or_default();
            numbers.insert(number);
        }
        self.bytes += bytes;
        self.messages
            .insert(number, HotMessage { receivers, bytes });
    }

    /// A session is done with a message. Whether it was one of these, and if so whether it was its
    /// last receiver.
    pub(super) fn settle(&mut self, session: SessionNo, number: MessageNo) -> Option<bool> {
        let message = self.messages.get_mut(&number)?;
        let place = message
            .receivers
            .iter()
            .position(|receipt| receipt.session == session)?;
        message.receivers.swap_remove(place);
        let last = message.receivers.is_empty();
        self.forget(session, number);
        if last {
            self.take(number);
        }
        Some(last)
    }

    /// The messages of one session.
    pub(super) fn of(&self, session: SessionNo) -> Vec<MessageNo> {
        let numbers = self.by_session.get(&session);
        numbers.into_iter().flatten().copied().collect()
    }

    /// Takes a message out, with the receivers that have not settled it.
    pub(super) fn take(&mut self, number: MessageNo) -> Vec<Receipt> {
        let Some(message) = self.messages.remove(&number) else {
            return Vec::new();
        };
        self.bytes -= message.bytes;
        for receipt in &message.receivers {
            self.forget(receipt.session, number);
        }
        message.receivers
    }

    /// The oldest message, if there are too many of them.
    pub(super) fn surplus(&self) -> Option<MessageNo> {
        let full = self.messages.len() > MESSAGES_MAX || self.bytes > BYTES_MAX;
        let (oldest, _) = self.messages.first_key_value().filter(|_| full)?;
        Some(*oldest)
    }

    fn forget(&mut self, session: SessionNo, number: MessageNo) {
        if let Some(numbers) = self.by_session.get_mut(&session) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.by_session.remove(&session);
            }
        }
    }
}
