//! A store that is only read, whether a broker uses it or not.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::inspect::Inspector;
use crate::store::recovery::wal::{Journal, Tail};
use crate::store::recovery::{Look, beside, look, open_untouched, read_journal};
use crate::store::{StoreError, Sync};

/// How long a reader waits for a broker that does what nobody may read meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);

/// A store that is read.
#[derive(Debug)]
pub struct Reading {
    pub(super) connection: Connection,
    file: PathBuf,
    /// A broker uses it.
    pub is_in_use: bool,
    /// What stands behind the last commit of the journal, if nobody uses the store.
    pub tail: Tail,
    /// The journal as it was found.
    pub journal: Journal,
    before: Option<State>,
}

/// Sizes and times of the files, which change when somebody writes.
#[derive(Debug, PartialEq, Eq)]
struct State([Option<(u64, SystemTime)>; 2]);

/// A store cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadingError {
    /// There is none.
    #[error("there is no such file")]
    Absent,
    /// It is something else.
    #[error("it is not a store of mqtt-broker")]
    NotAStore,
    /// It is a store of another format.
    #[error(transparent)]
    Format(StoreError),
    /// Its beginning is damaged, so that SQLite cannot open it.
    #[error("it is damaged ({0}); \"mqtt-broker store repair\" saves what can be read")]
    Damaged(String),
    /// Somebody wrote to it meanwhile.
    #[error("a broker began to use it meanwhile; try again")]
    Changed,
    /// SQLite says so.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The disk says so.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Reading {
    /// Opens a store for reading. Nothing is made or changed, beside it neither, unless a broker uses it:
    /// then its own files are used.
    ///
    /// # Errors
    /// See [`ReadingError`].
    pub fn open(file: &Path) -> Result<Self, ReadingError> {
        let is_in_use = is_locked(&beside(file, ".lock"))?;
        match look(file)? {
            Look::Store => {}
            Look::Absent => return Err(ReadingError::Absent),
            Look::Headless => {
                return Err(ReadingError::Damaged("its first page".to_owned()));
            }
            Look::Format { format, created_by } => {
                let format = i64::from(format);
                return Err(ReadingError::Format(StoreError::Format {
                    format,
                    created_by,
                }));
            }
            Look::Empty | Look::Foreign | Look::Other(_) => return Err(ReadingError::NotAStore),
        }
        let before = (!is_in_use).then(|| State::of(file));
        let journal = if is_in_use {
            Journal::default()
        } else {
            let journal = read_journal(&beside(file, "-wal"))?;
            journal.map(|(_, journal)| journal).unwrap_or_default()
        };
        let connection = if is_in_use {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            Connection::open_with_flags(file, flags)?
        } else if journal.pages.is_empty() {
            open_untouched(file, "immutable=1")?
        } else {
            // Without locks and alone, so that the journal's index stays in memory and nothing is made.
            let connection = open_untouched(file, "vfs=unix-none")?;
            connection.execute_batch("PRAGMA locking_mode=EXCLUSIVE")?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            connection
        };
        connection.busy_timeout(PATIENCE)?;
        let reading = Self {
            connection,
            file: file.to_owned(),
            is_in_use,
            tail: journal.tail(Sync::Full),
            journal,
            before,
        };
        Ok(reading)
    }

    /// Reads every row, a few at a time.
    #[must_use]
    pub fn inspector(&self) -> Inspector<'_> {
        Inspector::new(&self.connection)
    }

    /// Whether what was read was one state of the store: without the broker's lock nobody may have
    /// written meanwhile.
    ///
    /// # Errors
    /// [`ReadingError::Changed`].
    pub fn end(self) -> Result<(), ReadingError> {
        match self.before {
            Some(before) if before != State::of(&self.file) => Err(ReadingError::Changed),
            _ => Ok(()),
        }
    }
}

impl State {
    fn of(file: &Path) -> Self {
        Self(["", "-wal"].map(|suffix| {
            let found = fs::metadata(beside(file, suffix)).ok()?;
            Some((found.len(), found.modified().ok()?))
        }))
    }
}

/// Whether somebody holds a lock; who looks has it for a moment.
fn is_locked(lock: &Path) -> io::Result<bool> {
    let file = match File::open(lock) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
