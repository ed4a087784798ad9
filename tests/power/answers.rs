//! Which packet waits for the disk, and which does not: one test for each row of the table of promises.
//!
//! Syncs are held back. What waits has not come when the broker has answered somebody else, and comes
//! when they go on; what does not wait comes while they are held.

use mqtt_tests::{Broker, Level, Packet, Wire, connect, ping, publish, subscribe};

use crate::dark::{Disk, WATCHED, ended_broker, hold, release, take_trace, wait_until_held};

const CONNACK: u8 = 2;
const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;
const PUBREC: u8 = 5;
const PUBREL: u8 = 6;
const PUBCOMP: u8 = 7;
const SUBACK: u8 = 9;
const UNSUBACK: u8 = 11;
const PINGRESP: u8 = 13;

fn config() -> String {
    // With one shard, what was decided before somebody's answer has left before it.
    format!(
        "listener {{port}} 127.0.0.1\nuser root\nallow_anonymous true\nlog_dest stderr\nshards 1\n\
         persistence true\npersistence_location {{folder}}/{WATCHED}/store\nsys_interval 0\n"
    )
}

/// CONNECT of 3.1.1 with a session that stays.
fn connect_durable(name: &str) -> Vec<u8> {
    let mut packet = connect(Level::V4, name);
    // They stand behind the fixed header, the protocol's name and its level.
    let flags = packet.get_mut(9).expect("a CONNECT has flags");
    *flags = 0;
    packet
}

/// PUBLISH with these bits in its first byte: DUP 8, QoS 2 and 4, RETAIN 1.
fn flagged(flags: u8, topic: &str, packet_id: u16) -> Vec<u8> {
    let mut packet = publish(topic, b"x", Some(packet_id));
    let first = packet.first_mut().expect("a PUBLISH has a first byte");
    *first = 0x30 | flags;
    packet
}

const QOS_1: u8 = 2;
const QOS_2: u8 = 4;
const RETAIN: u8 = 1;
const DUP: u8 = 8;

fn pubrel(packet_id: u8) -> [u8; 4] {
    [0x62, 2, 0, packet_id]
}

fn unsubscribe(filter: &str) -> Vec<u8> {
    let length = u8::try_from(filter.len()).expect("a short filter");
    let mut packet = vec![0xa2, 4 + length, 0, 9, 0, length];
    packet.extend(filter.bytes());
    packet
}

/// The packet id of a PUBLISH of QoS 1 or 2.
fn packet_id(publish: &Packet) -> [u8; 2] {
    let topic = usize::from(publish.byte(1).expect("a short topic"));
    [2, 3].map(|at| publish.byte(at + topic).expect("a packet id"))
}

struct Stage {
    broker: Broker,
    /// Somebody who wants nothing kept.
    other: Wire,
    /// Somebody for whom the disk is busy.
    busy: Wire,
}

impl Stage {
    fn new() -> Self {
        let mut broker = ended_broker();
        broker.set_variables(Disk::new(0).traced().holding().variables());
        broker.start_again(&config());
        Self {
            other: Wire::greeted(&broker, &connect(Level::V4, "other")),
            busy: Wire::greeted(&broker, &connect(Level::V4, "busy")),
            broker,
        }
    }

    fn clean(&self, name: &str) -> Wire {
        Wire::greeted(&self.broker, &connect(Level::V4, name))
    }

    fn durable(&self, name: &str) -> Wire {
        Wire::greeted(&self.broker, &connect_durable(name))
    }

    /// A session that stays, with a subscription and a connection.
    fn subscriber(&self, name: &str, filter: &str, qos: u8) -> Wire {
        let mut wire = self.durable(name);
        wire.send(&subscribe(1, filter, qos));
        wire.packets_until(SUBACK);
        wire
    }

    /// Demands that this packet is not answered before a sync returns, and then so.
    fn waits(&mut self, wire: &mut Wire, packet: &[u8], expected: u8) -> Packet {
        hold(&self.broker);
        wire.send(packet);
        self.comes_after_the_sync(wire, expected)
    }

    fn comes_after_the_sync(&mut self, wire: &mut Wire, expected: u8) -> Packet {
        wait_until_held(&self.broker);
        for _ in 0..2 {
            self.other.send(&ping());
            let answer = self
                .other
                .packet()
                .expect("an answer that waits for nothing");
            assert!(answer.is_type(PINGRESP), "{answer:02x?}");
        }
        assert!(wire.is_silent(), "a packet came before the sync returned");
        release(&self.broker);
        let came = wire.packet().expect("a packet");
        assert!(came.is_type(expected), "type {expected}, not {came:02x?}");
        came
    }

    /// Demands that this packet is answered while a sync is under way.
    fn at_once(&mut self, wire: &mut Wire, packet: &[u8], expected: u8) -> Packet {
        self.occupy();
        wire.send(packet);
        let came = wire.packet().expect("a packet");
        assert!(came.is_type(expected), "type {expected}, not {came:02x?}");
        self.relieve();
        came
    }

    /// Has a sync wait, for something else.
    fn occupy(&mut self) {
        hold(&self.broker);
        self.busy.send(&flagged(QOS_1 | RETAIN, "busy", 1));
        wait_until_held(&self.broker);
    }

    fn relieve(&mut self) {
        assert!(self.busy.is_silent(), "the sync did not wait");
        release(&self.broker);
        let answer = self.busy.packet().expect("PUBACK");
        assert!(answer.is_type(PUBACK), "{answer:02x?}");
    }
}

#[test]
fn qos_1_that_nobody_keeps_is_acknowledged_at_once() {
    let mut stage = Stage::new();
    let mut listener = stage.clean("listener");
    listener.send(&subscribe(1, "news", 1));
    listener.packets_until(SUBACK);
    let mut publisher = stage.clean("publisher");
    stage.at_once(&mut publisher, &flagged(QOS_1, "news", 1), PUBACK);
    let mut keeper = stage.durable("keeper");
    stage.at_once(&mut keeper, &flagged(QOS_1, "news", 1), PUBACK);
}

#[test]
fn puback_waits_where_a_session_or_the_retained_messages_keep_it() {
    let mut stage = Stage::new();
    let mut publisher = stage.clean("publisher");
    stage.waits(&mut publisher, &flagged(QOS_1 | RETAIN, "news", 1), PUBACK);
    let mut there = stage.subscriber("there", "there", 1);
    stage.waits(&mut publisher, &flagged(QOS_1, "there", 2), PUBACK);
    let delivered = there.packet().expect("the message");
    assert!(delivered.is_type(PUBLISH), "{delivered:02x?}");
    let mut away = stage.subscriber("away", "away", 1);
    away.send(b"\xe0\x00");
    away.expect_closed();
    stage.waits(&mut publisher, &flagged(QOS_1, "away", 3), PUBACK);
}

#[test]
fn deliveries_of_qos_0_and_1_do_not_wait() {
    let mut stage = Stage::new();
    let mut publisher = stage.clean("publisher");
    let mut keeper = stage.subscriber("keeper", "news", 1);
    keeper.send(b"\xe0\x00");
    keeper.expect_closed();
    for qos in [0, 1] {
        let mut subscriber = stage.subscriber(&format!("subscriber{qos}"), "news", qos);
        hold(&stage.broker);
        publisher.send(&flagged(QOS_1, "news", 1));
        wait_until_held(&stage.broker);
        let came = subscriber.packet().expect("the message");
        assert!(came.is_type(PUBLISH), "{came:02x?}");
        assert!(
            publisher.is_silent(),
            "PUBACK came before the sync returned"
        );
        release(&stage.broker);
        publisher.packets_until(PUBACK);
        stage.occupy();
        publisher.send(&publish("news", b"x", None));
        let came = subscriber.packet().expect("the message");
        assert!(came.is_type(PUBLISH), "{came:02x?}");
        stage.relieve();
    }
}

#[test]
fn pubrec_waits_where_the_publishers_session_stays() {
    let mut stage = Stage::new();
    let mut durable = stage.durable("durable");
    stage.waits(&mut durable, &flagged(QOS_2, "news", 1), PUBREC);
    // The repeat writes nothing.
    stage.at_once(&mut durable, &flagged(QOS_2 | DUP, "news", 1), PUBREC);
    let mut clean = stage.clean("clean");
    stage.at_once(&mut clean, &flagged(QOS_2, "news", 1), PUBREC);
}

#[test]
fn pubcomp_waits_where_something_was_held_or_is_kept() {
    let mut stage = Stage::new();
    let mut durable = stage.durable("durable");
    durable.send(&flagged(QOS_2, "news", 1));
    durable.packets_until(PUBREC);
    stage.waits(&mut durable, &pubrel(1), PUBCOMP);
    stage.at_once(&mut durable, &pubrel(1), PUBCOMP);
    let mut clean = stage.clean("clean");
    clean.send(&flagged(QOS_2 | RETAIN, "news", 1));
    clean.packets_until(PUBREC);
    stage.waits(&mut clean, &pubrel(1), PUBCOMP);
    // Nobody keeps it and nothing was held.
    clean.send(&flagged(QOS_2, "other", 2));
    clean.packets_until(PUBREC);
    stage.at_once(&mut clean, &pubrel(2), PUBCOMP);
}

#[test]
fn the_publish_and_the_pubrel_of_a_delivery_of_qos_2_wait() {
    let mut stage = Stage::new();
    let mut subscriber = stage.subscriber("subscriber", "news", 2);
    let mut publisher = stage.clean("publisher");
    publisher.send(&flagged(QOS_2, "news", 1));
    publisher.packets_until(PUBREC);
    hold(&stage.broker);
    publisher.send(&pubrel(1));
    let delivery = stage.comes_after_the_sync(&mut subscriber, PUBLISH);
    publisher.packets_until(PUBCOMP);
    let [high, low] = packet_id(&delivery);
    stage.waits(&mut subscriber, &[0x50, 2, high, low], PUBREL);
}

#[test]
fn connack_waits_where_a_session_is_made_or_ended() {
    let mut stage = Stage::new();
    let mut wire = Wire::open(&stage.broker);
    stage.waits(&mut wire, &connect_durable("keeper"), CONNACK);
    wire.send(b"\xe0\x00");
    wire.expect_closed();
    // Clean session ends it.
    let mut wire = Wire::open(&stage.broker);
    stage.waits(&mut wire, &connect(Level::V4, "keeper"), CONNACK);
    let mut wire = Wire::open(&stage.broker);
    stage.at_once(&mut wire, &connect(Level::V4, "somebody"), CONNACK);
}

#[test]
fn suback_and_unsuback_wait_where_the_session_stays() {
    let mut stage = Stage::new();
    let mut durable = stage.durable("durable");
    stage.waits(&mut durable, &subscribe(1, "news", 1), SUBACK);
    stage.waits(&mut durable, &unsubscribe("news"), UNSUBACK);
    let mut clean = stage.clean("clean");
    stage.at_once(&mut clean, &subscribe(1, "news", 1), SUBACK);
    stage.at_once(&mut clean, &unsubscribe("news"), UNSUBACK);
}

#[test]
fn what_a_subscriber_acknowledged_is_written_without_anybody_waiting() {
    let mut stage = Stage::new();
    let mut subscriber = stage.subscriber("subscriber", "news", 1);
    let mut publisher = stage.clean("publisher");
    publisher.send(&flagged(QOS_1, "news", 1));
    publisher.packets_until(PUBACK);
    let delivery = subscriber.packet().expect("the message");
    let [high, low] = packet_id(&delivery);
    let _ = take_trace(&stage.broker);
    subscriber.send(&[0x40, 2, high, low]);
    mqtt_tests::wait_until("what was acknowledged is written", || {
        let synced = take_trace(&stage.broker);
        let synced = synced.iter().any(|line| line == "sync mosquitto.db-wal ok");
        synced.then_some(())
    });
    stage.broker.kill();
    stage.broker.start_again(&config());
    let mut back = Wire::greeted(&stage.broker, &connect_durable("subscriber"));
    back.send(&ping());
    let answer = back.packet().expect("an answer");
    assert!(answer.is_type(PINGRESP), "delivered again: {answer:02x?}");
}
