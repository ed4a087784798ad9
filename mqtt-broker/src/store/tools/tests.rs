//! What is written out is what comes in again; who only looks leaves nothing behind.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::store::Sync;
use crate::store::database::Database;
use crate::store::recovery::sample;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }
}

fn written(file: &Path, form: Form) -> String {
    let reading = Reading::open(file).unwrap();
    let mut lines = Vec::new();
    let exported = export(&reading, form, &mut lines).unwrap();
    assert_eq!(exported.damaged, 0);
    reading.end().unwrap();
    String::from_utf8(lines).unwrap()
}

/// Messages that listed their receivers have another place afterwards.
fn sorted(lines: &str) -> Vec<&str> {
    let mut lines: Vec<_> = lines.lines().collect();
    lines.sort_unstable();
    lines
}

fn taken(lines: &str, file: &Path) -> Result<u64, ImportError> {
    import(lines.as_bytes(), file)
}

#[test]
fn an_export_is_imported_as_it_was() {
    let folder = Folder::new();
    let (old, new) = (folder.path("old"), folder.path("new"));
    sample::fill(&old);
    let lines = written(&old, Form::Portable);
    let count = taken(&lines, &new).unwrap();
    assert_eq!(count, lines.lines().count() as u64 - 2);
    assert_eq!(sorted(&written(&new, Form::Portable)), sorted(&lines));
    let facts = |file: &Path| sample::facts(&Connection::open(file).unwrap()).unwrap();
    assert_eq!(facts(&new), facts(&old));
    let findings = check(&Reading::open(&new).unwrap());
    assert_eq!(findings.lines, [""; 0]);
    // What people are shown is the same but for its first and its last line.
    let shown = written(&old, Form::Dump);
    assert!(lines.contains(&shown) && shown.lines().count() as u64 == count);
    assert!(shown.contains(r#"{"subscription":{"filter":"a/1","identifier":1,"no_local":false,"#));
}

#[test]
fn lines_that_are_not_whole_or_do_not_belong_together_make_no_store() {
    let folder = Folder::new();
    let (old, new) = (folder.path("old"), folder.path("new"));
    sample::fill(&old);
    let lines = written(&old, Form::Portable);
    let without = |part: &str| {
        let kept = lines.lines().filter(|line| !line.contains(part));
        kept.collect::<Vec<_>>().join("\n")
    };
    let cut = &lines[..lines.len() / 2];
    let cut = &cut[..=cut.rfind('\n').unwrap()];
    for (what, text) in [
        ("empty", String::new()),
        ("cut", cut.to_owned()),
        ("cut in a line", lines[..lines.len() / 2].to_owned()),
        ("without its end", without("\"end\"")),
        ("without its beginning", without("\"store\"")),
        ("with a line less", without("{\"message\":{\"message\":7,")),
        (
            "without its message",
            lines.replacen(
                "\"message\":7,\"payload_bytes\"",
                "\"message\":999,\"payload_bytes\"",
                1,
            ),
        ),
        ("newer", lines.replace("\"format\":1", "\"format\":2")),
        ("wrong QoS", lines.replacen("\"qos\":1", "\"qos\":3", 1)),
        (
            "wrong topic",
            lines.replacen("\"topic\":\"topic/", "\"topic\":\"#/", 1),
        ),
        (
            "wrong bytes",
            lines.replacen("\"payload\":\"", "\"payload_base64\":\"!", 1),
        ),
        ("unknown line", lines.replacen("{\"will\"", "{\"bill\"", 1)),
        (
            "without its session",
            lines.replacen("\"session\":1}}", "\"session\":99}}", 1),
        ),
        (
            "twice",
            lines.replacen("\"session\":1}}", "\"session\":2}}", 1),
        ),
        ("other", "hello".to_owned()),
        ("array", "[1]\n".to_owned()),
    ] {
        let error = taken(&text, &new).map(drop).expect_err(what);
        assert!(!error.to_string().is_empty());
        assert!(!new.exists(), "{what}: {error}");
        assert_eq!(folder.names(), ["old"], "{what}: {error}");
    }
    fs::copy(&old, &new).unwrap();
    let error = taken(&lines, &new).unwrap_err();
    assert!(matches!(error, ImportError::Occupied(_)), "{error}");
    assert_eq!(written(&new, Form::Portable), lines);
}

#[test]
fn who_only_looks_sees_what_stands_in_the_journal_and_leaves_nothing() {
    let folder = Folder::new();
    let (running, dead) = (folder.path("running"), folder.path("dead"));
    let database = sample::fill_and_keep_open(&running);
    for suffix in ["", "-wal"] {
        let [from, to] = [&running, &dead].map(|file| crate::store::recovery::beside(file, suffix));
        fs::copy(from, to).unwrap();
    }
    let names = folder.names();
    let lines = written(&dead, Form::Portable);
    let found = check(&Reading::open(&dead).unwrap());
    assert_eq!((found.lines, found.notes), (Vec::new(), Vec::new()));
    assert_eq!(folder.names(), names);
    assert!(lines.lines().count() > 100);
    // Beside a broker its own files are used.
    let lock = fs::File::create(folder.path("running.lock")).unwrap();
    lock.try_lock().unwrap();
    let reading = Reading::open(&running).unwrap();
    assert!(reading.is_in_use);
    drop(reading);
    assert_eq!(written(&running, Form::Portable), lines);
    drop(database);
}

#[test]
fn a_store_that_changes_meanwhile_is_not_one_state() {
    let folder = Folder::new();
    let file = folder.path("store");
    sample::fill(&file);
    let reading = Reading::open(&file).unwrap();
    let mut database = Database::open(&file, Sync::Full).unwrap();
    database.begin_run().unwrap();
    assert!(matches!(reading.end(), Err(ReadingError::Changed)));
}

#[test]
fn what_is_no_store_cannot_be_read_and_is_not_touched() {
    let folder = Folder::new();
    for (name, bytes) in [("a", &b""[..]), ("b", b"x"), ("c", &[0; 9000])] {
        fs::write(folder.path(name), bytes).unwrap();
        assert!(matches!(
            Reading::open(&folder.path(name)),
            Err(ReadingError::NotAStore)
        ));
    }
    let other = Connection::open(folder.path("d")).unwrap();
    other.execute_batch("CREATE TABLE t(a)").unwrap();
    drop(other);
    assert!(matches!(
        Reading::open(&folder.path("d")),
        Err(ReadingError::NotAStore)
    ));
    sample::fill(&folder.path("e"));
    let newer = Connection::open(folder.path("e")).unwrap();
    newer.execute_batch("PRAGMA user_version=2").unwrap();
    drop(newer);
    let error = Reading::open(&folder.path("e"))
        .map(drop)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("it has format 2, written by mqtt-broker 0"),
        "{error}"
    );
    assert_eq!(folder.names(), ["a", "b", "c", "d", "e"]);
}

#[test]
fn stats_count_what_waits_and_name_the_longest_queues() {
    let folder = Folder::new();
    let file = folder.path("store");
    sample::fill(&file);
    let stats = stats(&Reading::open(&file).unwrap()).unwrap();
    assert!(stats.counts.contains(&("sessions", 9)), "{stats:?}");
    assert!(
        stats.counts.contains(&("retained messages", 40)),
        "{stats:?}"
    );
    let longest = stats.queues.first().unwrap();
    assert!(longest.messages >= stats.queues.last().unwrap().messages);
    assert!(longest.bytes >= longest.messages * 150 && longest.client.starts_with("client "));
    assert_eq!(stats.oldest.unwrap().1, "topic/1");
}

#[test]
fn a_compacted_store_is_smaller_and_keeps_everything() {
    let folder = Folder::new();
    let file = folder.path("store");
    sample::fill(&file);
    let lines = written(&file, Form::Portable);
    let connection = Connection::open(&file).unwrap();
    let waste =
        "CREATE TABLE waste(b); INSERT INTO waste VALUES(zeroblob(900000)); DROP TABLE waste";
    connection.execute_batch(waste).unwrap();
    drop(connection);
    let (before, after) = compact(&file).unwrap();
    assert!(after + 800_000 < before, "{before} {after}");
    assert_eq!(written(&file, Form::Portable), lines);
    assert_eq!(folder.names(), ["store"]);
    Database::open(&file, Sync::Full).unwrap();
}
