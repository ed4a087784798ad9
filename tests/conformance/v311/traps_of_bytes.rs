//! Things that brokers got wrong in the field, as 3.1 and 3.1.1 clients meet them: bytes and time.

use std::thread;
use std::time::Duration;

use mqtt_tests::{Deadline, Signal};

use super::brokers::{shared, with};
use super::hand_client::Client;
use super::packet_bytes::{Fields, connect, publish0};

/// (trap 27) What is over the limit is refused as soon as its length is known, not when it is there.
#[test]
fn trap_27_too_large_is_known_from_the_remaining_length() {
    let broker = with("max_packet_size 1000");
    // PUBLISH of 268 435 455 bytes, and one just beyond the limit: of both, the beginning only.
    Client::clean(&broker, "large").closed_by(b"\x30\xff\xff\xff\x7f\x00\x01t");
    Client::clean(&broker, "large").closed_by(b"\x30\xe7\x07\x00\x01t");
    // All bytes count, the fixed header too: 1000 are not too many.
    let payload = "x".repeat(1000 - 3 - 3);
    let whole = publish0("t", &payload);
    assert_eq!(whole.len(), 1000);
    let mut client = Client::subscribed(&broker, "fits", "t", 0);
    client.send(&whole);
    client.expect(&whole);
    // Before CONNECT there is a limit as well.
    Client::silent(&broker).closed_by(b"\x10\xff\xff\xff\x7f\x00\x04MQTT");
}

/// (trap 33) There is no DISCONNECT from the broker in 3.1 and 3.1.1: not at a takeover, not after
/// silence, not for an error, not at its own end.
#[test]
fn trap_33_the_broker_says_no_disconnect() {
    let broker = with("");
    for hello in [connect("client"), connect("client").v31()] {
        let mut first = Client::fresh(&broker, &hello);
        let second = Client::fresh(&broker, &hello);
        first.expect_closed();
        second.closed_by([0xf0, 0]);
        Client::fresh(&broker, &hello.clone().keep_alive(1)).expect_closed();
    }
    let mut v31 = Client::fresh(&broker, &connect("31").v31());
    let mut v311 = Client::clean(&broker, "311");
    broker.signal(Signal::SIGTERM);
    v31.expect_closed();
    v311.expect_closed();
}

/// (trap 38) PINGREQ is a sign of life as any packet is.
#[test]
fn trap_38_pingreq_keeps_a_connection_alive() {
    let broker = shared();
    for hello in [connect("trap-38"), connect("trap-38").v31()] {
        let mut client = Client::fresh(&broker, &hello.keep_alive(1));
        let watched = Deadline::after(Duration::from_secs(3));
        while !watched.is_over() {
            client.ping();
            // The pace of the pings, not a wait for something.
            thread::sleep(Duration::from_millis(500));
        }
        client.ping();
    }
}

/// (trap 40) Packets that end too early, though their length is right, are errors at any byte.
#[test]
fn trap_40_no_field_is_read_beyond_its_packet() {
    let broker = shared();
    let cut = |first: u8, body: Vec<u8>| {
        (0..body.len()).map(move |length| {
            let part = body.get(..length).expect("a part");
            Fields::new().raw(part).packet(first)
        })
    };
    let filter = || Fields::new().number(1).string("trap-40");
    let body_of = |packet: Vec<u8>| packet.get(2..).expect("a short packet").to_vec();
    let publish = body_of(Fields::new().string("trap-40").number(1).packet(0));
    let packets = cut(0x82, body_of(filter().byte(0).packet(0)))
        .chain(cut(0xa2, body_of(filter().packet(0))))
        .chain(cut(0x32, publish))
        .chain(
            [0x40, 0x50, 0x62, 0x70]
                .into_iter()
                .flat_map(|first| cut(first, vec![0, 1])),
        );
    for packet in packets {
        Client::clean(&broker, "trap-40").closed_by(packet);
    }
    // What came before is done, what comes behind is not.
    let mut watcher = Client::subscribed(&broker, "trap-40-watcher", "trap-40", 0);
    let burst = [
        publish0("trap-40", "before"),
        b"\x82\x02\x00\x01".to_vec(),
        publish0("trap-40", "behind"),
    ];
    Client::clean(&broker, "trap-40").closed_by(burst.concat());
    watcher.expect(publish0("trap-40", "before"));
    watcher.gets_nothing_more(&mut Client::clean(&broker, "trap-40"), "trap-40");
}

/// (beside the traps) A will needs a topic, and one without wildcards.
#[test]
fn a_will_has_a_topic_to_publish_to() {
    let broker = shared();
    for topic in ["", "no-topic/+", "no-topic/#", "#", "trap\0"] {
        let hello = connect("no-topic").will(topic, "gone", 0);
        Client::silent(&broker).closed_by(hello.bytes());
    }
}
