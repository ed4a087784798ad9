//! A publisher that is alone and waits for each PUBACK waits for one sync each time, and for nothing else.

use std::time::Duration;

use mqtt_tests::{Broker, Deadline, Level, Wire, connect, publish, subscribe, wait_until};

use crate::dark::{Disk, WATCHED, ended_broker, take_trace};

/// Messages whose syncs are counted.
const COUNTED: u16 = 50;
/// Messages whose time is measured together, and how often: the quickest time is hardly that of a busy
/// machine.
const TIMED: u16 = 20;
const TIMES: usize = 20;
/// Any timer that a commit waited for would take this long each time, or be too short to gather anything.
const MOMENT: Duration = Duration::from_millis(5);
/// A session that stays: CONNECT of 3.1.1, and DISCONNECT.
const KEEPER: &[u8] = b"\x10\x12\x00\x04MQTT\x04\x00\x00\x3c\x00\x06keeper";
const DISCONNECT: &[u8] = b"\xe0\x00";
/// How the trace has a sync of the journal, and one that was made.
const JOURNAL: &str = "sync mosquitto.db-wal";
const JOURNAL_SYNCED: &str = "sync mosquitto.db-wal ok";

/// A broker on a disk, with a session that wants `jobs/#` and is away, and a publisher. Nothing is left
/// to be written.
fn scene(disk: Disk) -> (Broker, Wire) {
    let mut broker = ended_broker();
    broker.set_variables(disk.traced().variables());
    broker.start_again(&format!(
        "listener {{port}} 127.0.0.1\nuser root\nallow_anonymous true\nlog_dest none\nsys_interval 0\n\
         max_queued_messages 0\npersistence true\npersistence_location {{folder}}/{WATCHED}/store\n"
    ));
    let mut keeper = Wire::greeted(&broker, KEEPER);
    keeper.send(&subscribe(1, "jobs/#", 1));
    keeper.packets_until(9);
    let _ = take_trace(&broker);
    keeper.send(DISCONNECT);
    keeper.expect_closed();
    wait_until("it is written that the session is away", || {
        let trace = take_trace(&broker);
        trace
            .iter()
            .any(|line| line.starts_with(JOURNAL))
            .then_some(())
    });
    let publisher = Wire::greeted(&broker, &connect(Level::V4, "publisher"));
    (broker, publisher)
}

/// Publishes at QoS 1 and waits for the PUBACK.
fn acknowledged(publisher: &mut Wire, packet_id: u16) {
    publisher.send(&publish("jobs/1", b"x", Some(packet_id)));
    let puback = publisher.packet().expect("PUBACK");
    assert!(puback.is_type(4), "{puback:02x?}");
}

#[test]
fn a_lone_publisher_waits_for_exactly_one_sync_before_each_puback() {
    let (broker, mut publisher) = scene(Disk::new(0));
    for number in 1..=COUNTED {
        acknowledged(&mut publisher, number);
        // What came after the PUBACK of the last one would stand here as well.
        let trace = take_trace(&broker);
        let syncs: Vec<&String> = trace.iter().filter(|l| l.starts_with("sync")).collect();
        assert_eq!(syncs, [JOURNAL_SYNCED], "message {number}: {trace:#?}");
        let last = trace.last().map(String::as_str);
        assert_eq!(last, Some(JOURNAL_SYNCED), "message {number}: {trace:#?}");
    }
}

#[test]
fn a_lone_publisher_does_not_wait_for_a_timer() {
    // Without the time that syncs take.
    let (_broker, mut publisher) = scene(Disk::new(0).lying());
    let quickest = (0..TIMES)
        .map(|_| {
            let clock = Deadline::start();
            (1..=TIMED).for_each(|number| acknowledged(&mut publisher, number));
            clock.elapsed() / u32::from(TIMED)
        })
        .min()
        .expect("some");
    assert!(quickest < MOMENT, "{quickest:?} for each PUBACK");
}
