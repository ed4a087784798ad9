//! Clients of different versions talk to each other.

use super::brokers::shared;
use super::hand_client::Client;
use super::packet_bytes::{Fields, connect, puback, publish0, publish1};

/// Properties of a PUBLISH in 5.0: payload format, content type, a user property.
const PROPERTIES: &[u8] = b"\x01\x01\x03\x00\x01t\x26\x00\x01k\x00\x01v";

/// A client of 5.0 with a subscription at QoS 1.
fn version5(client_id: &str, filter: &str) -> Client {
    let broker = shared();
    let mut client = Client::silent(&broker);
    let hello = Fields::new()
        .string("MQTT")
        .byte(5)
        .byte(2)
        .number(0)
        .byte(0);
    client.send(hello.string(client_id).packet(0x10));
    let connack = client.packet();
    assert_eq!(
        (connack.first, connack.byte(1)),
        (0x20, Some(0)),
        "{connack:02x?}"
    );
    client.send(
        Fields::new()
            .number(1)
            .byte(0)
            .string(filter)
            .byte(1)
            .packet(0x82),
    );
    client.expect(b"\x90\x04\x00\x01\x00\x01");
    client
}

/// (cross-version) A publication of 5.0 comes to 3.1 and 3.1.1 without properties; one of 3.1 or 3.1.1
/// comes to 5.0 with none.
#[test]
fn v311_u_unnumbered_g() {
    let topic = "unnumbered-g";
    let broker = shared();
    let mut v31 = Client::fresh(&broker, &connect("unnumbered-g-31").v31());
    v31.subscribe(topic, 1);
    let mut v311 = Client::subscribed(&broker, "unnumbered-g-311", topic, 1);
    let mut v5 = version5("unnumbered-g-5", topic);
    let in_v5 = |first, id: Option<u16>, properties: &[u8], payload: &str| {
        let fields = Fields::new().string(topic);
        let fields = id.into_iter().fold(fields, Fields::number);
        let length = u8::try_from(properties.len()).expect("few of them");
        let fields = fields.byte(length).raw(properties);
        fields.raw(payload.as_bytes()).packet(first)
    };

    v5.send(in_v5(0x30, None, PROPERTIES, "five"));
    v5.expect(in_v5(0x30, None, PROPERTIES, "five"));
    for old in [&mut v31, &mut v311] {
        old.expect(publish0(topic, "five"));
        old.send(publish0(topic, "old"));
        old.expect(publish0(topic, "old"));
        v5.expect(in_v5(0x30, None, &[], "old"));
    }
    v31.expect(publish0(topic, "old"));
    v5.send(in_v5(0x32, Some(9), PROPERTIES, "five"));
    let mut answers = [v5.packet(), v5.packet()];
    answers.sort_by_key(|packet| packet.first);
    assert_eq!(answers.map(|packet| packet.first), [0x32, 0x40]);
    v31.expect(publish1(1, topic, "five"));
    v31.send(puback(1));
    // The message of 3.1 was for this one too.
    let mut texts = Vec::new();
    while texts.last().is_none_or(|text| text != "five") {
        texts.push(v311.take().text());
    }
}
