//! 2.3.1: which packets have a packet id, and which one.

use std::collections::BTreeSet;

use super::brokers::shared;
use super::hand_client::Client;
use super::packet_bytes::{
    connect, puback, pubcomp, publish1, publish2, pubrec, pubrel, suback, subscribe, unsuback,
    unsubscribe,
};

/// [MQTT-2.3.1-1] Zero is no packet id: not in SUBSCRIBE, UNSUBSCRIBE and PUBLISH of a client,
/// not in what the broker sends.
#[test]
fn v311_2_3_1_1() {
    let broker = shared();
    for bytes in [
        subscribe(0, &[("2311", 0)]),
        unsubscribe(0, &["2311"]),
        publish1(0, "2311", "x"),
        publish2(0, "2311", "x"),
    ] {
        Client::clean(&broker, "2311").closed_by(bytes);
    }
    let mut subscriber = Client::subscribed(&broker, "2311-subscriber", "2311", 2);
    let mut publisher = Client::clean(&broker, "2311");
    for qos in [1, 2] {
        publisher.publish(qos, "2311", "x");
        assert_ne!(subscriber.take().id, 0);
    }
}

/// [MQTT-2.3.1-4] Each message the broker has sent and not seen acknowledged has an id of its own,
/// and keeps it when it is sent again.
#[test]
fn v311_2_3_1_4() {
    let broker = shared();
    let hello = connect("2314-subscriber").keep_session();
    let mut subscriber = Client::fresh(&broker, &hello);
    subscriber.subscribe("2314", 1);
    let mut publisher = Client::clean(&broker, "2314");
    for number in 0..10 {
        publisher.publish(1, "2314", &number.to_string());
    }
    let ids: Vec<u16> = (0..10).map(|_| subscriber.message().id).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 10, "{ids:?}");
    subscriber.drop_connection();
    let mut subscriber = Client::resumed(&broker, &hello);
    let again: Vec<u16> = (0..10).map(|_| subscriber.message().id).collect();
    assert_eq!(again, ids);
}

/// [MQTT-2.3.1-5] At QoS 0 there is no packet id: the payload follows the topic.
#[test]
fn v311_2_3_1_5() {
    let broker = shared();
    let mut subscriber = Client::subscribed(&broker, "2315-subscriber", "2315", 2);
    let mut publisher = Client::clean(&broker, "2315");
    publisher.send(b"\x30\x08\x00\x042315hi");
    subscriber.expect(b"\x30\x08\x00\x042315hi");
}

/// [MQTT-2.3.1-6] PUBACK, PUBREC and PUBREL bear the id of the PUBLISH.
#[test]
fn v311_2_3_1_6() {
    let broker = shared();
    let mut client = Client::clean(&broker, "2316");
    for id in [1, 0x1234, 65_535] {
        client.send(publish1(id, "2316", "x"));
        client.expect(puback(id));
        client.send(publish2(id, "2316", "x"));
        client.expect(pubrec(id));
        client.send(pubrel(id));
        client.expect(pubcomp(id));
    }
    client.subscribe("2316", 2);
    client.publish(2, "2316/other", "x");
    let mut publisher = Client::clean(&broker, "2316-publisher");
    publisher.publish(2, "2316", "x");
    let id = client.message().id;
    client.send(pubrec(id));
    client.expect(pubrel(id));
}

/// [MQTT-2.3.1-7] SUBACK and UNSUBACK bear the id of what they answer.
#[test]
fn v311_2_3_1_7() {
    let broker = shared();
    let mut client = Client::clean(&broker, "2317");
    for id in [1, 65_535] {
        client.send(subscribe(id, &[("2317", 0)]));
        client.expect(suback(id, &[0]));
        client.send(unsubscribe(id, &["2317"]));
        client.expect(unsuback(id));
    }
}
