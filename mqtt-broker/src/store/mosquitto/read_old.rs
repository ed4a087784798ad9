//! The chunks of formats 2 to 4, which Mosquitto 1.x wrote: no structures but fields one after another,
//! texts with their lengths before them, and nothing about when a session ends.

use std::borrow::Cow;

use super::bytes::Bytes;
use super::read::{Fields, ReadError, Reading, id_bytes, name, qos};
use super::snapshot::{StoredMessage, Subscription};

pub(super) fn chunk<'a>(
    bytes: &mut Bytes<'a>,
    version: u32,
    reading: &mut Reading<'a>,
) -> Result<(), ReadError> {
    let kind = bytes.u16()?;
    let length = bytes.length()?;
    let mut chunk = bytes.piece(length, name(kind.into()))?;
    match kind {
        1 => {
            chunk.u8()?;
            id_bytes(&mut chunk)
        }
        2 => message(&mut chunk, version, reading),
        3 => client_message(&mut chunk, reading),
        4 => {
            let id = chunk.u64_of_host()?;
            reading.snapshot.retained.push(id);
            Ok(())
        }
        5 => {
            let client = reading.clients.of(chunk.text()?.into());
            client.subscriptions.push(Subscription {
                filter: chunk.text()?.into(),
                options: qos(&mut chunk)?.as_u8(),
                identifier: 0,
            });
            Ok(())
        }
        6 => {
            // Being there is all that it says: packet id and time behind it mean nothing here.
            reading.clients.of(chunk.text()?.into());
            Ok(())
        }
        _ => {
            reading.snapshot.unknown_chunks += 1;
            Ok(())
        }
    }
}

fn message<'a>(
    chunk: &mut Bytes<'a>,
    version: u32,
    reading: &mut Reading<'a>,
) -> Result<(), ReadError> {
    let id = chunk.u64_of_host()?;
    let source_id = chunk.text()?;
    if version >= 4 {
        let _user_name = chunk.text()?;
        let _port = chunk.u16()?;
    }
    let source_packet_id = chunk.u16()?;
    let _packet_id = chunk.u16()?;
    let topic = chunk.text()?;
    let qos = qos(chunk)?;
    let retain = chunk.u8()? != 0;
    let payload_len = chunk.length()?;
    let payload = chunk.take(payload_len)?;
    reading.snapshot.messages.push(StoredMessage {
        id,
        expires: 0,
        source_packet_id,
        source_id: source_id.into(),
        topic: topic.into(),
        payload: payload.into(),
        properties: Cow::default(),
        qos,
        retain,
    });
    Ok(())
}

fn client_message<'a>(chunk: &mut Bytes<'a>, reading: &mut Reading<'a>) -> Result<(), ReadError> {
    let client_id = chunk.text()?;
    let fields = Fields {
        id: chunk.u64_of_host()?,
        packet_id: chunk.u16()?,
        qos: qos(chunk)?,
        retain: chunk.u8()? != 0,
        direction: chunk.u8()?,
        state: chunk.u8()?,
        dup: chunk.u8()? != 0,
    };
    let message = fields.message(chunk, Vec::new())?;
    reading.clients.of(client_id.into()).messages.push(message);
    Ok(())
}
