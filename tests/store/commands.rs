//! `mqtt-broker store` on stores that are sound.

use std::fs;

use mqtt_tests::{Broker, Signal, Tool, listing};

use crate::kept::{KEEPING, broker, file, is_untouched, store, take};

/// Ends the broker as a service manager does.
fn stop(broker: &mut Broker) {
    broker.signal(Signal::SIGTERM);
    assert_eq!(broker.wait_for_exit(), Some(0));
}

#[test]
fn a_store_is_looked_at_beside_its_broker_and_after_it() {
    let mut broker = broker();
    let file = file(&broker);
    for state in [" (a broker uses it)", "", ""] {
        let before = listing(&broker.path("store"));
        let checked = store(&["check"], &file).succeeded();
        let expected = format!("rows{state}.\n");
        assert!(
            checked.text().contains("is sound: ") && checked.text().ends_with(&expected),
            "{checked}"
        );
        let stats = store(&["stats"], &file).succeeded();
        for part in [
            "3 messages, 11 bytes: keeper",
            "1 sessions\n",
            "1 retained messages\n",
            "to kept/a\n",
        ] {
            assert!(stats.text().contains(part), "{part:?} in {stats}");
        }
        let dump = store(&["dump"], &file).succeeded();
        for part in [
            r#"{"session":{"#,
            r#""client_id":"keeper""#,
            r#""payload":"three""#,
            r#"{"retained":{"#,
        ] {
            assert!(dump.text().contains(part), "{part:?} in {dump}");
        }
        match state {
            "" if broker.log().is_empty() => {}
            " (a broker uses it)" => broker.kill(),
            _ => {
                // A broker that was killed left a journal; one that ended in order did not.
                assert!(
                    is_untouched(&broker.path("store"), &before),
                    "something was written"
                );
                if before.iter().any(|(name, _)| name.ends_with("-wal")) {
                    broker.start_again(KEEPING);
                    stop(&mut broker);
                }
            }
        }
    }
}

#[test]
fn a_backup_that_was_made_beside_the_broker_is_brought_back() {
    let mut broker = broker();
    let file = file(&broker);
    let backup = broker.path("backup.jsonl");
    let backup_name = backup.to_str().expect("a name of ours");
    let exported = store(&["export", "-o", backup_name], &file).succeeded();
    assert_eq!(exported.text(), "");
    let streamed = store(&["export"], &file).succeeded();
    assert_eq!(
        streamed.text(),
        fs::read_to_string(&backup).expect("the backup")
    );
    // Not over a store that has something, nor beside a broker.
    let import = ["import", backup_name];
    let refused = store(&import, &file).ended_with(1);
    assert!(
        refused.stderr.contains("another broker (process "),
        "{refused}"
    );
    stop(&mut broker);
    let refused = store(&import, &file).ended_with(1);
    assert!(
        refused.stderr.contains("there is a store already"),
        "{refused}"
    );
    fs::remove_file(&file).expect("our store");
    let imported = store(&import, &file).succeeded();
    assert!(
        imported.text().ends_with("entries imported.\n"),
        "{imported}"
    );
    broker.start_again(KEEPING);
    broker.wait_for_log("Restored 1 retained messages");
    // The subscription is renewed, so what is retained comes once more.
    assert_eq!(take(&broker, "4"), "one\ntwo\nthree\none\n");
}

#[test]
fn a_file_that_is_no_export_makes_no_store() {
    let broker = broker();
    for (name, content) in [
        ("a", "SQLite format 3"),
        ("b", ""),
        ("c", "{\"store\":{\"format\":1}}\n{"),
    ] {
        let from = broker.path(name);
        fs::write(&from, content).expect("a file");
        let target = broker.path("new/mosquitto.db");
        let words = ["import", from.to_str().expect("a name of ours")];
        let refused = store(&words, &target).ended_with(1);
        assert!(refused.stderr.starts_with("mqtt-broker: "), "{refused}");
        assert!(!target.exists(), "{refused}");
    }
}

#[test]
fn what_mosquitto_has_kept_is_imported_by_hand() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let target = folder.path().join("new.db");
    let from = concat!(env!("CARGO_MANIFEST_DIR"), "/data/mosquitto-db/v6.db");
    let imported = store(&["import", from], &target).succeeded();
    assert!(imported.text().contains(": imported "), "{imported}");
    let _ = store(&["check"], &target).succeeded();
    let refused = store(&["import", from], &target).ended_with(1);
    assert!(refused.stderr.contains("is in the way"), "{refused}");
}

#[test]
fn what_mosquitto_has_kept_is_taken_over_in_its_place() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let place = folder.path().join("mosquitto.db");
    let from = concat!(env!("CARGO_MANIFEST_DIR"), "/data/mosquitto-db/v6.db");
    fs::copy(from, &place).expect("a copy");
    let taken = store(&["migrate"], &place).succeeded();
    assert!(taken.text().starts_with("Imported "), "{taken}");
    let _ = store(&["check"], &place).succeeded();
    let refused = store(&["migrate"], &place).ended_with(1);
    let reason = "there is no store of Mosquitto to take over";
    assert!(refused.stderr.contains(reason), "{refused}");
}

#[test]
fn what_changes_a_store_needs_it_for_itself() {
    let mut broker = broker();
    let file = file(&broker);
    let before = format!("another broker (process {}) uses it", broker.process_id());
    for command in ["repair", "compact"] {
        let refused = store(&[command], &file).ended_with(1);
        assert!(refused.stderr.contains(&before), "{refused}");
    }
    broker.kill();
    let config = broker.path("broker.conf");
    let compacted = Tool::broker()
        .args(["store", "compact", "-c"])
        .arg(&config)
        .run()
        .succeeded();
    assert!(compacted.text().contains(" bytes before, "), "{compacted}");
    let _ = store(&["check"], &file).succeeded();
    broker.start_again(KEEPING);
    assert_eq!(take(&broker, "4"), "one\ntwo\nthree\none\n");
    let log = broker.log();
    assert!(!log.contains("no journal"), "nobody removed it: {log}");
}

#[test]
fn a_command_that_is_not_understood_says_how_it_is_meant() {
    for words in [&["store"][..], &["store", "mend", "a"], &["store", "check"]] {
        let refused = Tool::broker().args(words).run().ended_with(3);
        assert!(refused.stderr.starts_with("Error: "), "{refused}");
    }
    let help = Tool::broker().args(["store", "--help"]).run().succeeded();
    for part in ["check", "export", "import", "compact", "Exit codes: 0 done"] {
        assert!(help.text().contains(part), "{part} in {help}");
    }
    let help = Tool::broker()
        .args(["store", "export", "--help"])
        .run()
        .succeeded();
    assert!(help.text().contains("-o, --output"), "{help}");
    let usage = Tool::broker().arg("--help").run().succeeded();
    assert!(
        usage.text().contains("mqtt-broker store COMMAND"),
        "{usage}"
    );
}
