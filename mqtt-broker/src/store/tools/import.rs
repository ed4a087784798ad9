//! Lines of an export become a store.

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufRead, Read as _};
use std::path::Path;

use rusqlite::params_from_iter;
use serde_json::Value;

use super::check::broken_rule;
use super::export::FORMAT;
use super::lines::{self, LineError};
use super::message::{Fields, number};
use crate::store::StoreError;
use crate::store::recovery::fresh::{Fresh, clear, open};
use crate::store::recovery::{MakeError, beside, recount, remove, sync_folder_of};

/// Bytes of a line; the largest message, written as base64, and more.
const LINE_MAX: u64 = 400_000_000;
/// Lines between two commits.
const BATCH: u64 = 20_000;
/// The new store, while it is being made.
const NEW: &str = "-importing";

/// Lines cannot be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A line cannot be taken.
    #[error("line {line}: {error}")]
    Line {
        /// Which, from 1 on.
        line: u64,
        /// Why.
        error: LineError,
    },
    /// It was written by a version that knows more.
    #[error("it has format {0}; this program reads format {FORMAT}")]
    Format(u64),
    /// The last line is missing, or counts others.
    #[error("it is not whole: its last line is missing or counts other lines")]
    Cut,
    /// Lines do not belong together.
    #[error("its lines do not belong together: {0}")]
    Inconsistent(String),
    /// There is a store already, and it is not empty.
    #[error("there is a store already, with {0} sessions and retained messages")]
    Occupied(i64),
    /// The store cannot be made.
    #[error(transparent)]
    Make(#[from] MakeError),
}

impl From<io::Error> for ImportError {
    fn from(error: io::Error) -> Self {
        Self::Make(error.into())
    }
}

impl From<StoreError> for ImportError {
    fn from(error: StoreError) -> Self {
        Self::Make(error.into())
    }
}

impl From<rusqlite::Error> for ImportError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Make(error.into())
    }
}

/// Makes a store at `file` of the lines. The lock has to be held. What stands at `file` must be nothing,
/// or a store in which nothing is kept.
///
/// # Errors
/// See [`ImportError`]; what stood there is left as it was.
pub fn import(source: impl BufRead, file: &Path) -> Result<u64, ImportError> {
    refuse_occupied(file)?;
    let new = beside(file, NEW);
    let filled = fill(source, &new);
    if filled.is_err() {
        // The reason counts; what is left of it is removed the next time.
        let _ = clear(&new);
    }
    let lines = filled?;
    for suffix in ["-wal", "-shm"] {
        remove(&beside(file, suffix))?;
    }
    sync_folder_of(file)?;
    fs::rename(&new, file)?;
    sync_folder_of(file)?;
    Ok(lines)
}

fn refuse_occupied(file: &Path) -> Result<(), ImportError> {
    if !file.try_exists()? || fs::metadata(file)?.len() == 0 {
        return Ok(());
    }
    let query = "SELECT (SELECT count(*) FROM sess) + (SELECT count(*) FROM ret)";
    let kept = open(file)?.query_row(query, [], |row| row.get(0))?;
    if kept > 0 {
        return Err(ImportError::Occupied(kept));
    }
    Ok(())
}

fn fill(mut source: impl BufRead, new: &Path) -> Result<u64, ImportError> {
    let fresh = Fresh::begin(new.to_owned())?;
    let connection = &fresh.connection;
    let mut inserts: HashMap<&str, String> = HashMap::new();
    let mut buffer = Vec::new();
    // The first line and the last are not among those that the last one counts.
    let (mut line, mut lines) = (0, 0);
    loop {
        line += 1;
        let error = |error| ImportError::Line { line, error };
        buffer.clear();
        (&mut source)
            .take(LINE_MAX)
            .read_until(b'\n', &mut buffer)?;
        if buffer.is_empty() {
            return Err(ImportError::Cut);
        }
        let (kind, fields) = parse(&buffer).map_err(error)?;
        match kind.as_str() {
            "store" if line == 1 => {
                let format = number(&fields, "format").map_err(error)?;
                if format != FORMAT {
                    return Err(ImportError::Format(format));
                }
                continue;
            }
            _ if line == 1 => return Err(error(LineError::Form)),
            "end" if number::<u64>(&fields, "lines") == Ok(lines) => break,
            "end" => return Err(ImportError::Cut),
            _ => {}
        }
        let (table, row) = lines::read(&kind, &fields).map_err(error)?;
        let insert = inserts.entry(table.name).or_insert_with(|| table.insert());
        let added = connection
            .prepare_cached(insert)?
            .execute(params_from_iter(row))?;
        if added == 0 {
            return Err(ImportError::Inconsistent(format!(
                "line {line} has what an earlier one has, too"
            )));
        }
        lines += 1;
        if lines.is_multiple_of(BATCH) {
            Fresh::go_on(connection)?;
        }
    }
    recount(connection)?;
    if let Some(broken) = broken_rule(connection)? {
        return Err(ImportError::Inconsistent(broken));
    }
    fresh.end()?;
    Ok(lines)
}

/// What a line is, and its fields.
fn parse(line: &[u8]) -> Result<(String, Fields), LineError> {
    match serde_json::from_slice(line) {
        Ok(Value::Object(object)) if object.len() == 1 => match object.into_iter().next() {
            Some((kind, Value::Object(fields))) => Ok((kind, fields)),
            _ => Err(LineError::Form),
        },
        _ => Err(LineError::Form),
    }
}
