//! CONNECT: who a client is and what it wants (MQTT 5, 3.1).

use core::fmt;

use crate::{
    DecodeErrorKind as Kind, FixedHeader, Output, PacketType, Properties, PropertyPlace, QoS,
    Sender, TopicName, Version,
    encode::{binary_len, packet_len, put_binary, put_header, put_string, string_len},
    primitives::Body,
};

/// A client asks for a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Connect<'a> {
    /// Version that the connection will speak.
    pub version: Version,
    /// Whether the client says that it is a bridge, by bit 0x80 of the level. A convention.
    pub bridge: bool,
    /// Begin with a new session (Clean Session in 3.x).
    pub clean_start: bool,
    /// Seconds between two packets of the client at most; 0 for any time.
    pub keep_alive: u16,
    /// None in 3.x.
    pub properties: Properties<'a>,
    /// May be empty; whether the server gives one then is not for the codec to say.
    pub client_id: &'a str,
    /// Message to publish when the connection is lost.
    pub will: Option<Will<'a>>,
    /// Who the client claims to be.
    pub user_name: Option<&'a str>,
    /// Its proof, binary; 3.x allows it with a user name only.
    pub password: Option<&'a [u8]>,
}

/// Message that the server publishes when the connection is lost (MQTT 5, 3.1.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Will<'a> {
    /// QoS to publish it with.
    pub qos: QoS,
    /// Whether it is published as a retained message.
    pub retain: bool,
    /// Where to.
    pub topic: TopicName<'a>,
    /// Delay and what the message will carry; none in 3.x.
    pub properties: Properties<'a>,
    /// The application's bytes, at most 65 535.
    pub payload: &'a [u8],
}

/// Bits of the connect flags (MQTT 5, 3.1.2.3).
mod flag {
    pub(super) const RESERVED: u8 = 0x01;
    pub(super) const CLEAN_START: u8 = 0x02;
    pub(super) const WILL: u8 = 0x04;
    pub(super) const WILL_QOS: u8 = 0x18;
    pub(super) const WILL_RETAIN: u8 = 0x20;
    pub(super) const PASSWORD: u8 = 0x40;
    pub(super) const USER_NAME: u8 = 0x80;
}

/// Bit of the level that marks a bridge.
const BRIDGE: u8 = 0x80;

impl<'a> Connect<'a> {
    /// A plain CONNECT: clean start, no keep alive, no will, no user name.
    #[must_use]
    pub const fn new(version: Version, client_id: &'a str) -> Self {
        Self {
            version,
            bridge: false,
            clean_start: true,
            keep_alive: 0,
            properties: Properties::EMPTY,
            client_id,
            will: None,
            user_name: None,
            password: None,
        }
    }

    /// Reads a body whose version only it knows; a fault comes with the version, once that is
    /// known.
    #[inline]
    pub(crate) fn read(
        header: &FixedHeader,
        body: &mut Body<'a>,
    ) -> Result<Self, (Kind, Option<Version>)> {
        let (version, bridge) = read_version(body).map_err(|kind| (kind, None))?;
        Self::read_rest(header, body, version, bridge).map_err(|kind| (kind, Some(version)))
    }

    #[inline(always)]
    fn read_rest(
        header: &FixedHeader,
        body: &mut Body<'a>,
        version: Version,
        bridge: bool,
    ) -> Result<Self, Kind> {
        // The header came before anybody knew how strict to be.
        if version != Version::V31 && header.flags != 0 {
            return Err(Kind::InvalidFlags);
        }
        if version.is_v5() && header.is_overlong() {
            return Err(Kind::OverlongVariableByteInteger);
        }
        let start = *body;
        let flags = body.u8()?;
        if let Err(kind) = check_flags(flags, version) {
            *body = start;
            return Err(kind);
        }
        let keep_alive = body.u16()?;
        let properties = read_properties(body, PropertyPlace::Connect, version)?;
        let client_id = body.string()?;
        let will = if flags & flag::WILL == 0 {
            None
        } else {
            Some(Will::read(flags, body, version)?)
        };
        // Old clients of 3.1 set these flags and end the packet before the field.
        let lenient = version == Version::V31;
        let is_there = |bit: u8, body: &Body<'_>| flags & bit != 0 && !(lenient && body.is_empty());
        let user_name = if is_there(flag::USER_NAME, body) {
            Some(body.string()?)
        } else {
            None
        };
        let password = if is_there(flag::PASSWORD, body) {
            Some(body.binary()?)
        } else {
            None
        };
        body.finish()?;
        Ok(Self {
            version,
            bridge,
            clean_start: flags & flag::CLEAN_START != 0,
            keep_alive,
            properties,
            client_id,
            will,
            user_name,
            password,
        })
    }

    /// Bytes of the whole packet in its own version.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        packet_len(self.remaining())
    }

    fn remaining(&self) -> usize {
        let is_v5 = self.version.is_v5();
        let properties = if is_v5 {
            self.properties.encoded_len()
        } else {
            0
        };
        string_len(self.version.protocol_name())
            + 4
            + properties
            + string_len(self.client_id)
            + self.will.map_or(0, |will| will.len(is_v5))
            + self.user_name.map_or(0, string_len)
            + self.password.map_or(0, binary_len)
    }

    /// Appends the packet as its own version writes it.
    pub fn encode(&self, out: &mut impl Output) {
        if put_header(PacketType::Connect, self.remaining(), out).is_none() {
            return;
        }
        let level = self.version.level() | if self.bridge { BRIDGE } else { 0 };
        let flags = self.flags();
        let [high, low] = self.keep_alive.to_be_bytes();
        match self.version {
            Version::V31 => out.put(&[
                0, 6, b'M', b'Q', b'I', b's', b'd', b'p', level, flags, high, low,
            ]),
            Version::V311 | Version::V5 => {
                out.put(&[0, 4, b'M', b'Q', b'T', b'T', level, flags, high, low]);
            }
        }
        if self.version.is_v5() {
            self.properties.encode(out);
        }
        put_string(self.client_id, out);
        if let Some(will) = self.will {
            will.encode(self.version, out);
        }
        if let Some(user_name) = self.user_name {
            put_string(user_name, out);
        }
        if let Some(password) = self.password {
            put_binary(password, out);
        }
    }

    fn flags(&self) -> u8 {
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        bit(self.clean_start, flag::CLEAN_START)
            | self.will.map_or(0, |will| {
                flag::WILL | (will.qos.as_u8() << 3) | bit(will.retain, flag::WILL_RETAIN)
            })
            | bit(self.user_name.is_some(), flag::USER_NAME)
            | bit(self.password.is_some(), flag::PASSWORD)
    }
}

/// Reads protocol name and level, which decide everything after them.
pub(crate) fn read_version(body: &mut Body<'_>) -> Result<(Version, bool), Kind> {
    let start = *body;
    let name = body.binary()?;
    if name != b"MQTT" && name != b"MQIsdp" {
        *body = start;
        return Err(Kind::UnknownProtocolName);
    }
    let start = *body;
    let level = body.u8()?;
    let version = match (name, level & !BRIDGE) {
        (b"MQIsdp", 3) => Version::V31,
        (b"MQTT", 4) => Version::V311,
        (b"MQTT", 5) => Version::V5,
        _ => {
            *body = start;
            return Err(Kind::UnsupportedProtocolLevel);
        }
    };
    Ok((version, level & BRIDGE != 0))
}

fn check_flags(flags: u8, version: Version) -> Result<(), Kind> {
    if flags & flag::RESERVED != 0 && version != Version::V31 {
        return Err(Kind::ReservedConnectFlag); // [MQTT-3.1.2-3]
    }
    if flags & flag::WILL == 0 && flags & (flag::WILL_QOS | flag::WILL_RETAIN) != 0 {
        return Err(Kind::WillFlagsWithoutWill); // [MQTT-3.1.2-11] [MQTT-3.1.2-13]
    }
    if flags & flag::WILL_QOS == flag::WILL_QOS {
        return Err(Kind::InvalidQos); // [MQTT-3.1.2-12]
    }
    let password_alone = flags & (flag::PASSWORD | flag::USER_NAME) == flag::PASSWORD;
    if password_alone && !version.is_v5() {
        return Err(Kind::PasswordWithoutUserName); // [MQTT-3.1.2-22] of 3.1.1
    }
    Ok(())
}

#[inline(always)]
fn read_properties<'a>(
    body: &mut Body<'a>,
    place: PropertyPlace,
    version: Version,
) -> Result<Properties<'a>, Kind> {
    if !version.is_v5() {
        return Ok(Properties::EMPTY);
    }
    body.properties(place, Sender::Client)
        .map(|(properties, _)| properties)
}

impl<'a> Will<'a> {
    fn read(flags: u8, body: &mut Body<'a>, version: Version) -> Result<Self, Kind> {
        let qos = QoS::from_u8((flags & flag::WILL_QOS) >> 3).ok_or(Kind::InvalidQos)?;
        let properties = read_properties(body, PropertyPlace::Will, version)?;
        let start = *body;
        let Some(topic) = body.topic_name()? else {
            *body = start;
            return Err(Kind::InvalidTopicName);
        };
        let payload = body.binary()?;
        Ok(Self {
            qos,
            retain: flags & flag::WILL_RETAIN != 0,
            topic,
            properties,
            payload,
        })
    }

    fn len(&self, is_v5: bool) -> usize {
        let properties = if is_v5 {
            self.properties.encoded_len()
        } else {
            0
        };
        properties + string_len(self.topic.as_str()) + binary_len(self.payload)
    }

    fn encode(&self, version: Version, out: &mut impl Output) {
        if version.is_v5() {
            self.properties.encode(out);
        }
        put_string(self.topic.as_str(), out);
        put_binary(self.payload, out);
    }
}

/// All but the password, of which only the length is told.
impl fmt::Debug for Connect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("version", &self.version)
            .field("bridge", &self.bridge)
            .field("clean_start", &self.clean_start)
            .field("keep_alive", &self.keep_alive)
            .field("properties", &self.properties)
            .field("client_id", &self.client_id)
            .field("will", &self.will)
            .field("user_name", &self.user_name)
            .field("password_len", &self.password.map(<[u8]>::len))
            .finish()
    }
}
