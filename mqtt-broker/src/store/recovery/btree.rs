//! Rows out of SQLite's pages (<https://www.sqlite.org/fileformat2.html>), one page at a time and
//! without trust: what cannot be read is left out, and everything has an end.

use rusqlite::types::Value;

use super::pages::{PAGE, Page, Pages, number_at};

/// No row is larger: a packet has 256 MB, and there is a little around it.
const PAYLOAD_MAX: usize = 270_000_000;
/// Columns of a row; no table has so many.
const COLUMNS_MAX: usize = 16;

/// A row as it stands in a page.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// Its number, unless the table has none.
    pub(crate) rowid: Option<i64>,
    /// Its columns.
    pub(crate) values: Vec<Value>,
}

/// What a page holds.
#[derive(Debug, Default)]
pub(crate) struct Node {
    /// It has rows without numbers.
    pub(crate) is_keyed: bool,
    /// Pages below it.
    pub(crate) children: Vec<u32>,
    /// Rows that can be read.
    pub(crate) rows: Vec<Row>,
    /// Rows that cannot.
    pub(crate) unreadable: u64,
}

impl Node {
    /// Reads a page; `None` if it is none of a table.
    pub(crate) fn read(number: u32, page: &Page, pages: &Pages) -> Option<Self> {
        let start = if number == 1 { 100 } else { 0 };
        let (is_keyed, is_leaf) = match page.get(start)? {
            0x0d => (false, true),
            0x05 => (false, false),
            0x0a => (true, true),
            0x02 => (true, false),
            _ => return None,
        };
        let count = usize::from(short_at(page, start + 3)?);
        let pointers = start + if is_leaf { 8 } else { 12 };
        if pointers + 2 * count > PAGE {
            return None;
        }
        let mut node = Self {
            is_keyed,
            ..Self::default()
        };
        for place in 0..count {
            let at = usize::from(short_at(page, pointers + 2 * place)?);
            let cell = page.get(at..).filter(|_| at >= pointers + 2 * count);
            if node
                .read_cell(cell.unwrap_or_default(), is_leaf, pages)
                .is_none()
            {
                node.unreadable += 1;
            }
        }
        if !is_leaf {
            node.children.push(number_at(&page[..], start + 8)?);
        }
        Some(node)
    }

    fn read_cell(&mut self, mut cell: &[u8], is_leaf: bool, pages: &Pages) -> Option<()> {
        if !is_leaf {
            self.children.push(number_at(cell, 0)?);
            cell = cell.get(4..)?;
            if !self.is_keyed {
                return Some(());
            }
        }
        let size = usize::try_from(varint(&mut cell)?).ok()?;
        let rowid = if self.is_keyed {
            None
        } else {
            Some(varint(&mut cell)?.cast_signed())
        };
        let payload = payload(cell, size, self.is_keyed, pages)?;
        let values = values(&payload)?;
        self.rows.push(Row { rowid, values });
        Some(())
    }
}

/// The bytes of a row, of which the larger ones go on in other pages.
fn payload(cell: &[u8], size: usize, is_keyed: bool, pages: &Pages) -> Option<Vec<u8>> {
    if size > PAYLOAD_MAX {
        return None;
    }
    let most = if is_keyed {
        (PAGE - 12) * 64 / 255 - 23
    } else {
        PAGE - 35
    };
    if size <= most {
        return cell.get(..size).map(<[u8]>::to_vec);
    }
    let least = (PAGE - 12) * 32 / 255 - 23;
    let fitting = least + (size - least) % (PAGE - 4);
    let local = if fitting <= most { fitting } else { least };
    let mut payload = cell.get(..local)?.to_vec();
    let mut next = number_at(cell, local)?;
    while payload.len() < size {
        let page = pages.read(next)?;
        let left = (size - payload.len()).min(PAGE - 4);
        payload.extend_from_slice(page.get(4..4 + left)?);
        next = number_at(&page[..], 0)?;
    }
    Some(payload)
}

/// The columns of a row.
fn values(payload: &[u8]) -> Option<Vec<Value>> {
    let mut head = payload;
    let head_size = usize::try_from(varint(&mut head)?).ok()?;
    let begun = payload.len() - head.len();
    let mut head = payload.get(begun..head_size)?;
    let mut body = payload.get(head_size..)?;
    let mut values = Vec::new();
    while !head.is_empty() {
        if values.len() == COLUMNS_MAX {
            return None;
        }
        values.push(value(varint(&mut head)?, &mut body)?);
    }
    body.is_empty().then_some(values)
}

fn value(kind: u64, body: &mut &[u8]) -> Option<Value> {
    let size = match kind {
        0 | 8 | 9 => 0,
        1..=4 => usize::try_from(kind).ok()?,
        5 => 6,
        6 | 7 => 8,
        10 | 11 => return None,
        _ => usize::try_from((kind - 12) / 2).ok()?,
    };
    let (bytes, rest) = body.split_at_checked(size)?;
    *body = rest;
    Some(match kind {
        0 => Value::Null,
        8 => Value::Integer(0),
        9 => Value::Integer(1),
        7 => Value::Real(f64::from_be_bytes(*bytes.first_chunk()?)),
        1..=6 => {
            let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
            let start = if negative { -1 } else { 0 };
            let shift = |number: i64, byte: &u8| (number << 8) | i64::from(*byte);
            Value::Integer(bytes.iter().fold(start, shift))
        }
        _ if kind.is_multiple_of(2) => Value::Blob(bytes.to_vec()),
        _ => Value::Text(String::from_utf8(bytes.to_vec()).ok()?),
    })
}

/// SQLite's numbers of one to nine bytes.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for place in 0..9 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        if place == 8 {
            return Some((number << 8) | u64::from(*byte));
        }
        number = (number << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(number)
}

fn short_at(page: &Page, at: usize) -> Option<u16> {
    let bytes = page.get(at..)?.first_chunk::<2>()?;
    Some(u16::from_be_bytes(*bytes))
}
