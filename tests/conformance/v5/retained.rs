//! Sections 3.3.1.3 and 3.8.3.1: retained messages, Retain Handling and Retain As Published.

use super::client::{Client, broker, fresh};
use super::message::Message;
use super::packets::{Connect, PINGREQ, Publish, property};

/// Retain As Published, in the options of a subscription.
const RETAIN_AS_PUBLISHED: u8 = 0x08;
/// Retain Handling 1: only where the subscription is new.
const ONLY_IF_NEW: u8 = 0x10;
/// Retain Handling 2: never.
const NEVER: u8 = 0x20;

/// What a new subscriber of this topic gets.
fn stored(topic: &str) -> Vec<String> {
    let mut client = Client::subscribed(&broker(), topic, 0);
    client.send(&PINGREQ);
    let messages = std::iter::from_fn(|| {
        let packet = client.packet();
        (!packet.is_type(13)).then(|| {
            let message = Message::of(&packet);
            assert!(message.retain, "{message:?}");
            message.text().to_owned()
        })
    });
    messages.collect()
}

fn retain(topic: &str, text: &str) {
    let broker = broker();
    Client::new(&broker).publish(&Publish::new(topic, text).qos(1, 1).retained());
}

/// [MQTT-3.3.1-5] RETAIN 1 stores the message in place of an older one.
#[test]
fn v5_3_3_1_5() {
    let _broker = broker();
    let topic = fresh("t");
    retain(&topic, "a");
    retain(&topic, "b");
    assert_eq!(stored(&topic), ["b"]);
    assert_eq!(stored(&format!("{topic}/#")), ["b"]);
}

/// [MQTT-3.3.1-6] An empty retained message is delivered, and removes the stored one.
#[test]
fn v5_3_3_1_6() {
    let broker = broker();
    let topic = fresh("t");
    for extra in [vec![], property::message_expiry(60)] {
        retain(&topic, "a");
        let mut live = Client::subscribed(&broker, &topic, NEVER | 1);
        Client::new(&broker).publish(&Publish::new(&topic, "").retained().qos(1, 1).with(extra));
        assert_eq!(live.take().text(), "");
        assert_eq!(stored(&topic), [""; 0]);
    }
}

/// [MQTT-3.3.1-7] An empty retained message is never stored.
#[test]
fn v5_3_3_1_7() {
    let _broker = broker();
    let topic = fresh("t");
    retain(&topic, "");
    assert_eq!(stored(&topic), [""; 0]);
}

/// [MQTT-3.3.1-8] RETAIN 0 neither stores nor removes.
#[test]
fn v5_3_3_1_8() {
    let broker = broker();
    let topic = fresh("t");
    let mut publisher = Client::new(&broker);
    publisher.publish(&Publish::new(&topic, "plain"));
    assert_eq!(stored(&topic), [""; 0]);
    retain(&topic, "a");
    publisher.publish(&Publish::new(&topic, "b"));
    publisher.publish(&Publish::new(&topic, ""));
    assert_eq!(stored(&topic), ["a"]);
}

/// [MQTT-3.3.1-9] Retain Handling 0 sends retained messages with every SUBSCRIBE.
#[test]
fn v5_3_3_1_9() {
    let broker = broker();
    let topic = fresh("t");
    retain(&topic, "a");
    let mut client = Client::new(&broker);
    for _ in 0..2 {
        client.subscribe(&topic, 1);
        let message = client.take();
        assert!(message.retain && message.text() == "a", "{message:?}");
        client.nothing_more();
    }
}

/// [MQTT-3.3.1-10] Retain Handling 1 sends them only if the subscription is new.
#[test]
fn v5_3_3_1_10() {
    let broker = broker();
    let topic = fresh("t");
    retain(&topic, "a");
    let connect = Connect::new(fresh("new")).expiry(60);
    let mut client = Client::connect(&broker, &connect);
    client.subscribe(&topic, ONLY_IF_NEW);
    assert_eq!(client.message().text(), "a");
    client.subscribe(&topic, ONLY_IF_NEW | 1);
    client.nothing_more();
    client.unsubscribe(&topic);
    client.subscribe(&topic, ONLY_IF_NEW);
    assert_eq!(client.message().text(), "a");
    client.leave();
    let mut client = Client::connect(&broker, &connect.resume());
    client.nothing_more();
    client.subscribe(&topic, ONLY_IF_NEW);
    client.nothing_more();
}

/// [MQTT-3.3.1-11] Retain Handling 2 sends none.
#[test]
fn v5_3_3_1_11() {
    let broker = broker();
    let topic = fresh("t");
    retain(&topic, "a");
    let mut client = Client::subscribed(&broker, &topic, NEVER);
    client.nothing_more();
    client.subscribe(&topic, NEVER | 1);
    client.nothing_more();
}

/// [MQTT-3.3.1-12] Without Retain As Published what is forwarded has RETAIN 0.
#[test]
fn v5_3_3_1_12() {
    let broker = broker();
    let topic = fresh("t");
    let mut client = Client::subscribed(&broker, &topic, 1);
    retain(&topic, "a");
    assert!(!client.take().retain);
}

/// [MQTT-3.3.1-13] With it, RETAIN is that of the publisher, also after waiting in a queue.
#[test]
fn v5_3_3_1_13() {
    let broker = broker();
    let topic = fresh("t");
    let connect = Connect::new(fresh("as-published")).expiry(60);
    let mut client = Client::connect(&broker, &connect);
    client.subscribe(&topic, RETAIN_AS_PUBLISHED | 1);
    let publish_both = || {
        retain(&topic, "kept");
        Client::new(&broker).publish(&Publish::new(&topic, "plain").qos(1, 1));
    };
    publish_both();
    assert_eq!((client.take().retain, client.take().retain), (true, false));
    client.leave();
    publish_both();
    let mut client = Client::connect(&broker, &connect.resume());
    assert_eq!((client.take().retain, client.take().retain), (true, false));
}

/// [U-3.8.4-b] What is sent on SUBSCRIBE carries the subscription's identifier, RETAIN 1 and the
/// lower of the two QoS.
#[test]
fn v5_u_3_8_4_b() {
    let broker = broker();
    for stored in 0..3 {
        let topic = fresh("t");
        let publish = Publish::new(&topic, "a").qos(stored, 1).retained();
        Client::new(&broker).publish(&publish);
        for granted in 0..3 {
            let mut client = Client::new(&broker);
            let identifier = property::subscription_identifier(300);
            client.subscribe_with(&identifier, &topic, granted);
            let message = client.take();
            assert_eq!(
                (message.qos, message.retain, message.dup),
                (stored.min(granted), true, false)
            );
            assert_eq!(message.properties, [(0x0b, vec![0xac, 0x02])]);
        }
    }
}
