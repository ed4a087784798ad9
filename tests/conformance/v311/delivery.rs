//! 4.4, 4.5: what is sent again, and what an acknowledgement promises.

use std::thread;
use std::time::Duration;

use super::brokers::shared;
use super::hand_client::Client;
use super::packet_bytes::{
    connect, puback, pubcomp, publish_as, publish1, publish2, pubrec, pubrel,
};

/// [MQTT-4.4.0-1] With the next connection all that was not acknowledged comes again with its packet
/// id: PUBLISH and PUBREL, in the order first sent.
#[test]
fn v311_4_4_0_1() {
    let broker = shared();
    let hello = connect("4401").keep_session();
    let mut client = Client::fresh(&broker, &hello);
    client.subscribe("4401", 2);
    let mut publisher = Client::clean(&broker, "4401-publisher");
    for (id, qos) in [(1, 1), (2, 2), (3, 1), (4, 2), (5, 1), (6, 2)] {
        publisher.publish(qos, "4401", &id.to_string());
        let message = client.message();
        assert_eq!((message.id, message.qos), (id, qos));
    }
    client.send(pubrec(2));
    client.expect(pubrel(2));
    client.send(pubrec(6));
    client.expect(pubrel(6));
    client.send(puback(3));
    client.send(pubcomp(6));
    client.ping();
    client.drop_connection();
    for _ in 0..2 {
        client = Client::resumed(&broker, &hello);
        client.expect(publish_as(0x3a, 1, "4401", "1"));
        client.expect(pubrel(2));
        client.expect(publish_as(0x3c, 4, "4401", "4"));
        client.expect(publish_as(0x3a, 5, "4401", "5"));
        client.gets_nothing_more(&mut publisher, "4401");
        client.drop_connection();
    }
}

/// (trap 11) While a connection stands, no timer sends anything again: neither PUBLISH nor PUBREL.
#[test]
fn trap_11_nothing_is_sent_again_on_one_connection() {
    let broker = shared();
    let mut client = Client::subscribed(&broker, "trap-11", "trap-11", 2);
    let mut publisher = Client::clean(&broker, "trap-11-publisher");
    for (id, qos) in [(1, 1), (2, 2), (3, 2)] {
        publisher.publish(qos, "trap-11", &id.to_string());
        assert_eq!(client.message().id, id);
    }
    client.send(pubrec(3));
    client.expect(pubrel(3));
    // Timers that send again are measured in seconds where they exist. What is published meanwhile
    // would be an occasion for them, too.
    for _ in 0..6 {
        thread::sleep(Duration::from_secs(1));
        publisher.publish(1, "trap-11", "between");
        assert_eq!(client.take().text(), "between");
        client.ping();
    }
}

/// [MQTT-4.5.0-1] An acknowledged message is in the session of each client that wants it, away or
/// not.
#[test]
fn v311_4_5_0_1() {
    let broker = shared();
    let hellos: Vec<_> = ["4501/#", "+/a/4501", "4501/a"]
        .map(|filter| {
            let hello = connect(format!("4501-{filter}")).keep_session();
            let mut client = Client::fresh(&broker, &hello);
            client.subscribe(filter, 2);
            client.disconnect();
            hello
        })
        .into();
    let mut here = Client::subscribed(&broker, "4501-here", "4501/#", 2);
    let mut publisher = Client::clean(&broker, "4501-publisher");
    publisher.publish(1, "4501/a", "one");
    publisher.publish(2, "4501/a/4501", "two");
    here.expect(publish1(1, "4501/a", "one"));
    here.expect(publish2(2, "4501/a/4501", "two"));
    for (hello, expected) in hellos.iter().zip([&["one", "two"][..], &["two"], &["one"]]) {
        let mut client = Client::resumed(&broker, hello);
        for text in expected {
            assert_eq!(client.take().text(), *text);
        }
        client.ping();
        client.disconnect();
    }
}
