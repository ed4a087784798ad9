//! Messages and their receivers as rows: who is connected and will answer soon stands in the
//! message's own row (`hot.rs`), who is away or behind has a row for each message.

use mqtt_codec::{PacketId, QoS};
use rusqlite::params;

use super::blob;
use super::database::{Database, key};
use super::hot::{Cold, Settled};
use crate::engine::store_op::{MessageNo, Receipt, Row, SessionNo};

/// Rows of a session that ended which are removed at a time.
const SLICE: usize = 1000;

impl Database {
    /// A message with its receivers. Those who are connected and will answer soon stand in its own
    /// row; QoS 2 has states, and needs a row for each.
    pub(super) fn insert(&mut self, row: &Row) -> rusqlite::Result<()> {
        let Row {
            number,
            ref message,
            ref receivers,
        } = *row;
        let waits = |receipt: &&Receipt| receipt.away || receipt.qos != QoS::AtLeastOnce;
        let queued = receivers.iter().filter(waits).count();
        if queued > 0 {
            self.insert_message(number, &blob::write_message(message), queued)?;
            for receipt in receivers.iter().filter(waits) {
                self.queue(number, receipt, message.payload_len())?;
            }
        }
        if queued < receivers.len() {
            let inline = receivers.iter().filter(|receipt| !waits(receipt));
            self.hot
                .add(number, inline.cloned().collect(), message.clone());
        }
        Ok(())
    }

    fn insert_message(
        &mut self,
        number: MessageNo,
        body: &[u8],
        rows: usize,
    ) -> rusqlite::Result<()> {
        let insert = "INSERT INTO msg(m, c, b) VALUES(?1, ?2, ?3)";
        self.run(insert, params![key(number), count(rows), body])?;
        self.messages += 1;
        Ok(())
    }

    fn queue(
        &self,
        number: MessageNo,
        receipt: &Receipt,
        payload_bytes: usize,
    ) -> rusqlite::Result<()> {
        let mut extra = Vec::new();
        blob::write_extra(receipt.extra.as_deref(), &mut extra);
        let values = params![
            receipt.session.0.get(),
            key(number),
            blob::flags(receipt),
            receipt.packet_id.map(PacketId::get),
            receipt.extra.is_some().then_some(extra),
            count(payload_bytes)
        ];
        let insert = "INSERT INTO q(s, m, f, p, d, x, l) VALUES(?1, ?2, ?3, ?4, 0, ?5, ?6)";
        self.run(insert, values).map(drop)
    }

    /// The receivers of a message that have not settled it get rows.
    pub(super) fn spill(&mut self, number: MessageNo) -> rusqlite::Result<()> {
        let Some(Cold {
            receivers,
            payload_bytes,
            unwritten,
        }) = self.hot.take(number)
        else {
            return Ok(());
        };
        for receipt in &receivers {
            self.queue(number, receipt, payload_bytes)?;
        }
        let values = params![key(number), count(receivers.len())];
        let known = self.run("UPDATE msg SET c = c + ?2 WHERE m = ?1", values)? > 0;
        if let Some(message) = unwritten {
            if known {
                return Ok(());
            }
            let body = blob::write_message(&message);
            return self.insert_message(number, &body, receivers.len());
        }
        if !known {
            let moved = "INSERT INTO msg(m, c, b) SELECT m, ?2, b FROM hot WHERE m = ?1";
            self.messages += count(self.run(moved, values)?);
        }
        self.run("DELETE FROM hot WHERE m = ?1", [key(number)])
            .map(drop)
    }

    /// A session is done with a message.
    pub(super) fn settle(&mut self, session: SessionNo, number: MessageNo) -> rusqlite::Result<()> {
        match self.hot.settle(session, number) {
            Settled::Nothing => Ok(()),
            Settled::Row => self
                .run("DELETE FROM hot WHERE m = ?1", [key(number)])
                .map(drop),
            Settled::Unknown => {
                let values = params![session.0.get(), key(number)];
                let gone = self.run("DELETE FROM q WHERE s = ?1 AND m = ?2", values)?;
                if gone > 0 {
                    self.unref(number)?;
                }
                Ok(())
            }
        }
    }

    /// One row less needs a message.
    fn unref(&mut self, number: MessageNo) -> rusqlite::Result<()> {
        let last = "DELETE FROM msg WHERE m = ?1 AND c = 1";
        let gone = self.run(last, [key(number)])?;
        self.messages -= count(gone);
        if gone == 0 {
            self.run("UPDATE msg SET c = c - 1 WHERE m = ?1", [key(number)])?;
        }
        Ok(())
    }

    pub(super) fn release(
        &mut self,
        session: SessionNo,
        number: MessageNo,
        packet_id: PacketId,
    ) -> rusqlite::Result<()> {
        let values = params![session.0.get(), key(number)];
        let released = self.run(
            "UPDATE q SET d = 1 WHERE s = ?1 AND m = ?2 AND d = 0",
            values,
        )?;
        if released > 0 {
            let released = self.released.entry(session).or_default();
            released.insert(packet_id, number);
            self.unref(number)?;
        }
        Ok(())
    }

    pub(super) fn complete(
        &mut self,
        session: SessionNo,
        packet_id: PacketId,
    ) -> rusqlite::Result<()> {
        let released = self.released.get_mut(&session);
        if let Some(number) = released.and_then(|released| released.remove(&packet_id)) {
            let values = params![session.0.get(), key(number)];
            self.run("DELETE FROM q WHERE s = ?1 AND m = ?2 AND d = 1", values)?;
        }
        Ok(())
    }

    /// A session ends. Its deliveries may be millions, and go in slices.
    pub(super) fn end(&mut self, session: SessionNo) -> rusqlite::Result<()> {
        for number in self.hot.of(session) {
            self.settle(session, number)?;
        }
        self.released.remove(&session);
        for table in ["held", "sub", "will", "sess"] {
            let delete = format!("DELETE FROM {table} WHERE s = ?1");
            self.run(&delete, [session.0.get()])?;
        }
        if self.end_slice(session)? {
            self.end_later(session)?;
        }
        Ok(())
    }

    /// What is left of a session is removed bit by bit.
    fn end_later(&mut self, session: SessionNo) -> rusqlite::Result<()> {
        let insert = "INSERT OR IGNORE INTO gone(s) VALUES(?1)";
        self.run(insert, [session.0.get()])?;
        self.gone.push(session);
        Ok(())
    }

    /// Whether rows of ended sessions are still to be removed.
    #[must_use]
    pub fn is_tidying(&self) -> bool {
        !self.gone.is_empty()
    }

    /// Removes some of what ended sessions left. A commit of its own makes it last.
    ///
    /// # Errors
    /// Whatever the disk has.
    pub fn tidy(&mut self) -> rusqlite::Result<()> {
        let Some(session) = self.gone.last().copied() else {
            return Ok(());
        };
        if !self.end_slice(session)? {
            self.run("DELETE FROM gone WHERE s = ?1", [session.0.get()])?;
            self.gone.pop();
        }
        Ok(())
    }

    /// Removes some of a session's deliveries. Whether there may be more.
    fn end_slice(&mut self, session: SessionNo) -> rusqlite::Result<bool> {
        let session = session.0.get();
        let waiting: Vec<(i64, bool)> = self
            .connection
            .prepare_cached("SELECT m, d <> 0 FROM q WHERE s = ?1 ORDER BY m LIMIT ?2")?
            .query_map(params![session, count(SLICE)], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        let Some((last, _)) = waiting.last() else {
            return Ok(false);
        };
        let delete = "DELETE FROM q WHERE s = ?1 AND m <= ?2";
        self.run(delete, params![session, last])?;
        let needed = waiting.iter().filter(|(_, done)| !done);
        for number in needed.filter_map(|(number, _)| super::number(*number)) {
            self.unref(number)?;
        }
        Ok(waiting.len() == SLICE)
    }
}

pub(super) fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
