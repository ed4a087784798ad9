//! From bytes to a borrowed packet, with every rule of the standard that bytes alone can break.

use crate::{
    Connect, ConnectError, DecodeError, DecodeErrorKind as Kind, Decoded, FixedHeader, Limits,
    Packet, PacketType, Sender, Version, frame::incomplete, packet::read_version, peek_header,
    primitives::Body,
};

/// Decodes the packet at the front of `bytes`, in place and without allocating.
///
/// A second CONNECT decodes like any packet: that it is out of order is for the caller to say.
///
/// # Errors
/// Any rule broken by the bytes, by a field's value, or by `sender` not being allowed to send
/// that; as soon as it can be told, for type, flags and size before the body is there.
#[inline]
pub fn decode<'a>(
    bytes: &'a [u8],
    version: Version,
    sender: Sender,
    limits: &Limits,
) -> Result<Decoded<Packet<'a>>, DecodeError> {
    let header = match peek_header(bytes, Some(version), limits)? {
        Decoded::Packet { packet, .. } => packet,
        Decoded::Incomplete(more) => return Ok(Decoded::Incomplete(more)),
    };
    if !may_send(header.packet_type, version, sender) {
        return Err(DecodeError::new(
            Kind::WrongSender,
            Some(header.packet_type),
            0,
        ));
    }
    let consumed = header.packet_len();
    let Some(body) = bytes.get(header.header_len..consumed) else {
        return Ok(incomplete(consumed.saturating_sub(bytes.len())));
    };
    let mut body = Body::new(body);
    match Packet::read(&header, &mut body, version, sender) {
        Ok(packet) => Ok(Decoded::Packet { packet, consumed }),
        Err(kind) => Err(fault_in(&header, kind, &body)),
    }
}

/// Decodes the first packet of a connection, which has to be CONNECT and tells the version.
///
/// # Errors
/// Anything else, and any fault in CONNECT; [`ConnectError::answer`] tells what to answer.
pub fn decode_connect<'a>(
    bytes: &'a [u8],
    limits: &Limits,
) -> Result<Decoded<Connect<'a>>, ConnectError> {
    // Garbage is refused by its first byte, however slowly the rest comes.
    match bytes
        .first()
        .and_then(|first| PacketType::from_u8(first >> 4))
    {
        None | Some(PacketType::Connect) => {}
        Some(other) => {
            let error = DecodeError::new(Kind::FirstPacketNotConnect, Some(other), 0);
            return Err(ConnectError::new(error, None));
        }
    }
    // The size waits for the version: only 5.0 can be told that it is too large.
    let header = match peek_header(bytes, None, &Limits::default()) {
        Ok(Decoded::Packet { packet, .. }) => packet,
        Ok(Decoded::Incomplete(more)) => return Ok(Decoded::Incomplete(more)),
        Err(error) => return Err(ConnectError::new(error, None)),
    };
    let consumed = header.packet_len();
    if consumed > limits.max_packet_size as usize {
        return too_large(bytes, &header);
    }
    let Some(body) = bytes.get(header.header_len..consumed) else {
        return Ok(incomplete(consumed.saturating_sub(bytes.len())));
    };
    let mut body = Body::new(body);
    match Connect::read(&header, &mut body) {
        Ok(packet) => Ok(Decoded::Packet { packet, consumed }),
        Err((kind, version)) => Err(ConnectError::new(fault_in(&header, kind, &body), version)),
    }
}

/// A CONNECT over the limit is refused once its version is known, and that stands at its front:
/// only 5.0 can be told why.
#[cold]
fn too_large<'a>(
    bytes: &'a [u8],
    header: &FixedHeader,
) -> Result<Decoded<Connect<'a>>, ConnectError> {
    let mut body = Body::new(bytes.get(header.header_len..).unwrap_or_default());
    match read_version(&mut body) {
        Ok((version, _)) => {
            let error = DecodeError::new(Kind::PacketTooLarge, Some(header.packet_type), 1);
            Err(ConnectError::new(error, Some(version)))
        }
        Err(Kind::Truncated) if bytes.len() < header.packet_len() => Ok(incomplete(1)),
        Err(kind) => {
            let offset = bytes.len().saturating_sub(body.len());
            let error = DecodeError::new(kind, Some(header.packet_type), offset);
            Err(ConnectError::new(error, None))
        }
    }
}

/// Which side may send what (MQTT 5, 2.1.2). AUTH in 3.x was refused with the header.
#[inline(always)]
const fn may_send(packet_type: PacketType, version: Version, sender: Sender) -> bool {
    match packet_type {
        PacketType::Publish
        | PacketType::Puback
        | PacketType::Pubrec
        | PacketType::Pubrel
        | PacketType::Pubcomp
        | PacketType::Auth => true,
        PacketType::Connect
        | PacketType::Subscribe
        | PacketType::Unsubscribe
        | PacketType::Pingreq => matches!(sender, Sender::Client),
        PacketType::Connack | PacketType::Suback | PacketType::Unsuback | PacketType::Pingresp => {
            matches!(sender, Sender::Server)
        }
        PacketType::Disconnect => matches!(sender, Sender::Client) || version.is_v5(),
    }
}

#[cold]
fn fault_in(header: &FixedHeader, kind: Kind, body: &Body<'_>) -> DecodeError {
    let offset = header.packet_len().saturating_sub(body.len());
    DecodeError::new(kind, Some(header.packet_type), offset)
}
