//! Files that are no store of ours, or of another version, and places that cannot keep one: one line
//! that says so, and nothing is touched.

use std::fs;
use std::path::Path;
use std::process::Command;

use mqtt_tests::{Outcome, Setup, Signal, Tool, listing};
use tempfile::TempDir;

use crate::kept::{KEEPING, broker, file, is_untouched, store, take};

/// A broker whose store would be in this folder.
fn start_in(folder: &Path) -> Outcome {
    let config = tempfile::NamedTempFile::new().expect("a temporary file");
    let place = folder.display();
    let lines = format!(
        "listener 0 127.0.0.1\nuser root\nallow_anonymous true\npersistence true\n\
         persistence_location {place}\nlog_dest stderr\n"
    );
    fs::write(config.path(), lines).expect("a temporary file");
    Tool::broker().arg("-c").arg(config.path()).run()
}

/// A folder with such a file in the place of a store.
fn with(content: &[u8]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    fs::write(folder.path().join("mosquitto.db"), content).expect("a temporary file");
    folder
}

/// A store that was closed in order, with other bytes at a place of its first page.
fn changed(place: usize, bytes: &[u8]) -> TempDir {
    let broker = broker();
    let file = file(&broker);
    assert_eq!(broker.path("store").join("mosquitto.db"), file);
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let backup = folder.path().join("backup");
    let name = backup.to_str().expect("a name of ours");
    let _ = store(&["export", "-o", name], &file).succeeded();
    let target = folder.path().join("mosquitto.db");
    let _ = store(&["import", name], &target).succeeded();
    fs::remove_file(&backup).expect("our backup");
    let _ = fs::remove_file(folder.path().join("mosquitto.db.lock"));
    let mut content = fs::read(&target).expect("our store");
    let part = content.get_mut(place..place + bytes.len());
    part.expect("a first page").copy_from_slice(bytes);
    fs::write(&target, content).expect("our store");
    folder
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let long_text = "this is no database. ".repeat(1000);
    for (folder, reason) in [
        (with(long_text.as_bytes()), "it is not a database"),
        (with(b"SQLite format 4\0 and more"), "it is not a database"),
        (changed(68, b"abcd"), "it is a database of another program"),
        (
            changed(60, &[0, 0, 0, 2]),
            "it has format 2, written by mqtt-broker ",
        ),
    ] {
        let path = folder.path();
        let before = listing(path);
        let refused = start_in(path).ended_with(1);
        assert!(refused.stderr.contains(reason), "{reason}: {refused}");
        assert!(
            refused.stderr.contains("Error: Couldn't open database."),
            "{refused}"
        );
        assert!(
            is_untouched(path, &before),
            "{reason}: something was written"
        );
        let target = path.join("mosquitto.db");
        let _ = store(&["check"], &target).ended_with(2);
        for command in ["stats", "dump", "export", "repair", "compact"] {
            let refused = store(&[command], &target).ended_with(1);
            assert!(refused.stderr.starts_with("mqtt-broker: "), "{refused}");
        }
        assert!(
            is_untouched(path, &before),
            "{reason}: a command has written"
        );
    }
}

#[test]
fn a_store_that_is_not_there_is_not_made_by_looking() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let target = folder.path().join("mosquitto.db");
    let _ = store(&["check"], &target).ended_with(2);
    for command in ["stats", "dump", "export", "repair", "compact"] {
        let refused = store(&[command], &target).ended_with(1);
        assert!(
            refused.stderr.contains("there is no such file"),
            "{refused}"
        );
    }
    assert!(listing(folder.path()).is_empty());
}

/// A file system that is read-only, made for this process alone; needs the right to mount.
#[test]
fn a_file_system_that_is_read_only_is_named_and_read_all_the_same() {
    let folder = changed(60, &[0, 0, 0, 1]);
    let path = folder.path().display();
    let broker = mqtt_tests::Program::Broker.path();
    let broker = broker.display();
    let script = format!(
        "mount --bind {path} {path} && mount -o remount,ro,bind {path} || exit 77\n\
         {broker} store check {path}/mosquitto.db || exit 78\n\
         printf 'listener 0 127.0.0.1\\nuser root\\nallow_anonymous true\\npersistence true\\n\
         persistence_location {path}\\n' > /dev/shm/$$.conf\n\
         {broker} -c /dev/shm/$$.conf; code=$?; rm /dev/shm/$$.conf; exit $code"
    );
    let before = listing(folder.path());
    let run = Command::new("unshare")
        .args(["-m", "sh", "-c", &script])
        .output();
    let Ok(run) = run else {
        return mqtt_tests::skip("no program unshare");
    };
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    if run.status.code() != Some(1) && said.contains("ermi") {
        return mqtt_tests::skip("no right to mount");
    }
    assert_eq!(run.status.code(), Some(1), "{said}");
    assert!(said.contains("Read-only file system"), "{said}");
    assert!(
        is_untouched(folder.path(), &before),
        "something was written"
    );
}

/// Stores that earlier versions have made stay readable. Of each format that was ever released one is
/// kept: a session `keeper` that waits for three messages on `kept/#`, the first of them retained.
#[test]
fn a_store_of_every_format_opens() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/store");
    for (name, content) in listing(&folder) {
        let mut broker = broker();
        broker.signal(Signal::SIGTERM);
        assert_eq!(broker.wait_for_exit(), Some(0));
        fs::write(file(&broker), content).expect("our store");
        let _ = store(&["check"], &file(&broker)).succeeded();
        broker.start_again(KEEPING);
        assert_eq!(take(&broker, "4"), "one\ntwo\nthree\none\n", "{name}");
    }
}

#[test]
fn the_variable_for_mosquittos_plugins_names_the_place_of_what_they_keep() {
    let lines = "allow_anonymous true\npersistence_location {folder}/other\n\
        plugin /usr/lib/mosquitto_persist_sqlite.so";
    let named = ("MOSQUITTO_PERSISTENCE_LOCATION", "{folder}/named");
    let broker = Setup::new()
        .listening(lines)
        .variable(named.0, named.1)
        .start();
    let place = broker.path("named/mosquitto.db");
    let line = format!("Durability: full in {} (plugin).", place.display());
    broker.wait_for_log(&line);
    assert!(place.exists() && !broker.path("other").exists());
}
