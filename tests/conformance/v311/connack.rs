//! 3.2: the first packet of the broker, session present, return codes.

use super::brokers::{shared, with_login};
use super::hand_client::Client;
use super::packet_bytes::{RESUMED, connect};

/// [MQTT-3.2.0-1] CONNACK comes first, whatever else waits for the client.
#[test]
fn v311_3_2_0_1() {
    let broker = shared();
    let hello = connect("3201-subscriber").keep_session();
    let mut subscriber = Client::fresh(&broker, &hello);
    subscriber.subscribe("3201", 1);
    subscriber.disconnect();
    let mut publisher = Client::clean(&broker, "3201");
    for number in 0..5 {
        publisher.publish(1, "3201", &number.to_string());
    }
    let mut subscriber = Client::silent(&broker);
    subscriber.send(hello.bytes());
    subscriber.expect(RESUMED);
    for number in 0..5 {
        assert_eq!(subscriber.take().text(), number.to_string());
    }
}

/// [MQTT-3.2.2-1] `CleanSession` 1: no session is present, whatever there was.
#[test]
fn v311_3_2_2_1() {
    let broker = shared();
    Client::fresh(&broker, &connect("3221").keep_session()).disconnect();
    let mut client = Client::silent(&broker);
    client.send(connect("3221").bytes());
    client.expect([0x20, 2, 0, 0]);
}

/// [MQTT-3.2.2-2] `CleanSession` 0 and a session that was kept: it is present.
#[test]
fn v311_3_2_2_2() {
    let broker = shared();
    let hello = connect("3222").keep_session();
    Client::fresh(&broker, &hello).disconnect();
    let mut client = Client::silent(&broker);
    client.send(hello.bytes());
    client.expect([0x20, 2, 1, 0]);
}

/// [MQTT-3.2.2-3] `CleanSession` 0 and no session: none is present.
#[test]
fn v311_3_2_2_3() {
    let broker = shared();
    let mut client = Client::silent(&broker);
    client.send(connect("3223").keep_session().bytes());
    client.expect([0x20, 2, 0, 0]);
}

/// [MQTT-3.2.2-4] A refusal says that no session is present, though there is one.
#[test]
fn v311_3_2_2_4() {
    let broker = with_login();
    let hello = connect("3224").keep_session();
    Client::fresh(&broker, &hello.clone().login("alice", "secret")).disconnect();
    for refused in [hello.clone(), hello.clone().login("alice", "guessed")] {
        let mut client = Client::silent(&broker);
        client.send(refused.bytes());
        client.expect([0x20, 2, 0, 5]);
        client.expect_closed();
    }
    // It was not harmed by them.
    Client::resumed(&broker, &hello.login("alice", "secret"));
}

/// [MQTT-3.2.2-5] A return code other than 0 is followed by the end of the connection.
#[test]
fn v311_3_2_2_5() {
    let broker = with_login();
    for (hello, code) in [
        (connect("3225").protocol(b"MQTT", 99), 1),
        (connect("").keep_session().login("alice", "secret"), 2),
        (connect("3225").login("mallory", "secret"), 5),
    ] {
        let mut client = Client::silent(&broker);
        client.send(hello.bytes());
        client.expect([0x20, 2, 0, code]);
        client.expect_closed();
    }
}

/// [MQTT-3.2.2-6] Where no return code fits there is no CONNACK: no other codes than 0 to 5 are
/// ever seen, and no other size.
#[test]
fn v311_3_2_2_6() {
    let broker = with_login();
    let login = connect("3226").login("alice", "secret");
    for level in 0..=0xff {
        // 5.0, and 5.0 as bridges say it, have another CONNACK.
        if matches!(level, 5 | 0x85) {
            continue;
        }
        for name in [b"MQTT".as_slice(), b"MQIsdp", b"MQIsdq"] {
            let mut client = Client::silent(&broker);
            client.send(login.clone().protocol(name, level).bytes());
            client.send([0xe0, 0]);
            let answers = client.rest();
            let fits = |packet: &mqtt_tests::Packet| {
                packet.first == 0x20 && packet.body.len() == 2 && packet.byte(1) <= Some(5)
            };
            assert!(
                answers.len() <= 1 && answers.iter().all(fits),
                "level {level}: {answers:02x?}"
            );
        }
    }
}

/// (3.2.2.1, without a number) The upper seven bits of the acknowledge flags are zero.
#[test]
fn v311_u_unnumbered_b() {
    let broker = shared();
    let hello = connect("unnumbered-b").keep_session();
    for expected in [0, 1] {
        let mut client = Client::silent(&broker);
        client.send(hello.bytes());
        assert_eq!(client.packet().byte(0), Some(expected));
        client.disconnect();
    }
}
