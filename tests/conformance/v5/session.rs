//! Sections 3.1.2.4, 3.1.2.11.2 and 4.1: how long a session lives, and what belongs to it.

use std::sync::Arc;

use mqtt_tests::Broker;

use super::client::{Client, assert_disconnected, broker, fresh, let_pass};
use super::packets::{Connect, PUBACK, PUBREC, PUBREL, Publish, Will, ack, disconnect, property};

/// A client with a session of this expiry, subscribed to a topic of its own.
fn kept(broker: &Arc<Broker>, expiry: u32) -> (Connect, String, Client) {
    let topic = fresh("kept");
    let connect = Connect::new(fresh("session")).expiry(expiry);
    let mut client = Client::connect(broker, &connect);
    client.subscribe(&topic, 2);
    (connect.resume(), topic, client)
}

/// Publishes at QoS 1 by somebody else.
fn publish(broker: &Arc<Broker>, topic: &str, text: &str) {
    Client::new(broker).publish(&Publish::new(topic, text).qos(1, 1));
}

/// [MQTT-3.1.2-4] Clean Start 1 discards the session.
#[test]
fn v5_3_1_2_4() {
    let broker = broker();
    let (connect, topic, client) = kept(&broker, 3600);
    client.cut();
    publish(&broker, &topic, "waiting");
    let mut client = Client::connect(&broker, &connect.start_clean());
    assert!(!client.session_present());
    publish(&broker, &topic, "live");
    client.nothing_more();
}

/// [MQTT-3.1.2-5] Clean Start 0 goes on with a session: subscriptions, queue and open deliveries.
#[test]
fn v5_3_1_2_5() {
    let broker = broker();
    let (connect, topic, mut client) = kept(&broker, 3600);
    publish(&broker, &topic, "open");
    let open = client.message();
    client.cut();
    publish(&broker, &topic, "queued");
    let mut client = Client::connect(&broker, &connect);
    assert!(client.session_present());
    let again = client.take();
    assert_eq!(
        (again.text(), again.id(), again.dup),
        ("open", open.id(), true)
    );
    let queued = client.take();
    assert_eq!((queued.text(), queued.dup), ("queued", false));
    publish(&broker, &topic, "live");
    assert_eq!(client.take().text(), "live");
}

/// [MQTT-3.1.2-6] Clean Start 0 without a session begins one.
#[test]
fn v5_3_1_2_6() {
    let broker = broker();
    let topic = fresh("new");
    let mut client = Client::connect(&broker, &Connect::new(fresh("new")).resume());
    assert!(!client.session_present());
    client.subscribe(&topic, 1);
    publish(&broker, &topic, "x");
    assert_eq!(client.take().text(), "x");
}

/// [MQTT-3.1.2-23] A session is kept as long as its expiry says.
#[test]
fn v5_3_1_2_23() {
    let broker = broker();
    let (connect, _, client) = kept(&broker, 2);
    client.cut();
    let_pass(500);
    let client = Client::connect(&broker, &connect);
    assert!(client.session_present());
    client.leave();
    let_pass(4000);
    assert!(!Client::connect(&broker, &connect).session_present());
}

/// [MQTT-3.1.3-2] A session belongs to its client identifier.
#[test]
fn v5_3_1_3_2() {
    let broker = broker();
    let (connect, topic, client) = kept(&broker, 60);
    client.leave();
    publish(&broker, &topic, "mine");
    let mut other = Client::connect(&broker, &Connect::new(fresh("other")).resume());
    assert!(!other.session_present());
    other.nothing_more();
    let mut same = Client::connect(&broker, &connect);
    assert!(same.session_present());
    assert_eq!(same.take().text(), "mine");
}

/// [U-3.1.2.11.2-b] 0xFFFFFFFF does not expire; no interval at all is 0.
#[test]
fn v5_u_3_1_2_11_2_b() {
    let broker = broker();
    let (endless, _, client) = kept(&broker, u32::MAX);
    client.cut();
    let absent = Connect::new(fresh("absent"));
    Client::connect(&broker, &absent).cut();
    let_pass(2000);
    assert!(Client::connect(&broker, &endless).session_present());
    assert!(!Client::connect(&broker, &absent.resume()).session_present());
}

/// [MQTT-4.1.0-1] A session is not dropped while it has a connection.
#[test]
fn v5_4_1_0_1() {
    let broker = broker();
    let (connect, topic, mut client) = kept(&broker, 1);
    publish(&broker, &topic, "open");
    let open = client.message();
    let_pass(4000);
    publish(&broker, &topic, "after");
    assert_eq!(client.take().text(), "after");
    client.cut();
    let mut client = Client::connect(&broker, &connect);
    assert!(client.session_present());
    assert_eq!(client.take().id(), open.id());
}

/// [MQTT-4.1.0-2] It is dropped when its connection is gone and the expiry has passed.
#[test]
fn v5_4_1_0_2() {
    let broker = broker();
    let (connect, topic, client) = kept(&broker, 1);
    client.cut();
    publish(&broker, &topic, "queued");
    let_pass(3000);
    let mut client = Client::connect(&broker, &connect);
    assert!(!client.session_present());
    publish(&broker, &topic, "live");
    client.nothing_more();
}

/// [U-4.1-a] Identifiers of QoS 2 messages received and not released belong to the session.
#[test]
fn v5_u_4_1_a() {
    let broker = broker();
    let topic = fresh("once");
    let mut subscriber = Client::subscribed(&broker, &topic, 0);
    let connect = Connect::new(fresh("publisher")).expiry(60);
    let mut publisher = Client::connect(&broker, &connect);
    publisher.send(&Publish::new(&topic, "x").qos(2, 7).bytes());
    publisher.expect_answer(5, 7, &[0]);
    publisher.cut();
    let mut publisher = Client::connect(&broker, &connect.resume());
    publisher.send(&Publish::new(&topic, "x").qos(2, 7).dup().bytes());
    publisher.expect_answer(5, 7, &[0]);
    publisher.send(&ack(PUBREL, 7));
    publisher.expect_answer(7, 7, &[0]);
    assert_eq!(subscriber.take().text(), "x");
    subscriber.nothing_more();
}

/// [U-3.14.2.2.2-a] An expiry in DISCONNECT replaces that of CONNECT, and 0 ends the session.
#[test]
fn v5_u_3_14_2_2_2_a() {
    let broker = broker();
    let (connect, _, client) = kept(&broker, 3600);
    client.leave_with(0, &property::session_expiry(0));
    assert!(!Client::connect(&broker, &connect).session_present());
    let (connect, _, client) = kept(&broker, 1);
    client.leave_with(0, &property::session_expiry(3600));
    let_pass(3000);
    assert!(Client::connect(&broker, &connect).session_present());
}

/// [U-3.14.2.2.2-b] After an expiry of 0 in CONNECT, another in DISCONNECT is a Protocol Error: the
/// will is published and the session ends.
#[test]
fn v5_u_3_14_2_2_2_b() {
    let broker = broker();
    let topic = fresh("will");
    let mut watcher = Client::subscribed(&broker, &topic, 0);
    let connect = Connect::new(fresh("zero"));
    let mut client = Client::connect(&broker, &connect.clone().will(Will::new(&topic, "gone")));
    client.send(&disconnect(0, &property::session_expiry(60)));
    assert_disconnected(&client.rest(), 0x82);
    assert_eq!(watcher.take().text(), "gone");
    assert!(!Client::connect(&broker, &connect.resume()).session_present());
}

/// (trap 4) A session of expiry 0 ends when its connection is displaced, and
/// the newcomer inherits nothing.
#[test]
fn trap_04_a_session_without_expiry_is_not_inherited() {
    let broker = broker();
    let topic = fresh("t");
    let connect = Connect::new(fresh("short"));
    let mut old = Client::connect(&broker, &connect);
    old.subscribe(&topic, 1);
    let mut new = Client::connect(&broker, &connect.resume());
    assert!(!new.session_present());
    old.expect_disconnect(0x8e);
    publish(&broker, &topic, "x");
    new.nothing_more();
}

/// (trap 13) No interval in DISCONNECT leaves that of CONNECT in force.
#[test]
fn trap_13_a_disconnect_without_expiry_keeps_the_session() {
    let broker = broker();
    let (connect, _, client) = kept(&broker, 60);
    client.leave_with(0, &[]);
    assert!(Client::connect(&broker, &connect).session_present());
}

/// Two quick reconnects lose nothing that was open.
#[test]
fn a_double_reconnect_keeps_open_deliveries() {
    let broker = broker();
    let (connect, topic, mut client) = kept(&broker, 60);
    let mut publisher = Client::new(&broker);
    publisher.publish(&Publish::new(&topic, "one").qos(1, 1));
    publisher.publish(&Publish::new(&topic, "two").qos(2, 2));
    let ids = [client.message().id(), client.message().id()];
    let first = Client::connect(&broker, &connect);
    let mut second = Client::connect(&broker, &connect);
    drop((client, first));
    let again = [second.message(), second.message()];
    assert_eq!(again.each_ref().map(super::message::Message::id), ids);
    assert!(again.iter().all(|message| message.dup));
    second.send(&ack(PUBACK, ids[0]));
    second.send(&ack(PUBREC, ids[1]));
    second.expect_answer(6, ids[1], &[0]);
}
