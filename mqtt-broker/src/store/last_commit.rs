//! When the last commit was, so that a start whose clock stands before it goes on from there: what is
//! kept has absolute times, and would expire late.

use std::time::Duration;

use mqtt_session::time::UnixTime;
use rusqlite::OptionalExtension as _;

use super::database::Database;

/// Key in `meta`.
const KEY: &str = "last_commit_time";
/// It is not written more often: each time is a page that would not have to be written else.
const APART: Duration = Duration::from_secs(1);

/// The time of commits.
#[derive(Debug, Default)]
pub(super) struct LastCommit {
    /// What the broker's clock said last.
    now: UnixTime,
    /// What stands in the file.
    written: UnixTime,
}

impl LastCommit {
    /// The time, for the next commit.
    pub(super) fn note(&mut self, now: UnixTime) {
        self.now = self.now.max(now);
    }

    /// What stands in the file may not be what was written.
    pub(super) fn forget_written(&mut self) {
        self.written = UnixTime::default();
    }
}

impl Database {
    /// When the last commit was, to a second; the beginning of time if the file does not say.
    pub(super) fn load_last_commit(&self) -> rusqlite::Result<UnixTime> {
        let query = "SELECT v FROM meta WHERE k = ?1";
        let found = self.connection.query_row(query, [KEY], |row| row.get(0));
        let found: Option<String> = found.optional()?;
        Ok(found.and_then(|text| parse(&text)).unwrap_or_default())
    }

    /// Makes the time a part of the transaction that is open, if it is time.
    pub(super) fn write_last_commit(&mut self) -> rusqlite::Result<()> {
        let LastCommit { now, written } = self.last_commit;
        if now.saturating_since(written) >= APART {
            self.insert_last_commit()?;
            self.last_commit.written = now;
        }
        Ok(())
    }

    /// Makes the time a part of the transaction that is open, if it is known.
    pub(super) fn insert_last_commit(&self) -> rusqlite::Result<()> {
        let now = self.last_commit.now;
        if now > UnixTime::default() {
            let insert = "INSERT OR REPLACE INTO meta(k, v) VALUES(?1, ?2)";
            self.connection
                .prepare_cached(insert)?
                .execute([KEY, &display(now)])?;
        }
        Ok(())
    }
}

/// The time with a checksum: a wrong one would let everything expire.
fn display(time: UnixTime) -> String {
    let millis = time.as_millis().to_string();
    format!("{millis} {:08x}", crc32c::crc32c(millis.as_bytes()))
}

fn parse(text: &str) -> Option<UnixTime> {
    let (millis, _) = text.split_once(' ')?;
    let time = UnixTime::from_millis(millis.parse().ok()?);
    (display(time) == text).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Sync;

    const NOON: UnixTime = UnixTime::from_millis(1_800_000_000_000);

    fn database(folder: &tempfile::TempDir) -> Database {
        Database::open(&folder.path().join("store"), Sync::Normal).unwrap()
    }

    #[test]
    fn the_time_is_read_as_it_was_written_and_a_damaged_one_is_none() {
        let text = display(NOON);
        assert_eq!(parse(&text), Some(NOON));
        for at in 0..text.len() {
            let mut damaged = text.clone().into_bytes();
            damaged[at] ^= 1;
            assert_eq!(parse(&String::from_utf8(damaged).unwrap()), None, "{at}");
        }
        for other in ["", " ", "1800000000000", "x y"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn it_goes_into_transactions_that_there_are_a_second_apart_and_never_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = database(&folder);
        database.load(NOON).unwrap();
        for (millis, with_change, expected) in [
            (5_000, false, 0),
            (5_000, true, 5_000),
            (5_999, true, 5_000),
            (6_000, true, 6_000),
            (2_000, true, 6_000),
        ] {
            let time = NOON.saturating_add(Duration::from_millis(millis));
            database.note_time(time);
            if with_change {
                database.run("DELETE FROM gone", []).unwrap();
            }
            database.commit().unwrap();
            let last = database.load_last_commit().unwrap();
            assert_eq!(last.saturating_since(NOON), Duration::from_millis(expected));
        }
        // What was not committed is not taken for written.
        let later = NOON.saturating_add(Duration::from_secs(9));
        database.note_time(later);
        database.run("DELETE FROM gone", []).unwrap();
        database.write_last_commit().unwrap();
        database.undo().unwrap();
        database.run("DELETE FROM gone", []).unwrap();
        database.commit().unwrap();
        assert_eq!(database.load_last_commit().unwrap(), later);
    }

    #[test]
    fn a_start_whose_clock_stands_before_the_last_commit_goes_on_from_there() {
        let folder = tempfile::tempdir().unwrap();
        let early = UnixTime::from_millis(1_700_000_000_000);
        let recovered = database(&folder).load(NOON).unwrap();
        assert_eq!(recovered.last_commit, UnixTime::default());
        for now in [early, NOON] {
            let recovered = database(&folder).load(now).unwrap();
            assert_eq!(recovered.last_commit, NOON);
        }
    }
}
