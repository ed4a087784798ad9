//! `$SYS/broker/store/state`: whoever looks after a broker sees at once that its store is full or failed.

use mqtt_tests::{Broker, Level, Wire, connect, ping, publish, subscribe};

use crate::dark::give_room;
use crate::faults;
use crate::five::{Message, subscribed};
use crate::full::{LARGE, SMALL, config_with, fill, small_broker};

/// Longer than any test takes: what comes does not come because it is time for it.
const LONG: u16 = 65_535;
const SUBACK: u8 = 9;
const PINGRESP: u8 = 13;
const DISCONNECT: u8 = 14;

/// Somebody of this name who watches these topics below `$SYS/broker/`.
fn watcher(broker: &Broker, name: &str, filter: &str) -> Wire {
    let mut wire = Wire::greeted(broker, &connect(Level::V5, name));
    subscribed(&mut wire, &format!("$SYS/broker/{filter}"), 1);
    wire
}

/// The next message, as `topic payload`, with its RETAIN; a DISCONNECT of 5.0 is `bye` and its code.
fn next(wire: &mut Wire) -> (String, bool) {
    let packet = wire.packet().expect("a packet");
    if packet.is_type(DISCONNECT) {
        return (format!("bye {:02x}", packet.byte(0).unwrap_or(0)), false);
    }
    let message = Message::of(&packet);
    let [high, low] = message.packet_id.expect("one, at QoS 1");
    wire.send(&[0x40, 2, high, low]);
    let topic = message.topic.trim_start_matches("$SYS/broker/");
    let payload = String::from_utf8_lossy(&message.payload);
    (format!("{topic} {payload}"), message.retain)
}

fn expect_state(wire: &mut Wire, state: &str) {
    assert_eq!(next(wire).0, format!("store/state {state}"));
}

#[test]
fn a_full_disk_and_one_with_room_again_are_said_at_once() {
    let broker = small_broker(SMALL, &config_with(LONG));
    let mut early = watcher(&broker, "early", "store/state");
    expect_state(&mut early, "ok");
    fill(&broker);
    expect_state(&mut early, "full");
    let mut late = watcher(&broker, "late", "store/state");
    assert_eq!(next(&mut late), ("store/state full".to_owned(), true));
    give_room(&broker, LARGE);
    expect_state(&mut late, "ok");
}

#[test]
fn a_failed_disk_is_said_before_the_broker_ends() {
    let mut broker = faults::failing_broker_with(1, "sync 1 EIO", &faults::config_with(LONG));
    let mut wire = watcher(&broker, "watcher", "store/state");
    expect_state(&mut wire, "ok");
    let mut publisher = Wire::greeted(&broker, &connect(Level::V4, "publisher"));
    publisher.send(&publish("jobs/1", b"x", Some(1)));
    expect_state(&mut wire, "failed");
    assert_eq!(next(&mut wire).0, "bye 8b");
    assert_eq!(broker.wait_for_exit(), Some(1));
    assert!(publisher.rest().iter().all(|packet| !packet.is_type(4)));
}

#[test]
fn what_is_in_the_file_is_said_with_the_other_figures() {
    let broker = small_broker(LARGE, &config_with(1));
    let mut keeper = Wire::greeted(
        &broker,
        b"\x10\x12\x00\x04MQTT\x04\x00\x00\x3c\x00\x06keeper",
    );
    keeper.send(&subscribe(1, "jobs/#", 1));
    keeper.packets_until(SUBACK);
    keeper.send(b"\xe0\x00");
    keeper.expect_closed();
    let mut publisher = Wire::greeted(&broker, &connect(Level::V4, "publisher"));
    for number in 1..=3 {
        publisher.send(&publish("jobs/1", b"x", Some(number)));
        publisher.packets_until(4);
    }
    let mut wire = watcher(&broker, "watcher", "store/disk/messages");
    while next(&mut wire).0 != "store/disk/messages 3" {}
    for name in ["bytes", "commits"] {
        let mut wire = watcher(&broker, name, &format!("store/disk/{name}"));
        let (said, _) = next(&mut wire);
        let figure: u64 = said
            .split(' ')
            .nth(1)
            .expect("it")
            .parse()
            .expect("a number");
        assert!(figure >= 3, "{said}");
    }
}

#[test]
fn without_an_interval_nothing_is_said_of_the_store_either() {
    let broker = small_broker(SMALL, &config_with(0));
    let mut wire = watcher(&broker, "early", "#");
    fill(&broker);
    let mut late = watcher(&broker, "late", "#");
    for wire in [&mut wire, &mut late] {
        wire.send(&ping());
        let answer = wire.packet().expect("PINGRESP");
        assert!(answer.is_type(PINGRESP), "{answer:02x?}");
    }
}

#[test]
fn a_broker_without_store_says_that_it_is_off() {
    let broker = Broker::start("allow_anonymous true");
    let mut wire = watcher(&broker, "watcher", "store/state");
    expect_state(&mut wire, "off");
    let mut wire = watcher(&broker, "watcher", "store/disk/#");
    wire.send(&ping());
    let answer = wire.packet().expect("PINGRESP");
    assert!(answer.is_type(PINGRESP), "{answer:02x?}");
}
