//! Any bytes as a `mosquitto.db`: what is read is written so that it is read as the same, takes no more
//! than the file, and can be taken over and brought back.
#![no_main]

use std::fs;
use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use mqtt_broker::store::Sync;
use mqtt_broker::store::database::Database;
use mqtt_broker::store::mosquitto::{ImportError, export, import, read, write};
use mqtt_session::time::UnixTime;

const NOW: UnixTime = UnixTime::from_millis(1_800_000_000_000);
/// One input in so many, by its length, goes through a store: that takes a thousand times longer.
const STORED: usize = 16;

fuzz_target!(|bytes: &[u8]| {
    let Ok(snapshot) = read(bytes) else {
        return;
    };
    let entries = snapshot.clients.iter();
    let entries = entries.map(|client| 1 + client.messages.len() + client.subscriptions.len());
    let entries = entries.sum::<usize>() + snapshot.messages.len() + snapshot.retained.len();
    assert!(entries * 8 <= bytes.len());
    let mut written = Vec::new();
    write(&snapshot, &mut written).unwrap();
    let again = read(&written).unwrap();
    assert_eq!(again.messages, snapshot.messages);
    assert_eq!(again.clients, snapshot.clients);
    assert_eq!(again.retained, snapshot.retained);
    if bytes.len().is_multiple_of(STORED) {
        through_a_store(bytes);
    }
});

fn through_a_store(bytes: &[u8]) {
    let folder = std::env::temp_dir().join(format!("mosquitto-db-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (source, target): (PathBuf, PathBuf) = (folder.join("theirs"), folder.join("ours"));
    fs::write(&source, bytes).unwrap();
    match import(&source, &target, NOW) {
        Ok(imported) => {
            let mut database = Database::open(&target, Sync::Normal).unwrap();
            let mut file = Vec::new();
            let exported = export(&mut database, NOW, &mut file).unwrap();
            assert_eq!(exported.sessions, imported.sessions);
            assert_eq!(exported.messages, imported.messages);
            read(&file).unwrap();
        }
        Err(ImportError::TooMuch(_)) => {}
        Err(error) => panic!("{error}"),
    }
    fs::remove_dir_all(&folder).unwrap();
}
