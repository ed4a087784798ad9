//! Reason codes: the answer in every 5.0 acknowledgement, and which packet may carry which.

use core::fmt;

use crate::Sender;

/// Reason Code (MQTT 5, 2.4). Codes from 0x80 on are errors.
///
/// The same type serves 3.x, whose few CONNACK return codes are mapped by
/// [`ReasonCode::from_connect_return_code`] and [`ReasonCode::connect_return_code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ReasonCode {
    /// The request was done; in DISCONNECT a normal disconnection, in SUBACK Granted QoS 0.
    Success = 0x00,
    /// The subscription was accepted with at most QoS 1.
    GrantedQos1 = 0x01,
    /// The subscription was accepted with at most QoS 2.
    GrantedQos2 = 0x02,
    /// The client leaves and wants its will published all the same.
    DisconnectWithWill = 0x04,
    /// The message was accepted, and nobody subscribed to it.
    NoMatchingSubscribers = 0x10,
    /// There was nothing to unsubscribe from.
    NoSubscriptionExisted = 0x11,
    /// The exchange of AUTH packets goes on.
    ContinueAuthentication = 0x18,
    /// The client starts to authenticate again.
    Reauthenticate = 0x19,
    /// Refused, and the reason is not told or fits no other code.
    UnspecifiedError = 0x80,
    /// The bytes cannot be read as a packet.
    MalformedPacket = 0x81,
    /// The packet can be read, but is not allowed here.
    ProtocolError = 0x82,
    /// Correct, but not accepted by this receiver.
    ImplementationSpecificError = 0x83,
    /// The server does not speak that version.
    UnsupportedProtocolVersion = 0x84,
    /// A well formed client identifier that the server does not allow.
    ClientIdentifierNotValid = 0x85,
    /// The server does not accept the user name or password.
    BadUserNameOrPassword = 0x86,
    /// The client may not do that.
    NotAuthorized = 0x87,
    /// The server cannot serve now.
    ServerUnavailable = 0x88,
    /// The server is busy; try again later.
    ServerBusy = 0x89,
    /// The client was locked out by an administrator.
    Banned = 0x8A,
    /// The server stops.
    ServerShuttingDown = 0x8B,
    /// The method is not supported or not the one in use.
    BadAuthenticationMethod = 0x8C,
    /// Nothing was heard for one and a half times the keep alive.
    KeepAliveTimeout = 0x8D,
    /// Another connection came with the same client identifier.
    SessionTakenOver = 0x8E,
    /// The filter is malformed or not accepted.
    TopicFilterInvalid = 0x8F,
    /// The topic name is malformed or not accepted.
    TopicNameInvalid = 0x90,
    /// The two ends disagree about the state of the session.
    PacketIdentifierInUse = 0x91,
    /// The identifier is not known; no error while recovering.
    PacketIdentifierNotFound = 0x92,
    /// More unacknowledged messages than the receiver allowed.
    ReceiveMaximumExceeded = 0x93,
    /// The alias is zero or above the receiver's maximum.
    TopicAliasInvalid = 0x94,
    /// The packet is over the receiver's maximum size.
    PacketTooLarge = 0x95,
    /// Too many messages in too short a time.
    MessageRateTooHigh = 0x96,
    /// An administrative limit was reached.
    QuotaExceeded = 0x97,
    /// The connection was closed by an administrator.
    AdministrativeAction = 0x98,
    /// The payload is not what its format indicator says.
    PayloadFormatInvalid = 0x99,
    /// The server keeps no retained messages.
    RetainNotSupported = 0x9A,
    /// The QoS is above the server's maximum.
    QosNotSupported = 0x9B,
    /// Go to another server for the time being.
    UseAnotherServer = 0x9C,
    /// Go to another server for good.
    ServerMoved = 0x9D,
    /// The server has no shared subscriptions.
    SharedSubscriptionsNotSupported = 0x9E,
    /// Too many connections in too short a time.
    ConnectionRateExceeded = 0x9F,
    /// The connection lasted as long as it was allowed to.
    MaximumConnectTime = 0xA0,
    /// The server has no subscription identifiers.
    SubscriptionIdentifiersNotSupported = 0xA1,
    /// The server has no wildcard subscriptions.
    WildcardSubscriptionsNotSupported = 0xA2,
}

impl ReasonCode {
    /// Reason code of a byte from the wire, `None` for a number the standard does not list.
    #[must_use]
    pub const fn from_u8(code: u8) -> Option<Self> {
        Some(match code {
            0x00 => Self::Success,
            0x01 => Self::GrantedQos1,
            0x02 => Self::GrantedQos2,
            0x04 => Self::DisconnectWithWill,
            0x10 => Self::NoMatchingSubscribers,
            0x11 => Self::NoSubscriptionExisted,
            0x18 => Self::ContinueAuthentication,
            0x19 => Self::Reauthenticate,
            0x80 => Self::UnspecifiedError,
            0x81 => Self::MalformedPacket,
            0x82 => Self::ProtocolError,
            0x83 => Self::ImplementationSpecificError,
            0x84 => Self::UnsupportedProtocolVersion,
            0x85 => Self::ClientIdentifierNotValid,
            0x86 => Self::BadUserNameOrPassword,
            0x87 => Self::NotAuthorized,
            0x88 => Self::ServerUnavailable,
            0x89 => Self::ServerBusy,
            0x8A => Self::Banned,
            0x8B => Self::ServerShuttingDown,
            0x8C => Self::BadAuthenticationMethod,
            0x8D => Self::KeepAliveTimeout,
            0x8E => Self::SessionTakenOver,
            0x8F => Self::TopicFilterInvalid,
            0x90 => Self::TopicNameInvalid,
            0x91 => Self::PacketIdentifierInUse,
            0x92 => Self::PacketIdentifierNotFound,
            0x93 => Self::ReceiveMaximumExceeded,
            0x94 => Self::TopicAliasInvalid,
            0x95 => Self::PacketTooLarge,
            0x96 => Self::MessageRateTooHigh,
            0x97 => Self::QuotaExceeded,
            0x98 => Self::AdministrativeAction,
            0x99 => Self::PayloadFormatInvalid,
            0x9A => Self::RetainNotSupported,
            0x9B => Self::QosNotSupported,
            0x9C => Self::UseAnotherServer,
            0x9D => Self::ServerMoved,
            0x9E => Self::SharedSubscriptionsNotSupported,
            0x9F => Self::ConnectionRateExceeded,
            0xA0 => Self::MaximumConnectTime,
            0xA1 => Self::SubscriptionIdentifiersNotSupported,
            0xA2 => Self::WildcardSubscriptionsNotSupported,
            _ => return None,
        })
    }

    /// The byte on the wire.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// Whether the request was refused or the connection failed (0x80 and above).
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.as_u8() >= 0x80
    }

    /// The standard's name of the code, as tools print it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::GrantedQos1 => "Granted QoS 1",
            Self::GrantedQos2 => "Granted QoS 2",
            Self::DisconnectWithWill => "Disconnect with Will Message",
            Self::NoMatchingSubscribers => "No matching subscribers",
            Self::NoSubscriptionExisted => "No subscription existed",
            Self::ContinueAuthentication => "Continue authentication",
            Self::Reauthenticate => "Re-authenticate",
            Self::UnspecifiedError => "Unspecified error",
            Self::MalformedPacket => "Malformed Packet",
            Self::ProtocolError => "Protocol Error",
            Self::ImplementationSpecificError => "Implementation specific error",
            Self::UnsupportedProtocolVersion => "Unsupported Protocol Version",
            Self::ClientIdentifierNotValid => "Client Identifier not valid",
            Self::BadUserNameOrPassword => "Bad User Name or Password",
            Self::NotAuthorized => "Not authorized",
            Self::ServerUnavailable => "Server unavailable",
            Self::ServerBusy => "Server busy",
            Self::Banned => "Banned",
            Self::ServerShuttingDown => "Server shutting down",
            Self::BadAuthenticationMethod => "Bad authentication method",
            Self::KeepAliveTimeout => "Keep Alive timeout",
            Self::SessionTakenOver => "Session taken over",
            Self::TopicFilterInvalid => "Topic Filter invalid",
            Self::TopicNameInvalid => "Topic Name invalid",
            Self::PacketIdentifierInUse => "Packet Identifier in use",
            Self::PacketIdentifierNotFound => "Packet Identifier not found",
            Self::ReceiveMaximumExceeded => "Receive Maximum exceeded",
            Self::TopicAliasInvalid => "Topic Alias invalid",
            Self::PacketTooLarge => "Packet too large",
            Self::MessageRateTooHigh => "Message rate too high",
            Self::QuotaExceeded => "Quota exceeded",
            Self::AdministrativeAction => "Administrative action",
            Self::PayloadFormatInvalid => "Payload format invalid",
            Self::RetainNotSupported => "Retain not supported",
            Self::QosNotSupported => "QoS not supported",
            Self::UseAnotherServer => "Use another server",
            Self::ServerMoved => "Server moved",
            Self::SharedSubscriptionsNotSupported => "Shared Subscriptions not supported",
            Self::ConnectionRateExceeded => "Connection rate exceeded",
            Self::MaximumConnectTime => "Maximum connect time",
            Self::SubscriptionIdentifiersNotSupported => "Subscription identifiers not supported",
            Self::WildcardSubscriptionsNotSupported => "Wildcard Subscriptions not supported",
        }
    }

    /// Return code of a 3.x CONNACK that says the same as near as 3.x can (MQTT 3.1.1, 3.2.2.3).
    #[must_use]
    pub const fn connect_return_code(self) -> u8 {
        match self {
            Self::UnsupportedProtocolVersion => 1,
            Self::ClientIdentifierNotValid => 2,
            Self::ServerUnavailable | Self::ServerBusy | Self::QuotaExceeded => 3,
            Self::BadUserNameOrPassword => 4,
            other if other.is_error() => 5,
            _ => 0,
        }
    }

    /// Reason code for the return code of a 3.x CONNACK; `None` above 5, which is reserved.
    #[must_use]
    pub const fn from_connect_return_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Success),
            1 => Some(Self::UnsupportedProtocolVersion),
            2 => Some(Self::ClientIdentifierNotValid),
            3 => Some(Self::ServerUnavailable),
            4 => Some(Self::BadUserNameOrPassword),
            5 => Some(Self::NotAuthorized),
            _ => None,
        }
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The codes one packet may carry, a bit each.
#[derive(Clone, Copy)]
pub(crate) struct ReasonSet(u64);

impl ReasonSet {
    pub(crate) const CONNACK: Self = Self::of(&[
        0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95,
        0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
    ]);
    /// PUBACK and PUBREC.
    pub(crate) const RECEIPT: Self =
        Self::of(&[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]);
    /// PUBREL and PUBCOMP.
    pub(crate) const RELEASE: Self = Self::of(&[0x00, 0x92]);
    pub(crate) const SUBACK: Self = Self::of(&[
        0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2,
    ]);
    /// SUBACK of 3.1.1; 3.1 knows no failure.
    pub(crate) const SUBACK_311: Self = Self::of(&[0x00, 0x01, 0x02, 0x80]);
    pub(crate) const SUBACK_31: Self = Self::of(&[0x00, 0x01, 0x02]);
    pub(crate) const UNSUBACK: Self = Self::of(&[0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91]);
    const DISCONNECT_CLIENT: Self = Self::of(&[
        0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
    ]);
    const DISCONNECT_SERVER: Self = Self::of(&[
        0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8C, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94,
        0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
    ]);
    const AUTH_CLIENT: Self = Self::of(&[0x18, 0x19]);
    const AUTH_SERVER: Self = Self::of(&[0x00, 0x18]);

    /// Codes of a DISCONNECT, which differ by who leaves (MQTT 5, 3.14.2.1).
    pub(crate) const fn disconnect(sender: Sender) -> Self {
        match sender {
            Sender::Client => Self::DISCONNECT_CLIENT,
            Sender::Server => Self::DISCONNECT_SERVER,
        }
    }

    /// Codes of an AUTH, which differ by who speaks (MQTT 5, 3.15.2.1).
    pub(crate) const fn auth(sender: Sender) -> Self {
        match sender {
            Sender::Client => Self::AUTH_CLIENT,
            Sender::Server => Self::AUTH_SERVER,
        }
    }

    const fn of(codes: &[u8]) -> Self {
        let mut bits = 0;
        let mut rest = codes;
        while let [code, tail @ ..] = rest {
            bits |= Self::bit(*code);
            rest = tail;
        }
        Self(bits)
    }

    /// The listed codes lie in 0x00..=0x19 and 0x80..=0xA2: together they fit a word.
    const fn bit(code: u8) -> u64 {
        match code {
            0x00..=0x19 => 1 << code,
            0x80..=0xA2 => 1 << (code - 0x80 + 0x1A),
            _ => 0,
        }
    }

    /// Whether the byte is one of these codes.
    #[inline]
    pub(crate) const fn contains(self, code: u8) -> bool {
        self.0 & Self::bit(code) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_back_from_its_byte() {
        let mut known = 0;
        for byte in 0..=u8::MAX {
            if let Some(code) = ReasonCode::from_u8(byte) {
                assert_eq!(code.as_u8(), byte);
                assert!(!code.name().is_empty());
                known += 1;
            } else {
                assert!(!ReasonSet::CONNACK.contains(byte));
                assert!(!ReasonSet::DISCONNECT_SERVER.contains(byte));
            }
        }
        assert_eq!(known, 43);
    }

    #[test]
    fn return_codes_of_3x_keep_their_meaning() {
        for code in 0..=5 {
            let reason = ReasonCode::from_connect_return_code(code).unwrap();
            assert_eq!(reason.connect_return_code(), code);
        }
        assert_eq!(ReasonCode::from_connect_return_code(6), None);
        assert_eq!(ReasonCode::ServerBusy.connect_return_code(), 3);
        assert_eq!(ReasonCode::Banned.connect_return_code(), 5);
    }
}
