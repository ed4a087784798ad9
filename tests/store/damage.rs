//! Stores that are damaged: what the broker and `mqtt-broker store` do then.

use std::fs;
use std::path::{Path, PathBuf};

use mqtt_tests::{Broker, Setup, Signal, Tool, listing};

use crate::kept::{KEEPING, broker, file, fill, is_untouched, store, take};

/// Bytes of a page.
const PAGE: usize = 4096;

/// Zeroes a page of a file, counted from 0.
fn zero(file: &Path, page: usize) {
    let mut bytes = fs::read(file).expect("a file");
    bytes
        .get_mut(page * PAGE..(page + 1) * PAGE)
        .expect("a page")
        .fill(0);
    fs::write(file, bytes).expect("a file");
}

/// Folders with the damaged files.
fn set_aside(broker: &Broker) -> Vec<PathBuf> {
    let entries = fs::read_dir(broker.path("store")).expect("a folder");
    let paths = entries.flatten().map(|entry| entry.path());
    paths.filter(|path| path.is_dir()).collect()
}

fn stopped() -> Broker {
    let mut broker = broker();
    broker.signal(Signal::SIGTERM);
    assert_eq!(broker.wait_for_exit(), Some(0));
    broker
}

#[test]
fn a_store_without_its_first_page_is_salvaged_at_the_start() {
    let mut broker = stopped();
    let file = file(&broker);
    zero(&file, 0);
    let damaged = fs::read(&file).expect("a file");
    let checked = store(&["check"], &file).ended_with(1);
    assert!(
        checked.stderr.contains("it is damaged (its first page)"),
        "{checked}"
    );
    broker.start_again(KEEPING);
    broker.wait_for_log("Error: The store is damaged (its first page is damaged). ");
    broker.wait_for_log(
        "Saved of the damaged store: 1 clients, 1 subscriptions, 1 retained messages, 3 ",
    );
    broker.wait_for_log("Client keeper: 3 messages saved, 0 lost.");
    let [folder] = &set_aside(&broker)[..] else {
        panic!("{:?}", set_aside(&broker));
    };
    assert_eq!(
        fs::read(folder.join("mosquitto.db")).expect("the old file"),
        damaged
    );
    assert_eq!(take(&broker, "4"), "one\ntwo\nthree\none\n");
    let _ = store(&["check"], &file).succeeded();
}

#[test]
fn who_says_refuse_finds_everything_as_it_was_and_repairs_by_hand() {
    let mut broker = stopped();
    let file = file(&broker);
    zero(&file, 0);
    let before = listing(&broker.path("store"));
    let config = broker.path("refusing.conf");
    let text = fs::read_to_string(broker.path("broker.conf")).expect("its configuration");
    fs::write(&config, format!("{text}on_corruption refuse\n")).expect("a file");
    let refused = Tool::broker().arg("-c").arg(&config).run().ended_with(1);
    assert!(refused.stderr.contains("was left as it is"), "{refused}");
    assert!(
        refused.stderr.contains("Error: Couldn't open database."),
        "{refused}"
    );
    // The lock names the last process that held it.
    let without_lock = |mut files: Vec<(String, Vec<u8>)>| {
        files.retain(|(name, _)| !name.ends_with(".lock"));
        files
    };
    let after = without_lock(listing(&broker.path("store")));
    assert!(after == without_lock(before), "something was changed");
    assert!(set_aside(&broker).is_empty());
    let repaired = store(&["repair"], &file).succeeded();
    assert!(
        repaired
            .text()
            .contains("Client keeper: 3 messages saved, 0 lost."),
        "{repaired}"
    );
    let _ = store(&["check"], &file).succeeded();
    broker.start_again(KEEPING);
    assert_eq!(take(&broker, "4"), "one\ntwo\nthree\none\n");
}

#[test]
fn a_sound_store_that_is_repaired_keeps_everything() {
    let mut broker = stopped();
    let file = file(&broker);
    let before = store(&["dump"], &file).succeeded().text();
    let repaired = store(&["repair"], &file).succeeded();
    assert!(
        repaired.text().contains("repair was asked for"),
        "{repaired}"
    );
    assert_eq!(store(&["dump"], &file).succeeded().text(), before);
    broker.start_again(KEEPING);
    fill(&broker);
}

#[test]
fn a_journal_that_is_damaged_is_reported_and_kept() {
    let mut broker = broker();
    for _ in 0..3 {
        fill(&broker);
    }
    broker.kill();
    let journal = broker.path("store/mosquitto.db-wal");
    zero(&journal, 6);
    let damaged = fs::read(&journal).expect("a journal");
    let before = listing(&broker.path("store"));
    let checked = store(&["check"], &file(&broker)).ended_with(1);
    assert!(
        checked.text().contains("commits, that cannot be read."),
        "{checked}"
    );
    assert!(
        is_untouched(&broker.path("store"), &before),
        "check has written"
    );
    broker.start_again(KEEPING);
    broker.wait_for_log("Error: The journal of the store is damaged: ");
    let [folder] = &set_aside(&broker)[..] else {
        panic!("{:?}", set_aside(&broker));
    };
    assert_eq!(
        fs::read(folder.join("mosquitto.db-wal")).expect("the old one"),
        damaged
    );
    broker.wait_for_log("The broker had not ended in order, so the store was read through: ");
    // It is told once.
    broker.kill();
    broker.start_again(KEEPING);
    assert!(!broker.log().contains("damaged:"), "{}", broker.log());
}

#[test]
fn a_broker_that_was_killed_finds_nothing_to_complain_of() {
    let mut broker = broker();
    broker.kill();
    let checked = store(&["check"], &file(&broker)).succeeded();
    assert!(checked.text().contains("is sound"), "{checked}");
    broker.start_again(KEEPING);
    broker.wait_for_log("so the store was read through: ");
    assert!(!broker.log().contains("damaged ("), "{}", broker.log());
    assert_eq!(take(&broker, "4"), "one\ntwo\nthree\none\n");
}

#[test]
fn a_journal_that_somebody_removed_is_missed() {
    let mut broker = broker();
    broker.kill();
    fs::remove_file(broker.path("store/mosquitto.db-wal")).expect("the journal");
    broker.start_again(KEEPING);
    broker.wait_for_log("Warning: The broker did not end in order, and the store has no journal.");
}

#[test]
fn a_store_in_memory_is_named_so() {
    let Ok(folder) = tempfile::tempdir_in("/dev/shm") else {
        return mqtt_tests::skip("no file system in memory at /dev/shm");
    };
    let place = folder.path().display();
    let lines = format!("allow_anonymous true\npersistence true\npersistence_location {place}");
    let broker = Setup::new().listening(&lines).start();
    broker.wait_for_log("Warning: The store lies in memory (tmpfs): ");
}
