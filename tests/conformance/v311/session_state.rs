//! 3.1.2.4, 3.1.3.1, 4.1: what a session keeps, for whom, and how long.

use std::thread;
use std::time::Duration;

use super::brokers::shared;
use super::hand_client::Client;
use super::packet_bytes::{
    connect, puback, pubcomp, publish_as, publish0, publish1, publish2, pubrec, pubrel,
};

/// [MQTT-3.1.2-4] `CleanSession` 0 takes up the session that is there, or begins one that is kept.
#[test]
fn v311_3_1_2_4() {
    let broker = shared();
    let hello = connect("3124").keep_session();
    let mut client = Client::fresh(&broker, &hello);
    client.subscribe("3124", 1);
    client.disconnect();
    let mut client = Client::resumed(&broker, &hello);
    Client::clean(&broker, "3124-publisher").publish(1, "3124", "x");
    client.expect(publish1(1, "3124", "x"));
}

/// [MQTT-3.1.2-5] Messages of QoS 1 and 2 wait for a client that is away.
#[test]
fn v311_3_1_2_5() {
    let broker = shared();
    let hello = connect("3125").keep_session();
    let mut client = Client::fresh(&broker, &hello);
    client.subscribe("3125", 2);
    client.disconnect();
    let mut publisher = Client::clean(&broker, "3125-publisher");
    for qos in [1, 2] {
        for number in 0..5 {
            publisher.publish(qos, "3125", &format!("{qos}.{number}"));
        }
    }
    let mut client = Client::resumed(&broker, &hello);
    let messages: Vec<_> = (0..10).map(|_| client.message()).collect();
    let expected = (0..10).map(|n| format!("{}.{}", n / 5 + 1, n % 5));
    assert_eq!(
        messages.iter().map(|m| m.text()).collect::<Vec<_>>(),
        expected.collect::<Vec<_>>()
    );
    for message in &messages {
        assert_eq!(message.text().starts_with('1'), message.qos == 1);
        // They were never sent before.
        assert!(!message.dup);
    }
}

/// [MQTT-3.1.2-6] `CleanSession` 1 drops the session that was there, and leaves none.
#[test]
fn v311_3_1_2_6() {
    let broker = shared();
    let kept = connect("3126").keep_session();
    let mut client = Client::fresh(&broker, &kept);
    client.subscribe("3126", 1);
    client.disconnect();
    let mut client = Client::clean(&broker, "3126");
    client.subscribe("3126/clean", 1);
    client.disconnect();
    let mut client = Client::fresh(&broker, &kept);
    client.subscribe("3126/end", 0);
    let mut publisher = Client::clean(&broker, "3126-publisher");
    publisher.publish(1, "3126", "x");
    publisher.publish(1, "3126/clean", "x");
    client.gets_nothing_more(&mut publisher, "3126/end");
}

/// [MQTT-3.1.2-7] What was retained does not go with the session of who published it.
#[test]
fn v311_3_1_2_7() {
    let broker = shared();
    let mut publisher = Client::clean(&broker, "3127");
    publisher.send(publish_as(0x33, 1, "3127", "x"));
    publisher.expect(puback(1));
    publisher.disconnect();
    let mut later = Client::subscribed(&broker, "3127", "3127", 1);
    later.expect(publish_as(0x33, 1, "3127", "x"));
}

/// [MQTT-3.1.3-2] The client id says whose session it is.
#[test]
fn v311_3_1_3_2() {
    let broker = shared();
    let one = connect("3132-one").keep_session();
    let mut client = Client::fresh(&broker, &one);
    client.subscribe("3132", 1);
    client.disconnect();
    // Ids are compared byte by byte: these are others.
    for id in ["3132-two", "3132-One", "3132-one "] {
        let mut other = Client::fresh(&broker, &connect(id).keep_session());
        other.subscribe("3132/end", 0);
        let mut publisher = Client::clean(&broker, "3132-publisher");
        publisher.publish(1, "3132", id);
        other.gets_nothing_more(&mut publisher, "3132/end");
    }
    let mut client = Client::resumed(&broker, &one);
    for id in ["3132-two", "3132-One", "3132-one "] {
        assert_eq!(client.take().text(), id);
    }
}

/// [MQTT-3.1.4-3] `CleanSession` means the same when the id's older connection is still there.
#[test]
fn v311_3_1_4_3() {
    let broker = shared();
    let kept = connect("3143").keep_session();
    let mut publisher = Client::clean(&broker, "3143-publisher");
    let mut first = Client::fresh(&broker, &kept);
    first.subscribe("3143", 1);
    let mut second = Client::resumed(&broker, &kept);
    first.expect_closed();
    publisher.publish(1, "3143", "kept");
    second.expect(publish1(1, "3143", "kept"));

    let mut third = Client::clean(&broker, "3143");
    second.expect_closed();
    third.subscribe("3143/end", 0);
    publisher.publish(1, "3143", "dropped");
    third.gets_nothing_more(&mut publisher, "3143/end");
    // A session that was clean ends with its connection, and is not taken up.
    let mut fourth = Client::fresh(&broker, &kept);
    third.expect_closed();
    fourth.subscribe("3143/fourth", 0);
    publisher.publish(1, "3143/end", "x");
    fourth.gets_nothing_more(&mut publisher, "3143/fourth");
}

/// [MQTT-4.1.0-1] Subscriptions, messages under way in both directions: all of it outlasts lost
/// connections and takeovers.
#[test]
fn v311_4_1_0_1() {
    let broker = shared();
    let hello = connect("4101").keep_session();
    let mut watcher = Client::subscribed(&broker, "4101-watcher", "4101/out", 0);
    let mut publisher = Client::clean(&broker, "4101-publisher");
    let mut client = Client::fresh(&broker, &hello);
    client.subscribe("4101/in", 2);
    client.send(publish2(9, "4101/out", "x"));
    client.expect(pubrec(9));
    publisher.publish(1, "4101/in", "one");
    publisher.publish(2, "4101/in", "two");
    let (one, two) = (client.message(), client.message());
    for lost in [true, false] {
        let mut next = if lost {
            client.drop_connection();
            Client::resumed(&broker, &hello)
        } else {
            let next = Client::resumed(&broker, &hello);
            client.expect_closed();
            next
        };
        next.expect(publish_as(0x3a, one.id, "4101/in", "one"));
        next.expect(publish_as(0x3c, two.id, "4101/in", "two"));
        client = next;
    }
    // The message that we began on the first connection still waits for its PUBREL, once.
    client.send(publish_as(0x3c, 9, "4101/out", "x"));
    client.expect(pubrec(9));
    client.send(pubrel(9));
    client.expect(pubcomp(9));
    watcher.expect(publish0("4101/out", "x"));
    watcher.gets_nothing_more(&mut client, "4101/out");
}

/// [MQTT-4.1.0-2] A session lasts as long as its connection, however idle.
#[test]
fn v311_4_1_0_2() {
    let broker = shared();
    let mut client = Client::subscribed(&broker, "4102", "4102", 1);
    // Others' sessions end meanwhile, and the broker's timers go round more than once.
    for round in 0..6 {
        Client::clean(&broker, &format!("4102-{round}")).drop_connection();
        thread::sleep(Duration::from_millis(500));
    }
    Client::clean(&broker, "4102-publisher").publish(1, "4102", "x");
    client.expect(publish1(1, "4102", "x"));
}
