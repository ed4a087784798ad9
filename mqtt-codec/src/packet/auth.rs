//! AUTH: a step of enhanced authentication, 5.0 only (MQTT 5, 3.15).

use crate::{
    DecodeErrorKind as Kind, Output, PacketType, Properties, PropertyPlace, ReasonCode, Sender,
    Version,
    encode::{packet_len, put_header},
    primitives::Body,
    reason::ReasonSet,
};

/// A step of enhanced authentication. Its properties always name the method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auth<'a> {
    /// Success (server), Continue authentication, Re-authenticate (client).
    pub reason: ReasonCode,
    /// Method, data, reason string and user properties.
    pub properties: Properties<'a>,
}

impl<'a> Auth<'a> {
    pub(super) fn read(body: &mut Body<'a>, sender: Sender) -> Result<Self, Kind> {
        let is_short = body.is_empty();
        let reason = if is_short {
            ReasonCode::Success
        } else {
            body.reason(ReasonSet::auth(sender))?
        };
        if !ReasonSet::auth(sender).contains(reason.as_u8()) {
            return Err(Kind::InvalidReasonCode);
        }
        // Unlike DISCONNECT, which may end behind its code, AUTH leaves out both or neither
        // (MQTT 5, 3.15.2.1).
        let properties = if is_short {
            Properties::EMPTY
        } else {
            body.properties(PropertyPlace::Auth, sender)?.0
        };
        body.finish()?;
        // It is a Protocol Error to omit the method (MQTT 5, 3.15.2.2.2).
        if properties.authentication_method().is_none() {
            return Err(Kind::AuthenticationMethodMissing);
        }
        Ok(Self { reason, properties })
    }

    /// Bytes of the whole packet; 0 in 3.x, which has no such packet.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        if version.is_v5() {
            packet_len(self.remaining())
        } else {
            0
        }
    }

    fn remaining(&self) -> usize {
        1 + self.properties.encoded_len()
    }

    /// Appends the packet; nothing in 3.x, which has no such packet.
    pub fn encode(&self, version: Version, out: &mut impl Output) {
        if version.is_v5() && put_header(PacketType::Auth, self.remaining(), out).is_some() {
            out.put(&[self.reason.as_u8()]);
            self.properties.encode(out);
        }
    }
}
