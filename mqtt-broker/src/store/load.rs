//! What a start finds: everything that was kept, and what could not be read of it.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use mqtt_codec::{PacketId, SubscriptionOptions, TopicFilter};
use mqtt_session::time::UnixTime;
use rusqlite::{OptionalExtension, params};

use super::blob::{self, Damaged};
use super::database::Database;
use super::deliveries::count;
use super::page::column;
use super::schema::integer;
use super::{StoreError, number};
use crate::engine::envelope::Message;
use crate::engine::store_op::{
    Backlog, MessageNo, Receipt, SavedDelivery, SavedSession, SavedSubscription, SessionNo,
    SessionOp,
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
    /// When the last commit was. If the clock stands before it, time has to go on from there.
    pub last_commit: UnixTime,
}

/// What waits for each session, in memory or not.
const COUNT: &str = "SELECT s, count(*), sum(l), sum((f & 3) = 0) FROM q GROUP BY s";

/// What has to be in memory.
pub(super) const IN_MEMORY: &str = "SELECT q.s, q.m, q.f, q.p, q.d, q.x, q.l, msg.b
    FROM q INDEXED BY q_memory LEFT JOIN msg USING(m)
    WHERE q.p IS NOT NULL OR q.d <> 0 OR (q.f & 32) <> 0 ORDER BY q.s, q.m";

type Sessions = BTreeMap<SessionNo, SavedSession>;

impl Database {
    /// Reads what has to be in memory, and removes what of it is damaged or expired. Nobody is
    /// connected, so every receiver gets a row of its own. No message is read that waits in a queue.
    ///
    /// # Errors
    /// Whatever the disk has.
    pub fn load(&mut self, now: UnixTime) -> Result<Recovered, StoreError> {
        let mut recovered = Recovered::default();
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        recovered.last_commit = self.load_last_commit()?;
        let now = now.max(recovered.last_commit);
        self.note_time(now);
        self.gone = self.load_gone()?;
        self.messages = self.load_count()?;
        self.end_unkept()?;
        self.spill_all(&mut recovered)?;
        let mut sessions = self.load_sessions(&mut recovered)?;
        self.load_subscriptions(&mut sessions, &mut recovered)?;
        self.load_held(&mut sessions, &mut recovered)?;
        self.load_deliveries(&mut sessions, &mut recovered)?;
        self.load_retained(now, &mut recovered)?;
        let last = |query| integer(&self.connection, query).map(|n| u64::try_from(n).unwrap_or(0));
        let last_message = last("SELECT ifnull(max(m), 0) FROM msg")?;
        let last_session = last(
            "SELECT max(ifnull((SELECT max(s) FROM sess), 0), ifnull((SELECT max(s) FROM gone), 0))",
        )?;
        self.commit()?;
        recovered.messages = u64::try_from(self.messages).unwrap_or(0);
        recovered.last_numbers.0 = last_message.max(recovered.last_numbers.0);
        recovered.last_numbers.1 = u32::try_from(last_session).unwrap_or(u32::MAX);
        recovered.sessions = sessions.into_values().collect();
        Ok(recovered)
    }

    /// Reads again what is known of the file besides its messages.
    pub(super) fn recall(&mut self) -> rusqlite::Result<()> {
        self.gone = self.load_gone()?;
        self.messages = self.load_count()?;
        self.released.clear();
        let mut query = self
            .connection
            .prepare("SELECT s, p, m FROM q INDEXED BY q_memory WHERE d <> 0 AND p IS NOT NULL")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            // What is damaged is nobody's: the client answers, and nothing is found.
            let session = column(row, 0)?.and_then(session_no);
            let packet_id = column(row, 1)?.and_then(PacketId::new);
            let number = column(row, 2)?.and_then(number);
            if let (Some(session), Some(packet_id), Some(number)) = (session, packet_id, number) {
                let released = self.released.entry(session).or_default();
                released.insert(packet_id, number);
            }
        }
        Ok(())
    }

    fn load_gone(&self) -> rusqlite::Result<Vec<SessionNo>> {
        let mut query = self.connection.prepare("SELECT s FROM gone")?;
        let sessions = query.query_map([], |row| Ok(session_no(row.get(0)?)))?;
        let sessions: Vec<Option<SessionNo>> = sessions.collect::<rusqlite::Result<_>>()?;
        Ok(sessions.into_iter().flatten().collect())
    }

    /// How many messages there are. A file that somebody else has made may not say.
    fn load_count(&mut self) -> rusqlite::Result<i64> {
        let query = "SELECT v FROM meta WHERE k = 'messages'";
        let known = self.connection.query_row(query, [], |row| row.get(0));
        if let Some(known) = known.optional()? {
            self.messages_written = known;
            return Ok(known);
        }
        integer(&self.connection, "SELECT count(*) FROM msg")
    }

    /// Sessions that were to end with their connections.
    fn end_unkept(&mut self) -> Result<(), StoreError> {
        let ended: Vec<Option<SessionNo>> = {
            let mut query = self.connection.prepare("SELECT s FROM sess WHERE e = 0")?;
            let sessions = query.query_map([], |row| Ok(session_no(row.get(0)?)))?;
            sessions.collect::<rusqlite::Result<_>>()?
        };
        for session in ended.into_iter().flatten() {
            self.end(session)?;
        }
        Ok(())
    }

    /// Nobody is connected: receivers that stand in their message's row get rows of their own.
    fn spill_all(&mut self, recovered: &mut Recovered) -> Result<(), StoreError> {
        let mut query = self.connection.prepare("SELECT m, r, b FROM hot")?;
        let mut rows = query.query([])?;
        let mut receiver = self.connection.prepare(
            "INSERT OR IGNORE INTO q(s, m, f, p, d, x, l)
             SELECT s, ?2, ?3, NULL, 0, ?4, ?5 FROM sess WHERE s = ?1",
        )?;
        let mut known = self
            .connection
            .prepare("UPDATE msg SET c = c + ?2 WHERE m = ?1")?;
        let mut message = self
            .connection
            .prepare("INSERT INTO msg(m, c, b) VALUES(?1, ?2, ?3)")?;
        while let Some(row) = rows.next()? {
            let number: i64 = row.get(0)?;
            let (receipts, body): (Vec<u8>, Vec<u8>) = (row.get(1)?, row.get(2)?);
            let receipts = blob::read_receipts(&receipts);
            let (Ok(receipts), Ok(parsed)) = (receipts, blob::read_message(&body)) else {
                recovered.damaged.push(format!("message {number}"));
                continue;
            };
            let mut receivers = 0;
            for receipt in receipts {
                let mut extra = Vec::new();
                blob::write_extra(receipt.extra.as_deref(), &mut extra);
                let values = params![
                    receipt.session.0.get(),
                    number,
                    blob::flags(&receipt),
                    receipt.extra.is_some().then_some(extra),
                    count(parsed.payload_len())
                ];
                receivers += receiver.execute(values)?;
            }
            let receivers = count(receivers);
            if receivers > 0 && known.execute(params![number, receivers])? == 0 {
                message.execute(params![number, receivers, body])?;
                self.messages += 1;
            }
        }
        self.connection.execute_batch("DELETE FROM hot")?;
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
                backlog: Backlog::default(),
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

    /// What has to be in memory of all queues, and how much the rest is.
    fn load_deliveries(
        &mut self,
        sessions: &mut Sessions,
        recovered: &mut Recovered,
    ) -> Result<(), StoreError> {
        self.count_backlogs(sessions)?;
        let Self {
            connection,
            released,
            ..
        } = self;
        let mut query = connection.prepare(IN_MEMORY)?;
        let mut rows = query.query([])?;
        let mut gone: Vec<(SessionNo, MessageNo)> = Vec::new();
        while let Some(row) = rows.next()? {
            let session = session_no(row.get(0)?).and_then(|number| sessions.get_mut(&number));
            let (Some(session), Some(number)) = (session, number(row.get(1)?)) else {
                continue;
            };
            let owner = session.session.session;
            let (flags, done): (u8, bool) = (row.get(2)?, row.get(4)?);
            let packet_id: Option<u16> = row.get(3)?;
            let packet_id = packet_id.and_then(PacketId::new);
            let (extra, length): (Option<Vec<u8>>, i64) = (row.get(5)?, row.get(6)?);
            let mut counted = Backlog::default();
            counted.add(usize::try_from(length).unwrap_or(0), blob::qos(flags));
            session.backlog = session.backlog.less(counted);
            recovered.last_numbers.0 = recovered.last_numbers.0.max(number.0.get());
            let receipt = receipt(owner, flags, extra.as_deref(), packet_id);
            let message = if done {
                if let Some(packet_id) = packet_id {
                    let released = released.entry(owner).or_default();
                    released.insert(packet_id, number);
                }
                Ok(None)
            } else {
                let body: Option<Vec<u8>> = row.get(7)?;
                let body = body.ok_or(Damaged);
                body.and_then(|body| blob::read_message(&body)).map(Some)
            };
            if let (Ok(receipt), Ok(message)) = (receipt, message) {
                session.deliveries.push(SavedDelivery {
                    number,
                    message,
                    receipt,
                });
            } else {
                let client = &session.session.client_id;
                recovered.damaged.push(format!("a message for {client}"));
                gone.push((owner, number));
            }
        }
        drop(rows);
        drop(query);
        for (session, number) in gone {
            self.settle(session, number)?;
        }
        Ok(())
    }

    /// How many messages wait for each session. Rows of one that is not there are of no use.
    fn count_backlogs(&mut self, sessions: &mut Sessions) -> Result<(), StoreError> {
        let mut strangers = Vec::new();
        {
            let mut query = self.connection.prepare(COUNT)?;
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()? {
                let Some(number) = session_no(row.get(0)?) else {
                    continue;
                };
                let count = |at| {
                    Ok::<_, rusqlite::Error>(u64::try_from(row.get::<_, i64>(at)?).unwrap_or(0))
                };
                match sessions.get_mut(&number) {
                    Some(session) => {
                        session.backlog = Backlog {
                            messages: count(1)?,
                            bytes: count(2)?,
                            qos_0: count(3)?,
                        };
                    }
                    None if self.gone.contains(&number) => {}
                    None => strangers.push(number),
                }
            }
        }
        for number in strangers {
            self.end(number)?;
        }
        Ok(())
    }

    fn load_retained(&self, now: UnixTime, recovered: &mut Recovered) -> Result<(), StoreError> {
        let mut query = self.connection.prepare("SELECT t, v, b FROM ret")?;
        let mut gone: Vec<String> = Vec::new();
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let blob: Vec<u8> = row.get(2)?;
            let version = u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0);
            recovered.last_numbers.2 = recovered.last_numbers.2.max(version);
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

/// A delivery from its columns.
pub(super) fn receipt(
    session: SessionNo,
    flags: u8,
    extra: Option<&[u8]>,
    packet_id: Option<PacketId>,
) -> Result<Receipt, Damaged> {
    let receipt = blob::receipt(session, flags, &mut extra.unwrap_or_default())?;
    Ok(Receipt {
        packet_id,
        ..receipt
    })
}

fn session_no(value: i64) -> Option<SessionNo> {
    let value = u32::try_from(value).ok()?;
    NonZeroU32::new(value).map(SessionNo)
}
