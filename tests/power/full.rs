//! A disk without room: what could not be kept is refused, everything else goes on, and it ends by itself.

use std::fs;

use mqtt_tests::{
    Broker, Level, Packet, Signal, Wire, connect, ping, publish, subscribe, wait_until,
};

use crate::dark::{Disk, ended_broker, give_room};
use crate::faults;

const MIB: u64 = 1024 * 1024;
pub(crate) const SMALL: u64 = 140 * MIB;
/// As little as some devices have.
const TINY: u64 = 24 * MIB;
pub(crate) const LARGE: u64 = 400 * MIB;
/// Messages that fill the small one for sure.
const MANY: u16 = 1000;
const PAYLOAD: usize = 400_000;
const QUOTA_EXCEEDED: u8 = 0x97;
/// The number of the system's error for a quota that is used up.
const EDQUOT: i32 = 122;

fn config() -> String {
    config_with(0)
}

/// With so many seconds between what is published below `$SYS`.
pub(crate) fn config_with(sys_interval: u16) -> String {
    faults::config_with(sys_interval) + "max_queued_messages 0\nmax_queued_bytes 0\n"
}

/// CONNECT of 3.1.1 with a session that stays.
fn connect_durable(name: &str) -> Vec<u8> {
    let mut packet = connect(Level::V4, name);
    let flags = packet.get_mut(9).expect("a CONNECT has flags");
    *flags = 0;
    packet
}

/// CONNECT of 5.0 with a session that stays for an hour.
fn connect_durable_5(name: &str) -> Vec<u8> {
    let mut body = b"\x00\x04MQTT\x05\x00\x00\x3c\x05\x11\x00\x00\x0e\x10\x00".to_vec();
    body.push(u8::try_from(name.len()).expect("a short name"));
    body.extend(name.bytes());
    let mut packet = vec![0x10, u8::try_from(body.len()).expect("a short packet")];
    packet.extend(body);
    packet
}

/// A short PUBLISH of 5.0 with these bits in its first byte.
fn publish_5(flags: u8, topic: &str, id: u8) -> Vec<u8> {
    let length = u8::try_from(topic.len()).expect("a short topic");
    let mut packet = vec![0x30 | flags, length + 6, 0, length];
    packet.extend(topic.bytes());
    packet.extend([0, id, 0, b'x']);
    packet
}

/// The reason code of an answer to a PUBLISH of 5.0.
fn reason(answer: &Packet) -> u8 {
    answer.byte(2).unwrap_or(0)
}

fn answer(wire: &mut Wire, packet: &[u8]) -> Packet {
    wire.send(packet);
    wire.packet().expect("an answer")
}

/// A broker whose disk is full, and how many messages it acknowledged for a session that is away.
fn full_broker(bytes: u64) -> (Broker, usize) {
    full_broker_on(Disk::new(0).with_room(), bytes)
}

fn full_broker_on(disk: Disk, bytes: u64) -> (Broker, usize) {
    let broker = broker_on(disk, bytes, &config());
    let acked = fill(&broker);
    (broker, acked)
}

/// A broker whose disk has so many bytes.
pub(crate) fn small_broker(bytes: u64, config: &str) -> Broker {
    broker_on(Disk::new(0).with_room(), bytes, config)
}

fn broker_on(disk: Disk, bytes: u64, config: &str) -> Broker {
    let mut broker = ended_broker();
    give_room(&broker, bytes);
    broker.set_variables(disk.traced().variables());
    broker.start_again(config);
    broker
}

/// Fills the disk; how many messages were acknowledged for a session that is away.
pub(crate) fn fill(broker: &Broker) -> usize {
    keep(broker);
    fill_again(broker)
}

/// A session that is away.
fn keep(broker: &Broker) {
    let mut keeper = Wire::greeted(broker, &connect_durable("keeper"));
    keeper.send(&subscribe(1, "jobs/#", 1));
    keeper.packets_until(9);
    keeper.send(b"\xe0\x00");
    keeper.expect_closed();
}

/// Publishes until the disk is full. How many messages were acknowledged.
fn fill_again(broker: &Broker) -> usize {
    for (acked, number) in (1..=MANY).enumerate() {
        let mut publisher = Wire::greeted(broker, &connect(Level::V4, "publisher"));
        // Without an answer it is not acknowledged.
        publisher.send(&publish("jobs/1", &[b'x'; PAYLOAD], Some(number)));
        match publisher.packet() {
            Some(answer) => assert!(answer.is_type(4), "{answer:02x?}"),
            None => return acked,
        }
    }
    panic!("{MANY} messages of {PAYLOAD} bytes found room");
}

/// Takes and acknowledges what the session is owed, which is so many messages at least.
fn take(broker: &Broker, at_least: usize) -> usize {
    let mut keeper = Wire::greeted(broker, &connect_durable("keeper"));
    let mut taken = 0;
    while taken < at_least {
        let packet = keeper.packet().expect("a message");
        taken += usize::from(acknowledge(&mut keeper, &packet));
    }
    keeper.send(&ping());
    for packet in keeper.packets_until(13) {
        taken += usize::from(acknowledge(&mut keeper, &packet));
    }
    keeper.send(b"\xe0\x00");
    keeper.rest();
    taken
}

/// Answers a message of QoS 1, if it is one.
fn acknowledge(wire: &mut Wire, packet: &Packet) -> bool {
    let is_message = packet.is_type(3);
    if is_message {
        // Behind the topic and its length.
        let [high, low] = [8, 9].map(|at| packet.byte(at).expect("a packet id"));
        wire.send(&[0x40, 2, high, low]);
    }
    is_message
}

#[test]
fn a_full_disk_refuses_what_it_cannot_keep_and_serves_everything_else() {
    let (broker, _) = full_broker(SMALL);
    let mut listener = Wire::greeted(&broker, &connect(Level::V4, "listener"));
    listener.send(&subscribe(1, "news", 1));
    listener.packets_until(9);
    let mut five = Wire::greeted(&broker, &connect(Level::V5, "five"));
    // QoS 0, and QoS 1 that nobody keeps.
    five.send(b"\x30\x08\x00\x04news\x00x");
    let news = listener.packet().expect("the message");
    assert!(news.is_type(3), "{news:02x?}");
    assert_eq!(reason(&answer(&mut five, &publish_5(2, "news", 1))), 0);
    // QoS 1 and 2 that a session wants, and what is to be retained.
    for (flags, topic) in [(2, "jobs/1"), (4, "jobs/1"), (3, "news"), (5, "news")] {
        let answer = answer(&mut five, &publish_5(flags, topic, 2));
        assert_eq!(
            reason(&answer),
            QUOTA_EXCEEDED,
            "{flags} {topic}: {answer:02x?}"
        );
    }
    for (topic, flags) in [("jobs/1", 2), ("jobs/1", 4), ("news", 3)] {
        let mut four = Wire::greeted(&broker, &connect(Level::V4, "four"));
        let mut packet = publish(topic, b"x", Some(1));
        let first = packet.first_mut().expect("a first byte");
        *first = 0x30 | flags;
        four.send(&packet);
        four.expect_closed();
    }
    // New sessions that are to stay.
    let mut wire = Wire::open(&broker);
    let connack = answer(&mut wire, &connect_durable("new"));
    assert_eq!(connack.byte(1), Some(3), "{connack:02x?}");
    let mut wire = Wire::open(&broker);
    let connack = answer(&mut wire, &connect_durable_5("new"));
    assert_eq!(connack.byte(1), Some(QUOTA_EXCEEDED), "{connack:02x?}");
    assert_eq!(broker.terminate(), Some(0));
}

#[test]
fn what_waits_goes_on_its_way_while_the_disk_is_full() {
    everything_is_taken_once(SMALL);
}

#[test]
fn what_waits_goes_on_its_way_while_a_tiny_disk_is_full() {
    everything_is_taken_once(TINY);
}

fn everything_is_taken_once(bytes: u64) {
    let (mut broker, acked) = full_broker(bytes);
    let taken = take(&broker, acked);
    assert!(taken == acked || taken == acked + 1, "{taken} of {acked}");
    broker.signal(Signal::SIGTERM);
    assert_eq!(broker.wait_for_exit(), Some(0));
    broker.start_again(&config());
    assert_eq!(take(&broker, 0), 0, "taken a second time");
}

#[test]
fn a_restart_on_a_full_disk_finds_everything() {
    let (mut broker, acked) = full_broker(SMALL);
    broker.kill();
    broker.start_again(&config());
    let taken = take(&broker, acked);
    assert!(taken == acked || taken == acked + 1, "{taken} of {acked}");
}

/// Waits until a message is taken that has to be kept.
fn wait_until_well(broker: &Broker) {
    let mut five = Wire::greeted(broker, &connect(Level::V5, "five"));
    wait_until("a message is taken", || {
        let answer = answer(&mut five, &publish_5(2, "jobs/1", 1));
        (reason(&answer) == 0).then_some(())
    });
}

#[test]
fn a_store_whose_queues_were_drained_takes_everything_again_on_the_same_disk() {
    for bytes in [SMALL, TINY] {
        let (broker, acked) = full_broker(bytes);
        take(&broker, acked);
        wait_until_well(&broker);
        broker.wait_for_log("The disk of the store has room again.");
        // And again, from the start to the end.
        let acked = fill_again(&broker);
        let taken = take(&broker, acked);
        assert!(taken >= acked, "{taken} of {acked}");
        wait_until_well(&broker);
    }
}

/// The disk says all the time that there is room.
#[test]
fn a_quota_is_found_out_once_and_the_reserve_is_there_for_what_waits() {
    let (mut broker, acked) = full_broker_on(Disk::new(0).with_room().with_quota(), SMALL);
    let full = "The disk of the store is full";
    let mut five = Wire::greeted(&broker, &connect(Level::V5, "five"));
    let looks = |broker: &Broker| {
        let trace = fs::read_to_string(broker.path("trace")).expect("a trace");
        let refusal = format!("mosquitto.db.reserve errno {EDQUOT}");
        trace.matches(&refusal).count()
    };
    wait_until("it was looked twice", || {
        let answer = answer(&mut five, &publish_5(2, "jobs/1", 1));
        assert_eq!(reason(&answer), QUOTA_EXCEEDED);
        (looks(&broker) >= 2).then_some(())
    });
    assert_eq!(broker.log().matches(full).count(), 1, "{}", broker.log());
    let taken = take(&broker, acked);
    assert!(taken == acked || taken == acked + 1, "{taken} of {acked}");
    wait_until_well(&broker);
    broker.signal(Signal::SIGTERM);
    assert_eq!(broker.wait_for_exit(), Some(0));
}

#[test]
fn with_room_on_the_disk_everything_is_taken_again() {
    let (mut broker, acked) = full_broker(SMALL);
    give_room(&broker, LARGE);
    wait_until_well(&broker);
    let _new = Wire::greeted(&broker, &connect_durable("new"));
    broker.kill();
    broker.set_variables(Vec::new());
    broker.start_again(&config());
    let taken = take(&broker, acked + 1);
    assert!(
        taken == acked + 1 || taken == acked + 2,
        "{taken} of {acked} + 1"
    );
}

/// Somebody else has taken all of the disk, and the reserve with it.
#[test]
fn a_stop_while_nothing_can_be_written_loses_nothing_that_was_acknowledged_and_says_so() {
    let mut broker = small_broker(LARGE, &config());
    keep(&broker);
    let mut publisher = Wire::greeted(&broker, &connect(Level::V4, "publisher"));
    let large = |id| publish("jobs/1", &[b'x'; PAYLOAD], Some(id));
    for id in 1..=3 {
        let answer = answer(&mut publisher, &large(id));
        assert!(answer.is_type(4), "{answer:02x?}");
    }
    give_room(&broker, 1);
    publisher.send(&large(4));
    broker.wait_for_log("The disk of the store is full");
    broker.signal(Signal::SIGTERM);
    assert_eq!(publisher.rest().len(), 0, "it is not kept");
    assert_eq!(broker.wait_for_exit(), Some(0));
    let log = broker.log();
    assert!(log.contains(" operations were not kept. "), "{log}");
    assert!(!log.contains("Error"), "{log}");
    give_room(&broker, LARGE);
    broker.start_again(&config());
    assert_eq!(take(&broker, 3), 3);
}
