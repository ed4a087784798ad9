//! A store that was just made: its folder and its files are there after a power cut too.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;

use mqtt_tests::{Level, Signal, Wire, connect, publish, wait_until};

use crate::dark::{Disk, WATCHED, count_from_now, ended_broker, take_trace};

const SEEDS: std::ops::RangeInclusive<u64> = 1..=10;

fn config() -> String {
    format!(
        "listener {{port}} 127.0.0.1\nuser root\nallow_anonymous true\nlog_dest stderr\n\
         persistence true\npersistence_location {{folder}}/{WATCHED}/made/store\n"
    )
}

/// PUBLISH with RETAIN at QoS 1.
fn retained(topic: &str) -> Vec<u8> {
    let mut packet = publish(topic, b"x", Some(1));
    if let Some(first) = packet.first_mut() {
        *first |= 1;
    }
    packet
}

#[test]
fn what_is_acknowledged_in_a_new_folder_survives_a_power_cut() {
    for seed in SEEDS {
        let mut broker = ended_broker();
        broker.set_variables(Disk::new(seed).counting_later().cut(1, "").variables());
        broker.start_again(&config());
        let mut publisher = Wire::greeted(&broker, &connect(Level::V4, "publisher"));
        publisher.send(&retained("kept"));
        publisher.packets_until(4);
        count_from_now(&broker);
        publisher.send(&retained("more"));
        let status = wait_until("the power is cut", || broker.ended());
        assert_eq!(status.signal(), Some(Signal::SIGKILL as i32));
        broker.set_variables(Vec::new());
        broker.start_again(&config());
        let line = broker.wait_for_log(" retained messages");
        assert!(
            !line.ends_with("Restored 0 retained messages"),
            "lost with seed {seed}"
        );
    }
}

#[test]
fn a_disk_that_fails_while_the_store_is_made_ends_the_start_and_does_no_harm() {
    let mut broker = ended_broker();
    let made = broker.path(WATCHED).join("made");
    for number in 1.. {
        let disk = Disk::new(number).traced();
        broker.set_variables(disk.failing(&format!("sync {number} EIO")).variables());
        let _ = take_trace(&broker);
        let started = broker.attempt_start(&config());
        let trace = take_trace(&broker);
        let failed = trace.iter().find(|line| line.ends_with("errno 5"));
        match (failed, started) {
            (Some(call), Err(status)) => {
                let log = broker.log();
                assert_eq!(status.code(), Some(1), "{call}:\n{log}");
                let last = log.lines().last().unwrap_or_default();
                assert!(
                    last.ends_with("Error: Couldn't open database."),
                    "{call}:\n{log}"
                );
            }
            // SQLite does not look at the answer to its own sync of a folder; the broker has
            // made its own before.
            (Some(call), Ok(())) if call.starts_with("sync store") => broker.kill(),
            (None, Ok(())) => return,
            (failed, started) => {
                panic!(
                    "{number}: {failed:?}, {started:?}, {trace:#?}\n{}",
                    broker.log()
                )
            }
        }
        broker.set_variables(Vec::new());
        broker.start_again(&config());
        broker.kill();
        fs::remove_dir_all(&made).expect("a folder that was made");
    }
}
