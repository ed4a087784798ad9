//! A getter for each property, for those who want one value out of a block.

use super::{Properties, Property, PropertyId};
use crate::{QoS, primitives::Body};

impl<'a> Properties<'a> {
    /// Whether the payload is UTF-8 text (MQTT 5, 3.3.2.3.2).
    #[must_use]
    pub fn payload_format_indicator(self) -> Option<bool> {
        self.flag(PropertyId::PayloadFormatIndicator)
    }

    /// Seconds a message may live (MQTT 5, 3.3.2.3.3).
    #[must_use]
    pub fn message_expiry_interval(self) -> Option<u32> {
        self.four_bytes(PropertyId::MessageExpiryInterval)
    }

    /// What the payload is, in the application's words (MQTT 5, 3.3.2.3.9).
    #[must_use]
    pub fn content_type(self) -> Option<&'a str> {
        self.text(PropertyId::ContentType)
    }

    /// Topic name to answer to (MQTT 5, 3.3.2.3.5).
    #[must_use]
    pub fn response_topic(self) -> Option<&'a str> {
        self.text(PropertyId::ResponseTopic)
    }

    /// What ties an answer to its request (MQTT 5, 3.3.2.3.6).
    #[must_use]
    pub fn correlation_data(self) -> Option<&'a [u8]> {
        self.binary(PropertyId::CorrelationData)
    }

    /// Seconds a session outlives its connection, `u32::MAX` for ever (MQTT 5, 3.1.2.11.2).
    #[must_use]
    pub fn session_expiry_interval(self) -> Option<u32> {
        self.four_bytes(PropertyId::SessionExpiryInterval)
    }

    /// Client identifier that the server chose (MQTT 5, 3.2.2.3.7).
    #[must_use]
    pub fn assigned_client_identifier(self) -> Option<&'a str> {
        self.text(PropertyId::AssignedClientIdentifier)
    }

    /// Keep alive in seconds that replaces the client's (MQTT 5, 3.2.2.3.14).
    #[must_use]
    pub fn server_keep_alive(self) -> Option<u16> {
        self.two_bytes(PropertyId::ServerKeepAlive)
    }

    /// Name of the authentication method (MQTT 5, 3.1.2.11.9).
    #[must_use]
    pub fn authentication_method(self) -> Option<&'a str> {
        self.text(PropertyId::AuthenticationMethod)
    }

    /// Bytes of the authentication method (MQTT 5, 3.1.2.11.10).
    #[must_use]
    pub fn authentication_data(self) -> Option<&'a [u8]> {
        self.binary(PropertyId::AuthenticationData)
    }

    /// Whether reason strings are wanted on every packet (MQTT 5, 3.1.2.11.7).
    #[must_use]
    pub fn request_problem_information(self) -> Option<bool> {
        self.flag(PropertyId::RequestProblemInformation)
    }

    /// Seconds between the loss of the connection and the will (MQTT 5, 3.1.3.2.2).
    #[must_use]
    pub fn will_delay_interval(self) -> Option<u32> {
        self.four_bytes(PropertyId::WillDelayInterval)
    }

    /// Whether CONNACK should bring Response Information (MQTT 5, 3.1.2.11.6).
    #[must_use]
    pub fn request_response_information(self) -> Option<bool> {
        self.flag(PropertyId::RequestResponseInformation)
    }

    /// Basis for response topics (MQTT 5, 3.2.2.3.15).
    #[must_use]
    pub fn response_information(self) -> Option<&'a str> {
        self.text(PropertyId::ResponseInformation)
    }

    /// Another server to use (MQTT 5, 4.11).
    #[must_use]
    pub fn server_reference(self) -> Option<&'a str> {
        self.text(PropertyId::ServerReference)
    }

    /// Text for people, not to be parsed (MQTT 5, 3.2.2.3.9).
    #[must_use]
    pub fn reason_string(self) -> Option<&'a str> {
        self.text(PropertyId::ReasonString)
    }

    /// QoS 1 and 2 messages the sender takes at once, not 0 (MQTT 5, 3.1.2.11.3).
    #[must_use]
    pub fn receive_maximum(self) -> Option<u16> {
        self.two_bytes(PropertyId::ReceiveMaximum)
    }

    /// Highest topic alias the sender accepts (MQTT 5, 3.1.2.11.5).
    #[must_use]
    pub fn topic_alias_maximum(self) -> Option<u16> {
        self.two_bytes(PropertyId::TopicAliasMaximum)
    }

    /// Number that stands for a topic name, not 0 (MQTT 5, 3.3.2.3.4).
    #[must_use]
    pub fn topic_alias(self) -> Option<u16> {
        self.two_bytes(PropertyId::TopicAlias)
    }

    /// Highest QoS the server takes, 0 or 1 (MQTT 5, 3.2.2.3.4).
    #[must_use]
    pub fn maximum_qos(self) -> Option<QoS> {
        QoS::from_u8(self.find(PropertyId::MaximumQos)?.u8().ok()?)
    }

    /// Whether the server keeps retained messages (MQTT 5, 3.2.2.3.5).
    #[must_use]
    pub fn retain_available(self) -> Option<bool> {
        self.flag(PropertyId::RetainAvailable)
    }

    /// Bytes of the largest packet the sender takes, header included, not 0 (MQTT 5, 3.1.2.11.4).
    #[must_use]
    pub fn maximum_packet_size(self) -> Option<u32> {
        self.four_bytes(PropertyId::MaximumPacketSize)
    }

    /// Whether filters may have wildcards (MQTT 5, 3.2.2.3.11).
    #[must_use]
    pub fn wildcard_subscription_available(self) -> Option<bool> {
        self.flag(PropertyId::WildcardSubscriptionAvailable)
    }

    /// Whether subscriptions may have identifiers (MQTT 5, 3.2.2.3.12).
    #[must_use]
    pub fn subscription_identifier_available(self) -> Option<bool> {
        self.flag(PropertyId::SubscriptionIdentifierAvailable)
    }

    /// Whether filters may be shared (MQTT 5, 3.2.2.3.13).
    #[must_use]
    pub fn shared_subscription_available(self) -> Option<bool> {
        self.flag(PropertyId::SharedSubscriptionAvailable)
    }

    /// Every Subscription Identifier, in order; one at most in SUBSCRIBE (MQTT 5, 3.3.2.3.8).
    pub fn subscription_identifiers(self) -> impl Iterator<Item = u32> + 'a {
        self.iter().filter_map(|property| match property {
            Property::SubscriptionIdentifier(number) => Some(number),
            _ => None,
        })
    }

    /// Every User Property, name and value, in the order the sender gave them [MQTT-3.3.2-18].
    pub fn user_properties(self) -> impl Iterator<Item = (&'a str, &'a str)> + 'a {
        self.iter().filter_map(|property| match property {
            Property::UserProperty(name, value) => Some((name, value)),
            _ => None,
        })
    }

    fn flag(self, id: PropertyId) -> Option<bool> {
        Some(self.find(id)?.u8().ok()? != 0)
    }

    fn two_bytes(self, id: PropertyId) -> Option<u16> {
        self.find(id)?.u16().ok()
    }

    fn four_bytes(self, id: PropertyId) -> Option<u32> {
        self.find(id)?.u32().ok()
    }

    fn text(self, id: PropertyId) -> Option<&'a str> {
        self.find(id)?.string().ok()
    }

    fn binary(self, id: PropertyId) -> Option<&'a [u8]> {
        self.find(id)?.binary().ok()
    }

    /// What follows the identifier of the first such property. Others are stepped over unread.
    fn find(self, wanted: PropertyId) -> Option<Body<'a>> {
        let mut body = Body::new(self.as_bytes());
        loop {
            let id = PropertyId::from_u8(body.u8().ok()?)?;
            if id == wanted {
                return Some(body);
            }
            skip_value(id, &mut body)?;
        }
    }
}

/// Steps over a value; `None` at the end of a block that was never checked.
fn skip_value(id: PropertyId, body: &mut Body<'_>) -> Option<()> {
    match id {
        PropertyId::PayloadFormatIndicator
        | PropertyId::RequestProblemInformation
        | PropertyId::RequestResponseInformation
        | PropertyId::MaximumQos
        | PropertyId::RetainAvailable
        | PropertyId::WildcardSubscriptionAvailable
        | PropertyId::SubscriptionIdentifierAvailable
        | PropertyId::SharedSubscriptionAvailable => body.u8().ok().map(drop),
        PropertyId::ServerKeepAlive
        | PropertyId::ReceiveMaximum
        | PropertyId::TopicAliasMaximum
        | PropertyId::TopicAlias => body.u16().ok().map(drop),
        PropertyId::MessageExpiryInterval
        | PropertyId::SessionExpiryInterval
        | PropertyId::WillDelayInterval
        | PropertyId::MaximumPacketSize => body.u32().ok().map(drop),
        PropertyId::SubscriptionIdentifier => body.variable_byte_integer().ok().map(drop),
        PropertyId::ContentType
        | PropertyId::ResponseTopic
        | PropertyId::CorrelationData
        | PropertyId::AssignedClientIdentifier
        | PropertyId::AuthenticationMethod
        | PropertyId::AuthenticationData
        | PropertyId::ResponseInformation
        | PropertyId::ServerReference
        | PropertyId::ReasonString => body.binary().ok().map(drop),
        PropertyId::UserProperty => {
            body.binary().ok()?;
            body.binary().ok().map(drop)
        }
    }
}
