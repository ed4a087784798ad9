//! A disk with so much room and no more. How much is written in a file, so that a test can give and take.

use std::fs;
use std::path::{Path, PathBuf};

const BLOCK: u64 = 4096;

#[derive(Debug)]
pub(crate) struct Room {
    folder: PathBuf,
    /// Holds the size of the disk in bytes.
    says: PathBuf,
}

impl Room {
    pub(crate) fn new(folder: PathBuf, says: PathBuf) -> Self {
        Self { folder, says }
    }

    fn size(&self) -> u64 {
        let text = fs::read_to_string(&self.says).unwrap_or_default();
        text.trim().parse().unwrap_or(u64::MAX)
    }

    /// Bytes that may still be added.
    pub(crate) fn free(&self) -> u64 {
        self.size().saturating_sub(used(&self.folder))
    }

    /// Writes down what programs ask of a file system.
    pub(crate) fn describe(&self, answer: &mut libc::statvfs) {
        answer.f_bsize = BLOCK;
        answer.f_frsize = BLOCK;
        answer.f_blocks = self.size() / BLOCK;
        answer.f_bfree = self.free() / BLOCK;
        answer.f_bavail = answer.f_bfree;
    }
}

/// Bytes of all files in a folder and below it.
fn used(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let bytes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => used(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    bytes.sum()
}
