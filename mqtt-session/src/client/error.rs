//! What can go wrong: a request that is not taken, and a connection that ends.

use mqtt_codec::{DecodeError, DecodeErrorKind, PropertiesBuf, QoS, ReasonCode};

/// Why a request was not taken, or why a message that had been taken was not sent after all.
/// Nothing was changed by it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// There is no connection on which the server accepted us; only QoS 1 and 2 messages wait for one.
    #[error("not connected")]
    NotConnected,
    /// As many messages or bytes wait as may; try again after the next answer of the server.
    #[error("the queue of outgoing messages is full")]
    QueueFull,
    /// Empty, too long, or with a wildcard or a NUL in it.
    #[error("the topic name is not valid")]
    TopicInvalid,
    /// Empty, too long, or with a wildcard at a wrong place.
    #[error("the topic filter is not valid")]
    FilterInvalid,
    /// A shared subscription cannot leave out our own messages. \[MQTT-3.8.3-4\]
    #[error("a shared subscription cannot have No Local")]
    NoLocalOnShared,
    /// The packet may not have these properties, or not from a client (MQTT 5, 2.2.2.2): the rule.
    #[error("with these properties the packet {0}")]
    PropertiesInvalid(DecodeErrorKind),
    /// A session that CONNECT let end with its connection is not prolonged (MQTT 5, 3.14.2.2.2).
    #[error("DISCONNECT cannot prolong a session that ends with its connection")]
    SessionExpiryInvalid,
    /// The server takes no message of this QoS (MQTT 5, 3.2.2.3.4).
    #[error("the server supports no QoS above {maximum}")]
    QosNotSupported {
        /// The highest that it takes.
        maximum: QoS,
    },
    /// The server keeps no retained messages (MQTT 5, 3.2.2.3.5).
    #[error("the server does not support retained messages")]
    RetainNotSupported,
    /// The server said that it supports no such subscription; the code it would answer.
    #[error("the server does not support this subscription: {0:?}")]
    SubscriptionNotSupported(ReasonCode),
    /// The packet is larger than the server takes, or than the protocol knows.
    #[error("a packet of {size} bytes is over the limit of {limit}")]
    PacketTooLarge {
        /// Bytes, fixed header included.
        size: usize,
        /// Bytes that it may have.
        limit: u32,
    },
    /// A SUBSCRIBE or UNSUBSCRIBE needs at least one filter. \[MQTT-3.8.3-2\]
    #[error("a request needs at least one topic filter")]
    NoFilters,
    /// As many requests wait for their answer as may; try again after the next one.
    #[error("too many requests wait for their answer")]
    TooManyRequests,
    /// 3.1 and 3.1.1 have no such packet.
    #[error("only MQTT 5 has this packet")]
    NotVersion5,
    /// An AUTH that the protocol does not allow here (MQTT 5, 4.12): what is wrong with it.
    #[error("this AUTH is not allowed: {0}")]
    AuthenticationInvalid(&'static str),
    /// No message under this packet id waits to be acknowledged.
    #[error("no message waits to be acknowledged under this packet identifier")]
    UnknownPacketId,
    /// The settings make no valid CONNECT: what is wrong with them.
    #[error("the settings make no valid CONNECT: {0}")]
    InvalidSettings(&'static str),
}

/// Why a connection ended, or was refused. Its session goes on unless the server ends it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The server refused us with CONNACK.
    #[error("the server refused the connection: {}", .0.reason.name())]
    Refused(Refusal),
    /// The server said DISCONNECT (5.0).
    #[error("the server ended the connection: {}", .reason.name())]
    Disconnected {
        /// Its reason.
        reason: ReasonCode,
        /// Reason string, server reference, user properties.
        properties: PropertiesBuf,
    },
    /// The server broke the protocol. Where that is possible we have said DISCONNECT with `reason`.
    #[error("the server broke the protocol: {detail}")]
    Protocol {
        /// The code that says it.
        reason: ReasonCode,
        /// What it did.
        detail: String,
    },
    /// The server answered no PINGREQ in time.
    #[error("the server did not answer within the keep alive")]
    KeepAliveExceeded,
    /// No CONNACK came in time.
    #[error("the server did not answer the CONNECT in time")]
    NoConnack,
}

/// A refusing CONNACK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The code as it came: a return code of 3.x (1 to 5), or a reason code of 5.0. When a server
    /// answers a CONNECT of 5.0 in the manner of 3.x, that is 132, Unsupported Protocol Version.
    pub code: u8,
    /// The code of 5.0 for it.
    pub reason: ReasonCode,
    /// Reason string, server reference, user properties; none in 3.x.
    pub properties: PropertiesBuf,
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::Protocol {
            reason: error.reason_code(),
            detail: error.to_string(),
        }
    }
}

impl Failure {
    /// The server did what it may not.
    pub(super) fn protocol(detail: &str) -> Self {
        Self::Protocol {
            reason: ReasonCode::ProtocolError,
            detail: detail.to_owned(),
        }
    }
}
