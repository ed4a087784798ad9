//! What shards say to each other. Everything for one shard leaves as one batch at the end of a turn.

use std::num::NonZeroU64;

use mqtt_codec::SubscriptionOptions;

use super::envelope::{Message, MessageView};
use super::ids::SessionAddress;
use super::store_op::MessageNo;

/// Letters from one shard to another, in the order in which they were written.
#[derive(Debug, Default)]
pub struct Batch {
    letters: Vec<Letter>,
    /// Blocks of small messages, each behind its length; letters say how far to read.
    blocks: Vec<u8>,
}

/// One thing to say.
#[derive(Debug)]
pub enum Letter {
    /// Publish what stands in the batch's blocks up to this offset.
    Publish {
        /// Where the last of these messages ends.
        until: usize,
    },
    /// Publish this message; too large to be copied.
    PublishShared {
        /// The message.
        message: Message,
        /// See [`Block::owed_to`].
        owed_to: Option<MessageNo>,
    },
    /// Somebody joined or left a shared subscription that this shard looks after: see
    /// [`super::commons::membership`].
    Membership,
    /// A message of a shared subscription for one of this shard's sessions.
    Deliver {
        /// For whom.
        member: SessionAddress,
        /// The group, so that the message can go back.
        group: Box<str>,
        /// What the member subscribed with.
        subscription: GroupSubscription,
        /// The message.
        message: Message,
        /// See [`Block::owed_to`].
        owed_to: Option<MessageNo>,
    },
    /// The member that was chosen is gone: choose another.
    Redeliver {
        /// The group.
        group: Box<str>,
        /// The message.
        message: Message,
        /// See [`Block::owed_to`].
        owed_to: Option<MessageNo>,
    },
}

/// A small message as it stands in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// The publish in the store to which the reader owes a part, whatever becomes of the message.
    pub owed_to: Option<MessageNo>,
    /// The message.
    pub bytes: &'a [u8],
}

/// The terms of one member of a shared subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupSubscription {
    /// Granted options.
    pub options: SubscriptionOptions,
    /// Subscription identifier, 0 if none.
    pub identifier: u32,
}

impl Batch {
    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    /// Bytes it keeps alive, roughly: what the bound of a mailbox counts.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.blocks.len()
            + self
                .letters
                .iter()
                .map(|letter| 64 + letter.payload_len())
                .sum::<usize>()
    }

    /// Writes a letter.
    pub fn push(&mut self, letter: Letter) {
        self.letters.push(letter);
    }

    /// Writes a message to be published, by copying it.
    pub fn push_publish(&mut self, view: &MessageView<'_>, owed_to: Option<MessageNo>) {
        let length = u32::try_from(view.encoded_len()).unwrap_or(u32::MAX);
        let owed_to = owed_to.map_or(0, |number| number.0.get());
        self.blocks.extend_from_slice(&length.to_le_bytes());
        self.blocks.extend_from_slice(&owed_to.to_le_bytes());
        view.encode(&mut self.blocks);
        let until = self.blocks.len();
        if let Some(Letter::Publish { until: last }) = self.letters.last_mut() {
            *last = until;
        } else {
            self.letters.push(Letter::Publish { until });
        }
    }

    /// Takes it apart: the letters, and the blocks they point into.
    #[must_use]
    pub fn into_parts(self) -> (Vec<Letter>, Vec<u8>) {
        (self.letters, self.blocks)
    }
}

/// Takes the first block off `blocks`, which [`Batch::push_publish`] wrote.
pub fn next_block<'a>(blocks: &mut &'a [u8]) -> Option<Block<'a>> {
    let (length, rest) = blocks.split_first_chunk::<4>()?;
    let (owed_to, rest) = rest.split_first_chunk::<8>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (bytes, rest) = rest.split_at_checked(length)?;
    *blocks = rest;
    let owed_to = NonZeroU64::new(u64::from_le_bytes(*owed_to)).map(MessageNo);
    Some(Block { owed_to, bytes })
}

impl Letter {
    fn payload_len(&self) -> usize {
        match self {
            Self::PublishShared { message, .. }
            | Self::Deliver { message, .. }
            | Self::Redeliver { message, .. } => message.bytes().len(),
            _ => 0,
        }
    }
}
