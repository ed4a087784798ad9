//! Section 3.1: CONNECT, what is accepted and what is refused how.

use std::sync::Arc;

use mqtt_tests::{Broker, Deadline, Setup, Tool, Wire};

use super::client::{Client, assert_refused, broker, broker_with, fresh, start};
use super::packets::{
    Connect, PINGREQ, PUBREL, Publish, Will, ack, block, connect_raw, packet, property, subscribe,
    text, unsubscribe,
};

/// [MQTT-3.1.0-1] The first packet is CONNECT; after any other the broker closes without a word.
#[test]
fn v5_3_1_0_1() {
    let broker = broker();
    for first in [
        Publish::new("early", "x").bytes(),
        Publish::new("early", "x").qos(1, 1).bytes(),
        subscribe(1, &[], &[("early", 0)]),
        unsubscribe(1, &["early"]),
        PINGREQ.to_vec(),
        ack(PUBREL, 1),
        vec![0xe0, 0x00],
        vec![0xf0, 0x00],
        vec![0x20, 0x03, 0, 0, 0],
    ] {
        let mut wire = Wire::open(&broker);
        wire.send(&first);
        wire.expect_closed();
    }
}

/// [MQTT-3.1.0-2] A second CONNECT is a Protocol Error.
#[test]
fn v5_3_1_0_2() {
    let connect = Connect::new(fresh("twice"));
    let mut client = Client::connect(&broker(), &connect);
    client.send(&connect.bytes());
    client.expect_disconnect(0x82);
}

/// [MQTT-3.1.2-1] Another protocol name is refused with 0x84 or without a word.
#[test]
fn v5_3_1_2_1() {
    let broker = broker();
    for name in ["MQTX", "mqtt", "", "MQTTT", "MQIsdp"] {
        let mut wire = Wire::open(&broker);
        let body = [text(name), vec![5, 2, 0, 60, 0], text(fresh("n"))].concat();
        wire.send(&packet(0x10, &[&body]));
        for answer in wire.rest() {
            let told = [&[0x00, 0x84][..], &[0x00, 0x01]].contains(&&answer.body[..2]);
            assert!(answer.first == 0x20 && told, "{name}: {answer:02x?}");
        }
    }
}

/// [MQTT-3.1.2-2] A level that the broker does not know is refused.
#[test]
fn v5_3_1_2_2() {
    let broker = broker();
    for level in [0, 1, 2, 6, 7, 255] {
        let mut wire = Wire::open(&broker);
        let body = [text("MQTT"), vec![level, 2, 0, 60, 0], text(fresh("n"))].concat();
        wire.send(&packet(0x10, &[&body]));
        wire.expect_hex("20 02 00 01");
        wire.expect_closed();
    }
}

/// [MQTT-3.1.2-3] The reserved connect flag is 0.
#[test]
fn v5_3_1_2_3() {
    let rest = [vec![0], text(fresh("flag"))].concat();
    assert_refused(&broker(), &connect_raw(0x03, 60, &rest), 0x81);
}

/// [MQTT-3.1.2-16] Without User Name Flag there is no user name, and nothing after the last field.
#[test]
fn v5_3_1_2_16() {
    let rest = [vec![0], text(fresh("c")), text("user")].concat();
    assert_refused(&broker(), &connect_raw(0x02, 60, &rest), 0x81);
}

/// [MQTT-3.1.2-17] With User Name Flag there is one.
#[test]
fn v5_3_1_2_17() {
    let rest = [vec![0], text(fresh("c"))].concat();
    assert_refused(&broker(), &connect_raw(0x82, 60, &rest), 0x81);
}

/// [MQTT-3.1.2-18] Without Password Flag there is no password.
#[test]
fn v5_3_1_2_18() {
    let rest = [vec![0], text(fresh("c")), text("user"), text("secret")].concat();
    assert_refused(&broker(), &connect_raw(0x82, 60, &rest), 0x81);
}

/// [MQTT-3.1.2-19] With Password Flag there is a password; it may stand without a user name.
#[test]
fn v5_3_1_2_19() {
    let broker = broker();
    let id = [vec![0], text(fresh("c"))].concat();
    assert_refused(&broker, &connect_raw(0x42, 60, &id), 0x81);
    let user = [id.clone(), text("user")].concat();
    assert_refused(&broker, &connect_raw(0xc2, 60, &user), 0x81);
    let mut wire = Wire::open(&broker);
    wire.send(&connect_raw(0x42, 60, &[id, text("secret")].concat()));
    let connack = wire.packet().expect("an answer");
    assert_eq!(
        (connack.first, connack.byte(1)),
        (0x20, Some(0)),
        "{connack:02x?}"
    );
}

/// [MQTT-3.1.3-1] The payload is client identifier, will properties, will topic, will payload, user
/// name and password, in this order.
#[test]
fn v5_3_1_3_1() {
    let broker = guarded_broker();
    let connect = |id: &str| Connect::new(id).login("ann", b"secret");
    let mut watcher = Client::connect(&broker, &connect("watcher"));
    watcher.subscribe("gone/ann", 0);
    let id = text("mourned");
    let will = [
        block(&property::content_type("text")),
        text("gone/ann"),
        text("bye"),
    ]
    .concat();
    let login = [text("ann"), text("secret")].concat();
    let rest = [vec![0], id, will, login].concat();
    let mut wire = Wire::open(&broker);
    wire.send(&connect_raw(0xc6, 60, &rest));
    let connack = wire.packet().expect("an answer");
    assert_eq!(
        (connack.first, connack.byte(1)),
        (0x20, Some(0)),
        "{connack:02x?}"
    );
    Client::connect(&broker, &connect("mourned")).leave();
    let message = watcher.message();
    assert_eq!(message.text(), "bye");
    assert_eq!(message.properties, [(0x03, text("text"))]);
}

/// [MQTT-3.1.3-3] The client identifier comes first in the payload and is never left out.
#[test]
fn v5_3_1_3_3() {
    assert_refused(&broker(), &connect_raw(0x02, 60, &[0]), 0x81);
}

/// [MQTT-3.1.3-4] The client identifier is a UTF-8 string.
#[test]
fn v5_3_1_3_4() {
    assert_refused(&broker(), &Connect::new([0xff, 0xfe]).bytes(), 0x81);
}

/// [MQTT-3.1.3-5] Identifiers of 1 to 23 letters and digits are accepted.
#[test]
fn v5_3_1_3_5() {
    let broker = broker();
    for id in [
        "7",
        "0123456789abcdefghijklm",
        "nopqrstuvwxyzABCDEFGHIJ",
        "KLMNOPQRSTUVWXYZ",
    ] {
        let mut client = Client::connect(&broker, &Connect::new(id));
        client.nothing_more();
    }
}

/// [MQTT-3.1.3-6] An empty identifier gets one that nobody else has.
#[test]
fn v5_3_1_3_6() {
    let broker = broker();
    let mut first = Client::connect(&broker, &Connect::new(""));
    let mut second = Client::connect(&broker, &Connect::new(""));
    let ids = [&first, &second].map(|client| client.connack_property(0x12).expect("an id"));
    assert_ne!(ids[0], ids[1]);
    first.nothing_more();
    second.nothing_more();
}

/// [MQTT-3.1.3-7] CONNACK returns the assigned identifier, and the session runs under it.
#[test]
fn v5_3_1_3_7() {
    let broker = broker();
    let client = Client::connect(&broker, &Connect::new("").expiry(60));
    let assigned = client.connack_property(0x12).expect("an assigned id");
    client.leave();
    let id = &assigned[2..];
    let again = Client::connect(&broker, &Connect::new(id).resume());
    assert!(again.session_present());
}

/// [MQTT-3.1.3-8] An identifier that the broker does not take is refused with 0x85.
#[test]
fn v5_3_1_3_8() {
    let broker = broker_with("allow_zero_length_clientid false");
    assert_refused(&broker, &Connect::new("").bytes(), 0x85);
}

/// [MQTT-3.1.3-11] The will topic is a UTF-8 string.
#[test]
fn v5_3_1_3_11() {
    let connect = Connect::new(fresh("c")).will(Will::new([b'w', 0xc3, 0x28], ""));
    assert_refused(&broker(), &connect.bytes(), 0x81);
}

/// [MQTT-3.1.3-12] The user name is a UTF-8 string.
#[test]
fn v5_3_1_3_12() {
    let connect = Connect::new(fresh("c")).login([0xed, 0xa0, 0x80], b"secret");
    assert_refused(&broker(), &connect.bytes(), 0x81);
}

/// [MQTT-3.1.4-1] A CONNECT cut anywhere, or with something behind it, is refused.
#[test]
fn v5_3_1_4_1() {
    let broker = broker();
    let whole = Connect::new(fresh("cut"))
        .expiry(5)
        .with(property::user_property("k", "v"))
        .will(Will::new("w", "gone").delay(5))
        .login("user", b"secret")
        .bytes();
    let body = &whole[2..];
    for length in 0..body.len() {
        let mut wire = Wire::open(&broker);
        wire.send(&packet(0x10, &[&body[..length]]));
        let answer = wire.rest();
        let malformed = answer
            .iter()
            .all(|packet| packet.first == 0x20 && packet.body[..2] == [0, 0x81]);
        // Before the level is known nobody can say which form of CONNACK is understood.
        let told = answer.len() == usize::from(length >= 7) || length < 7 && answer.is_empty();
        assert!(malformed && told, "cut after {length}: {answer:02x?}");
    }
    assert_refused(&broker, &packet(0x10, &[body, &[0]]), 0x81);
}

/// A broker with one user, `ann`, whose password is `secret`.
pub(crate) fn guarded_broker() -> Arc<Broker> {
    start(|| {
        let setup = Setup::new().file("passwords", "");
        let tool = Tool::passwd().arg("-b").arg(setup.path("passwords"));
        let _ = tool.args(["ann", "secret"]).run().succeeded();
        setup.listening("allow_anonymous false\nshards 1\npassword_file {folder}/passwords")
    })
}

/// [MQTT-3.1.4-2] Who fails a check is refused and the connection closed.
#[test]
fn v5_3_1_4_2() {
    let broker = guarded_broker();
    assert_refused(
        &broker,
        &Connect::new("a").login("ann", b"wrong").bytes(),
        0x87,
    );
    assert_refused(
        &broker,
        &Connect::new("b").login("bob", b"secret").bytes(),
        0x87,
    );
    assert_refused(&broker, &Connect::new("c").bytes(), 0x87);
    Client::connect(&broker, &Connect::new("d").login("ann", b"secret")).nothing_more();
}

/// [MQTT-3.1.4-3] The older connection of a client identifier gets DISCONNECT 0x8E and is closed.
#[test]
fn v5_3_1_4_3() {
    let broker = broker();
    let connect = Connect::new(fresh("takeover"));
    let old = Client::connect(&broker, &connect);
    let mut new = Client::connect(&broker, &connect);
    old.expect_disconnect(0x8e);
    new.nothing_more();
}

/// [MQTT-3.1.4-4] Clean Start counts in a takeover as at any time.
#[test]
fn v5_3_1_4_4() {
    let broker = broker();
    let connect = Connect::new(fresh("takeover")).expiry(60);
    let topic = fresh("kept");
    let mut old = Client::connect(&broker, &connect);
    old.subscribe(&topic, 1);
    let mut resumed = Client::connect(&broker, &connect.clone().resume());
    assert!(resumed.session_present());
    old.expect_disconnect(0x8e);
    Client::new(&broker).publish(&Publish::new(&topic, "x").qos(1, 1));
    assert_eq!(resumed.take().text(), "x");
    let mut clean = Client::connect(&broker, &connect);
    assert!(!clean.session_present());
    resumed.expect_disconnect(0x8e);
    Client::new(&broker).publish(&Publish::new(&topic, "y").qos(1, 1));
    clean.nothing_more();
}

/// [MQTT-3.1.4-5] Success is CONNACK with 0x00.
#[test]
fn v5_3_1_4_5() {
    let client = Client::new(&broker());
    assert_eq!(client.connack.first, 0x20);
    assert_eq!(client.connack.body[..2], [0, 0]);
}

/// [MQTT-3.1.4-6] Nothing behind a refused CONNECT is processed.
#[test]
fn v5_3_1_4_6() {
    let broker = guarded_broker();
    let mut wire = Wire::open(&broker);
    wire.send(
        &[
            Connect::new("thief").login("ann", b"guess").bytes(),
            Publish::new("trace", "left").retained().bytes(),
            subscribe(1, &[], &[("#", 0)]),
        ]
        .concat(),
    );
    let packets = wire.rest();
    assert_eq!(packets.len(), 1, "CONNACK alone: {packets:02x?}");
    assert_eq!(packets[0].body[..2], [0, 0x87]);
    let mut reader = Client::connect(&broker, &Connect::new("r").login("ann", b"secret"));
    reader.subscribe("trace", 0);
    reader.nothing_more();
}

/// [U-3.1.4-a] A connection without CONNECT is closed after a reasonable time.
#[test]
fn v5_u_3_1_4_a() {
    let broker = broker();
    let mut silent = Wire::open(&broker);
    let mut slow = Wire::open(&broker);
    slow.send(&Connect::new(fresh("slow")).bytes()[..9]);
    let waited = Deadline::start();
    silent.expect_closed();
    slow.expect_closed();
    let seconds = waited.elapsed().as_secs();
    assert!((2..45).contains(&seconds), "closed after {seconds} s");
}

/// [U-3.1.4-c] Packets may follow CONNECT at once; they are answered in order after CONNACK.
#[test]
fn v5_u_3_1_4_c() {
    let broker = broker();
    let topic = fresh("early");
    let mut wire = Wire::open(&broker);
    wire.send(
        &[
            Connect::new(fresh("c")).bytes(),
            subscribe(1, &[], &[(&topic, 1)]),
            Publish::new(&topic, "x").qos(1, 2).bytes(),
            PINGREQ.to_vec(),
        ]
        .concat(),
    );
    let packets = wire.packets_until(13);
    let kinds: Vec<u8> = packets.iter().map(|packet| packet.first >> 4).collect();
    assert_eq!(kinds[..2], [2, 9], "{kinds:?}");
    let mut rest = kinds[2..].to_vec();
    rest.sort_unstable();
    assert_eq!(rest, [3, 4, 13], "PUBLISH, PUBACK, PINGRESP");
}
