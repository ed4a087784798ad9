//! Sections 3.3.4 and 4.9: Receive Maximum in both directions.

use super::client::{Client, broker, broker_with, fresh};
use super::packets::{
    Connect, PINGREQ, PUBACK, PUBCOMP, PUBREC, PUBREL, Publish, ack, ack_with, property, subscribe,
};

/// A client with this Receive Maximum, a session, and a topic at QoS 2.
fn limited(maximum: u16) -> (std::sync::Arc<mqtt_tests::Broker>, Connect, String, Client) {
    let broker = broker();
    let topic = fresh("t");
    let connect = Connect::new(fresh("limited")).expiry(60);
    let first = connect.clone().with(property::receive_maximum(maximum));
    let mut client = Client::connect(&broker, &first);
    client.subscribe(&topic, 2);
    (broker, connect.resume(), topic, client)
}

/// Publishes so many messages of this QoS.
fn publish(broker: &std::sync::Arc<mqtt_tests::Broker>, topic: &str, qos: u8, count: u16) {
    let mut publisher = Client::new(broker);
    for id in 1..=count {
        publisher.publish(&Publish::new(topic, id.to_string()).qos(qos, id));
    }
}

/// [MQTT-3.3.4-7] A client with more open QoS 2 messages than the broker takes gets 0x93.
#[test]
fn v5_3_3_4_7() {
    let broker = broker_with("max_inflight_messages 5");
    let mut client = Client::new(&broker);
    assert_eq!(client.connack_property(0x21), Some(vec![0, 5]));
    for id in 1..=5 {
        client.send(&Publish::new("t", "x").qos(2, id).bytes());
        client.expect_answer(5, id, &[0x00, 0x10]);
    }
    // One that is sent again is not one more, and QoS 1 is answered at once.
    client.send(&Publish::new("t", "x").qos(2, 3).dup().bytes());
    client.expect_answer(5, 3, &[0x00, 0x10]);
    client.send(&Publish::new("t", "x").qos(2, 6).bytes());
    client.expect_disconnect(0x93);
}

/// [U-3.3.4-e] The same with a maximum of two; one that is released makes room.
#[test]
fn v5_u_3_3_4_e() {
    let broker = broker_with("max_inflight_messages 2");
    let mut client = Client::new(&broker);
    for id in 1..=10 {
        client.send(&Publish::new("t", "x").qos(2, id).bytes());
        client.expect_answer(5, id, &[0x00, 0x10]);
        if id > 1 {
            client.send(&ack(PUBREL, id - 1));
            client.expect_answer(7, id - 1, &[0x00]);
        }
    }
    client.send(&Publish::new("t", "x").qos(2, 11).bytes());
    client.expect_answer(5, 11, &[0x00, 0x10]);
    client.send(&Publish::new("t", "x").qos(2, 12).bytes());
    client.expect_disconnect(0x93);
}

/// [MQTT-3.3.4-9] The broker has no more open messages of QoS 1 and 2 than the client takes.
#[test]
fn v5_3_3_4_9() {
    for qos in [1, 2] {
        let (broker, _, topic, mut client) = limited(3);
        publish(&broker, &topic, qos, 10);
        let mut open: Vec<u16> = (0..3).map(|_| client.message().id()).collect();
        client.nothing_more();
        for _ in 3..10 {
            let id = open.remove(0);
            if qos == 1 {
                client.send(&ack(PUBACK, id));
            } else {
                client.send(&ack(PUBREC, id));
                client.expect_answer(6, id, &[0]);
                client.nothing_more();
                client.send(&ack(PUBCOMP, id));
            }
            open.push(client.message().id());
            client.nothing_more();
        }
    }
}

/// [MQTT-3.3.4-10] Only PUBLISH waits for that: answers to all else come.
#[test]
fn v5_3_3_4_10() {
    let (broker, _, topic, mut client) = limited(3);
    publish(&broker, &topic, 2, 5);
    let first = client.message().id();
    client.message();
    client.message();
    client.nothing_more();
    client.send(&Publish::new(fresh("t"), "x").qos(1, 9).bytes());
    client.expect_answer(4, 9, &[0x00, 0x10]);
    client.send(&Publish::new(fresh("t"), "x").qos(2, 10).bytes());
    client.expect_answer(5, 10, &[0x00, 0x10]);
    client.send(&ack(PUBREL, 10));
    client.expect_answer(7, 10, &[0x00]);
    client.send(&subscribe(11, &[], &[(&fresh("t"), 0)]));
    client.expect_hex("90 04 00 0b 00 00");
    client.unsubscribe(&topic);
    client.send(&ack(PUBREC, first));
    client.expect_answer(6, first, &[0x00]);
    client.nothing_more();
}

/// [MQTT-4.9.0-1] The quota begins anew with each connection, at the value that this one tells.
#[test]
fn v5_4_9_0_1() {
    let (broker, connect, topic, mut client) = limited(1);
    publish(&broker, &topic, 1, 10);
    client.message();
    client.nothing_more();
    client.cut();
    let more = connect.clone().with(property::receive_maximum(4));
    let mut client = Client::connect(&broker, &more);
    let texts: Vec<String> = (0..4).map(|_| client.message().text().to_owned()).collect();
    assert_eq!(texts, ["1", "2", "3", "4"]);
    client.nothing_more();
    client.cut();
    // With a smaller one than what is open, the rest follows as acknowledgements come.
    let mut client = Client::connect(&broker, &connect.with(property::receive_maximum(2)));
    for number in 1..=10 {
        if number == 1 {
            let (first, second) = (client.message(), client.message());
            client.nothing_more();
            client.send(&ack(PUBACK, first.id()));
            client.send(&ack(PUBACK, second.id()));
        } else if number > 2 {
            let message = client.take();
            assert_eq!(
                (message.text(), message.dup),
                (number.to_string().as_str(), number < 5)
            );
        }
    }
    client.nothing_more();
}

/// [MQTT-4.9.0-2] At a quota of 0 no PUBLISH of QoS 1 or 2 is sent; QoS 0 passes, by choice.
#[test]
fn v5_4_9_0_2() {
    let (broker, _, topic, mut client) = limited(1);
    publish(&broker, &topic, 2, 1);
    publish(&broker, &topic, 1, 1);
    let open = client.message().id();
    client.nothing_more();
    publish(&broker, &topic, 0, 1);
    assert_eq!(client.message().qos, 0);
    client.send(&ack(PUBREC, open));
    client.expect_answer(6, open, &[0]);
    client.nothing_more();
    client.send(&ack(PUBCOMP, open));
    assert_eq!(client.take().qos, 1);
}

/// [MQTT-4.9.0-3] At a quota of 0 all other packets are processed.
#[test]
fn v5_4_9_0_3() {
    let (broker, _, topic, mut client) = limited(1);
    publish(&broker, &topic, 1, 2);
    client.message();
    client.send(&PINGREQ);
    client.expect_hex("d0 00");
    client.send(&subscribe(5, &[], &[(&fresh("t"), 2)]));
    client.expect_hex("90 04 00 05 00 02");
}

/// [U-4.9-a] Acknowledgements of unknown identifiers do not raise the quota.
#[test]
fn v5_u_4_9_a() {
    let (broker, _, topic, mut client) = limited(2);
    for number in 100..120 {
        client.send(&ack(PUBACK, number));
        client.send(&ack(PUBCOMP, number));
        client.send(&ack_with(PUBREC, number, 0x80));
    }
    publish(&broker, &topic, 1, 5);
    let mut open = [client.message().id(), client.message().id()];
    open.sort_unstable();
    for number in 100..120 {
        client.send(&ack(PUBACK, number));
        client.send(&ack(PUBCOMP, number));
    }
    client.nothing_more();
    // The same acknowledgement twice makes room for one.
    client.send(&ack(PUBACK, open[0]));
    client.send(&ack(PUBACK, open[0]));
    client.message();
    let packet = {
        client.send(&PINGREQ);
        client.packet()
    };
    assert!(packet.is_type(13), "{packet:02x?}");
}
