//! An owned packet: one shared slice of the read buffer and the places of its parts.

use core::fmt;

use bytes::{Bytes, BytesMut};

use crate::{DecodeError, Decoded, Limits, Packet, Publish, Sender, Version, decode};

/// A checked packet that owns its bytes by sharing the buffer they came in.
///
/// It costs one reference count, and so does a clone; nothing is copied or allocated. Read buffers
/// are kept alive by it as a whole: copy what rests for long.
#[derive(Clone)]
pub struct Frame {
    bytes: Bytes,
    version: Version,
    sender: Sender,
    /// Where the payload of a PUBLISH begins; the end of the bytes for any other packet.
    payload: usize,
}

impl Frame {
    /// Takes the packet at the front of `buffer` out of it, `None` if it is not all there yet.
    ///
    /// The first packet of a buffer makes it a shared one, which allocates; later ones do not.
    ///
    /// # Errors
    /// Those of [`decode`]; the buffer is as it was.
    pub fn split_from(
        buffer: &mut BytesMut,
        version: Version,
        sender: Sender,
        limits: &Limits,
    ) -> Result<Option<Self>, DecodeError> {
        let (consumed, payload_len) = match decode(buffer, version, sender, limits)? {
            Decoded::Packet {
                packet: Packet::Publish(publish),
                consumed,
            } => (consumed, publish.payload.len()),
            Decoded::Packet { consumed, .. } => (consumed, 0),
            Decoded::Incomplete(_) => return Ok(None),
        };
        let bytes = buffer.split_to(consumed).freeze();
        Ok(Some(Self {
            bytes,
            version,
            sender,
            payload: consumed.saturating_sub(payload_len),
        }))
    }

    /// The packet. Its bytes are read again, which cannot fail: they were checked when the frame
    /// was made.
    #[must_use]
    pub fn packet(&self) -> Packet<'_> {
        match decode(&self.bytes, self.version, self.sender, &Limits::default()) {
            Ok(Decoded::Packet { packet, .. }) => packet,
            Ok(Decoded::Incomplete(_)) | Err(_) => unreachable!("the same bytes decoded before"),
        }
    }

    /// The packet if it is a PUBLISH.
    #[must_use]
    pub fn publish(&self) -> Option<Publish<'_>> {
        match self.packet() {
            Packet::Publish(publish) => Some(publish),
            _ => None,
        }
    }

    /// The payload of a PUBLISH, sharing the buffer; empty for any other packet.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        self.bytes.slice(self.payload..)
    }

    /// The whole packet as it came.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.packet().fmt(f)
    }
}
