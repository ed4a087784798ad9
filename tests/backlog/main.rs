//! A queue that is far too long for memory: a client is away while others publish, the broker dies and
//! starts again, and the client takes all of it in order. `MQTT_BACKLOG_MESSAGES` says how many messages
//! (50,000 unless it does); the long form is
//!
//! ```text
//! MQTT_BACKLOG_MESSAGES=5000000 cargo test --release -p mqtt-tests --test backlog -- --nocapture
//! ```
//!
//! and needs 8 GB of disk in `TMPDIR`, or 3 GB with `MQTT_BACKLOG_PAYLOAD=400` (1000 bytes unless it says
//! another number). What the broker's memory was, and how long things took, is printed.
//! Where the system gives it one, the broker lives in a control group of 128 MiB (`cage.rs`).

#![expect(clippy::print_stdout, reason = "figures are what a long run is for")]

mod cage;

use std::fs;
use std::time::Instant;

use cage::Cage;
use mqtt_tests::{Broker, Setup, Wire};

/// Messages under way from the publisher.
const CHUNK: usize = 500;
/// Retained messages at most; there are a tenth as many as messages.
const RETAINED_MAX: usize = 100_000;
/// Bytes of a payload unless it is said; the number of the message stands in front.
const PAYLOAD: usize = 1000;
/// All memory that the broker may ever have had.
const MEMORY_MAX_KIB: u64 = 128 * 1024;
/// How much more memory three quarters of the messages may take. It is SQLite's cache that fills; the
/// smallest run of these messages would take twice as much if they were there.
const GROWTH_MAX_KIB: u64 = 20 * 1024;

const CONFIG: &str = "listener {port} 127.0.0.1\nuser root\nallow_anonymous true\nlog_dest stderr\n\
    log_type error\nlog_type warning\nlog_type notice\nlog_type information\n\
    persistence true\npersistence_location {folder}/\nmax_queued_messages 0\n";

/// CONNECT of 3.1.1 with Clean Session 0 and client id `away`.
const CONNECT: [u8; 18] = *b"\x10\x10\x00\x04MQTT\x04\x00\x00\x00\x00\x04away";
/// SUBSCRIBE to `t` at QoS 1.
const SUBSCRIBE: [u8; 8] = *b"\x82\x06\x00\x01\x00\x01t\x01";
/// CONNECT with Clean Session 1 and client id `pub`.
const PUBLISHER: [u8; 17] = *b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x00\x00\x03pub";
const PINGREQ: [u8; 2] = [0xc0, 0];

#[test]
fn a_queue_that_is_too_long_for_memory_is_kept_and_drained_in_order() {
    let messages = number_from("MQTT_BACKLOG_MESSAGES", 50_000);
    let payload = number_from("MQTT_BACKLOG_PAYLOAD", PAYLOAD);
    let cage = Cage::of(MEMORY_MAX_KIB * 1024);
    let mut setup = Setup::new().config(CONFIG);
    match &cage {
        Some(cage) => {
            println!("within {MEMORY_MAX_KIB} KiB of {}", cage.name);
            setup = setup.launcher(&cage.launcher);
        }
        None => println!("no control group is to be had: memory is measured, not bounded"),
    }
    let mut broker = setup.start();
    let mut taker = Wire::greeted(&broker, &CONNECT);
    taker.send(&SUBSCRIBE);
    taker.packets_until(9);
    drop(taker);
    let quarter = messages / 4;
    let retained = (messages / 10).min(RETAINED_MAX);
    publish(&broker, 0..retained, |number| {
        (0x33, format!("r/{number}"), 8)
    });
    let waiting = |_: usize| (0x32, "t".to_owned(), payload);
    let clock = Clock::start();
    publish(&broker, 0..quarter, waiting);
    let before = memory(&broker, "RssAnon:");
    publish(&broker, quarter..messages, waiting);
    let after = memory(&broker, "RssAnon:");
    clock.say("published", messages);
    println!("memory of its own: {before} KiB after a quarter, {after} KiB after all");
    assert!(after < before + GROWTH_MAX_KIB, "{before} -> {after} KiB");
    assert_memory(&broker, cage.as_ref());

    broker.kill();
    let clock = Clock::start();
    broker.start_again(CONFIG);
    clock.say("started again", messages);
    for what in [format!("{retained} retained"), format!("{messages} client")] {
        broker.wait_for_log(&format!("Restored {what} messages"));
    }
    let clock = Clock::start();
    // What it was sent and did not acknowledge comes again.
    drain(&broker, 0, quarter);
    drain(&broker, quarter, messages);
    clock.say("drained", messages);
    assert_memory(&broker, cage.as_ref());
    let mut taker = Wire::greeted(&broker, &CONNECT);
    taker.send(&PINGREQ);
    let rest = taker.packets_until(13);
    assert_eq!(rest.len(), 1, "nothing is left: {rest:02x?}");
}

/// A number that the environment may give.
fn number_from(variable: &str, default: usize) -> usize {
    let text = std::env::var(variable);
    text.map_or(default, |text| {
        text.parse().expect("a number in the environment")
    })
}

/// Publishes numbered messages, and has every one acknowledged. `form` says first byte, topic and bytes of
/// payload.
fn publish(
    broker: &Broker,
    numbers: std::ops::Range<usize>,
    form: impl Fn(usize) -> (u8, String, usize),
) {
    let mut wire = Wire::greeted(broker, &PUBLISHER);
    let mut numbers = numbers.peekable();
    let mut bytes = Vec::new();
    while numbers.peek().is_some() {
        bytes.clear();
        let mut sent: u16 = 0;
        for number in numbers.by_ref().take(CHUNK) {
            sent += 1;
            let (first, topic, payload) = form(number);
            let length = 2 + topic.len() + 2 + payload;
            bytes.push(first);
            // Two bytes of length always: 3.x takes more than are needed.
            bytes.push(u8::try_from(length % 128).expect("below 128") | 0x80);
            bytes.push(u8::try_from(length / 128).expect("a short packet"));
            bytes.extend_from_slice(
                &u16::try_from(topic.len())
                    .expect("a short topic")
                    .to_be_bytes(),
            );
            bytes.extend_from_slice(topic.as_bytes());
            bytes.extend_from_slice(&sent.to_be_bytes());
            let end = bytes.len() + payload;
            bytes.extend_from_slice(&(number as u64).to_be_bytes());
            bytes.resize(end, b'.');
        }
        wire.send(&bytes);
        for id in 1..=sent {
            let puback = wire.packet().expect("a PUBACK");
            assert!(puback.is_type(4) && puback.body == id.to_be_bytes());
        }
    }
}

/// Takes the messages from one number up to another, in order, and goes without a word.
fn drain(broker: &Broker, from: usize, to: usize) {
    let mut wire = Wire::greeted(broker, &CONNECT);
    for number in from..to {
        let packet = wire.packet().expect("a message");
        assert!(packet.is_type(3), "{packet:02x?}");
        let ([_, _, _, high, low], payload) = packet.body.split_first_chunk().expect("a topic");
        assert!(
            payload.starts_with(&(number as u64).to_be_bytes()),
            "message {number}"
        );
        wire.send(&[0x40, 2, *high, *low]);
    }
    // Once it is answered all acknowledgements were read.
    wire.send(&PINGREQ);
    wire.packets_until(13);
}

fn assert_memory(broker: &Broker, cage: Option<&Cage>) {
    let most = memory(broker, "VmHWM:");
    println!("memory at most: {most} KiB");
    if let Some(bytes) = cage.and_then(|cage| cage.most(broker.process_id())) {
        println!("with the cache of its files: {} KiB", bytes / 1024);
    }
    assert!(most < MEMORY_MAX_KIB, "{most} KiB");
}

/// A line of the broker's `/proc/PID/status`, in KiB.
fn memory(broker: &Broker, name: &str) -> u64 {
    let path = format!("/proc/{}/status", broker.process_id());
    let status = fs::read_to_string(path).expect("the broker runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let words = line.and_then(|line| line.split_whitespace().next());
    words.and_then(|word| word.parse().ok()).expect("a number")
}

/// For what is printed.
struct Clock(Instant);

impl Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "how long it took is what is told"
    )]
    fn start() -> Self {
        Self(Instant::now())
    }

    fn say(&self, what: &str, messages: usize) {
        println!("{what} with {messages} messages: {:?}", self.0.elapsed());
    }
}
