//! What a start finds: everything that was kept, and what could not be read of it.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroU32;

use mqtt_codec::{PacketId, SubscriptionOptions, TopicFilter};
use mqtt_session::time::UnixTime;
use rusqlite::params;

use super::blob::{self, Damaged};
use super::database::Database;
use super::schema::integer;
use super::{StoreError, number};
use crate::engine::envelope::Message;
use crate::engine::store_op::{
    MessageNo, Receipt, SavedDelivery, SavedSession, SavedSubscription, SessionNo, SessionOp,
};

/// What was kept.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Sessions with their subscriptions and messages.
    pub sessions: Vec<SavedSession>,
    /// Retained messages with their versions.
    pub retained: Vec<(u64, Message)>,
    /// The highest numbers of messages and sessions, and the highest version of a retained message.
    pub last_numbers: (u64, u32, u64),
    /// Entries that are damaged and were left out: of which client, or of which topic.
    pub damaged: Vec<String>,
    /// Messages in the store.
    pub messages: u64,
}

/// Counts the receivers of each message anew. One pass over all rows: they are ordered by session, so
/// that to count them message by message would be a pass for each.
const COUNT: &str = "UPDATE msg SET c = counted.n
    FROM (SELECT m, count(*) AS n FROM q WHERE d = 0 GROUP BY m) AS counted
    WHERE counted.m = msg.m AND counted.n <> msg.c";

type Sessions = BTreeMap<SessionNo, SavedSession>;

impl Database {
    /// Reads everything, and removes what is damaged or expired. Nobody is connected, so every receiver
    /// gets a row of its own.
    ///
    /// # Errors
    /// Whatever the disk has.
    pub fn load(&mut self, now: UnixTime) -> Result<Recovered, StoreError> {
        let mut recovered = Recovered::default();
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        self.spill_all(&mut recovered)?;
        self.drop_dangling()?;
        let mut sessions = self.load_sessions(&mut recovered)?;
        self.load_subscriptions(&mut sessions, &mut recovered)?;
        self.load_held(&mut sessions, &mut recovered)?;
        self.load_deliveries(&mut sessions, &mut recovered)?;
        self.load_retained(now, &mut recovered)?;
        let last = |query| integer(&self.connection, query).map(|n| u64::try_from(n).unwrap_or(0));
        let last_message = last(
            "SELECT max(ifnull((SELECT max(m) FROM msg), 0), ifnull((SELECT max(m) FROM q), 0))",
        )?;
        let last_session = last("SELECT ifnull(max(s), 0) FROM sess")?;
        let last_version = last("SELECT ifnull(max(v), 0) FROM ret")?;
        self.connection
            .execute_batch("DELETE FROM ret WHERE b IS NULL; COMMIT")?;
        recovered.last_numbers = (
            last_message,
            u32::try_from(last_session).unwrap_or(u32::MAX),
            last_version,
        );
        recovered.sessions = sessions.into_values().collect();
        Ok(recovered)
    }

    fn spill_all(&mut self, recovered: &mut Recovered) -> Result<(), StoreError> {
        let mut inline = self
            .connection
            .prepare("SELECT m, r FROM msg WHERE r IS NOT NULL")?;
        let mut rows = inline.query([])?;
        let mut insert = self.connection.prepare(
            "INSERT OR IGNORE INTO q(s, m, f, p, d, x)
             SELECT s, ?2, ?3, NULL, 0, ?4 FROM sess WHERE s = ?1",
        )?;
        let mut update = self
            .connection
            .prepare("UPDATE msg SET r = NULL, c = c + ?2 WHERE m = ?1")?;
        while let Some(row) = rows.next()? {
            let number: i64 = row.get(0)?;
            let blob: Vec<u8> = row.get(1)?;
            let Ok(receivers) = blob::read_receipts(&blob) else {
                recovered
                    .damaged
                    .push(format!("the receivers of message {number}"));
                update.execute(params![number, 0])?;
                continue;
            };
            let mut count = 0_i64;
            for receipt in receivers {
                let mut extra = Vec::new();
                blob::write_extra(receipt.extra.as_deref(), &mut extra);
                let extra = receipt.extra.is_some().then_some(extra);
                let flags = blob::flags(&receipt);
                let values = params![receipt.session.0.get(), number, flags, extra];
                count += i64::from(insert.execute(values)? > 0);
            }
            update.execute(params![number, count])?;
        }
        Ok(())
    }

    /// What nobody needs any more, which a crash may leave.
    fn drop_dangling(&self) -> Result<(), StoreError> {
        self.connection.execute_batch(
            "DELETE FROM q WHERE s NOT IN (SELECT s FROM sess);
             DELETE FROM sub WHERE s NOT IN (SELECT s FROM sess);
             DELETE FROM held WHERE s NOT IN (SELECT s FROM sess);
             DELETE FROM will WHERE s NOT IN (SELECT s FROM sess);
             DELETE FROM msg WHERE r IS NULL AND m NOT IN (SELECT m FROM q WHERE d = 0);",
        )?;
        self.connection.execute_batch(COUNT)?;
        Ok(())
    }

    fn load_sessions(&self, recovered: &mut Recovered) -> Result<Sessions, StoreError> {
        let mut sessions = Sessions::new();
        let mut query = self.connection.prepare(
            "SELECT sess.s, client, e, a, u, l, will.due, will.b FROM sess LEFT JOIN will USING(s)",
        )?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let client_id: String = row.get(1)?;
            let Some(session) = session_no(row.get(0)?) else {
                recovered.damaged.push(client_id);
                continue;
            };
            let will: Option<Vec<u8>> = row.get(7)?;
            let will = match will.map(|blob| blob::read_will(&blob)).transpose() {
                Ok(will) => will,
                Err(Damaged) => {
                    recovered.damaged.push(format!("the will of {client_id}"));
                    None
                }
            };
            let time = |millis: i64| UnixTime::from_millis(u64::try_from(millis).unwrap_or(0));
            let away: Option<i64> = row.get(3)?;
            let due: Option<i64> = row.get(6)?;
            let user_name: Option<String> = row.get(4)?;
            let saved = SavedSession {
                session: SessionOp {
                    session,
                    client_id: client_id.into(),
                    user_name: user_name.map(Into::into),
                    listener: row.get(5)?,
                    expiry: blob::expiry_from_millis(row.get(2)?),
                    will,
                },
                away: away.map(|since| (time(since), due.map(time))),
                subscriptions: Vec::new(),
                held: Vec::new(),
                deliveries: Vec::new(),
            };
            sessions.insert(session, saved);
        }
        Ok(sessions)
    }

    fn load_subscriptions(
        &self,
        sessions: &mut Sessions,
        recovered: &mut Recovered,
    ) -> Result<(), StoreError> {
        let mut query = self.connection.prepare("SELECT s, f, o, i, r FROM sub")?;
        let mut delete = self
            .connection
            .prepare("DELETE FROM sub WHERE s = ?1 AND f = ?2")?;
        let mut gone: Vec<(i64, String)> = Vec::new();
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let filter: String = row.get(1)?;
            let options = SubscriptionOptions::from_byte(row.get(2)?);
            let session = session_no(row.get(0)?).and_then(|number| sessions.get_mut(&number));
            let (Some(session), Ok(options), Ok(_)) =
                (session, options, TopicFilter::parse(&filter))
            else {
                recovered
                    .damaged
                    .push(format!("a subscription of {filter}"));
                gone.push((row.get(0)?, filter));
                continue;
            };
            session.subscriptions.push(SavedSubscription {
                filter: filter.into(),
                options,
                identifier: row.get(3)?,
                replays: row.get(4)?,
            });
        }
        for (session, filter) in gone {
            delete.execute(params![session, filter])?;
        }
        Ok(())
    }

    fn load_held(
        &self,
        sessions: &mut Sessions,
        recovered: &mut Recovered,
    ) -> Result<(), StoreError> {
        let mut query = self
            .connection
            .prepare("SELECT s, p, b, n FROM held ORDER BY n")?;
        let mut gone: Vec<i64> = Vec::new();
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let session = session_no(row.get(0)?).and_then(|number| sessions.get_mut(&number));
            let blob: Vec<u8> = row.get(2)?;
            let message = blob::read_message(&blob);
            if let (Some(session), Some(packet_id), Ok(message)) =
                (session, PacketId::new(row.get(1)?), message)
            {
                session.held.push((packet_id, message));
            } else {
                recovered.damaged.push("a message that was held".to_owned());
                gone.push(row.get(3)?);
            }
        }
        for number in gone {
            self.connection
                .execute("DELETE FROM held WHERE n = ?1", [number])?;
        }
        Ok(())
    }

    fn load_deliveries(
        &mut self,
        sessions: &mut Sessions,
        recovered: &mut Recovered,
    ) -> Result<(), StoreError> {
        let Self {
            connection,
            released,
            ..
        } = self;
        let mut query = connection.prepare(
            "SELECT q.s, q.m, q.f, q.p, q.d, q.x, msg.b FROM q LEFT JOIN msg USING(m)
             ORDER BY q.m, q.s",
        )?;
        let mut rows = query.query([])?;
        let mut bodies = Bodies::default();
        let mut gone: Vec<(i64, i64)> = Vec::new();
        while let Some(row) = rows.next()? {
            let session_no = session_no(row.get(0)?);
            let session = session_no.and_then(|number| sessions.get_mut(&number));
            let (Some(session), Some(number)) = (session, number(row.get(1)?)) else {
                continue;
            };
            let done: bool = row.get(4)?;
            let packet_id: Option<u16> = row.get(3)?;
            let packet_id = packet_id.and_then(PacketId::new);
            let extra: Option<Vec<u8>> = row.get(5)?;
            let receipt = receipt(&session.session, row.get(2)?, extra.as_deref(), packet_id);
            let message = if done {
                if let Some(packet_id) = packet_id {
                    let released = released.entry(session.session.session).or_default();
                    released.insert(packet_id, number);
                }
                Ok(None)
            } else {
                let blob: Option<Vec<u8>> = row.get(6)?;
                bodies.read(number, blob.as_deref()).map(Some)
            };
            match (receipt, message) {
                (Ok(receipt), Ok(message)) => session.deliveries.push(SavedDelivery {
                    number,
                    message,
                    receipt,
                }),
                _ => {
                    let client = &session.session.client_id;
                    recovered.damaged.push(format!("a message for {client}"));
                    gone.push((row.get(0)?, row.get(1)?));
                }
            }
        }
        for (session, number) in gone {
            let delete = "DELETE FROM q WHERE s = ?1 AND m = ?2";
            connection.execute(delete, [session, number])?;
            let delete = "DELETE FROM msg WHERE m = ?1
                          AND NOT EXISTS(SELECT 1 FROM q WHERE m = ?1 AND d = 0)";
            connection.execute(delete, [number])?;
        }
        recovered.messages = bodies.known.len() as u64;
        Ok(())
    }

    fn load_retained(&self, now: UnixTime, recovered: &mut Recovered) -> Result<(), StoreError> {
        let mut query = self
            .connection
            .prepare("SELECT t, v, b FROM ret WHERE b IS NOT NULL")?;
        let mut gone: Vec<String> = Vec::new();
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let blob: Vec<u8> = row.get(2)?;
            let version = u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0);
            match blob::read_message(&blob) {
                Ok(message) if message.view().is_expired(now) => gone.push(row.get(0)?),
                Ok(message) => recovered.retained.push((version, message)),
                Err(Damaged) => {
                    let topic: String = row.get(0)?;
                    recovered
                        .damaged
                        .push(format!("the retained message of {topic}"));
                    gone.push(topic);
                }
            }
        }
        for topic in gone {
            self.connection
                .execute("DELETE FROM ret WHERE t = ?1", [topic])?;
        }
        Ok(())
    }
}

/// Messages by number: one block for all their receivers, who come one after another.
#[derive(Default)]
struct Bodies {
    known: HashSet<MessageNo>,
    last: Option<(MessageNo, Message)>,
}

impl Bodies {
    fn read(&mut self, number: MessageNo, blob: Option<&[u8]>) -> Result<Message, Damaged> {
        if let Some((known, message)) = &self.last
            && *known == number
        {
            return Ok(message.clone());
        }
        let message = blob::read_message(blob.ok_or(Damaged)?)?;
        self.known.insert(number);
        self.last = Some((number, message.clone()));
        Ok(message)
    }
}

fn receipt(
    session: &SessionOp,
    flags: u8,
    extra: Option<&[u8]>,
    packet_id: Option<PacketId>,
) -> Result<Receipt, Damaged> {
    let receipt = blob::receipt(session.session, flags, &mut extra.unwrap_or_default())?;
    Ok(Receipt {
        packet_id,
        ..receipt
    })
}

fn session_no(value: i64) -> Option<SessionNo> {
    let value = u32::try_from(value).ok()?;
    NonZeroU32::new(value).map(SessionNo)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::store::schema::Sync;

    #[test]
    fn receivers_are_counted_in_one_pass() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let database = open(&path);
        let sessions = "INSERT INTO q(s, m, f, d) VALUES (1, 1, 0, 0), (2, 1, 0, 0), (2, 2, 0, 0),
            (3, 2, 0, 1)";
        let messages = "INSERT INTO msg(m, c, b) VALUES (1, 7, x''), (2, 1, x'')";
        database.connection.execute_batch(sessions).unwrap();
        database.connection.execute_batch(messages).unwrap();
        database.connection.execute_batch(COUNT).unwrap();
        let count = "SELECT c FROM msg WHERE m = ?1";
        for (message, expected) in [(1, 2), (2, 1)] {
            let counted: i64 = database
                .connection
                .query_row(count, [message], |row| row.get(0))
                .unwrap();
            assert_eq!(counted, expected, "receivers of message {message}");
        }
        let plan = format!("EXPLAIN QUERY PLAN {COUNT}");
        let mut steps = database.connection.prepare(&plan).unwrap();
        let steps = steps.query_map([], |row| row.get::<_, String>(3)).unwrap();
        let steps: Vec<String> = steps.map(Result::unwrap).collect();
        let scans = steps.iter().filter(|step| step.contains("SCAN q"));
        assert_eq!(scans.count(), 1, "{steps:?}");
        assert!(!steps.concat().contains("CORRELATED"), "{steps:?}");
    }

    fn open(path: &Path) -> Database {
        Database::open(path, Sync::Full).unwrap()
    }
}
