//! Section 4.3.3: QoS 2, as receiver and as sender.

use std::collections::HashSet;

use super::acks::DENIED;
use super::client::{Client, broker, fresh, let_pass};
use super::packets::{Connect, PUBACK, PUBCOMP, PUBREC, PUBREL, Publish, ack, ack_with, property};
use super::qos1::keeping;

/// [MQTT-4.3.3-1] Each new message gets an identifier not in use.
#[test]
fn v5_4_3_3_1() {
    let broker = broker();
    let (_, topic, mut client) = keeping(&broker, 2);
    let mut publisher = Client::new(&broker);
    for id in 1..=10 {
        publisher.publish(&Publish::new(&topic, "x").qos(2, id));
    }
    let ids: HashSet<u16> = (0..10).map(|_| client.message().id()).collect();
    assert_eq!(ids.len(), 10, "{ids:?}");
    // An identifier that got its PUBREC is in use until PUBCOMP.
    let id = *ids.iter().next().expect("ten ids");
    client.send(&ack(PUBREC, id));
    client.expect_answer(6, id, &[0]);
    publisher.publish(&Publish::new(&topic, "x").qos(2, 1));
    assert!(!ids.contains(&client.message().id()));
}

/// [MQTT-4.3.3-2] The first time it has DUP 0.
#[test]
fn v5_4_3_3_2() {
    let broker = broker();
    let (_, topic, mut client) = keeping(&broker, 2);
    Client::new(&broker).publish(&Publish::new(&topic, "x").qos(2, 1));
    assert_eq!(client.packet().first, 0x34);
}

/// [MQTT-4.3.3-3] It is not acknowledged before its PUBREC.
#[test]
fn v5_4_3_3_3() {
    let broker = broker();
    let (connect, topic, mut client) = keeping(&broker, 2);
    Client::new(&broker).publish(&Publish::new(&topic, "x").qos(2, 1));
    let first = client.message();
    client.cut();
    let mut client = Client::connect(&broker, &connect);
    let again = client.take();
    assert_eq!((again.id(), again.dup, again.qos), (first.id(), true, 2));
    client.nothing_more();
}

/// [MQTT-4.3.3-4] A PUBREC below 0x80 is answered with PUBREL; one of failure is not.
#[test]
fn v5_4_3_3_4() {
    let broker = broker();
    let (_, topic, mut client) = keeping(&broker, 2);
    let mut publisher = Client::new(&broker);
    for (code, released) in [(0x00, true), (0x10, true), (0x80, false), (0x97, false)] {
        publisher.publish(&Publish::new(&topic, "x").qos(2, 1));
        let id = client.message().id();
        client.send(&ack_with(PUBREC, id, code));
        if released {
            let [high, low] = id.to_be_bytes();
            client.expect(&[0x62, 2, high, low]);
            client.send(&ack(PUBCOMP, id));
        }
        client.nothing_more();
    }
}

/// [MQTT-4.3.3-5] PUBREL is not acknowledged before PUBCOMP.
#[test]
fn v5_4_3_3_5() {
    let broker = broker();
    let (connect, topic, mut client) = keeping(&broker, 2);
    Client::new(&broker).publish(&Publish::new(&topic, "x").qos(2, 1));
    let id = client.message().id();
    client.send(&ack(PUBREC, id));
    client.expect_answer(6, id, &[0]);
    for _ in 0..2 {
        client.cut();
        client = Client::connect(&broker, &connect);
        client.expect_answer(6, id, &[0]);
    }
    client.send(&ack(PUBCOMP, id));
    client.nothing_more();
    client.cut();
    Client::connect(&broker, &connect).nothing_more();
}

/// An acknowledgement of another kind than the one that is waited for ends the connection.
#[test]
fn an_acknowledgement_of_the_wrong_kind_is_a_protocol_error() {
    let broker = broker();
    for (qos, wrong) in [(1, PUBREC), (1, PUBCOMP), (2, PUBACK), (2, PUBCOMP)] {
        let topic = fresh("t");
        let mut client = Client::subscribed(&broker, &topic, qos);
        Client::new(&broker).publish(&Publish::new(&topic, "x").qos(qos, 1));
        let id = client.message().id();
        client.send(&ack(wrong, id));
        client.expect_disconnect(0x82);
    }
}

/// (trap 11) While a connection stands, an open PUBREL is not sent again, nor is the PUBREC that the
/// broker has said to a message.
#[test]
fn trap_11_no_half_of_qos_2_is_repeated_on_one_connection() {
    let broker = broker();
    let topic = fresh("t");
    let mut client = Client::subscribed(&broker, &topic, 2);
    let mut publisher = Client::new(&broker);
    publisher.publish(&Publish::new(&topic, "1").qos(2, 1));
    let id = client.message().id();
    client.send(&ack(PUBREC, id));
    client.expect_answer(6, id, &[0x00]);
    publisher.send(&Publish::new(&topic, "2").qos(2, 2).bytes());
    publisher.expect_answer(5, 2, &[0x00]);
    // Timers that send again are measured in seconds where they exist; the standard forbids them.
    let_pass(6000);
    client.nothing_more();
    publisher.nothing_more();
}

/// [MQTT-4.3.3-6] After PUBREL the PUBLISH is not sent again.
#[test]
fn v5_4_3_3_6() {
    let broker = broker();
    let (connect, topic, mut client) = keeping(&broker, 2);
    Client::new(&broker).publish(&Publish::new(&topic, "x").qos(2, 1));
    let id = client.message().id();
    client.send(&ack(PUBREC, id));
    client.expect_answer(6, id, &[0]);
    client.cut();
    let mut client = Client::connect(&broker, &connect);
    let [high, low] = id.to_be_bytes();
    client.expect(&[0x62, 2, high, low]);
    client.nothing_more();
}

/// [MQTT-4.3.3-7] A message that was sent once does not expire.
#[test]
fn v5_4_3_3_7() {
    let broker = broker();
    let (connect, topic, mut client) = keeping(&broker, 2);
    let publish = Publish::new(&topic, "x")
        .qos(2, 1)
        .with(property::message_expiry(1));
    Client::new(&broker).publish(&publish);
    let id = client.message().id();
    let_pass(2500);
    client.cut();
    let mut client = Client::connect(&broker, &connect);
    let again = client.take();
    assert_eq!((again.id(), again.text()), (id, "x"));
}

/// [MQTT-4.3.3-8] PUBREC has the identifier of its PUBLISH.
#[test]
fn v5_4_3_3_8() {
    let broker = broker();
    let topic = fresh("t");
    let _subscriber = Client::subscribed(&broker, &topic, 0);
    let mut publisher = Client::new(&broker);
    publisher.send(&Publish::new(&topic, "x").qos(2, 0xabcd).bytes());
    publisher.expect_hex("50 02 ab cd");
}

/// [MQTT-4.3.3-9] After a PUBREC of failure the identifier is free for a new message.
#[test]
fn v5_4_3_3_9() {
    let broker = broker();
    let topic = fresh("t");
    let mut subscriber = Client::subscribed(&broker, &topic, 0);
    let mut publisher = Client::new(&broker);
    publisher.send(&Publish::new(DENIED, "x").qos(2, 7).bytes());
    publisher.expect_answer(5, 7, &[0x87]);
    publisher.publish(&Publish::new(&topic, "y").qos(2, 7));
    assert_eq!(subscriber.message().text(), "y");
}

/// [MQTT-4.3.3-10] Until PUBREL, an identifier that comes again is answered and not delivered.
#[test]
fn v5_4_3_3_10() {
    let broker = broker();
    let topic = fresh("t");
    let mut subscriber = Client::subscribed(&broker, &topic, 0);
    let mut publisher = Client::new(&broker);
    let publish = Publish::new(&topic, "x").qos(2, 7);
    for publish in [publish.clone(), publish.clone().dup(), publish] {
        publisher.send(&publish.bytes());
        publisher.expect_answer(5, 7, &[0x00]);
    }
    publisher.send(&ack(PUBREL, 7));
    publisher.expect_answer(7, 7, &[0x00]);
    assert_eq!(subscriber.message().text(), "x");
    subscriber.nothing_more();
}

/// [MQTT-4.3.3-11] Each PUBREL is answered with PUBCOMP of its identifier.
#[test]
fn v5_4_3_3_11() {
    let mut publisher = Client::new(&broker());
    publisher.publish(&Publish::new(fresh("t"), "x").qos(2, 0x0102));
    publisher.send(&ack(PUBREL, 0x0102));
    publisher.expect_answer(7, 0x0102, &[0x92]);
}

/// [MQTT-4.3.3-12] After PUBCOMP the identifier means a new message.
#[test]
fn v5_4_3_3_12() {
    let broker = broker();
    let topic = fresh("t");
    let mut subscriber = Client::subscribed(&broker, &topic, 0);
    let mut publisher = Client::new(&broker);
    publisher.publish(&Publish::new(&topic, "1").qos(2, 7));
    publisher.publish(&Publish::new(&topic, "2").qos(2, 7).dup());
    assert_eq!(subscriber.message().text(), "1");
    assert_eq!(subscriber.message().text(), "2");
}

/// [MQTT-4.3.3-13] The exchange goes on although the message has expired.
#[test]
fn v5_4_3_3_13() {
    let broker = broker();
    let mut publisher = Client::new(&broker);
    let publish = Publish::new(fresh("t"), "x")
        .qos(2, 7)
        .with(property::message_expiry(1));
    publisher.send(&publish.bytes());
    publisher.expect_answer(5, 7, &[0x00, 0x10]);
    let_pass(2500);
    publisher.send(&ack(PUBREL, 7));
    publisher.expect_answer(7, 7, &[0x00]);
}

/// (trap 5) A repetition is not delivered again after a reconnect either, and
/// with a new session the identifier is a new message.
#[test]
fn trap_05_a_clean_start_forgets_what_was_received() {
    let broker = broker();
    let topic = fresh("t");
    let mut subscriber = Client::subscribed(&broker, &topic, 0);
    let connect = Connect::new(fresh("publisher")).expiry(60);
    let mut publisher = Client::connect(&broker, &connect);
    publisher.publish(&Publish::new(&topic, "1").qos(2, 8));
    publisher.send(&Publish::new(&topic, "2").qos(2, 7).bytes());
    publisher.expect_answer(5, 7, &[0x00]);
    publisher.cut();
    let mut publisher = Client::connect(&broker, &connect);
    assert!(!publisher.session_present());
    publisher.send(&ack(PUBREL, 7));
    publisher.expect_answer(7, 7, &[0x92]);
    publisher.publish(&Publish::new(&topic, "3").qos(2, 7));
    assert_eq!(subscriber.message().text(), "1");
    let mut last = subscriber.message();
    if last.text() == "2" {
        // A receiver may hand a message on at PUBLISH or at PUBREL.
        last = subscriber.message();
    }
    assert_eq!(last.text(), "3");
    subscriber.nothing_more();
}
