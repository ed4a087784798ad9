//! Sections 4.3.1, 4.3.2 and 4.4: QoS 0, QoS 1, and sending again.

use std::collections::HashSet;

use super::client::{Client, broker, fresh, let_pass};
use super::packets::{Connect, PUBACK, PUBREC, Publish, ack, ack_with};

/// A client with a session that subscribes to a topic of its own at this QoS.
pub(crate) fn keeping(
    broker: &std::sync::Arc<mqtt_tests::Broker>,
    qos: u8,
) -> (Connect, String, Client) {
    let topic = fresh("t");
    let connect = Connect::new(fresh("session")).expiry(60);
    let mut client = Client::connect(broker, &connect);
    client.subscribe(&topic, qos);
    (connect.resume(), topic, client)
}

/// [MQTT-4.3.1-1] QoS 0 is sent with QoS 0 and DUP 0.
#[test]
fn v5_4_3_1_1() {
    let broker = broker();
    let mut subscriber = Client::subscribed(&broker, "qos/0", 2);
    Client::new(&broker).publish(&Publish::new("qos/0", "x"));
    subscriber.expect_hex("30 09 00 05 71 6f 73 2f 30 00 78");
}

/// [MQTT-4.3.2-1] Each new message of QoS 1 gets an identifier not in use.
#[test]
fn v5_4_3_2_1() {
    let broker = broker();
    let (connect, topic, mut client) = keeping(&broker, 1);
    let mut publisher = Client::new(&broker);
    for id in 1..=10 {
        publisher.publish(&Publish::new(&topic, "x").qos(1, id));
    }
    let ids: Vec<u16> = (0..10).map(|_| client.message().id()).collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 10, "{ids:?}");
    client.cut();
    let mut client = Client::connect(&broker, &connect);
    publisher.publish(&Publish::new(&topic, "new").qos(1, 1));
    let again: Vec<u16> = (0..10).map(|_| client.take().id()).collect();
    assert_eq!(again, ids);
    let new = client.take();
    assert!(new.text() == "new" && !ids.contains(&new.id()), "{new:?}");
}

/// [MQTT-4.3.2-2] The first time it has DUP 0, also from the queue of who was away.
#[test]
fn v5_4_3_2_2() {
    let broker = broker();
    let (connect, topic, mut client) = keeping(&broker, 1);
    let publish = || Client::new(&broker).publish(&Publish::new(&topic, "x").qos(1, 1));
    publish();
    assert_eq!(client.packet().first, 0x32);
    client.cut();
    publish();
    let mut client = Client::connect(&broker, &connect);
    assert_eq!(client.packet().first, 0x3a);
    assert_eq!(client.packet().first, 0x32);
}

/// [MQTT-4.3.2-3] It is not acknowledged before its PUBACK.
#[test]
fn v5_4_3_2_3() {
    let broker = broker();
    let (connect, topic, mut client) = keeping(&broker, 1);
    Client::new(&broker).publish(&Publish::new(&topic, "x").qos(1, 1));
    let id = client.message().id();
    client.send(&ack(PUBACK, id + 1));
    client.nothing_more();
    client.cut();
    let mut client = Client::connect(&broker, &connect);
    assert_eq!(client.take().id(), id);
    client.cut();
    Client::connect(&broker, &connect).nothing_more();
}

/// [MQTT-4.3.2-4] PUBACK has the identifier of its PUBLISH.
#[test]
fn v5_4_3_2_4() {
    let broker = broker();
    let topic = fresh("t");
    let _subscriber = Client::subscribed(&broker, &topic, 0);
    let mut publisher = Client::new(&broker);
    publisher.send(&Publish::new(&topic, "x").qos(1, 0xabcd).bytes());
    publisher.expect_hex("40 02 ab cd");
}

/// [MQTT-4.3.2-5] After PUBACK the identifier means a new message, whatever DUP says.
#[test]
fn v5_4_3_2_5() {
    let broker = broker();
    let topic = fresh("t");
    let mut subscriber = Client::subscribed(&broker, &topic, 1);
    let mut publisher = Client::new(&broker);
    publisher.publish(&Publish::new(&topic, "1").qos(1, 5));
    publisher.publish(&Publish::new(&topic, "2").qos(1, 5).dup());
    assert_eq!(subscriber.take().text(), "1");
    assert_eq!(subscriber.take().text(), "2");
}

/// [MQTT-4.4.0-1] What is open is sent again when the session resumes, with the same identifier and
/// at no other time.
#[test]
fn v5_4_4_0_1() {
    let broker = broker();
    let (connect, topic, mut client) = keeping(&broker, 2);
    let mut publisher = Client::new(&broker);
    publisher.publish(&Publish::new(&topic, "1").qos(1, 1));
    publisher.publish(&Publish::new(&topic, "2").qos(2, 2));
    let ids = [client.message().id(), client.message().id()];
    // Timers that send again are measured in seconds where they exist; the standard forbids them.
    let_pass(6000);
    client.nothing_more();
    client.cut();
    let mut client = Client::connect(&broker, &connect);
    let again = [client.message(), client.message()];
    assert_eq!(
        again.each_ref().map(|message| (message.id(), message.dup)),
        ids.map(|id| (id, true))
    );
    client.nothing_more();
}

/// [MQTT-4.4.0-2] A PUBACK or PUBREC of 0x80 or above ends a delivery.
#[test]
fn v5_4_4_0_2() {
    let broker = broker();
    let (connect, topic, mut client) = keeping(&broker, 2);
    let mut publisher = Client::new(&broker);
    publisher.publish(&Publish::new(&topic, "1").qos(1, 1));
    publisher.publish(&Publish::new(&topic, "2").qos(2, 2));
    let (first, second) = (client.message().id(), client.message().id());
    client.send(&ack_with(PUBACK, first, 0x80));
    client.send(&ack_with(PUBREC, second, 0x97));
    client.nothing_more();
    client.cut();
    Client::connect(&broker, &connect).nothing_more();
}

/// [MQTT-4.5.0-1] What the broker accepts goes into all sessions that match.
#[test]
fn v5_4_5_0_1() {
    let broker = broker();
    let (first, topic, client) = keeping(&broker, 1);
    client.leave();
    let second = Connect::new(fresh("session")).expiry(60);
    let mut client = Client::connect(&broker, &second);
    client.subscribe(&topic, 1);
    client.cut();
    let mut live = Client::subscribed(&broker, &topic, 0);
    let mut publisher = Client::new(&broker);
    for id in 1..=5 {
        publisher.publish(&Publish::new(&topic, format!("1 {id}")).qos(1, id));
        publisher.publish(&Publish::new(&topic, format!("2 {id}")).qos(2, id));
    }
    let mut first = Client::connect(&broker, &first);
    let mut second = Client::connect(&broker, &second.resume());
    for id in 1..=5 {
        for qos in 1..=2 {
            let expected = format!("{qos} {id}");
            for client in [&mut first, &mut second, &mut live] {
                assert_eq!(client.take().text(), expected);
            }
        }
    }
}
