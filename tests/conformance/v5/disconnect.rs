//! Section 3.14: DISCONNECT, from either side.

use std::time::Duration;

use mqtt_tests::{Deadline, Packet, Signal, Wire};

use super::client::{Client, assert_closed_for, broker, broker_with, fresh};
use super::connect::guarded_broker;
use super::message::properties_of;
use super::packets::{
    Connect, PINGREQ, Publish, Will, block, connect_raw, disconnect, packet, property, subscribe,
    text,
};

/// Reason codes of DISCONNECT that a server may send.
const CODES: [u8; 27] = [
    0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96,
    0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0xa0, 0xa1, 0xa2,
];

/// Makes the broker send a DISCONNECT for each reason it knows, and gives what came after CONNACK.
fn each_farewell(check: impl Fn(&[Packet])) {
    let broker =
        broker_with("max_packet_size 200\nmax_inflight_messages 1\nretain_available false");
    let wrong: [Vec<u8>; 9] = [
        vec![0x36, 0x00],
        vec![0xd0, 0x00],
        Publish::new("a/#", "x").bytes(),
        Publish::new("a", "x")
            .with(property::topic_alias(0))
            .bytes(),
        Publish::new("a", "x".repeat(300)).bytes(),
        Publish::new("a", "x").retained().bytes(),
        subscribe(1, &[], &[("a", 0x40)]),
        subscribe(1, &[], &[("$share/g/a", 0x04)]),
        disconnect(0, &property::session_expiry(9)),
    ];
    for bytes in wrong {
        let mut client = Client::new(&broker);
        client.send(&bytes);
        check(&client.rest());
    }
    let idle = Client::connect(&broker, &Connect::new("idle").keep_alive(1));
    check(&idle.rest());
    let old = Client::connect(&broker, &Connect::new("taken"));
    let _new = Client::connect(&broker, &Connect::new("taken"));
    check(&old.rest());
    let last = Client::new(&broker);
    broker.signal(Signal::SIGTERM);
    check(&last.rest());
}

/// [MQTT-3.14.0-1] The broker sends no DISCONNECT before a CONNACK that accepts.
#[test]
fn v5_3_14_0_1() {
    let broker = guarded_broker();
    let misplaced = block(&[0x24, 0x01]);
    for bytes in [
        PINGREQ.to_vec(),
        vec![0xe0, 0x00],
        vec![0xff; 8],
        vec![0x36, 0x00],
        Connect::new("a").bytes(),
        Connect::new("a").login("ann", b"wrong").bytes(),
        connect_raw(0x03, 0, &[0, 0, 1, b'a']),
        connect_raw(0x02, 0, &[misplaced, text("a")].concat()),
    ] {
        let mut wire = Wire::open(&broker);
        wire.send(&bytes);
        for packet in wire.rest() {
            assert!(
                packet.is_type(2),
                "CONNACK or nothing: {packet:02x?} for {bytes:02x?}"
            );
        }
    }
}

/// [MQTT-3.14.1-1] The reserved flags of DISCONNECT are 0; with others the will is due.
#[test]
fn v5_3_14_1_1() {
    let broker = broker();
    let topic = fresh("will");
    let mut watcher = Client::subscribed(&broker, &topic, 0);
    let connect = Connect::new(fresh("c")).will(Will::new(&topic, "gone"));
    let mut client = Client::connect(&broker, &connect);
    client.send(&[0xe1, 0x00]);
    client.expect_disconnect(0x81);
    assert_eq!(watcher.message().text(), "gone");
}

/// [MQTT-3.14.2-1] DISCONNECT has only its own reason codes.
#[test]
fn v5_3_14_2_1() {
    each_farewell(|packets| {
        assert_eq!(packets.len(), 1, "{packets:02x?}");
        let code = packets[0].byte(0).unwrap_or(0);
        assert!(
            packets[0].first == 0xe0 && CODES.contains(&code),
            "{packets:02x?}"
        );
    });
    for code in [0x01, 0x10, 0x55, 0x86, 0xff] {
        assert_closed_for(&broker(), &packet(0xe0, &[&[code]]), 0x82);
    }
}

/// [MQTT-3.14.2-2] That of a server has no Session Expiry Interval.
#[test]
fn v5_3_14_2_2() {
    each_farewell(|packets| {
        let properties = packets[0].body.get(1..).filter(|rest| !rest.is_empty());
        let properties = properties.map_or_else(Vec::new, |rest| properties_of(rest).0);
        assert!(
            properties.iter().all(|(id, _)| *id != 0x11),
            "{packets:02x?}"
        );
    });
}

/// [MQTT-3.14.4-1] Nothing follows a DISCONNECT; what a client sends behind it is not processed.
#[test]
fn v5_3_14_4_1() {
    each_farewell(|packets| assert_eq!(packets.len(), 1, "{packets:02x?}"));
    let broker = broker();
    let topic = fresh("t");
    let mut watcher = Client::subscribed(&broker, &topic, 0);
    let mut client = Client::new(&broker);
    let late = Publish::new(&topic, "late").qos(1, 1).retained().bytes();
    client.send(&[vec![0xe0, 0x00], late.clone()].concat());
    assert_eq!(client.rest(), []);
    let mut client = Client::new(&broker);
    client.send(&[vec![0xd0, 0x00], late].concat());
    client.expect_disconnect(0x82);
    watcher.nothing_more();
    Client::subscribed(&broker, &topic, 0).nothing_more();
}

/// [MQTT-3.14.4-2] Who sends a DISCONNECT closes the connection.
#[test]
fn v5_3_14_4_2() {
    let broker = broker();
    let mut wire = Wire::greeted(&broker, &Connect::new(fresh("c")).bytes());
    wire.send(&[0xd0, 0x00]);
    let farewell = wire.packet().expect("a DISCONNECT");
    assert_eq!((farewell.first, farewell.byte(0)), (0xe0, Some(0x82)));
    let since = Deadline::start();
    wire.expect_closed();
    // A second is what the standard's spirit asks for; the rest is for a busy machine.
    assert!(
        since.elapsed() < Duration::from_secs(5),
        "closed after {:?}",
        since.elapsed()
    );
}

/// [U-3.14.2.1-a] A remaining length of 0 means 0x00, and one of 1 no properties.
#[test]
fn v5_u_3_14_2_1_a() {
    let broker = broker();
    let topic = fresh("will");
    let mut watcher = Client::subscribed(&broker, &topic, 0);
    for (bytes, gone) in [
        (&[0xe0, 0][..], false),
        (&[0xe0, 1, 0], false),
        (&[0xe0, 1, 4], true),
    ] {
        let connect = Connect::new(fresh("c")).will(Will::new(&topic, "gone"));
        let mut client = Client::connect(&broker, &connect);
        client.send(bytes);
        assert_eq!(client.rest(), []);
        if gone {
            assert_eq!(watcher.message().text(), "gone");
        }
        watcher.nothing_more();
    }
}

/// [U-3.14.2.2.2-c] Session Expiry Interval twice.
#[test]
fn v5_u_3_14_2_2_2_c() {
    let twice = property::session_expiry(1).repeat(2);
    let broker = broker();
    let mut client = Client::connect(&broker, &Connect::new(fresh("c")).expiry(60));
    client.send(&disconnect(0, &twice));
    client.expect_disconnect(0x82);
}

/// At its end the broker says so to clients of version 5.0.
#[test]
fn a_shutdown_is_announced() {
    let broker = broker_with("");
    let client = Client::new(&broker);
    broker.signal(Signal::SIGTERM);
    client.expect_disconnect(0x8b);
}
