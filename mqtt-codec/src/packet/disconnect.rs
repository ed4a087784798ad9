//! DISCONNECT: the last packet of a connection (MQTT 5, 3.14).

use crate::{
    DecodeErrorKind as Kind, Output, PacketType, Properties, PropertyPlace, ReasonCode, Sender,
    Version,
    encode::{packet_len, put_header},
    primitives::Body,
    reason::ReasonSet,
};

/// The last packet of a connection. In 3.x only clients send it, and it says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnect<'a> {
    /// Why; [`ReasonCode::Success`] is a normal disconnection.
    pub reason: ReasonCode,
    /// Session expiry (client), server reference (server), reason string, user properties.
    pub properties: Properties<'a>,
}

impl<'a> Disconnect<'a> {
    /// A DISCONNECT with that reason and no properties.
    #[must_use]
    pub const fn new(reason: ReasonCode) -> Self {
        Self {
            reason,
            properties: Properties::EMPTY,
        }
    }

    pub(super) fn read(
        body: &mut Body<'a>,
        version: Version,
        sender: Sender,
    ) -> Result<Self, Kind> {
        if body.is_empty() {
            return Ok(Self::new(ReasonCode::Success));
        }
        if !version.is_v5() {
            return Err(Kind::TrailingBytes);
        }
        let reason = body.reason(ReasonSet::disconnect(sender))?;
        let properties = body.optional_properties(PropertyPlace::Disconnect, sender)?;
        body.finish()?;
        Ok(Self { reason, properties })
    }

    /// Bytes of the whole packet, the shortest form that says it all.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        packet_len(self.remaining(version))
    }

    fn remaining(&self, version: Version) -> usize {
        if !version.is_v5() {
            0
        } else if !self.properties.is_empty() {
            1 + self.properties.encoded_len()
        } else {
            usize::from(self.reason != ReasonCode::Success)
        }
    }

    /// Appends the packet.
    pub fn encode(&self, version: Version, out: &mut impl Output) {
        let remaining = self.remaining(version);
        if put_header(PacketType::Disconnect, remaining, out).is_none() || remaining == 0 {
            return;
        }
        out.put(&[self.reason.as_u8()]);
        if !self.properties.is_empty() {
            self.properties.encode(out);
        }
    }
}
