//! The tables of a store as data: by its columns and by what its blobs say each row can be told from
//! those of all others, wherever it is found.

use std::num::NonZeroU32;

use mqtt_codec::{SubscriptionOptions, TopicFilter};
use rusqlite::types::Value;

use super::btree::Row;
use crate::engine::store_op::SessionNo;
use crate::store::blob;

/// What may stand in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    /// The number of the row.
    Number,
    Integer,
    IntegerOrNull,
    Text,
    TextOrNull,
    Blob,
    BlobOrNull,
    Any,
}

use Column::{Any, Blob, BlobOrNull, Integer, IntegerOrNull, Number, Text, TextOrNull};

/// A table.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// Its rows are sorted by columns and have no number.
    pub(crate) is_keyed: bool,
    /// Its rows cannot be taken for those of another table or index.
    pub(crate) is_told_by_rows: bool,
    columns: &'static [(&'static str, Column)],
    /// So many columns tell a row from all others.
    key: usize,
    /// Whether its blobs are as they were written.
    is_whole: fn(&[Value]) -> bool,
}

/// All of them.
pub(crate) static TABLES: &[Table] = &[
    Table {
        name: "meta",
        is_keyed: true,
        is_told_by_rows: false,
        columns: &[("k", Text), ("v", Any)],
        key: 1,
        is_whole: |_| true,
    },
    Table {
        name: "sess",
        is_keyed: false,
        is_told_by_rows: true,
        columns: &[
            ("s", Number),
            ("client", Text),
            ("e", Integer),
            ("a", IntegerOrNull),
            ("u", TextOrNull),
            ("l", Integer),
        ],
        key: 1,
        is_whole: |row| has_session(row) && integer(row, 5).is_some_and(fits_u16),
    },
    Table {
        name: "will",
        is_keyed: false,
        is_told_by_rows: true,
        columns: &[("s", Number), ("due", IntegerOrNull), ("b", Blob)],
        key: 1,
        is_whole: |row| {
            has_session(row) && bytes(row, 2).is_some_and(|b| blob::read_will(b).is_ok())
        },
    },
    Table {
        name: "sub",
        is_keyed: true,
        is_told_by_rows: true,
        columns: &[
            ("s", Integer),
            ("f", Text),
            ("o", Integer),
            ("i", Integer),
            ("r", Integer),
        ],
        key: 2,
        is_whole: is_subscription,
    },
    Table {
        name: "hot",
        is_keyed: false,
        is_told_by_rows: true,
        columns: &[("m", Number), ("r", Blob), ("b", Blob)],
        key: 1,
        is_whole: |row| {
            is_message(row, 2) && bytes(row, 1).is_some_and(|b| blob::read_receipts(b).is_ok())
        },
    },
    Table {
        name: "msg",
        is_keyed: false,
        is_told_by_rows: true,
        columns: &[("m", Number), ("c", Integer), ("b", Blob)],
        key: 1,
        is_whole: |row| is_message(row, 2),
    },
    Table {
        name: "q",
        is_keyed: true,
        is_told_by_rows: true,
        columns: &[
            ("s", Integer),
            ("m", Integer),
            ("f", Integer),
            ("p", IntegerOrNull),
            ("d", Integer),
            ("x", BlobOrNull),
            ("l", Integer),
        ],
        key: 2,
        is_whole: is_delivery,
    },
    Table {
        name: "gone",
        is_keyed: false,
        is_told_by_rows: false,
        columns: &[("s", Number)],
        key: 1,
        is_whole: has_session,
    },
    Table {
        name: "held",
        is_keyed: false,
        is_told_by_rows: true,
        columns: &[("n", Number), ("s", Integer), ("p", Integer), ("b", Blob)],
        key: 1,
        is_whole: |row| is_message(row, 3) && integer(row, 2).is_some_and(fits_u16),
    },
    Table {
        name: "ret",
        is_keyed: false,
        is_told_by_rows: true,
        columns: &[("t", Text), ("v", Integer), ("b", Blob)],
        key: 1,
        is_whole: |row| is_message(row, 2),
    },
];

/// How much a row is one of a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fit {
    /// It is not.
    Not,
    /// Its columns are right, what stands in its blobs is not.
    Damaged(Vec<Value>),
    /// It is as it was written.
    Whole(Vec<Value>),
}

impl Table {
    /// Holds a row against the table. Gives its columns with the number in its place.
    pub(crate) fn fit(&self, row: Row) -> Fit {
        let Row { rowid, mut values } = row;
        if values.len() != self.columns.len() || rowid.is_none() != self.is_keyed {
            return Fit::Not;
        }
        let (Some((_, first)), Some(value)) = (self.columns.first(), values.first_mut()) else {
            return Fit::Not;
        };
        if let (Number, Value::Null, Some(rowid)) = (first, &*value, rowid) {
            *value = Value::Integer(rowid);
        }
        if !self.has_the_columns_of(&values) {
            Fit::Not
        } else if (self.is_whole)(&values) {
            Fit::Whole(values)
        } else {
            Fit::Damaged(values)
        }
    }

    /// Whether a row that SQLite gave out is as it was written.
    pub(crate) fn holds(&self, values: &[Value]) -> bool {
        self.has_the_columns_of(values) && (self.is_whole)(values)
    }

    fn has_the_columns_of(&self, values: &[Value]) -> bool {
        let mut pairs = self.columns.iter().zip(values);
        values.len() == self.columns.len()
            && pairs.all(|((_, column), value)| {
                matches!(
                    (column, value),
                    (Number | Integer | IntegerOrNull, Value::Integer(_))
                        | (IntegerOrNull | TextOrNull | BlobOrNull, Value::Null)
                        | (Text | TextOrNull, Value::Text(_))
                        | (Blob | BlobOrNull, Value::Blob(_))
                        | (Any, _)
                )
            })
    }

    /// How a row is put into a store.
    pub(crate) fn insert(&self) -> String {
        let marks: Vec<String> = (1..=self.columns.len()).map(|n| format!("?{n}")).collect();
        let (name, columns) = (self.name, self.names(self.columns.len()));
        format!(
            "INSERT OR IGNORE INTO {name}({columns}) VALUES({})",
            marks.join(", ")
        )
    }

    /// How the next rows are read, in their order: `after` whose key columns are the parameters.
    pub(crate) fn select(&self, from_the_start: bool, rows: u32) -> String {
        let (name, columns) = (self.name, self.names(self.columns.len()));
        let key = self.names(self.key);
        let marks: Vec<String> = (1..=self.key).map(|n| format!("?{n}")).collect();
        let after = if from_the_start {
            String::new()
        } else {
            format!("WHERE ({key}) > ({})", marks.join(", "))
        };
        format!("SELECT {columns} FROM {name} {after} ORDER BY {key} LIMIT {rows}")
    }

    /// The columns that tell a row from all others.
    pub(crate) fn key<'a>(&self, row: &'a [Value]) -> &'a [Value] {
        row.get(..self.key).unwrap_or_default()
    }

    fn names(&self, count: usize) -> String {
        let names = self.columns.iter().take(count).map(|(name, _)| *name);
        names.collect::<Vec<_>>().join(", ")
    }
}

/// The integer in a column.
pub(crate) fn integer(row: &[Value], column: usize) -> Option<i64> {
    match row.get(column) {
        Some(Value::Integer(number)) => Some(*number),
        _ => None,
    }
}

/// The bytes in a column.
pub(crate) fn bytes(row: &[Value], column: usize) -> Option<&[u8]> {
    match row.get(column) {
        Some(Value::Blob(bytes)) => Some(bytes),
        _ => None,
    }
}

/// The text in a column.
pub(crate) fn text(row: &[Value], column: usize) -> Option<&str> {
    match row.get(column) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

/// A session's number as it stands in a column.
pub(crate) fn session(value: i64) -> Option<SessionNo> {
    let value = u32::try_from(value).ok()?;
    NonZeroU32::new(value).map(SessionNo)
}

fn has_session(row: &[Value]) -> bool {
    integer(row, 0).and_then(session).is_some()
}

fn fits_u16(number: i64) -> bool {
    u16::try_from(number).is_ok()
}

fn is_message(row: &[Value], column: usize) -> bool {
    bytes(row, column).is_some_and(|bytes| blob::read_message(bytes).is_ok())
}

fn is_subscription(row: &[Value]) -> bool {
    let options = integer(row, 2).and_then(|options| u8::try_from(options).ok());
    let options = options.is_some_and(|options| SubscriptionOptions::from_byte(options).is_ok());
    let identifier = integer(row, 3).is_some_and(|number| u32::try_from(number).is_ok());
    let filter = text(row, 1).is_some_and(|filter| TopicFilter::parse(filter).is_ok());
    has_session(row) && options && identifier && filter
}

fn is_delivery(row: &[Value]) -> bool {
    let flags = integer(row, 2).and_then(|flags| u8::try_from(flags).ok());
    let session = integer(row, 0).and_then(session);
    let (Some(flags), Some(session)) = (flags, session) else {
        return false;
    };
    let mut extra = bytes(row, 5).unwrap_or_default();
    let packet_id = matches!(row.get(3), Some(Value::Null))
        || integer(row, 3).is_some_and(|id| id != 0 && fits_u16(id));
    let number = integer(row, 1).is_some_and(|number| number > 0);
    let state = integer(row, 4).is_some_and(|done| done == 0 || done == 1);
    let length = integer(row, 6).is_some_and(|length| length >= 0);
    packet_id && number && state && length && blob::receipt(session, flags, &mut extra).is_ok()
}
