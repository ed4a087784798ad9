//! What is in a folder.

use std::fs;
use std::path::Path;

/// Names and contents of the files in a folder, by name.
///
/// # Panics
/// When the folder or a file in it cannot be read.
#[must_use]
pub fn listing(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    let files = entries.filter(|entry| entry.path().is_file());
    let mut files: Vec<_> = files
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read(entry.path()).expect("a file"))
        })
        .collect();
    files.sort();
    files
}
