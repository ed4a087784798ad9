//! Reads `mosquitto.db`, formats 2 to 6. Pure: bytes in, a [`Snapshot`] that borrows from them out.
//!
//! Chunks may come in any order, and may refer to messages that are not there; who uses the snapshot
//! passes over these. Whatever cannot be right is an error: half a file is not taken for a whole one.

use mqtt_codec::{Properties, PropertyPlace, QoS, Sender};

use super::bytes::Bytes;
use super::read_old;
use super::snapshot::{ClientMessage, Clients, Progress, Snapshot, StoredMessage, Subscription};

/// What every such file begins with.
pub const MAGIC: &[u8; 15] = b"\x00\xb5\x00mosquitto db";
/// Bytes of a message's id, which the file says.
pub(super) const ID_BYTES: u8 = 8;

const CONFIG: u32 = 1;
const MESSAGE: u32 = 2;
const CLIENT_MESSAGE: u32 = 3;
const RETAIN: u32 = 4;
const SUBSCRIPTION: u32 = 5;
const CLIENT: u32 = 6;

/// A file that is not what Mosquitto writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It begins otherwise.
    #[error("Unrecognised file format.")]
    NotMosquitto,
    /// It has another format.
    #[error("Unsupported persistent database format version {0} (need version 2 to 6).")]
    Version(u32),
    /// It is an SQLite store of another schema.
    #[error("Sqlite persistence: Unknown database_schema version {0}.{1}.{2} (need 1.0 or 1.1).")]
    Schema(i64, i64, i64),
    /// A row of an SQLite store cannot be right.
    #[error("the database is damaged: row {row} of {table} {problem}")]
    Row {
        /// The table.
        table: &'static str,
        /// The row.
        row: i64,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A part of it cannot be right.
    #[error("the file is damaged or cut short: at byte {offset}, {what} {problem}")]
    Damaged {
        /// The part.
        what: &'static str,
        /// Where it stopped to make sense.
        offset: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// A snapshot under construction.
#[derive(Debug, Default)]
pub(super) struct Reading<'a> {
    pub(super) snapshot: Snapshot<'a>,
    pub(super) clients: Clients<'a>,
}

/// Reads a whole file. Takes memory in proportion to it.
///
/// # Errors
/// See [`ReadError`].
pub fn read(file: &[u8]) -> Result<Snapshot<'_>, ReadError> {
    let mut bytes = Bytes::new(file, "the file");
    if bytes.take(MAGIC.len()).ok() != Some(MAGIC) {
        return Err(ReadError::NotMosquitto);
    }
    // A checksum that was never written.
    bytes.u32()?;
    let version = bytes.u32()?;
    let read_chunk = match version {
        2..=4 => read_old::chunk,
        5 | 6 => chunk,
        other => return Err(ReadError::Version(other)),
    };
    let mut reading = Reading::default();
    while !bytes.is_empty() {
        read_chunk(&mut bytes, version, &mut reading)?;
    }
    let Reading {
        mut snapshot,
        clients,
    } = reading;
    snapshot.format = format!("Mosquitto's format {version}");
    snapshot.clients = clients.into_list();
    Ok(snapshot)
}

fn chunk<'a>(
    bytes: &mut Bytes<'a>,
    version: u32,
    reading: &mut Reading<'a>,
) -> Result<(), ReadError> {
    let kind = bytes.u32()?;
    let length = bytes.length()?;
    let mut chunk = bytes.piece(length, name(kind))?;
    match kind {
        CONFIG => config(&mut chunk),
        MESSAGE => message(&mut chunk, reading),
        CLIENT_MESSAGE => client_message(&mut chunk, reading),
        RETAIN => {
            let id = chunk.u64_of_host()?;
            reading.snapshot.retained.push(id);
            Ok(())
        }
        SUBSCRIPTION => subscription(&mut chunk, reading),
        CLIENT => client(&mut chunk, version, reading),
        _ => {
            reading.snapshot.unknown_chunks += 1;
            Ok(())
        }
    }
}

/// A kind of chunk, for people.
pub(super) const fn name(kind: u32) -> &'static str {
    match kind {
        CONFIG => "the configuration",
        MESSAGE => "a message",
        CLIENT_MESSAGE => "a client's message",
        RETAIN => "a retained message",
        SUBSCRIPTION => "a subscription",
        CLIENT => "a client",
        _ => "an unknown part",
    }
}

fn config(chunk: &mut Bytes<'_>) -> Result<(), ReadError> {
    chunk.u64_of_host()?;
    chunk.u8()?;
    id_bytes(chunk)
}

/// Ids of another size would be read as something else.
pub(super) fn id_bytes(chunk: &mut Bytes<'_>) -> Result<(), ReadError> {
    if chunk.u8()? == ID_BYTES {
        Ok(())
    } else {
        Err(chunk.error("has ids that are not of 8 bytes"))
    }
}

fn message<'a>(chunk: &mut Bytes<'a>, reading: &mut Reading<'a>) -> Result<(), ReadError> {
    let id = chunk.u64_of_host()?;
    let expires = chunk.i64_of_host()?;
    let payload_len = chunk.length()?;
    let source_packet_id = chunk.u16()?;
    let source_id_len = chunk.u16()?;
    let user_name_len = chunk.u16()?;
    let topic_len = chunk.u16()?;
    let _source_port = chunk.u16()?;
    let qos = qos(chunk)?;
    let retain = chunk.u8()? != 0;
    let source_id = chunk.take(source_id_len.into())?;
    let _user_name = chunk.take(user_name_len.into())?;
    let topic = chunk.take(topic_len.into())?;
    let payload = chunk.take(payload_len)?;
    let properties = properties(chunk)?;
    reading.snapshot.messages.push(StoredMessage {
        id,
        expires,
        source_packet_id,
        source_id: source_id.into(),
        topic: topic.into(),
        payload: payload.into(),
        properties: properties.as_bytes().into(),
        qos,
        retain,
    });
    Ok(())
}

/// The properties that a chunk may end with.
fn properties<'a>(chunk: &mut Bytes<'a>) -> Result<Properties<'a>, ReadError> {
    if chunk.is_empty() {
        return Ok(Properties::EMPTY);
    }
    let len = chunk.variable()?;
    if u32::try_from(chunk.len()) != Ok(len) {
        return Err(chunk.error("has properties of another length than it says"));
    }
    let properties = Properties::trusted(chunk.all());
    // Those of a PUBLISH to a subscriber: Subscription Identifiers stand here, too.
    let checked = properties.check(PropertyPlace::Publish, Sender::Server);
    checked.map_err(|_| chunk.error("has properties that no PUBLISH has"))?;
    Ok(properties)
}

pub(super) fn qos(chunk: &mut Bytes<'_>) -> Result<QoS, ReadError> {
    let qos = chunk.u8()?;
    QoS::from_u8(qos).ok_or_else(|| chunk.error("has a QoS above 2"))
}

fn client_message<'a>(chunk: &mut Bytes<'a>, reading: &mut Reading<'a>) -> Result<(), ReadError> {
    let id = chunk.u64_of_host()?;
    let packet_id = chunk.u16()?;
    let client_id_len = chunk.u16()?;
    let qos = qos(chunk)?;
    let state = chunk.u8()?;
    let flags = chunk.u8()?;
    let direction = chunk.u8()?;
    let client_id = chunk.take(client_id_len.into())?;
    let properties = properties(chunk)?;
    let fields = Fields {
        id,
        packet_id,
        qos,
        retain: flags & 0xf0 != 0,
        direction,
        state,
        dup: flags & 0x0f != 0,
    };
    let identifiers = properties.subscription_identifiers().collect();
    let message = fields.message(chunk, identifiers)?;
    reading.clients.of(client_id.into()).messages.push(message);
    Ok(())
}

/// What every format says of a client's message.
pub(super) struct Fields {
    pub(super) id: u64,
    pub(super) packet_id: u16,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    pub(super) direction: u8,
    pub(super) state: u8,
    pub(super) dup: bool,
}

impl Fields {
    pub(super) fn message(
        self,
        chunk: &Bytes<'_>,
        identifiers: Vec<u32>,
    ) -> Result<ClientMessage, ReadError> {
        let progress = Progress::from_fields(self.direction, self.state, self.dup, self.qos);
        Ok(ClientMessage {
            id: self.id,
            packet_id: self.packet_id,
            qos: self.qos,
            retain: self.retain,
            progress: progress.ok_or_else(|| chunk.error("is in a state that there is not"))?,
            identifiers,
        })
    }
}

fn subscription<'a>(chunk: &mut Bytes<'a>, reading: &mut Reading<'a>) -> Result<(), ReadError> {
    let identifier = chunk.u32()?;
    let client_id_len = chunk.u16()?;
    let filter_len = chunk.u16()?;
    let qos = qos(chunk)?;
    let options = chunk.u8()?;
    // Up to the alignment of the machine.
    chunk.u16()?;
    let client_id = chunk.take(client_id_len.into())?;
    let filter = chunk.take(filter_len.into())?;
    let client = reading.clients.of(client_id.into());
    client.subscriptions.push(Subscription {
        filter: filter.into(),
        options: options & !0b11 | qos.as_u8(),
        identifier,
    });
    Ok(())
}

fn client<'a>(
    chunk: &mut Bytes<'a>,
    version: u32,
    reading: &mut Reading<'a>,
) -> Result<(), ReadError> {
    let ends = chunk.i64_of_host()?;
    let expiry_interval = chunk.u32()?;
    let _last_packet_id = chunk.u16()?;
    let client_id_len = chunk.u16()?;
    let mut user_name_len = 0;
    if version >= 6 {
        let _listener_port = chunk.u16()?;
        user_name_len = chunk.u16()?;
        // Machines of 32 bits need no padding here.
        let texts = usize::from(client_id_len) + usize::from(user_name_len);
        if chunk.len() >= texts.saturating_add(4) {
            chunk.u32()?;
        }
    }
    let client_id = chunk.take(client_id_len.into())?;
    let user_name = chunk.take(user_name_len.into())?;
    let client = reading.clients.of(client_id.into());
    client.ends = ends;
    client.expiry_interval = expiry_interval;
    client.user_name = user_name.into();
    Ok(())
}
