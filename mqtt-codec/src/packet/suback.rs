//! SUBACK and UNSUBACK: a reason code for each filter (MQTT 5, 3.9 and 3.11).

use crate::{
    DecodeErrorKind as Kind, Output, PacketId, PacketType, Properties, PropertyPlace, Sender,
    Version,
    encode::{packet_len, put_header},
    primitives::Body,
    reason::ReasonSet,
};

/// The server's answer to SUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suback<'a> {
    /// Identifier of the SUBSCRIBE.
    pub packet_id: PacketId,
    /// Reason string and user properties; none in 3.x.
    pub properties: Properties<'a>,
    /// A code for each filter, in its order; every byte was checked against the packet's list.
    pub reasons: &'a [u8],
}

impl<'a> Suback<'a> {
    pub(super) fn read(body: &mut Body<'a>, version: Version) -> Result<Self, Kind> {
        let packet_id = body.packet_id()?;
        let (properties, allowed) = match version {
            Version::V31 => (Properties::EMPTY, ReasonSet::SUBACK_31),
            Version::V311 => (Properties::EMPTY, ReasonSet::SUBACK_311),
            Version::V5 => {
                let place = PropertyPlace::Suback;
                (body.properties(place, Sender::Server)?.0, ReasonSet::SUBACK)
            }
        };
        let reasons = body.reasons(allowed)?;
        Ok(Self {
            packet_id,
            properties,
            reasons,
        })
    }

    /// Bytes of the whole packet.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        packet_len(self.remaining(version))
    }

    fn remaining(&self, version: Version) -> usize {
        let properties = if version.is_v5() {
            self.properties.encoded_len()
        } else {
            0
        };
        2 + properties + self.reasons.len()
    }

    /// Appends the packet; every refusal becomes 0x80 in 3.x, the only one it knows.
    pub fn encode(&self, version: Version, out: &mut impl Output) {
        if put_header(PacketType::Suback, self.remaining(version), out).is_none() {
            return;
        }
        out.put(&self.packet_id.get().to_be_bytes());
        if version.is_v5() {
            self.properties.encode(out);
            out.put(self.reasons);
        } else {
            for &reason in self.reasons {
                out.put(&[reason.min(0x80)]);
            }
        }
    }
}

/// The server's answer to UNSUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsuback<'a> {
    /// Identifier of the UNSUBSCRIBE.
    pub packet_id: PacketId,
    /// Reason string and user properties; none in 3.x.
    pub properties: Properties<'a>,
    /// A code for each filter, in its order; none in 3.x.
    pub reasons: &'a [u8],
}

impl<'a> Unsuback<'a> {
    pub(super) fn read(body: &mut Body<'a>, version: Version) -> Result<Self, Kind> {
        let packet_id = body.packet_id()?;
        if !version.is_v5() {
            body.finish()?;
            return Ok(Self {
                packet_id,
                properties: Properties::EMPTY,
                reasons: &[],
            });
        }
        let (properties, _) = body.properties(PropertyPlace::Suback, Sender::Server)?;
        let reasons = body.reasons(ReasonSet::UNSUBACK)?;
        Ok(Self {
            packet_id,
            properties,
            reasons,
        })
    }

    /// Bytes of the whole packet.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        packet_len(self.remaining(version))
    }

    fn remaining(&self, version: Version) -> usize {
        if version.is_v5() {
            2 + self.properties.encoded_len() + self.reasons.len()
        } else {
            2
        }
    }

    /// Appends the packet; in 3.x the identifier is all there is.
    pub fn encode(&self, version: Version, out: &mut impl Output) {
        if put_header(PacketType::Unsuback, self.remaining(version), out).is_none() {
            return;
        }
        out.put(&self.packet_id.get().to_be_bytes());
        if version.is_v5() {
            self.properties.encode(out);
            out.put(self.reasons);
        }
    }
}
