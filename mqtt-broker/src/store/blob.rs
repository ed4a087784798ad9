//! What the store writes into its blobs: little endian, lengths first, and a CRC-32C before it all,
//! because SQLite checks its journal but not its main file.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use mqtt_codec::QoS;

use crate::engine::envelope::Message;
use crate::engine::routing::local::Extra;
use crate::engine::session::SessionExpiry;
use crate::engine::store_op::{Receipt, SavedWill, SessionNo};

const RETAIN: u8 = 1 << 2;
const AWAY: u8 = 1 << 3;
const EXTRA: u8 = 1 << 4;
/// Through a shared subscription; the index `q_memory` looks at this bit.
pub(super) const GROUP: u8 = 1 << 5;

/// A blob that is not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("damaged data")]
pub struct Damaged;

/// A message: its block behind the checksum.
#[must_use]
pub fn write_message(message: &Message) -> Vec<u8> {
    seal(|out| out.extend_from_slice(message.bytes()))
}

/// Reads a message.
///
/// # Errors
/// [`Damaged`] if it is not as it was written.
pub fn read_message(blob: &[u8]) -> Result<Message, Damaged> {
    Message::from_bytes(open(blob)?).ok_or(Damaged)
}

/// The receivers of a message that stand in its row.
#[must_use]
pub fn write_receipts<'a>(receipts: impl Iterator<Item = &'a Receipt>) -> Vec<u8> {
    seal(|out| {
        for receipt in receipts {
            out.extend_from_slice(&receipt.session.0.get().to_le_bytes());
            out.push(flags(receipt));
            write_extra(receipt.extra.as_deref(), out);
        }
    })
}

/// Reads receivers.
///
/// # Errors
/// [`Damaged`] if they are not as they were written.
pub fn read_receipts(blob: &[u8]) -> Result<Vec<Receipt>, Damaged> {
    let mut rest = open(blob)?;
    let mut receipts = Vec::new();
    while !rest.is_empty() {
        let session = NonZeroU32::new(u32::from_le_bytes(take(&mut rest)?)).ok_or(Damaged)?;
        let [flags] = take(&mut rest)?;
        receipts.push(receipt(SessionNo(session), flags, &mut rest)?);
    }
    Ok(receipts)
}

/// QoS, RETAIN and the like of a delivery, as one byte.
#[must_use]
pub fn flags(receipt: &Receipt) -> u8 {
    let flag = |set, bit| if set { bit } else { 0 };
    receipt.qos.as_u8()
        | flag(receipt.retain, RETAIN)
        | flag(receipt.away, AWAY)
        | flag(receipt.extra.is_some(), EXTRA)
        | flag(is_shared(receipt), GROUP)
}

fn is_shared(receipt: &Receipt) -> bool {
    let group = receipt
        .extra
        .as_ref()
        .and_then(|extra| extra.group.as_ref());
    group.is_some()
}

/// The QoS that flags say; what is damaged counts as the lowest.
#[must_use]
pub fn qos(flags: u8) -> QoS {
    QoS::from_u8(flags & 0b11).unwrap_or(QoS::AtMostOnce)
}

/// Subscription identifiers and group of a delivery that has any.
pub fn write_extra(extra: Option<&Extra>, out: &mut Vec<u8>) {
    let Some(extra) = extra else { return };
    write_len(extra.identifiers.len(), out);
    for identifier in &extra.identifiers {
        out.extend_from_slice(&identifier.to_le_bytes());
    }
    write_text(extra.group.as_deref(), out);
}

/// A delivery from its flags and the bytes of its extra, which are taken off `rest`.
///
/// # Errors
/// [`Damaged`] if these are not as they were written.
pub fn receipt(session: SessionNo, flags: u8, rest: &mut &[u8]) -> Result<Receipt, Damaged> {
    let extra = if flags & EXTRA == 0 {
        None
    } else {
        let count = read_len(rest)?;
        let mut identifiers = Vec::new();
        for _ in 0..count {
            identifiers.push(u32::from_le_bytes(take(rest)?));
        }
        let group = read_text(rest)?.map(Arc::from);
        Some(Arc::new(Extra { identifiers, group }))
    };
    Ok(Receipt {
        session,
        qos: QoS::from_u8(flags & 0b11).ok_or(Damaged)?,
        retain: flags & RETAIN != 0,
        extra,
        packet_id: None,
        away: flags & AWAY != 0,
    })
}

/// A will.
#[must_use]
pub fn write_will(will: &SavedWill) -> Vec<u8> {
    seal(|out| {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let expiry = will.expiry.map_or(u64::MAX, millis);
        out.extend_from_slice(&expiry.to_le_bytes());
        out.extend_from_slice(&millis(will.delay).to_le_bytes());
        out.extend_from_slice(will.message.bytes());
    })
}

/// Reads a will.
///
/// # Errors
/// [`Damaged`] if it is not as it was written.
pub fn read_will(blob: &[u8]) -> Result<SavedWill, Damaged> {
    let mut rest = open(blob)?;
    let expiry = u64::from_le_bytes(take(&mut rest)?);
    let delay = u64::from_le_bytes(take(&mut rest)?);
    Ok(SavedWill {
        message: Message::from_bytes(rest).ok_or(Damaged)?,
        expiry: (expiry != u64::MAX).then(|| Duration::from_millis(expiry)),
        delay: Duration::from_millis(delay),
    })
}

/// A session expiry in milliseconds; -1 is never.
#[must_use]
pub fn expiry_to_millis(expiry: SessionExpiry) -> i64 {
    match expiry {
        SessionExpiry::AtClose => 0,
        SessionExpiry::After(span) => i64::try_from(span.as_millis()).unwrap_or(i64::MAX),
        SessionExpiry::Never => -1,
    }
}

/// The same, read.
#[must_use]
pub fn expiry_from_millis(millis: i64) -> SessionExpiry {
    match u64::try_from(millis) {
        Ok(0) => SessionExpiry::AtClose,
        Ok(millis) => SessionExpiry::After(Duration::from_millis(millis)),
        Err(_) => SessionExpiry::Never,
    }
}

/// Puts the checksum before what `write` writes.
fn seal(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut blob = vec![0; 4];
    write(&mut blob);
    let (checksum, rest) = blob.split_at_mut(4);
    checksum.copy_from_slice(&crc32c::crc32c(rest).to_le_bytes());
    blob
}

/// What stands behind the checksum, if that is right.
fn open(blob: &[u8]) -> Result<&[u8], Damaged> {
    let (checksum, rest) = blob.split_first_chunk::<4>().ok_or(Damaged)?;
    if crc32c::crc32c(rest) == u32::from_le_bytes(*checksum) {
        Ok(rest)
    } else {
        Err(Damaged)
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Damaged> {
    let (taken, left) = rest.split_first_chunk::<N>().ok_or(Damaged)?;
    *rest = left;
    Ok(*taken)
}

fn write_len(len: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
}

fn read_len(rest: &mut &[u8]) -> Result<usize, Damaged> {
    usize::try_from(u32::from_le_bytes(take(rest)?)).map_err(|_| Damaged)
}

/// A text that may be absent: its length and one more.
fn write_text(text: Option<&str>, out: &mut Vec<u8>) {
    match text {
        None => write_len(0, out),
        Some(text) => {
            write_len(text.len() + 1, out);
            out.extend_from_slice(text.as_bytes());
        }
    }
}

fn read_text<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a str>, Damaged> {
    let Some(len) = read_len(rest)?.checked_sub(1) else {
        return Ok(None);
    };
    let (text, left) = rest.split_at_checked(len).ok_or(Damaged)?;
    *rest = left;
    std::str::from_utf8(text).map(Some).map_err(|_| Damaged)
}
