//! A clock that stands before the last commit when the broker starts: nothing that is kept lives longer.

use mqtt_tests::{Broker, Wire, ping, wait_until};

use crate::dark::{Disk, WATCHED, ended_broker, take_trace};
use crate::five::{Message, packet, subscribed};

const DAY: i64 = 86_400;
/// Seconds that a message and the session that it waits for live.
const LIFE: u32 = 1000;
/// The same for what has to end while the test waits.
const SHORT: u32 = 3;
const CONNACK: u8 = 2;
const PUBACK: u8 = 4;
const PINGRESP: u8 = 13;

fn config() -> String {
    format!(
        "listener {{port}} 127.0.0.1\nuser root\nallow_anonymous true\nlog_dest stderr\nlog_type all\n\
         persistence true\npersistence_location {{folder}}/{WATCHED}/store\nsys_interval 0\n"
    )
}

/// CONNECT of 5.0 with Clean Start 0 and this Session Expiry Interval, and what stands behind it.
fn connect(flags: u8, expiry: u32, payload: &[u8]) -> Vec<u8> {
    let mut body = b"\x00\x04MQTT\x05".to_vec();
    body.extend([flags, 0, 60, 5, 0x11]);
    body.extend(expiry.to_be_bytes());
    body.extend(payload);
    packet(0x10, &body)
}

/// PUBLISH of 5.0 at QoS 1 with a Message Expiry Interval.
fn publish(first: u8, topic: &str, expiry: u32) -> Vec<u8> {
    let mut body = vec![0, u8::try_from(topic.len()).expect("a short topic")];
    body.extend(topic.bytes());
    body.extend([0, 1, 5, 2]);
    body.extend(expiry.to_be_bytes());
    body.push(b'x');
    packet(first, &body)
}

/// What is left of a message's life: the only property that it has.
fn life_of(message: &Message) -> u32 {
    let [2, life @ ..] = &message.properties[..] else {
        panic!("{message:02x?}");
    };
    u32::from_be_bytes(life.try_into().expect("four bytes"))
}

/// A broker that kept a message for `away`, a retained one, a session that ends soon and a will that is due
/// soon, and died.
fn kept() -> Broker {
    let mut broker = ended_broker();
    broker.set_variables(Disk::new(0).traced().variables());
    broker.start_again(&config());
    let mut away = Wire::greeted(&broker, &connect(0, LIFE, b"\x00\x04away"));
    subscribed(&mut away, "t", 1);
    let soon = Wire::greeted(&broker, &connect(0, SHORT, b"\x00\x04soon"));
    // A will at QoS 1 to `will` with a delay of 3 s. No more properties stand before the client id.
    let will = b"\x00\x04late\x05\x18\x00\x00\x00\x03\x00\x04will\x00\x01x";
    let late = Wire::greeted(&broker, &connect(0x0c, LIFE, will));
    let mut publisher = Wire::greeted(&broker, &connect(0, 0, b"\x00\x03pub"));
    let _ = take_trace(&broker);
    drop((away, soon, late));
    wait_until("it is written that they are away", || {
        let trace = take_trace(&broker);
        trace
            .iter()
            .any(|line| line.starts_with("sync"))
            .then_some(())
    });
    for (first, topic, life) in [
        (0x32, "t", LIFE),
        (0x33, "long", LIFE),
        (0x33, "short", SHORT),
    ] {
        publisher.send(&publish(first, topic, life));
        publisher.packets_until(PUBACK);
    }
    broker.kill();
    broker
}

#[test]
fn what_is_kept_does_not_live_longer_when_the_clock_was_set_back() {
    let mut broker = kept();
    broker.set_variables(Disk::new(0).with_clock(-10 * DAY).variables());
    broker.start_again(&config());
    broker.wait_for_log("s before the last commit of the store");
    let mut watcher = Wire::greeted(&broker, &connect(0, 0, b"\x00\x07watcher"));
    subscribed(&mut watcher, "will", 0);
    subscribed(&mut watcher, "long", 0);
    let retained = Message::of(&watcher.packet().expect("the retained message"));
    assert!(life_of(&retained) <= LIFE, "{retained:02x?}");
    let mut away = Wire::open(&broker);
    away.send(&connect(0, LIFE, b"\x00\x04away"));
    let connack = away.packet().expect("CONNACK");
    assert!(
        connack.is_type(CONNACK) && connack.byte(0) == Some(1),
        "{connack:02x?}"
    );
    let message = Message::of(&away.packet().expect("the message"));
    assert!(life_of(&message) <= LIFE, "{message:02x?}");
    broker.wait_for_log("Expiring client soon due to timeout.");
    let will = Message::of(&watcher.packet().expect("the will"));
    assert_eq!(will.topic, "will");
    wait_until("the retained message is over", || {
        subscribed(&mut watcher, "short", 0);
        watcher.send(&ping());
        let packet = watcher.packet().expect("an answer");
        let is_over = packet.is_type(PINGRESP);
        if !is_over {
            assert!(life_of(&Message::of(&packet)) <= SHORT, "{packet:02x?}");
            watcher.packets_until(PINGRESP);
        }
        is_over.then_some(())
    });
}
