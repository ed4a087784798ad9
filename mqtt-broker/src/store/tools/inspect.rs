//! Every row of a store read once, a few at a time: so that it can be done beside a broker without
//! keeping its journal from being used again.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::store::recovery::tables::{TABLES, Table, integer, text};

/// Rows that are read at once.
const ROWS: u32 = 500;

/// A walk over all rows.
#[derive(Debug)]
pub struct Inspector<'a> {
    connection: &'a Connection,
    /// Tables not yet done, the next one last.
    tables: Vec<&'static Table>,
    /// The key of the last row that was read of it.
    after: Option<Vec<Value>>,
    /// Rows that were read.
    pub rows: u64,
}

impl<'a> Inspector<'a> {
    /// Over all tables of a store.
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self {
            connection,
            tables: TABLES.iter().rev().collect(),
            after: None,
            rows: 0,
        }
    }

    /// Reads the next rows; what is damaged of them is named. `None` when all were read.
    ///
    /// # Errors
    /// SQLite cannot read on: the trees are damaged, or the disk fails.
    pub fn next_rows(&mut self) -> rusqlite::Result<Option<Vec<String>>> {
        let Some(table) = self.tables.last().copied() else {
            return Ok(None);
        };
        let mut damaged = Vec::new();
        let query = table.select(self.after.is_none(), ROWS);
        let mut query = self.connection.prepare_cached(&query)?;
        let columns = query.column_count();
        let after = self.after.take().unwrap_or_default();
        let mut rows = query.query(params_from_iter(after))?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            let values = (0..columns).map(|column| row.get(column));
            let values: Vec<Value> = values.collect::<rusqlite::Result<_>>()?;
            if !table.holds(&values) {
                damaged.push(name(table, &values));
            }
            count += 1;
            self.after = Some(table.key(&values).to_vec());
        }
        self.rows += u64::from(count);
        if count < ROWS {
            self.tables.pop();
            self.after = None;
        }
        Ok(Some(damaged))
    }
}

/// What a row is, for people.
fn name(table: &Table, row: &[Value]) -> String {
    let number = |column| integer(row, column).unwrap_or_default();
    match table.name {
        "sess" => format!("session {}", number(0)),
        "will" => format!("the will of session {}", number(0)),
        "sub" => {
            let filter = text(row, 1).unwrap_or_default();
            format!("the subscription of session {} to {filter}", number(0))
        }
        "hot" | "msg" => format!("message {}", number(0)),
        "q" => format!("message {} for session {}", number(1), number(0)),
        "held" => format!("a message held for session {}", number(1)),
        "ret" => {
            let topic = text(row, 0).unwrap_or_default();
            format!("the retained message of {topic}")
        }
        other => format!("a row of table {other}"),
    }
}
