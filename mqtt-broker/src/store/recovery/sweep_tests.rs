//! Every page of a small store and of its journal damaged in turn: the store opens, what is missing is
//! reported, and no more is missing than what stood there.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use mqtt_session::time::UnixTime;
use tempfile::TempDir;

use super::btree::Node;
use super::pages::{PAGE, Pages};
use super::sample::{SESSIONS, effects, facts};
use super::tables::{Fit, TABLES, integer, text};
use super::*;
use crate::store::Sync;
use crate::store::database::Database;
use crate::store::tools::{Reading, check};

const NOW: UnixTime = UnixTime::from_millis(1_800_000_000_000);

/// A folder without a disk under it, where the system has such: nothing here tests the disk.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

fn start(file: &Path) -> Start<'_> {
    Start {
        file,
        sync: Sync::Full,
        sync_before: Sync::Full,
        salvages: true,
        now: NOW,
    }
}

/// What a page of the sound store answers for: lines that begin so, or that contain `large` where the
/// page is a part of a large row.
fn answers_for(pages: &Pages, number: u32, way: Way) -> Vec<String> {
    let page = pages.read(number).unwrap();
    let Some(node) = Node::read(number, &page, pages) else {
        return vec!["large".to_owned()];
    };
    let mut lines = Vec::new();
    for row in node.rows {
        for table in TABLES {
            let Fit::Whole(row) = table.fit(row.clone()) else {
                continue;
            };
            let of = |column| integer(&row, column).unwrap();
            match table.name {
                // Another name is as good as the right one; all that can be done is to say so.
                "sess" if matches!(way, Way::Flip(_)) => {
                    lines.push(format!(" client {} ", of(0)));
                    lines.push(format!("session client {}", of(0)));
                }
                "will" => lines.push(format!("will client {} ", of(0))),
                "sub" => lines.push(format!("sub client {} {}", of(0), text(&row, 1).unwrap())),
                "msg" | "hot" => lines.push(format!(" {}  ", of(0))),
                "q" => {
                    lines.push(format!("msg client {} {} ", of(0), of(1)));
                    lines.push(format!("released client {} {} ", of(0), of(1)));
                }
                "held" => lines.push(format!("held client {} ", of(1))),
                "ret" => lines.push(format!("ret {} ", text(&row, 0).unwrap())),
                _ => {}
            }
        }
    }
    lines
}

/// A store as a broker that died left it, in two files.
struct Left {
    database: Vec<u8>,
    journal: Vec<u8>,
    facts: BTreeSet<String>,
}

impl Left {
    /// `in_file`: all of it stands in the database itself.
    fn new(in_file: bool) -> Self {
        let folder = folder();
        let file = folder.path().join("store");
        let mut database = start(&file).open().unwrap().database;
        for (place, effect) in effects().into_iter().enumerate() {
            database.apply(&effect).unwrap();
            if place % 7 == 6 {
                database.commit().unwrap();
            }
        }
        database.commit().unwrap();
        if in_file {
            database.checkpoint().unwrap();
            database.begin_run().unwrap();
        }
        let left = Self {
            database: fs::read(&file).unwrap(),
            journal: fs::read(beside(&file, "-wal")).unwrap(),
            facts: facts(&database.connection).unwrap(),
        };
        drop(database);
        left
    }

    fn write(&self, folder: &Path) -> PathBuf {
        let file = folder.join("store");
        fs::write(&file, &self.database).unwrap();
        fs::write(beside(&file, "-wal"), &self.journal).unwrap();
        file
    }
}

/// What became of a damaged store.
struct Outcome {
    facts: BTreeSet<String>,
    /// Somebody was told: at the start, or by `store check`. What waits in queues is not read at the
    /// start, but by the check that follows an end that was not in order.
    told: bool,
    told_at_start: bool,
    /// What was said, for who has to find out.
    said: String,
}

/// Looks at a store and then opens it.
fn open(file: &Path, at: &str) -> Option<Outcome> {
    let listed = listing(file);
    let checked = Reading::open(file).map(|reading| check(&reading).count);
    let found = checked.unwrap_or(1) > 0;
    assert_eq!(listing(file), listed, "{at}: who only looks leaves a trace");
    match start(file).open() {
        // Nothing is lost of what is refused.
        Err(error) => {
            assert_eq!(listing(file), listed, "{at}: refused and changed: {error}");
            None
        }
        Ok(started) => {
            let told_at_start =
                !started.reports.is_empty() || !started.recovered.damaged.is_empty();
            let facts = match facts(&started.database.connection) {
                Ok(facts) => facts,
                // As the broker does: it ends, and the next start knows.
                Err(error) => {
                    note_damage(file, &error).unwrap();
                    drop(started);
                    return Some(Outcome {
                        told_at_start: true,
                        ..open(file, at).unwrap()
                    });
                }
            };
            let again = check_while_open(&started.database);
            assert!(found || again.is_empty(), "{at}: still damaged: {again:?}");
            Some(Outcome {
                facts,
                told: found || told_at_start,
                told_at_start,
                said: format!("{:?} {:?}", started.reports, started.recovered.damaged),
            })
        }
    }
}

fn check_while_open(database: &Database) -> Vec<String> {
    let mut query = database
        .connection
        .prepare("PRAGMA integrity_check")
        .unwrap();
    let lines = query.query_map([], |row| row.get::<_, String>(0)).unwrap();
    lines
        .map(|line| line.unwrap_or_else(|error| error.to_string()))
        .filter(|line| line != "ok")
        .collect()
}

/// Names, sizes and checksums.
fn listing(file: &Path) -> Vec<(PathBuf, usize, u32)> {
    let entries = fs::read_dir(file.parent().unwrap()).unwrap();
    let mut listing: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| {
            let bytes = fs::read(&path).unwrap();
            (path, bytes.len(), crc32c::crc32c(&bytes))
        })
        .collect();
    listing.sort();
    listing
}

/// Ways to damage a page: what stands there afterwards, or that the file ends there.
#[derive(Clone, Copy, Debug)]
enum Way {
    Zero,
    Flip(usize),
    Cut,
}

impl Way {
    fn damage(self, bytes: &mut Vec<u8>, page: usize) {
        let start = page * PAGE;
        let end = (start + PAGE).min(bytes.len());
        match self {
            Self::Zero => bytes[start..end].fill(0),
            Self::Flip(place) => bytes[(start + place).min(end - 1)] ^= 0x20,
            Self::Cut => bytes.truncate(start),
        }
    }
}

#[test]
fn no_damaged_page_of_the_file_loses_more_than_what_stood_there_or_loses_it_in_silence() {
    let left = Left::new(true);
    let folder_of_original = folder();
    let original = left.write(folder_of_original.path());
    let pages = Pages::new(File::open(&original).unwrap(), None).unwrap();
    assert!(pages.count() > 30, "{} pages", pages.count());
    let ways = [
        Way::Zero,
        Way::Flip(0),
        Way::Flip(4),
        Way::Flip(9),
        Way::Flip(2048),
        Way::Flip(4000),
        Way::Cut,
    ];
    let mut refused = 0;
    for page in 0..pages.count() {
        for way in ways {
            let folder = folder();
            let mut damaged = Left {
                database: left.database.clone(),
                journal: left.journal.clone(),
                facts: BTreeSet::new(),
            };
            way.damage(&mut damaged.database, page as usize);
            let file = damaged.write(folder.path());
            let at = format!("page {} {way:?}", page + 1);
            let Some(outcome) = open(&file, &at) else {
                refused += 1;
                continue;
            };
            let until = if matches!(way, Way::Cut) {
                pages.count()
            } else {
                page + 1
            };
            let excused: Vec<String> = (page + 1..=until)
                .flat_map(|number| answers_for(&pages, number, way))
                .collect();
            // With both the rows and the index of the sessions gone nobody knows whose anything is.
            let nameless = matches!(way, Way::Cut) && page < 4;
            let is_excused = |line: &&String| {
                nameless || excused.iter().any(|part| line.contains(part.as_str()))
            };
            let missing: Vec<_> = left.facts.difference(&outcome.facts).collect();
            let beyond: Vec<_> = missing.iter().filter(|line| !is_excused(line)).collect();
            assert!(
                beyond.is_empty(),
                "{at}: lost besides: {beyond:?}: {} {excused:?}",
                outcome.said
            );
            let added: Vec<_> = outcome.facts.difference(&left.facts).collect();
            let is_changed = !missing.is_empty() || !added.is_empty();
            assert!(
                !is_changed || outcome.told,
                "{at}: nobody was told: {missing:?} {added:?}"
            );
        }
    }
    // The first page says whose file it is.
    assert!(refused <= 3, "{refused} times the store was not opened");
}

#[test]
fn no_damaged_page_of_the_journal_loses_anything_in_silence() {
    let left = Left::new(false);
    let pages = left.journal.len().div_ceil(PAGE);
    assert!(pages > 60, "{pages} pages");
    for page in 0..pages {
        for way in [
            Way::Zero,
            Way::Flip(0),
            Way::Flip(700),
            Way::Flip(4000),
            Way::Cut,
        ] {
            let folder = folder();
            let mut damaged = Left {
                database: left.database.clone(),
                journal: left.journal.clone(),
                facts: BTreeSet::new(),
            };
            way.damage(&mut damaged.journal, page);
            let file = damaged.write(folder.path());
            let at = format!("page {page} {way:?}");
            let outcome = open(&file, &at).unwrap_or_else(|| panic!("{at}: not opened"));
            let same = outcome.facts == left.facts;
            assert!(
                same || outcome.told_at_start,
                "page {page} {way:?}: nobody was told"
            );
        }
    }
}

#[test]
fn a_salvage_that_is_interrupted_goes_on() {
    let left = Left::new(true);
    for step in 0..3 {
        let folder = folder();
        let file = left.write(folder.path());
        let mut damaged = left.database.clone();
        damaged[..PAGE].fill(0);
        fs::write(&file, &damaged).unwrap();
        // As it looks once the old files are aside, once the new file is half made, and once the
        // journal is gone.
        let aside = aside::set_aside(&file, aside::Way::Link, NOW).unwrap();
        let name = aside.file_name().unwrap().to_str().unwrap().to_owned();
        fs::write(beside(&file, "-damaged"), &name).unwrap();
        if step > 0 {
            fs::write(beside(&file, "-salvaged"), b"half").unwrap();
        }
        if step > 1 {
            fs::remove_file(beside(&file, "-wal")).unwrap();
        }
        let started = start(&file).open().unwrap();
        assert_eq!(
            facts(&started.database.connection).unwrap(),
            left.facts,
            "step {step}"
        );
        assert!(
            matches!(&started.reports[..], [Report::Salvaged { folder, .. }]
            if folder.ends_with(&name))
        );
        drop(started);
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, [&name[..], "store"]);
        assert_eq!(fs::read(aside.join("store")).unwrap(), damaged);
    }
}

#[test]
fn what_may_not_be_salvaged_is_left_as_it_is() {
    let left = Left::new(true);
    let folder = folder();
    let file = left.write(folder.path());
    for (name, place) in [("store", 0), ("store", 5 * PAGE), ("store-wal", 8192)] {
        left.write(folder.path());
        let path = folder.path().join(name);
        let mut bytes = if name == "store" {
            left.database.clone()
        } else {
            Left::new(false).journal
        };
        bytes[place..place + PAGE].fill(0);
        fs::write(&path, &bytes).unwrap();
        let listed = listing(&file);
        let refusing = Start {
            salvages: false,
            ..start(&file)
        };
        match refusing.open() {
            Err(StartError::Refused(_)) => assert_eq!(listing(&file), listed, "{name} {place}"),
            other => panic!("{name} {place}: {other:?}"),
        }
    }
}

#[test]
fn damage_that_the_writer_meets_is_salvaged_at_the_next_start() {
    let left = Left::new(true);
    let folder = folder();
    let file = left.write(folder.path());
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    note_damage(&file, &rusqlite::Error::SqliteFailure(code, None)).unwrap();
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
    note_damage(
        &folder.path().join("other"),
        &rusqlite::Error::SqliteFailure(code, None),
    )
    .unwrap();
    assert!(!folder.path().join("other-damaged").exists());
    let started = start(&file).open().unwrap();
    assert_eq!(facts(&started.database.connection).unwrap(), left.facts);
    let [Report::Salvaged { salvage, .. }] = &started.reports[..] else {
        panic!("{:?}", started.reports);
    };
    assert!(salvage.is_complete(), "{salvage:?}");
    assert_eq!(salvage.sessions, u64::from(SESSIONS));
    assert!(
        !start(&file)
            .open()
            .is_ok_and(|again| !again.reports.is_empty())
    );
}
