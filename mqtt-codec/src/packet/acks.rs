//! PUBACK, PUBREC, PUBREL and PUBCOMP: one shape for four packets (MQTT 5, 3.4 to 3.7).

use crate::{
    DecodeErrorKind as Kind, Output, PacketId, PacketType, Properties, PropertyPlace, ReasonCode,
    Sender, Version,
    encode::{packet_len, put_header},
    primitives::Body,
    reason::ReasonSet,
};

/// A step in the delivery of a QoS 1 or 2 message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack<'a> {
    /// Identifier of the PUBLISH it belongs to.
    pub packet_id: PacketId,
    /// How it went; always [`ReasonCode::Success`] in 3.x.
    pub reason: ReasonCode,
    /// Reason string and user properties; none in 3.x.
    pub properties: Properties<'a>,
}

impl<'a> Ack<'a> {
    /// The plain acknowledgement: success, no properties.
    #[must_use]
    pub const fn new(packet_id: PacketId) -> Self {
        Self {
            packet_id,
            reason: ReasonCode::Success,
            properties: Properties::EMPTY,
        }
    }

    #[inline(always)]
    pub(super) fn read(
        packet_type: PacketType,
        body: &mut Body<'a>,
        version: Version,
        sender: Sender,
    ) -> Result<Self, Kind> {
        let packet_id = body.packet_id()?;
        if body.is_empty() {
            return Ok(Self::new(packet_id));
        }
        if !version.is_v5() {
            return Err(Kind::TrailingBytes);
        }
        let allowed = match packet_type {
            PacketType::Puback | PacketType::Pubrec => ReasonSet::RECEIPT,
            _ => ReasonSet::RELEASE,
        };
        let reason = body.reason(allowed)?;
        let properties = body.optional_properties(PropertyPlace::Acknowledgement, sender)?;
        body.finish()?;
        Ok(Self {
            packet_id,
            reason,
            properties,
        })
    }

    /// Bytes of the whole packet, the shortest form that says it all.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        packet_len(self.remaining(version))
    }

    fn remaining(&self, version: Version) -> usize {
        if !version.is_v5() {
            2
        } else if !self.properties.is_empty() {
            3 + self.properties.encoded_len()
        } else if self.reason != ReasonCode::Success {
            3
        } else {
            2
        }
    }

    /// Appends the packet as one of the four types; any other type is the caller's mistake.
    #[inline]
    pub fn encode(&self, packet_type: PacketType, version: Version, out: &mut impl Output) {
        debug_assert!(matches!(
            packet_type,
            PacketType::Puback | PacketType::Pubrec | PacketType::Pubrel | PacketType::Pubcomp
        ));
        let first = packet_type.first_byte();
        let [high, low] = self.packet_id.get().to_be_bytes();
        let reason = self.reason.as_u8();
        match self.remaining(version) {
            2 => out.put(&[first, 2, high, low]),
            3 => out.put(&[first, 3, high, low, reason]),
            remaining => {
                if put_header(packet_type, remaining, out).is_some() {
                    out.put(&[high, low, reason]);
                    self.properties.encode(out);
                }
            }
        }
    }
}
