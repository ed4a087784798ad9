//! Section 3.3: flags and topic of PUBLISH, errors in its properties, and which copies are sent.

use super::client::{Client, assert_closed_for, assert_refused, broker, fresh};
use super::message::Message;
use super::packets::{Connect, PUBREL, Publish, Will, ack, packet, property, text};

/// [MQTT-3.3.1-1] What is sent again has DUP 1.
#[test]
fn v5_3_3_1_1() {
    let broker = broker();
    let topic = fresh("t");
    let connect = Connect::new(fresh("again")).expiry(60);
    let mut client = Client::connect(&broker, &connect);
    client.subscribe(&topic, 2);
    let mut publisher = Client::new(&broker);
    for qos in [1, 2] {
        publisher.publish(&Publish::new(&topic, "x").qos(qos, 1));
    }
    let first = [client.message(), client.message()];
    assert!(first.iter().all(|message| !message.dup), "{first:?}");
    client.cut();
    let mut client = Client::connect(&broker, &connect.resume());
    for message in first {
        let again = client.message();
        assert_eq!(
            again,
            Message {
                dup: true,
                ..message
            }
        );
    }
}

/// [MQTT-3.3.1-2] DUP is 0 at QoS 0.
#[test]
fn v5_3_3_1_2() {
    let broker = broker();
    assert_closed_for(&broker, &Publish::new("a", "x").dup().bytes(), 0x81);
    let topic = fresh("t");
    let mut subscriber = Client::subscribed(&broker, &topic, 0);
    Client::new(&broker).publish(&Publish::new(&topic, "x").qos(1, 1).dup());
    assert_eq!(subscriber.packet().first, 0x30);
}

/// [MQTT-3.3.1-3] The DUP of a delivery is not that of the publisher.
#[test]
fn v5_3_3_1_3() {
    let broker = broker();
    let topic = fresh("t");
    let mut subscriber = Client::subscribed(&broker, &topic, 2);
    let mut publisher = Client::new(&broker);
    for qos in [1, 2] {
        publisher.publish(&Publish::new(&topic, "x").qos(qos, 5).dup());
        let message = subscriber.take();
        assert_eq!((message.qos, message.dup), (qos, false));
    }
}

/// [MQTT-3.3.1-4] QoS 3 is malformed.
#[test]
fn v5_3_3_1_4() {
    let broker = broker();
    let topic = fresh("t");
    let mut subscriber = Client::subscribed(&broker, &topic, 2);
    for first in [0x36, 0x37, 0x3e] {
        let bytes = packet(first, &[&text(&topic), &[0, 1, 0], b"x"]);
        assert_closed_for(&broker, &bytes, 0x81);
    }
    subscriber.nothing_more();
}

/// [MQTT-3.3.2-1] The topic name comes first and is a UTF-8 string.
#[test]
fn v5_3_3_2_1() {
    let broker = broker();
    assert_closed_for(&broker, &Publish::new([b'a', 0xff], "x").bytes(), 0x81);
    assert_closed_for(&broker, &[0x30, 0x00], 0x81);
    assert_closed_for(&broker, &[0x30, 0x03, 0x00, 0x09, b'a'], 0x81);
}

/// [MQTT-3.3.2-2] A topic name has no wildcard.
#[test]
fn v5_3_3_2_2() {
    let broker = broker();
    let base = fresh("t");
    let mut watcher = Client::subscribed(&broker, &format!("{base}/#"), 0);
    for topic in [
        "+",
        "#",
        &format!("{base}/+"),
        &format!("{base}/a#"),
        &format!("{base}/+/b"),
    ] {
        assert_closed_for(&broker, &Publish::new(topic, "x").bytes(), 0x90);
    }
    watcher.nothing_more();
}

/// [MQTT-4.7.0-1] Wildcards are for filters.
#[test]
fn v5_4_7_0_1() {
    let broker = broker();
    for qos in 0..3 {
        assert_closed_for(&broker, &Publish::new("a/#", "x").qos(qos, 1).bytes(), 0x90);
    }
}

/// [MQTT-3.3.2-13] The Response Topic is a UTF-8 string.
#[test]
fn v5_3_3_2_13() {
    let publish = Publish::new("a", "x").with(property::response_topic([0xc3, 0x28]));
    assert_closed_for(&broker(), &publish.bytes(), 0x81);
}

/// [MQTT-3.3.2-14] The Response Topic has no wildcard.
#[test]
fn v5_3_3_2_14() {
    let broker = broker();
    let topic = fresh("t");
    let mut watcher = Client::subscribed(&broker, &topic, 0);
    for wild in ["a/+", "#"] {
        let response = property::response_topic(wild);
        let publish = Publish::new(&topic, "x").with(&response);
        assert_closed_for(&broker, &publish.bytes(), 0x82);
        let will = Will::new(&topic, "gone").with(&response);
        assert_refused(&broker, &Connect::new(fresh("c")).will(will).bytes(), 0x82);
    }
    watcher.nothing_more();
}

/// [MQTT-3.3.2-19] The Content Type is a UTF-8 string.
#[test]
fn v5_3_3_2_19() {
    let publish = Publish::new("a", "x").with(property::content_type([0xff]));
    assert_closed_for(&broker(), &publish.bytes(), 0x81);
}

/// [MQTT-3.3.4-1] QoS 0 is not answered, QoS 1 with PUBACK, QoS 2 with PUBREC.
#[test]
fn v5_3_3_4_1() {
    let broker = broker();
    let topic = fresh("t");
    let _subscriber = Client::subscribed(&broker, &topic, 0);
    let mut client = Client::new(&broker);
    client.send(&Publish::new(&topic, "0").bytes());
    client.nothing_more();
    client.send(&Publish::new(&topic, "1").qos(1, 0x1234).bytes());
    client.expect_hex("40 02 12 34");
    client.send(&Publish::new(&topic, "2").qos(2, 0x4321).bytes());
    client.expect_hex("50 02 43 21");
    client.send(&ack(PUBREL, 0x4321));
    client.expect_hex("70 02 43 21");
}

/// [MQTT-3.3.4-6] A client sends no Subscription Identifier with a PUBLISH.
#[test]
fn v5_3_3_4_6() {
    let broker = broker();
    let topic = fresh("t");
    let mut watcher = Client::subscribed(&broker, &topic, 0);
    let publish = Publish::new(&topic, "x").with(property::subscription_identifier(1));
    assert_closed_for(&broker, &publish.bytes(), 0x82);
    watcher.nothing_more();
}

/// [U-3.3.2.1-a] No topic and no alias.
#[test]
fn v5_u_3_3_2_1_a() {
    assert_closed_for(&broker(), &Publish::new("", "x").qos(1, 1).bytes(), 0x82);
}

/// A PUBLISH with these properties is a Protocol Error.
fn assert_publish_refused(properties: &[Vec<u8>]) {
    let publish = Publish::new("a", "x").with(properties.concat());
    assert_closed_for(&broker(), &publish.bytes(), 0x82);
}

/// [U-3.3.2.3.2-a] Payload Format Indicator twice, or above 1.
#[test]
fn v5_u_3_3_2_3_2_a() {
    assert_publish_refused(&[property::payload_format(0), property::payload_format(0)]);
    assert_publish_refused(&[property::payload_format(2)]);
}

/// [U-3.3.2.3.3-a] Message Expiry Interval twice.
#[test]
fn v5_u_3_3_2_3_3_a() {
    assert_publish_refused(&[property::message_expiry(1), property::message_expiry(1)]);
}

/// [U-3.3.2.3.4-a] Topic Alias twice.
#[test]
fn v5_u_3_3_2_3_4_a() {
    assert_publish_refused(&[property::topic_alias(1), property::topic_alias(1)]);
}

/// [U-3.3.2.3.5-a] Response Topic twice.
#[test]
fn v5_u_3_3_2_3_5_a() {
    assert_publish_refused(&[property::response_topic("a"), property::response_topic("a")]);
}

/// [U-3.3.2.3.6-a] Correlation Data twice.
#[test]
fn v5_u_3_3_2_3_6_a() {
    assert_publish_refused(&[
        property::correlation_data(b""),
        property::correlation_data(b""),
    ]);
}

/// [U-3.3.2.3.9-a] Content Type twice.
#[test]
fn v5_u_3_3_2_3_9_a() {
    assert_publish_refused(&[property::content_type("a"), property::content_type("b")]);
}
