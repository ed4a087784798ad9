//! What the engine asks a store to keep. An operation is atomic, those of one shard take effect in
//! their order, and a ticket covers everything up to and including its turn.
//!
//! A PUBLISH whose receivers live on several shards is one transaction in spite of that: the
//! publisher's shard says how many **parts** are owed, one for each letter it wrote about the message;
//! whoever reads such a letter submits its part, which may owe further ones. The store holds the
//! publish back until all are in. Nobody waits for anybody: a part is submitted whatever else waits,
//! and a shard submits before its letters leave.

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use mqtt_codec::{PacketId, QoS, SubscriptionOptions};
use mqtt_session::time::UnixTime;
use smallvec::SmallVec;

use super::envelope::Message;
use super::ids::{SessionAddress, SessionId};
use super::routing::local::Extra;
use super::session::SessionExpiry;

/// Number of one turn's batch of operations of a shard, from 1 on; 0 is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A durable session as the store names it; never given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionNo(pub NonZeroU32);

/// A message as the store names it; never given again. Those of one publisher to one session rise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageNo(pub NonZeroU64);

/// Whether somebody waits for an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// It may wait for the next commit that happens anyway, up to a second.
    Lazy,
    /// An answer, a delivery or another shard waits for it.
    Awaited,
}

/// One thing to keep, or not to keep any longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreOp {
    /// A message was accepted, or goes on to other receivers.
    Publish(Box<PublishOp>),
    /// What this shard owes to a publish of another.
    Part(Box<PartOp>),
    /// A QoS 2 message is held until its PUBREL.
    Hold {
        /// The publisher.
        session: SessionNo,
        /// Its packet id.
        packet_id: PacketId,
        /// The message.
        message: Message,
    },
    /// A session is done with a message: acknowledged, refused, or not to be delivered any more.
    Acked {
        /// Whose.
        session: SessionNo,
        /// Which.
        number: MessageNo,
    },
    /// A QoS 2 message that waited gets a packet id and is about to be sent.
    Sent {
        /// Whose.
        session: SessionNo,
        /// Which.
        number: MessageNo,
        /// Under which id.
        packet_id: PacketId,
    },
    /// The client took a QoS 2 message over: only its packet id is kept on.
    Released {
        /// Whose.
        session: SessionNo,
        /// Which.
        number: MessageNo,
        /// Under which id.
        packet_id: PacketId,
    },
    /// A QoS 2 delivery is complete: its packet id is free.
    Completed {
        /// Whose.
        session: SessionNo,
        /// Which.
        packet_id: PacketId,
    },
    /// The next messages of a queue of which only a part is in memory are read. The answer comes in as
    /// `Shard::handle_page`, when all that this shard submitted before took effect.
    Read(ReadOp),
    /// A client connected: a session is made, or found again. Replaces what was known of it but for
    /// its subscriptions and messages.
    Session(Box<SessionOp>),
    /// The client is gone and its session is kept.
    Away {
        /// Whose.
        session: SessionNo,
        /// Since when.
        since: UnixTime,
        /// How long the session is kept from then on.
        expiry: SessionExpiry,
        /// When its will is to be published; it has none otherwise.
        will_due: Option<UnixTime>,
    },
    /// A session ends, with everything that is kept for it.
    End {
        /// Which.
        session: SessionNo,
    },
    /// A subscription is made or replaced.
    Subscribe {
        /// Whose.
        session: SessionNo,
        /// What.
        subscription: SavedSubscription,
    },
    /// All retained messages for a new subscription wait in the session's queue, or are sent.
    Replayed {
        /// Whose.
        session: SessionNo,
        /// The filter as written.
        filter: Arc<str>,
    },
    /// A subscription ends.
    Unsubscribe {
        /// Whose.
        session: SessionNo,
        /// The filter as written.
        filter: Arc<str>,
    },
}

/// See [`StoreOp::Publish`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishOp {
    /// What the parts refer to; a row of it may have it too.
    pub number: MessageNo,
    /// The message with the receivers on this shard, if any. A session that gets it twice, by two
    /// subscriptions, stands in two rows.
    pub rows: Rows,
    /// It is, or clears, the retained message of its topic.
    pub retain: Option<Retain>,
    /// Parts that are owed to it.
    pub awaits: u32,
    /// What else happens in the same transaction.
    pub origin: Origin,
}

/// See [`StoreOp::Part`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartOp {
    /// The publish that it belongs to.
    pub of: MessageNo,
    /// The message with the receivers on this shard, if any, under numbers of their own.
    pub rows: Rows,
    /// Further parts that are owed to the same publish.
    pub awaits: u32,
}

/// Mostly one; in place, since an allocation that another thread frees costs as much as the rest.
pub type Rows = SmallVec<[Row; 1]>;

/// As [`Rows`].
pub type Receivers = SmallVec<[Receipt; 1]>;

/// A message with its receivers on one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number.
    pub number: MessageNo,
    /// The message.
    pub message: Message,
    /// For whom it is kept: not empty, and no session twice.
    pub receivers: Receivers,
}

/// A durable session that is to get a message, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Whose.
    pub session: SessionNo,
    /// QoS of the delivery.
    pub qos: QoS,
    /// RETAIN of the delivery.
    pub retain: bool,
    /// Subscription identifiers and group, if any.
    pub extra: Option<Arc<Extra>>,
    /// A QoS 2 delivery that is sent as soon as this is kept has its packet id already.
    pub packet_id: Option<PacketId>,
    /// It waits for a client that is away, or in the store alone. Otherwise it may have been sent.
    pub away: bool,
}

/// The retained message of a topic. One of a lower version never replaces one of a higher: shards
/// reach the retained messages and the store in different orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retain {
    /// The version.
    pub version: u64,
    /// The message; an empty payload clears the topic.
    pub message: Message,
}

/// Where a message comes from, as far as the store has to do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client said so.
    Fresh,
    /// PUBREL: the message that was held is held no longer.
    Released {
        /// The publisher.
        session: SessionNo,
        /// Its packet id.
        packet_id: PacketId,
    },
    /// It is a will, and is over.
    Will {
        /// Whose.
        session: SessionNo,
    },
    /// A member of a shared subscription left it behind; it is no longer one of its receivers.
    Moved {
        /// The member.
        session: SessionNo,
        /// The message as it was kept for the member.
        number: MessageNo,
    },
}

/// See [`StoreOp::Read`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadOp {
    /// Who asks.
    pub reader: SessionAddress,
    /// Whose queue.
    pub session: SessionNo,
    /// The last message that is in memory, if any: those with higher numbers are read.
    pub after: Option<MessageNo>,
    /// The last message that is read.
    pub upto: Option<MessageNo>,
    /// As many at most.
    pub messages: u32,
    /// The page ends once it has so many bytes, with topics and properties.
    pub bytes: u64,
}

/// What was read of a queue: deliveries that have no packet id and come through no shared
/// subscription, in the order of their numbers.
#[derive(Clone, Debug)]
pub struct Page {
    /// Who asked.
    pub reader: SessionId,
    /// The messages.
    pub deliveries: Vec<SavedDelivery>,
    /// Messages that could not be read; they are removed.
    pub damaged: Backlog,
    /// The highest number that was read.
    pub upto: Option<MessageNo>,
    /// Nothing comes after it that was asked for.
    pub last: bool,
}

/// Messages that wait in the store alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many.
    pub messages: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// How many of them are delivered at QoS 0.
    pub qos_0: u64,
}

impl Backlog {
    /// One more.
    pub fn add(&mut self, payload_bytes: usize, qos: QoS) {
        self.messages += 1;
        self.bytes += payload_bytes as u64;
        self.qos_0 += u64::from(qos == QoS::AtMostOnce);
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            messages: self.messages + other.messages,
            bytes: self.bytes + other.bytes,
            qos_0: self.qos_0 + other.qos_0,
        }
    }

    /// What is left without these.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self {
            messages: self.messages.saturating_sub(other.messages),
            bytes: self.bytes.saturating_sub(other.bytes),
            qos_0: self.qos_0.saturating_sub(other.qos_0),
        }
    }
}

/// See [`StoreOp::Session`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionOp {
    /// Its number.
    pub session: SessionNo,
    /// Client identifier.
    pub client_id: Arc<str>,
    /// User name of the connection.
    pub user_name: Option<Box<str>>,
    /// The listener it came through.
    pub listener: u16,
    /// How long the session is kept.
    pub expiry: SessionExpiry,
    /// Its will.
    pub will: Option<SavedWill>,
}

/// A will as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedWill {
    /// The message; its times are set anew when it is published.
    pub message: Message,
    /// Message Expiry Interval, counted from its publication.
    pub expiry: Option<Duration>,
    /// Will Delay Interval.
    pub delay: Duration,
}

/// A subscription as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedSubscription {
    /// The filter as written, `$share/...` too.
    pub filter: Arc<str>,
    /// Granted options.
    pub options: SubscriptionOptions,
    /// Subscription identifier, 0 if none.
    pub identifier: u32,
    /// Retained messages are still to be sent for it.
    pub replays: bool,
}

/// A durable session as a start finds it.
#[derive(Clone, Debug)]
pub struct SavedSession {
    /// What its last CONNECT said.
    pub session: SessionOp,
    /// Since when its client is away and when the will is due; `None` if it was connected when the
    /// broker ended.
    pub away: Option<(UnixTime, Option<UnixTime>)>,
    /// Its subscriptions.
    pub subscriptions: Vec<SavedSubscription>,
    /// QoS 2 messages from the client, held until PUBREL, in their order.
    pub held: Vec<(PacketId, Message)>,
    /// Messages towards the client that have to be in memory, in the order of their numbers: QoS 2 that
    /// was sent, and what came through shared subscriptions.
    pub deliveries: Vec<SavedDelivery>,
    /// All others, which are read when the client comes to them.
    pub backlog: Backlog,
}

/// One message towards one client as a start finds it.
#[derive(Clone, Debug)]
pub struct SavedDelivery {
    /// Its number.
    pub number: MessageNo,
    /// The message; `None` once the client took it over and only PUBCOMP is awaited.
    pub message: Option<Message>,
    /// How it is delivered.
    pub receipt: Receipt,
}
