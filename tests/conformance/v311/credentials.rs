//! 3.1.2.8, 3.1.2.9, 3.1.3: user name, password, and the order of the payload's fields.

use super::brokers::{shared, with_login};
use super::hand_client::Client;
use super::packet_bytes::{
    ACCEPTED, CLEAN_SESSION, PASSWORD, USER_NAME, WILL_QOS_1, connect, publish1,
};

/// A string field of one letter.
const FIELD: &[u8] = b"\x00\x01u";

/// [MQTT-3.1.2-18] Without the user name flag there is no user name: a field more closes.
#[test]
fn v311_3_1_2_18() {
    let broker = shared();
    Client::silent(&broker).closed_by(connect("31218").and(FIELD).bytes());
    Client::clean(&broker, "31218").ping();
}

/// [MQTT-3.1.2-19] With the user name flag there is one: its absence closes.
#[test]
fn v311_3_1_2_19() {
    let broker = shared();
    let hello = connect("31219").flags(CLEAN_SESSION | USER_NAME);
    Client::silent(&broker).closed_by(hello.bytes());
    Client::fresh(&broker, &hello.and(FIELD)).ping();
}

/// [MQTT-3.1.2-20] Without the password flag there is no password: a field more closes.
#[test]
fn v311_3_1_2_20() {
    let broker = shared();
    let hello = connect("31220").flags(CLEAN_SESSION | USER_NAME).and(FIELD);
    Client::silent(&broker).closed_by(hello.clone().and(FIELD).bytes());
    Client::fresh(&broker, &hello).ping();
}

/// [MQTT-3.1.2-21] With the password flag there is one: its absence closes.
#[test]
fn v311_3_1_2_21() {
    let broker = shared();
    let hello = connect("31221").flags(CLEAN_SESSION | USER_NAME | PASSWORD);
    let hello = hello.and(FIELD);
    Client::silent(&broker).closed_by(hello.bytes());
    Client::fresh(&broker, &hello.and(FIELD)).ping();
}

/// [MQTT-3.1.2-22] No password without a user name.
#[test]
fn v311_3_1_2_22() {
    let broker = shared();
    let hello = connect("31222").flags(CLEAN_SESSION | PASSWORD);
    Client::silent(&broker).closed_by(hello.and(FIELD).bytes());
}

/// [MQTT-3.1.3-1] Client id, will topic, will message, user name, password: each is found in its
/// place.
#[test]
fn v311_3_1_3_1() {
    let broker = with_login();
    let mut watcher = Client::fresh(&broker, &connect("w").login("alice", "secret"));
    watcher.subscribe("topic", 1);
    let mut client = Client::silent(&broker);
    client.send(
        b"\x10\x2d\x00\x04MQTT\x04\xce\x00\x00\x00\x02id\x00\x05topic\x00\x07message\x00\x05alice\x00\x06secret",
    );
    client.expect(ACCEPTED);
    client.drop_connection();
    watcher.expect(publish1(1, "topic", "message"));
    let swapped = connect("id").flags(CLEAN_SESSION | USER_NAME | PASSWORD | WILL_QOS_1 | 0x04);
    let swapped = swapped.and(b"\x00\x05alice\x00\x06secret\x00\x05topic\x00\x07message");
    let mut client = Client::silent(&broker);
    client.send(swapped.bytes());
    client.expect([0x20, 2, 0, 5]);
    client.expect_closed();
}

/// [MQTT-3.1.3-11] The user name is UTF-8.
#[test]
fn v311_3_1_3_11() {
    let broker = shared();
    let hello = connect("31311").flags(CLEAN_SESSION | USER_NAME);
    Client::silent(&broker).closed_by(hello.clone().and(b"\x00\x02\xc3\x28").bytes());
    Client::silent(&broker).closed_by(hello.and(b"\x00\x03\xed\xa0\x80").bytes());
}
