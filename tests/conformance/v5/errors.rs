//! Section 4.13: what the broker does about packets that are wrong.

use mqtt_tests::{Level, Wire};

use super::client::{Client, assert_closed_for, assert_refused, broker, fresh};
use super::packets::{
    Connect, PUBACK, PUBCOMP, PUBREC, PUBREL, Publish, Will, ack, block, connect_raw, disconnect,
    packet, property, subscribe, text, unsubscribe,
};

/// Wrong packets after a CONNECT that was accepted, by the reason code they deserve.
fn wrong_packets() -> Vec<(u8, Vec<u8>)> {
    let mut all = malformed_packets();
    all.extend(protocol_errors());
    all
}

/// Packets that cannot be parsed.
fn malformed_packets() -> Vec<(u8, Vec<u8>)> {
    let mut malformed: Vec<Vec<u8>> = vec![
        vec![0x00, 0x00],
        vec![0x36, 0x00],
        vec![0x30, 0x80, 0x80, 0x80, 0x80],
        vec![0x30, 0x00],
        vec![0x30, 0x01, 0x00],
        packet(0x30, &[&text("a")]),
        packet(0x32, &[&text("a"), &[0]]),
        packet(0x30, &[&[0, 5], b"a"]),
        packet(0x30, &[&text("a"), &[5, 1]]),
        packet(0x30, &[&text("a"), &[2, 0x7f, 1]]),
        packet(0x30, &[&text("a"), &block(&property::session_expiry(1))]),
        Publish::new([0xff], "x").bytes(),
        Publish::new("a\0", "x").bytes(),
        Publish::new("a", "x").dup().bytes(),
        packet(0x82, &[&[0, 1]]),
        packet(0x82, &[&[0, 1, 0], &text("a")]),
        packet(0x82, &[&[0, 1, 0], &[0, 9], b"a"]),
        subscribe(1, &[], &[("a", 0x40)]),
        subscribe(1, &[], &[("a", 0x80)]),
        subscribe(1, &[], &[("a\0", 0)]),
        packet(0xa2, &[&[0, 1]]),
        packet(0xa2, &[&[0, 1, 0], &[0, 9], b"a"]),
        unsubscribe(1, &["a\0"]),
        vec![0xc0, 0x01, 0x00],
        packet(0xe0, &[&[0x00, 0x05, 0x11]]),
        packet(0xf0, &[&[0x19, 0x05, 0x15]]),
    ];
    for first in [PUBACK, PUBREC, PUBREL, PUBCOMP] {
        malformed.push(packet(first, &[]));
        malformed.push(packet(first, &[&[0]]));
        malformed.push(packet(first, &[&[0, 1, 0, 5, 0x1f]]));
        malformed.push(packet(
            first,
            &[&[0, 1, 0], &block(&property::content_type("x"))],
        ));
        malformed.push(packet(first, &[&[0, 1, 0, 0, 0]]));
    }
    for (first, flags) in [
        (0x40, 1),
        (0x50, 8),
        (0x60, 0),
        (0x70, 2),
        (0xc0, 3),
        (0xe0, 5),
    ] {
        malformed.push(vec![first | flags, 0x02, 0, 1]);
    }
    malformed.into_iter().map(|bytes| (0x81, bytes)).collect()
}

/// Packets that can be parsed and are not allowed here.
fn protocol_errors() -> Vec<(u8, Vec<u8>)> {
    let twice = |property: Vec<u8>| Publish::new("a", "x").with(property.repeat(2)).bytes();
    let with = |property: Vec<u8>| Publish::new("a", "x").with(property).bytes();
    let identifier = property::subscription_identifier;
    vec![
        (0x82, Connect::new("again").bytes()),
        (0x82, vec![0x20, 0x03, 0, 0, 0]),
        (0x82, vec![0x90, 0x04, 0, 1, 0, 0]),
        (0x82, vec![0xb0, 0x04, 0, 1, 0, 0]),
        (0x82, vec![0xd0, 0x00]),
        (0x82, Publish::new("", "x").bytes()),
        (0x82, Publish::new("a", "x").qos(1, 0).bytes()),
        (0x82, with(identifier(1))),
        (0x82, with(property::payload_format(2))),
        (0x82, with(property::response_topic("a/+"))),
        (0x82, twice(property::payload_format(1))),
        (0x82, twice(property::message_expiry(1))),
        (0x82, twice(property::content_type("x"))),
        (0x82, twice(property::response_topic("x"))),
        (0x82, twice(property::correlation_data(b"x"))),
        (0x82, twice(property::topic_alias(1))),
        (
            0x82,
            Publish::new("", "x").with(property::topic_alias(1)).bytes(),
        ),
        (0x94, with(property::topic_alias(0))),
        (0x94, with(property::topic_alias(65_535))),
        (0x90, Publish::new("a/#", "x").bytes()),
        (0x90, Publish::new("+", "x").bytes()),
        (0x95, vec![0x30, 0xff, 0xff, 0xff, 0x7f]),
        (0x82, subscribe(0, &[], &[("a", 0)])),
        (0x82, subscribe(1, &[], &[])),
        (0x82, subscribe(1, &[], &[("a", 3)])),
        (0x82, subscribe(1, &[], &[("a", 0x30)])),
        (0x82, subscribe(1, &[], &[("$share/g/a", 4)])),
        (0x82, subscribe(1, &identifier(0), &[("a", 0)])),
        (0x82, subscribe(1, &identifier(1).repeat(2), &[("a", 0)])),
        (0x82, unsubscribe(0, &["a"])),
        (0x82, unsubscribe(1, &[])),
        (0x82, ack(PUBACK, 0)),
        (0x82, ack(PUBREL, 0)),
        (0x82, disconnect(0, &property::session_expiry(1))),
        (0x82, disconnect(0, &property::session_expiry(0).repeat(2))),
        (0x82, disconnect(0, &property::reason_string("x").repeat(2))),
        (0x82, disconnect(0x8b, &[])),
        (0x82, vec![0xf0, 0x00]),
    ]
}

/// Wrong CONNECT packets, by the reason code they deserve.
fn wrong_connects() -> Vec<(u8, Vec<u8>)> {
    let rest = [vec![0], text("c")].concat();
    let with = |property: Vec<u8>| Connect::new("c").with(property).bytes();
    let will = |will: Will| Connect::new("c").will(will).bytes();
    vec![
        (0x81, connect_raw(0x03, 60, &rest)),
        (0x81, connect_raw(0x0a, 60, &rest)),
        (0x81, connect_raw(0x22, 60, &rest)),
        (0x81, connect_raw(0x82, 60, &rest)),
        (0x81, connect_raw(0x42, 60, &rest)),
        (0x81, connect_raw(0x06, 60, &rest)),
        (
            0x81,
            connect_raw(0x02, 60, &[rest.clone(), vec![0]].concat()),
        ),
        (0x81, with(vec![0x7f, 1])),
        (0x81, with(property::topic_alias(1))),
        (
            0x81,
            will(Will::new("w", "").with(property::topic_alias(1))),
        ),
        (0x81, will(Will::new([0xff], ""))),
        (0x81, will(Will::new("w", "").qos(3))),
        (0x82, with(property::receive_maximum(0))),
        (0x82, with(property::maximum_packet_size(0))),
        (0x82, with(property::session_expiry(1).repeat(2))),
        (0x82, with(property::request_problem_information(2))),
        (0x82, will(Will::new("w", "").delay(1).delay(1))),
        (0x8c, with(property::authentication_method("X"))),
    ]
}

/// [MQTT-4.13.1-1] A Malformed Packet or a Protocol Error closes the connection, with its code.
#[test]
fn v5_4_13_1_1() {
    let broker = broker();
    let wrong = wrong_packets();
    let connects = wrong_connects();
    assert!(
        wrong.len() + connects.len() >= 100,
        "{}",
        wrong.len() + connects.len()
    );
    for (code, bytes) in wrong {
        assert_closed_for(&broker, &bytes, code);
    }
    for (code, bytes) in connects {
        assert_refused(&broker, &bytes, code);
    }
}

/// [MQTT-4.13.2-1] A CONNACK or DISCONNECT of 0x80 or above is the last packet of its connection.
#[test]
fn v5_4_13_2_1() {
    let broker = broker();
    for (_, bytes) in wrong_connects() {
        let mut wire = Wire::open(&broker);
        wire.send(&[bytes, vec![0xc0, 0x00]].concat());
        let packets = wire.rest();
        assert_eq!(packets.len(), 1, "{packets:02x?}");
        assert!(
            packets[0].is_type(2) && packets[0].body[1] >= 0x80,
            "{packets:02x?}"
        );
    }
    for (_, bytes) in protocol_errors() {
        let mut client = Client::new(&broker);
        client.send(&[bytes, vec![0xc0, 0x00]].concat());
        let packets = client.rest();
        assert_eq!(packets.len(), 1, "{packets:02x?}");
        assert!(
            packets[0].is_type(14) && packets[0].body[0] >= 0x80,
            "{packets:02x?}"
        );
    }
}

/// [U-4.13.1-a] An error on one connection leaves the others alone.
#[test]
fn v5_u_4_13_1_a() {
    let broker = broker();
    let topic = fresh("calm");
    let mut subscriber = Client::subscribed(&broker, &topic, 1);
    let mut publisher = Client::new(&broker);
    for number in 1..=50_u16 {
        assert_closed_for(&broker, &[0x36, 0x00], 0x81);
        publisher.publish(&Publish::new(&topic, number.to_string()).qos(1, number));
        assert_eq!(subscriber.take().text(), number.to_string());
    }
    subscriber.nothing_more();
}

/// [U-4.13.1-b] The code is told in CONNACK or DISCONNECT, the latter never to a client of 3.1 or
/// 3.1.1.
#[test]
fn v5_u_4_13_1_b() {
    let broker = broker();
    assert_closed_for(&broker, &[0x36, 0x00], 0x81);
    assert_closed_for(&broker, &[0xd0, 0x00], 0x82);
    for level in [Level::V3, Level::V4] {
        for wrong in [
            &[0x36, 0x00][..],
            &[0xd0, 0x00],
            &[0x80, 0x00],
            &[0xf0, 0x00],
            &[0xff; 8],
        ] {
            let connect = mqtt_tests::connect(level, &fresh("old"));
            let mut wire = Wire::greeted(&broker, &connect);
            wire.send(wrong);
            wire.expect_closed();
        }
        let connect = mqtt_tests::connect(level, &fresh("old"));
        let mut old = Wire::greeted(&broker, &connect);
        let _new = Wire::greeted(&broker, &connect);
        old.expect_closed();
    }
}
