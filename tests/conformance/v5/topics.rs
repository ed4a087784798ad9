//! Sections 4.6 and 4.7: matching and order.

use std::collections::HashMap;

use super::client::{Client, broker, fresh};
use super::message::Message;
use super::packets::{Connect, PINGREQ, PUBACK, PUBCOMP, PUBREC, Publish, ack, subscribe};

/// Filters, topic names, and whether they match; `{}` is a level of the test's own.
const MATCHES: [(&str, &str, bool); 30] = [
    ("{}/a", "{}/a", true),
    ("{}/a", "{}/A", false),
    ("{}/a", "{}/a/", false),
    ("{}/a", "/{}/a", false),
    ("{}/+", "{}/a", true),
    ("{}/+", "{}", false),
    ("{}/+", "{}/", true),
    ("{}/+", "{}/a/b", false),
    ("+/{}/x", "/{}/x", true),
    ("/+/{}", "/a/{}", true),
    ("+/+/{}", "/a/{}", true),
    ("+/{}", "a/b/{}", false),
    ("{}/+/c", "{}/b/c", true),
    ("{}/+/c", "{}//c", true),
    ("{}/+/c", "{}/b/b/c", false),
    ("{}/#", "{}", true),
    ("{}/#", "{}/", true),
    ("{}/#", "{}/a/b/c", true),
    ("{}/#", "{}x", false),
    ("{}/a/#", "{}/a", true),
    ("{}/a/#", "{}/b", false),
    ("{}/+/#", "{}", false),
    ("{}/+/#", "{}/a", true),
    ("{}/+/+", "{}/a/", true),
    ("+/#", "{}", true),
    ("#", "{}/a/b", true),
    ("#", "/{}", true),
    ("{} /a", "{} /a", true),
    ("{}//", "{}//", true),
    ("{}//", "{}/", false),
];

/// [MQTT-3.3.2-3] What is delivered matches the filter.
#[test]
fn v5_3_3_2_3() {
    let broker = broker();
    let mut publisher = Client::new(&broker);
    for (filter, topic, matches) in MATCHES {
        let level = fresh("level");
        let [filter, topic] = [filter, topic].map(|text| text.replace("{}", &level));
        let mut client = Client::new(&broker);
        let sentinel = fresh("end");
        client.send(&subscribe(1, &[], &[(&filter, 0x20), (&sentinel, 0)]));
        client.expect_hex("90 05 00 01 00 00 00");
        publisher.publish(&Publish::new(&topic, "x"));
        publisher.publish(&Publish::new(&sentinel, "end"));
        let mut came = false;
        loop {
            // Filters that match everything hear the other tests, too.
            let message = client.message();
            came |= message.topic == topic;
            if message.topic == sentinel {
                break;
            }
        }
        assert_eq!(came, matches, "{filter:?} and {topic:?}");
    }
}

/// A filter that SUBSCRIBE refuses with 0x8F.
fn assert_filters_refused(filters: &[&str]) {
    let mut client = Client::new(&broker());
    for filter in filters {
        client.send(&subscribe(1, &[], &[(filter, 0)]));
        let suback = client.packet();
        assert_eq!(
            (suback.first, suback.body),
            (0x90, vec![0, 1, 0, 0x8f]),
            "{filter}"
        );
    }
}

/// [MQTT-4.7.1-1] `#` stands alone or after a slash, and last.
#[test]
fn v5_4_7_1_1() {
    assert_filters_refused(&["a#", "a/#/b", "#/a", "##", "a/b#", "+#", "$share/g/a#"]);
}

/// [MQTT-4.7.1-2] `+` fills a level.
#[test]
fn v5_4_7_1_2() {
    assert_filters_refused(&["a+", "+a", "a/+b", "a/b+/c", "++", "$share/g/a+"]);
}

/// [MQTT-4.7.2-1] A filter that begins with a wildcard matches no name that begins with `$`.
#[test]
fn v5_4_7_2_1() {
    let broker = broker();
    let level = fresh("level");
    let topic = format!("$other/{level}");
    let sentinel = fresh("end");
    let below = format!("+/{level}");
    let shared = format!("$share/dollar/+/{level}");
    // Retained messages of other tests are kept out with Retain Handling 2.
    let filters = [
        ("#", 0x20),
        (&below, 0x20),
        ("+/#", 0x20),
        ("$share/g/#", 0),
        (&shared, 0),
    ];
    let mut wild = filters.map(|filter| {
        let mut client = Client::new(&broker);
        client.send(&subscribe(1, &[], &[filter, (&sentinel, 0)]));
        client.expect_hex("90 05 00 01 00 00 00");
        client
    });
    let mut named = Client::subscribed(&broker, &topic, 0);
    let mut under = Client::subscribed(&broker, "$other/#", 0);
    let mut publisher = Client::new(&broker);
    publisher.publish(&Publish::new(&topic, "x"));
    publisher.publish(&Publish::new(&sentinel, "end"));
    assert_eq!(named.message().topic, topic);
    assert_eq!(under.message().topic, topic);
    for client in &mut wild {
        loop {
            let message = client.message();
            assert!(!message.topic.starts_with('$'), "{message:?}");
            if message.topic == sentinel {
                break;
            }
        }
    }
}

/// What a reader has got, and whether it is in order.
#[derive(Default)]
struct Order {
    last: HashMap<(String, u8), u16>,
}

impl Order {
    /// Takes all that came until the answer to a PINGREQ.
    fn take_all(&mut self, reader: &mut Client) {
        reader.send(&PINGREQ);
        loop {
            let packet = reader.packet();
            match (packet.first >> 4, packet.body.last_chunk::<2>()) {
                (3, _) => self.take(reader, &Message::of(&packet)),
                (6, Some(id)) => reader.send(&ack(PUBCOMP, u16::from_be_bytes(*id))),
                (13, _) => return,
                _ => panic!("not expected: {packet:02x?}"),
            }
        }
    }

    fn take(&mut self, reader: &mut Client, message: &Message) {
        match message.qos {
            1 => reader.send(&ack(PUBACK, message.id())),
            2 => reader.send(&ack(PUBREC, message.id())),
            _ => {}
        }
        let number: u16 = message.text().parse().expect("a number");
        let before = self
            .last
            .insert((message.topic.clone(), message.qos), number);
        let expected = before.map_or(0, |before| before + 1);
        // What was published at QoS 0 while the reader was away is lost.
        let fits = if message.qos == 0 {
            number >= expected
        } else {
            number == expected
        };
        assert!(fits, "{message:?} after {before:?}");
    }
}

/// Two publishers send numbers at three QoS to a subscriber that goes away and comes back; demands
/// that each stream arrives in order and, above QoS 0, without gaps.
fn assert_in_order(wildcard: &str) {
    const ROUNDS: u16 = 60;
    let broker = broker();
    let base = fresh("order");
    let connect = Connect::new(fresh("reader")).expiry(60);
    let mut reader = Client::connect(&broker, &connect);
    reader.subscribe(&format!("{base}/{wildcard}"), 2);
    let mut publishers = [Client::new(&broker), Client::new(&broker)];
    let mut order = Order::default();
    for number in 0..ROUNDS {
        if number % 20 == 10 {
            order.take_all(&mut reader);
            reader.cut();
            reader = Client::connect(&broker, &connect.clone().resume());
        }
        for (index, publisher) in publishers.iter_mut().enumerate() {
            for qos in 0..3 {
                let publish = Publish::new(format!("{base}/{index}"), number.to_string());
                publisher.publish(&publish.qos(qos, number + 1));
            }
        }
        if number % 4 == 3 {
            order.take_all(&mut reader);
        }
    }
    // Each turn takes a window and makes room for the next one.
    for _ in 0..ROUNDS {
        order.take_all(&mut reader);
    }
    for index in 0..2 {
        for qos in [1, 2] {
            let last = order.last.get(&(format!("{base}/{index}"), qos));
            assert_eq!(last, Some(&(ROUNDS - 1)));
        }
    }
}

/// [MQTT-4.6.0-5] Messages of a publisher keep their order within a topic and a QoS.
#[test]
fn v5_4_6_0_5() {
    assert_in_order("+");
}

/// [MQTT-4.6.0-6] Every topic is an ordered one.
#[test]
fn v5_4_6_0_6() {
    assert_in_order("#");
}
