//! Decoding by hand: slices cut off the front, `None` for any fault.

use super::{Connect, Packet, Puback, Publish, Subscribe};

/// Decodes the packet at the front, and tells how many bytes it took.
#[inline]
pub fn decode(bytes: &[u8]) -> Option<(Packet<'_>, usize)> {
    let mut rest = bytes;
    let first = u8(&mut rest)?;
    let remaining = varint(&mut rest)? as usize;
    let body = rest.get(..remaining)?;
    let consumed = bytes.len() - rest.len() + remaining;
    let packet = match (first >> 4, first & 0x0F) {
        (1, 0) => Packet::Connect(connect(body)?),
        (3, flags) if flags & 6 != 6 && flags & 14 != 8 => Packet::Publish(publish(flags, body)?),
        (4, 0) => Packet::Puback(puback(body)?),
        (8, 2) => Packet::Subscribe(subscribe(body)?),
        _ => return None,
    };
    Some((packet, consumed))
}

#[inline(always)]
fn publish(flags: u8, mut body: &[u8]) -> Option<Publish<'_>> {
    let topic = string(&mut body)?;
    if has_wildcard(topic) {
        return None;
    }
    let packet_id = if flags & 6 == 0 {
        0
    } else {
        packet_id(&mut body)?
    };
    let (properties, seen) = properties(&mut body, PUBLISH)?;
    if topic.is_empty() && seen & (1 << 0x23) == 0 {
        return None;
    }
    Some(Publish {
        flags,
        topic,
        packet_id,
        properties,
        payload: body,
    })
}

fn puback(mut body: &[u8]) -> Option<Puback<'_>> {
    let packet_id = packet_id(&mut body)?;
    if body.is_empty() {
        return Some(Puback {
            packet_id,
            reason: 0,
            properties: &[],
        });
    }
    let reason = u8(&mut body)?;
    if !matches!(
        reason,
        0 | 0x10 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99
    ) {
        return None;
    }
    let properties = if body.is_empty() {
        &[][..]
    } else {
        properties(&mut body, ACK)?.0
    };
    body.is_empty().then_some(Puback {
        packet_id,
        reason,
        properties,
    })
}

fn subscribe(mut body: &[u8]) -> Option<Subscribe<'_>> {
    let packet_id = packet_id(&mut body)?;
    let (properties, _) = properties(&mut body, SUBSCRIBE)?;
    let filters = body;
    let mut count = 0;
    while !body.is_empty() {
        let filter = string(&mut body)?;
        let options = u8(&mut body)?;
        let shared = options & 4 != 0 && filter.starts_with("$share/");
        if options & 0xC0 != 0 || options & 3 == 3 || options & 0x30 == 0x30 || shared {
            return None;
        }
        count += 1;
    }
    (count > 0).then_some(Subscribe {
        packet_id,
        properties,
        filters,
        count,
    })
}

fn connect(mut body: &[u8]) -> Option<Connect<'_>> {
    if binary(&mut body)? != b"MQTT" || u8(&mut body)? != 5 {
        return None;
    }
    let flags = u8(&mut body)?;
    let no_will = flags & 4 == 0;
    if flags & 1 != 0 || (no_will && flags & 0x38 != 0) || flags & 0x18 == 0x18 {
        return None;
    }
    let keep_alive = u16(&mut body)?;
    let (properties, _) = self::properties(&mut body, CONNECT)?;
    let client_id = string(&mut body)?;
    let will = if no_will {
        None
    } else {
        let (properties, _) = self::properties(&mut body, WILL)?;
        let topic = string(&mut body)?;
        if topic.is_empty() || has_wildcard(topic) {
            return None;
        }
        Some((properties, topic, binary(&mut body)?))
    };
    let user_name = if flags & 0x80 == 0 {
        None
    } else {
        Some(string(&mut body)?)
    };
    let password = if flags & 0x40 == 0 {
        None
    } else {
        Some(binary(&mut body)?)
    };
    let connect = Connect {
        flags,
        keep_alive,
        properties,
        client_id,
        will,
        user_name,
        password,
    };
    body.is_empty().then_some(connect)
}

const fn set(ids: &[u8]) -> u64 {
    let mut bits = 0;
    let mut at = 0;
    while at < ids.len() {
        bits |= 1 << ids[at];
        at += 1;
    }
    bits
}

const CONNECT: u64 = set(&[0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27]);
const WILL: u64 = set(&[0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26]);
const PUBLISH: u64 = set(&[0x01, 0x02, 0x03, 0x08, 0x09, 0x23, 0x26]);
const SUBSCRIBE: u64 = set(&[0x0B, 0x26]);
const ACK: u64 = set(&[0x1F, 0x26]);

/// A property block and a bit for each property in it.
#[inline(always)]
fn properties<'a>(body: &mut &'a [u8], allowed: u64) -> Option<(&'a [u8], u64)> {
    let len = varint(body)? as usize;
    if len == 0 {
        return Some((&[], 0));
    }
    let block = take(body, len)?;
    let mut rest = block;
    let mut seen = 0_u64;
    while !rest.is_empty() {
        let id = u8(&mut rest)?;
        let bit = 1_u64.checked_shl(u32::from(id))?;
        if allowed & bit == 0 || (seen & bit != 0 && id != 0x26) {
            return None;
        }
        seen |= bit;
        match id {
            0x01 | 0x17 | 0x19 if u8(&mut rest)? > 1 => return None,
            0x01 | 0x17 | 0x19 => {}
            0x02 | 0x11 | 0x18 => drop(take(&mut rest, 4)?),
            0x27 if take(&mut rest, 4)? == [0; 4] => return None,
            0x21 | 0x23 if u16(&mut rest)? == 0 => return None,
            0x21..=0x23 | 0x27 => {
                if id == 0x22 {
                    u16(&mut rest)?;
                }
            }
            0x03 | 0x15 | 0x1F => drop(string(&mut rest)?),
            0x08 => {
                let topic = string(&mut rest)?;
                if topic.is_empty() || has_wildcard(topic) {
                    return None;
                }
            }
            0x09 | 0x16 => drop(binary(&mut rest)?),
            0x0B if varint(&mut rest)? == 0 => return None,
            0x0B => {}
            _ => {
                string(&mut rest)?;
                string(&mut rest)?;
            }
        }
    }
    if seen & (1 << 0x16) != 0 && seen & (1 << 0x15) == 0 {
        return None;
    }
    Some((block, seen))
}

#[inline(always)]
fn take<'a>(body: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (front, rest) = body.split_at_checked(len)?;
    *body = rest;
    Some(front)
}

#[inline(always)]
fn u8(body: &mut &[u8]) -> Option<u8> {
    let (&byte, rest) = body.split_first()?;
    *body = rest;
    Some(byte)
}

#[inline(always)]
fn u16(body: &mut &[u8]) -> Option<u16> {
    let (&bytes, rest) = body.split_first_chunk()?;
    *body = rest;
    Some(u16::from_be_bytes(bytes))
}

#[inline(always)]
fn packet_id(body: &mut &[u8]) -> Option<u16> {
    u16(body).filter(|&id| id != 0)
}

#[inline(always)]
fn varint(body: &mut &[u8]) -> Option<u32> {
    let mut number = 0;
    for place in 0..4 {
        let byte = u8(body)?;
        number |= u32::from(byte & 0x7F) << (7 * place);
        if byte < 0x80 {
            return (byte != 0 || place == 0).then_some(number);
        }
    }
    None
}

#[inline(always)]
fn binary<'a>(body: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = u16(body)?;
    take(body, usize::from(len))
}

#[inline(always)]
fn string<'a>(body: &mut &'a [u8]) -> Option<&'a str> {
    let text = core::str::from_utf8(binary(body)?).ok()?;
    let has_nul = text.bytes().fold(false, |found, byte| found | (byte == 0));
    (!has_nul).then_some(text)
}

#[inline(always)]
fn has_wildcard(text: &str) -> bool {
    text.bytes()
        .fold(false, |found, byte| found | matches!(byte, b'+' | b'#'))
}
