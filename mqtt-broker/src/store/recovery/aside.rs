//! Damaged files are kept: a folder beside the store gets them as they were.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use mqtt_session::time::UnixTime;

/// Folders of one second; more damage than that is not looked at.
const FOLDERS_MAX: u32 = 1000;

/// How files get into the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// They are used on.
    Copy,
    /// They are replaced, so a second name is enough where the file system has such.
    Link,
}

/// The file of this name and suffix in the same folder.
#[must_use]
pub fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Puts a store with its journal aside and gives the folder, `damaged-<time>`, when all of it is
/// synced.
pub(super) fn set_aside(file: &Path, way: Way, now: UnixTime) -> io::Result<PathBuf> {
    let folder = make_folder(file, now)?;
    for suffix in ["", "-wal", "-shm"] {
        let from = beside(file, suffix);
        let Some(name) = from.file_name() else {
            continue;
        };
        match put(&from, &folder.join(name), way) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            put => put?,
        }
    }
    sync_folder(&folder)?;
    sync_folder_of(file)?;
    Ok(folder)
}

fn put(from: &Path, to: &Path, way: Way) -> io::Result<()> {
    if way == Way::Copy || fs::hard_link(from, to).is_err() {
        fs::copy(from, to)?;
    }
    File::open(to)?.sync_all()
}

fn make_folder(file: &Path, now: UnixTime) -> io::Result<PathBuf> {
    let millis = i64::try_from(now.as_millis()).unwrap_or_default();
    let time: DateTime<Utc> = DateTime::from_timestamp_millis(millis).unwrap_or_default();
    let name = time.format("damaged-%Y%m%dT%H%M%SZ").to_string();
    for number in 1..=FOLDERS_MAX {
        let mut name = OsString::from(&name);
        if number > 1 {
            name.push(format!("-{number}"));
        }
        let folder = file.with_file_name(name);
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Makes names in the folder of a file last.
pub(crate) fn sync_folder_of(file: &Path) -> io::Result<()> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    sync_folder(folder.unwrap_or_else(|| Path::new(".")))
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Removes a file that may not be there.
pub(crate) fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
