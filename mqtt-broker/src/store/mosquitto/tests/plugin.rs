//! The store of Mosquitto's SQLite plug-in.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::super::export::each_delivery;
use super::super::{ImportError, at_start, take_over};
use super::make;
use super::scenes::told;
use super::{ENDS, NOW};
use crate::store::database::Database;
use crate::store::{StoreError, Sync};

/// The schema of version 1.1, with what a broker may have written.
const STORE: &str = r#"
    PRAGMA journal_mode = WAL;
    CREATE TABLE base_msgs(store_id INT64 PRIMARY KEY, expiry_time INT64, topic STRING NOT NULL,
        payload BLOB, source_id STRING, source_username STRING, payloadlen INTEGER,
        source_mid INTEGER, source_port INTEGER, qos INTEGER, retain INTEGER, properties STRING);
    CREATE TABLE retains(topic STRING PRIMARY KEY, store_id INT64);
    CREATE TABLE clients(client_id TEXT PRIMARY KEY, username TEXT, connection_time INT64,
        will_delay_time INT64, session_expiry_time INT64, listener_port INT, max_packet_size INT,
        max_qos INT, retain_available INT, session_expiry_interval INT, will_delay_interval INT);
    CREATE TABLE subscriptions(client_id TEXT NOT NULL, topic TEXT NOT NULL,
        subscription_options INTEGER, subscription_identifier INTEGER,
        PRIMARY KEY (client_id, topic));
    CREATE TABLE client_msgs(client_id TEXT NOT NULL, cmsg_id INT64, store_id INT64, dup INTEGER,
        direction INTEGER, mid INTEGER, qos INTEGER, retain INTEGER, state INTEGER,
        subscription_identifier INTEGER);
    CREATE TABLE wills(client_id TEXT PRIMARY KEY, payload BLOB, topic STRING NOT NULL,
        payloadlen INTEGER, qos INTEGER, retain INTEGER, properties STRING);
    CREATE TABLE version_info(component TEXT NOT NULL, major INTEGER NOT NULL,
        minor INTEGER NOT NULL, patch INTEGER NOT NULL);
    INSERT INTO version_info VALUES('database_schema', 1, 1, 0);
    INSERT INTO clients VALUES('keeper', 'ann', 0, 0, 0, 1883, 0, 2, 1, -1, 7);
    INSERT INTO clients VALUES('brief', NULL, 0, 1800000500, 1800001000, 1883, 0, 2, 1, 3600, 60);
    INSERT INTO clients VALUES('over', NULL, 0, 0, 1799999999, 1883, 0, 2, 1, 3600, 0);
    INSERT INTO subscriptions VALUES('keeper', 'a/#', 5, 3), ('keeper', '$share/g/b', 1, 0);
    INSERT INTO base_msgs VALUES(-9000000000000000000, 0, '007', x'00ff', 'writer', NULL, 2, 0, 1883,
        1, 0, '[{"identifier":"response-topic","value":"r"},
                {"identifier":"correlation-data","value":"00FF"},
                {"identifier":"user-property","name":"n","value":"v"}]');
    INSERT INTO base_msgs VALUES(5, 0, 'r/state', 'on', 'writer', NULL, 2, 0, 1883, 1, 1, NULL);
    INSERT INTO base_msgs VALUES(6, 1, 'late', 'late', 'writer', NULL, 4, 0, 1883, 1, 0, NULL);
    INSERT INTO retains VALUES('r/state', 5);
    INSERT INTO client_msgs VALUES('keeper', 1, 5, 0, 1, 4, 1, 1, 3, 0);
    INSERT INTO client_msgs VALUES('keeper', 2, -9000000000000000000, 0, 1, 0, 1, 0, 11, 3);
    INSERT INTO client_msgs VALUES('keeper', 3, 6, 0, 1, 0, 1, 0, 11, 3);
    INSERT INTO wills VALUES('brief', 'gone', 'w/brief', 4, 1, 0,
        '[{"identifier":"message-expiry-interval","value":30},
          {"identifier":"content-type","value":"text"}]');
"#;

fn store(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(STORE).unwrap();
    connection
}

#[test]
fn its_sessions_messages_and_wills_are_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let (source, file) = (
        folder.path().join("mosquitto.sqlite3"),
        folder.path().join("ours"),
    );
    // Not closed, as by a crash: a part stands in the journal alone.
    std::mem::forget(store(&source));
    let taken = take_over(&file, &source, NOW).unwrap();
    assert_eq!(
        taken.original,
        folder.path().join("mosquitto.sqlite3.original-1800000000")
    );
    assert_eq!(
        (taken.format.as_str(), taken.counts.to_string().as_str()),
        (
            "Mosquitto's SQLite schema 1.1.0",
            "2 sessions, 2 subscriptions, 2 messages for clients, 1 retained messages, 1 wills; \
             1 sessions had expired; 1 messages had expired"
        )
    );
    assert!(!source.exists() && taken.original.exists());
    let mut database = Database::open(&file, Sync::Normal).unwrap();
    let recovered = database.load(NOW).unwrap();
    let [keeper, brief] = &*recovered.sessions else {
        panic!("{:?}", recovered.sessions);
    };
    assert_eq!(
        told(&mut database, keeper),
        [
            "keeper of ann, Never",
            "wants $share/g/b 0x01 0",
            "wants a/# 0x05 3",
            "gets r/state on from writer to - at 1 as 0 again []",
            // What looks like a number became one, and nobody knows any more what it was.
            "gets 7 \0\u{fffd} from writer to r at 1 as 0 [3]",
        ]
    );
    let mut last = None;
    let in_memory = keeper.deliveries.clone();
    let all = each_delivery(&mut database, keeper, in_memory, |delivery| {
        last.clone_from(&delivery.message);
        Ok::<(), StoreError>(())
    });
    all.unwrap();
    let last = last.unwrap();
    let properties = last.view().properties;
    assert_eq!(properties.correlation_data(), Some(&[0, 0xff][..]));
    assert_eq!(
        properties.user_properties().collect::<Vec<_>>(),
        [("n", "v")]
    );
    let will = brief.session.will.as_ref().unwrap();
    let view = will.message.view();
    assert_eq!(
        (view.topic.as_str(), view.payload),
        ("w/brief", &b"gone"[..])
    );
    assert_eq!(view.properties.content_type(), Some("text"));
    assert_eq!(view.properties.message_expiry_interval(), None);
    assert_eq!(
        (will.expiry.unwrap().as_secs(), will.delay.as_secs()),
        (30, 60)
    );
    let (_, due) = brief.away.unwrap();
    assert_eq!(due.unwrap().as_secs(), 1_800_000_500);
}

#[test]
fn a_start_takes_the_plugins_store_rather_than_an_older_file_and_only_once() {
    let folder = tempfile::tempdir().unwrap();
    let (source, file) = (
        folder.path().join("source"),
        folder.path().join("mosquitto.db"),
    );
    let start = || at_start(&file, Some(&source), NOW).unwrap();
    assert_eq!(start(), None);
    drop(store(&source));
    fs::write(&file, make::file(6, ENDS)).unwrap();
    let taken = start().unwrap();
    assert_eq!(taken.source, source);
    assert!(
        taken.to_string().ends_with("source.original-1800000000."),
        "{taken}"
    );
    let older = folder.path().join("mosquitto.db.original-1800000000");
    assert_eq!(fs::read(older).unwrap(), make::file(6, ENDS));
    // Whoever puts one there later has a store already.
    drop(store(&source));
    assert_eq!(start(), None);
    assert!(source.exists());
    // Without one of its own the file is taken.
    fs::remove_file(&source).unwrap();
    fs::write(&file, make::file(2, ENDS)).unwrap();
    assert_eq!(start().unwrap().format, "Mosquitto's format 2");
}

#[test]
fn other_schemas_other_databases_and_broken_rows_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (source, file) = (folder.path().join("source"), folder.path().join("ours"));
    for (change, expected) in [
        (
            "UPDATE version_info SET minor = 2",
            "Unknown database_schema version 1.2.0",
        ),
        ("DROP TABLE version_info", "Unrecognised file format."),
        (
            "UPDATE base_msgs SET qos = 3 WHERE store_id = 5",
            "row 5 of base_msgs has a QoS above 2",
        ),
        (
            "UPDATE client_msgs SET state = 77",
            "row 1 of client_msgs is in a state",
        ),
        (
            "UPDATE base_msgs SET properties = '[{'",
            "properties that cannot be read",
        ),
        (
            "DROP TABLE clients",
            "plugin cannot be read: no such table: clients",
        ),
    ] {
        let connection = store(&source);
        connection.execute_batch(change).unwrap();
        drop(connection);
        let error: ImportError = take_over(&file, &source, NOW).unwrap_err();
        assert!(error.to_string().contains(expected), "{change}: {error}");
        assert!(!file.exists());
        fs::remove_file(&source).unwrap();
    }
}
