//! Where encoded packets go, and the few shapes they are made of.

use crate::{
    PacketType,
    frame::{MAX_VARIABLE_BYTE_INTEGER, variable_byte_integer_len},
};

/// Something that encoded bytes can be appended to.
///
/// With the feature `bytes` that is every [`bytes::BufMut`], else `Vec<u8>`. Implement it for a
/// type of your own that is not `BufMut`, such as an out queue made of pooled pieces.
pub trait Output {
    /// Appends these bytes; the output has to have room for them.
    fn put(&mut self, bytes: &[u8]);
}

#[cfg(feature = "bytes")]
impl<B: bytes::BufMut> Output for B {
    #[inline(always)]
    fn put(&mut self, bytes: &[u8]) {
        self.put_slice(bytes);
    }
}

#[cfg(not(feature = "bytes"))]
impl Output for alloc::vec::Vec<u8> {
    #[inline(always)]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Bytes of a packet with that remaining length; as many as the length says where no header can
/// describe it.
#[inline(always)]
pub(crate) const fn packet_len(remaining: usize) -> usize {
    match encodable(remaining) {
        Some(length) => 1 + variable_byte_integer_len(length) + remaining,
        None => remaining.saturating_add(5),
    }
}

/// The remaining length as the header holds it, `None` above the protocol's maximum.
#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "compared with the maximum first"
)]
pub(crate) const fn encodable(remaining: usize) -> Option<u32> {
    if remaining <= MAX_VARIABLE_BYTE_INTEGER as usize {
        Some(remaining as u32)
    } else {
        None
    }
}

/// Appends a fixed header with the type's reserved flags; `None`, and nothing appended, for a
/// packet that no header can describe.
#[inline(always)]
pub(crate) fn put_header(
    packet_type: PacketType,
    remaining: usize,
    out: &mut impl Output,
) -> Option<()> {
    let length = encodable(remaining)?;
    let first = packet_type.first_byte();
    match length {
        0..=0x7F => out.put(&[first, group(length, 0)]),
        0x80..=0x3FFF => out.put(&[first, more(length, 0), group(length, 1)]),
        _ => {
            out.put(&[first]);
            put_long_integer(length, out);
        }
    }
    Some(())
}

/// Seven bits of a variable byte integer, the last of it.
#[inline(always)]
pub(crate) const fn group(number: u32, place: u32) -> u8 {
    ((number >> (7 * place)) & 0x7F) as u8
}

/// Seven bits of a variable byte integer that goes on after them.
#[inline(always)]
pub(crate) const fn more(number: u32, place: u32) -> u8 {
    group(number, place) | 0x80
}

/// Appends a variable byte integer in its shortest form (MQTT 5, 1.5.5).
#[inline(always)]
pub(crate) fn put_variable_byte_integer(number: u32, out: &mut impl Output) {
    match number {
        0..=0x7F => out.put(&[group(number, 0)]),
        0x80..=0x3FFF => out.put(&[more(number, 0), group(number, 1)]),
        _ => put_long_integer(number, out),
    }
}

/// The two long forms, kept out of the way of the short ones.
#[inline(never)]
pub(crate) fn put_long_integer(number: u32, out: &mut impl Output) {
    let (a, b) = (more(number, 0), more(number, 1));
    match number {
        0..=0x1F_FFFF => out.put(&[a, b, group(number, 2)]),
        _ => out.put(&[a, b, more(number, 2), group(number, 3)]),
    }
}

/// Bytes of a text with its length in front, as [`put_string`] writes them.
#[inline(always)]
pub(crate) fn string_len(text: &str) -> usize {
    2 + storable(text).len()
}

/// Bytes of binary data with its length in front, as [`put_binary`] writes them.
#[inline(always)]
pub(crate) const fn binary_len(bytes: &[u8]) -> usize {
    2 + if bytes.len() > MAX_STORED {
        MAX_STORED
    } else {
        bytes.len()
    }
}

/// Appends length and text; text over 65 535 bytes is cut before the character that passes it.
#[inline(always)]
pub(crate) fn put_string(text: &str, out: &mut impl Output) {
    put_binary(storable(text), out);
}

/// Appends length and bytes; those over 65 535 are cut off.
#[inline(always)]
pub(crate) fn put_binary(bytes: &[u8], out: &mut impl Output) {
    match u16::try_from(bytes.len()) {
        Ok(len) => {
            out.put(&len.to_be_bytes());
            out.put(bytes);
        }
        Err(_) => {
            out.put(&u16::MAX.to_be_bytes());
            out.put(bytes.get(..MAX_STORED).unwrap_or_default());
        }
    }
}

/// What two bytes of length can say.
const MAX_STORED: usize = 0xFFFF;

/// The bytes of a text as far as a length of two bytes can describe them.
#[inline(always)]
pub(crate) fn storable(text: &str) -> &[u8] {
    if text.len() <= MAX_STORED {
        text.as_bytes()
    } else {
        cut(text)
    }
}

#[cold]
fn cut(text: &str) -> &[u8] {
    let end = (0..=MAX_STORED)
        .rev()
        .find(|&end| text.is_char_boundary(end))
        .unwrap_or(0);
    text.as_bytes().get(..end).unwrap_or_default()
}
