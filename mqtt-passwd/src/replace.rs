//! Changes a file so that readers see the old text or the new one, and parallel runs take turns.
//!
//! The new text goes to a temporary file beside the old one, is made durable, and is renamed over
//! it. Where that cannot keep what must stay (the owner, or a file that is itself a mount point, as
//! containers make them) the text is written into the file, and the temporary one is the copy
//! that survives a crash.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rand::RngExt;

use crate::failure::{Failure, reason};
use crate::interrupt;

/// Mode of a new file: nobody but its owner reads hashes.
const MODE_NEW: u32 = 0o600;

/// Permissions of a mode, without the kind of file.
const MODE_BITS: u32 = 0o7777;

/// The file that a name leads to, through symbolic links, so that these stay.
///
/// # Errors
/// Anything but that it does not exist, which is `None`.
pub(crate) fn resolve(file: &Path) -> Result<Option<PathBuf>, Failure> {
    match fs::canonicalize(file) {
        Ok(path) => Ok(Some(path)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::lines(format!(
            "Error reading password file: {}",
            reason(&error)
        ))),
    }
}

/// Reads a file without a lock: a replaced file is whole, before and after.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let cannot = |error| Failure::cannot_read(file, &error);
    let Some(path) = resolve(file)? else {
        return Err(cannot(not_found()));
    };
    check_regular(file, &path)?;
    let mut opened = File::open(path).map_err(cannot)?;
    let mut text = Vec::new();
    opened.read_to_end(&mut text).map_err(cannot)?;
    Ok(text)
}

/// A file that is there, read, and locked against other runs of this program.
pub(crate) struct Locked {
    /// As typed, for messages.
    shown: PathBuf,
    path: PathBuf,
    file: File,
    metadata: Metadata,
    pub(crate) text: Vec<u8>,
}

impl Locked {
    /// Waits for other runs and reads what they left.
    pub(crate) fn open(file: &Path) -> Result<Self, Failure> {
        match Self::open_existing(file, Failure::cannot_read)? {
            Some(locked) => Ok(locked),
            None => Err(Failure::cannot_read(file, &not_found())),
        }
    }

    /// `None` if there is no such file.
    fn open_existing(
        shown: &Path,
        failure: fn(&Path, &io::Error) -> Failure,
    ) -> Result<Option<Self>, Failure> {
        let cannot = |error| failure(shown, &error);
        loop {
            let Some(path) = resolve(shown)? else {
                return Ok(None);
            };
            check_regular(shown, &path)?;
            let mut file = match OpenOptions::new().read(true).write(true).open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(cannot(error)),
            };
            file.lock().map_err(cannot)?;
            // The run that we waited for has put another file in this place, most likely.
            let metadata = file.metadata().map_err(cannot)?;
            let is_current = fs::metadata(&path)
                .is_ok_and(|now| (now.dev(), now.ino()) == (metadata.dev(), metadata.ino()));
            if !is_current {
                continue;
            }
            let mut text = Vec::new();
            file.read_to_end(&mut text).map_err(cannot)?;
            return Ok(Some(Self {
                shown: shown.into(),
                path,
                file,
                metadata,
                text,
            }));
        }
    }

    /// Permissions, without the kind of file.
    pub(crate) fn mode(&self) -> u32 {
        self.metadata.mode() & MODE_BITS
    }

    /// Gives the file this text; mode and owner stay.
    pub(crate) fn replace(self, text: &[u8]) -> Result<(), Failure> {
        let mode = self.mode();
        self.replace_with_mode(text, mode)
    }

    fn replace_with_mode(mut self, text: &[u8], mode: u32) -> Result<(), Failure> {
        let _whole = interrupt::hold_off();
        let mut temporary = Temporary::create(&self.path).map_err(|(path, error)| {
            let (path, reason) = (path.display(), reason(&error));
            Failure::lines(format!(
                "Error creating backup password file \"{path}\", not continuing.\n{reason}."
            ))
        })?;
        if let Err(error) = temporary.write(text, mode) {
            let (path, reason) = (temporary.path.display(), reason(&error));
            return Err(Failure::lines(format!(
                "Error copying data to backup password file \"{path}\", not continuing.\n{reason}."
            )));
        }
        match temporary.take_place_of(&self.path, &self.metadata) {
            Ok(()) => return Ok(()),
            Err(error) if must_write_in_place(&error) => {}
            Err(error) => return Err(Failure::cannot_write(&self.shown, &error)),
        }
        self.write_in_place(text, mode).map_err(|error| {
            temporary.keep = true;
            let (path, reason) = (temporary.path.display(), reason(&error));
            Failure::lines(format!(
                "Error occurred updating password file.\n\
                 Password file may be corrupt, check the backup file: {path}.\n{reason}."
            ))
        })
    }

    fn write_in_place(&mut self, text: &[u8], mode: u32) -> io::Result<()> {
        if self.mode() != mode {
            self.file.set_permissions(Permissions::from_mode(mode))?;
        }
        self.file.rewind()?;
        self.file.write_all(text)?;
        self.file
            .set_len(u64::try_from(text.len()).map_err(io::Error::other)?)?;
        self.file.sync_all()
    }
}

/// Makes a file with mode 0600, or gives an existing one this text, that mode and its old owner.
/// Returns the text that was replaced.
pub(crate) fn create(shown: &Path, text: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    if let Some(mut locked) = Locked::open_existing(shown, Failure::cannot_write)? {
        let before = std::mem::take(&mut locked.text);
        locked.replace_with_mode(text, MODE_NEW)?;
        return Ok(Some(before));
    }
    let cannot = |error| Failure::cannot_write(shown, &error);
    // A link to nowhere: the file would be made in its place, or somewhere unexpected.
    if fs::symlink_metadata(shown).is_ok() {
        return Err(cannot(not_found()));
    }
    let _whole = interrupt::hold_off();
    let mut temporary = Temporary::create(shown).map_err(|(_, error)| cannot(error))?;
    temporary.write(text, MODE_NEW).map_err(cannot)?;
    temporary.rename_to(shown).map_err(cannot)?;
    Ok(None)
}

/// The owner cannot be given away (EPERM), the file is a mount point (EBUSY), or only the file
/// was mounted writable, on another device (EXDEV).
fn must_write_in_place(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied | ErrorKind::ResourceBusy | ErrorKind::CrossesDevices
    )
}

fn check_regular(shown: &Path, path: &Path) -> Result<(), Failure> {
    // Opening a pipe would wait for ever, so this comes first.
    let metadata = fs::metadata(path).map_err(|error| Failure::cannot_read(shown, &error))?;
    if metadata.is_file() {
        return Ok(());
    }
    Err(Failure::error(format!(
        "{} is not a file.",
        shown.display()
    )))
}

fn not_found() -> io::Error {
    // As the system says it, and not in Rust's words.
    io::Error::from_raw_os_error(nix::errno::Errno::ENOENT as i32)
}

/// A file beside the one to replace; removed unless it took its place or is kept.
struct Temporary {
    path: PathBuf,
    file: File,
    keep: bool,
}

impl Temporary {
    fn create(beside: &Path) -> Result<Self, (PathBuf, io::Error)> {
        // Names collide once in 10^10 runs; an attacker who could do better owns the directory.
        let suffix: String = rand::rng()
            .sample_iter(rand::distr::Alphanumeric)
            .take(6)
            .map(char::from)
            .collect();
        let mut path = beside.as_os_str().to_owned();
        path.push(format!(".new.{suffix}"));
        let path = PathBuf::from(path);
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(MODE_NEW)
            .open(&path)
        {
            Ok(file) => Ok(Self {
                path,
                file,
                keep: false,
            }),
            Err(error) => Err((path, error)),
        }
    }

    /// Whatever happens after this, the text is on the disk.
    fn write(&mut self, text: &[u8], mode: u32) -> io::Result<()> {
        self.file.write_all(text)?;
        self.file.set_permissions(Permissions::from_mode(mode))?;
        self.file.sync_all()
    }

    fn take_place_of(&mut self, path: &Path, old: &Metadata) -> io::Result<()> {
        let ours = self.file.metadata()?;
        if (ours.uid(), ours.gid()) != (old.uid(), old.gid()) {
            fchown(&self.file, Some(old.uid()), Some(old.gid()))?;
        }
        self.rename_to(path)
    }

    fn rename_to(&mut self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)?;
        self.keep = true;
        let directory = match path.parent() {
            Some(directory) if !directory.as_os_str().is_empty() => directory,
            _ => Path::new("."),
        };
        match File::open(directory).and_then(|directory| directory.sync_all()) {
            // A folder that may be written to but not read, or a file system that knows no such
            // request: then the system writes the name out in its own time.
            Err(error)
                if !matches!(
                    error.kind(),
                    ErrorKind::PermissionDenied | ErrorKind::InvalidInput | ErrorKind::Unsupported
                ) =>
            {
                Err(error)
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.keep {
            // The error that led here is the one to report.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_new_file_is_for_its_owner_alone_and_the_only_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        assert_eq!(create(&path, b"one").unwrap(), None);
        assert_eq!(fs::metadata(&path).unwrap().mode() & MODE_BITS, 0o600);
        assert_eq!(create(&path, b"two").unwrap(), Some(b"one".to_vec()));
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(directory.path()), ["f"]);
    }

    #[test]
    fn readers_keep_the_old_file_and_openers_get_the_new_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        fs::write(&path, "old").unwrap();
        let mut reader = File::open(&path).unwrap();
        Locked::open(&path).unwrap().replace(b"new text").unwrap();
        let mut seen = String::new();
        reader.read_to_string(&mut seen).unwrap();
        assert_eq!(seen, "old");
        assert_eq!(fs::read(&path).unwrap(), b"new text");
        assert_eq!(names(directory.path()), ["f"]);
    }

    #[test]
    fn writing_in_place_leaves_nothing_of_a_longer_text() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        fs::write(&path, "a long old text").unwrap();
        let mut locked = Locked::open(&path).unwrap();
        locked.write_in_place(b"short", 0o640).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"short");
        assert_eq!(fs::metadata(&path).unwrap().mode() & MODE_BITS, 0o640);
    }

    #[test]
    fn a_temporary_file_goes_with_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        let mut temporary = Temporary::create(&path).unwrap_or_else(|(_, error)| panic!("{error}"));
        temporary.write(b"text", MODE_NEW).unwrap();
        drop(temporary);
        assert!(names(directory.path()).is_empty());
    }
}
