//! What a [`Connection`](crate::Connection) tells its program.

use mqtt_codec::{PacketId, PropertiesBuf, ReasonCode};

use crate::{Message, RequestError};

pub use mqtt_session::client::{Connected, PublishId};

/// What happened on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The server accepted us, on these terms.
    Connected(Connected),
    /// A message came in.
    Message(Message),
    /// A message of ours is done, well or badly.
    Published(Published),
    /// SUBACK.
    Subscribed(Answer),
    /// UNSUBACK; in 3.x without reasons.
    Unsubscribed(Answer),
    /// AUTH: the server wants more, or accepts (MQTT 5, 4.12).
    Authenticate {
        /// Continue Authentication or Success.
        reason: ReasonCode,
        /// Method and data.
        properties: PropertiesBuf,
    },
}

/// The end of a message that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// What [`publish`](crate::Connection::publish) returned.
    pub id: PublishId,
    /// Under which packet id it went; none at QoS 0 and for what was not sent.
    pub packet_id: Option<PacketId>,
    /// QoS 0: it was written to the socket, or lost with the connection. QoS 1 and 2: the server's
    /// answer, which may be a refusal, or why the message could not be sent to this server.
    pub outcome: Result<Acknowledgement, RequestError>,
}

/// The server's answer to a QoS 1 or 2 message; always plain success in 3.x and for QoS 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Codes of 0x80 or more refuse the message.
    pub reason: ReasonCode,
    /// Reason string and user properties.
    pub properties: PropertiesBuf,
}

/// The server's answer to a SUBSCRIBE or UNSUBSCRIBE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Of the request.
    pub packet_id: PacketId,
    /// One for each filter, in order: the QoS granted, or a code of 0x80 or more.
    pub reasons: Vec<ReasonCode>,
    /// Reason string and user properties.
    pub properties: PropertiesBuf,
}
