//! From one file to the other: whatever happens in between, the old store or the new one stands whole
//! where the next start looks for it.
//!
//! The new store is written beside the old one under a name that nobody looks for (`.importing`), gets
//! the name `.new` once it is whole and synced, and takes the place of the old one as soon as that one
//! has its own new name (`.original-<Unix time>`). Should the machine stop between these two, there is no
//! file in that place but both others, and [`finish`] takes the last step.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use mqtt_session::time::UnixTime;

use super::counts::Counts;
use super::snapshot::Snapshot;
use super::{ImportError, fill, read, sqlite};
use crate::store::Sync;
use crate::store::database::Database;
use crate::store::recovery::{beside, remove, sync_folder_of};

/// What an SQLite database begins with.
const SQLITE: &[u8; 16] = b"SQLite format 3\0";
/// Names that one second may have been given before.
const NAMES_MAX: u64 = 1000;

/// A store of Mosquitto that was taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenOver {
    /// The store as it was read.
    pub source: PathBuf,
    /// Its format, for people.
    pub format: String,
    /// What was brought over.
    pub counts: Counts,
    /// Where the original is kept.
    pub original: PathBuf,
}

impl fmt::Display for TakenOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source,
            format,
            counts,
            original,
        } = self;
        let (source, original) = (source.display(), original.display());
        write!(
            f,
            "Imported {source} ({format}): {counts}. The original is kept as {original}."
        )
    }
}

/// Makes a new store of ours at `target` of a store of Mosquitto, `mosquitto.db` or `mosquitto.sqlite3`,
/// which is not changed. Nobody else may use either meanwhile.
///
/// # Errors
/// See [`ImportError`]; there is nothing at `target` then. It is an error if there was something.
pub fn import(source: &Path, target: &Path, now: UnixTime) -> Result<Counts, ImportError> {
    for path in [target.to_owned(), beside(target, "-wal")] {
        if is_there(&path) {
            let error = io::ErrorKind::AlreadyExists.into();
            return Err(system("is in the way", &path)(error));
        }
    }
    let (counts, _) = write_whole(source, target, target, now)?;
    Ok(counts)
}

/// Puts a new store of ours in the place of a store of Mosquitto. `file` is where ours is to be; `source`
/// is the same, or another file, and whatever is at `file` is kept beside it, too.
///
/// # Errors
/// See [`ImportError`]. Both are as they were unless renaming itself fails, and then [`finish`] goes on.
pub fn take_over(file: &Path, source: &Path, now: UnixTime) -> Result<TakenOver, ImportError> {
    let new = beside(file, ".new");
    let (counts, format) = write_whole(source, file, &new, now)?;
    // With no file there may still be a journal, which must not get to the new one.
    let in_place = set_aside(file, now)?;
    rename(&new, file)?;
    let original = if source == file {
        in_place
    } else {
        set_aside(source, now)?
    };
    Ok(TakenOver {
        source: source.to_owned(),
        format,
        counts,
        original,
    })
}

/// What a start does before it opens a store at `file`: takes over what Mosquitto left there, or what
/// its SQLite plugin left at `plugin_file`, which is the newer one if there are both. Does nothing
/// if there is a store of ours.
///
/// # Errors
/// See [`ImportError`]; nothing is changed then but for what [`finish`] does.
pub fn at_start(
    file: &Path,
    plugin_file: Option<&Path>,
    now: UnixTime,
) -> Result<Option<TakenOver>, ImportError> {
    finish(file)?;
    let has_mosquitto = begins_with(file, read::MAGIC)?;
    let is_empty = fs::metadata(file).is_ok_and(|file| file.len() == 0);
    let is_free = has_mosquitto || is_empty || !is_there(file);
    let source = match plugin_file {
        Some(plugin_file) if is_free && is_there(plugin_file) => plugin_file,
        _ if has_mosquitto => file,
        _ => return Ok(None),
    };
    take_over(file, source, now).map(Some)
}

/// Takes the last step of a [`take_over`] that was interrupted before it: says whether it had to.
///
/// # Errors
/// The disk fails.
pub fn finish(file: &Path) -> Result<bool, ImportError> {
    let new = beside(file, ".new");
    // Mosquitto, too, writes to that name before it renames.
    let left = !is_there(file) && begins_with(&new, SQLITE)? && has_original(file)?;
    if left {
        rename(&new, file)?;
    }
    Ok(left)
}

/// Writes a whole new store to `target`, by way of a name next to `file`.
fn write_whole(
    source: &Path,
    file: &Path,
    target: &Path,
    now: UnixTime,
) -> Result<(Counts, String), ImportError> {
    let importing = beside(file, ".importing");
    remove_database(&importing)?;
    let written = write(source, &importing, now);
    if written.is_err() {
        // It says what is wrong; that a part of the new store stays behind is the smaller evil.
        let _ = remove_database(&importing);
    }
    let written = written?;
    rename(&importing, target)?;
    Ok(written)
}

fn write(source: &Path, importing: &Path, now: UnixTime) -> Result<(Counts, String), ImportError> {
    if begins_with(source, SQLITE)? {
        let snapshot = sqlite::read(source)?;
        return fill_new(importing, &snapshot, now);
    }
    let bytes = fs::read(source).map_err(system("cannot be read", source))?;
    fill_new(importing, &read::read(&bytes)?, now)
}

/// Makes a store and has it on the disk as one file.
fn fill_new(
    path: &Path,
    snapshot: &Snapshot<'_>,
    now: UnixTime,
) -> Result<(Counts, String), ImportError> {
    // SQLite would make it as the umask says, and gives its journal the rights of the file.
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    let made = made.map_err(system("cannot be made", path))?;
    let mut database = Database::open(path, Sync::Normal)?;
    let counts = fill::fill(&mut database, snapshot, now)?;
    database.checkpoint()?;
    drop(database);
    let journal = beside(path, "-wal");
    if fs::metadata(&journal).is_ok_and(|journal| journal.len() > 0) {
        let error = io::Error::other("its journal could not be brought into it");
        return Err(system("is not one file", path)(error));
    }
    made.sync_all().map_err(system("cannot be synced", path))?;
    Ok((counts, snapshot.format.clone()))
}

/// Gives a file its name as an original, and its journal with it, as far as they are there.
fn set_aside(file: &Path, now: UnixTime) -> Result<PathBuf, ImportError> {
    let names = (0..NAMES_MAX).map(|later| {
        let time = now.as_secs().saturating_add(later);
        beside(file, &format!(".original-{time}"))
    });
    let free = names.into_iter().find(|name| !is_there(name));
    let original = free.ok_or_else(|| {
        let error = io::ErrorKind::AlreadyExists.into();
        system("cannot be set aside", file)(error)
    })?;
    for ending in ["-wal", ""] {
        let from = beside(file, ending);
        if is_there(&from) {
            rename(&from, &beside(&original, ending))?;
        }
    }
    // It indexes the journal, and is made anew.
    let index = beside(file, "-shm");
    remove(&index).map_err(system("cannot be removed", &index))?;
    Ok(original)
}

fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Whether something was set aside for this file.
fn has_original(file: &Path) -> Result<bool, ImportError> {
    let mut begin: OsString = file.file_name().unwrap_or_default().to_owned();
    begin.push(".original-");
    let folder = folder(file);
    let entries = fs::read_dir(folder).map_err(system("cannot be listed", folder))?;
    for entry in entries {
        let name = entry
            .map_err(system("cannot be listed", folder))?
            .file_name();
        if name
            .as_encoded_bytes()
            .starts_with(begin.as_encoded_bytes())
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn begins_with(path: &Path, magic: &[u8]) -> Result<bool, ImportError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(system("cannot be read", path)(error)),
    };
    let mut begin = Vec::new();
    let read = file.take(magic.len() as u64).read_to_end(&mut begin);
    read.map_err(system("cannot be read", path))?;
    Ok(begin == magic)
}

/// Removes what an interrupted import may have left.
fn remove_database(path: &Path) -> Result<(), ImportError> {
    for ending in ["", "-wal", "-shm"] {
        let file = beside(path, ending);
        remove(&file).map_err(system("cannot be removed", &file))?;
    }
    Ok(())
}

/// Renames, and has it on the disk before anything else happens.
fn rename(from: &Path, to: &Path) -> Result<(), ImportError> {
    fs::rename(from, to).map_err(system("cannot be renamed", from))?;
    sync_folder_of(to).map_err(system("cannot be synced", folder(to)))
}

fn folder(file: &Path) -> &Path {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or_else(|| Path::new("."))
}

fn system(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ImportError {
    let path = path.to_owned();
    move |error| ImportError::System { path, what, error }
}
