//! PUBLISH: a message on its way, in either direction (MQTT 5, 3.3).

use crate::{
    DecodeErrorKind as Kind, Output, PacketId, PacketType, Properties, PropertyId, PropertyPlace,
    QoS, Sender, TopicName, Version,
    encode::{encodable, group, more, packet_len, put_long_integer, storable, string_len},
    frame::variable_byte_integer_len,
    primitives::Body,
};

/// A message on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Whether this may be a repetition [MQTT-3.3.1-1]; never at QoS 0.
    pub dup: bool,
    /// How hard to try.
    pub qos: QoS,
    /// To the server: keep it for later subscribers. From it: this one was kept.
    pub retain: bool,
    /// Where to; `None` when a topic alias stands for it (5.0 only).
    pub topic: Option<TopicName<'a>>,
    /// Present exactly at QoS 1 and 2 [MQTT-2.2.1-2].
    pub packet_id: Option<PacketId>,
    /// None in 3.x.
    pub properties: Properties<'a>,
    /// The application's bytes, possibly none.
    pub payload: &'a [u8],
}

impl<'a> Publish<'a> {
    #[inline(always)]
    pub(super) fn read(
        flags: u8,
        body: &mut Body<'a>,
        version: Version,
        sender: Sender,
    ) -> Result<Self, Kind> {
        // Both bits were refused with the header [MQTT-3.3.1-4].
        let qos = QoS::from_u8((flags >> 1) & 0b11).ok_or(Kind::InvalidQos)?;
        let start = *body;
        let topic = body.topic_name()?;
        let packet_id = match qos {
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce | QoS::ExactlyOnce => Some(body.packet_id()?),
        };
        let (properties, aliased) = if version.is_v5() {
            let (properties, seen) = body.properties(PropertyPlace::Publish, sender)?;
            (properties, seen.has(PropertyId::TopicAlias))
        } else {
            (Properties::EMPTY, false)
        };
        if topic.is_none() && !aliased {
            *body = start;
            return Err(Kind::EmptyTopicName);
        }
        Ok(Self {
            dup: flags & 0b1000 != 0,
            qos,
            retain: flags & 0b0001 != 0,
            topic,
            packet_id,
            properties,
            payload: body.rest(),
        })
    }

    /// Bytes of the whole packet.
    #[must_use]
    #[inline]
    pub fn encoded_len(&self, version: Version) -> usize {
        packet_len(self.head_len(version) + self.payload.len())
    }

    /// Bytes between the fixed header and the payload.
    #[inline(always)]
    fn head_len(&self, version: Version) -> usize {
        let properties = if version.is_v5() {
            self.properties.encoded_len()
        } else {
            0
        };
        let packet_id = if self.qos == QoS::AtMostOnce { 0 } else { 2 };
        string_len(self.topic_text()) + packet_id + properties
    }

    #[inline(always)]
    const fn topic_text(&self) -> &'a str {
        match self.topic {
            Some(topic) => topic.as_str(),
            None => "",
        }
    }

    /// Appends the packet.
    #[inline]
    pub fn encode(&self, version: Version, out: &mut impl Output) {
        if self.put_head(version, self.payload.len(), out).is_some() {
            out.put(self.payload);
        }
    }

    /// Appends everything but the payload, whose length is given. Returns where the packet id
    /// stands in what was appended (`None` at QoS 0), so that a packet is encoded once for many
    /// receivers and patched for each.
    ///
    /// At QoS 1 and 2 without an identifier zeros stand in its place, to be patched.
    #[inline]
    pub fn encode_head(
        &self,
        version: Version,
        payload_len: usize,
        out: &mut impl Output,
    ) -> Option<usize> {
        let place = self.put_head(version, payload_len, out)?;
        (self.qos != QoS::AtMostOnce).then_some(place)
    }

    /// Appends the head; the place behind the topic, `None` if no header can describe the packet.
    #[inline(always)]
    fn put_head(
        &self,
        version: Version,
        payload_len: usize,
        out: &mut impl Output,
    ) -> Option<usize> {
        let remaining = encodable(self.head_len(version).saturating_add(payload_len))?;
        let topic = storable(self.topic_text());
        let topic_len = u16::try_from(topic.len()).ok()?;
        let [high, low] = topic_len.to_be_bytes();
        let first = self.first_byte();
        match remaining {
            0..=0x7F => out.put(&[first, group(remaining, 0), high, low]),
            0x80..=0x3FFF => {
                out.put(&[first, more(remaining, 0), group(remaining, 1), high, low]);
            }
            _ => {
                out.put(&[first]);
                put_long_integer(remaining, out);
                out.put(&[high, low]);
            }
        }
        out.put(topic);
        let [high, low] = self.packet_id.map_or([0, 0], |id| id.get().to_be_bytes());
        match (self.qos, version) {
            // The usual ends of a head in one piece each.
            (QoS::AtMostOnce, Version::V5) if self.properties.is_empty() => out.put(&[0]),
            (QoS::AtMostOnce, Version::V5) => self.properties.encode(out),
            (QoS::AtMostOnce, _) => {}
            (_, Version::V5) if self.properties.is_empty() => out.put(&[high, low, 0]),
            (_, Version::V5) => {
                out.put(&[high, low]);
                self.properties.encode(out);
            }
            (_, Version::V31 | Version::V311) => out.put(&[high, low]),
        }
        Some(3 + variable_byte_integer_len(remaining) + topic.len())
    }

    #[inline(always)]
    const fn first_byte(&self) -> u8 {
        let dup = if self.dup { 0b1000 } else { 0 };
        let retain = if self.retain { 0b0001 } else { 0 };
        PacketType::Publish.first_byte() | dup | (self.qos.as_u8() << 1) | retain
    }
}
