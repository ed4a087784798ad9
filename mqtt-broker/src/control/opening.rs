//! The store that was planned, opened: its place, its lock, and nothing touched that is not ours.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mqtt_session::time::UnixTime;

use super::durability::Keep;
use super::place::{Place, place_of};
use crate::config::OnCorruption;
use crate::observe::describe;
use crate::store::database::Database;
use crate::store::mosquitto;
use crate::store::recovery::{self, Look, Report, Start, StartError, Started};
use crate::store::{Recovered, Sync};

/// Tries for the lock: who only looks whether it is held has it for a moment.
const LOCK_TRIES: u32 = 10;
/// Between two of them.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// An open store with what was found in it.
#[derive(Debug)]
pub struct Opened {
    /// For the thread that writes.
    pub database: Database,
    /// What was kept.
    pub recovered: Recovered,
    /// A store of Mosquitto that this one was made of just now.
    pub imported: Option<mosquitto::TakenOver>,
    /// Held as long as the store is open.
    pub lock: File,
    /// What was found out about the files.
    pub reports: Vec<Report>,
    /// Everything in it ends with the machine: the name of its file system.
    pub in_memory: Option<&'static str>,
    /// The broker ended in order the last time.
    pub was_clean: bool,
}

/// The store cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("the store {} cannot be used: {reason}", file.display())]
pub struct Unusable {
    /// Which file.
    pub file: PathBuf,
    /// Why, and what to do.
    pub reason: String,
}

/// Opens the store, and makes it and its directory if they are not there.
///
/// # Errors
/// Anything that keeps it from being used; an existing file is not changed then.
pub fn open(keep: &Keep, now: UnixTime) -> Result<Opened, Unusable> {
    let unusable = |reason: String| Unusable {
        file: keep.file.clone(),
        reason,
    };
    let in_memory = prepare_folder(&keep.file).map_err(unusable)?;
    refuse_others(&keep.file, Mosquitto::TakenOver).map_err(unusable)?;
    let (lock, sync_before) = lock(&keep.file, Some(keep.sync)).map_err(unusable)?;
    let imported = mosquitto::at_start(&keep.file, keep.plugin_file.as_deref(), now);
    let imported = imported.map_err(|error| unusable(error.to_string()))?;
    // Somebody may have had it until now.
    refuse_others(&keep.file, Mosquitto::Refused).map_err(unusable)?;
    // SQLite would make it as the umask says, and gives its journal the rights of the file.
    let made = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&keep.file);
    // SQLite syncs its folder too, and does not look at the answer.
    let made = made.and_then(|_| recovery::sync_folder_of(&keep.file));
    made.map_err(|error| unusable(format!("it cannot be written: {}", describe(&error))))?;
    let start = Start {
        file: &keep.file,
        sync: keep.sync,
        sync_before: sync_before.unwrap_or(keep.sync),
        salvages: keep.on_corruption == OnCorruption::Salvage,
        now,
    };
    let Started {
        database,
        recovered,
        reports,
        was_clean,
    } = start.open().map_err(|error| unusable(reason(&error)))?;
    Ok(Opened {
        database,
        recovered,
        imported,
        lock,
        reports,
        in_memory,
        was_clean,
    })
}

/// Why a store cannot be opened, in the system's words where there are any.
pub(super) fn reason(error: &StartError) -> String {
    match error {
        StartError::Io { what, error } => format!("{what}: {}", describe(error)),
        error => error.to_string(),
    }
}

/// Makes the folder if it is not there and looks where it is: the name of a file system that ends with
/// the machine.
pub(super) fn prepare_folder(file: &Path) -> Result<Option<&'static str>, String> {
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty());
    if let Some(folder) = folder {
        make_folder(folder).map_err(|error| {
            let error = describe(&error);
            format!("its directory cannot be made: {error}")
        })?;
    }
    match place_of(folder.unwrap_or_else(|| Path::new("."))) {
        Ok(Place::Sound) => Ok(None),
        Ok(Place::Memory(name)) => Ok(Some(name)),
        Ok(Place::Network(name)) => Err(format!(
            "it lies on a network file system ({name}), where what was synced can be lost; use a local \
             disk"
        )),
        Err(error) => {
            let error = describe(&error);
            Err(format!("its directory cannot be looked at: {error}"))
        }
    }
}

/// What a database of Mosquitto in the place of a store means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mosquitto {
    /// It is taken over next.
    TakenOver,
    /// It is none of ours.
    Refused,
}

/// Makes a folder, and those above it that are missing, so that a power cut does not take them.
fn make_folder(folder: &Path) -> io::Result<()> {
    let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
    let missing: Vec<&Path> = folder.ancestors().take_while(is_missing).collect();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    missing.into_iter().try_for_each(recovery::sync_folder_of)
}

/// Nothing that is not a store of ours is touched.
pub(super) fn refuse_others(file: &Path, mosquitto: Mosquitto) -> Result<(), String> {
    let look = recovery::look(file);
    match look.map_err(|error| format!("it cannot be read: {}", describe(&error)))? {
        Look::Absent | Look::Empty | Look::Store | Look::Headless => Ok(()),
        Look::Other(begin) if begin.starts_with(mosquitto::MAGIC) => match mosquitto {
            Mosquitto::TakenOver => Ok(()),
            Mosquitto::Refused => {
                Err("it is a database of Mosquitto: a start of the broker takes it over".to_owned())
            }
        },
        Look::Other(_) => {
            Err("it is not a database; name another with persistence_file".to_owned())
        }
        Look::Foreign => Err(
            "it is a database of another program; name another with persistence_file".to_owned(),
        ),
        Look::Format { format, created_by } => Err(format!(
            "it has format {format}, written by {}; this program reads format 1",
            created_by.as_deref().unwrap_or("another version")
        )),
    }
}

/// Takes the lock: two brokers must not write one file. Who holds it notes how hard its commits are;
/// what the last one noted comes back.
pub(super) fn lock(file: &Path, sync: Option<Sync>) -> Result<(File, Option<Sync>), String> {
    let path = recovery::beside(file, ".lock");
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path);
    let failed = |what: &str, error: &io::Error| {
        let reason = describe(error);
        format!("{} cannot be {what}: {reason}", path.display())
    };
    let mut lock = opened.map_err(|error| failed("opened", &error))?;
    let is_held = hold(&lock).map_err(|error| failed("locked", &error))?;
    let mut noted = String::new();
    // What stands there helps, but is not needed.
    let _ = lock.read_to_string(&mut noted);
    let mut noted = noted.lines();
    let holder = noted.next().unwrap_or_default();
    if !is_held {
        return Err(format!("another broker (process {holder}) uses it"));
    }
    let before = match noted.next() {
        Some("full") => Some(Sync::Full),
        Some("normal") => Some(Sync::Normal),
        _ => None,
    };
    let mode = match sync.or(before) {
        Some(Sync::Full) => "full\n",
        Some(Sync::Normal) => "normal\n",
        None => "",
    };
    let note = format!("{}\n{mode}", std::process::id());
    let written = lock
        .set_len(0)
        .and_then(|()| lock.rewind())
        .and_then(|()| lock.write_all(note.as_bytes()))
        // How hard commits were has to be known after the loss of power that it matters for.
        .and_then(|()| lock.sync_all())
        .and_then(|()| recovery::sync_folder_of(&path));
    written.map_err(|error| failed("written", &error))?;
    Ok((lock, before))
}

/// Whether the lock was to be had.
fn hold(lock: &File) -> io::Result<bool> {
    for _ in 0..LOCK_TRIES {
        match lock.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_millis(1_800_000_000_000);

    #[test]
    fn the_file_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let keep = Keep {
            sync: Sync::Normal,
            file: folder.path().join("new/a.db"),
            because: "test",
            ordered: true,
            plugin_file: None,
            on_corruption: OnCorruption::Salvage,
        };
        let _opened = open(&keep, NOW).unwrap();
        for (path, mode) in [
            ("new", 0o040_700),
            ("new/a.db", 0o100_600),
            ("new/a.db-wal", 0o100_600),
        ] {
            let found = fs::metadata(folder.path().join(path))
                .unwrap()
                .permissions();
            assert_eq!(found.mode(), mode, "{path}");
        }
    }

    #[test]
    fn foreign_files_and_locked_ones_are_refused_and_left_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let keep = |name: &str| Keep {
            sync: Sync::Full,
            file: folder.path().join(name),
            because: "test",
            ordered: true,
            plugin_file: None,
            on_corruption: OnCorruption::Salvage,
        };
        for (name, begin, reason) in [
            ("a", &b"SQLite format 4 and more"[..], "not a database"),
            ("b", b"x", "not a database"),
            (
                "c",
                b"\x00\xb5\x00mosquitto db\0\0\0\0\0\0\0\x07",
                "Unsupported persistent database format version 7",
            ),
        ] {
            fs::write(folder.path().join(name), begin).unwrap();
            let error = open(&keep(name), NOW).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
            assert_eq!(fs::read(folder.path().join(name)).unwrap(), begin);
        }
        let opened = open(&keep("d"), NOW).unwrap();
        let error = open(&keep("d"), NOW).unwrap_err().to_string();
        assert!(
            error.contains(&format!("process {}", std::process::id())),
            "{error}"
        );
        drop(opened);
        open(&keep("d"), NOW).unwrap();
    }
}
