//! 3.8: what SUBSCRIBE looks like and what it brings about.

use super::brokers::shared;
use super::hand_client::{Client, Message};
use super::packet_bytes::{Fields, puback, publish_as, publish0, retain0, suback, subscribe};

/// A SUBSCRIBE whose filter is no UTF-8.
fn of_filter(filter: &[u8]) -> Vec<u8> {
    Fields::new().number(1).string(filter).byte(0).packet(0x82)
}

/// [MQTT-3.8.1-1] The flags of SUBSCRIBE are 0010.
#[test]
fn v311_3_8_1_1() {
    let broker = shared();
    for first in [0x80, 0x81, 0x83, 0x86, 0x8a, 0x8f] {
        let bytes = Fields::new().number(1).string("3811").byte(0).packet(first);
        Client::clean(&broker, "3811").closed_by(bytes);
    }
}

/// [MQTT-3.8.3-1] A topic filter is UTF-8.
#[test]
fn v311_3_8_3_1() {
    let broker = shared();
    for filter in [b"\xc3\x28".as_slice(), b"\xed\xa0\x80", b"a\0b"] {
        Client::clean(&broker, "3831").closed_by(of_filter(filter));
    }
}

/// [MQTT-3.8.3-3] There is one filter at least, and each has its QoS.
#[test]
fn v311_3_8_3_3() {
    let broker = shared();
    Client::clean(&broker, "3833").closed_by(b"\x82\x02\x00\x01");
    Client::clean(&broker, "3833").closed_by(b"\x82\x05\x00\x01\x00\x01a");
    let second_cut = b"\x82\x09\x00\x01\x00\x01a\x00\x00\x01b";
    Client::clean(&broker, "3833").closed_by(second_cut);
}

/// [MQTT-3.8.3-4] Of the byte behind a filter the lower two bits are used, for 0, 1 and 2; what
/// stands before and behind it in the packet does not count either.
#[test]
fn v311_3_8_3_4() {
    let broker = shared();
    for qos in [0x03, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff] {
        Client::clean(&broker, "3834").closed_by(subscribe(1, &[("3834", qos)]));
        let between = [("3834", 0), ("3834/b", qos), ("3834/c", 1)];
        Client::clean(&broker, "3834").closed_by(subscribe(1, &between));
    }
}

/// [MQTT-3.8.4-1] SUBSCRIBE is answered by SUBACK, one by one.
#[test]
fn v311_3_8_4_1() {
    let broker = shared();
    let mut client = Client::clean(&broker, "3841");
    client.send(
        [
            subscribe(1, &[("3841/a", 0)]),
            subscribe(2, &[("3841/b", 1)]),
        ]
        .concat(),
    );
    client.expect(suback(1, &[0]));
    client.expect(suback(2, &[1]));
    client.ping();
}

/// [MQTT-3.8.4-2] SUBACK bears the packet id of the SUBSCRIBE.
#[test]
fn v311_3_8_4_2() {
    let broker = shared();
    let mut client = Client::clean(&broker, "3842");
    client.send(b"\x82\x09\x12\x34\x00\x043842\x01");
    client.expect(b"\x90\x03\x12\x34\x01");
}

/// [MQTT-3.8.4-3] A SUBSCRIBE of the same filter replaces the subscription: the new QoS counts,
/// there is one copy, what is kept comes again, and nothing is missed meanwhile.
#[test]
fn v311_3_8_4_3() {
    const COUNT: u16 = 500;
    let broker = shared();
    let mut publisher = Client::clean(&broker, "3843");
    publisher.send(retain0("3843/a", "kept"));
    publisher.ping();
    let mut client = Client::subscribed(&broker, "3843-subscriber", "3843/+", 2);
    client.expect(retain0("3843/a", "kept"));
    client.subscribe("3843/+", 0);
    client.expect(retain0("3843/a", "kept"));
    publisher.publish(2, "3843/b", "x");
    client.expect(publish0("3843/b", "x"));
    client.gets_nothing_more(&mut publisher, "3843/end");

    client.subscribe("3843/+", 1);
    client.expect(retain0("3843/a", "kept"));
    let flood = (1..=COUNT).flat_map(|id| publish_as(0x32, id, "3843/n", id.to_string()));
    publisher.send(flood.collect::<Vec<u8>>());
    let mut numbers = Vec::new();
    while numbers.len() < usize::from(COUNT) {
        let packet = client.packet();
        if packet.is_type(9) {
            continue;
        }
        let message = Message::of(&packet);
        if message.qos > 0 {
            client.send(puback(message.id));
        }
        if !message.retain {
            numbers.push(message.text());
        }
        if numbers.len() % 10 == 0 {
            client.send(subscribe(2, &[("3843/+", 1)]));
        }
    }
    let expected: Vec<_> = (1..=COUNT).map(|number| number.to_string()).collect();
    assert_eq!(numbers, expected);
}

/// [MQTT-3.8.4-4] Many filters in one packet are many subscriptions and one SUBACK.
#[test]
fn v311_3_8_4_4() {
    let broker = shared();
    let filters: Vec<_> = (0..8_u8).map(|n| (format!("3844/{n}"), n % 3)).collect();
    let codes: Vec<u8> = filters.iter().map(|(_, qos)| *qos).collect();
    let mut client = Client::clean(&broker, "3844");
    client.send(subscribe(7, &filters));
    client.expect(suback(7, &codes));
    let mut publisher = Client::clean(&broker, "3844-publisher");
    for (topic, qos) in &filters {
        publisher.publish(2, topic, "x");
        let message = client.take();
        assert_eq!((message.topic_text(), message.qos), (topic.clone(), *qos));
    }
}

/// [MQTT-3.8.4-5] SUBACK has a code for each filter: the QoS granted, or failure.
#[test]
fn v311_3_8_4_5() {
    let broker = shared();
    let mut client = Client::clean(&broker, "3845");
    let filters = [("3845/a", 0), ("3845/b", 1), ("3845/c", 2), ("3845/#/d", 1)];
    client.send(subscribe(1, &filters));
    client.expect(suback(1, &[0, 1, 2, 0x80]));
}

/// [MQTT-3.8.4-6] A message comes at the QoS published or the one granted, whichever is lower.
#[test]
fn v311_3_8_4_6() {
    let broker = shared();
    let mut publisher = Client::clean(&broker, "3846");
    for granted in [0, 1, 2] {
        let mut client = Client::subscribed(&broker, "3846-subscriber", "3846", granted);
        for published in [0, 1, 2] {
            publisher.publish(published, "3846", "x");
            assert_eq!(client.take().qos, published.min(granted));
        }
    }
}
