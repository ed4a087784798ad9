//! 4.3.1, 4.3.2: at most once, at least once.

use super::brokers::shared;
use super::hand_client::Client;
use super::packet_bytes::{connect, puback, publish_as, publish0, publish1};

/// [MQTT-4.3.1-1] At QoS 0 a message is sent once, without DUP and packet id.
#[test]
fn v311_4_3_1_1() {
    let broker = shared();
    let mut publisher = Client::clean(&broker, "4311");
    for granted in [0, 2] {
        let mut client = Client::subscribed(&broker, "4311-subscriber", "4311", granted);
        publisher.send(publish0("4311", "x"));
        client.expect(b"\x30\x07\x00\x044311x");
        client.gets_nothing_more(&mut publisher, "4311");
    }
    let mut client = Client::subscribed(&broker, "4311-subscriber", "4311", 0);
    publisher.publish(1, "4311", "x");
    publisher.publish(2, "4311", "x");
    client.expect(b"\x30\x07\x00\x044311x\x30\x07\x00\x044311x");
}

/// [MQTT-4.3.2-1] The sender at QoS 1 takes a free packet id and no DUP, and counts the message as
/// under way until PUBACK: it is sent again with the next connection, not before.
#[test]
fn v311_4_3_2_1() {
    let broker = shared();
    let hello = connect("4321").keep_session();
    let mut client = Client::fresh(&broker, &hello);
    client.subscribe("4321", 1);
    let mut publisher = Client::clean(&broker, "4321-publisher");
    publisher.publish(1, "4321", "one");
    client.expect(publish1(1, "4321", "one"));
    publisher.publish(1, "4321", "two");
    client.expect(publish1(2, "4321", "two"));
    client.send(puback(2));
    client.gets_nothing_more(&mut publisher, "4321");
    client.drop_connection();
    let mut client = Client::resumed(&broker, &hello);
    client.expect(publish_as(0x3a, 1, "4321", "one"));
    client.gets_nothing_more(&mut publisher, "4321");
    client.send(puback(1));
    client.ping();
    client.drop_connection();
    let mut client = Client::resumed(&broker, &hello);
    client.gets_nothing_more(&mut publisher, "4321");
}

/// [MQTT-4.3.2-2] The receiver at QoS 1 answers PUBACK, and then takes the same packet id for a new
/// message, DUP or not.
#[test]
fn v311_4_3_2_2() {
    let broker = shared();
    let mut watcher = Client::subscribed(&broker, "4322-watcher", "4322", 0);
    let mut publisher = Client::clean(&broker, "4322");
    publisher.send(publish1(5, "4322", "x"));
    publisher.expect(puback(5));
    publisher.send(publish_as(0x3a, 5, "4322", "x"));
    publisher.expect(puback(5));
    watcher.expect(publish0("4322", "x"));
    watcher.expect(publish0("4322", "x"));
    watcher.gets_nothing_more(&mut publisher, "4322");
}
