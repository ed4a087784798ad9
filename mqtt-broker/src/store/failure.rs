//! Why a store ended.

use std::path::PathBuf;

use rusqlite::ffi;

/// The disk failed: the broker has to end too, since it can promise nothing any more.
#[derive(Debug, thiserror::Error)]
#[error("the store {} cannot be written: {}", file.display(), words(source))]
pub struct Failure {
    file: PathBuf,
    source: rusqlite::Error,
}

impl Failure {
    /// What happened to the store in this file.
    pub(super) fn new(file: PathBuf, source: rusqlite::Error) -> Self {
        Self { file, source }
    }
}

/// In the system's words, and in which call: SQLite keeps the number of the error to itself, and says of any
/// but a full disk that it is one of input and output.
fn words(error: &rusqlite::Error) -> String {
    let call = match error.sqlite_extended_error_code() {
        Some(ffi::SQLITE_FULL) => return "No space left on device".to_owned(),
        Some(ffi::SQLITE_IOERR_FSYNC) => "a sync",
        Some(ffi::SQLITE_IOERR_DIR_FSYNC) => "the sync of its folder",
        Some(ffi::SQLITE_IOERR_WRITE) => "a write",
        Some(ffi::SQLITE_IOERR_TRUNCATE) => "a change of its length",
        Some(ffi::SQLITE_IOERR_READ | ffi::SQLITE_IOERR_SHORT_READ) => "a read",
        _ => return error.to_string(),
    };
    format!("Input/output error in {call}")
}
