//! One property: its value, how it is read and written.

use super::PropertyId;
use crate::{
    DecodeErrorKind as Kind, Output, QoS,
    encode::{binary_len, put_binary, put_string, put_variable_byte_integer, string_len},
    frame::{MAX_VARIABLE_BYTE_INTEGER, variable_byte_integer_len},
    primitives::Body,
    topic::has_special,
};

/// A property with its value (MQTT 5, 2.2.2). What each means stands at [`PropertyId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "every variant is described once, at PropertyId"
)]
pub enum Property<'a> {
    PayloadFormatIndicator(bool),
    MessageExpiryInterval(u32),
    ContentType(&'a str),
    ResponseTopic(&'a str),
    CorrelationData(&'a [u8]),
    SubscriptionIdentifier(u32),
    SessionExpiryInterval(u32),
    AssignedClientIdentifier(&'a str),
    ServerKeepAlive(u16),
    AuthenticationMethod(&'a str),
    AuthenticationData(&'a [u8]),
    RequestProblemInformation(bool),
    WillDelayInterval(u32),
    RequestResponseInformation(bool),
    ResponseInformation(&'a str),
    ServerReference(&'a str),
    ReasonString(&'a str),
    ReceiveMaximum(u16),
    TopicAliasMaximum(u16),
    TopicAlias(u16),
    MaximumQos(QoS),
    RetainAvailable(bool),
    UserProperty(&'a str, &'a str),
    MaximumPacketSize(u32),
    WildcardSubscriptionAvailable(bool),
    SubscriptionIdentifierAvailable(bool),
    SharedSubscriptionAvailable(bool),
}

impl<'a> Property<'a> {
    /// Which property it is.
    #[must_use]
    pub const fn id(&self) -> PropertyId {
        match self {
            Self::PayloadFormatIndicator(..) => PropertyId::PayloadFormatIndicator,
            Self::MessageExpiryInterval(..) => PropertyId::MessageExpiryInterval,
            Self::ContentType(..) => PropertyId::ContentType,
            Self::ResponseTopic(..) => PropertyId::ResponseTopic,
            Self::CorrelationData(..) => PropertyId::CorrelationData,
            Self::SubscriptionIdentifier(..) => PropertyId::SubscriptionIdentifier,
            Self::SessionExpiryInterval(..) => PropertyId::SessionExpiryInterval,
            Self::AssignedClientIdentifier(..) => PropertyId::AssignedClientIdentifier,
            Self::ServerKeepAlive(..) => PropertyId::ServerKeepAlive,
            Self::AuthenticationMethod(..) => PropertyId::AuthenticationMethod,
            Self::AuthenticationData(..) => PropertyId::AuthenticationData,
            Self::RequestProblemInformation(..) => PropertyId::RequestProblemInformation,
            Self::WillDelayInterval(..) => PropertyId::WillDelayInterval,
            Self::RequestResponseInformation(..) => PropertyId::RequestResponseInformation,
            Self::ResponseInformation(..) => PropertyId::ResponseInformation,
            Self::ServerReference(..) => PropertyId::ServerReference,
            Self::ReasonString(..) => PropertyId::ReasonString,
            Self::ReceiveMaximum(..) => PropertyId::ReceiveMaximum,
            Self::TopicAliasMaximum(..) => PropertyId::TopicAliasMaximum,
            Self::TopicAlias(..) => PropertyId::TopicAlias,
            Self::MaximumQos(..) => PropertyId::MaximumQos,
            Self::RetainAvailable(..) => PropertyId::RetainAvailable,
            Self::UserProperty(..) => PropertyId::UserProperty,
            Self::MaximumPacketSize(..) => PropertyId::MaximumPacketSize,
            Self::WildcardSubscriptionAvailable(..) => PropertyId::WildcardSubscriptionAvailable,
            Self::SubscriptionIdentifierAvailable(..) => {
                PropertyId::SubscriptionIdentifierAvailable
            }
            Self::SharedSubscriptionAvailable(..) => PropertyId::SharedSubscriptionAvailable,
        }
    }

    /// Reads the value that follows an identifier, and checks its range.
    #[inline(always)]
    pub(crate) fn read(id: PropertyId, body: &mut Body<'a>) -> Result<Self, Kind> {
        Ok(match id {
            PropertyId::PayloadFormatIndicator => Self::PayloadFormatIndicator(flag(body)?),
            PropertyId::MessageExpiryInterval => Self::MessageExpiryInterval(body.u32()?),
            PropertyId::ContentType => Self::ContentType(body.string()?),
            PropertyId::ResponseTopic => Self::ResponseTopic(response_topic(body)?),
            PropertyId::CorrelationData => Self::CorrelationData(body.binary()?),
            PropertyId::SubscriptionIdentifier => {
                Self::SubscriptionIdentifier(positive(body.variable_byte_integer()?)?)
            }
            PropertyId::SessionExpiryInterval => Self::SessionExpiryInterval(body.u32()?),
            PropertyId::AssignedClientIdentifier => Self::AssignedClientIdentifier(body.string()?),
            PropertyId::ServerKeepAlive => Self::ServerKeepAlive(body.u16()?),
            PropertyId::AuthenticationMethod => Self::AuthenticationMethod(body.string()?),
            PropertyId::AuthenticationData => Self::AuthenticationData(body.binary()?),
            PropertyId::RequestProblemInformation => Self::RequestProblemInformation(flag(body)?),
            PropertyId::WillDelayInterval => Self::WillDelayInterval(body.u32()?),
            PropertyId::RequestResponseInformation => Self::RequestResponseInformation(flag(body)?),
            PropertyId::ResponseInformation => Self::ResponseInformation(body.string()?),
            PropertyId::ServerReference => Self::ServerReference(body.string()?),
            PropertyId::ReasonString => Self::ReasonString(body.string()?),
            PropertyId::ReceiveMaximum => Self::ReceiveMaximum(receive_maximum(body)?),
            PropertyId::TopicAliasMaximum => Self::TopicAliasMaximum(body.u16()?),
            PropertyId::TopicAlias => Self::TopicAlias(topic_alias(body)?),
            PropertyId::MaximumQos => Self::MaximumQos(maximum_qos(body)?),
            PropertyId::RetainAvailable => Self::RetainAvailable(flag(body)?),
            PropertyId::UserProperty => Self::UserProperty(body.string()?, body.string()?),
            PropertyId::MaximumPacketSize => Self::MaximumPacketSize(positive(body.u32()?)?),
            PropertyId::WildcardSubscriptionAvailable => {
                Self::WildcardSubscriptionAvailable(flag(body)?)
            }
            PropertyId::SubscriptionIdentifierAvailable => {
                Self::SubscriptionIdentifierAvailable(flag(body)?)
            }
            PropertyId::SharedSubscriptionAvailable => {
                Self::SharedSubscriptionAvailable(flag(body)?)
            }
        })
    }

    /// Bytes of identifier and value.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        1 + match *self {
            Self::PayloadFormatIndicator(_)
            | Self::RequestProblemInformation(_)
            | Self::RequestResponseInformation(_)
            | Self::MaximumQos(_)
            | Self::RetainAvailable(_)
            | Self::WildcardSubscriptionAvailable(_)
            | Self::SubscriptionIdentifierAvailable(_)
            | Self::SharedSubscriptionAvailable(_) => 1,
            Self::ServerKeepAlive(_)
            | Self::ReceiveMaximum(_)
            | Self::TopicAliasMaximum(_)
            | Self::TopicAlias(_) => 2,
            Self::MessageExpiryInterval(_)
            | Self::SessionExpiryInterval(_)
            | Self::WillDelayInterval(_)
            | Self::MaximumPacketSize(_) => 4,
            Self::SubscriptionIdentifier(number) => {
                variable_byte_integer_len(number.min(MAX_VARIABLE_BYTE_INTEGER))
            }
            Self::ContentType(text)
            | Self::ResponseTopic(text)
            | Self::AssignedClientIdentifier(text)
            | Self::AuthenticationMethod(text)
            | Self::ResponseInformation(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => string_len(text),
            Self::CorrelationData(bytes) | Self::AuthenticationData(bytes) => binary_len(bytes),
            Self::UserProperty(name, value) => string_len(name) + string_len(value),
        }
    }

    /// Appends identifier and value. Text and data are cut at 65 535 bytes, which is all that
    /// their length field can say.
    pub fn encode(&self, out: &mut impl Output) {
        out.put(&[self.id().as_u8()]);
        match *self {
            Self::PayloadFormatIndicator(flag)
            | Self::RequestProblemInformation(flag)
            | Self::RequestResponseInformation(flag)
            | Self::RetainAvailable(flag)
            | Self::WildcardSubscriptionAvailable(flag)
            | Self::SubscriptionIdentifierAvailable(flag)
            | Self::SharedSubscriptionAvailable(flag) => {
                out.put(&[u8::from(flag)]);
            }
            Self::MaximumQos(qos) => out.put(&[qos.as_u8()]),
            Self::ServerKeepAlive(number)
            | Self::ReceiveMaximum(number)
            | Self::TopicAliasMaximum(number)
            | Self::TopicAlias(number) => {
                out.put(&number.to_be_bytes());
            }
            Self::MessageExpiryInterval(number)
            | Self::SessionExpiryInterval(number)
            | Self::WillDelayInterval(number)
            | Self::MaximumPacketSize(number) => {
                out.put(&number.to_be_bytes());
            }
            Self::SubscriptionIdentifier(number) => {
                put_variable_byte_integer(number.min(MAX_VARIABLE_BYTE_INTEGER), out);
            }
            Self::ContentType(text)
            | Self::ResponseTopic(text)
            | Self::AssignedClientIdentifier(text)
            | Self::AuthenticationMethod(text)
            | Self::ResponseInformation(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => put_string(text, out),
            Self::CorrelationData(bytes) | Self::AuthenticationData(bytes) => {
                put_binary(bytes, out)
            }
            Self::UserProperty(name, value) => {
                put_string(name, out);
                put_string(value, out);
            }
        }
    }
}

#[inline(always)]
fn flag(body: &mut Body<'_>) -> Result<bool, Kind> {
    match body.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Kind::PropertyOutOfRange),
    }
}

/// Maximum QoS is 0 or 1: a server that takes QoS 2 says nothing (MQTT 5, 3.2.2.3.4).
#[inline(always)]
fn maximum_qos(body: &mut Body<'_>) -> Result<QoS, Kind> {
    match body.u8()? {
        0 => Ok(QoS::AtMostOnce),
        1 => Ok(QoS::AtLeastOnce),
        _ => Err(Kind::PropertyOutOfRange),
    }
}

#[inline(always)]
fn positive(number: u32) -> Result<u32, Kind> {
    if number == 0 {
        Err(Kind::PropertyOutOfRange)
    } else {
        Ok(number)
    }
}

#[inline(always)]
fn receive_maximum(body: &mut Body<'_>) -> Result<u16, Kind> {
    match body.u16()? {
        0 => Err(Kind::PropertyOutOfRange),
        number => Ok(number),
    }
}

/// [MQTT-3.3.2-8]
#[inline(always)]
fn topic_alias(body: &mut Body<'_>) -> Result<u16, Kind> {
    match body.u16()? {
        0 => Err(Kind::TopicAliasZero),
        alias => Ok(alias),
    }
}

/// [MQTT-3.3.2-14]
#[inline(always)]
fn response_topic<'a>(body: &mut Body<'a>) -> Result<&'a str, Kind> {
    let topic = body.string()?;
    if topic.is_empty() || has_special(topic.as_bytes()) {
        return Err(Kind::InvalidResponseTopic);
    }
    Ok(topic)
}
