//! Section 3.1.2.11.4: the client's Maximum Packet Size, and what is left out for it.

use std::sync::Arc;

use mqtt_tests::Broker;

use super::acks::DENIED;
use super::client::{Client, assert_disconnected, broker, broker_with, fresh};
use super::packets::{
    Connect, PUBCOMP, PUBREC, PUBREL, Publish, ack, block, packet, property, subscribe, unsubscribe,
};

/// A client that takes packets of so many bytes.
fn small(broker: &Arc<Broker>, bytes: u32) -> Client {
    let connect = Connect::new(fresh("small")).with(property::maximum_packet_size(bytes));
    Client::connect(broker, &connect)
}

/// The size of the smallest CONNACK that a broker with a Maximum Packet Size can send.
const TINY: usize = 10;

/// A client that takes packets of ten bytes.
fn tiny() -> Client {
    let broker = broker_with("max_topic_alias 0\nmax_inflight_messages 0");
    small(&broker, 10)
}

/// A message whose delivery at QoS 0 to a topic of five letters has so many bytes in all.
fn sized(topic: &str, size: usize) -> Publish {
    assert_eq!(topic.len(), 5);
    Publish::new(topic, "x".repeat(size - 10))
}

/// [MQTT-3.1.2-24] No packet is larger than the client takes, fixed header included.
#[test]
fn v5_3_1_2_24() {
    let broker = broker();
    let mut client = small(&broker, 100);
    client.subscribe("size1", 0);
    let mut publisher = Client::new(&broker);
    publisher.publish(&sized("size1", 100));
    publisher.publish(&sized("size1", 101));
    publisher.publish(&sized("size1", 99));
    assert_eq!(client.message().payload.len(), 90);
    assert_eq!(client.message().payload.len(), 89);
    client.nothing_more();
}

/// [MQTT-3.1.2-25] One that is too large is dropped as if it had been delivered: it costs neither
/// quota nor connection, and blocks nothing behind it.
#[test]
fn v5_3_1_2_25() {
    let broker = broker();
    let topic = fresh("size");
    let connect = Connect::new(fresh("small"))
        .expiry(60)
        .with(property::maximum_packet_size(60))
        .with(property::receive_maximum(1));
    let mut client = Client::connect(&broker, &connect);
    client.subscribe(&topic, 2);
    let mut publisher = Client::new(&broker);
    let mut both = |number: u16| {
        for qos in [1, 2] {
            publisher.publish(&Publish::new(&topic, "x".repeat(100)).qos(qos, number));
        }
        publisher.publish(&Publish::new(&topic, number.to_string()).qos(1, number));
    };
    for number in 1..=5 {
        both(number);
        assert_eq!(client.take().text(), number.to_string());
    }
    client.leave();
    both(6);
    both(7);
    let mut client = Client::connect(&broker, &connect.resume());
    assert_eq!(client.take().text(), "6");
    assert_eq!(client.take().text(), "7");
    publisher.publish(&Publish::new(&topic, "x".repeat(100)).qos(1, 1).retained());
    client.subscribe(&topic, 2);
    client.nothing_more();
}

/// Denied publications of this QoS to a client of small packets.
fn assert_answer_fits(qos: u8, properties: &[u8]) {
    let mut client = tiny();
    client.send(
        &Publish::new(DENIED, "x")
            .qos(qos, 7)
            .with(properties)
            .bytes(),
    );
    let answer = client.packet();
    assert_eq!(answer.first, if qos == 1 { 0x40 } else { 0x50 });
    assert!(answer.body.starts_with(&[0, 7, 0x87]), "{answer:02x?}");
    assert!(answer.body.len() + 2 <= TINY, "{answer:02x?}");
}

/// [MQTT-3.4.2-2] A Reason String never makes a PUBACK too large.
#[test]
fn v5_3_4_2_2() {
    assert_answer_fits(1, &[]);
}

/// [MQTT-3.4.2-3] Neither do User Properties.
#[test]
fn v5_3_4_2_3() {
    assert_answer_fits(1, &property::user_property("k", "v"));
}

/// [MQTT-3.5.2-2] A Reason String never makes a PUBREC too large.
#[test]
fn v5_3_5_2_2() {
    assert_answer_fits(2, &[]);
}

/// [MQTT-3.5.2-3] Neither do User Properties.
#[test]
fn v5_3_5_2_3() {
    assert_answer_fits(2, &property::user_property("k", "v"));
}

/// A PUBREC for an identifier that nobody knows, to a client of small packets.
fn assert_pubrel_fits(properties: &[u8]) {
    let mut client = tiny();
    client.send(&packet(PUBREC, &[&[0, 7, 0], &block(properties)]));
    let answer = client.packet();
    assert_eq!(answer.first, PUBREL);
    assert!(answer.body.starts_with(&[0, 7, 0x92]), "{answer:02x?}");
    assert!(answer.body.len() + 2 <= TINY, "{answer:02x?}");
}

/// [MQTT-3.6.2-2] A Reason String never makes a PUBREL too large.
#[test]
fn v5_3_6_2_2() {
    assert_pubrel_fits(&[]);
}

/// [MQTT-3.6.2-3] Neither do User Properties.
#[test]
fn v5_3_6_2_3() {
    assert_pubrel_fits(&property::user_property("k", "v"));
}

/// A PUBREL for an identifier that nobody knows, to a client of small packets.
fn assert_pubcomp_fits(pubrel: &[u8]) {
    let mut client = tiny();
    client.send(pubrel);
    let answer = client.packet();
    assert_eq!(answer.first, PUBCOMP);
    assert!(answer.body.starts_with(&[0, 7, 0x92]), "{answer:02x?}");
    assert!(answer.body.len() + 2 <= TINY, "{answer:02x?}");
}

/// [MQTT-3.7.2-2] A Reason String never makes a PUBCOMP too large.
#[test]
fn v5_3_7_2_2() {
    assert_pubcomp_fits(&ack(PUBREL, 7));
}

/// [MQTT-3.7.2-3] Neither do User Properties.
#[test]
fn v5_3_7_2_3() {
    let pair = property::user_property("k", "v");
    let properties = block(&pair);
    assert_pubcomp_fits(&packet(PUBREL, &[&[0, 7, 0], &properties]));
}

/// A SUBSCRIBE with a filter that is refused, from a client of small packets.
fn assert_suback_fits(properties: &[u8]) {
    let mut client = tiny();
    client.send(&subscribe(7, properties, &[("a/#/b", 0)]));
    let answer = client.packet();
    assert_eq!(answer.first, 0x90);
    assert!(answer.body.starts_with(&[0, 7]), "{answer:02x?}");
    assert_eq!(answer.body.last(), Some(&0x8f));
    assert!(answer.body.len() + 2 <= TINY, "{answer:02x?}");
}

/// [MQTT-3.9.2-1] A Reason String never makes a SUBACK too large.
#[test]
fn v5_3_9_2_1() {
    assert_suback_fits(&[]);
}

/// [MQTT-3.9.2-2] Neither do User Properties.
#[test]
fn v5_3_9_2_2() {
    assert_suback_fits(&property::user_property("k", "v"));
}

/// An UNSUBSCRIBE for what was never subscribed, from a client of small packets.
fn assert_unsuback_fits(filters: &[&str]) {
    let mut client = tiny();
    client.send(&unsubscribe(7, filters));
    let answer = client.packet();
    assert_eq!(answer.first, 0xb0);
    assert!(answer.body.starts_with(&[0, 7]), "{answer:02x?}");
    assert!(answer.body.len() + 2 <= TINY, "{answer:02x?}");
    assert!(
        answer.body.ends_with(&vec![0x11; filters.len()]),
        "{answer:02x?}"
    );
}

/// [MQTT-3.11.2-1] A Reason String never makes an UNSUBACK too large.
#[test]
fn v5_3_11_2_1() {
    assert_unsuback_fits(&["never"]);
}

/// [MQTT-3.11.2-2] Neither do User Properties.
#[test]
fn v5_3_11_2_2() {
    assert_unsuback_fits(&["never", "ever"]);
}

/// A Protocol Error of a client of small packets.
fn assert_disconnect_fits(wrong: &[u8]) {
    let mut client = tiny();
    client.send(wrong);
    let packets = client.rest();
    assert_disconnected(&packets, 0x82);
    let fits = packets.iter().all(|packet| packet.body.len() + 2 <= TINY);
    assert!(fits, "{packets:02x?}");
}

/// [MQTT-3.14.2-3] A Reason String never makes a DISCONNECT too large.
#[test]
fn v5_3_14_2_3() {
    assert_disconnect_fits(&[0xd0, 0x00]);
}

/// [MQTT-3.14.2-4] Neither do User Properties.
#[test]
fn v5_3_14_2_4() {
    let pair = property::user_property("k", "v");
    let wrong = Publish::new("", "x").with(pair);
    assert_disconnect_fits(&wrong.bytes());
}
