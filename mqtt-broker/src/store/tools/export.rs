//! A store as lines of JSON: to be looked at, or to be taken somewhere else.

use std::io::{self, Write};

use rusqlite::types::Value as Column;
use rusqlite::{Connection, Row};
use serde_json::{Value, json};

use super::lines;
use super::reading::Reading;
use crate::store::blob;

/// Version of the lines.
pub(super) const FORMAT: u64 = 1;

/// For what the lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people: nothing but what is in the store.
    Dump,
    /// To be imported: with a first line that says what it is and a last one that says that all is there.
    Portable,
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Lines, but for the first and the last.
    pub lines: u64,
    /// Rows that are damaged and were left out.
    pub damaged: u64,
}

/// The tables in an order in which everything comes after what it refers to.
const QUERIES: &[(&str, &str)] = &[
    ("sess", "SELECT s, client, e, a, u, l FROM sess ORDER BY s"),
    ("will", "SELECT s, due, b FROM will ORDER BY s"),
    ("sub", "SELECT s, f, o, i, r FROM sub ORDER BY s, f"),
    ("msg", "SELECT m, c, b FROM msg ORDER BY m"),
    (
        "q",
        "SELECT s, m, f, p, d, x, l FROM q WHERE s IN (SELECT s FROM sess) ORDER BY s, m",
    ),
    ("held", "SELECT n, s, p, b FROM held ORDER BY n"),
    (
        "ret",
        "SELECT t, v, b FROM ret WHERE b IS NOT NULL ORDER BY t",
    ),
];

/// Writes a store as it was at one moment.
///
/// # Errors
/// It cannot be read, or nobody takes the lines.
pub fn export(reading: &Reading, form: Form, out: impl Write) -> io::Result<Exported> {
    let mut export = Export {
        connection: &reading.connection,
        out,
        done: Exported::default(),
    };
    let begin = reading.connection.execute_batch("BEGIN");
    begin.map_err(io::Error::other)?;
    if form == Form::Portable {
        let by = concat!("mqtt-broker ", env!("CARGO_PKG_VERSION"));
        export.put(&json!({ "store": { "format": FORMAT, "by": by } }))?;
    }
    export.tables().map_err(|error| match error {
        ExportError::Sqlite(error) => io::Error::other(error),
        ExportError::Io(error) => error,
    })?;
    if form == Form::Portable {
        let lines = export.done.lines;
        export.put(&json!({ "end": { "lines": lines } }))?;
    }
    export.out.flush()?;
    let end = reading.connection.execute_batch("COMMIT");
    end.map_err(io::Error::other)?;
    Ok(export.done)
}

#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}

struct Export<'a, W> {
    connection: &'a Connection,
    out: W,
    done: Exported,
}

impl<W: Write> Export<'_, W> {
    fn tables(&mut self) -> Result<(), ExportError> {
        for (table, query) in QUERIES {
            let mut query = self.connection.prepare(query)?;
            let columns = query.column_count();
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()? {
                let line = lines::write(table, &values(row, columns)?);
                self.line(line)?;
            }
            if *table == "msg" {
                self.hot()?;
            }
        }
        Ok(())
    }

    /// Messages that list their receivers become messages and deliveries.
    fn hot(&mut self) -> Result<(), ExportError> {
        let mut query = self.connection.prepare(
            "SELECT hot.m, hot.r, hot.b, msg.m IS NOT NULL FROM hot LEFT JOIN msg USING(m)
             ORDER BY hot.m",
        )?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let number: i64 = row.get(0)?;
            let (receivers, body): (Vec<u8>, Vec<u8>) = (row.get(1)?, row.get(2)?);
            let is_there: bool = row.get(3)?;
            let (Ok(receivers), Ok(message)) =
                (blob::read_receipts(&receivers), blob::read_message(&body))
            else {
                self.done.damaged += 1;
                continue;
            };
            if !is_there {
                let row = [
                    Column::Integer(number),
                    Column::Integer(0),
                    Column::Blob(body),
                ];
                self.line(lines::write("msg", &row))?;
            }
            let bytes = i64::try_from(message.payload_len()).unwrap_or(i64::MAX);
            for receipt in receivers {
                let line = lines::delivery(&receipt, number, None, false, bytes);
                self.line(Some(line))?;
            }
        }
        Ok(())
    }

    fn line(&mut self, line: Option<Value>) -> io::Result<()> {
        match line {
            None => {
                self.done.damaged += 1;
                Ok(())
            }
            Some(line) => {
                self.done.lines += 1;
                self.put(&line)
            }
        }
    }

    fn put(&mut self, line: &Value) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n")
    }
}

fn values(row: &Row<'_>, columns: usize) -> rusqlite::Result<Vec<Column>> {
    (0..columns).map(|column| row.get(column)).collect()
}
