//! What the letters of a format print.

use super::compile::{Field, Spec};
use super::json;
use super::{LocalTime, Printed};

const LOWER: &[u8; 16] = b"0123456789abcdef";
const UPPER: &[u8; 16] = b"0123456789ABCDEF";
/// Decimals of `%f` and `%d` without a precision.
const DECIMALS: usize = 6;

pub(super) fn render(
    field: Field,
    spec: Spec,
    pretty: bool,
    (message, time): (&Printed<'_>, LocalTime),
    out: &mut Vec<u8>,
    complain: &mut dyn FnMut(&str),
) {
    let properties = message.properties;
    match field {
        Field::Topic => spec.append_text(message.topic.as_bytes(), out),
        Field::Payload => spec.append_payload(message.payload, out),
        Field::HexLower => spec.append_hex(message.payload, LOWER, out),
        Field::HexUpper => spec.append_hex(message.payload, UPPER, out),
        Field::Length => spec.append_number(&message.payload.len().to_string(), out),
        Field::QoS => out.push(b'0' + message.qos.as_u8()),
        Field::Retain => out.push(b'0' + u8::from(message.retain)),
        Field::PacketId => spec.append_number(&message.packet_id.to_string(), out),
        Field::TopicAlias => number(properties.topic_alias(), spec, out),
        Field::MessageExpiryInterval => number(properties.message_expiry_interval(), spec, out),
        Field::PayloadFormatIndicator => {
            number(
                properties.payload_format_indicator().map(u8::from),
                spec,
                out,
            );
        }
        Field::SubscriptionIdentifier => {
            number(properties.subscription_identifiers().next(), spec, out);
        }
        Field::ContentType => match properties.content_type() {
            Some(text) => spec.append_text(text.as_bytes(), out),
            None => spec.append_missing(out),
        },
        // The original leaves no blanks for this one.
        Field::ResponseTopic => {
            if let Some(topic) = properties.response_topic() {
                spec.append_text(topic.as_bytes(), out);
            }
        }
        Field::CorrelationData => {
            out.extend_from_slice(properties.correlation_data().unwrap_or_default());
        }
        Field::UserProperties => user_properties(message, out),
        Field::Float => match message.payload.try_into() {
            Ok(bytes) => float(f64::from(f32::from_ne_bytes(bytes)), spec, out),
            Err(_) => complain("requested float printing, but non-float data received"),
        },
        Field::Double => match message.payload.try_into() {
            Ok(bytes) => float(f64::from_ne_bytes(bytes), spec, out),
            Err(_) => complain("requested double printing, but non-double data received"),
        },
        Field::IsoTime => spec.append_text(time.iso().as_bytes(), out),
        Field::UnixTime => time.append_unix(out),
        Field::Json => json::append_text(message, time, pretty, out),
        Field::JsonPayload => {
            if !json::append_parsed(message, time, pretty, out) {
                let topic = message.topic;
                complain(&format!(
                    "Error: Message payload is not valid JSON on topic {topic}."
                ));
            }
        }
    }
}

fn number(value: Option<impl ToString>, spec: Spec, out: &mut Vec<u8>) {
    match value {
        Some(number) => spec.append_number(&number.to_string(), out),
        None => spec.append_missing(out),
    }
}

fn user_properties(message: &Printed<'_>, out: &mut Vec<u8>) {
    for (index, (name, value)) in message.properties.user_properties().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        out.extend_from_slice(value.as_bytes());
    }
}

/// C's `%f`, which writes "inf" and "nan" and puts no zeros in front of them.
fn float(number: f64, spec: Spec, out: &mut Vec<u8>) {
    if number.is_finite() {
        let decimals = spec.precision.unwrap_or(DECIMALS);
        spec.append_number(&format!("{number:.decimals$}"), out);
    } else {
        let sign = if number.is_sign_negative() { "-" } else { "" };
        let word = if number.is_nan() { "nan" } else { "inf" };
        let blanks = Spec {
            precision: None,
            ..spec
        };
        blanks.append_text(format!("{sign}{word}").as_bytes(), out);
    }
}
