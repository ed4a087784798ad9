//! What a start finds: everything that was kept, and what could not be read of it.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroU32;

use mqtt_codec::{PacketId, SubscriptionOptions, TopicFilter};
use mqtt_session::time::UnixTime;
use rusqlite::params;

use super::blob::{self, Damaged};
use super::database::Database;
use super::deliveries::count;
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
        self.gone = self.load_gone()?;
        self.spill_all(&mut recovered)?;
        let mut sessions = self.load_sessions(&mut recovered)?;
        self.load_subscriptions(&mut sessions, &mut recovered)?;
        self.load_held(&mut sessions, &mut recovered)?;
        self.load_deliveries(&mut sessions, &mut recovered)?;
        self.load_retained(now, &mut recovered)?;
        let last = |query| integer(&self.connection, query).map(|n| u64::try_from(n).unwrap_or(0));
        let last_message = last(
            "SELECT max(ifnull((SELECT max(m) FROM msg), 0), ifnull((SELECT max(m) FROM q), 0))",
        )?;
        let last_session = last(
            "SELECT max(ifnull((SELECT max(s) FROM sess), 0), ifnull((SELECT max(s) FROM gone), 0))",
        )?;
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

    fn load_gone(&self) -> Result<Vec<SessionNo>, StoreError> {
        let mut query = self.connection.prepare("SELECT s FROM gone")?;
        let sessions = query.query_map([], |row| Ok(session_no(row.get(0)?)))?;
        let sessions: Vec<Option<SessionNo>> = sessions.collect::<rusqlite::Result<_>>()?;
        Ok(sessions.into_iter().flatten().collect())
    }

    /// Nobody is connected: receivers that stand in their message's row get rows of their own.
    fn spill_all(&self, recovered: &mut Recovered) -> Result<(), StoreError> {
        let mut query = self.connection.prepare("SELECT m, r, b FROM hot")?;
        let mut rows = query.query([])?;
        let mut receiver = self.connection.prepare(
            "INSERT OR IGNORE INTO q(s, m, f, p, d, x, l)
             SELECT s, ?2, ?3, NULL, 0, ?4, ?5 FROM sess WHERE s = ?1",
        )?;
        let mut message = self.connection.prepare(
            "INSERT INTO msg(m, c, b) VALUES(?1, ?2, ?3)
             ON CONFLICT(m) DO UPDATE SET c = c + ?2",
        )?;
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
            if receivers > 0 {
                message.execute(params![number, count(receivers), body])?;
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
            connection.execute("UPDATE msg SET c = c - 1 WHERE m = ?1", [number])?;
            connection.execute("DELETE FROM msg WHERE m = ?1 AND c = 0", [number])?;
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
