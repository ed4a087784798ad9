//! The rows of a store as lines of JSON, an object each, whose one key says what it is.

use std::sync::Arc;
use std::time::Duration;

use mqtt_codec::{PacketId, SubscriptionOptions, TopicFilter};
use rusqlite::types::Value as Column;
use serde_json::{Value, json};

use super::message::{self, Fields, flag, maybe_number, maybe_text, number, text};
use crate::engine::routing::local::Extra;
use crate::engine::store_op::{Receipt, SavedWill, SessionNo};
use crate::store::blob;
use crate::store::recovery::tables::{self, TABLES, Table, bytes, integer};

/// A line cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// It is no JSON object of one key.
    #[error("it is not a line of an export")]
    Form,
    /// Its key is unknown.
    #[error("\"{0}\" is not known")]
    Kind(String),
    /// A field is missing or has a value that it cannot have.
    #[error("field \"{0}\" is missing or wrong")]
    Field(&'static str),
}

/// What a row is called in a line, and the table that it stands in. `hot` has no lines of its own: its
/// rows are messages and deliveries.
const KINDS: &[(&str, &str)] = &[
    ("session", "sess"),
    ("will", "will"),
    ("subscription", "sub"),
    ("message", "msg"),
    ("delivery", "q"),
    ("held", "held"),
    ("retained", "ret"),
];

/// The line of a row; `None` if the row is damaged.
pub(super) fn write(table: &str, row: &[Column]) -> Option<Value> {
    let (kind, _) = KINDS.iter().find(|(_, name)| *name == table)?;
    let mut fields = Fields::new();
    match *kind {
        "session" => write_session(row, &mut fields)?,
        "will" => write_will(row, &mut fields)?,
        "subscription" => write_subscription(row, &mut fields)?,
        "message" => {
            fields.insert("message".to_owned(), json!(integer(row, 0)?));
            message::write(&blob::read_message(bytes(row, 2)?).ok()?, &mut fields);
        }
        "delivery" => {
            let mut extra = bytes(row, 5).unwrap_or_default();
            let session = tables::session(integer(row, 0)?)?;
            let flags = u8::try_from(integer(row, 2)?).ok()?;
            let receipt = blob::receipt(session, flags, &mut extra).ok()?;
            let packet_id = integer(row, 3);
            return Some(delivery(
                &receipt,
                integer(row, 1)?,
                packet_id,
                integer(row, 4)? != 0,
                integer(row, 6)?,
            ));
        }
        "held" => {
            fields.insert("session".to_owned(), json!(integer(row, 1)?));
            fields.insert("packet_id".to_owned(), json!(integer(row, 2)?));
            message::write(&blob::read_message(bytes(row, 3)?).ok()?, &mut fields);
        }
        _ => {
            fields.insert("version".to_owned(), json!(integer(row, 1)?));
            message::write(&blob::read_message(bytes(row, 2)?).ok()?, &mut fields);
        }
    }
    Some(json!({ *kind: fields }))
}

fn write_session(row: &[Column], fields: &mut Fields) -> Option<()> {
    let mut put = |name: &str, value: Value| {
        fields.insert(name.to_owned(), value);
    };
    put("session", json!(integer(row, 0)?));
    put("client_id", json!(tables::text(row, 1)?));
    let expiry = integer(row, 2)?;
    put(
        "expiry_ms",
        if expiry < 0 {
            json!("never")
        } else {
            json!(expiry)
        },
    );
    if let Some(since) = integer(row, 3) {
        put("away_since_ms", json!(since));
    }
    if let Some(user) = tables::text(row, 4) {
        put("user_name", json!(user));
    }
    put("listener", json!(integer(row, 5)?));
    Some(())
}

fn write_will(row: &[Column], fields: &mut Fields) -> Option<()> {
    let will = blob::read_will(bytes(row, 2)?).ok()?;
    let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let mut put = |name: &str, value: Value| {
        fields.insert(name.to_owned(), value);
    };
    put("session", json!(integer(row, 0)?));
    if let Some(due) = integer(row, 1) {
        put("due_ms", json!(due));
    }
    put("delay_ms", json!(millis(will.delay)));
    if let Some(expiry) = will.expiry {
        put("expiry_ms", json!(millis(expiry)));
    }
    message::write(&will.message, fields);
    Some(())
}

fn write_subscription(row: &[Column], fields: &mut Fields) -> Option<()> {
    let byte = u8::try_from(integer(row, 2)?).ok()?;
    let options = SubscriptionOptions::from_byte(byte).ok()?;
    let mut put = |name: &str, value: Value| {
        fields.insert(name.to_owned(), value);
    };
    put("session", json!(integer(row, 0)?));
    put("filter", json!(tables::text(row, 1)?));
    put("qos", json!(options.qos.as_u8()));
    put("no_local", json!(options.no_local));
    put("retain_as_published", json!(options.retain_as_published));
    put("retain_handling", json!((byte >> 4) & 0b11));
    let identifier = integer(row, 3)?;
    if identifier != 0 {
        put("identifier", json!(identifier));
    }
    if integer(row, 4)? != 0 {
        put("replays", json!(true));
    }
    Some(())
}

/// The line of a delivery: message `number` for a client, which may have got it under a packet id, or
/// have taken it over (`released`).
pub(super) fn delivery(
    receipt: &Receipt,
    number: i64,
    packet_id: Option<i64>,
    released: bool,
    payload_bytes: i64,
) -> Value {
    let mut fields = Fields::new();
    let mut put = |name: &str, value: Value| {
        fields.insert(name.to_owned(), value);
    };
    put("session", json!(receipt.session.0));
    put("message", json!(number));
    put("qos", json!(receipt.qos.as_u8()));
    put("payload_bytes", json!(payload_bytes));
    for (name, holds) in [
        ("retain", receipt.retain),
        ("away", receipt.away),
        ("released", released),
    ] {
        if holds {
            put(name, json!(true));
        }
    }
    if let Some(packet_id) = packet_id {
        put("packet_id", json!(packet_id));
    }
    if let Some(extra) = &receipt.extra {
        put("identifiers", json!(extra.identifiers));
        if let Some(group) = &extra.group {
            put("group", json!(**group));
        }
    }
    json!({ "delivery": fields })
}

/// The row of a line.
pub(super) fn read(
    kind: &str,
    fields: &Fields,
) -> Result<(&'static Table, Vec<Column>), LineError> {
    let found = KINDS.iter().find(|(known, _)| *known == kind);
    let table = found.and_then(|(_, name)| TABLES.iter().find(|table| table.name == *name));
    let table = table.ok_or_else(|| LineError::Kind(kind.to_owned()))?;
    let session = || number::<i64>(fields, "session").map(Column::Integer);
    let message = || message::read(fields).map(|message| blob::write_message(&message));
    let row = match kind {
        "session" => read_session(fields)?,
        "will" => read_will(fields)?,
        "subscription" => read_subscription(fields)?,
        "message" => vec![
            Column::Integer(number(fields, "message")?),
            // Counted when all lines are there.
            Column::Integer(0),
            Column::Blob(message()?),
        ],
        "delivery" => read_delivery(fields)?,
        "held" => vec![
            Column::Null,
            session()?,
            Column::Integer(i64::from(number::<u16>(fields, "packet_id")?)),
            Column::Blob(message()?),
        ],
        _ => {
            let message = message::read(fields)?;
            vec![
                Column::Text(message.view().topic.as_str().to_owned()),
                Column::Integer(number(fields, "version")?),
                Column::Blob(blob::write_message(&message)),
            ]
        }
    };
    Ok((table, row))
}

fn read_session(fields: &Fields) -> Result<Vec<Column>, LineError> {
    let expiry = match fields.get("expiry_ms") {
        Some(Value::String(word)) if word == "never" => -1,
        _ => i64::try_from(number::<u64>(fields, "expiry_ms")?).unwrap_or(i64::MAX),
    };
    let away: Option<i64> = maybe_number(fields, "away_since_ms")?;
    let user = maybe_text(fields, "user_name")?;
    Ok(vec![
        Column::Integer(i64::from(number::<u32>(fields, "session")?)),
        Column::Text(text(fields, "client_id")?.to_owned()),
        Column::Integer(expiry),
        away.map_or(Column::Null, Column::Integer),
        user.map_or(Column::Null, |user| Column::Text(user.to_owned())),
        Column::Integer(i64::from(number::<u16>(fields, "listener")?)),
    ])
}

fn read_will(fields: &Fields) -> Result<Vec<Column>, LineError> {
    let due: Option<i64> = maybe_number(fields, "due_ms")?;
    let will = SavedWill {
        message: message::read(fields)?,
        expiry: maybe_number(fields, "expiry_ms")?.map(Duration::from_millis),
        delay: Duration::from_millis(number(fields, "delay_ms")?),
    };
    Ok(vec![
        Column::Integer(number(fields, "session")?),
        due.map_or(Column::Null, Column::Integer),
        Column::Blob(blob::write_will(&will)),
    ])
}

fn read_subscription(fields: &Fields) -> Result<Vec<Column>, LineError> {
    let filter = text(fields, "filter")?;
    TopicFilter::parse(filter).map_err(|_| LineError::Field("filter"))?;
    let handling: u8 = number(fields, "retain_handling")?;
    if handling > 2 {
        return Err(LineError::Field("retain_handling"));
    }
    let bit = |name, bit| flag(fields, name).map(|set| if set { bit } else { 0 });
    let options = message::qos(fields)?.as_u8()
        | bit("no_local", 1 << 2)?
        | bit("retain_as_published", 1 << 3)?
        | (handling << 4);
    let identifier: Option<u32> = maybe_number(fields, "identifier")?;
    Ok(vec![
        Column::Integer(number(fields, "session")?),
        Column::Text(filter.to_owned()),
        Column::Integer(i64::from(options)),
        Column::Integer(i64::from(identifier.unwrap_or(0))),
        Column::Integer(i64::from(flag(fields, "replays")?)),
    ])
}

fn read_delivery(fields: &Fields) -> Result<Vec<Column>, LineError> {
    let session = tables::session(number(fields, "session")?);
    let session: SessionNo = session.ok_or(LineError::Field("session"))?;
    let packet_id: Option<u16> = maybe_number(fields, "packet_id")?;
    let receipt = Receipt {
        session,
        qos: message::qos(fields)?,
        retain: flag(fields, "retain")?,
        extra: read_extra(fields)?.map(Arc::new),
        packet_id: packet_id.and_then(PacketId::new),
        away: flag(fields, "away")?,
    };
    let mut extra = Vec::new();
    blob::write_extra(receipt.extra.as_deref(), &mut extra);
    Ok(vec![
        Column::Integer(i64::from(session.0.get())),
        Column::Integer(number(fields, "message")?),
        Column::Integer(i64::from(blob::flags(&receipt))),
        receipt
            .packet_id
            .map_or(Column::Null, |id| Column::Integer(i64::from(id.get()))),
        Column::Integer(i64::from(flag(fields, "released")?)),
        receipt.extra.map_or(Column::Null, |_| Column::Blob(extra)),
        Column::Integer(i64::from(number::<u32>(fields, "payload_bytes")?)),
    ])
}

fn read_extra(fields: &Fields) -> Result<Option<Extra>, LineError> {
    let name = "identifiers";
    let Some(identifiers) = fields.get(name) else {
        return Ok(None);
    };
    let identifiers = identifiers.as_array().ok_or(LineError::Field(name))?;
    let identifiers = identifiers.iter().map(|value| {
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        number.ok_or(LineError::Field(name))
    });
    Ok(Some(Extra {
        identifiers: identifiers.collect::<Result<_, _>>()?,
        group: maybe_text(fields, "group")?.map(Arc::from),
    }))
}
