//! What is different in MQTT 3.1.

use super::brokers::shared;
use super::hand_client::Client;
use super::packet_bytes::{
    ACCEPTED, CLEAN_SESSION, Fields, PASSWORD, USER_NAME, connect, puback, pubcomp, publish_as,
    publish0, pubrec, pubrel, suback, unsuback,
};

/// (3.1, CONNECT) The name MQIsdp with level 3 is MQTT 3.1, and is served.
#[test]
fn v31_u_connect_a() {
    let broker = shared();
    let mut client = Client::silent(&broker);
    client.send(b"\x10\x13\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x0531-ca");
    client.expect(b"\x20\x02\x00\x00");
    client.ping();
}

/// (3.1, CONNECT) This name with another level, and level 3 with the other name: return code 1.
#[test]
fn v31_u_connect_b() {
    let broker = shared();
    for (name, level) in [
        (b"MQIsdp".as_slice(), 2),
        (b"MQIsdp", 4),
        (b"MQIsdp", 5),
        (b"MQIsdp", 0x84),
        (b"MQTT", 3),
        (b"MQTT", 0x83),
    ] {
        let mut client = Client::silent(&broker);
        client.send(connect("31-cb").protocol(name, level).bytes());
        client.expect(b"\x20\x02\x00\x01");
        client.expect_closed();
    }
}

/// (3.1, CONNECT) A client id has 1 to 23 characters: an empty one is refused with return code 2, a
/// longer one is served (our choice).
#[test]
fn v31_u_connect_c() {
    let broker = shared();
    let mut client = Client::silent(&broker);
    client.send(connect("").v31().bytes());
    client.expect(b"\x20\x02\x00\x02");
    client.expect_closed();
    for id in ["31-cc678901234567890123", "31-cc6789012345678901234", "3"] {
        Client::fresh(&broker, &connect(id).v31()).ping();
    }
}

/// (3.1, CONNACK) Its first byte is reserved, and zero when a session goes on.
#[test]
fn v31_u_connect_d() {
    let broker = shared();
    let hello = connect("31-cd").v31().keep_session();
    let mut client = Client::fresh(&broker, &hello);
    client.subscribe("31-cd", 1);
    client.disconnect();
    let mut client = Client::silent(&broker);
    client.send(hello.bytes());
    client.expect(ACCEPTED);
    // It did go on, though CONNACK cannot say so.
    Client::clean(&broker, "31-cd-publisher").publish(1, "31-cd", "x");
    assert_eq!(client.take().text(), "x");
}

/// (3.1, CONNECT) A user name or password that is announced and missing, because the packet ends
/// there, was not given: the text of 3.1 allows it, and so do we. One cut in the middle is an error.
#[test]
fn v31_u_connect_e() {
    let broker = shared();
    let announced = connect("31-ce").v31().flags(CLEAN_SESSION | USER_NAME);
    Client::fresh(&broker, &announced).ping();
    Client::fresh(&broker, &announced.clone().and(b"\x00\x01u")).ping();
    Client::silent(&broker).closed_by(announced.clone().and(b"\x00\x02u").bytes());
    Client::silent(&broker).closed_by(announced.and(b"\x00").bytes());
    let both = connect("31-ce")
        .v31()
        .flags(CLEAN_SESSION | USER_NAME | PASSWORD);
    Client::fresh(&broker, &both.clone().and(b"\x00\x01u")).ping();
    Client::silent(&broker).closed_by(both.and(b"\x00\x01u\x00\x01").bytes());
}

/// (3.1, SUBACK) There is no code for failure: an invalid filter is granted 0 and gets nothing (our
/// choice).
#[test]
fn v31_u_subscribe_a() {
    let broker = shared();
    let mut client = Client::fresh(&broker, &connect("31-sa").v31());
    let filters = Fields::new().number(1).string("31-sa/#/x").byte(2);
    let filters = filters.string("31-sa/end").byte(0).packet(0x82);
    client.send(filters);
    client.expect(suback(1, &[0, 0]));
    let mut publisher = Client::clean(&broker, "31-sa-publisher");
    publisher.publish(1, "31-sa/a/x", "x");
    client.gets_nothing_more(&mut publisher, "31-sa/end");
}

/// (3.1, fixed header) SUBSCRIBE, UNSUBSCRIBE and PUBREL are of QoS 1, and may bear DUP.
#[test]
fn v31_u_flags_a() {
    let broker = shared();
    let mut client = Client::fresh(&broker, &connect("31-fa").v31());
    for dup in [0x00, 0x08] {
        let filter = Fields::new().number(7).string("31-fa");
        client.send(filter.clone().byte(1).packet(0x82 | dup));
        client.expect(suback(7, &[1]));
        client.send(filter.packet(0xa2 | dup));
        client.expect(unsuback(7));
        client.send(publish_as(0x34, 7, "31-fa", "x"));
        client.expect(pubrec(7));
        client.send(Fields::new().number(7).packet(0x62 | dup));
        client.expect(pubcomp(7));
    }
}

/// (3.1, 4.2) A client may send again on the same connection what was not acknowledged: at QoS 2 that
/// makes one delivery.
#[test]
fn v31_u_publish_a() {
    let broker = shared();
    let mut watcher = Client::subscribed(&broker, "31-pa-watcher", "31-pa", 0);
    let mut client = Client::fresh(&broker, &connect("31-pa").v31());
    client.send(publish_as(0x34, 7, "31-pa", "x"));
    client.send(publish_as(0x3c, 7, "31-pa", "x"));
    client.expect([pubrec(7), pubrec(7)].concat());
    client.send(pubrel(7));
    client.expect(pubcomp(7));
    client.send(Fields::new().number(7).packet(0x6a));
    client.expect(pubcomp(7));
    watcher.expect(publish0("31-pa", "x"));
    watcher.gets_nothing_more(&mut client, "31-pa");
    client.send(publish_as(0x3a, 8, "31-pa", "y"));
    client.expect(puback(8));
}
