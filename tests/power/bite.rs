//! A model that loses nothing proves nothing: where syncs are left out, what was acknowledged is gone.

use std::os::unix::process::ExitStatusExt as _;

use mqtt_tests::{Broker, Level, Signal, Wire, connect, publish, wait_until};

use crate::dark::{Disk, WATCHED, count_from_now, ended_broker};

const MESSAGES: u16 = 40;
const SEEDS: std::ops::RangeInclusive<u64> = 1..=8;

fn config(lines: &str) -> String {
    format!(
        "listener {{port}} 127.0.0.1\nuser root\nallow_anonymous true\nlog_dest stderr\n\
         persistence_location {{folder}}/{WATCHED}/store\n{lines}\n"
    )
}

/// How many of so many retained messages, all acknowledged, a power cut leaves.
fn left_after_cut(disk: Disk, lines: &str) -> usize {
    let mut broker = ended_broker();
    // The store is whole and the process that made it gone: what it did is not at stake.
    broker.start_again(&config("durability full"));
    broker.kill();
    broker.set_variables(disk.counting_later().cut(1, "").variables());
    broker.start_again(&config(lines));
    let mut publisher = Wire::greeted(&broker, &connect(Level::V4, "publisher"));
    for number in 1..=MESSAGES {
        let topic = format!("kept/{number}");
        publisher.send(&retained(&topic, Some(number)));
        publisher.packets_until(4);
    }
    count_from_now(&broker);
    publisher.send(&retained("more", Some(1)));
    let status = wait_until("the power is cut", || broker.ended());
    assert_eq!(status.signal(), Some(Signal::SIGKILL as i32));
    broker.set_variables(Vec::new());
    match broker.attempt_start(&config(lines)) {
        Ok(()) => restored(&broker),
        // Nothing is left of a store that does not open.
        Err(_) => 0,
    }
}

/// PUBLISH with RETAIN.
fn retained(topic: &str, packet_id: Option<u16>) -> Vec<u8> {
    let mut packet = publish(topic, b"x", packet_id);
    if let Some(first) = packet.first_mut() {
        *first |= 1;
    }
    packet
}

/// What the broker says that it found.
fn restored(broker: &Broker) -> usize {
    let line = broker.wait_for_log(" retained messages");
    let number = line.rsplit(' ').nth(2).and_then(|word| word.parse().ok());
    number.unwrap_or_else(|| panic!("a number in {line:?}"))
}

#[test]
fn the_model_takes_what_was_not_synced() {
    let whole = usize::from(MESSAGES);
    for (lies, lines) in [(false, "durability normal"), (true, "durability full")] {
        let lost = SEEDS.into_iter().any(|seed| {
            let disk = Disk::new(seed);
            let disk = if lies { disk.lying() } else { disk };
            left_after_cut(disk, lines) < whole
        });
        assert!(lost, "nothing was lost with {lines}, syncs lie: {lies}");
    }
    for seed in SEEDS.take(3) {
        let left = left_after_cut(Disk::new(seed), "durability full");
        // The one that was not acknowledged may be there.
        assert!(
            left == whole || left == whole + 1,
            "{left} with seed {seed}"
        );
    }
}
