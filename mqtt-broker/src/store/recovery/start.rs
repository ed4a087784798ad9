//! A store is opened after whatever happened to it: what SQLite would drop in silence is reported, and
//! what it would refuse is salvaged.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use mqtt_session::time::UnixTime;
use rusqlite::ErrorCode;

use super::aside::{Way, beside, remove, set_aside, sync_folder_of};
use super::fresh::MakeError;
use super::look::{Look, look};
use super::pages::Pages;
use super::report::Report;
use super::salvage::{Salvage, salvage};
use super::wal::{Journal, Tail, scan};
use crate::store::database::Database;
use crate::store::{Recovered, StoreError, Sync};

/// Beside a store that was found damaged: it is salvaged at the next start. Once its files are set
/// aside, the folder's name stands in it, and that folder is what counts.
const MARK: &str = "-damaged";
/// The new store, while it is being made.
const NEW: &str = "-salvaged";

/// A store that is to be opened.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// The file.
    pub file: &'a Path,
    /// How hard commits are from now on.
    pub sync: Sync,
    /// How hard they were.
    pub sync_before: Sync,
    /// What is damaged is salvaged; otherwise it is left as it is, and the store is not opened.
    pub salvages: bool,
    /// The time.
    pub now: UnixTime,
}

/// A store that was opened.
#[derive(Debug)]
pub struct Started {
    /// For the one who writes.
    pub database: Database,
    /// What was kept.
    pub recovered: Recovered,
    /// What was found out about the files.
    pub reports: Vec<Report>,
    /// The broker ended in order the last time.
    pub was_clean: bool,
}

/// What SQLite found in the file.
struct Loaded {
    database: Database,
    recovered: Recovered,
    /// See [`Report::Misnamed`].
    misnamed: Vec<String>,
    /// The broker ended in order the last time; `None` if there was none.
    was_clean: Option<bool>,
}

/// A store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// It is damaged and is to be left as it is.
    #[error(
        "it is damaged ({0}) and was left as it is; \"mqtt-broker store repair\" saves what can be read"
    )]
    Refused(String),
    /// SQLite says so.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot be salvaged.
    #[error("it is damaged and cannot be salvaged: {0}")]
    Salvage(#[from] MakeError),
    /// The disk says so.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What came of it.
        error: io::Error,
    },
}

impl StartError {
    fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Io { what, error }
    }
}

/// Whether an error says that the file is damaged, and not that the disk or the program fails.
#[must_use]
pub fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::Error;
    match error {
        Error::SqliteFailure(failure, _) => matches!(
            failure.code,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase
        ),
        // A table that is not there, a column of another kind: nothing of ours wrote that.
        Error::SqlInputError { .. }
        | Error::InvalidColumnType(..)
        | Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::Utf8Error(..) => true,
        _ => false,
    }
}

/// Notes beside a store that it is damaged, if that is what the error says, so that the next start
/// salvages it.
///
/// # Errors
/// The note cannot be written.
pub fn note_damage(file: &Path, error: &rusqlite::Error) -> io::Result<()> {
    if is_damage(error) {
        File::create(beside(file, MARK))?.sync_all()?;
        sync_folder_of(file)?;
    }
    Ok(())
}

impl Start<'_> {
    /// Opens the store, and makes it if there is none. The lock has to be held.
    ///
    /// # Errors
    /// [`StartError`]; a file that is refused is left as it was.
    pub fn open(self) -> Result<Started, StartError> {
        let (mut reports, journal_end) = self.prepare()?;
        let is_suspect = matches!(reports.first(), Some(Report::Journal { .. }));
        let loaded = match self.load(is_suspect) {
            Err(StoreError::Sqlite(error)) if is_damage(&error) => {
                let is_new = |report: &Report| matches!(report, Report::Salvaged { .. });
                if reports.iter().any(is_new) {
                    return Err(StoreError::Sqlite(error).into());
                }
                self.forget_load(journal_end)?;
                reports.push(self.salvage(error.to_string())?);
                self.load(false)?
            }
            loaded => loaded?,
        };
        let Loaded {
            database,
            recovered,
            misnamed,
            was_clean,
        } = loaded;
        reports.extend(misnamed.into_iter().map(Report::Misnamed));
        if was_clean == Some(false) && journal_end == 0 && reports.is_empty() {
            reports.push(Report::NoJournal);
        }
        Ok(Started {
            database,
            recovered,
            reports,
            was_clean: was_clean.unwrap_or(true),
        })
    }

    /// Does what has to be done before SQLite opens the file; what was found, and the bytes of the
    /// journal.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub fn prepare(self) -> Result<(Vec<Report>, u64), StartError> {
        let mut reports = Vec::new();
        if let Some(why) = self.damage()? {
            reports.push(self.salvage(why)?);
            return Ok((reports, 0));
        }
        let journal = self.judge(&mut reports)?;
        Ok((reports, journal.end))
    }

    /// Salvages the store whatever state it is in.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub fn repair(self) -> Result<Report, StartError> {
        let why = self
            .damage()?
            .unwrap_or_else(|| "repair was asked for".to_owned());
        Self {
            salvages: true,
            ..self
        }
        .salvage(why)
    }

    /// Damage that can be seen before SQLite opens the file.
    fn damage(self) -> Result<Option<String>, StartError> {
        let marked = beside(self.file, MARK).try_exists();
        if marked.map_err(StartError::io("its folder cannot be read"))? {
            return Ok(Some("it was found damaged while it was in use".to_owned()));
        }
        let look = look(self.file).map_err(StartError::io("it cannot be read"))?;
        Ok(match look {
            Look::Headless => Some("its first page is damaged".to_owned()),
            Look::Empty
                if self
                    .journal()?
                    .is_some_and(|(_, found)| found.page_count > 0) =>
            {
                Some("the file is empty, its journal is not".to_owned())
            }
            _ => None,
        })
    }

    fn journal(self) -> Result<Option<(File, Journal)>, StartError> {
        read_journal(&beside(self.file, "-wal"))
            .map_err(StartError::io("its journal cannot be read"))
    }

    /// Holds the journal against what a crash may leave, and cuts off what SQLite will not read: it
    /// must not be taken for something else later. What is left is synced; the process that wrote it
    /// may have died before it could.
    fn judge(self, reports: &mut Vec<Report>) -> Result<Journal, StartError> {
        let io = StartError::io;
        let Some((_, journal)) = self.journal()? else {
            return Ok(Journal::default());
        };
        match journal.tail(self.sync_before) {
            Tail::Clean => {}
            Tail::Torn { ended } => reports.push(Report::Torn { ended }),
            Tail::Damaged => {
                let (frames, commits) = (journal.frames_behind, journal.commits_behind);
                if !self.salvages {
                    return Err(StartError::Refused(format!(
                        "its journal has {frames} frames, about {commits} commits, that cannot be read"
                    )));
                }
                let folder = set_aside(self.file, Way::Copy, self.now)
                    .map_err(io("the damaged files cannot be copied"))?;
                reports.push(Report::Journal {
                    folder,
                    frames,
                    commits,
                });
            }
        }
        let opened = OpenOptions::new()
            .write(true)
            .open(beside(self.file, "-wal"));
        let synced = opened.and_then(|file| {
            if journal.is_torn {
                file.set_len(journal.end)?;
            }
            file.sync_all()
        });
        synced.map_err(io("its journal cannot be written"))?;
        Ok(journal)
    }

    fn load(self, is_suspect: bool) -> Result<Loaded, StoreError> {
        let index = beside(self.file, "-shm");
        let had_index = index.exists();
        let loaded = self.load_from(is_suspect);
        if loaded.is_err() && !had_index {
            // What SQLite made; should it stay, it is written anew.
            let _ = remove(&index);
        }
        loaded
    }

    fn load_from(self, is_suspect: bool) -> Result<Loaded, StoreError> {
        let mut database = Database::open(self.file, self.sync)?;
        // Closed because of damage it has to stay as it was found.
        database.leave_journal(true)?;
        if is_suspect {
            database.check_quickly()?;
        }
        let misnamed = database.misnamed()?;
        let moved = database.hot_numbers()?;
        let recovered = database.load(self.now)?;
        if !recovered.damaged.is_empty() || !database.finds(&moved)? {
            // Rows may only seem to be damaged because a tree is.
            database.check_quickly()?;
        }
        let was_clean = database.begin_run()?;
        database.leave_journal(false)?;
        Ok(Loaded {
            database,
            recovered,
            misnamed,
            was_clean,
        })
    }

    /// Takes back what a load has changed before damage was found: all of that stands in the journal,
    /// behind its former end, since nothing was moved into the file yet.
    fn forget_load(self, journal_end: u64) -> Result<(), StartError> {
        let journal = OpenOptions::new()
            .write(true)
            .open(beside(self.file, "-wal"));
        let cut = match journal {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            journal => journal.and_then(|journal| {
                journal.set_len(journal_end)?;
                journal.sync_all()
            }),
        };
        cut.map_err(StartError::io("its journal cannot be written"))
    }

    /// Everything that can be read goes into a new file, which takes the old one's place. The old
    /// files stay, in a folder; a crash at any point leaves either, or a mark that says where to go on.
    fn salvage(self, why: String) -> Result<Report, StartError> {
        let io = StartError::io;
        let mark = beside(self.file, MARK);
        let begun = begun(self.file, &mark).map_err(io("its mark cannot be read"))?;
        if begun.is_none() && !self.salvages {
            return Err(StartError::Refused(why));
        }
        let folder = match begun {
            Some(folder) => folder,
            None => {
                let folder = set_aside(self.file, Way::Link, self.now);
                let folder = folder.map_err(io("the damaged files cannot be set aside"))?;
                let name = folder.file_name().unwrap_or_default();
                let marked = write_synced(&mark, name.as_bytes());
                marked.map_err(io("the mark of the damage cannot be written"))?;
                folder
            }
        };
        let salvage = self.replace(&folder)?;
        remove(&mark)
            .and_then(|()| sync_folder_of(self.file))
            .map_err(io("the mark of the damage cannot be removed"))?;
        Ok(Report::Salvaged {
            folder,
            why,
            salvage: Box::new(salvage),
        })
    }

    /// Makes the new file of what lies in the folder.
    fn replace(self, folder: &Path) -> Result<Salvage, StartError> {
        let io = StartError::io;
        let new = beside(self.file, NEW);
        let old = folder.join(self.file.file_name().unwrap_or_default());
        let journal = read_journal(&beside(&old, "-wal"))
            .map_err(io("the damaged journal cannot be read"))?;
        let pages = File::open(&old).and_then(|file| Pages::new(file, journal));
        let pages = pages.map_err(io("the damaged file cannot be read"))?;
        let report = salvage(&pages, new.clone(), self.now)?;
        // The old journal must not be taken for the new file's.
        let replaced = remove(&beside(self.file, "-wal"))
            .and_then(|()| remove(&beside(self.file, "-shm")))
            .and_then(|()| sync_folder_of(self.file))
            .and_then(|()| fs::rename(&new, self.file))
            .and_then(|()| sync_folder_of(self.file));
        replaced.map_err(io("the new file cannot be put in place"))?;
        Ok(report)
    }
}

/// The folder of a salvage that was begun.
fn begun(file: &Path, mark: &Path) -> io::Result<Option<PathBuf>> {
    match fs::read(mark) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(name) if name.is_empty() => Ok(None),
        Ok(name) => {
            let folder = file.with_file_name(std::ffi::OsString::from_vec(name));
            Ok(folder.is_dir().then_some(folder))
        }
    }
}

/// A journal, if there is one.
pub(crate) fn read_journal(path: &Path) -> io::Result<Option<(File, Journal)>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let journal = scan(io::BufReader::with_capacity(1 << 20, &file))?;
    Ok(Some((file, journal)))
}

fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    fs::write(path, content)?;
    File::open(path)?.sync_all()?;
    sync_folder_of(path)
}
