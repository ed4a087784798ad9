//! Messages as they stand in a line: what can be read is written as text, other bytes as base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mqtt_codec::{Properties, PropertiesBuf, Property, QoS, TopicName};
use mqtt_session::time::UnixTime;
use serde_json::{Map, Value, json};

use super::lines::LineError;
use crate::engine::envelope::{Message, MessageHead, MessageView};

/// The fields of a line.
pub(super) type Fields = Map<String, Value>;

/// Adds a message to a line.
pub(super) fn write(message: &Message, fields: &mut Fields) {
    let view = message.view();
    let mut put = |name: &str, value: Value| {
        fields.insert(name.to_owned(), value);
    };
    put("topic", json!(view.topic.as_str()));
    put("qos", json!(view.head.qos.as_u8()));
    put("published_ms", json!(view.head.published.as_millis()));
    if view.head.retain {
        put("retain", json!(true));
    }
    if !view.publisher.is_empty() {
        put("publisher", json!(view.publisher));
    }
    if let Some(expires) = view.head.expires {
        put("expires_ms", json!(expires.as_millis()));
    }
    match std::str::from_utf8(view.payload) {
        Ok(text) => put("payload", json!(text)),
        Err(_) => put("payload_base64", json!(STANDARD.encode(view.payload))),
    }
    write_properties(view.properties, &mut put);
}

fn write_properties(properties: Properties<'_>, put: &mut impl FnMut(&str, Value)) {
    if let Some(is_text) = properties.payload_format_indicator() {
        put("payload_format_indicator", json!(is_text));
    }
    if let Some(kind) = properties.content_type() {
        put("content_type", json!(kind));
    }
    if let Some(topic) = properties.response_topic() {
        put("response_topic", json!(topic));
    }
    if let Some(data) = properties.correlation_data() {
        put("correlation_data_base64", json!(STANDARD.encode(data)));
    }
    let pairs: Vec<_> = properties.user_properties().collect();
    if !pairs.is_empty() {
        put("user_properties", json!(pairs));
    }
}

/// The message of a line.
pub(super) fn read(fields: &Fields) -> Result<Message, LineError> {
    let payload = match bytes(fields, "payload_base64")? {
        Some(bytes) => bytes,
        None => text(fields, "payload")?.as_bytes().to_vec(),
    };
    let mut properties = PropertiesBuf::new();
    read_properties(fields, &mut properties)?;
    let topic = text(fields, "topic")?;
    let publisher = maybe_text(fields, "publisher")?.unwrap_or_default();
    // Both have lengths of two bytes.
    if publisher.len() > usize::from(u16::MAX) {
        return Err(LineError::Field("publisher"));
    }
    let view = MessageView {
        head: MessageHead {
            qos: qos(fields)?,
            retain: flag(fields, "retain")?,
            published: UnixTime::from_millis(number(fields, "published_ms")?),
            expires: maybe_number(fields, "expires_ms")?.map(UnixTime::from_millis),
        },
        publisher,
        topic: TopicName::parse(topic).map_err(|_| LineError::Field("topic"))?,
        properties: properties.as_properties(),
        payload: &payload,
    };
    Ok(Message::new(&view, &mut Vec::new()))
}

fn read_properties(fields: &Fields, properties: &mut PropertiesBuf) -> Result<(), LineError> {
    if fields.contains_key("payload_format_indicator") {
        let is_text = flag(fields, "payload_format_indicator")?;
        properties.push(Property::PayloadFormatIndicator(is_text));
    }
    if let Some(kind) = short_text(fields, "content_type")? {
        properties.push(Property::ContentType(kind));
    }
    if let Some(topic) = short_text(fields, "response_topic")? {
        properties.push(Property::ResponseTopic(topic));
    }
    if let Some(data) = bytes(fields, "correlation_data_base64")? {
        if data.len() > usize::from(u16::MAX) {
            return Err(LineError::Field("correlation_data_base64"));
        }
        properties.push(Property::CorrelationData(&data));
    }
    let name = "user_properties";
    let Some(pairs) = fields.get(name) else {
        return Ok(());
    };
    for pair in pairs.as_array().ok_or(LineError::Field(name))? {
        let texts = pair.as_array().map(Vec::as_slice);
        let Some([Value::String(key), Value::String(value)]) = texts else {
            return Err(LineError::Field(name));
        };
        if key.len().max(value.len()) > usize::from(u16::MAX) {
            return Err(LineError::Field(name));
        }
        properties.push(Property::UserProperty(key, value));
    }
    Ok(())
}

/// A text that an MQTT string can hold.
fn short_text<'a>(fields: &'a Fields, name: &'static str) -> Result<Option<&'a str>, LineError> {
    match maybe_text(fields, name)? {
        Some(text) if text.len() > usize::from(u16::MAX) => Err(LineError::Field(name)),
        text => Ok(text),
    }
}

/// The QoS of a line.
pub(super) fn qos(fields: &Fields) -> Result<QoS, LineError> {
    QoS::from_u8(number(fields, "qos")?).ok_or(LineError::Field("qos"))
}

/// A text that has to be there.
pub(super) fn text<'a>(fields: &'a Fields, name: &'static str) -> Result<&'a str, LineError> {
    maybe_text(fields, name)?.ok_or(LineError::Field(name))
}

/// A text that may be absent.
pub(super) fn maybe_text<'a>(
    fields: &'a Fields,
    name: &'static str,
) -> Result<Option<&'a str>, LineError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(LineError::Field(name)),
    }
}

/// A number that has to be there.
pub(super) fn number<T: TryFrom<i64>>(fields: &Fields, name: &'static str) -> Result<T, LineError> {
    maybe_number(fields, name)?.ok_or(LineError::Field(name))
}

/// A number that may be absent.
pub(super) fn maybe_number<T: TryFrom<i64>>(
    fields: &Fields,
    name: &'static str,
) -> Result<Option<T>, LineError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let number = value.as_i64().and_then(|number| T::try_from(number).ok());
            number.map(Some).ok_or(LineError::Field(name))
        }
    }
}

/// Whether something holds; absent is no.
pub(super) fn flag(fields: &Fields, name: &'static str) -> Result<bool, LineError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(holds)) => Ok(*holds),
        Some(_) => Err(LineError::Field(name)),
    }
}

fn bytes(fields: &Fields, name: &'static str) -> Result<Option<Vec<u8>>, LineError> {
    let text = maybe_text(fields, name)?;
    let bytes = text.map(|text| STANDARD.decode(text)).transpose();
    bytes.map_err(|_| LineError::Field(name))
}
