//! 3.3: flags, topic, payload and answer of PUBLISH.

use super::brokers::shared;
use super::hand_client::Client;
use super::packet_bytes::{
    connect, puback, pubcomp, publish_as, publish0, publish1, publish2, pubrec, pubrel, suback,
    subscribe,
};

/// [MQTT-3.3.1-1] What is sent again bears DUP and the same packet id.
#[test]
fn v311_3_3_1_1() {
    let broker = shared();
    let hello = connect("3311").keep_session();
    let mut client = Client::fresh(&broker, &hello);
    client.subscribe("3311", 2);
    let mut publisher = Client::clean(&broker, "3311-publisher");
    publisher.publish(1, "3311", "one");
    publisher.publish(2, "3311", "two");
    client.expect(publish1(1, "3311", "one"));
    client.expect(publish2(2, "3311", "two"));
    client.drop_connection();
    let mut client = Client::resumed(&broker, &hello);
    client.expect(publish_as(0x3a, 1, "3311", "one"));
    client.expect(publish_as(0x3c, 2, "3311", "two"));
}

/// [MQTT-3.3.1-2] At QoS 0 there is no DUP: not from clients, not from the broker.
#[test]
fn v311_3_3_1_2() {
    let broker = shared();
    let mut watcher = Client::subscribed(&broker, "3312-watcher", "3312", 0);
    let bad = b"\x38\x07\x00\x043312x".as_slice();
    Client::clean(&broker, "3312").closed_by(bad);
    let mut publisher = Client::clean(&broker, "3312");
    // DUP of the publisher is not that of the subscriber.
    publisher.send(publish_as(0x3a, 1, "3312", "x"));
    watcher.expect(publish0("3312", "x"));
    publisher.expect(puback(1));
    watcher.gets_nothing_more(&mut publisher, "3312");
}

/// [MQTT-3.3.1-3] DUP of the publisher says nothing about what the broker sends.
#[test]
fn v311_3_3_1_3() {
    let broker = shared();
    let mut watcher = Client::subscribed(&broker, "3313-watcher", "3313", 2);
    let mut publisher = Client::clean(&broker, "3313");
    publisher.send(publish_as(0x3a, 1, "3313", "one"));
    publisher.expect(puback(1));
    publisher.send(publish_as(0x3c, 2, "3313", "two"));
    publisher.finish_qos2(2);
    watcher.expect(publish1(1, "3313", "one"));
    watcher.expect(publish2(2, "3313", "two"));
}

/// [MQTT-3.3.1-4] There is no QoS 3.
#[test]
fn v311_3_3_1_4() {
    let broker = shared();
    let mut watcher = Client::subscribed(&broker, "3314-watcher", "3314", 2);
    for first in [0x36, 0x37, 0x3e, 0x3f] {
        Client::clean(&broker, "3314").closed_by(publish_as(first, 1, "3314", "x"));
        watcher.gets_nothing_more(&mut Client::clean(&broker, "3314"), "3314");
    }
}

/// [MQTT-3.3.2-1] The topic name is the first field, and UTF-8.
#[test]
fn v311_3_3_2_1() {
    let broker = shared();
    for body in [
        b"\x30\x04\x00\x02\xc3\x28".as_slice(),
        // Longer than the packet; half a length; nothing at all.
        b"\x30\x03\x00\x09a",
        b"\x30\x01\x00",
        b"\x30\x00",
    ] {
        Client::clean(&broker, "3321").closed_by(body);
    }
}

/// [MQTT-3.3.2-2] A topic name has no wildcard.
#[test]
fn v311_3_3_2_2() {
    let broker = shared();
    let mut watcher = Client::subscribed(&broker, "3322-watcher", "3322/#", 0);
    for topic in ["3322/+", "3322/#", "3322/a+b", "3322/+/b", "3322#"] {
        for bytes in [publish0(topic, "x"), publish1(1, topic, "x")] {
            Client::clean(&broker, "3322").closed_by(bytes);
            watcher.gets_nothing_more(&mut Client::clean(&broker, "3322"), "3322/end");
        }
    }
}

/// [MQTT-3.3.4-1] QoS 0 is not answered, QoS 1 by PUBACK, QoS 2 by PUBREC.
#[test]
fn v311_3_3_4_1() {
    let broker = shared();
    let mut client = Client::clean(&broker, "3341");
    client.send(publish0("3341", "x"));
    client.ping();
    client.send(publish1(0x0102, "3341", "x"));
    client.expect(b"\x40\x02\x01\x02");
    client.send(publish2(0x0102, "3341", "x"));
    client.expect(b"\x50\x02\x01\x02");
    client.send(b"\x62\x02\x01\x02");
    client.expect(b"\x70\x02\x01\x02");
    client.ping();
}

/// [MQTT-3.3.5-1] Where subscriptions of a client overlap, the message comes at the highest QoS
/// granted. (Our choice: in one copy.)
#[test]
fn v311_3_3_5_1() {
    let broker = shared();
    let mut client = Client::clean(&broker, "3351");
    client.send(subscribe(1, &[("3351/#", 0), ("3351/b", 2), ("3351/+", 1)]));
    client.expect(suback(1, &[0, 2, 1]));
    let mut publisher = Client::clean(&broker, "3351-publisher");
    publisher.publish(2, "3351/b", "x");
    client.expect(publish2(1, "3351/b", "x"));
    client.send(pubrec(1));
    client.expect(pubrel(1));
    client.send(pubcomp(1));
    client.gets_nothing_more(&mut publisher, "3351/c/end");
}

/// [MQTT-3.3.5-2] What may not be published is acknowledged all the same (our choice) and reaches
/// nobody.
#[test]
fn v311_3_3_5_2() {
    let broker = shared();
    let mut watcher = Client::subscribed(&broker, "3352-watcher", "$SYS/3352", 0);
    watcher.subscribe("3352", 0);
    let mut publisher = Client::clean(&broker, "3352");
    publisher.send(publish0("$SYS/3352", "x"));
    publisher.publish(1, "$SYS/3352", "x");
    publisher.publish(2, "$SYS/3352", "x");
    watcher.gets_nothing_more(&mut publisher, "3352");
}

/// (3.3.3 and 4.7, without a number) A payload may be empty; a topic may have blanks in it and
/// levels without a letter.
#[test]
fn v311_u_unnumbered_d() {
    let broker = shared();
    let mut client = Client::clean(&broker, "unnumbered-d");
    let mut publisher = Client::clean(&broker, "unnumbered-d-publisher");
    for topic in [
        "unnumbered-d",
        "/unnumbered-d",
        "unnumbered-d/",
        "un numbered d",
        " /",
        "//",
    ] {
        client.subscribe(topic, 1);
        for payload in ["", "x"] {
            publisher.send(publish0(topic, payload));
            client.expect(publish0(topic, payload));
            publisher.publish(1, topic, payload);
            let message = client.take();
            assert_eq!(
                (message.topic_text(), message.text()),
                (topic.into(), payload.into())
            );
        }
    }
}
