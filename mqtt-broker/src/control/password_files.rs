//! Password files from the disk: opened with care, read whole, and refused with all that is wrong.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::auth::{PasswordFile, PasswordFileError};
use crate::observe::sensitive_file::{self, Access};
use crate::observe::{Escaped, Level, Log};

/// Bytes of a password file; some hundred thousand users.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A password file cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum PasswordFileFailure {
    /// It cannot be opened or read.
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Something in it is wrong.
    Content(Vec<PasswordFileError>),
}

impl PasswordFileFailure {
    /// The exit code for it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Open { .. } => 13,
            Self::Content(_) => 3,
        }
    }

    /// Says what is wrong, a line for each thing.
    pub fn tell(&self, log: &Log) {
        for line in self.to_string().lines() {
            log.tell(Level::Error, format_args!("{}", Escaped(line)));
        }
    }
}

impl std::error::Error for PasswordFileFailure {}

impl fmt::Display for PasswordFileFailure {
    /// A line for each thing that is wrong.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { path, error } => write!(
                f,
                "password-file: Error: Unable to open pwfile \"{}\". ({})",
                path.display(),
                explain(error)
            ),
            Self::Content(errors) => {
                for (number, error) in errors.iter().enumerate() {
                    let separator = if number == 0 { "" } else { "\n" };
                    write!(f, "{separator}password-file: Error: {error}")?;
                }
                Ok(())
            }
        }
    }
}

/// Why it cannot be opened; a symbolic link needs more words than the system has for it.
fn explain(error: &io::Error) -> String {
    if error.raw_os_error() == Some(nix::libc::ELOOP) {
        let variable = sensitive_file::ALLOW_SYMLINKS;
        return format!("it is a symbolic link; set {variable} to allow that");
    }
    crate::observe::describe(error)
}

/// Reads password files, each once however many listeners use it.
#[derive(Debug)]
pub struct PasswordFiles<'a> {
    log: &'a Log,
    allow_symlinks: bool,
    known: HashMap<PathBuf, Arc<PasswordFile>>,
}

impl<'a> PasswordFiles<'a> {
    /// A reader that warns in `log` of files that others may read.
    #[must_use]
    pub fn new(log: &'a Log, allow_symlinks: bool) -> Self {
        Self {
            log,
            allow_symlinks,
            known: HashMap::new(),
        }
    }

    /// The users of a file.
    ///
    /// # Errors
    /// It cannot be opened, or any line of it is wrong.
    pub fn load(&mut self, path: &Path) -> Result<Arc<PasswordFile>, PasswordFileFailure> {
        if let Some(known) = self.known.get(path) {
            return Ok(Arc::clone(known));
        }
        let text = self.read(path).map_err(|error| PasswordFileFailure::Open {
            path: path.to_path_buf(),
            error,
        })?;
        let name = path.display().to_string();
        let file = PasswordFile::parse(&name, text).map_err(PasswordFileFailure::Content)?;
        let file = Arc::new(file);
        self.known.insert(path.to_path_buf(), Arc::clone(&file));
        Ok(file)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let opened = sensitive_file::open(path, Access::Read, self.allow_symlinks)?;
        for warning in opened.warnings {
            self.log.tell(Level::Information, format_args!("{warning}"));
        }
        let mut text = Vec::new();
        opened
            .file
            .take(FILE_BYTES_MAX + 1)
            .read_to_end(&mut text)?;
        if u64::try_from(text.len()).is_ok_and(|bytes| bytes > FILE_BYTES_MAX) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::runtime::Clock;

    fn write(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    #[test]
    fn a_file_is_read_once_and_shared() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pw");
        let hash = mqtt_passwd::PasswordHash::create(mqtt_passwd::Scheme::Sha512, b"x", &[1; 12]);
        write(&path, &format!("ann:{}\n", hash.unwrap()));
        let log = Log::new(Clock::start());
        let mut files = PasswordFiles::new(&log, false);
        let first = files.load(&path).unwrap();
        assert!(first.lookup("ann").is_some() && first.lookup("bob").is_none());
        assert!(Arc::ptr_eq(&first, &files.load(&path).unwrap()));
    }

    #[test]
    fn missing_files_links_and_wrong_lines_have_their_exit_codes() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::new(Clock::start());
        let code = |name: &str, allow_symlinks| {
            let mut files = PasswordFiles::new(&log, allow_symlinks);
            files
                .load(&folder.path().join(name))
                .err()
                .map(|failure| failure.exit_code())
        };
        write(&folder.path().join("plain"), "ann:secret\nbob\n");
        write(&folder.path().join("empty"), "");
        symlink("empty", folder.path().join("link")).unwrap();
        assert_eq!(code("missing", false), Some(13));
        assert_eq!(code("plain", false), Some(3));
        assert_eq!(code("empty", false), None);
        assert_eq!(code("link", false), Some(13));
        assert_eq!(code("link", true), None);
    }
}
