//! 4.3.3: exactly once.

use super::brokers::shared;
use super::hand_client::Client;
use super::packet_bytes::{connect, pubcomp, publish_as, publish0, publish2, pubrec, pubrel};

/// [MQTT-4.3.3-1] The sender at QoS 2 takes a free packet id and no DUP, sends PUBREL after PUBREC
/// and again with the next connection until PUBCOMP, and never the message after PUBREL.
#[test]
fn v311_4_3_3_1() {
    let broker = shared();
    let hello = connect("4331").keep_session();
    let mut client = Client::fresh(&broker, &hello);
    client.subscribe("4331", 2);
    let mut publisher = Client::clean(&broker, "4331-publisher");
    publisher.publish(2, "4331", "one");
    client.expect(publish2(1, "4331", "one"));
    client.send(pubrec(1));
    client.expect(pubrel(1));
    for _ in 0..2 {
        client.drop_connection();
        client = Client::resumed(&broker, &hello);
        client.expect(pubrel(1));
        client.gets_nothing_more(&mut publisher, "4331");
    }
    // The id is taken while PUBCOMP is missing.
    publisher.publish(2, "4331", "two");
    client.expect(publish2(2, "4331", "two"));
    client.send(pubrec(1));
    client.expect(pubrel(1));
    client.send([pubcomp(1), pubrec(2)].concat());
    client.expect(pubrel(2));
    client.send(pubcomp(2));
    client.ping();
    client.drop_connection();
    let mut client = Client::resumed(&broker, &hello);
    client.gets_nothing_more(&mut publisher, "4331");
}

/// [MQTT-4.3.3-2] The receiver at QoS 2 answers each PUBLISH of an id with PUBREC and delivers one of
/// them; after PUBREL, which PUBCOMP answers, the id stands for a new message.
#[test]
fn v311_4_3_3_2() {
    let broker = shared();
    let mut watcher = Client::subscribed(&broker, "4332-watcher", "4332", 0);
    let mut publisher = Client::clean(&broker, "4332");
    for payload in ["one", "two"] {
        publisher.send(publish2(7, "4332", payload));
        publisher.expect(pubrec(7));
        for _ in 0..2 {
            publisher.send(publish_as(0x3c, 7, "4332", payload));
            publisher.expect(pubrec(7));
        }
        publisher.send(pubrel(7));
        publisher.expect(pubcomp(7));
        watcher.expect(publish0("4332", payload));
        watcher.gets_nothing_more(&mut publisher, "4332");
    }
    // A PUBREL again, as from a client that missed PUBCOMP, is answered again.
    publisher.send(pubrel(7));
    publisher.expect(pubcomp(7));
}

/// [MQTT-3.6.1-1] The flags of PUBREL are 0010, for a message that waits for it as for others.
#[test]
fn v311_3_6_1_1() {
    let broker = shared();
    let mut watcher = Client::subscribed(&broker, "3611-watcher", "3611", 0);
    for first in [0x60, 0x61, 0x63, 0x64, 0x66, 0x6a, 0x6f] {
        let mut client = Client::clean(&broker, "3611");
        client.send(publish2(1, "3611/other", "x"));
        client.expect(pubrec(1));
        client.closed_by([first, 2, 0, 1]);
        Client::clean(&broker, "3611").closed_by([first, 2, 0, 9]);
        watcher.gets_nothing_more(&mut Client::clean(&broker, "3611"), "3611");
    }
}
