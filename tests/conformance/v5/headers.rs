//! Section 2: fixed header, packet identifiers, properties and reason codes.

use std::collections::HashSet;

use super::client::{Client, assert_closed_for, assert_refused, broker, broker_with, fresh};
use super::packets::{
    Connect, PUBACK, PUBCOMP, PUBREC, PUBREL, Publish, ack, ack_with, block, connect_raw, packet,
    property, subscribe, text, unsubscribe,
};

/// Each packet a client sends, with its first byte, and whether its flags are fixed.
fn legal_packets() -> Vec<Vec<u8>> {
    vec![
        ack(PUBACK, 1),
        ack(PUBREC, 1),
        ack(PUBREL, 1),
        ack(PUBCOMP, 1),
        subscribe(1, &[], &[("a", 0)]),
        unsubscribe(1, &["a"]),
        vec![0xc0, 0],
        vec![0xe0, 0],
        packet(
            0xf0,
            &[&[0x19], &block(&property::authentication_method("M"))],
        ),
    ]
}

/// [MQTT-2.1.3-1] Reserved flags have the value of the table, in every packet.
#[test]
fn v5_2_1_3_1() {
    let broker = broker();
    for bytes in legal_packets() {
        for flags in 0..16 {
            let wrong = bytes[0] & 0xf0 | flags;
            if wrong != bytes[0] {
                let bytes = [&[wrong], &bytes[1..]].concat();
                assert_closed_for(&broker, &bytes, 0x81);
            }
        }
    }
    let mut connect = Connect::new(fresh("flags")).bytes();
    for flags in 1..16 {
        connect[0] = 0x10 | flags;
        let mut wire = mqtt_tests::Wire::open(&broker);
        wire.send(&connect);
        let answer = wire.rest();
        let refused = answer
            .iter()
            .all(|packet| packet.first == 0x20 && packet.body[..2] == [0, 0x81]);
        assert!(
            refused && answer.len() < 2,
            "flags {flags:x}: {answer:02x?}"
        );
    }
}

/// [MQTT-4.2.0-1] The transport is an ordered stream without loss, here TCP: packets may be cut at any
/// byte, and joined.
#[test]
fn v5_4_2_0_1() {
    let broker = broker();
    let topic = fresh("t");
    let mut subscriber = Client::subscribed(&broker, &topic, 0);
    let mut publisher = Client::new(&broker);
    let send = |text: &str| Publish::new(&topic, text).bytes();
    for byte in send("cut") {
        publisher.send(&[byte]);
    }
    publisher.send(&["a", "b", "c"].map(send).concat());
    for text in ["cut", "a", "b", "c"] {
        assert_eq!(subscriber.message().text(), text);
    }
}

/// [MQTT-2.2.1-2] A PUBLISH of QoS 0 has no packet identifier: properties follow the topic.
#[test]
fn v5_2_2_1_2() {
    let broker = broker();
    let mut subscriber = Client::subscribed(&broker, "hdr-0", 0);
    let mut publisher = Client::new(&broker);
    publisher.publish(&Publish::new("hdr-0", "hi").qos(1, 9));
    subscriber.expect_hex("30 0a 00 05 68 64 72 2d 30 00 68 69");
}

/// [MQTT-2.2.1-3] A packet identifier is not 0.
#[test]
fn v5_2_2_1_3() {
    let broker = broker();
    let wrong = [
        Publish::new("a", "x").qos(1, 0).bytes(),
        Publish::new("a", "x").qos(2, 0).bytes(),
        subscribe(0, &[], &[("a", 0)]),
        unsubscribe(0, &["a"]),
    ];
    for bytes in wrong {
        assert_closed_for(&broker, &bytes, 0x82);
    }
}

/// [MQTT-2.2.1-4] The broker gives each open delivery a packet identifier that is not 0 and not in
/// use, also when it has come around to the beginning.
#[test]
fn v5_2_2_1_4() {
    let broker = broker_with("max_inflight_messages 1000\nmax_queued_messages 0\nlog_type error\n");
    let connect = Connect::new(fresh("ids")).with(property::receive_maximum(1000));
    let mut subscriber = Client::connect(&broker, &connect);
    subscriber.subscribe("ids", 1);
    let mut publisher = Client::new(&broker);
    let mut open = HashSet::new();
    for _ in 0..200 {
        publisher.publish(&Publish::new("ids", "held").qos(1, 1));
        let id = subscriber.message().id();
        assert!(id != 0 && open.insert(id), "id {id} is 0 or in use");
    }
    for _ in 0..700 {
        let batch = (1..=100).map(|id| Publish::new("ids", "x").qos(1, id).bytes());
        publisher.send(&batch.collect::<Vec<_>>().concat());
        for inbound in 1..=100 {
            let id = subscriber.take().id();
            assert!(id != 0 && !open.contains(&id), "id {id} is 0 or in use");
            publisher.expect_answer(4, inbound, &[0]);
        }
    }
}

/// [MQTT-2.2.1-5] Acknowledgements carry the identifier of their PUBLISH.
#[test]
fn v5_2_2_1_5() {
    let broker = broker();
    let topic = fresh("echo");
    let mut subscriber = Client::subscribed(&broker, &topic, 2);
    let mut publisher = Client::new(&broker);
    for id in [1_u16, 0x0100, 65_535] {
        let [high, low] = id.to_be_bytes();
        publisher.send(&Publish::new(&topic, "1").qos(1, id).bytes());
        publisher.expect(&[0x40, 2, high, low]);
        assert_eq!(subscriber.take().text(), "1");
        publisher.send(&Publish::new(&topic, "2").qos(2, id).bytes());
        publisher.expect(&[0x50, 2, high, low]);
        publisher.send(&ack(PUBREL, id));
        publisher.expect(&[0x70, 2, high, low]);
        let message = subscriber.message();
        let delivery = message.id();
        let [high, low] = delivery.to_be_bytes();
        subscriber.send(&ack(PUBREC, delivery));
        subscriber.expect(&[0x62, 2, high, low]);
        subscriber.send(&ack(PUBCOMP, delivery));
        subscriber.nothing_more();
    }
}

/// [MQTT-2.2.1-6] SUBACK and UNSUBACK carry the identifier of the request.
#[test]
fn v5_2_2_1_6() {
    let mut client = Client::new(&broker());
    for id in [1_u16, 65_535] {
        let [high, low] = id.to_be_bytes();
        client.send(&subscribe(id, &[], &[("ids/echo", 0)]));
        client.expect(&[0x90, 4, high, low, 0, 0]);
        client.send(&unsubscribe(id, &["ids/echo"]));
        client.expect(&[0xb0, 4, high, low, 0, 0]);
    }
}

/// [MQTT-2.2.2-1] Where there are no properties a property length of 0 says so.
#[test]
fn v5_2_2_2_1() {
    let broker = broker();
    let mut subscriber = Client::subscribed(&broker, "hdr-1", 1);
    let mut publisher = Client::new(&broker);
    publisher.publish(&Publish::new("hdr-1", "hi").qos(1, 9));
    let packet = subscriber.packet();
    assert_eq!(
        (packet.first, &packet.body[..7]),
        (0x32, &b"\0\x05hdr-1"[..])
    );
    assert_eq!(&packet.body[9..], b"\0hi");
    // The forms without the byte are cut short, and malformed.
    assert_closed_for(&broker, &packet_without_length(0x30), 0x81);
    assert_refused(&broker, &connect_raw(0x02, 60, &[]), 0x81);
}

fn packet_without_length(first: u8) -> Vec<u8> {
    packet(first, &[&text("a")])
}

/// Every property of version 5.0 with a legal value.
fn all_properties() -> Vec<(u8, Vec<u8>)> {
    let mut all = Vec::new();
    for id in [0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2a, 0x0b] {
        all.push((id, vec![id, 1]));
    }
    for id in [0x13, 0x21, 0x22, 0x23] {
        all.push((id, vec![id, 0, 1]));
    }
    for id in [0x02, 0x11, 0x18, 0x27] {
        all.push((id, vec![id, 0, 0, 0x7f, 1]));
    }
    for id in [0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1a, 0x1c, 0x1f] {
        all.push((id, property::string(id, "x")));
    }
    all.push((0x26, property::user_property("k", "v")));
    all
}

/// Properties and identifiers that stand in no table.
const UNKNOWN: [&[u8]; 5] = [
    &[0x00, 0x01],
    &[0x04, 0x01],
    &[0x7f, 0x01],
    &[0x2b, 0x01],
    &[0x80, 0x01, 0x01],
];

/// [U-2.2.2.2-a] A property that is unknown or has no place in the packet makes it malformed.
#[test]
fn v5_u_2_2_2_2_a() {
    let broker = broker();
    let all = all_properties();
    assert_eq!(all.len(), 27, "as many as the standard has");
    let misplaced = |allowed: &'static [u8]| {
        let wrong = all.iter().filter(move |(id, _)| !allowed.contains(id));
        wrong.map(|(_, bytes)| bytes.as_slice()).chain(UNKNOWN)
    };
    for wrong in misplaced(&[0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27]) {
        let connect = Connect::new(fresh("c")).with(wrong);
        assert_refused(&broker, &connect.bytes(), 0x81);
    }
    for wrong in misplaced(&[0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26]) {
        let will = super::packets::Will::new("w", "").with(wrong);
        let connect = Connect::new(fresh("c")).will(will);
        assert_refused(&broker, &connect.bytes(), 0x81);
    }
    for wrong in misplaced(&[0x01, 0x02, 0x03, 0x08, 0x09, 0x0b, 0x23, 0x26]) {
        assert_closed_for(&broker, &Publish::new("a", "x").with(wrong).bytes(), 0x81);
    }
    for first in [PUBACK, PUBREC, PUBREL, PUBCOMP] {
        for wrong in misplaced(&[0x1f, 0x26]) {
            assert_closed_for(&broker, &packet(first, &[&[0, 1, 0], &block(wrong)]), 0x81);
        }
    }
    for wrong in misplaced(&[0x0b, 0x26]) {
        assert_closed_for(&broker, &subscribe(1, wrong, &[("a", 0)]), 0x81);
    }
    for wrong in misplaced(&[0x26]) {
        let body = [&[0, 1][..], &block(wrong), &text("a")].concat();
        assert_closed_for(&broker, &packet(0xa2, &[&body]), 0x81);
    }
    for wrong in misplaced(&[0x11, 0x1c, 0x1f, 0x26]) {
        assert_closed_for(&broker, &packet(0xe0, &[&[0], &block(wrong)]), 0x81);
    }
    for wrong in misplaced(&[0x15, 0x16, 0x1f, 0x26]) {
        assert_closed_for(&broker, &packet(0xf0, &[&[0x19], &block(wrong)]), 0x81);
    }
}

/// [U-2.2.2.2-b] A property length beyond the packet, or one that cuts a property, is malformed.
#[test]
fn v5_u_2_2_2_2_b() {
    let broker = broker();
    let expiry = property::session_expiry(5);
    for (length, properties) in [(6, &expiry[..]), (4, &expiry), (200, &expiry), (1, &[])] {
        let rest = [&[length], properties].concat();
        assert_refused(&broker, &connect_raw(0x02, 60, &rest), 0x81);
    }
    for length in [1, 4, 6, 100] {
        let body = [text("a"), vec![length], property::message_expiry(5)].concat();
        assert_closed_for(&broker, &packet(0x30, &[&body]), 0x81);
    }
    assert_closed_for(&broker, &packet(0xe0, &[&[0, 9], &expiry]), 0x81);
    assert_closed_for(
        &broker,
        &packet(0x82, &[&[0, 1, 9], &text("a"), &[0]]),
        0x81,
    );
}

/// [U-2.4-a] A reason code that the packet does not know is refused.
#[test]
fn v5_u_2_4_a() {
    let broker = broker();
    for first in [PUBACK, PUBREC, PUBREL, PUBCOMP] {
        assert_closed_for(&broker, &ack_with(first, 1, 0x55), 0x82);
    }
    assert_closed_for(&broker, &packet(0xe0, &[&[0x55]]), 0x82);
}
