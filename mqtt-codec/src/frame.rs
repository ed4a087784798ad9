//! Where a packet begins and ends: the fixed header, and the limits a reader sets.

use core::{fmt, num::NonZeroUsize};

use crate::{DecodeError, DecodeErrorKind as Kind, Version};

/// Largest value of a variable byte integer, and so of a remaining length (MQTT 5, 1.5.5).
pub const MAX_VARIABLE_BYTE_INTEGER: u32 = 268_435_455;
/// Bytes of the largest packet there is, its header included.
pub const MAX_PACKET_SIZE: u32 = MAX_VARIABLE_BYTE_INTEGER + 5;

/// Type of a packet (MQTT 5, 2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PacketType {
    /// A client asks for a connection.
    Connect = 1,
    /// The server answers CONNECT.
    Connack = 2,
    /// A message, in either direction.
    Publish = 3,
    /// Answer to a QoS 1 message.
    Puback = 4,
    /// First answer to a QoS 2 message.
    Pubrec = 5,
    /// Answer to PUBREC.
    Pubrel = 6,
    /// Answer to PUBREL, the end of a QoS 2 delivery.
    Pubcomp = 7,
    /// A client asks for messages.
    Subscribe = 8,
    /// The server answers SUBSCRIBE.
    Suback = 9,
    /// A client wants messages no longer.
    Unsubscribe = 10,
    /// The server answers UNSUBSCRIBE.
    Unsuback = 11,
    /// A sign of life of a client.
    Pingreq = 12,
    /// The server answers PINGREQ.
    Pingresp = 13,
    /// The last packet of a connection.
    Disconnect = 14,
    /// A step of enhanced authentication, 5.0 only.
    Auth = 15,
}

impl PacketType {
    /// Type of a number (the high four bits of a packet's first byte), `None` for 0 and above 15.
    #[inline]
    #[must_use]
    pub const fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Connect,
            2 => Self::Connack,
            3 => Self::Publish,
            4 => Self::Puback,
            5 => Self::Pubrec,
            6 => Self::Pubrel,
            7 => Self::Pubcomp,
            8 => Self::Subscribe,
            9 => Self::Suback,
            10 => Self::Unsubscribe,
            11 => Self::Unsuback,
            12 => Self::Pingreq,
            13 => Self::Pingresp,
            14 => Self::Disconnect,
            15 => Self::Auth,
            _ => return None,
        })
    }

    /// The number of the type.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// The standard's name of the packet.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Connack => "CONNACK",
            Self::Publish => "PUBLISH",
            Self::Puback => "PUBACK",
            Self::Pubrec => "PUBREC",
            Self::Pubrel => "PUBREL",
            Self::Pubcomp => "PUBCOMP",
            Self::Subscribe => "SUBSCRIBE",
            Self::Suback => "SUBACK",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::Unsuback => "UNSUBACK",
            Self::Pingreq => "PINGREQ",
            Self::Pingresp => "PINGRESP",
            Self::Disconnect => "DISCONNECT",
            Self::Auth => "AUTH",
        }
    }

    /// The flags that the type demands; PUBLISH has flags of its own.
    pub(crate) const fn reserved_flags(self) -> u8 {
        match self {
            Self::Pubrel | Self::Subscribe | Self::Unsubscribe => 0b0010,
            _ => 0,
        }
    }

    /// The first byte of a packet with these reserved flags.
    pub(crate) const fn first_byte(self) -> u8 {
        (self.as_u8() << 4) | self.reserved_flags()
    }
}

impl fmt::Display for PacketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who wrote the bytes: decides which packets, reason codes and properties are legal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sender {
    /// The end that sent CONNECT.
    Client,
    /// The end that answered it.
    Server,
}

/// What a reader puts up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the largest packet to accept, its header included (MQTT 5, 3.1.2.11.4).
    pub max_packet_size: u32,
}

impl Default for Limits {
    /// No limit but the protocol's own: 268 435 460 bytes.
    fn default() -> Self {
        Self {
            max_packet_size: MAX_PACKET_SIZE,
        }
    }
}

/// Result of reading from bytes that may not be all there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<T> {
    /// Something whole was read.
    Packet {
        /// What was read.
        packet: T,
        /// Bytes it took; the next packet begins after them.
        consumed: usize,
    },
    /// At least so many more bytes are needed. Never an error.
    Incomplete(NonZeroUsize),
}

impl<T> Decoded<T> {
    /// The same with what was read turned into something else.
    #[inline]
    pub fn map<U>(self, turn: impl FnOnce(T) -> U) -> Decoded<U> {
        match self {
            Self::Packet { packet, consumed } => Decoded::Packet {
                packet: turn(packet),
                consumed,
            },
            Self::Incomplete(more) => Decoded::Incomplete(more),
        }
    }
}

/// First byte and remaining length of a packet (MQTT 5, 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedHeader {
    /// Type of the packet.
    pub packet_type: PacketType,
    /// Low four bits of the first byte, checked against the type and the version.
    pub flags: u8,
    /// Bytes after the header.
    pub remaining_length: u32,
    /// Bytes of the header: 2 to 5.
    pub header_len: usize,
}

impl FixedHeader {
    /// Bytes of the whole packet.
    #[inline]
    #[must_use]
    pub const fn packet_len(&self) -> usize {
        self.header_len + self.remaining_length as usize
    }

    /// Whether the remaining length takes more bytes than it needs.
    pub(crate) const fn is_overlong(&self) -> bool {
        self.header_len > 1 + variable_byte_integer_len(self.remaining_length)
    }
}

/// Bytes that a number takes as variable byte integer: 1 to 4.
#[inline]
pub(crate) const fn variable_byte_integer_len(number: u32) -> usize {
    match number {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

/// Reads the fixed header alone, so that a packet can be refused by type, flags and size before
/// its body arrives.
///
/// `version` is `None` before CONNECT was read: then only what no version allows is refused.
///
/// # Errors
/// An impossible type, flags or remaining length, or a packet over the limit.
#[inline]
pub fn peek_header(
    bytes: &[u8],
    version: Option<Version>,
    limits: &Limits,
) -> Result<Decoded<FixedHeader>, DecodeError> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Ok(incomplete(2));
    };
    let Some(packet_type) = PacketType::from_u8(first >> 4) else {
        return Err(DecodeError::new(Kind::InvalidPacketType, None, 0));
    };
    let flags = first & 0x0F;
    if let Err(kind) = check_flags(packet_type, flags, version) {
        return Err(DecodeError::new(kind, Some(packet_type), 0));
    }
    let (remaining_length, header_len) = match rest.first() {
        Some(&byte) if byte < 0x80 => (u32::from(byte), 2),
        None => return Ok(incomplete(1)),
        Some(_) => match long_length(rest, version) {
            Ok(Some((length, len))) => (length, 1 + len),
            Ok(None) => return Ok(incomplete(1)),
            Err(kind) => return Err(DecodeError::new(kind, Some(packet_type), 1)),
        },
    };
    let header = FixedHeader {
        packet_type,
        flags,
        remaining_length,
        header_len,
    };
    if header.packet_len() > limits.max_packet_size as usize {
        return Err(DecodeError::new(Kind::PacketTooLarge, Some(packet_type), 1));
    }
    Ok(Decoded::Packet {
        packet: header,
        consumed: header_len,
    })
}

/// "At least `more`", which is never zero.
#[inline]
pub(crate) fn incomplete<T>(more: usize) -> Decoded<T> {
    Decoded::Incomplete(NonZeroUsize::new(more).unwrap_or(NonZeroUsize::MIN))
}

/// A remaining length of two bytes and more: the value and how many bytes it took.
#[inline(never)]
fn long_length(rest: &[u8], version: Option<Version>) -> Result<Option<(u32, usize)>, Kind> {
    let mut length = 0;
    for (place, &byte) in rest.iter().take(4).enumerate() {
        length |= u32::from(byte & 0x7F) << (7 * place);
        if byte < 0x80 {
            // [MQTT-1.5.5-1] binds senders of 5.0; 3.x is silent about it.
            let overlong = byte == 0 && place > 0 && version == Some(Version::V5);
            return if overlong {
                Err(Kind::OverlongVariableByteInteger)
            } else {
                Ok(Some((length, place + 1)))
            };
        }
    }
    if rest.len() >= 4 {
        Err(Kind::InvalidVariableByteInteger)
    } else {
        Ok(None)
    }
}

/// The flags of a first byte, by type and version.
#[inline]
fn check_flags(packet_type: PacketType, flags: u8, version: Option<Version>) -> Result<(), Kind> {
    match packet_type {
        // [MQTT-3.3.1-4], [MQTT-3.3.1-2]
        PacketType::Publish => match flags & 0b0110 {
            0b0110 => Err(Kind::InvalidQos),
            0 if flags & 0b1000 != 0 => Err(Kind::DupAtQos0),
            _ => Ok(()),
        },
        PacketType::Auth if matches!(version, Some(Version::V31 | Version::V311)) => {
            Err(Kind::InvalidPacketType)
        }
        _ if flags == packet_type.reserved_flags() => Ok(()),
        // 3.1 sets DUP when it repeats PUBREL, SUBSCRIBE and UNSUBSCRIBE, and leaves the flags of
        // the other types unused.
        PacketType::Pubrel | PacketType::Subscribe | PacketType::Unsubscribe
            if flags != 0b1010 || !matches!(version, None | Some(Version::V31)) =>
        {
            Err(Kind::InvalidFlags)
        }
        _ if matches!(version, None | Some(Version::V31)) => Ok(()),
        _ => Err(Kind::InvalidFlags),
    }
}
