//! Every point at which a take-over can be interrupted leaves something that a next start goes on from.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::{finish, import, take_over};
use super::make;
use super::{ENDS, NOW};
use crate::store::Sync;
use crate::store::database::Database;

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Sessions of the store there, as a start finds them.
fn sessions(file: &Path) -> usize {
    let mut database = Database::open(file, Sync::Normal).unwrap();
    database.load(NOW).unwrap().sessions.len()
}

struct Place {
    folder: tempfile::TempDir,
    file: PathBuf,
    original: Vec<u8>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mosquitto.db");
        let original = make::file(6, ENDS);
        fs::write(&file, &original).unwrap();
        Self {
            folder,
            file,
            original,
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A start, which has to end with everything in its place.
    fn start(&self) {
        let finished = finish(&self.file).unwrap();
        let begin = fs::read(&self.file).unwrap();
        if begin.starts_with(super::super::MAGIC) {
            assert!(!finished);
            take_over(&self.file, &self.file, NOW).unwrap();
        }
        assert_eq!(sessions(&self.file), 2);
        let original = self.at("mosquitto.db.original-1800000000");
        assert_eq!(fs::read(original).unwrap(), self.original);
        let expected = ["mosquitto.db", "mosquitto.db.original-1800000000"];
        assert_eq!(names(self.folder.path()), expected);
    }
}

#[test]
fn the_original_is_kept_beside_the_new_store() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    // Of a store that somebody deleted; it must not get to the new one.
    fs::write(place.at("mosquitto.db-wal"), "a journal").unwrap();
    let taken = take_over(&place.file, &place.file, NOW).unwrap();
    assert_eq!(taken.original, place.at("mosquitto.db.original-1800000000"));
    assert_eq!(
        (taken.counts.sessions, taken.format.as_str()),
        (2, "Mosquitto's format 6")
    );
    assert_eq!(
        fs::metadata(&place.file).unwrap().permissions().mode(),
        0o100_600
    );
    fs::remove_file(place.at("mosquitto.db.original-1800000000-wal")).unwrap();
    place.start();
    // A second one in the same second has another name.
    fs::write(&place.file, &place.original).unwrap();
    let taken = take_over(&place.file, &place.file, NOW).unwrap();
    assert_eq!(taken.original, place.at("mosquitto.db.original-1800000001"));
}

#[test]
fn a_start_goes_on_wherever_the_last_one_was_interrupted() {
    // In the middle of writing: a part of a new store, with its journal.
    let place = Place::new();
    let database = Database::open(&place.at("mosquitto.db.importing"), Sync::Normal).unwrap();
    std::mem::forget(database);
    place.start();

    // The new store is whole, and nothing was renamed. Whatever is there is made again.
    let place = Place::new();
    fs::write(
        place.at("mosquitto.db.new"),
        b"SQLite format 3\0 and a half",
    )
    .unwrap();
    place.start();

    // The original has its new name, the new store has not.
    let place = Place::new();
    import(&place.file, &place.at("mosquitto.db.new"), NOW).unwrap();
    fs::rename(&place.file, place.at("mosquitto.db.original-1800000000")).unwrap();
    place.start();

    // Everything was done.
    place.start();
}

#[test]
fn deleting_the_file_still_means_to_start_empty() {
    let place = Place::new();
    fs::remove_file(&place.file).unwrap();
    // What Mosquitto may have left, and what nobody finished.
    fs::write(place.at("mosquitto.db.new"), &place.original).unwrap();
    assert!(!finish(&place.file).unwrap());
    fs::write(place.at("mosquitto.db.new"), b"SQLite format 3\0").unwrap();
    assert!(!finish(&place.file).unwrap());
}

#[test]
fn what_cannot_be_read_stays_as_it_is_and_nothing_is_left_beside_it() {
    let place = Place::new();
    fs::write(&place.file, &place.original[..100]).unwrap();
    let error = take_over(&place.file, &place.file, NOW).unwrap_err();
    assert!(error.to_string().contains("cut short: at byte"), "{error}");
    assert_eq!(fs::read(&place.file).unwrap(), &place.original[..100]);
    assert_eq!(names(place.folder.path()), ["mosquitto.db"]);
}

#[test]
fn an_import_makes_a_new_store_and_overwrites_none() {
    let place = Place::new();
    let target = place.at("ours.db");
    let counts = import(&place.file, &target, NOW).unwrap();
    assert_eq!((counts.sessions, sessions(&target)), (2, 2));
    let error = import(&place.file, &target, NOW).unwrap_err().to_string();
    assert!(error.contains("ours.db is in the way"), "{error}");
    assert_eq!(fs::read(&place.file).unwrap(), place.original);
}
