//! Any bytes, as every version and side: no panic, and what decodes is a packet through and through.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use mqtt_codec::{
    Decoded, Frame, Limits, Packet, Properties, Sender, SharedFilter, TopicFilter, TopicName,
    Version, decode, decode_connect,
};

const LIMITS: Limits = Limits {
    max_packet_size: 1 << 20,
};

fuzz_target!(|bytes: &[u8]| {
    for version in [Version::V31, Version::V311, Version::V5] {
        for sender in [Sender::Client, Sender::Server] {
            match decode(bytes, version, sender, &LIMITS) {
                Ok(Decoded::Packet { packet, consumed }) => {
                    check(&packet, &bytes[..consumed], version, sender);
                }
                Ok(Decoded::Incomplete(_)) => {}
                Err(error) => {
                    assert!(error.offset() <= bytes.len());
                    assert!(error.reason_code().is_error());
                }
            }
        }
    }
    first_packet(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        topics(text);
    }
});

fn check(packet: &Packet<'_>, bytes: &[u8], version: Version, sender: Sender) {
    for len in 0..bytes.len() {
        let part = decode(&bytes[..len], version, sender, &LIMITS);
        assert!(
            matches!(part, Ok(Decoded::Incomplete(_))),
            "{len} bytes of {packet:?}"
        );
    }
    let mut again = Vec::new();
    packet.encode(version, &mut again);
    assert_eq!(again.len(), packet.encoded_len(version));
    let decoded = decode(&again, version, sender, &LIMITS);
    assert_eq!(
        decoded,
        Ok(Decoded::Packet {
            packet: *packet,
            consumed: again.len()
        })
    );

    let mut buffer = BytesMut::from(bytes);
    let frame = Frame::split_from(&mut buffer, version, sender, &LIMITS)
        .unwrap()
        .unwrap();
    assert_eq!(frame.packet(), *packet);
    assert!(buffer.is_empty());
    walk(packet, &frame);
}

/// Reads what is only read when somebody asks, and compares it with its encoded length.
fn walk(packet: &Packet<'_>, frame: &Frame) {
    let properties = match packet {
        Packet::Publish(publish) => {
            assert_eq!(frame.payload(), publish.payload);
            publish.properties
        }
        Packet::Subscribe(subscribe) => {
            assert_eq!(subscribe.filters.iter().count(), subscribe.filters.len());
            subscribe.filters.iter().for_each(|(text, _)| topics(text));
            subscribe.properties
        }
        Packet::Unsubscribe(unsubscribe) => {
            assert_eq!(
                unsubscribe.filters.iter().count(),
                unsubscribe.filters.len()
            );
            unsubscribe.filters.iter().for_each(topics);
            unsubscribe.properties
        }
        Packet::Connect(connect) => {
            block(
                connect
                    .will
                    .map_or(Properties::EMPTY, |will| will.properties),
            );
            connect.properties
        }
        Packet::Connack(connack) => connack.properties,
        Packet::Disconnect(disconnect) => disconnect.properties,
        Packet::Auth(auth) => auth.properties,
        Packet::Puback(ack) | Packet::Pubrec(ack) | Packet::Pubrel(ack) | Packet::Pubcomp(ack) => {
            ack.properties
        }
        _ => Properties::EMPTY,
    };
    block(properties);
}

fn block(properties: Properties<'_>) {
    let len: usize = properties
        .iter()
        .map(|property| property.encoded_len())
        .sum();
    assert_eq!(len, properties.as_bytes().len());
    assert_eq!(properties.user_properties().count(), {
        properties
            .iter()
            .filter(|it| it.id() == mqtt_codec::PropertyId::UserProperty)
            .count()
    });
}

fn first_packet(bytes: &[u8]) {
    match decode_connect(bytes, &LIMITS) {
        Ok(Decoded::Packet { packet, consumed }) => {
            let mut again = Vec::new();
            packet.encode(&mut again);
            assert!(again.len() <= consumed);
            let decoded = decode_connect(&again, &LIMITS);
            assert_eq!(
                decoded,
                Ok(Decoded::Packet {
                    packet,
                    consumed: again.len()
                })
            );
        }
        Ok(Decoded::Incomplete(_)) => {}
        Err(error) => {
            assert!(error.offset() <= bytes.len());
            let _ = error.answer();
        }
    }
}

fn topics(text: &str) {
    let Ok(filter) = TopicFilter::parse(text) else {
        return;
    };
    assert_eq!(filter.is_shared(), SharedFilter::parse(filter).is_some());
    if let Ok(name) = TopicName::parse(text) {
        // Without wildcards and groups a filter is its own only match.
        assert_eq!(filter.matches(name), !filter.is_shared());
    }
}
