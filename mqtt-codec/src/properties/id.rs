//! The one table of properties: number, name, and the packets each may stand in.

use core::fmt;

/// Identifier of a property (MQTT 5, 2.2.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PropertyId {
    /// Whether the payload is UTF-8 text (MQTT 5, 3.3.2.3.2).
    PayloadFormatIndicator = 0x01,
    /// Seconds a message may live (MQTT 5, 3.3.2.3.3).
    MessageExpiryInterval = 0x02,
    /// What the payload is, in the application's words (MQTT 5, 3.3.2.3.9).
    ContentType = 0x03,
    /// Topic name to answer to (MQTT 5, 3.3.2.3.5).
    ResponseTopic = 0x08,
    /// What ties an answer to its request (MQTT 5, 3.3.2.3.6).
    CorrelationData = 0x09,
    /// Number of the subscription that matched, 1 to 268 435 455 (MQTT 5, 3.3.2.3.8).
    SubscriptionIdentifier = 0x0B,
    /// Seconds a session outlives its connection, `u32::MAX` for ever (MQTT 5, 3.1.2.11.2).
    SessionExpiryInterval = 0x11,
    /// Client identifier that the server chose (MQTT 5, 3.2.2.3.7).
    AssignedClientIdentifier = 0x12,
    /// Keep alive in seconds that replaces the client's (MQTT 5, 3.2.2.3.14).
    ServerKeepAlive = 0x13,
    /// Name of the authentication method (MQTT 5, 3.1.2.11.9).
    AuthenticationMethod = 0x15,
    /// Bytes of the authentication method (MQTT 5, 3.1.2.11.10).
    AuthenticationData = 0x16,
    /// Whether reason strings are wanted on every packet (MQTT 5, 3.1.2.11.7).
    RequestProblemInformation = 0x17,
    /// Seconds between the loss of the connection and the will (MQTT 5, 3.1.3.2.2).
    WillDelayInterval = 0x18,
    /// Whether CONNACK should bring Response Information (MQTT 5, 3.1.2.11.6).
    RequestResponseInformation = 0x19,
    /// Basis for response topics (MQTT 5, 3.2.2.3.15).
    ResponseInformation = 0x1A,
    /// Another server to use (MQTT 5, 4.11).
    ServerReference = 0x1C,
    /// Text for people, not to be parsed (MQTT 5, 3.2.2.3.9).
    ReasonString = 0x1F,
    /// QoS 1 and 2 messages the sender takes at once, not 0 (MQTT 5, 3.1.2.11.3).
    ReceiveMaximum = 0x21,
    /// Highest topic alias the sender accepts (MQTT 5, 3.1.2.11.5).
    TopicAliasMaximum = 0x22,
    /// Number that stands for a topic name, not 0 (MQTT 5, 3.3.2.3.4).
    TopicAlias = 0x23,
    /// Highest QoS the server takes, 0 or 1 (MQTT 5, 3.2.2.3.4).
    MaximumQos = 0x24,
    /// Whether the server keeps retained messages (MQTT 5, 3.2.2.3.5).
    RetainAvailable = 0x25,
    /// A name and a value of the application's own; may repeat (MQTT 5, 3.3.2.3.7).
    UserProperty = 0x26,
    /// Bytes of the largest packet the sender takes, header included, not 0 (MQTT 5, 3.1.2.11.4).
    MaximumPacketSize = 0x27,
    /// Whether filters may have wildcards (MQTT 5, 3.2.2.3.11).
    WildcardSubscriptionAvailable = 0x28,
    /// Whether subscriptions may have identifiers (MQTT 5, 3.2.2.3.12).
    SubscriptionIdentifierAvailable = 0x29,
    /// Whether filters may be shared (MQTT 5, 3.2.2.3.13).
    SharedSubscriptionAvailable = 0x2A,
}

/// Where a property block stands, which decides what it may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PropertyPlace {
    /// Properties of CONNECT.
    Connect,
    /// Properties of CONNACK.
    Connack,
    /// Properties of PUBLISH.
    Publish,
    /// Properties of the will, in the payload of CONNECT.
    Will,
    /// Properties of PUBACK, PUBREC, PUBREL and PUBCOMP.
    Acknowledgement,
    /// Properties of SUBSCRIBE.
    Subscribe,
    /// Properties of SUBACK and UNSUBACK.
    Suback,
    /// Properties of UNSUBSCRIBE.
    Unsubscribe,
    /// Properties of DISCONNECT.
    Disconnect,
    /// Properties of AUTH.
    Auth,
}

impl PropertyPlace {
    const fn bit(self) -> u16 {
        1 << self as u8
    }
}

const CONNECT: u16 = PropertyPlace::Connect.bit();
const CONNACK: u16 = PropertyPlace::Connack.bit();
const PUBLISH: u16 = PropertyPlace::Publish.bit();
const WILL: u16 = PropertyPlace::Will.bit();
const ACK: u16 = PropertyPlace::Acknowledgement.bit();
const SUBSCRIBE: u16 = PropertyPlace::Subscribe.bit();
const SUBACK: u16 = PropertyPlace::Suback.bit();
const DISCONNECT: u16 = PropertyPlace::Disconnect.bit();
const AUTH: u16 = PropertyPlace::Auth.bit();
const EVERYWHERE: u16 = u16::MAX;

impl PropertyId {
    /// Every property there is, in the order of their numbers.
    pub const ALL: [Self; 27] = [
        Self::PayloadFormatIndicator,
        Self::MessageExpiryInterval,
        Self::ContentType,
        Self::ResponseTopic,
        Self::CorrelationData,
        Self::SubscriptionIdentifier,
        Self::SessionExpiryInterval,
        Self::AssignedClientIdentifier,
        Self::ServerKeepAlive,
        Self::AuthenticationMethod,
        Self::AuthenticationData,
        Self::RequestProblemInformation,
        Self::WillDelayInterval,
        Self::RequestResponseInformation,
        Self::ResponseInformation,
        Self::ServerReference,
        Self::ReasonString,
        Self::ReceiveMaximum,
        Self::TopicAliasMaximum,
        Self::TopicAlias,
        Self::MaximumQos,
        Self::RetainAvailable,
        Self::UserProperty,
        Self::MaximumPacketSize,
        Self::WildcardSubscriptionAvailable,
        Self::SubscriptionIdentifierAvailable,
        Self::SharedSubscriptionAvailable,
    ];

    /// Property of a number from the wire, `None` for one the standard does not list.
    #[inline]
    #[must_use]
    pub const fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            0x01 => Self::PayloadFormatIndicator,
            0x02 => Self::MessageExpiryInterval,
            0x03 => Self::ContentType,
            0x08 => Self::ResponseTopic,
            0x09 => Self::CorrelationData,
            0x0B => Self::SubscriptionIdentifier,
            0x11 => Self::SessionExpiryInterval,
            0x12 => Self::AssignedClientIdentifier,
            0x13 => Self::ServerKeepAlive,
            0x15 => Self::AuthenticationMethod,
            0x16 => Self::AuthenticationData,
            0x17 => Self::RequestProblemInformation,
            0x18 => Self::WillDelayInterval,
            0x19 => Self::RequestResponseInformation,
            0x1A => Self::ResponseInformation,
            0x1C => Self::ServerReference,
            0x1F => Self::ReasonString,
            0x21 => Self::ReceiveMaximum,
            0x22 => Self::TopicAliasMaximum,
            0x23 => Self::TopicAlias,
            0x24 => Self::MaximumQos,
            0x25 => Self::RetainAvailable,
            0x26 => Self::UserProperty,
            0x27 => Self::MaximumPacketSize,
            0x28 => Self::WildcardSubscriptionAvailable,
            0x29 => Self::SubscriptionIdentifierAvailable,
            0x2A => Self::SharedSubscriptionAvailable,
            _ => return None,
        })
    }

    /// The number on the wire.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// The standard's name in small letters with hyphens, as people type it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PayloadFormatIndicator => "payload-format-indicator",
            Self::MessageExpiryInterval => "message-expiry-interval",
            Self::ContentType => "content-type",
            Self::ResponseTopic => "response-topic",
            Self::CorrelationData => "correlation-data",
            Self::SubscriptionIdentifier => "subscription-identifier",
            Self::SessionExpiryInterval => "session-expiry-interval",
            Self::AssignedClientIdentifier => "assigned-client-identifier",
            Self::ServerKeepAlive => "server-keep-alive",
            Self::AuthenticationMethod => "authentication-method",
            Self::AuthenticationData => "authentication-data",
            Self::RequestProblemInformation => "request-problem-information",
            Self::WillDelayInterval => "will-delay-interval",
            Self::RequestResponseInformation => "request-response-information",
            Self::ResponseInformation => "response-information",
            Self::ServerReference => "server-reference",
            Self::ReasonString => "reason-string",
            Self::ReceiveMaximum => "receive-maximum",
            Self::TopicAliasMaximum => "topic-alias-maximum",
            Self::TopicAlias => "topic-alias",
            Self::MaximumQos => "maximum-qos",
            Self::RetainAvailable => "retain-available",
            Self::UserProperty => "user-property",
            Self::MaximumPacketSize => "maximum-packet-size",
            Self::WildcardSubscriptionAvailable => "wildcard-subscription-available",
            Self::SubscriptionIdentifierAvailable => "subscription-identifier-available",
            Self::SharedSubscriptionAvailable => "shared-subscription-available",
        }
    }

    /// Whether the property may stand in that packet (or the will) at all.
    #[inline]
    #[must_use]
    pub const fn is_allowed_in(self, place: PropertyPlace) -> bool {
        self.places() & place.bit() != 0
    }

    const fn places(self) -> u16 {
        match self {
            Self::PayloadFormatIndicator
            | Self::MessageExpiryInterval
            | Self::ContentType
            | Self::ResponseTopic
            | Self::CorrelationData => PUBLISH | WILL,
            Self::SubscriptionIdentifier => PUBLISH | SUBSCRIBE,
            Self::SessionExpiryInterval => CONNECT | CONNACK | DISCONNECT,
            Self::AssignedClientIdentifier
            | Self::ServerKeepAlive
            | Self::ResponseInformation
            | Self::MaximumQos
            | Self::RetainAvailable
            | Self::WildcardSubscriptionAvailable
            | Self::SubscriptionIdentifierAvailable
            | Self::SharedSubscriptionAvailable => CONNACK,
            Self::AuthenticationMethod | Self::AuthenticationData => CONNECT | CONNACK | AUTH,
            Self::RequestProblemInformation | Self::RequestResponseInformation => CONNECT,
            Self::WillDelayInterval => WILL,
            Self::ServerReference => CONNACK | DISCONNECT,
            Self::ReasonString => CONNACK | ACK | SUBACK | DISCONNECT | AUTH,
            Self::ReceiveMaximum | Self::TopicAliasMaximum | Self::MaximumPacketSize => {
                CONNECT | CONNACK
            }
            Self::TopicAlias => PUBLISH,
            Self::UserProperty => EVERYWHERE,
        }
    }

    /// Whether the property may stand more than once: User Property everywhere, Subscription
    /// Identifier in PUBLISH.
    #[inline]
    #[must_use]
    pub const fn may_repeat_in(self, place: PropertyPlace) -> bool {
        match self {
            Self::UserProperty => true,
            Self::SubscriptionIdentifier => matches!(place, PropertyPlace::Publish),
            _ => false,
        }
    }
}

impl fmt::Display for PropertyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_the_list_of_all_agree() {
        let listed = (0..=u8::MAX).filter_map(PropertyId::from_u8);
        assert!(listed.eq(PropertyId::ALL));
        for id in PropertyId::ALL {
            assert_eq!(PropertyId::from_u8(id.as_u8()), Some(id));
        }
    }
}
