//! Where nothing durable is involved, the store is not touched: not a byte, not a sync.

use std::fs;
use std::time::SystemTime;

use mqtt_tests::{Broker, Level, Packet, Wire, connect, publish, subscribe};

use crate::dark::{Disk, WATCHED, ended_broker, take_trace};

const MESSAGES: u16 = 50;

fn config() -> String {
    format!(
        "listener {{port}} 127.0.0.1\nuser root\nallow_anonymous true\nlog_dest none\n\
         persistence true\npersistence_location {{folder}}/{WATCHED}/store\n"
    )
}

/// Names, sizes and times of the store's files.
fn files(broker: &Broker) -> Vec<(String, u64, SystemTime)> {
    let folder = broker.path(WATCHED).join("store");
    let entries = fs::read_dir(folder).expect("the store's folder");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry"))
        .map(|entry| {
            let found = entry.metadata().expect("a file");
            let written = found.modified().expect("a time");
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, found.len(), written)
        })
        .collect();
    files.sort();
    files
}

/// What the system counts of the process: bytes towards disks.
fn write_bytes(broker: &Broker) -> String {
    let io = fs::read_to_string(format!("/proc/{}/io", broker.process_id())).expect("our child");
    let line = io.lines().find(|line| line.starts_with("write_bytes"));
    line.expect("a line of it").to_owned()
}

/// The answer to a PUBLISH of QoS 1 or 2.
fn answer(publish: &Packet) -> [u8; 4] {
    let topic = usize::from(publish.byte(1).expect("a short topic"));
    let [high, low] = [2, 3].map(|at| publish.byte(at + topic).expect("a packet id"));
    let first = if publish.first & 6 == 2 { 0x40 } else { 0x50 };
    [first, 2, high, low]
}

/// Everything that clients do whose sessions end with their connections.
fn chat(broker: &Broker) {
    let mut listener = Wire::greeted(broker, &connect(Level::V5, "listener"));
    // SUBSCRIBE of 5.0 to `chat` at QoS 1.
    listener.send(b"\x82\x0a\x00\x01\x00\x00\x04chat\x01");
    listener.packets_until(9);
    let mut other = Wire::greeted(broker, &connect(Level::V4, "other"));
    other.send(&subscribe(1, "chat", 2));
    other.packets_until(9);
    let mut speaker = Wire::greeted(broker, &connect(Level::V4, "speaker"));
    for number in 1..=MESSAGES {
        speaker.send(&publish("chat", b"hello", None));
        for wire in [&mut listener, &mut other] {
            wire.packets_until(3);
        }
        speaker.send(&publish("chat", b"hello", Some(number)));
        speaker.packets_until(4);
        for wire in [&mut listener, &mut other] {
            let message = wire.packets_until(3).pop().expect("a PUBLISH");
            wire.send(&answer(&message));
        }
        let mut twice = publish("chat", b"hello", Some(number));
        if let Some(first) = twice.first_mut() {
            *first = 0x34;
        }
        speaker.send(&twice);
        speaker.packets_until(5);
        let [high, low] = number.to_be_bytes();
        speaker.send(&[0x62, 2, high, low]);
        speaker.packets_until(7);
        for wire in [&mut listener, &mut other] {
            let message = wire.packets_until(3).pop().expect("a PUBLISH");
            wire.send(&answer(&message));
        }
        let pubrel = other.packets_until(6).pop().expect("a PUBREL");
        let [high, low] = [0, 1].map(|at| pubrel.byte(at).expect("a packet id"));
        other.send(&[0x70, 2, high, low]);
    }
}

#[test]
fn sessions_that_end_with_their_connections_do_not_touch_the_disk() {
    let mut broker = ended_broker();
    broker.set_variables(Disk::new(0).traced().variables());
    broker.start_again(&config());
    let _ = take_trace(&broker);
    let before = (files(&broker), write_bytes(&broker));
    chat(&broker);
    assert_eq!(take_trace(&broker), Vec::<String>::new());
    assert_eq!((files(&broker), write_bytes(&broker)), before);
    // The same look sees what has to be kept.
    let mut keeper = Wire::greeted(&broker, &connect(Level::V4, "keeper"));
    let mut retained = publish("chat", b"hello", Some(1));
    if let Some(first) = retained.first_mut() {
        *first |= 1;
    }
    keeper.send(&retained);
    keeper.packets_until(4);
    let trace = take_trace(&broker);
    assert!(
        trace.iter().any(|line| line == "sync mosquitto.db-wal ok"),
        "{trace:?}"
    );
    assert_ne!(files(&broker), before.0);
}
