//! 4.6: what comes in which order.

use super::brokers::{shared, with};
use super::hand_client::{Client, Message};
use super::packet_bytes::{connect, puback, pubcomp, publish0, publish1, publish2, pubrec, pubrel};

/// Publishes each number in turn as the payload, many packets under way at a time.
fn publish_numbers(publisher: &mut Client, topic: &str, qos: u8, count: u16) {
    let numbers: Vec<u16> = (1..=count).collect();
    for batch in numbers.chunks(500) {
        let packet = |id: &u16| match qos {
            0 => publish0(topic, id.to_string()),
            1 => publish1(*id, topic, id.to_string()),
            _ => publish2(*id, topic, id.to_string()),
        };
        publisher.send(batch.iter().flat_map(packet).collect::<Vec<u8>>());
        let mut all = |answer: fn(u16) -> Vec<u8>| {
            publisher.expect(batch.iter().copied().flat_map(answer).collect::<Vec<u8>>());
        };
        match qos {
            0 => {}
            1 => all(puback),
            _ => {
                all(pubrec);
                publisher.send(batch.iter().copied().flat_map(pubrel).collect::<Vec<u8>>());
                let last: Vec<u8> = batch.iter().copied().flat_map(pubcomp).collect();
                publisher.expect(last);
            }
        }
    }
}

/// Takes this many messages, answering what comes as it comes.
fn take_in_flow(client: &mut Client, count: usize) -> Vec<Message> {
    let mut messages = Vec::new();
    while messages.len() < count {
        let packet = client.packet();
        if packet.is_type(6) {
            let id = packet.body.first_chunk().copied().expect("a packet id");
            client.send(pubcomp(u16::from_be_bytes(id)));
            continue;
        }
        let message = Message::of(&packet);
        match message.qos {
            0 => {}
            1 => client.send(puback(message.id)),
            _ => client.send(pubrec(message.id)),
        }
        messages.push(message);
    }
    messages
}

/// [MQTT-4.6.0-4] PUBRELs come in the order of the PUBRECs, whatever that of the messages was.
#[test]
fn v311_4_6_0_4() {
    let broker = shared();
    let mut client = Client::subscribed(&broker, "4604", "4604", 2);
    let mut publisher = Client::clean(&broker, "4604-publisher");
    for id in 1..=4 {
        publisher.publish(2, "4604", "x");
        client.expect(publish2(id, "4604", "x"));
    }
    client.send([pubrec(3), pubrec(1), pubrec(4), pubrec(2)].concat());
    client.expect([pubrel(3), pubrel(1), pubrel(4), pubrel(2)].concat());
}

/// [MQTT-4.6.0-5] A topic is ordered: ten thousand messages of each QoS come as they were published.
#[test]
fn v311_4_6_0_5() {
    const COUNT: u16 = 10_000;
    let broker = with("max_queued_messages 0");
    let expected: Vec<String> = (1..=COUNT).map(|number| number.to_string()).collect();
    for qos in [0, 1, 2] {
        let topic = format!("ordered/{qos}");
        let mut client = Client::subscribed(&broker, "subscriber", &topic, qos);
        let mut publisher = Client::clean(&broker, "publisher");
        std::thread::scope(|scope| {
            scope.spawn(|| publish_numbers(&mut publisher, &topic, qos, COUNT));
            let messages = take_in_flow(&mut client, expected.len());
            assert!(
                messages
                    .iter()
                    .all(|message| message.qos == qos && !message.dup)
            );
            let got: Vec<String> = messages.iter().map(Message::text).collect();
            assert_eq!(got, expected, "QoS {qos}");
        });
    }
}

/// [MQTT-4.6.0-6] Each publisher's messages of a topic and QoS come in its order, whoever publishes
/// between them, and again so after a lost connection.
#[test]
fn v311_4_6_0_6() {
    const COUNT: usize = 40;
    let broker = shared();
    let hello = connect("4606").keep_session();
    let mut client = Client::fresh(&broker, &hello);
    client.subscribe("4606/+", 2);
    let topics = ["4606/a", "4606/b", "4606/c", "4606/d"];
    let mut publishers = topics.map(|topic| Client::clean(&broker, topic));
    for number in 0..COUNT {
        for (publisher, topic) in publishers.iter_mut().zip(topics) {
            publisher.publish(1, topic, &number.to_string());
            publisher.publish(2, topic, &number.to_string());
        }
    }
    // Some were on the wire; as none was acknowledged, all of them come again.
    for _ in 0..5 {
        client.message();
    }
    client.drop_connection();
    let mut client = Client::resumed(&broker, &hello);
    let messages = take_in_flow(&mut client, COUNT * topics.len() * 2);
    let expected: Vec<String> = (0..COUNT).map(|number| number.to_string()).collect();
    for topic in topics {
        for qos in [1, 2] {
            let of_one = messages
                .iter()
                .filter(|message| message.topic == topic.as_bytes() && message.qos == qos);
            let got: Vec<String> = of_one.map(Message::text).collect();
            assert_eq!(got, expected, "{topic} at QoS {qos}");
        }
    }
}
