//! Queues that are too long for memory are read a page at a time, by the one connection there is: no
//! snapshot of another keeps the journal from being used again, and a page shows exactly what took
//! effect before it was asked for.

use rusqlite::types::FromSql;
use rusqlite::{Error, Row, params};

use super::blob;
use super::database::{Database, signed};
use super::deliveries::count;
use super::load::receipt;
use super::number;
use crate::engine::ids::ShardId;
use crate::engine::store_op::{Backlog, MessageNo, Page, ReadOp, SavedDelivery};

/// What waits in the store alone: not sent under a packet id, not taken over by the client, and not
/// through a shared subscription. Everything else is in the index `q_memory`.
pub(super) const READ: &str = "SELECT q.m, q.f, q.x, q.l, msg.b FROM q LEFT JOIN msg USING(m)
    WHERE q.s = ?1 AND q.m > ?2 AND q.m <= ?3 AND q.p IS NULL AND q.d = 0 AND (q.f & 32) = 0
    ORDER BY q.m";

/// A row as it stands there.
struct Found {
    number: MessageNo,
    flags: Option<u8>,
    extra: Option<Option<Vec<u8>>>,
    payload_bytes: usize,
    body: Option<Vec<u8>>,
}

impl Found {
    /// What it takes in memory.
    fn bytes(&self) -> u64 {
        let extra = self.extra.iter().flatten();
        let blobs = self.body.iter().chain(extra);
        blobs.map(|blob| blob.len() as u64).sum()
    }
}

impl Database {
    /// Reads a page. What is damaged is removed.
    pub(super) fn read(&mut self, op: &ReadOp) -> rusqlite::Result<()> {
        let mut page = Page {
            reader: op.reader.session,
            deliveries: Vec::new(),
            damaged: Backlog::default(),
            upto: None,
            last: true,
        };
        let mut removed = Vec::new();
        for found in self.find(op, &mut page.last)? {
            page.upto = Some(found.number);
            match delivery(op, &found) {
                Some(delivery) => page.deliveries.push(delivery),
                None => {
                    let qos = blob::qos(found.flags.unwrap_or_default());
                    page.damaged.add(found.payload_bytes, qos);
                    removed.push(found.number);
                }
            }
        }
        for number in removed {
            self.settle(op.session, number)?;
        }
        self.pages.push((op.reader.shard, page));
        Ok(())
    }

    fn find(&self, op: &ReadOp, last: &mut bool) -> rusqlite::Result<Vec<Found>> {
        let mut query = self.connection.prepare_cached(READ)?;
        let after = op.after.map_or(0, |number| signed(number.0.get()));
        let upto = op.upto.map_or(0, |number| signed(number.0.get()));
        let mut rows = query.query(params![op.session.0.get(), after, upto])?;
        let mut found = Vec::new();
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            let Some(number) = column(row, 0)?.and_then(number) else {
                // It cannot be asked for; what is missing in the end is told.
                continue;
            };
            let payload_bytes: Option<u32> = column(row, 3)?;
            let payload_bytes = payload_bytes.and_then(|bytes| usize::try_from(bytes).ok());
            let row = Found {
                number,
                flags: column(row, 1)?,
                extra: column(row, 2)?,
                payload_bytes: payload_bytes.unwrap_or_default(),
                body: column(row, 4)?.flatten(),
            };
            bytes += row.bytes();
            found.push(row);
            if bytes >= op.bytes || count(found.len()) >= i64::from(op.messages) {
                *last = false;
                break;
            }
        }
        Ok(found)
    }

    /// Hands over the pages that were read; what they show may be told once it is committed.
    pub fn take_pages(&mut self) -> Vec<(ShardId, Page)> {
        self.pages_read.append(&mut self.pages);
        std::mem::take(&mut self.pages_read)
    }
}

/// What stands in a column; `None` if it is nothing that is ever written there: then the row is damaged,
/// and the disk is not.
pub(super) fn column<T: FromSql>(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<T>> {
    match row.get(at) {
        Ok(value) => Ok(Some(value)),
        Err(
            Error::InvalidColumnType(..)
            | Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::Utf8Error(..),
        ) => Ok(None),
        Err(error) => Err(error),
    }
}

fn delivery(op: &ReadOp, found: &Found) -> Option<SavedDelivery> {
    let message = blob::read_message(found.body.as_deref()?).ok()?;
    let extra = found.extra.as_ref()?.as_deref();
    Some(SavedDelivery {
        number: found.number,
        message: Some(message),
        receipt: receipt(op.session, found.flags?, extra, None).ok()?,
    })
}
