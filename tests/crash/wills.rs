//! The will of a client that was connected when the broker died.

use std::time::Duration;

use mqtt_tests::{Deadline, Level, Setup, Wire, connect, subscribe};

use crate::files::KEEPING;

/// 5 s in which the client may come back, and what a busy machine adds.
const AT_MOST: Duration = Duration::from_secs(12);
/// Well before anything else but the delay can have passed.
const AT_LEAST: Duration = Duration::from_secs(3);

/// CONNECT of 3.1.1: clean session 0, a will of QoS 1 to `wills/NAME`.
fn with_will(name: &str) -> Vec<u8> {
    let mut body = b"\x00\x04MQTT\x04\x0c\x00\x3c".to_vec();
    for text in [name, &format!("wills/{name}"), "gone"] {
        body.extend([0, u8::try_from(text.len()).expect("a short text")]);
        body.extend(text.bytes());
    }
    let mut packet = vec![0x10, u8::try_from(body.len()).expect("a short packet")];
    packet.extend(body);
    packet
}

#[test]
fn a_will_is_sent_after_the_restart_unless_its_client_comes_back() {
    let mut broker = Setup::new().config(KEEPING).start();
    let lost = Wire::greeted(&broker, &with_will("lost"));
    let found = Wire::greeted(&broker, &with_will("found"));
    broker.kill();
    drop((lost, found));
    broker.start_again(KEEPING);
    let since = Deadline::start();
    let mut watcher = Wire::greeted(&broker, &connect(Level::V4, "watcher"));
    watcher.send(&subscribe(1, "wills/#", 0));
    watcher.packets_until(9);
    let mut found = Wire::open(&broker);
    found.send(&with_will("found"));
    let connack = found.packet().expect("CONNACK");
    assert_eq!(connack.body, [1, 0], "with the session that it had");
    let will = watcher.packet().expect("the will");
    assert!(will.is_type(3), "{will:02x?}");
    assert_eq!(&will.body, b"\x00\x0awills/lostgone");
    let waited = since.elapsed();
    assert!(waited < AT_MOST && waited > AT_LEAST, "after {waited:?}");
    // The other one would be due with it.
    watcher.send(&mqtt_tests::ping());
    let answer = watcher.packet().expect("PINGRESP");
    assert!(answer.is_type(13), "{answer:02x?}");
}
