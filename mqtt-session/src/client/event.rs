//! What a client session tells: about packets that came in, and about messages it was given.

use std::num::NonZeroUsize;

use mqtt_codec::{PacketId, Properties, Publish, ReasonCode};

use super::error::RequestError;

/// A published message, from [`publish`](super::ClientSession::publish) to its [`Outcome`]; counts up from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublishId(pub(super) u64);

impl PublishId {
    /// The number of the message within its session.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// What was found at the front of the bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<'a> {
    /// No whole packet; at least so many more bytes are needed.
    Incomplete(NonZeroUsize),
    /// A packet, which has been dealt with.
    Packet {
        /// Its bytes; continue behind them.
        consumed: usize,
        /// What the program should hear of it.
        event: Option<Event<'a>>,
    },
}

/// What a packet means to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The server accepted us: [`connected`](super::ClientSession::connected) has its terms.
    Connected,
    /// A message, with its topic even if an alias stood for it. A QoS 2 message is told once.
    Message(Publish<'a>),
    /// The server released a QoS 2 message that was told before: it will not come again.
    Released(PacketId),
    /// The server answered a QoS 1 or 2 message for good.
    Published {
        /// Which one.
        id: PublishId,
        /// Under which packet id it went.
        packet_id: PacketId,
        /// Success or refusal; in 3.x always success.
        reason: ReasonCode,
        /// Reason string and user properties.
        properties: Properties<'a>,
    },
    /// SUBACK.
    Subscribed {
        /// Of the SUBSCRIBE.
        packet_id: PacketId,
        /// A code for each filter.
        reasons: &'a [u8],
        /// Reason string and user properties.
        properties: Properties<'a>,
    },
    /// UNSUBACK.
    Unsubscribed {
        /// Of the UNSUBSCRIBE.
        packet_id: PacketId,
        /// A code for each filter; none in 3.x.
        reasons: &'a [u8],
        /// Reason string and user properties.
        properties: Properties<'a>,
    },
    /// AUTH: the server wants, or tells, more (MQTT 5, 4.12).
    Authenticate {
        /// Success or Continue Authentication.
        reason: ReasonCode,
        /// The method and its data.
        properties: Properties<'a>,
    },
}

/// The end of a message that no packet of the server tells: a QoS 0 message was written, a message
/// could not be sent, a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Which one.
    pub id: PublishId,
    /// Under which packet id it went, if it did.
    pub packet_id: Option<PacketId>,
    /// Nothing to complain about, or what.
    pub result: Result<(), RequestError>,
}
