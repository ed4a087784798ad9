//! What a store of Mosquitto holds, whichever of its formats it has: readers make it, and the store is
//! filled from it.

use std::borrow::Cow;
use std::collections::HashMap;

use mqtt_codec::QoS;

/// An interval that never ends, in seconds (MQTT 5, 3.1.2.11.2).
pub const NEVER: u32 = u32::MAX;

/// Everything that a store of Mosquitto keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot<'a> {
    /// Its format, for people.
    pub format: String,
    /// Messages, each once, however many clients get it.
    pub messages: Vec<StoredMessage<'a>>,
    /// Sessions, each once.
    pub clients: Vec<Client<'a>>,
    /// The messages that are retained, by their ids.
    pub retained: Vec<u64>,
    /// Chunks of types that are not known, which were passed over.
    pub unknown_chunks: u64,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage<'a> {
    /// What others refer to it by.
    pub id: u64,
    /// When it expires, in Unix seconds; 0 is never.
    pub expires: i64,
    /// Packet id at the publisher, by which Mosquitto knows what comes again; 0 if it does not matter.
    pub source_packet_id: u16,
    /// Client identifier of the publisher.
    pub source_id: Cow<'a, [u8]>,
    /// Topic name, not checked.
    pub topic: Cow<'a, [u8]>,
    /// Payload.
    pub payload: Cow<'a, [u8]>,
    /// Checked properties of a PUBLISH, without their length.
    pub properties: Cow<'a, [u8]>,
    /// QoS as published.
    pub qos: QoS,
    /// RETAIN as published.
    pub retain: bool,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client<'a> {
    /// Client identifier, not checked.
    pub id: Cow<'a, [u8]>,
    /// User name; empty if none is known.
    pub user_name: Cow<'a, [u8]>,
    /// When the session ends, in Unix seconds; 0 if that is not known.
    pub ends: i64,
    /// Session Expiry Interval in seconds; [`NEVER`] where the format knows none.
    pub expiry_interval: u32,
    /// Its will, which only the SQLite store keeps.
    pub will: Option<StoredWill<'a>>,
    /// Its subscriptions.
    pub subscriptions: Vec<Subscription<'a>>,
    /// Messages in both directions, in their order.
    pub messages: Vec<ClientMessage>,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription<'a> {
    /// The filter as written, not checked.
    pub filter: Cow<'a, [u8]>,
    /// Options with the QoS, as in a SUBSCRIBE packet of MQTT 5; not checked.
    pub options: u8,
    /// Subscription Identifier, 0 if none.
    pub identifier: u32,
}

/// A will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredWill<'a> {
    /// The message; its id means nothing.
    pub message: StoredMessage<'a>,
    /// Message Expiry Interval in seconds, counted from its publication.
    pub expiry_interval: Option<u32>,
    /// Will Delay Interval in seconds.
    pub delay: u32,
    /// When it is due, in Unix seconds; 0 if its client was connected.
    pub due: i64,
}

/// A message of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientMessage {
    /// The message.
    pub id: u64,
    /// Packet id, 0 if it has none yet.
    pub packet_id: u16,
    /// QoS of the delivery.
    pub qos: QoS,
    /// RETAIN of the delivery.
    pub retain: bool,
    /// How far it is.
    pub progress: Progress,
    /// Subscription Identifiers.
    pub identifiers: Vec<u32>,
}

/// How far a message of a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It goes to the client and was never sent.
    Queued,
    /// It was sent, and neither PUBACK nor PUBREC came.
    Sent,
    /// It was sent and PUBREC came, but no PUBCOMP: only the packet id matters.
    Released,
    /// It came from the client, whose PUBREL did not.
    Held,
    /// It came from the client, and nothing more has to be done.
    Over,
}

impl Progress {
    /// From the fields of Mosquitto's stores; `None` if they are none of its.
    pub(super) fn from_fields(direction: u8, state: u8, dup: bool, qos: QoS) -> Option<Self> {
        Some(match (direction, state) {
            (_, 0 | 12..) | (2.., _) => return None,
            // Of all that comes in only QoS 2 waits, and not behind PUBREL.
            (0, 8 | 9) => Self::Over,
            (0, _) if qos == QoS::ExactlyOnce => Self::Held,
            (0, _) => Self::Over,
            (_, 6 | 9) => Self::Released,
            (_, 3 | 5) => Self::Sent,
            // It got a packet id while its client was away, or was sent to an earlier connection.
            _ if dup => Self::Sent,
            _ => Self::Queued,
        })
    }

    /// Direction and state as Mosquitto writes them.
    pub(super) const fn to_fields(self, qos: QoS) -> (u8, u8) {
        match (self, qos) {
            (Self::Queued, _) => (1, 11),
            (Self::Sent, QoS::AtMostOnce) => (1, 1),
            (Self::Sent, QoS::AtLeastOnce) => (1, 3),
            (Self::Sent, QoS::ExactlyOnce) => (1, 5),
            (Self::Released, _) => (1, 9),
            (Self::Held, _) => (0, 7),
            (Self::Over, _) => (0, 8),
        }
    }
}

/// Clients under construction, found by their ids.
#[derive(Debug, Default)]
pub(super) struct Clients<'a> {
    list: Vec<Client<'a>>,
    places: HashMap<Cow<'a, [u8]>, usize>,
}

impl<'a> Clients<'a> {
    /// The client of this id. One that nothing was said about is kept for ever: whatever refers to it
    /// was acknowledged.
    pub(super) fn of(&mut self, id: Cow<'a, [u8]>) -> &mut Client<'a> {
        let Self { list, places } = self;
        let place = *places.entry(id).or_insert_with_key(|id| {
            list.push(Client {
                id: id.clone(),
                user_name: Cow::default(),
                ends: 0,
                expiry_interval: NEVER,
                will: None,
                subscriptions: Vec::new(),
                messages: Vec::new(),
            });
            list.len() - 1
        });
        list.get_mut(place).expect("places are those of the list")
    }

    pub(super) fn into_list(self) -> Vec<Client<'a>> {
        self.list
    }
}
