//! CONNACK: the server's answer to CONNECT (MQTT 5, 3.2).

use crate::{
    DecodeErrorKind as Kind, Output, PacketType, Properties, PropertyPlace, ReasonCode, Sender,
    Version,
    encode::{packet_len, put_header},
    primitives::Body,
    reason::ReasonSet,
};

/// The server's answer to CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connack<'a> {
    /// Whether the server goes on with a session it had; always false in 3.1.
    pub session_present: bool,
    /// Success, or why not. Return codes of 3.x are mapped to the code that says the same.
    pub reason: ReasonCode,
    /// What the server offers and changes; none in 3.x.
    pub properties: Properties<'a>,
}

impl<'a> Connack<'a> {
    /// A refusal without properties.
    #[must_use]
    pub const fn refusal(reason: ReasonCode) -> Self {
        Self {
            session_present: false,
            reason,
            properties: Properties::EMPTY,
        }
    }

    pub(super) fn read(body: &mut Body<'a>, version: Version) -> Result<Self, Kind> {
        let start = *body;
        let session_present = match (body.u8()?, version) {
            // Reserved and unused in 3.1.
            (_, Version::V31) => false,
            (0, _) => false,
            (1, _) => true,
            _ => {
                *body = start;
                return Err(Kind::ReservedConnackFlags); // [MQTT-3.2.2-1]
            }
        };
        let (reason, properties) = if version.is_v5() {
            let reason = body.reason(ReasonSet::CONNACK)?;
            (
                reason,
                body.properties(PropertyPlace::Connack, Sender::Server)?.0,
            )
        } else {
            let code = body.u8()?;
            let reason = ReasonCode::from_connect_return_code(code);
            (reason.ok_or(Kind::InvalidReasonCode)?, Properties::EMPTY)
        };
        body.finish()?;
        if session_present && reason != ReasonCode::Success {
            return Err(Kind::SessionPresentOnRefusal); // [MQTT-3.2.2-6]
        }
        Ok(Self {
            session_present,
            reason,
            properties,
        })
    }

    /// Bytes of the whole packet.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        packet_len(self.remaining(version))
    }

    fn remaining(&self, version: Version) -> usize {
        if version.is_v5() {
            2 + self.properties.encoded_len()
        } else {
            2
        }
    }

    /// Appends the packet; in 3.x with the return code nearest to the reason.
    pub fn encode(&self, version: Version, out: &mut impl Output) {
        if put_header(PacketType::Connack, self.remaining(version), out).is_none() {
            return;
        }
        let present = u8::from(self.session_present);
        match version {
            Version::V31 => out.put(&[0, self.reason.connect_return_code()]),
            Version::V311 => out.put(&[present, self.reason.connect_return_code()]),
            Version::V5 => {
                out.put(&[present, self.reason.as_u8()]);
                self.properties.encode(out);
            }
        }
    }
}
