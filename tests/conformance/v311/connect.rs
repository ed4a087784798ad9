//! 3.1: the first packet, its header, its client id, and what follows from it.

use super::brokers::{shared, with, with_login};
use super::hand_client::Client;
use super::packet_bytes::{
    ACCEPTED, DISCONNECT, Fields, PINGREQ, WILL, connect, publish0, retain0, subscribe,
};

/// [MQTT-3.1.0-1] Whatever comes first and is no CONNECT closes the connection unanswered.
#[test]
fn v311_3_1_0_1() {
    let broker = shared();
    for bytes in [
        publish0("3101", "x"),
        subscribe(1, &[("3101", 0)]),
        PINGREQ.to_vec(),
        DISCONNECT.to_vec(),
    ] {
        Client::silent(&broker).closed_by([bytes, connect("3101").bytes()].concat());
    }
}

/// [MQTT-3.1.0-2] A second CONNECT ends the connection.
#[test]
fn v311_3_1_0_2() {
    let broker = shared();
    let hello = connect("3102").bytes();
    Client::clean(&broker, "3102").closed_by(&hello);
    let mut client = Client::silent(&broker);
    client.send([hello.clone(), hello].concat());
    client.expect(ACCEPTED);
    client.expect_closed();
}

/// [MQTT-3.1.2-1] Another protocol name than MQTT is not served.
#[test]
fn v311_3_1_2_1() {
    let broker = shared();
    for name in [b"MQTX".as_slice(), b"mqtt", b"", b"MQT", b"MQTTT"] {
        let hello = connect("3121").keep_session().protocol(name, 4).bytes();
        Client::silent(&broker).closed_by(hello);
    }
    // None of them has left a session behind.
    Client::fresh(&broker, &connect("3121").keep_session());
    Client::clean(&broker, "3121");
}

/// [MQTT-3.1.2-2] A level that is not spoken is answered with return code 1, and closed.
#[test]
fn v311_3_1_2_2() {
    let broker = shared();
    for level in [0, 1, 2, 6, 0x63, 0x7f] {
        let mut client = Client::silent(&broker);
        client.send(connect("3122").protocol(b"MQTT", level).bytes());
        client.expect([0x20, 2, 0, 1]);
        client.expect_closed();
    }
}

/// [MQTT-3.1.2-3] The lowest connect flag is reserved: set, it ends the connection.
#[test]
fn v311_3_1_2_3() {
    let broker = shared();
    for flags in [0x01, 0x03] {
        Client::silent(&broker).closed_by(connect("3123").flags(flags).bytes());
    }
    Client::fresh(&broker, &connect("3123").keep_session());
    Client::clean(&broker, "3123");
}

/// [MQTT-3.1.3-3] The client id is the first field of the payload, and may not be missing.
#[test]
fn v311_3_1_3_3() {
    let broker = shared();
    let whole = connect("");
    let body = whole.body();
    let header = body.strip_suffix(&[0, 0]).expect("an empty client id");
    Client::silent(&broker).closed_by(Fields::new().raw(header).packet(0x10));
}

/// [MQTT-3.1.3-4] The client id is UTF-8.
#[test]
fn v311_3_1_3_4() {
    let broker = shared();
    Client::silent(&broker).closed_by(connect(b"\xff\xfe").bytes());
}

/// [MQTT-3.1.3-5] Ids of 1 to 23 letters and digits are let in.
#[test]
fn v311_3_1_3_5() {
    let broker = shared();
    for id in [
        "Q",
        "0123456789abcdefghijklm",
        "nopqrstuvwxyzABCDEFGHIJ",
        "KLMNOPQRSTUVWXYZ3135",
    ] {
        Client::clean(&broker, id).ping();
    }
}

/// [MQTT-3.1.3-6] Who gives no id gets one that nobody else has.
#[test]
fn v311_3_1_3_6() {
    let broker = shared();
    let mut clients: Vec<Client> = (0..5).map(|_| Client::clean(&broker, "")).collect();
    for client in &mut clients {
        client.ping();
    }
}

/// [MQTT-3.1.3-8] No id and `CleanSession` 0: return code 2, and closed.
#[test]
fn v311_3_1_3_8() {
    let broker = shared();
    let mut client = Client::silent(&broker);
    client.send(connect("").keep_session().bytes());
    client.expect([0x20, 2, 0, 2]);
    client.expect_closed();
}

/// [MQTT-3.1.3-9] An id that is not wanted: return code 2, and closed.
#[test]
fn v311_3_1_3_9() {
    let broker = with("allow_zero_length_clientid false");
    let mut client = Client::silent(&broker);
    client.send(connect("").bytes());
    client.expect([0x20, 2, 0, 2]);
    client.expect_closed();
    Client::clean(&broker, "3139").ping();
}

/// [MQTT-3.1.4-1] A CONNECT cut off at any byte, with a remaining length that fits, is closed
/// without CONNACK.
#[test]
fn v311_3_1_4_1() {
    let broker = shared();
    let body = connect("3141").will("w", "m", 0).login("u", "p").body();
    for length in 0..body.len() {
        let cut = body.get(..length).expect("a part of the body");
        Client::silent(&broker).closed_by(Fields::new().raw(cut).packet(0x10));
    }
}

/// [MQTT-3.1.4-2] A CONNECT with the id of a connected client ends the older connection.
#[test]
fn v311_3_1_4_2() {
    let broker = shared();
    let mut watcher = Client::subscribed(&broker, "3142-watcher", "3142", 0);
    let hello = connect("3142").will("3142", "gone", 0);
    let mut first = Client::fresh(&broker, &hello);
    let mut second = Client::clean(&broker, "3142");
    first.expect_closed();
    second.ping();
    watcher.expect(publish0("3142", "gone"));
    watcher.gets_nothing_more(&mut second, "3142");
}

/// [MQTT-3.1.4-4] CONNACK with return code 0 says that the client is let in.
#[test]
fn v311_3_1_4_4() {
    let broker = shared();
    let mut client = Client::silent(&broker);
    client.send(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x043144");
    client.expect(b"\x20\x02\x00\x00");
}

/// [MQTT-3.1.4-5] What comes behind a CONNECT that is refused is not looked at.
#[test]
fn v311_3_1_4_5() {
    let broker = with_login();
    let mut intruder = Client::silent(&broker);
    let hello = connect("3145-intruder").login("alice", "guessed");
    let greedy = [
        hello.bytes(),
        subscribe(1, &[("#", 0)]),
        retain0("3145", "trace"),
    ];
    intruder.send(greedy.concat());
    intruder.expect([0x20, 2, 0, 5]);
    intruder.expect_closed();
    let mut alice = Client::fresh(&broker, &connect("3145").login("alice", "secret"));
    alice.subscribe("3145", 0);
    alice.ping();
    let mut publisher = Client::fresh(&broker, &connect("3145-p").login("alice", "secret"));
    alice.gets_nothing_more(&mut publisher, "3145");
}

/// [MQTT-3.1.2-9] The will flag promises a will topic and a will message.
#[test]
fn v311_3_1_2_9() {
    let broker = shared();
    let hello = connect("3129").flags(WILL | 0x02);
    Client::silent(&broker).closed_by(hello.bytes());
    let topic_alone = Fields::new().string("3129").packet(0);
    let topic_alone = topic_alone.get(2..).expect("a field");
    Client::silent(&broker).closed_by(hello.and(topic_alone).bytes());
}
