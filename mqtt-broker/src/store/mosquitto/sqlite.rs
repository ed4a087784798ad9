//! Reads the store of Mosquitto's SQLite plug-in, schema 1.0 and 1.1, without changing it.
//!
//! Many of its columns turn what looks like a number into one, so texts are asked for as bytes.

use std::borrow::Cow;
use std::path::Path;

use mqtt_codec::{Properties, PropertiesBuf, Property, PropertyPlace, QoS, Sender};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};

use super::ImportError;
use super::read::ReadError;
use super::snapshot::{
    ClientMessage, Clients, Progress, Snapshot, StoredMessage, StoredWill, Subscription,
};
use crate::store::StoreError;

/// Reads the whole store.
///
/// # Errors
/// It cannot be read, is of another schema or damaged.
pub(super) fn read(path: &Path) -> Result<Snapshot<'static>, ImportError> {
    read_all(path).map_err(|error| match error {
        // Nothing but the source was touched.
        ImportError::Store(StoreError::Sqlite(error)) => ImportError::Source(error),
        other => other,
    })
}

fn read_all(path: &Path) -> Result<Snapshot<'static>, ImportError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(path, flags)?;
    // One state of it, whatever happens meanwhile.
    source.execute_batch("BEGIN")?;
    let format = check_schema(&source)?;
    let mut clients = Clients::default();
    read_clients(&source, &mut clients)?;
    read_subscriptions(&source, &mut clients)?;
    read_client_messages(&source, &mut clients)?;
    if has_table(&source, "wills")? {
        read_wills(&source, &mut clients)?;
    }
    let mut retains = source.prepare("SELECT store_id FROM retains")?;
    let retained = retains.query_map([], |row| Ok(id(row.get(0)?)))?;
    Ok(Snapshot {
        format,
        messages: read_messages(&source)?,
        clients: clients.into_list(),
        retained: retained.collect::<rusqlite::Result<_>>()?,
        unknown_chunks: 0,
    })
}

fn has_table(source: &Connection, name: &str) -> rusqlite::Result<bool> {
    let query = "SELECT count(*) > 0 FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    source.query_row(query, [name], |row| row.get(0))
}

fn check_schema(source: &Connection) -> Result<String, ImportError> {
    if !has_table(source, "version_info")? || !has_table(source, "base_msgs")? {
        return Err(ReadError::NotMosquitto.into());
    }
    let query = "SELECT major, minor, patch FROM version_info WHERE component = 'database_schema'";
    let version = source.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    match version.optional()? {
        Some((1, minor @ 0..=1, patch)) => {
            Ok(format!("Mosquitto's SQLite schema 1.{minor}.{patch}"))
        }
        Some((major, minor, patch)) => Err(ReadError::Schema(major, minor, patch).into()),
        None => Err(ReadError::NotMosquitto.into()),
    }
}

/// Ids have all 64 bits.
fn id(value: i64) -> u64 {
    u64::from_ne_bytes(value.to_ne_bytes())
}

/// A number that has to be a small one.
fn small<T: TryFrom<i64>>(value: i64, row: Place) -> Result<T, ReadError> {
    T::try_from(value).map_err(|_| row.error("has a number that is too large"))
}

/// An interval in seconds, of which the writer may have made a number with a sign.
fn seconds(value: Option<i64>) -> u32 {
    let value = value.unwrap_or(0);
    u32::try_from(value & i64::from(u32::MAX)).unwrap_or(u32::MAX)
}

/// A row, for people.
#[derive(Clone, Copy)]
struct Place {
    table: &'static str,
    row: i64,
}

impl Place {
    fn error(self, problem: &'static str) -> ReadError {
        ReadError::Row {
            table: self.table,
            row: self.row,
            problem,
        }
    }

    fn qos(self, value: i64) -> Result<QoS, ReadError> {
        let qos = u8::try_from(value).ok().and_then(QoS::from_u8);
        qos.ok_or_else(|| self.error("has a QoS above 2"))
    }
}

/// A value as bytes; none for NULL.
fn bytes(row: &Row<'_>, column: usize) -> rusqlite::Result<Cow<'static, [u8]>> {
    let value: Option<Vec<u8>> = row.get(column)?;
    Ok(value.unwrap_or_default().into())
}

fn read_messages(source: &Connection) -> Result<Vec<StoredMessage<'static>>, ImportError> {
    let mut query = source.prepare(
        "SELECT store_id, CAST(source_id AS BLOB), CAST(topic AS BLOB), CAST(payload AS BLOB), qos,
                retain, properties, expiry_time FROM base_msgs ORDER BY store_id",
    )?;
    let mut rows = query.query([])?;
    let mut messages = Vec::new();
    while let Some(row) = rows.next()? {
        let message = StoredMessage {
            source_id: bytes(row, 1)?,
            expires: row.get::<_, Option<i64>>(7)?.unwrap_or(0),
            ..message(source, row, "base_msgs", PropertyPlace::Publish)?
        };
        messages.push(message);
    }
    Ok(messages)
}

/// What a message and a will have in common, from columns 0 and 2 to 6.
fn message(
    source: &Connection,
    row: &Row<'_>,
    table: &'static str,
    kind: PropertyPlace,
) -> Result<StoredMessage<'static>, ImportError> {
    let number: i64 = row.get(0)?;
    let place = Place { table, row: number };
    let json: Option<String> = match row.get_ref(6)? {
        ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    };
    Ok(StoredMessage {
        id: id(number),
        expires: 0,
        source_packet_id: 0,
        source_id: Cow::default(),
        topic: bytes(row, 2)?,
        payload: bytes(row, 3)?,
        properties: properties(source, json.as_deref(), place, kind)?.into(),
        qos: place.qos(row.get(4)?)?,
        retain: row.get::<_, i64>(5)? != 0,
    })
}

/// Properties from JSON, which SQLite itself reads best.
fn properties(
    source: &Connection,
    json: Option<&str>,
    place: Place,
    kind: PropertyPlace,
) -> Result<Vec<u8>, ImportError> {
    let Some(json) = json.filter(|json| !json.is_empty()) else {
        return Ok(Vec::new());
    };
    let broken = |_| place.error("has properties that cannot be read");
    let mut query = source.prepare_cached(
        "SELECT json_extract(value, '$.identifier'), json_extract(value, '$.name'),
                json_extract(value, '$.value') FROM json_each(?1)",
    )?;
    let mut rows = query.query([json])?;
    let mut block = PropertiesBuf::new();
    while let Some(row) = rows.next().map_err(broken)? {
        let text = |column| -> Result<String, ReadError> {
            let text: Option<String> = row.get(column).map_err(broken)?;
            let text = text.unwrap_or_default();
            u16::try_from(text.len())
                .map_err(|_| place.error("has a property that is too long"))?;
            Ok(text)
        };
        let number = || row.get::<_, i64>(2).map_err(broken);
        let value;
        let name;
        let bytes;
        let property = match text(0)?.as_str() {
            "payload-format-indicator" => Property::PayloadFormatIndicator(number()? != 0),
            "message-expiry-interval" => Property::MessageExpiryInterval(seconds(Some(number()?))),
            "content-type" => {
                value = text(2)?;
                Property::ContentType(&value)
            }
            "response-topic" => {
                value = text(2)?;
                Property::ResponseTopic(&value)
            }
            "correlation-data" => {
                bytes = hex(&text(2)?).ok_or_else(|| place.error("has broken correlation data"))?;
                Property::CorrelationData(&bytes)
            }
            "user-property" => {
                name = text(1)?;
                value = text(2)?;
                Property::UserProperty(&name, &value)
            }
            // Nothing else goes on to a subscriber.
            _ => continue,
        };
        block.push(property);
    }
    let checked = block.as_properties().check(kind, Sender::Client);
    checked.map_err(|_| place.error("has properties that no message has"))?;
    Ok(block.as_properties().as_bytes().to_vec())
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.iter().map(byte).collect()
}

fn read_clients(source: &Connection, clients: &mut Clients<'static>) -> Result<(), ImportError> {
    let mut query = source.prepare(
        "SELECT CAST(client_id AS BLOB), CAST(username AS BLOB), session_expiry_time,
                session_expiry_interval FROM clients",
    )?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let client = clients.of(bytes(row, 0)?);
        client.user_name = bytes(row, 1)?;
        client.ends = row.get::<_, Option<i64>>(2)?.unwrap_or(0);
        client.expiry_interval = seconds(row.get(3)?);
    }
    Ok(())
}

fn read_subscriptions(
    source: &Connection,
    clients: &mut Clients<'static>,
) -> Result<(), ImportError> {
    let mut query = source.prepare(
        "SELECT rowid, CAST(client_id AS BLOB), CAST(topic AS BLOB), subscription_options,
                ifnull(subscription_identifier, 0) FROM subscriptions ORDER BY rowid",
    )?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let place = Place {
            table: "subscriptions",
            row: row.get(0)?,
        };
        let client = clients.of(bytes(row, 1)?);
        client.subscriptions.push(Subscription {
            filter: bytes(row, 2)?,
            options: small(row.get(3)?, place)?,
            identifier: small(row.get(4)?, place)?,
        });
    }
    Ok(())
}

fn read_client_messages(
    source: &Connection,
    clients: &mut Clients<'static>,
) -> Result<(), ImportError> {
    let mut query = source.prepare(
        "SELECT rowid, CAST(client_id AS BLOB), store_id, dup, direction, mid, qos, retain, state,
                ifnull(subscription_identifier, 0) FROM client_msgs ORDER BY rowid",
    )?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let place = Place {
            table: "client_msgs",
            row: row.get(0)?,
        };
        let qos = place.qos(row.get(6)?)?;
        let (direction, state) = (small(row.get(4)?, place)?, small(row.get(8)?, place)?);
        let dup = row.get::<_, i64>(3)? != 0;
        let progress = Progress::from_fields(direction, state, dup, qos);
        let identifier: u32 = small(row.get(9)?, place)?;
        clients.of(bytes(row, 1)?).messages.push(ClientMessage {
            id: id(row.get(2)?),
            packet_id: small(row.get(5)?, place)?,
            qos,
            retain: row.get::<_, i64>(7)? != 0,
            progress: progress.ok_or_else(|| place.error("is in a state that there is not"))?,
            identifiers: (identifier != 0)
                .then_some(identifier)
                .into_iter()
                .collect(),
        });
    }
    Ok(())
}

fn read_wills(source: &Connection, clients: &mut Clients<'static>) -> Result<(), ImportError> {
    let mut query = source.prepare(
        "SELECT wills.rowid, CAST(wills.client_id AS BLOB), CAST(topic AS BLOB),
                CAST(payload AS BLOB), qos, retain, properties, ifnull(will_delay_time, 0),
                will_delay_interval
         FROM wills JOIN clients USING(client_id)",
    )?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let message = message(source, row, "wills", PropertyPlace::Will)?;
        let expiry_interval = Properties::trusted(&message.properties).message_expiry_interval();
        let client = clients.of(bytes(row, 1)?);
        client.will = Some(StoredWill {
            message: StoredMessage {
                source_id: client.id.clone(),
                ..message
            },
            expiry_interval,
            delay: seconds(row.get(8)?),
            due: row.get(7)?,
        });
    }
    Ok(())
}
