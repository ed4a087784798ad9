//! The file: what stands in it, and with which settings SQLite opens it.

use rusqlite::{Connection, OptionalExtension};

use super::StoreError;

/// `MQbr`, so that `file` and people know whose database it is.
pub(super) const APPLICATION_ID: i32 = 0x4d51_6272;
/// Format of the tables. A store of a newer one is refused.
pub(super) const FORMAT: i32 = 1;
/// Older libraries can damage a journal when it is reset.
const SQLITE_MIN: i32 = 3_051_003;

const TABLES: &str = "
    CREATE TABLE meta(k TEXT PRIMARY KEY, v) WITHOUT ROWID;
    -- A session. e: milliseconds it outlives its connection, -1 for ever; a: away since (Unix
    -- milliseconds), NULL while connected; u: user name; l: listener.
    CREATE TABLE sess(s INTEGER PRIMARY KEY, client TEXT UNIQUE NOT NULL, e INTEGER NOT NULL,
                      a INTEGER, u TEXT, l INTEGER NOT NULL);
    -- Its will. due: Unix milliseconds, NULL while connected.
    CREATE TABLE will(s INTEGER PRIMARY KEY, due INTEGER, b BLOB NOT NULL);
    -- A subscription. o: options as in a SUBSCRIBE packet; i: identifier, 0 if none; r: retained
    -- messages are still to be sent.
    CREATE TABLE sub(s INTEGER NOT NULL, f TEXT NOT NULL, o INTEGER NOT NULL, i INTEGER NOT NULL,
                     r INTEGER NOT NULL, PRIMARY KEY(s, f)) WITHOUT ROWID;
    -- A message whose receivers all stand in its own row, r: clients that will answer soon. Bounded.
    CREATE TABLE hot(m INTEGER PRIMARY KEY, r BLOB NOT NULL, b BLOB NOT NULL);
    -- A message whose receivers have rows of their own. c: rows of q that need it (d = 0).
    CREATE TABLE msg(m INTEGER PRIMARY KEY, c INTEGER NOT NULL, b BLOB NOT NULL);
    -- A delivery. f: flags (32: through a shared subscription); p: packet id, or NULL; d: 1 once the
    -- client took it over; x: identifiers and group; l: bytes of payload.
    CREATE TABLE q(s INTEGER NOT NULL, m INTEGER NOT NULL, f INTEGER NOT NULL, p INTEGER,
                   d INTEGER NOT NULL, x BLOB, l INTEGER NOT NULL,
                   PRIMARY KEY(s, m)) WITHOUT ROWID;
    -- What a start has to hold in memory; all others are read when their client comes to them.
    CREATE INDEX q_memory ON q(s, m) WHERE p IS NOT NULL OR d <> 0 OR (f & 32) <> 0;
    -- A session that ended and still has rows in q: they go bit by bit.
    CREATE TABLE gone(s INTEGER PRIMARY KEY);
    -- QoS 2 from a client, held until PUBREL.
    CREATE TABLE held(n INTEGER PRIMARY KEY, s INTEGER NOT NULL, p INTEGER NOT NULL,
                      b BLOB NOT NULL, UNIQUE(s, p));
    -- Retained messages. v: version.
    CREATE TABLE ret(t TEXT PRIMARY KEY NOT NULL, v INTEGER NOT NULL, b BLOB NOT NULL);
";

/// Settings and what they have to read back as.
const PRAGMAS: &[(&str, &str, &str)] = &[
    ("journal_mode", "WAL", "wal"),
    ("cache_size", "-16384", "-16384"),
    ("temp_store", "MEMORY", "2"),
    ("mmap_size", "0", "0"),
    // The one of SQLite does not say when it fails; see `Database::commit`.
    ("wal_autocheckpoint", "0", "0"),
    ("journal_size_limit", "67108864", "67108864"),
    ("trusted_schema", "OFF", "0"),
    ("cell_size_check", "ON", "1"),
];

/// How hard a commit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// A commit survives the loss of power.
    Full,
    /// A commit survives the death of the process.
    Normal,
}

/// Prepares a connection, and makes the tables in an empty file.
pub(super) fn prepare(connection: &Connection, sync: Sync) -> Result<(), StoreError> {
    if rusqlite::version_number() < SQLITE_MIN {
        return Err(StoreError::Library(rusqlite::version()));
    }
    let empty = integer(connection, "SELECT count(*) FROM sqlite_schema")? == 0;
    if empty {
        connection.execute_batch("PRAGMA page_size=4096; PRAGMA auto_vacuum=NONE;")?;
    } else {
        let application = integer(connection, "PRAGMA application_id")?;
        if application != i64::from(APPLICATION_ID) {
            return Err(StoreError::Foreign);
        }
        let format = integer(connection, "PRAGMA user_version")?;
        if format != i64::from(FORMAT) {
            let created_by = "SELECT v FROM meta WHERE k = 'created_by'";
            let created_by = connection.query_row(created_by, [], |row| row.get(0));
            let created_by: Option<String> = created_by.optional().unwrap_or(None);
            return Err(StoreError::Format { format, created_by });
        }
    }
    for (name, value, expected) in PRAGMAS {
        set(connection, name, value, expected)?;
    }
    match sync {
        Sync::Full => set(connection, "synchronous", "FULL", "2")?,
        Sync::Normal => set(connection, "synchronous", "NORMAL", "1")?,
    }
    if empty {
        let created_by = concat!("mqtt-broker ", env!("CARGO_PKG_VERSION"));
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {TABLES}
             INSERT INTO meta(k, v) VALUES('created_by', '{created_by}');
             PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={FORMAT}; COMMIT;"
        ))?;
    }
    Ok(())
}

/// Sets a pragma, and fails if it did not take: `journal_mode` can silently stay what it is.
fn set(
    connection: &Connection,
    name: &'static str,
    value: &str,
    expected: &str,
) -> Result<(), StoreError> {
    run_to_its_end(connection, &format!("PRAGMA {name}={value};"))?;
    let read = connection.query_row(&format!("PRAGMA {name}"), [], |row| {
        Ok(match row.get_ref(0)? {
            rusqlite::types::ValueRef::Integer(number) => number.to_string(),
            other => other.as_str().unwrap_or_default().to_owned(),
        })
    })?;
    if read == expected {
        Ok(())
    } else {
        Err(StoreError::Setting { name, read })
    }
}

/// Runs a statement until it is done. What takes its first row and leaves, as `execute_batch` does, does
/// not hear of a commit that fails behind it.
fn run_to_its_end(connection: &Connection, statement: &str) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(statement)?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

pub(super) fn integer(connection: &Connection, query: &str) -> rusqlite::Result<i64> {
    connection.query_row(query, [], |row| row.get(0))
}
