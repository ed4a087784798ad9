//! Section 3.2: what stands in CONNACK, and the limits it tells of.

use std::sync::Arc;

use mqtt_tests::{Broker, Wire};

use super::client::{
    Client, assert_closed_for, assert_disconnected, assert_refused, broker, broker_with, fresh,
};
use super::connect::guarded_broker;
use super::packets::{Connect, Publish, Will, connect_raw, property, subscribe, text};

/// The reason codes of CONNACK.
const CODES: [u8; 22] = [
    0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97,
    0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f,
];

/// Packets that a guarded broker answers with a CONNACK, from acceptance to all kinds of refusal.
fn connects() -> Vec<Vec<u8>> {
    let login = |connect: Connect| connect.login("ann", b"secret");
    vec![
        login(Connect::new("good")).bytes(),
        login(Connect::new("good").resume().expiry(60)).bytes(),
        login(Connect::new("")).bytes(),
        Connect::new("bad").bytes(),
        Connect::new("bad").login("ann", b"wrong").bytes(),
        login(Connect::new("bad").with(property::receive_maximum(0))).bytes(),
        login(Connect::new("bad").with(property::authentication_method("X"))).bytes(),
        login(Connect::new([0xff])).bytes(),
        login(Connect::new("bad").with([0x7f])).bytes(),
        login(Connect::new("bad").will(Will::new("a/+", ""))).bytes(),
        connect_raw(0x03, 0, &[0, 0, 1, b'a']),
        connect_raw(
            0x1e,
            0,
            &[&[0, 0, 1, b'a', 0][..], &text("w"), &text("")].concat(),
        ),
    ]
}

fn each_connack(check: impl Fn(&mqtt_tests::Packet)) {
    let broker = guarded_broker();
    for connect in connects() {
        let mut wire = Wire::open(&broker);
        wire.send(&connect);
        let connack = wire.packet().expect("an answer to CONNECT");
        assert_eq!(connack.first, 0x20, "{connack:02x?}");
        check(&connack);
    }
}

/// [MQTT-3.2.0-1] CONNACK is the first packet, also where a session has messages waiting.
#[test]
fn v5_3_2_0_1() {
    let broker = broker();
    let connect = Connect::new(fresh("queue")).expiry(60);
    let topic = fresh("t");
    let mut client = Client::connect(&broker, &connect);
    client.subscribe(&topic, 1);
    client.leave();
    let mut publisher = Client::new(&broker);
    for number in 1..=15 {
        publisher.publish(&Publish::new(&topic, "x").qos(1, number));
    }
    let mut client = Client::connect(&broker, &connect.resume());
    assert!(client.session_present());
    for _ in 1..=15 {
        client.take();
    }
    client.nothing_more();
}

/// [MQTT-3.2.0-2] There is one CONNACK in the life of a connection.
#[test]
fn v5_3_2_0_2() {
    let broker = broker();
    let connect = Connect::new(fresh("once")).bytes();
    let mut wire = Wire::open(&broker);
    wire.send(&connect.repeat(2));
    let packets = wire.rest();
    assert!(packets[0].is_type(2), "{packets:02x?}");
    assert_disconnected(&packets[1..], 0x82);
}

/// [MQTT-3.2.2-1] Bits 7 to 1 of the acknowledge flags are 0.
#[test]
fn v5_3_2_2_1() {
    each_connack(|connack| assert!(connack.body[0] <= 1, "{connack:02x?}"));
}

/// [MQTT-3.2.2-2] Clean Start 1 is accepted with Session Present 0, whatever was there.
#[test]
fn v5_3_2_2_2() {
    let broker = broker();
    let connect = Connect::new(fresh("clean")).expiry(60);
    Client::connect(&broker, &connect).leave();
    let again = Client::connect(&broker, &connect);
    assert_eq!(again.connack.body[..2], [0, 0]);
}

/// [MQTT-3.2.2-3] With Clean Start 0, Session Present tells whether there was a session.
#[test]
fn v5_3_2_2_3() {
    let broker = broker();
    let connect = Connect::new(fresh("present")).expiry(60).resume();
    let first = Client::connect(&broker, &connect);
    assert_eq!(first.connack.body[..2], [0, 0]);
    first.leave();
    let second = Client::connect(&broker, &connect);
    assert_eq!(second.connack.body[..2], [1, 0]);
}

/// [MQTT-3.2.2-6] A refusal has Session Present 0, also where there is a session.
#[test]
fn v5_3_2_2_6() {
    let broker = guarded_broker();
    let connect = Connect::new("kept").expiry(60).resume();
    Client::connect(&broker, &connect.clone().login("ann", b"secret")).leave();
    assert_refused(
        &broker,
        &connect.clone().login("ann", b"wrong").bytes(),
        0x87,
    );
    let again = Client::connect(&broker, &connect.login("ann", b"secret"));
    assert!(
        again.session_present(),
        "the refusal left the session alone"
    );
}

/// [MQTT-3.2.2-7] A code of 0x80 or above is followed by the end of the connection.
#[test]
fn v5_3_2_2_7() {
    let broker = guarded_broker();
    let mut refusals = 0;
    for connect in connects() {
        let mut wire = Wire::open(&broker);
        wire.send(&connect);
        let connack = wire.packet().expect("an answer to CONNECT");
        if connack.body[1] >= 0x80 {
            wire.expect_closed();
            refusals += 1;
        }
    }
    assert_eq!(refusals, 9);
}

/// [MQTT-3.2.2-8] The reason code is one of those listed for CONNACK.
#[test]
fn v5_3_2_2_8() {
    each_connack(|connack| assert!(CODES.contains(&connack.body[1]), "{connack:02x?}"));
}

fn maximum_qos(broker: &Arc<Broker>) -> Option<Vec<u8>> {
    Client::new(broker).connack_property(0x24)
}

/// [MQTT-3.2.2-9] A broker limited to QoS 0 or 1 says so; QoS 2 is told by silence.
#[test]
fn v5_3_2_2_9() {
    assert_eq!(maximum_qos(&broker_with("max_qos 0")), Some(vec![0]));
    assert_eq!(maximum_qos(&broker_with("max_qos 1")), Some(vec![1]));
    assert_eq!(maximum_qos(&broker_with("max_qos 2")), None);
}

/// [MQTT-3.2.2-10] It still takes subscriptions of any QoS.
#[test]
fn v5_3_2_2_10() {
    let broker = broker_with("max_qos 0");
    let mut client = Client::new(&broker);
    client.send(&subscribe(1, &[], &[("a", 0), ("b", 1), ("c", 2)]));
    let suback = client.packet();
    assert_eq!(suback.body[..3], [0, 1, 0]);
    let granted = &suback.body[3..];
    assert!(
        granted.len() == 3 && granted.iter().all(|code| *code <= 2),
        "{suback:02x?}"
    );
    client.send(&Publish::new("c", "x").bytes());
    assert_eq!(client.message().text(), "x");
}

/// [MQTT-3.2.2-11] A PUBLISH above the Maximum QoS is answered with DISCONNECT 0x9B.
#[test]
fn v5_3_2_2_11() {
    let broker = broker_with("max_qos 0");
    assert_closed_for(&broker, &Publish::new("a", "x").qos(1, 1).bytes(), 0x9b);
    assert_closed_for(&broker, &Publish::new("a", "x").qos(2, 1).bytes(), 0x9b);
}

/// [U-3.2.2.3.4-a] The same with a Maximum QoS of 1.
#[test]
fn v5_u_3_2_2_3_4_a() {
    let broker = broker_with("max_qos 1");
    assert_closed_for(&broker, &Publish::new("a", "x").qos(2, 1).bytes(), 0x9b);
    Client::new(&broker).publish(&Publish::new("a", "x").qos(1, 1));
}

/// [MQTT-3.2.2-12] A will above the Maximum QoS is refused with 0x9B.
#[test]
fn v5_3_2_2_12() {
    let broker = broker_with("max_qos 0");
    let connect = Connect::new("w").will(Will::new("w", "").qos(1));
    assert_refused(&broker, &connect.bytes(), 0x9b);
}

/// [MQTT-3.2.2-13] A retained will is refused with 0x9A where there are no retained messages.
#[test]
fn v5_3_2_2_13() {
    let broker = broker_with("retain_available false");
    assert_eq!(Client::new(&broker).connack_property(0x25), Some(vec![0]));
    let connect = Connect::new("w").will(Will::new("w", "").retained());
    assert_refused(&broker, &connect.bytes(), 0x9a);
}

/// [MQTT-3.2.2-14] A retained PUBLISH gets DISCONNECT 0x9A there.
#[test]
fn v5_3_2_2_14() {
    let broker = broker_with("retain_available false");
    for qos in 0..3 {
        let publish = Publish::new("a", "x").retained().qos(qos, 1);
        assert_closed_for(&broker, &publish.bytes(), 0x9a);
    }
}

/// [U-3.2.2.3.5-a] Also one that would only delete; a plain one is welcome.
#[test]
fn v5_u_3_2_2_3_5_a() {
    let broker = broker_with("retain_available false");
    assert_closed_for(&broker, &Publish::new("a", "").retained().bytes(), 0x9a);
    Client::new(&broker).publish(&Publish::new("a", "x"));
}

/// [MQTT-3.2.2-15] A packet above the broker's Maximum Packet Size gets DISCONNECT 0x95.
#[test]
fn v5_3_2_2_15() {
    let broker = broker_with("max_packet_size 100");
    assert_eq!(
        Client::new(&broker).connack_property(0x27),
        Some(vec![0, 0, 0, 100])
    );
    // 2 bytes of fixed header, 3 of topic, 1 of properties.
    Client::new(&broker).publish(&Publish::new("a", "x".repeat(94)));
    assert_closed_for(&broker, &Publish::new("a", "x".repeat(95)).bytes(), 0x95);
}

/// [U-3.2.2.3.6-a] The fixed header alone is enough to refuse it.
#[test]
fn v5_u_3_2_2_3_6_a() {
    let broker = broker_with("max_packet_size 1048576");
    // A PUBLISH of 2 MiB of which not a byte follows.
    assert_closed_for(&broker, &[0x30, 0x80, 0x80, 0x80, 0x01], 0x95);
}

/// [MQTT-3.2.2-16] Assigned Client Identifier is there for an empty identifier and only then.
#[test]
fn v5_3_2_2_16() {
    let broker = broker();
    let assigned = Client::connect(&broker, &Connect::new(""));
    let id = assigned.connack_property(0x12).expect("an assigned id");
    assert!(id.len() > 2, "not an empty one");
    assert_eq!(Client::new(&broker).connack_property(0x12), None);
}

/// [MQTT-3.2.2-17] An alias above the broker's Topic Alias Maximum gets DISCONNECT 0x94.
#[test]
fn v5_3_2_2_17() {
    let broker = broker_with("max_topic_alias 3");
    assert_eq!(
        Client::new(&broker).connack_property(0x22),
        Some(vec![0, 3])
    );
    let publish = |alias| Publish::new("a", "x").with(property::topic_alias(alias));
    Client::new(&broker).publish(&publish(3));
    assert_closed_for(&broker, &publish(4).bytes(), 0x94);
    let none = broker_with("max_topic_alias 0");
    assert_closed_for(&none, &publish(1).bytes(), 0x94);
}

/// [MQTT-3.2.2-19] A refusal to a client of small packets is no larger than the client takes.
#[test]
fn v5_3_2_2_19() {
    let broker = guarded_broker();
    let connect = Connect::new("small").with(property::maximum_packet_size(30));
    let mut wire = Wire::open(&broker);
    wire.send(&connect.login("ann", b"wrong").bytes());
    let connack = wire.packet().expect("a CONNACK");
    assert_eq!(connack.body[..2], [0, 0x87]);
    assert!(connack.body.len() + 2 <= 30, "{connack:02x?}");
    wire.expect_closed();
}

/// [MQTT-3.2.2-20] Neither is one that could carry User Properties.
#[test]
fn v5_3_2_2_20() {
    let broker = guarded_broker();
    let connect = Connect::new("small").with(property::maximum_packet_size(5));
    let mut wire = Wire::open(&broker);
    wire.send(&connect.login("ann", b"wrong").bytes());
    let packets = wire.rest();
    assert!(
        packets.iter().all(|packet| packet.body.len() + 2 <= 5),
        "{packets:02x?}"
    );
}

/// [MQTT-3.1.2-28] Nobody gets Response Information who did not ask for it.
#[test]
fn v5_3_1_2_28() {
    let broker = broker();
    let plain = Client::new(&broker);
    assert_eq!(plain.connack_property(0x1a), None);
    let connect = Connect::new(fresh("c")).with(property::request_response_information(0));
    let refusing = Client::connect(&broker, &connect);
    assert_eq!(refusing.connack_property(0x1a), None);
}

/// [U-3.2.2.3.2-a] A session expiry above the configured maximum is lowered, and CONNACK says so.
#[test]
fn v5_u_3_2_2_3_2_a() {
    let broker = broker_with("persistent_client_expiration 2s");
    let connect = Connect::new("capped").expiry(3600);
    let client = Client::connect(&broker, &connect);
    assert_eq!(client.connack_property(0x11), Some(vec![0, 0, 0, 2]));
    client.leave();
    super::client::let_pass(4000);
    let again = Client::connect(&broker, &connect.resume());
    assert!(!again.session_present());
}
