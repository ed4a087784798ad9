//! The one place of the configuration that touches the file system.

use std::ffi::OsString;
use std::io::{self, Read as _};
use std::path::Path;

/// Bytes of the largest configuration file that is read.
pub const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Where configuration files come from: the file system, or a table in a test.
pub trait Files {
    /// The bytes of a file.
    ///
    /// # Errors
    /// Whatever keeps it from being read; [`io::ErrorKind::IsADirectory`] for a directory.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The names of what is in a directory, in any order.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>>;
}

/// The file system of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        // Looked at before it is opened: opening a pipe would wait for its other end.
        let kind = std::fs::metadata(path)?.file_type();
        if kind.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if !kind.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut bytes = Vec::new();
        std::fs::File::open(path)?
            .take(FILE_BYTES_MAX + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(io::Error::other(format!(
                "it is larger than {FILE_BYTES_MAX} bytes"
            )));
        }
        Ok(bytes)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        std::fs::read_dir(directory)?
            .map(|entry| Ok(entry?.file_name()))
            .collect()
    }
}
