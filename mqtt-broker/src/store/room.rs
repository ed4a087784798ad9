//! Room on the disk: some is held in reserve, so that what goes on its way and what is deleted can still
//! be written when there is no more, and it is known when there is enough again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mqtt_session::time::Instant;
use nix::errno::Errno;
use nix::fcntl::posix_fallocate;
use nix::sys::statvfs::statvfs;
use rusqlite::ffi;

use super::recovery::beside;

/// What is held in reserve, if the disk has eight times as much.
const RESERVE_BYTES: u64 = 16 * 1024 * 1024;
/// Free bytes with which everything is taken again, unless the whole disk has hardly as many.
const ENOUGH_BYTES: u64 = 64 * 1024 * 1024;
/// The reserve is at least so small a part of that.
const RESERVE_PART: u64 = 32;
/// The journal is at most so small a part of the disk, but for what comes at once.
const JOURNAL_PART: u64 = 32;
/// What is written to find out whether anything can be.
const PROBE_BYTES: usize = 64 * 1024;
/// How long until it is looked again whether there is room.
pub(super) const AGAIN: Duration = Duration::from_secs(1);
/// The same where the disk says that there is room and there is none.
const AGAIN_MAX: Duration = Duration::from_secs(64);

/// The disk of a store.
#[derive(Debug)]
pub(super) struct Room {
    file: PathBuf,
    folder: PathBuf,
    journal: PathBuf,
    reserve: PathBuf,
    probe: PathBuf,
    full: bool,
    /// Not before then it is looked again.
    next_look: Instant,
    /// How long is waited where room was promised in vain.
    pause: Duration,
    /// When there was room again.
    well_at: Option<Instant>,
}

impl Room {
    /// The disk that a file lies on.
    pub(super) fn of(file: &Path) -> Self {
        let folder = file.parent().filter(|p| !p.as_os_str().is_empty());
        Self {
            file: file.to_owned(),
            folder: folder.unwrap_or_else(|| Path::new(".")).to_owned(),
            journal: beside(file, "-wal"),
            reserve: beside(file, ".reserve"),
            probe: beside(file, ".probe"),
            full: false,
            next_look: Instant::default(),
            pause: AGAIN,
            well_at: None,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// Whether a write failed because the disk, or the user's share of it, is full. SQLite says so of a
    /// full disk only, and keeps the system's error to itself otherwise; what the system said last on
    /// this thread still stands. Should something have come after it, the disk is asked, which may have
    /// got room meanwhile.
    ///
    /// To be called before anything else when something has failed.
    pub(super) fn is_reason(&self, error: &rusqlite::Error) -> bool {
        let said = io::Error::last_os_error();
        let rusqlite::Error::SqliteFailure(error, _) = error else {
            return false;
        };
        match error.extended_code {
            ffi::SQLITE_FULL => true,
            // The second is the index of the journal, which grows with it.
            ffi::SQLITE_IOERR_WRITE | ffi::SQLITE_IOERR_SHMSIZE | ffi::SQLITE_IOERR_TRUNCATE => {
                is_full(&said) || self.try_to_write().is_err_and(|error| is_full(&error))
            }
            _ => false,
        }
    }

    /// Bytes of the file.
    pub(super) fn length(&self) -> u64 {
        fs::metadata(&self.file).map_or(0, |found| found.len())
    }

    /// Whether so many bytes are free, as far as the system says.
    pub(super) fn has(&self, bytes: u64) -> bool {
        self.space().is_none_or(|space| space.free >= bytes)
    }

    /// How much there is of the disk, as far as the system says.
    fn space(&self) -> Option<Space> {
        let disk = statvfs(&self.folder).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(disk.fragment_size());
        Some(Space {
            total: bytes(disk.blocks()),
            free: bytes(disk.blocks_available()),
        })
    }

    /// Bytes to which the journal may grow: a small disk needs the room for the file.
    pub(super) fn journal_bytes_max(&self) -> u64 {
        self.space()
            .map_or(u64::MAX, |space| space.total / JOURNAL_PART)
    }

    /// What need not be done now may fail for lack of room.
    pub(super) fn excuses(&self, done: rusqlite::Result<()>) -> rusqlite::Result<()> {
        match done {
            Err(error) if self.is_reason(&error) => Ok(()),
            done => done,
        }
    }

    /// There is none: the reserve is given up.
    pub(super) fn run_out(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.full, true) {
            let lasted = self.well_at.map(|since| now.saturating_since(since));
            if lasted.is_some_and(|lasted| lasted < AGAIN_MAX) {
                self.wait_longer(now);
            } else {
                self.pause = AGAIN;
                self.next_look = now + AGAIN;
            }
        }
        // If it is not there, there is nothing to give up.
        let _gone = fs::remove_file(&self.reserve);
    }

    /// Whether it is time to look whether there is room again.
    pub(super) fn is_to_look(&self, now: Instant) -> bool {
        self.full && now >= self.next_look
    }

    /// Whether there may be enough if the journal gives back what it has of the disk, given the room in
    /// the file itself, in bytes.
    pub(super) fn needs_journal(&self, inside: u64) -> bool {
        let journal = fs::metadata(&self.journal).map_or(0, |found| found.len());
        let enough = |space: Space| space.free + inside + journal >= space.enough();
        inside > 0 && journal > 0 && self.space().is_some_and(enough)
    }

    /// Looks whether there is enough again, on the disk and in the file itself (`inside`, bytes); the
    /// reserve is made anew then. What the disk says is not believed: it knows nothing of a quota. The
    /// room is taken for a moment instead.
    pub(super) fn look_again(&mut self, now: Instant, inside: u64) {
        self.next_look = now + AGAIN;
        let Some(space) = self.space() else { return };
        let reserve = reserve_of(space.free.saturating_add(inside)).min(space.free / 2);
        let needed = space.enough().saturating_sub(inside).max(reserve);
        if space.free < needed || reserve < space.enough() / RESERVE_PART {
            return;
        }
        match self.allocate(needed, reserve) {
            Err(Errno::ENOSPC | Errno::EDQUOT) => self.wait_longer(now),
            // Not every file system can reserve room.
            Ok(()) | Err(_) => {
                self.full = false;
                self.well_at = Some(now);
            }
        }
    }

    fn wait_longer(&mut self, now: Instant) {
        self.pause = (self.pause * 2).min(AGAIN_MAX);
        self.next_look = now + self.pause;
    }

    /// Reserves part of it. A disk that is almost full gets by without.
    pub(super) fn hold_reserve(&self) {
        if let Some(space) = self.space() {
            let bytes = reserve_of(space.free);
            let _without = self.allocate(bytes, bytes);
        }
    }

    /// Takes so many bytes for the reserve, and keeps some of them; all or nothing.
    fn allocate(&self, bytes: u64, kept: u64) -> Result<(), Errno> {
        let length = i64::try_from(bytes).map_err(|_| Errno::EFBIG)?;
        let system = |error: io::Error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
        let file = create(&self.reserve).map_err(system)?;
        let allocated = posix_fallocate(&file, 0, length);
        allocated
            .and_then(|()| file.set_len(kept).map_err(system))
            .inspect_err(|_| {
                // What is not reserved is of no use.
                let _gone = fs::remove_file(&self.reserve);
            })
    }

    fn try_to_write(&self) -> io::Result<()> {
        let mut file = create(&self.probe)?;
        let written = file
            .write_all(&[0; PROBE_BYTES])
            .and_then(|()| file.sync_all());
        fs::remove_file(&self.probe)?;
        written
    }
}

/// Bytes of a disk.
#[derive(Clone, Copy, Debug)]
struct Space {
    total: u64,
    free: u64,
}

impl Space {
    /// Free bytes with which everything is taken again.
    fn enough(self) -> u64 {
        ENOUGH_BYTES.min(self.total / 4)
    }
}

/// The reserve where so many bytes are free.
fn reserve_of(free: u64) -> u64 {
    RESERVE_BYTES.min(free / 8)
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    )
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::*;

    #[test]
    fn a_full_disk_is_told_from_one_that_fails() {
        let folder = tempfile::tempdir().unwrap();
        let room = Room::of(&folder.path().join("a.db"));
        for (said, code, expected) in [
            (Errno::EIO, ffi::SQLITE_FULL, true),
            (Errno::ENOSPC, ffi::SQLITE_IOERR_SHMSIZE, true),
            (Errno::EDQUOT, ffi::SQLITE_IOERR_SHMSIZE, true),
            (Errno::EDQUOT, ffi::SQLITE_IOERR_WRITE, true),
            (Errno::ENOSPC, ffi::SQLITE_IOERR_TRUNCATE, true),
            (Errno::EIO, ffi::SQLITE_IOERR_SHMSIZE, false),
            (Errno::EIO, ffi::SQLITE_IOERR_WRITE, false),
            // Pages may count as written after it, whatever the reason was.
            (Errno::ENOSPC, ffi::SQLITE_IOERR_FSYNC, false),
            (Errno::ENOSPC, ffi::SQLITE_CORRUPT, false),
        ] {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            said.set();
            assert_eq!(room.is_reason(&error), expected, "{said} {code}");
        }
    }

    #[test]
    fn the_reserve_is_there_until_it_is_needed_and_again_after() {
        let folder = tempfile::tempdir().unwrap();
        let mut room = Room::of(&folder.path().join("a.db"));
        room.hold_reserve();
        let reserve = folder.path().join("a.db.reserve");
        let size = || fs::metadata(&reserve).map(|found| found.len());
        let before = size().unwrap();
        assert!(before > 0);
        let now = Instant::from_millis(5_000);
        room.run_out(now);
        assert!(room.is_full());
        size().unwrap_err();
        assert!(!room.is_to_look(now), "there was none just now");
        assert!(room.is_to_look(now + AGAIN));
        room.look_again(now + AGAIN, 0);
        assert!(!room.is_full(), "this disk is not full");
        assert_eq!(size().unwrap(), before);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn room_that_does_not_last_is_believed_in_less_and_less_often() {
        let folder = tempfile::tempdir().unwrap();
        let mut room = Room::of(&folder.path().join("a.db"));
        let mut now = Instant::from_millis(5_000);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            room.run_out(now);
            let ran_out = now;
            while room.is_full() {
                now = now + AGAIN;
                if room.is_to_look(now) {
                    room.look_again(now, 0);
                }
            }
            pauses.push(now.saturating_since(ran_out).as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 64, 64]);
        now = now + AGAIN_MAX;
        room.run_out(now);
        assert!(room.is_to_look(now + AGAIN), "it has lasted");
    }
}
