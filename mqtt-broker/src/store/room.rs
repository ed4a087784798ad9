//! Room on the disk: some is held in reserve, so that what goes on its way and what is deleted can still
//! be written when there is no more, and it is known when there is enough again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::fcntl::posix_fallocate;
use nix::sys::statvfs::{Statvfs, statvfs};
use rusqlite::ffi;

use super::recovery::beside;

/// What is held in reserve, if the disk has eight times as much.
const RESERVE_BYTES: u64 = 16 * 1024 * 1024;
/// Free bytes with which everything is taken again, unless the whole disk has hardly as many.
const ENOUGH_BYTES: u64 = 64 * 1024 * 1024;
/// What is written to find out whether anything can be.
const PROBE_BYTES: usize = 64 * 1024;

/// The disk of a store.
#[derive(Debug)]
pub(super) struct Room {
    file: PathBuf,
    folder: PathBuf,
    reserve: PathBuf,
    probe: PathBuf,
    full: bool,
}

impl Room {
    /// The disk that a file lies on.
    pub(super) fn of(file: &Path) -> Self {
        let folder = file.parent().filter(|p| !p.as_os_str().is_empty());
        Self {
            file: file.to_owned(),
            folder: folder.unwrap_or_else(|| Path::new(".")).to_owned(),
            reserve: beside(file, ".reserve"),
            probe: beside(file, ".probe"),
            full: false,
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
        let free = |disk: Statvfs| disk.blocks_available().saturating_mul(disk.fragment_size());
        statvfs(&self.folder).map_or(true, |disk| free(disk) >= bytes)
    }

    /// What need not be done now may fail for lack of room.
    pub(super) fn excuses(&self, done: rusqlite::Result<()>) -> rusqlite::Result<()> {
        match done {
            Err(error) if self.is_reason(&error) => Ok(()),
            done => done,
        }
    }

    /// There is none: the reserve is given up.
    pub(super) fn run_out(&mut self) {
        self.full = true;
        // If it is not there, there is nothing to give up.
        let _gone = fs::remove_file(&self.reserve);
    }

    /// Looks whether there is enough again; the reserve is made anew then.
    pub(super) fn look_again(&mut self) {
        if self.full
            && let Ok(disk) = statvfs(&self.folder)
        {
            let block = disk.fragment_size();
            let enough = ENOUGH_BYTES.min(disk.blocks().saturating_mul(block) / 4);
            if disk.blocks_available().saturating_mul(block) >= enough {
                self.full = false;
                self.hold_reserve();
            }
        }
    }

    /// Reserves part of it. A disk that is almost full gets by without.
    pub(super) fn hold_reserve(&self) {
        let Ok(disk) = statvfs(&self.folder) else {
            return;
        };
        let free = disk.blocks_available().saturating_mul(disk.fragment_size());
        let bytes = RESERVE_BYTES.min(free / 8);
        let Ok(bytes) = i64::try_from(bytes) else {
            return;
        };
        if let Ok(file) = create(&self.reserve)
            && posix_fallocate(&file, 0, bytes).is_err()
        {
            // What is not reserved is of no use.
            let _gone = fs::remove_file(&self.reserve);
        }
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
        assert!(size().unwrap() > 0);
        room.run_out();
        assert!(room.is_full());
        size().unwrap_err();
        room.look_again();
        assert!(!room.is_full(), "this disk is not full");
        assert!(size().unwrap() > 0);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
