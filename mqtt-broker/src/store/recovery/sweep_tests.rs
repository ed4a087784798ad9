//! Every page of a small store and of its journal damaged in turn: the store opens, what is missing is
//! reported, and no more is missing than what stood there.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use mqtt_codec::{PacketId, QoS, SubscriptionOptions};
use mqtt_session::time::UnixTime;
use rusqlite::Connection;
use tempfile::TempDir;

use super::btree::Node;
use super::pages::{PAGE, Pages};
use super::tables::{Fit, TABLES, integer, text};
use super::*;
use crate::engine::envelope::{Message, MessageHead, tests::message};
use crate::engine::session::SessionExpiry;
use crate::engine::store_op::{
    MessageNo, Origin, PublishOp, Receipt, Retain, Row, SavedSubscription, SavedWill, SessionNo,
    SessionOp, StoreOp,
};
use crate::store::database::Database;
use crate::store::ledger::Effect;
use crate::store::tools::{Reading, check};
use crate::store::{Sync, blob};

const NOW: UnixTime = UnixTime::from_millis(1_800_000_000_000);
const SESSIONS: u32 = 9;
const MESSAGES: u64 = 120;

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

fn session(value: u32) -> SessionNo {
    SessionNo(value.try_into().unwrap())
}

fn body(value: u64, large: bool) -> Message {
    let size = if large { 9000 } else { 150 };
    let payload = format!("{value:0size$}");
    message(
        MessageHead::default(),
        &format!("topic/{value}"),
        payload.as_bytes(),
    )
}

fn connect(value: u32) -> StoreOp {
    let will = SavedWill {
        message: body(u64::from(value), false),
        expiry: None,
        delay: std::time::Duration::ZERO,
    };
    StoreOp::Session(Box::new(SessionOp {
        session: session(value),
        client_id: format!("client {value}").into(),
        user_name: None,
        listener: 0,
        expiry: SessionExpiry::Never,
        will: value.is_multiple_of(3).then_some(will),
    }))
}

fn publish(value: u64, receivers: &[(u32, QoS, bool)], retained: bool) -> Effect {
    let number = MessageNo(value.try_into().unwrap());
    let message = body(value, value.is_multiple_of(30));
    let receipt = |(of, qos, away): &(u32, QoS, bool)| Receipt {
        session: session(*of),
        qos: *qos,
        retain: false,
        extra: None,
        packet_id: None,
        away: *away,
    };
    let row = Row {
        number,
        message: message.clone(),
        receivers: receivers.iter().map(receipt).collect(),
    };
    let publish = PublishOp {
        number,
        rows: (!receivers.is_empty()).then_some(row).into_iter().collect(),
        retain: retained.then_some(Retain {
            version: value,
            message,
        }),
        awaits: 0,
        origin: Origin::Fresh,
    };
    Effect::Publish(Box::new(publish), Vec::new())
}

/// Everything that a store can keep.
fn effects() -> Vec<Effect> {
    let mut effects = Vec::new();
    for value in 1..=SESSIONS {
        effects.push(Effect::Op(connect(value)));
        for filter in ["a/#", "b/+/c", "d"] {
            effects.push(Effect::Op(StoreOp::Subscribe {
                session: session(value),
                subscription: SavedSubscription {
                    filter: format!("{filter}/{value}").replace("#/", "").into(),
                    options: SubscriptionOptions::default(),
                    identifier: value,
                    replays: false,
                },
            }));
        }
        effects.push(Effect::Op(StoreOp::Hold {
            session: session(value),
            packet_id: PacketId::new(7).unwrap(),
            message: body(u64::from(value), value == 4),
        }));
    }
    for value in 1..=MESSAGES {
        let one = u32::try_from(value % u64::from(SESSIONS)).unwrap() + 1;
        let other = one % SESSIONS + 1;
        let qos = [QoS::AtLeastOnce, QoS::ExactlyOnce][usize::try_from(value % 2).unwrap()];
        let away = !value.is_multiple_of(4);
        let receivers = [(one, qos, away), (other, QoS::AtLeastOnce, away)];
        effects.push(publish(value, &receivers, value.is_multiple_of(3)));
        let (session, number) = (session(one), MessageNo(value.try_into().unwrap()));
        let packet_id = PacketId::new(u16::try_from(value).unwrap()).unwrap();
        if qos == QoS::ExactlyOnce && value % 5 < 2 {
            effects.push(Effect::Op(StoreOp::Sent {
                session,
                number,
                packet_id,
            }));
        }
        if qos == QoS::ExactlyOnce && value % 5 == 1 {
            effects.push(Effect::Op(StoreOp::Released {
                session,
                number,
                packet_id,
            }));
        }
    }
    effects
}

/// What a store keeps, a line each.
fn facts(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let mut facts = BTreeSet::new();
    let mut query = |query: &str| -> rusqlite::Result<()> {
        let mut query = connection.prepare(query)?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let head: String = row.get(0).unwrap();
            let bytes: Option<Vec<u8>> = row.get(1).unwrap();
            let Some(bytes) = bytes else {
                facts.insert(head);
                continue;
            };
            let size = if bytes.len() > 3000 { "large" } else { "small" };
            if blob::read_message(&bytes).is_ok() || blob::read_will(&bytes).is_ok() {
                facts.insert(format!("{head} {size} {:08x}", crc32c::crc32c(&bytes)));
            }
        }
        Ok(())
    };
    query("SELECT 'session ' || client, NULL FROM sess NOT INDEXED")?;
    query(
        "SELECT 'sub ' || client || ' ' || f || ' ' || o || ' ' || i, NULL FROM sub JOIN sess USING(s)",
    )?;
    query(
        "SELECT 'msg ' || client || ' ' || q.m || ' ', b FROM q JOIN sess USING(s) JOIN msg USING(m) WHERE d = 0",
    )?;
    query(
        "SELECT 'released ' || client || ' ' || m || ' ' || p, NULL FROM q JOIN sess USING(s) WHERE d = 1",
    )?;
    query("SELECT 'ret ' || t || ' ', b FROM ret WHERE b IS NOT NULL")?;
    query("SELECT 'held ' || client || ' ' || p || ' ', b FROM held JOIN sess USING(s)")?;
    query("SELECT 'will ' || client || ' ', b FROM will JOIN sess USING(s)")?;
    let mut hot = connection.prepare("SELECT m, r, b FROM hot")?;
    let mut rows = hot.query([])?;
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0).unwrap();
        let (receivers, bytes): (Vec<u8>, Vec<u8>) = (row.get(1).unwrap(), row.get(2).unwrap());
        let size = if bytes.len() > 3000 { "large" } else { "small" };
        for receipt in blob::read_receipts(&receivers).unwrap() {
            let client = format!("client {}", receipt.session.0);
            let sum = crc32c::crc32c(&bytes);
            facts.insert(format!("msg {client} {number}  {size} {sum:08x}"));
        }
    }
    Ok(facts)
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
            database.apply(effect).unwrap();
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
    /// Somebody was told: at the start, or by `store check` before it.
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
    let (mut refused, mut silent) = (0, 0);
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
            silent += u32::from(is_changed && !outcome.told_at_start);
        }
    }
    // Numbers and names in columns have no checksum that a start looks at; `store check` finds them.
    assert!(
        silent <= pages.count() / 4,
        "{silent} times nothing was said at the start"
    );
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
