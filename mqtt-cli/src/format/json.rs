//! `%j` and `%J`: a message as one JSON object.
//!
//! Members come in the original's order. Where a payload is not text, the original prints broken
//! JSON cut at the first NUL; here the text is whole, with U+FFFD for what is no UTF-8, and then
//! `payload_base64` holds the exact bytes. Correlation data is treated alike.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mqtt_codec::{Property, QoS};

use super::json_text::rewrite;
use super::json_writer::JsonWriter;
use super::{LocalTime, Printed};

/// Appends the message with its payload as a string, or `null` if it is empty.
pub(super) fn append_text(message: &Printed<'_>, time: LocalTime, pretty: bool, out: &mut Vec<u8>) {
    let mut writer = JsonWriter::new(out, pretty);
    head(message, time, &mut writer);
    if message.payload.is_empty() {
        writer.key(b"payload");
        writer.word("null");
    } else {
        bytes(&mut writer, "payload", "payload_base64", message.payload);
    }
    writer.close_object();
}

/// Appends the message with its payload as a JSON value; `false`, and nothing, if it is none.
pub(super) fn append_parsed(
    message: &Printed<'_>,
    time: LocalTime,
    pretty: bool,
    out: &mut Vec<u8>,
) -> bool {
    let start = out.len();
    let mut writer = JsonWriter::new(out, pretty);
    head(message, time, &mut writer);
    writer.key(b"payload");
    if message.payload.is_empty() {
        writer.word("null");
    } else if rewrite(message.payload, &mut writer).is_none() {
        out.truncate(start);
        return false;
    }
    writer.close_object();
    true
}

fn head(message: &Printed<'_>, time: LocalTime, writer: &mut JsonWriter<'_>) {
    writer.open_object();
    writer.key(b"tst");
    writer.string(time.iso_with_microseconds().as_bytes());
    writer.key(b"topic");
    writer.string(message.topic.as_bytes());
    writer.key(b"qos");
    writer.integer(message.qos.as_u8());
    writer.key(b"retain");
    writer.word(if message.retain { "true" } else { "false" });
    writer.key(b"payloadlen");
    writer.integer(message.payload.len() as u64);
    if message.qos > QoS::AtMostOnce {
        writer.key(b"mid");
        writer.integer(message.packet_id);
    }
    if !message.properties.is_empty() {
        properties(message, writer);
    }
}

/// In the order of the packet, but for User Properties, which all stand where the first one did.
fn properties(message: &Printed<'_>, writer: &mut JsonWriter<'_>) {
    writer.key(b"properties");
    writer.open_object();
    let mut user_properties_done = false;
    for property in message.properties {
        let name = property.id().name();
        match property {
            Property::PayloadFormatIndicator(flag) => {
                writer.key(name.as_bytes());
                writer.integer(u8::from(flag));
            }
            Property::MessageExpiryInterval(number) | Property::SubscriptionIdentifier(number) => {
                writer.key(name.as_bytes());
                writer.integer(number);
            }
            Property::TopicAlias(number) => {
                writer.key(name.as_bytes());
                writer.integer(number);
            }
            Property::ContentType(text) | Property::ResponseTopic(text) => {
                writer.key(name.as_bytes());
                writer.string(text.as_bytes());
            }
            Property::CorrelationData(data) => {
                bytes(writer, name, "correlation-data_base64", data);
            }
            Property::UserProperty(..) if !user_properties_done => {
                user_properties_done = true;
                user_properties(message, writer);
            }
            // User Properties already written; no other property may stand in a PUBLISH.
            _ => {}
        }
    }
    writer.close_object();
}

fn user_properties(message: &Printed<'_>, writer: &mut JsonWriter<'_>) {
    writer.key(b"user-properties");
    writer.open_array();
    for (name, value) in message.properties.user_properties() {
        writer.element();
        writer.open_object();
        writer.key(name.as_bytes());
        writer.string(value.as_bytes());
        writer.close_object();
    }
    writer.close_array();
}

fn bytes(writer: &mut JsonWriter<'_>, key: &str, key_of_base64: &str, bytes: &[u8]) {
    writer.key(key.as_bytes());
    writer.string(String::from_utf8_lossy(bytes).as_bytes());
    if std::str::from_utf8(bytes).is_err() {
        writer.key(key_of_base64.as_bytes());
        writer.string(STANDARD.encode(bytes).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use mqtt_codec::PropertiesBuf;

    use super::*;

    fn message<'a>(payload: &'a [u8], qos: QoS, properties: &'a PropertiesBuf) -> Printed<'a> {
        Printed {
            topic: "a/\"b",
            payload,
            qos,
            retain: false,
            packet_id: 9,
            properties: properties.as_properties(),
            clock: now,
        }
    }

    fn now() -> LocalTime {
        LocalTime::from_unix(1_795_464_933, 423_096_000, 19_800)
    }

    fn text_of(message: &Printed<'_>) -> String {
        let mut out = Vec::new();
        append_text(message, now(), false, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn members_come_in_the_original_order() {
        let none = PropertiesBuf::new();
        assert_eq!(
            text_of(&message(b"hi\0!", QoS::AtMostOnce, &none)),
            r#"{"tst":"2026-11-24T01:45:33.423096+0530","topic":"a/\"b","qos":0,"retain":false,"payloadlen":4,"payload":"hi\u0000!"}"#
        );
        let properties: PropertiesBuf = [
            Property::UserProperty("k", "v"),
            Property::PayloadFormatIndicator(false),
            Property::CorrelationData(b"\xff"),
            Property::SubscriptionIdentifier(1),
            Property::SubscriptionIdentifier(2),
            Property::UserProperty("k2", "v2"),
            Property::TopicAlias(4),
        ]
        .into_iter()
        .collect();
        let text = text_of(&message(b"", QoS::ExactlyOnce, &properties));
        assert!(
            text.ends_with(
                r#""payloadlen":0,"mid":9,"properties":{"user-properties":[{"k":"v"},{"k2":"v2"}],"payload-format-indicator":0,"correlation-data":"�","correlation-data_base64":"/w==","subscription-identifier":1,"subscription-identifier":2,"topic-alias":4},"payload":null}"#
            ),
            "{text}"
        );
    }

    #[test]
    fn payloads_that_are_no_text_come_whole_in_base64() {
        let text = text_of(&message(b"a\xffb", QoS::AtMostOnce, &PropertiesBuf::new()));
        assert!(
            text.ends_with(r#""payload":"a�b","payload_base64":"Yf9i"}"#),
            "{text}"
        );
    }

    #[test]
    fn parsed_payloads_are_written_in_place() {
        let none = PropertiesBuf::new();
        let mut out = b"x".to_vec();
        assert!(append_parsed(
            &message(b" {\"n\":1.0}", QoS::AtMostOnce, &none),
            now(),
            true,
            &mut out
        ));
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("x{\n\t\"tst\":\t\""), "{text}");
        assert!(
            text.ends_with("\n\t\"payload\":\t{\n\t\t\"n\":\t1\n\t}\n}"),
            "{text}"
        );
        let mut out = b"x".to_vec();
        assert!(!append_parsed(
            &message(b"{", QoS::AtMostOnce, &none),
            now(),
            false,
            &mut out
        ));
        assert_eq!(out, b"x");
    }
}
