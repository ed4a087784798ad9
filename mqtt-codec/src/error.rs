//! What can be wrong with bytes, where it was found, and how the standard wants it answered.

use core::fmt;

use crate::{PacketType, ReasonCode, Version};

/// The rule that a packet breaks. One byte, so that it costs nothing on the way up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// Packet type 0, or AUTH in a version that has none.
    InvalidPacketType,
    /// The low four bits of the first byte are not what the type demands [MQTT-2.1.3-1].
    InvalidFlags,
    /// A variable byte integer goes on after its fourth byte.
    InvalidVariableByteInteger,
    /// A variable byte integer uses more bytes than it needs [MQTT-1.5.5-1].
    OverlongVariableByteInteger,
    /// The packet is over the limit that the reader set.
    PacketTooLarge,
    /// A packet that only the other side may send.
    WrongSender,
    /// The first packet of a connection is not CONNECT [MQTT-3.1.0-1].
    FirstPacketNotConnect,
    /// CONNECT does not begin with `MQTT` or `MQIsdp`.
    UnknownProtocolName,
    /// CONNECT asks for a version that does not exist.
    UnsupportedProtocolLevel,
    /// A field needs more bytes than its packet or property block has.
    Truncated,
    /// Bytes are left after the last field.
    TrailingBytes,
    /// A string is not well formed UTF-8 [MQTT-1.5.4-1].
    InvalidUtf8,
    /// A string holds U+0000 [MQTT-1.5.4-2].
    NulCharacter,
    /// The reserved bit of the connect flags is set [MQTT-3.1.2-3].
    ReservedConnectFlag,
    /// Will QoS or Will Retain without a will [MQTT-3.1.2-11] [MQTT-3.1.2-13].
    WillFlagsWithoutWill,
    /// A password without a user name in 3.x [MQTT-3.1.2-22 of 3.1.1].
    PasswordWithoutUserName,
    /// Both QoS bits are set, in PUBLISH or for the will [MQTT-3.3.1-4].
    InvalidQos,
    /// DUP is set at QoS 0 [MQTT-3.3.1-2].
    DupAtQos0,
    /// Bits 7 to 1 of the CONNACK flags are not zero [MQTT-3.2.2-1].
    ReservedConnackFlags,
    /// Session Present is set in a CONNACK that refuses [MQTT-3.2.2-6].
    SessionPresentOnRefusal,
    /// A reason code that this packet or this side may not use.
    InvalidReasonCode,
    /// Packet identifier 0 [MQTT-2.2.1-3].
    InvalidPacketId,
    /// An empty topic name and no topic alias that stands for one.
    EmptyTopicName,
    /// A topic name with a wildcard in it [MQTT-3.3.2-2], or an empty one for a will.
    InvalidTopicName,
    /// Topic alias 0 [MQTT-3.3.2-8].
    TopicAliasZero,
    /// SUBSCRIBE or UNSUBSCRIBE without a filter [MQTT-3.8.3-2] [MQTT-3.10.3-2].
    NoTopicFilter,
    /// Reserved bits of the subscription options are set [MQTT-3.8.3-5].
    ReservedSubscriptionOptions,
    /// QoS 3 in the subscription options.
    InvalidSubscriptionQos,
    /// Retain Handling 3 in the subscription options.
    InvalidRetainHandling,
    /// No Local on a shared subscription [MQTT-3.8.3-4].
    NoLocalOnSharedSubscription,
    /// A property number that the standard does not list.
    UnknownProperty,
    /// A property that does not belong into this packet.
    MisplacedProperty,
    /// A property that this packet may carry, but only from the other side.
    PropertyFromWrongSender,
    /// A property stands twice that may stand once.
    DuplicateProperty,
    /// The value of a property is outside its range.
    PropertyOutOfRange,
    /// The response topic is no topic name [MQTT-3.3.2-14].
    InvalidResponseTopic,
    /// Authentication data without a method, or AUTH without one.
    AuthenticationMethodMissing,
}

impl DecodeErrorKind {
    /// The reason code for DISCONNECT or CONNACK (protocol errors 0x82, everything that cannot be
    /// parsed 0x81, and the few faults with a code of their own).
    #[must_use]
    pub const fn reason_code(self) -> ReasonCode {
        match self {
            Self::PacketTooLarge => ReasonCode::PacketTooLarge,
            Self::UnsupportedProtocolLevel => ReasonCode::UnsupportedProtocolVersion,
            Self::InvalidTopicName => ReasonCode::TopicNameInvalid,
            Self::TopicAliasZero => ReasonCode::TopicAliasInvalid,
            Self::WrongSender
            | Self::FirstPacketNotConnect
            | Self::SessionPresentOnRefusal
            | Self::InvalidReasonCode
            | Self::InvalidPacketId
            | Self::EmptyTopicName
            | Self::NoTopicFilter
            | Self::InvalidSubscriptionQos
            | Self::InvalidRetainHandling
            | Self::NoLocalOnSharedSubscription
            | Self::PropertyFromWrongSender
            | Self::DuplicateProperty
            | Self::PropertyOutOfRange
            | Self::InvalidResponseTopic
            | Self::AuthenticationMethodMissing => ReasonCode::ProtocolError,
            _ => ReasonCode::MalformedPacket,
        }
    }

    /// What is wrong, as the end of a sentence that begins with the packet's name.
    const fn sentence(self) -> &'static str {
        match self {
            Self::InvalidPacketType => "is not a packet type of this version",
            Self::InvalidFlags => "has wrong flags in its first byte",
            Self::InvalidVariableByteInteger => "has a length of more than four bytes",
            Self::OverlongVariableByteInteger => "has a length written with more bytes than needed",
            Self::PacketTooLarge => "is over the size limit",
            Self::WrongSender => "may be sent by the other side only",
            Self::FirstPacketNotConnect => "came before CONNECT",
            Self::UnknownProtocolName => "does not name MQTT as its protocol",
            Self::UnsupportedProtocolLevel => "asks for an unknown protocol version",
            Self::Truncated => "has a field that is longer than what is left",
            Self::TrailingBytes => "has bytes after its last field",
            Self::InvalidUtf8 => "has a string that is not UTF-8",
            Self::NulCharacter => "has a string with a NUL character",
            Self::ReservedConnectFlag => "has the reserved connect flag set",
            Self::WillFlagsWithoutWill => "has a will QoS or will retain but no will",
            Self::PasswordWithoutUserName => "has a password but no user name",
            Self::InvalidQos => "has both QoS bits set",
            Self::DupAtQos0 => "has DUP set at QoS 0",
            Self::ReservedConnackFlags => "has reserved acknowledge flags set",
            Self::SessionPresentOnRefusal => "refuses, yet says that a session is present",
            Self::InvalidReasonCode => "has a reason code that is not allowed there",
            Self::InvalidPacketId => "has packet identifier 0",
            Self::EmptyTopicName => "has an empty topic name and no topic alias",
            Self::InvalidTopicName => "has a topic name that is empty or holds a wildcard",
            Self::TopicAliasZero => "has topic alias 0",
            Self::NoTopicFilter => "has no topic filter",
            Self::ReservedSubscriptionOptions => "has reserved subscription options set",
            Self::InvalidSubscriptionQos => "asks for QoS 3",
            Self::InvalidRetainHandling => "asks for retain handling 3",
            Self::NoLocalOnSharedSubscription => "asks for No Local on a shared subscription",
            Self::UnknownProperty => "has an unknown property",
            Self::MisplacedProperty => "has a property that does not belong there",
            Self::PropertyFromWrongSender => "has a property that only the other side may send",
            Self::DuplicateProperty => "has a property twice",
            Self::PropertyOutOfRange => "has a property whose value is out of range",
            Self::InvalidResponseTopic => "has a response topic that is no topic name",
            Self::AuthenticationMethodMissing => "has no authentication method",
        }
    }
}

/// Why bytes are no packet, and at which byte that showed.
///
/// In 3.x the only answer is to close; in 5.0 DISCONNECT with [`DecodeError::reason_code`] first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    kind: DecodeErrorKind,
    packet_type: Option<PacketType>,
    offset: usize,
}

impl DecodeError {
    pub(crate) const fn new(
        kind: DecodeErrorKind,
        packet_type: Option<PacketType>,
        offset: usize,
    ) -> Self {
        Self {
            kind,
            packet_type,
            offset,
        }
    }

    /// The rule that was broken.
    #[must_use]
    pub const fn kind(&self) -> DecodeErrorKind {
        self.kind
    }

    /// Type of the packet, `None` where the first byte has none.
    #[must_use]
    pub const fn packet_type(&self) -> Option<PacketType> {
        self.packet_type
    }

    /// Bytes from the start of the packet to the field at fault.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// The code to tell a 5.0 peer before closing (MQTT 5, 4.13).
    #[must_use]
    pub const fn reason_code(&self) -> ReasonCode {
        self.kind.reason_code()
    }
}

/// The end of a sentence that begins with the packet: `has a property twice`.
impl fmt::Display for DecodeErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.packet_type.map_or("first byte", PacketType::name);
        write!(f, "{name} {} (byte {})", self.kind.sentence(), self.offset)
    }
}

/// How to answer a CONNECT that cannot be read (MQTT 5, 4.13; MQTT 3.1.1, 3.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectAnswer {
    /// Close without a word: 3.x, or nobody knows what the peer speaks.
    Close,
    /// Answer `20 02 00 nn` with this return code, then close.
    ReturnCode(u8),
    /// Answer a 5.0 CONNACK with this reason code, then close.
    Reason(ReasonCode),
}

/// Why the first packet of a connection is no CONNECT, with the version as far as it was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectError {
    error: DecodeError,
    version: Option<Version>,
}

impl ConnectError {
    pub(crate) const fn new(error: DecodeError, version: Option<Version>) -> Self {
        Self { error, version }
    }

    /// The rule that was broken.
    #[must_use]
    pub const fn kind(&self) -> DecodeErrorKind {
        self.error.kind
    }

    /// Type of the packet that came, `None` where the first byte has none.
    #[must_use]
    pub const fn packet_type(&self) -> Option<PacketType> {
        self.error.packet_type
    }

    /// Bytes from the start of the packet to the field at fault.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.error.offset
    }

    /// Version that name and level asked for, `None` before they were read.
    #[must_use]
    pub const fn version(&self) -> Option<Version> {
        self.version
    }

    /// The code that fits, whether or not the peer can be told.
    #[must_use]
    pub const fn reason_code(&self) -> ReasonCode {
        self.error.reason_code()
    }

    /// What to send before closing.
    #[must_use]
    pub const fn answer(&self) -> ConnectAnswer {
        match (self.error.kind, self.version) {
            // [MQTT-3.1.2-2] of 3.1.1; a peer of an unknown level can read this form at best.
            (DecodeErrorKind::UnsupportedProtocolLevel, _) => ConnectAnswer::ReturnCode(1),
            (kind, Some(Version::V5)) => ConnectAnswer::Reason(kind.reason_code()),
            // [MQTT-3.1.4-1] of 3.1.1: no CONNACK for a malformed CONNECT.
            _ => ConnectAnswer::Close,
        }
    }
}

impl From<ConnectError> for DecodeError {
    fn from(error: ConnectError) -> Self {
        error.error
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

/// Why a text is no topic name or topic filter (MQTT 5, 4.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TopicError {
    /// No character at all [MQTT-4.7.3-1].
    Empty,
    /// More than 65 535 bytes [MQTT-4.7.3-3].
    TooLong,
    /// U+0000 in it [MQTT-4.7.3-2].
    NulCharacter,
    /// A wildcard in a topic name [MQTT-3.3.2-2].
    WildcardInName,
    /// A wildcard that does not fill a level, or `#` before the last one [MQTT-4.7.1-1]
    /// [MQTT-4.7.1-2].
    MisplacedWildcard,
    /// `$share` without a share name and a filter [MQTT-4.8.2-1] [MQTT-4.8.2-2].
    InvalidShare,
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a topic has at least one character",
            Self::TooLong => "a topic has at most 65535 bytes",
            Self::NulCharacter => "a topic has no NUL character",
            Self::WildcardInName => "a topic name has no wildcard",
            Self::MisplacedWildcard => "a wildcard fills a whole level, and # the last one",
            Self::InvalidShare => "a shared filter is $share/NAME/FILTER",
        })
    }
}

#[cfg(feature = "std")]
impl std::error::Error for DecodeError {}
#[cfg(feature = "std")]
impl std::error::Error for ConnectError {}
#[cfg(feature = "std")]
impl std::error::Error for TopicError {}
