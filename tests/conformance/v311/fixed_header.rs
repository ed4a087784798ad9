//! 2.2: type, flags and remaining length.

use super::brokers::shared;
use super::hand_client::Client;
use super::packet_bytes::{
    Fields, connect, publish_as, publish1, publish2, pubrec, pubrel, subscribe, unsubscribe,
};

/// [MQTT-2.2.2-1] The flags of each packet the broker sends are those fixed for its type.
#[test]
fn v311_2_2_2_1() {
    let broker = shared();
    let mut client = Client::silent(&broker);
    let mut firsts = Vec::new();
    let mut exchange = |client: &mut Client, bytes: Vec<u8>, answers: usize| {
        client.send(bytes);
        firsts.extend((0..answers).map(|_| client.packet().first));
    };
    exchange(&mut client, connect("2221").bytes(), 1);
    exchange(&mut client, subscribe(1, &[("2221", 2)]), 1);
    exchange(&mut client, publish1(2, "2221/other", "x"), 1);
    exchange(&mut client, publish2(3, "2221", "x"), 1);
    exchange(&mut client, pubrel(3), 2);
    exchange(&mut client, pubrec(1), 1);
    exchange(&mut client, unsubscribe(4, &["2221"]), 1);
    exchange(&mut client, vec![0xc0, 0], 1);
    // PUBCOMP and the message of our own PUBREL come in no fixed order.
    firsts.sort_unstable();
    let expected = [0x20, 0x34, 0x40, 0x50, 0x62, 0x70, 0x90, 0xb0, 0xd0];
    assert_eq!(firsts, expected, "{firsts:02x?}");
}

/// [MQTT-2.2.2-2] Other flags than those fixed for the type end the connection.
#[test]
fn v311_2_2_2_2() {
    let broker = shared();
    let with_id = |id| Fields::new().number(id);
    let filter = with_id(1).string("2222");
    for (right, body) in [
        (0x40, with_id(1)),
        (0x50, with_id(1)),
        (0x62, with_id(1)),
        (0x70, with_id(1)),
        (0x82, filter.clone().byte(0)),
        (0xa2, filter),
        (0xc0, Fields::new()),
        (0xe0, Fields::new()),
    ] {
        for first in (right & 0xf0..=right | 0x0f).filter(|first| *first != right) {
            Client::clean(&broker, "2222").closed_by(body.clone().packet(first));
        }
    }
    let hello = Fields::new().raw(&connect("2222").body());
    for first in 0x11..=0x1f {
        Client::silent(&broker).closed_by(hello.clone().packet(first));
    }
    for first in [0x36, 0x37, 0x38, 0x39, 0x3e, 0x3f] {
        Client::clean(&broker, "2222").closed_by(publish_as(first, 1, "2222", "x"));
    }
}

/// (2.2.2 and 3.4 to 3.14, without a number) Packets of a fixed size have this size.
#[test]
fn v311_u_unnumbered_a() {
    let broker = shared();
    for bytes in [
        b"\xc0\x01\x00".as_slice(),
        b"\xe0\x01\x00",
        b"\x40\x03\x00\x01\x00",
        b"\x50\x03\x00\x01\x00",
        b"\x62\x03\x00\x01\x00",
        b"\x70\x03\x00\x01\x00",
        b"\x40\x01\x00",
        b"\x50\x00",
        b"\x62\x01\x00",
        b"\x70\x00",
    ] {
        Client::clean(&broker, "unnumbered-a").closed_by(bytes);
    }
}

/// (2.2.3, without a number) A remaining length has four bytes at most.
#[test]
fn v311_u_unnumbered_c() {
    let broker = shared();
    for first in [0x30, 0x82, 0xc0] {
        let bytes = [first, 0x80, 0x80, 0x80, 0x80, 0x01];
        Client::clean(&broker, "unnumbered-c").closed_by(bytes);
    }
    // As the first packet too, where nothing is known about the sender.
    Client::silent(&broker).closed_by([0x10, 0x80, 0x80, 0x80, 0x80, 0x01]);
    // Zero written in more bytes than it takes is within the rule of 3.1.1.
    let mut client = Client::clean(&broker, "unnumbered-c");
    client.send([0xc0, 0x80, 0x00]);
    client.expect([0xd0, 0]);
}
