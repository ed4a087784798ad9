use std::fs;
use std::path::Path;

use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;

const FRAME: usize = FRAME_HEADER + 4096;

/// A database with a journal that SQLite writes.
struct Store {
    folder: TempDir,
    connection: Connection,
}

impl Store {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join("db")).unwrap();
        let made = "PRAGMA page_size=4096; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
            PRAGMA wal_autocheckpoint=0; CREATE TABLE t(n INTEGER PRIMARY KEY, b BLOB);";
        connection.execute_batch(made).unwrap();
        Self { folder, connection }
    }

    /// So many rows of three quarters of a page in one transaction.
    fn insert(&self, rows: u32) {
        self.connection
            .execute_batch(&format!(
                "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < {rows})
                 INSERT INTO t(b) SELECT randomblob(3000) FROM c"
            ))
            .unwrap();
    }

    /// Brings everything into the file; the next commit begins the journal anew.
    fn begin_anew(&self) {
        let checkpoint = "PRAGMA wal_checkpoint(PASSIVE)";
        self.connection
            .query_row(checkpoint, [], |_| Ok(()))
            .unwrap();
    }

    fn journal(&self) -> Vec<u8> {
        fs::read(self.folder.path().join("db-wal")).unwrap()
    }

    /// How many rows SQLite finds with this journal.
    fn rows_with(&self, journal: &[u8]) -> i64 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        fs::copy(self.folder.path().join("db"), &path).unwrap();
        fs::write(folder.path().join("db-wal"), journal).unwrap();
        let connection = Connection::open(&path).unwrap();
        let rows = connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0));
        rows.unwrap_or(0)
    }
}

fn read(bytes: &[u8]) -> Journal {
    scan(bytes).unwrap()
}

/// Bytes up to the end of the last commit.
fn end(bytes: &[u8]) -> usize {
    usize::try_from(read(bytes).end).unwrap()
}

fn tail(bytes: &[u8]) -> Tail {
    read(bytes).tail(Sync::Full)
}

/// Where the frames of each commit end.
fn ends(bytes: &[u8]) -> Vec<usize> {
    let frames = bytes[HEADER..].chunks_exact(FRAME).enumerate();
    let commits = frames.filter(|(_, frame)| word(frame, 4) != 0);
    commits.map(|(n, _)| HEADER + (n + 1) * FRAME).collect()
}

#[test]
fn a_journal_that_is_whole_is_read_to_its_end() {
    let store = Store::new();
    for rows in [1, 5, 1] {
        store.insert(rows);
    }
    let bytes = store.journal();
    let found = read(&bytes);
    assert_eq!(found.end, bytes.len() as u64);
    assert_eq!(found.tail(Sync::Full), Tail::Clean);
    // The last version of each page is what a checkpoint brings into the file.
    store.begin_anew();
    let file = fs::read(store.folder.path().join("db")).unwrap();
    assert_eq!(file.len(), found.page_count as usize * 4096);
    for (page, offset) in found.pages {
        let (page, offset) = (page as usize - 1, usize::try_from(offset).unwrap());
        assert_eq!(file[page * 4096..][..4096], bytes[offset..][..4096]);
    }
}

#[test]
fn an_older_round_behind_the_last_commit_is_nothing() {
    let store = Store::new();
    for _ in 0..3 {
        store.insert(9);
        store.begin_anew();
    }
    store.insert(2);
    let bytes = store.journal();
    let found = read(&bytes);
    assert!(found.end < bytes.len() as u64);
    assert_eq!(found.tail(Sync::Full), Tail::Clean);
}

#[test]
fn a_journal_of_either_byte_order_is_read_as_sqlite_reads_it() {
    let store = Store::new();
    store.insert(3);
    store.insert(3);
    let bytes = store.journal();
    for big_endian in [false, true] {
        let turned = turned(&bytes, big_endian);
        assert_eq!(store.rows_with(&turned), 6);
        let found = read(&turned);
        assert_eq!(
            (found.end, tail(&turned)),
            (bytes.len() as u64, Tail::Clean)
        );
    }
}

/// The journal with checksums of this byte order.
fn turned(bytes: &[u8], big_endian: bool) -> Vec<u8> {
    let mut turned = bytes.to_vec();
    turned[..4].copy_from_slice(&(MAGIC + u32::from(big_endian)).to_be_bytes());
    let mut sum = Sum::default().over(&turned[..24], big_endian);
    put(&mut turned[24..32], sum);
    for frame in turned[HEADER..].chunks_exact_mut(FRAME) {
        sum = sum.over(&frame[..8], big_endian);
        sum = sum.over(&frame[FRAME_HEADER..], big_endian);
        put(&mut frame[16..24], sum);
    }
    turned
}

fn put(place: &mut [u8], Sum(one, two): Sum) {
    place[..4].copy_from_slice(&one.to_be_bytes());
    place[4..].copy_from_slice(&two.to_be_bytes());
}

#[test]
fn every_bad_byte_is_seen_and_damage_of_what_was_synced_is_called_so() {
    let store = Store::new();
    for rows in [1, 4, 1, 3] {
        store.insert(rows);
    }
    let bytes = store.journal();
    let ends = ends(&bytes);
    let last = ends[ends.len() - 2];
    for frame in (HEADER..bytes.len()).step_by(FRAME) {
        for place in [frame, frame + 5, frame + 9, frame + 20, frame + 2000] {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x04;
            let found = read(&damaged);
            let before = ends.iter().rfind(|end| **end <= frame);
            assert_eq!(found.end, *before.unwrap_or(&HEADER) as u64, "at {place}");
            let expected = found.tail(Sync::Full);
            if frame < last {
                assert_eq!(expected, Tail::Damaged, "at {place}");
                assert!(found.commits_behind > 0 && found.frames_behind > 0);
                let lost = (bytes.len() as u64 - HEADER as u64) / FRAME as u64;
                assert!(found.frames_behind <= lost);
            } else if place != frame + 5 {
                assert!(matches!(expected, Tail::Torn { .. }), "at {place}");
            }
            let read = &damaged[..end(&damaged)];
            assert_eq!(store.rows_with(&damaged), store.rows_with(read));
        }
    }
}

#[test]
fn a_damaged_header_is_not_an_empty_journal() {
    let store = Store::new();
    store.insert(2);
    store.insert(2);
    let bytes = store.journal();
    for place in 0..HEADER {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0x10;
        let found = read(&damaged);
        assert_eq!(found.tail(Sync::Full), Tail::Damaged, "at {place}");
        assert_eq!((found.end, store.rows_with(&damaged)), (0, 0));
    }
    let mut zeroed = bytes.clone();
    zeroed[..4096].fill(0);
    assert_eq!(tail(&zeroed), Tail::Damaged);
    assert_eq!(tail(&[]), Tail::Clean);
    assert_eq!(tail(&[0; 32]), Tail::Clean);
}

#[test]
fn where_commits_are_not_synced_any_tail_is_a_torn_one() {
    let store = Store::new();
    for _ in 0..4 {
        store.insert(2);
    }
    let mut bytes = store.journal();
    bytes[HEADER + FRAME + 99] ^= 1;
    assert_eq!(tail(&bytes), Tail::Damaged);
    assert_eq!(read(&bytes).tail(Sync::Normal), Tail::Torn { ended: true });
}

#[test]
fn what_a_transaction_left_that_was_given_up_is_no_proof() {
    let store = Store::new();
    // So small a memory that a large transaction is written before its end.
    let small = "PRAGMA cache_size=5; PRAGMA cache_spill=ON;";
    store.connection.execute_batch(small).unwrap();
    for _ in 0..3 {
        store.insert(1);
    }
    let kept = store.journal().len();
    store.connection.execute_batch("BEGIN").unwrap();
    store.insert(60);
    store.connection.execute_batch("ROLLBACK").unwrap();
    let left = store.journal();
    assert!(left.len() > kept + 20 * FRAME, "nothing was written");
    assert_eq!(tail(&left), Tail::Torn { ended: false });
    store.insert(4);
    let bytes = store.journal();
    assert!(bytes.len() > end(&bytes) + 9 * FRAME);
    // The last transaction is torn, its commit frame is there, and those others behind it.
    for place in (kept..end(&bytes)).step_by(FRAME) {
        let mut torn = bytes.clone();
        torn[place + 100] ^= 1;
        assert_eq!(tail(&torn), Tail::Torn { ended: true }, "at {place}");
    }
}

#[test]
fn a_journal_is_judged_alike_wherever_it_is_cut() {
    let store = Store::new();
    for rows in [2, 1, 3] {
        store.insert(rows);
    }
    let bytes = store.journal();
    let ends = ends(&bytes);
    for cut in (0..bytes.len()).step_by(331) {
        let found = read(&bytes[..cut]);
        let before = ends.iter().rfind(|end| **end <= cut);
        let floor = if cut < HEADER { 0 } else { HEADER };
        assert_eq!(found.end, *before.unwrap_or(&floor) as u64);
        assert_ne!(found.tail(Sync::Full), Tail::Damaged, "cut at {cut}");
    }
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Of a transaction that was not synced any pages of the file may be missing, and behind them may
    /// stand what an older round, or nobody, wrote.
    #[test]
    fn no_loss_of_power_is_called_damage(
        older in 0_u32..30,
        synced in proptest::collection::vec(1_u32..5, 0..5),
        under_way in 1_u32..20,
        missing in proptest::collection::vec(any::<bool>(), 64),
    ) {
        let store = Store::new();
        if older > 0 {
            store.insert(older);
            store.begin_anew();
        }
        store.insert(1);
        for rows in synced {
            store.insert(rows);
        }
        let before = store.journal();
        let kept = end(&before);
        store.insert(under_way);
        let mut torn = store.journal();
        let size = torn.len();
        for (page, _) in missing.iter().enumerate().filter(|(_, missing)| **missing) {
            let start = (page * 4096 + kept / 4096 * 4096).min(size);
            let (start, end) = (start.max(kept), (start + 4096).min(size));
            for (place, byte) in torn.iter_mut().enumerate().take(end).skip(start) {
                *byte = before.get(place).copied().unwrap_or(0);
            }
        }
        let found = read(&torn);
        prop_assert_ne!(found.tail(Sync::Full), Tail::Damaged);
        prop_assert!(end(&torn) >= kept);
        let path = store.folder.path().join("torn");
        write(&path, &torn);
        prop_assert_eq!(scan(fs::File::open(path).unwrap()).unwrap(), found);
    }

    /// Whatever stands there.
    #[test]
    fn no_bytes_are_too_much(bytes in proptest::collection::vec(any::<u8>(), 0..20_000)) {
        let found = read(&bytes);
        prop_assert!(found.end <= bytes.len() as u64);
    }
}
