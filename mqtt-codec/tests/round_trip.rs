//! Properties of the codec: what is written is read again, no bytes at all bring it down.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where it is wrong"
)]

mod generator;

use generator::{Parts, parts, with_packet};
use mqtt_codec::{
    Connect, ConnectError, DecodeError, Decoded, Limits, Packet, Sender, Version, decode,
    decode_connect,
};
use proptest::prelude::*;

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];
const SENDERS: [Sender; 2] = [Sender::Client, Sender::Server];

fn encoded(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let mut out = Vec::new();
    packet.encode(version, &mut out);
    out
}

/// Reads everything that is read lazily, and describes the packet.
fn walk(packet: &Packet<'_>) -> usize {
    let properties = match packet {
        Packet::Connect(connect) => connect.properties,
        Packet::Connack(connack) => connack.properties,
        Packet::Publish(publish) => publish.properties,
        Packet::Puback(ack) | Packet::Pubrec(ack) | Packet::Pubrel(ack) | Packet::Pubcomp(ack) => {
            ack.properties
        }
        Packet::Subscribe(subscribe) => {
            assert_eq!(subscribe.filters.iter().count(), subscribe.filters.len());
            subscribe.properties
        }
        Packet::Suback(suback) => suback.properties,
        Packet::Unsubscribe(unsubscribe) => {
            assert_eq!(
                unsubscribe.filters.iter().count(),
                unsubscribe.filters.len()
            );
            unsubscribe.properties
        }
        Packet::Unsuback(unsuback) => unsuback.properties,
        Packet::Disconnect(disconnect) => disconnect.properties,
        Packet::Auth(auth) => auth.properties,
        Packet::Pingreq | Packet::Pingresp => return 0,
    };
    // The iterator ends early at a fault; a checked block has none.
    let len: usize = properties
        .iter()
        .map(|property| property.encoded_len())
        .sum();
    assert_eq!(len, properties.as_bytes().len(), "{packet:?}");
    format!("{packet:?}").len()
}

/// Decodes as every version and side; each packet that comes out is legal, and stays the same
/// when it is written and read once more.
fn decode_in_every_way(bytes: &[u8]) {
    for version in VERSIONS {
        for sender in SENDERS {
            match decode(bytes, version, sender, &Limits::default()) {
                Ok(Decoded::Packet { packet, consumed }) => {
                    assert!(consumed <= bytes.len());
                    walk(&packet);
                    let again = encoded(&packet, version);
                    assert_eq!(again.len(), packet.encoded_len(version));
                    let decoded = decode(&again, version, sender, &Limits::default());
                    assert_eq!(
                        decoded,
                        Ok(Decoded::Packet {
                            packet,
                            consumed: again.len()
                        })
                    );
                }
                Ok(Decoded::Incomplete(_)) => {}
                Err(error) => check_error(&error, bytes),
            }
        }
    }
    let first: Result<Decoded<Connect<'_>>, ConnectError> =
        decode_connect(bytes, &Limits::default());
    if let Err(error) = first {
        check_error(&error.into(), bytes);
    }
}

fn check_error(error: &DecodeError, bytes: &[u8]) {
    assert!(error.offset() <= bytes.len(), "{error}");
    assert!(error.reason_code().is_error());
    assert!(error.to_string().len() > 10);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_again(parts in parts()) {
        with_packet(&parts, |packet, version, sender| {
            let bytes = encoded(packet, version);
            assert_eq!(bytes.len(), packet.encoded_len(version), "{packet:?}");
            walk(packet);
            let decoded = decode(&bytes, version, sender, &Limits::default());
            let whole = Decoded::Packet { packet: *packet, consumed: bytes.len() };
            assert_eq!(decoded, Ok(whole), "{bytes:02x?}");
        });
    }

    #[test]
    fn a_packet_cut_anywhere_is_incomplete(parts in parts(), cut in any::<prop::sample::Index>()) {
        with_packet(&parts, |packet, version, sender| {
            let bytes = encoded(packet, version);
            let len = cut.index(bytes.len());
            match decode(&bytes[..len], version, sender, &Limits::default()) {
                Ok(Decoded::Incomplete(more)) => assert!(more.get() <= bytes.len() - len),
                other => panic!("{len} of {}: {other:?}", bytes.len()),
            }
        });
    }

    #[test]
    fn bytes_behind_a_packet_are_left_alone(parts in parts(), behind: Vec<u8>) {
        with_packet(&parts, |packet, version, sender| {
            let mut bytes = encoded(packet, version);
            let len = bytes.len();
            bytes.extend_from_slice(&behind);
            let decoded = decode(&bytes, version, sender, &Limits::default());
            assert_eq!(decoded, Ok(Decoded::Packet { packet: *packet, consumed: len }));
        });
    }

    #[test]
    fn a_limit_counts_the_whole_packet(parts in parts()) {
        with_packet(&parts, |packet, version, sender| {
            let bytes = encoded(packet, version);
            let limit = |size: usize| Limits { max_packet_size: u32::try_from(size).unwrap() };
            assert!(decode(&bytes, version, sender, &limit(bytes.len())).is_ok());
            // Refused by the header alone, without waiting for the body.
            let header = &bytes[..bytes.len().min(5)];
            let refused = decode(header, version, sender, &limit(bytes.len() - 1));
            assert!(refused.is_err(), "{packet:?}");
        });
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        decode_in_every_way(&bytes);
    }

    #[test]
    fn arbitrary_bodies_never_panic(first: u8, body in prop::collection::vec(any::<u8>(), 0..120)) {
        let mut bytes = vec![first, u8::try_from(body.len()).unwrap()];
        bytes.extend_from_slice(&body);
        decode_in_every_way(&bytes);
    }

    #[test]
    fn a_damaged_packet_never_panics(
        parts in parts(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        with_packet(&parts, |packet, version, _| {
            let mut bytes = encoded(packet, version);
            for (place, byte) in &damage {
                let place = place.index(bytes.len());
                bytes[place] = *byte;
            }
            decode_in_every_way(&bytes);
        });
    }

    #[test]
    fn an_error_seen_early_is_the_error_of_the_whole(
        parts in parts(),
        place in any::<prop::sample::Index>(),
        byte: u8,
        cut in any::<prop::sample::Index>(),
    ) {
        with_packet(&parts, |packet, version, sender| {
            let mut bytes = encoded(packet, version);
            let place = place.index(bytes.len());
            bytes[place] = byte;
            let part = &bytes[..cut.index(bytes.len())];
            if let Err(early) = decode(part, version, sender, &Limits::default()) {
                let whole = decode(&bytes, version, sender, &Limits::default());
                assert_eq!(whole, Err(early));
            }
        });
    }

    #[test]
    fn the_head_of_a_publish_is_the_packet_without_its_payload(parts in parts()) {
        with_packet(&parts, |packet, version, _| {
            let Packet::Publish(publish) = packet else { return };
            let mut head = vec![0xEE; 3];
            let place = publish.encode_head(version, publish.payload.len(), &mut head);
            let head = &head[3..];
            let whole = encoded(packet, version);
            assert_eq!([head, publish.payload].concat(), whole);
            assert_eq!(place.is_some(), publish.packet_id.is_some());
            if let (Some(place), Some(id)) = (place, publish.packet_id) {
                assert_eq!(&head[place..place + 2], id.get().to_be_bytes());
            }
        });
    }
}

/// The generator reaches every packet in every version that has it.
#[test]
fn the_generator_reaches_every_packet() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..3000 {
        let parts: Parts = parts().new_tree(&mut runner).unwrap().current();
        with_packet(&parts, |packet, version, sender| {
            seen.insert((packet.packet_type(), version, sender == Sender::Client));
        });
    }
    // 3 versions; PUBLISH and its four acknowledgements both ways, four packets from clients,
    // four from servers, DISCONNECT of clients; in 5.0 DISCONNECT of servers and AUTH both ways.
    assert_eq!(seen.len(), 3 * (5 * 2 + 4 + 4 + 1) + 3);
}
