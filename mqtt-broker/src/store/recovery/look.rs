//! What a file is, without touching it or anything beside it.

use std::fs::File;
use std::io;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::gather;
use super::pages::{MAGIC, PAGE, Pages, number_at};
use crate::store::schema::{APPLICATION_ID, FORMAT};

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// There is none.
    Absent,
    /// Nothing stands in it.
    Empty,
    /// A store, or a database that is about to become one.
    Store,
    /// A store whose first page is damaged.
    Headless,
    /// A store of another format.
    Format {
        /// Which.
        format: u32,
        /// Who wrote it.
        created_by: Option<String>,
    },
    /// A database of another program.
    Foreign,
    /// Something else that begins with this.
    Other([u8; 16]),
}

/// Looks at a file.
///
/// # Errors
/// It cannot be read.
pub fn look(file: &Path) -> io::Result<Look> {
    let opened = match File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Look::Absent),
        opened => opened?,
    };
    let length = opened.metadata()?.len();
    if length == 0 {
        return Ok(Look::Empty);
    }
    let mut first = [0; PAGE];
    let got = fill(&opened, &mut first)?;
    let begin = *first.first_chunk().unwrap_or(&[0; 16]);
    if begin != *MAGIC {
        let is_headless = length > PAGE as u64 && gather::is_in(&Pages::new(opened, None)?);
        return Ok(if is_headless {
            Look::Headless
        } else {
            Look::Other(begin)
        });
    }
    let application = number_at(&first, 68);
    let format = number_at(&first, 60).unwrap_or_default();
    let tables = first.get(103..105).is_some_and(|count| count != [0; 2]);
    Ok(match application {
        _ if got < 100 => Look::Store,
        Some(id) if id == APPLICATION_ID.cast_unsigned() => {
            if format == FORMAT.cast_unsigned() {
                Look::Store
            } else {
                let created_by = created_by(file);
                Look::Format { format, created_by }
            }
        }
        // Its tables may stand in the journal alone.
        Some(0) if !tables => Look::Store,
        _ => Look::Foreign,
    })
}

fn fill(file: &File, buffer: &mut [u8]) -> io::Result<usize> {
    use std::os::unix::fs::FileExt as _;
    let mut got = 0;
    while let Some(rest) = buffer.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, got as u64) {
            Ok(0) => break,
            Ok(count) => got += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

fn created_by(file: &Path) -> Option<String> {
    let connection = open_untouched(file, "immutable=1").ok()?;
    let query = "SELECT v FROM meta WHERE k = 'created_by'";
    connection.query_row(query, [], |row| row.get(0)).ok()
}

/// Opens a file for reading alone, with these parameters of SQLite's names.
pub(crate) fn open_untouched(file: &Path, parameters: &str) -> rusqlite::Result<Connection> {
    use std::os::unix::ffi::OsStrExt as _;
    let mut name = String::from("file:");
    for byte in file.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                name.push(char::from(*byte));
            }
            other => name.push_str(&format!("%{other:02X}")),
        }
    }
    name.push('?');
    name.push_str(parameters);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(name, flags)
}
