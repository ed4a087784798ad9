//! 3.10, 3.11: the end of subscriptions.

use super::brokers::shared;
use super::hand_client::Client;
use super::packet_bytes::{
    Fields, connect, puback, pubcomp, publish_as, publish0, publish1, publish2, pubrec, pubrel,
    suback, subscribe, unsuback, unsubscribe,
};

/// [MQTT-3.10.1-1] The flags of UNSUBSCRIBE are 0010.
#[test]
fn v311_3_10_1_1() {
    let broker = shared();
    for first in [0xa0, 0xa1, 0xa3, 0xa6, 0xaa, 0xaf] {
        let bytes = Fields::new().number(1).string("31011").packet(first);
        Client::clean(&broker, "31011").closed_by(bytes);
    }
}

/// [MQTT-3.10.3-1] Filters are UTF-8, one behind the other.
#[test]
fn v311_3_10_3_1() {
    let broker = shared();
    for filter in [b"\xc3\x28".as_slice(), b"\xed\xa0\x80", b"a\0b"] {
        Client::clean(&broker, "31031").closed_by(unsubscribe(1, &[filter]));
        Client::clean(&broker, "31031").closed_by(unsubscribe(1, &[b"31031".as_slice(), filter]));
    }
    // The second one is longer than what is left of the packet.
    Client::clean(&broker, "31031").closed_by(b"\xa2\x08\x00\x01\x00\x01a\x00\x05b");
}

/// [MQTT-3.10.3-2] There is one filter at least.
#[test]
fn v311_3_10_3_2() {
    let broker = shared();
    Client::clean(&broker, "31032").closed_by(b"\xa2\x02\x00\x01");
}

/// [MQTT-3.10.4-1] Filters are compared character by character: one that matches the same topics
/// is another one.
#[test]
fn v311_3_10_4_1() {
    let broker = shared();
    let mut client = Client::clean(&broker, "31041");
    client.send(subscribe(1, &[("31041/a/+", 0), ("31041/a/b", 0)]));
    client.expect(suback(1, &[0, 0]));
    let mut publisher = Client::clean(&broker, "31041-publisher");
    for other in [
        "31041/A/b",
        "31041/a/b/",
        "31041/#",
        "31041/a/+/#",
        "31041/+/b",
        "31041/a/B",
    ] {
        client.unsubscribe(other);
        publisher.send(publish0("31041/a/b", other));
        client.expect(publish0("31041/a/b", other));
    }
    client.unsubscribe("31041/a/b");
    publisher.send(publish0("31041/a/b", "one is left"));
    client.expect(publish0("31041/a/b", "one is left"));
    client.unsubscribe("31041/a/+");
    client.subscribe("31041/end", 0);
    publisher.send(publish0("31041/a/b", "none is left"));
    client.gets_nothing_more(&mut publisher, "31041/end");
}

/// [MQTT-3.10.4-2] After UNSUBACK nothing is added for the client.
#[test]
fn v311_3_10_4_2() {
    let broker = shared();
    let mut publisher = Client::clean(&broker, "31042");
    for qos in [0, 1, 2] {
        let mut client = Client::subscribed(&broker, "31042-subscriber", "31042", qos);
        publisher.publish(qos, "31042", "x");
        client.take();
        client.unsubscribe("31042");
        client.subscribe("31042/end", 0);
        publisher.publish(qos, "31042", "y");
        client.gets_nothing_more(&mut publisher, "31042/end");
    }
}

/// [MQTT-3.10.4-3] What has begun to be delivered is finished, on this connection and the next.
#[test]
fn v311_3_10_4_3() {
    let broker = shared();
    let hello = connect("31043").keep_session();
    let mut client = Client::fresh(&broker, &hello);
    client.subscribe("31043", 2);
    let mut publisher = Client::clean(&broker, "31043-publisher");
    publisher.publish(1, "31043", "one");
    publisher.publish(2, "31043", "two");
    publisher.publish(2, "31043", "three");
    client.expect(publish1(1, "31043", "one"));
    client.expect(publish2(2, "31043", "two"));
    client.expect(publish2(3, "31043", "three"));
    client.unsubscribe("31043");
    client.send(pubrec(2));
    client.expect(pubrel(2));
    client.drop_connection();
    let mut client = Client::resumed(&broker, &hello);
    client.expect(publish_as(0x3a, 1, "31043", "one"));
    client.expect(pubrel(2));
    client.expect(publish_as(0x3c, 3, "31043", "three"));
    client.send([puback(1), pubcomp(2), pubrec(3)].concat());
    client.expect(pubrel(3));
    client.send(pubcomp(3));
    client.ping();
}

/// [MQTT-3.10.4-4] UNSUBACK bears the packet id of the UNSUBSCRIBE.
#[test]
fn v311_3_10_4_4() {
    let broker = shared();
    let mut client = Client::subscribed(&broker, "31044", "31044", 0);
    client.send(b"\xa2\x09\x12\x34\x00\x0531044");
    client.expect(b"\xb0\x02\x12\x34");
}

/// [MQTT-3.10.4-5] UNSUBACK comes though there was no such subscription.
#[test]
fn v311_3_10_4_5() {
    let broker = shared();
    let mut client = Client::clean(&broker, "31045");
    client.send(unsubscribe(5, &["31045/never/there"]));
    client.expect(unsuback(5));
    client.ping();
}

/// [MQTT-3.10.4-6] Many filters in one packet are many ends and one UNSUBACK.
#[test]
fn v311_3_10_4_6() {
    let broker = shared();
    let topics = ["31046/a", "31046/b", "31046/c"];
    let mut client = Client::clean(&broker, "31046");
    client.send(subscribe(1, &topics.map(|topic| (topic, 0))));
    client.expect(suback(1, &[0, 0, 0]));
    client.send(unsubscribe(2, &topics));
    client.expect(unsuback(2));
    client.subscribe("31046/end", 0);
    let mut publisher = Client::clean(&broker, "31046-publisher");
    for topic in topics {
        publisher.publish(1, topic, "x");
    }
    client.gets_nothing_more(&mut publisher, "31046/end");
}
