//! A disk that fails: no acknowledgement after it, an end that says why, and a restart with everything
//! that was acknowledged.
//!
//! `MQTT_POWER_FAULTS` says how many of the calls are made to fail, each in a run of its own; all are fewer than 100.

use mqtt_tests::{Broker, Level, Packet, Signal, Wire, connect, publish, subscribe, wait_until};

use crate::dark::{Disk, WATCHED, count_from_now, ended_broker, take_trace};
use crate::rng::number_from;

/// Messages before and after everything is brought into the one file.
const MESSAGES: u8 = 4;
/// More syncs, and more writes, than a run makes.
const SYNCS: u64 = 16;
const WRITES: u64 = 90;
const FAULTS: u64 = 8;
/// The payload behind everything else.
const END: u8 = 255;
/// Messages that a client gets before it acknowledges some.
const WINDOW: usize = 20;
/// Server shutting down, as it leaves in DISCONNECT.
const SHUTTING_DOWN: u8 = 0x8b;

fn config() -> String {
    config_with(0)
}

/// With so many seconds between what is published below `$SYS`.
pub(crate) fn config_with(sys_interval: u16) -> String {
    format!(
        "listener {{port}} 127.0.0.1\nuser root\nallow_anonymous true\nlog_dest stderr\n\
         persistence true\npersistence_location {{folder}}/{WATCHED}/store\nsys_interval {sys_interval}\n"
    )
}

/// CONNECT of 3.1.1 with a session that stays.
const KEEPER: &[u8] = b"\x10\x12\x00\x04MQTT\x04\x00\x00\x3c\x00\x06keeper";
const DISCONNECT: &[u8] = b"\xe0\x00";

/// A broker with a session that wants `jobs/#` and is away, on a disk that fails from now on.
fn failing_broker(seed: u64, order: &str) -> Broker {
    failing_broker_with(seed, order, &config())
}

pub(crate) fn failing_broker_with(seed: u64, order: &str, config: &str) -> Broker {
    let mut broker = ended_broker();
    broker.start_again(config);
    let mut session = Wire::greeted(&broker, KEEPER);
    session.send(&subscribe(1, "jobs/#", 1));
    session.packets_until(9);
    session.send(DISCONNECT);
    session.expect_closed();
    broker.signal(Signal::SIGTERM);
    assert_eq!(broker.wait_for_exit(), Some(0));
    let disk = Disk::new(seed).counting_later().traced().failing(order);
    broker.set_variables(disk.variables());
    broker.start_again(config);
    let _ = take_trace(&broker);
    count_from_now(&broker);
    broker
}

/// What was seen of a broker whose disk fails, up to its end.
struct Seen {
    /// Messages that were acknowledged.
    acked: Vec<u8>,
    /// What a client of 5.0 that only watches was told.
    last_words: Vec<Packet>,
    exit_code: Option<i32>,
    log: String,
    trace: Vec<String>,
    /// What the session finds after a restart on a disk that works.
    found: Vec<u8>,
}

/// Publishes, saves, publishes, until the broker has ended; or ends it.
fn run(seed: u64, order: &str) -> Seen {
    let mut broker = failing_broker(seed, order);
    let mut watcher = Wire::greeted(&broker, &connect(Level::V5, "watcher"));
    let mut publisher = Wire::greeted(&broker, &connect(Level::V4, "publisher"));
    let mut acked = Vec::new();
    for number in 0..2 * MESSAGES {
        if number == MESSAGES {
            broker.signal(Signal::SIGUSR1);
        }
        publisher.send(&publish("jobs/1", &[number], Some(u16::from(number) + 1)));
        // What was taken when there was no room yet waits until there is some.
        let answers = wait_until("an answer, or a full disk", || {
            let is_full = broker.log().contains("The disk of the store is full");
            (is_full || !publisher.is_silent()).then_some(!publisher.is_silent())
        });
        let Some(answer) = answers.then(|| publisher.packet()).flatten() else {
            break;
        };
        assert!(answer.is_type(4), "{order}: {answer:02x?}");
        acked.push(number);
    }
    let goes_on = acked.len() == usize::from(2 * MESSAGES) || !order.ends_with("EIO");
    if goes_on && broker.ended().is_none() {
        broker.signal(Signal::SIGTERM);
    }
    let last_words = watcher.rest();
    let status = wait_until("the broker ends", || broker.ended());
    Seen {
        acked,
        last_words,
        exit_code: status.code(),
        log: broker.log(),
        trace: take_trace(&broker),
        found: found(&mut broker),
    }
}

fn found(broker: &mut Broker) -> Vec<u8> {
    broker.set_variables(Vec::new());
    broker.start_again(&config());
    let mut session = Wire::greeted(broker, KEEPER);
    let mut publisher = Wire::greeted(broker, &connect(Level::V4, "publisher"));
    publisher.send(&publish("jobs/1", &[END], Some(1)));
    publisher.packets_until(4);
    let mut found = Vec::new();
    loop {
        let message = session.packets_until(3).pop().expect("a message");
        match message.body.last() {
            Some(&END) => return found,
            last => found.extend(last),
        }
        // Behind the topic and its length.
        let [high, low] = [8, 9].map(|at| message.byte(at).expect("a packet id"));
        session.send(&[0x40, 2, high, low]);
    }
}

impl Seen {
    /// The call that failed, with its file.
    fn failed(&self) -> Option<&str> {
        let mut failed = self
            .trace
            .iter()
            .filter_map(|line| line.split_once(" errno "));
        failed.next().map(|(call, _)| call)
    }

    /// Files that were synced again after a sync of them had failed.
    fn tried_again(&self) -> Vec<&str> {
        let mut failed = None;
        let mut again = Vec::new();
        for line in &self.trace {
            let Some(call) = line.strip_suffix(" ok") else {
                failed = failed.or_else(|| line.split_once(" errno "));
                continue;
            };
            if failed.is_some_and(|(first, _)| first == call) {
                again.push(call);
            }
        }
        again
    }

    /// What has to be true however the disk failed.
    fn assert_kept(&self, order: &str) {
        let Self { acked, found, .. } = self;
        let lost: Vec<_> = acked.iter().filter(|n| !found.contains(n)).collect();
        assert!(
            lost.is_empty(),
            "{order}: {lost:?} lost of {acked:?}, found {found:?}"
        );
    }

    /// What has to be true after a failure for which there is no help.
    fn assert_ended(&self, order: &str) {
        let Self { log, trace, .. } = self;
        assert_eq!(self.exit_code, Some(1), "{order}: {trace:#?}\n{log}");
        let last = log.lines().last().unwrap_or_default();
        let names = last.contains("/store/mosquitto.db cannot be written: Input/output error");
        assert!(names, "{order}:\n{log}");
        if self.acked.len() < usize::from(2 * MESSAGES) {
            let said = self.last_words.first().and_then(|packet| packet.byte(0));
            assert_eq!(
                said,
                Some(SHUTTING_DOWN),
                "{order}: {:02x?}",
                self.last_words
            );
        }
    }
}

/// Some of the calls, in turn.
fn some(all: u64) -> impl Iterator<Item = u64> {
    let step = all.div_ceil(number_from("MQTT_POWER_FAULTS", || FAULTS));
    (1..=all).step_by(usize::try_from(step).expect("a small number"))
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_and_the_broker_ends() {
    let mut hits = 0;
    for number in some(SYNCS) {
        let order = format!("sync {number} EIO");
        let seen = run(number, &order);
        seen.assert_kept(&order);
        match seen.failed() {
            // SQLite goes on when a folder cannot be synced: its names are older than the start.
            Some("sync store") => {}
            Some(_) => {
                seen.assert_ended(&order);
                // It may say that all is well, of pages that the system has given up.
                assert_eq!(seen.tried_again(), [""; 0], "{order}");
                hits += 1;
            }
            None => assert_eq!(seen.exit_code, Some(0), "{order}"),
        }
    }
    assert!(hits > 2, "{hits} syncs failed");
}

#[test]
fn after_a_failed_write_nothing_is_acknowledged_and_the_broker_ends() {
    let mut hits = 0;
    for number in some(WRITES) {
        let order = format!("write {number} EIO");
        let seen = run(number, &order);
        seen.assert_kept(&order);
        if seen.failed().is_some() {
            seen.assert_ended(&order);
            hits += 1;
        }
    }
    assert!(hits > 2, "{hits} writes failed");
}

#[test]
fn a_write_that_takes_a_part_is_gone_on_with() {
    for number in some(WRITES).step_by(3) {
        let order = format!("write {number}+ short");
        let seen = run(number, &order);
        seen.assert_kept(&order);
        assert_eq!(seen.acked.len(), usize::from(2 * MESSAGES), "{order}");
        assert_eq!(seen.exit_code, Some(0), "{order}");
    }
}

#[test]
fn what_was_acknowledged_before_the_disk_was_full_is_kept() {
    for number in some(WRITES) {
        let order = format!("write {number}+ ENOSPC");
        run(number, &order).assert_kept(&order);
    }
}

/// There is room again when the disk is asked.
#[test]
fn a_quota_that_was_used_up_for_a_moment_ends_nothing() {
    let mut hits = 0;
    for number in some(WRITES) {
        let order = format!("write {number} EDQUOT -wal");
        let seen = run(number, &order);
        seen.assert_kept(&order);
        assert_eq!(seen.exit_code, Some(0), "{order}:\n{}", seen.log);
        hits += usize::from(seen.failed().is_some());
    }
    assert!(hits > 2, "{hits} writes failed");
}

#[test]
fn a_failed_sync_of_the_database_is_seen_when_the_journal_is_brought_into_it() {
    let mut broker = failing_broker(1, "sync 1 EIO .db");
    let mut publisher = Wire::greeted(&broker, &connect(Level::V4, "publisher"));
    let large = [b'x'; 1_000_000];
    let mut acked = 0;
    // The journal is as long after some of them.
    while acked < 60 {
        publisher.send(&publish("jobs/1", &large, Some(acked + 1)));
        match publisher.packet() {
            Some(_) => acked += 1,
            None => break,
        }
    }
    let status = wait_until("the broker ends", || broker.ended());
    assert_eq!(status.code(), Some(1));
    // The last one may have been committed; who sent it was not told.
    let found = found(&mut broker).len();
    assert!(
        found >= usize::from(acked).min(WINDOW),
        "{acked} acknowledged, {found} found"
    );
}
