//! A small store with something of everything, for tests.

use std::collections::BTreeSet;
use std::path::Path;

use mqtt_codec::{PacketId, QoS, SubscriptionOptions};
use rusqlite::Connection;

use crate::engine::envelope::{Message, MessageHead, tests::message};
use crate::engine::session::SessionExpiry;
use crate::engine::store_op::{
    MessageNo, Origin, PublishOp, Receipt, Retain, Row, SavedSubscription, SavedWill, SessionNo,
    SessionOp, StoreOp,
};
use crate::store::database::Database;
use crate::store::ledger::Effect;
use crate::store::{Sync, blob};

/// Its sessions, by number from 1 on.
pub(crate) const SESSIONS: u32 = 9;
const MESSAGES: u64 = 120;

/// Makes it, closed in order.
pub(crate) fn fill(file: &Path) {
    drop(fill_and_keep_open(file));
}

/// Makes it, with all of it in the journal.
pub(crate) fn fill_and_keep_open(file: &Path) -> Database {
    let mut database = Database::open(file, Sync::Normal).unwrap();
    for effect in effects() {
        database.apply(&effect).unwrap();
    }
    database.commit().unwrap();
    database
}

fn session(value: u32) -> SessionNo {
    SessionNo(value.try_into().unwrap())
}

fn body(value: u64, large: bool) -> Message {
    let size = if large { 9000 } else { 150 };
    let payload = format!("{value:0size$}");
    message(
        MessageHead::default(),
        &format!("topic/{value}"),
        payload.as_bytes(),
    )
}

fn connect(value: u32) -> StoreOp {
    let will = SavedWill {
        message: body(u64::from(value), false),
        expiry: None,
        delay: std::time::Duration::ZERO,
    };
    StoreOp::Session(Box::new(SessionOp {
        session: session(value),
        client_id: format!("client {value}").into(),
        user_name: None,
        listener: 0,
        expiry: SessionExpiry::Never,
        will: value.is_multiple_of(3).then_some(will),
    }))
}

fn publish(value: u64, receivers: &[(u32, QoS, bool)], retained: bool) -> Effect {
    let number = MessageNo(value.try_into().unwrap());
    let message = body(value, value.is_multiple_of(30));
    let receipt = |(of, qos, away): &(u32, QoS, bool)| Receipt {
        session: session(*of),
        qos: *qos,
        retain: false,
        extra: None,
        packet_id: None,
        away: *away,
    };
    let row = Row {
        number,
        message: message.clone(),
        receivers: receivers.iter().map(receipt).collect(),
    };
    let publish = PublishOp {
        number,
        rows: (!receivers.is_empty()).then_some(row).into_iter().collect(),
        retain: retained.then_some(Retain {
            version: value,
            message,
        }),
        awaits: 0,
        origin: Origin::Fresh,
    };
    Effect::Publish(Box::new(publish), Vec::new())
}

/// Everything that a store can keep.
pub(crate) fn effects() -> Vec<Effect> {
    let mut effects = Vec::new();
    for value in 1..=SESSIONS {
        effects.push(Effect::Op(connect(value)));
        for filter in ["a/#", "b/+/c", "d"] {
            effects.push(Effect::Op(StoreOp::Subscribe {
                session: session(value),
                subscription: SavedSubscription {
                    filter: format!("{filter}/{value}").replace("#/", "").into(),
                    options: SubscriptionOptions::default(),
                    identifier: value,
                    replays: false,
                },
            }));
        }
        effects.push(Effect::Op(StoreOp::Hold {
            session: session(value),
            packet_id: PacketId::new(7).unwrap(),
            message: body(u64::from(value), value == 4),
        }));
    }
    for value in 1..=MESSAGES {
        let one = u32::try_from(value % u64::from(SESSIONS)).unwrap() + 1;
        let other = one % SESSIONS + 1;
        let qos = [QoS::AtLeastOnce, QoS::ExactlyOnce][usize::try_from(value % 2).unwrap()];
        let away = !value.is_multiple_of(4);
        let receivers = [(one, qos, away), (other, QoS::AtLeastOnce, away)];
        effects.push(publish(value, &receivers, value.is_multiple_of(3)));
        let (session, number) = (session(one), MessageNo(value.try_into().unwrap()));
        let packet_id = PacketId::new(u16::try_from(value).unwrap()).unwrap();
        if qos == QoS::ExactlyOnce && value % 5 < 2 {
            effects.push(Effect::Op(StoreOp::Sent {
                session,
                number,
                packet_id,
            }));
        }
        if qos == QoS::ExactlyOnce && value % 5 == 1 {
            effects.push(Effect::Op(StoreOp::Released {
                session,
                number,
                packet_id,
            }));
        }
    }
    effects
}

/// What a store keeps, a line each.
pub(crate) fn facts(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let mut facts = BTreeSet::new();
    let mut query = |query: &str| -> rusqlite::Result<()> {
        let mut query = connection.prepare(query)?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let head: String = row.get(0).unwrap();
            let bytes: Option<Vec<u8>> = row.get(1).unwrap();
            let Some(bytes) = bytes else {
                facts.insert(head);
                continue;
            };
            let size = if bytes.len() > 3000 { "large" } else { "small" };
            if blob::read_message(&bytes).is_ok() || blob::read_will(&bytes).is_ok() {
                facts.insert(format!("{head} {size} {:08x}", crc32c::crc32c(&bytes)));
            }
        }
        Ok(())
    };
    query("SELECT 'session ' || client, NULL FROM sess NOT INDEXED")?;
    query(
        "SELECT 'sub ' || client || ' ' || f || ' ' || o || ' ' || i, NULL FROM sub JOIN sess USING(s)",
    )?;
    query(
        "SELECT 'msg ' || client || ' ' || q.m || ' ', b FROM q JOIN sess USING(s) JOIN msg USING(m) WHERE d = 0",
    )?;
    query(
        "SELECT 'released ' || client || ' ' || m || ' ' || p, NULL FROM q JOIN sess USING(s) WHERE d = 1",
    )?;
    query("SELECT 'ret ' || t || ' ', b FROM ret WHERE b IS NOT NULL")?;
    query("SELECT 'held ' || client || ' ' || p || ' ', b FROM held JOIN sess USING(s)")?;
    query("SELECT 'will ' || client || ' ', b FROM will JOIN sess USING(s)")?;
    let mut hot = connection.prepare("SELECT m, r, b FROM hot")?;
    let mut rows = hot.query([])?;
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0).unwrap();
        let (receivers, bytes): (Vec<u8>, Vec<u8>) = (row.get(1).unwrap(), row.get(2).unwrap());
        let size = if bytes.len() > 3000 { "large" } else { "small" };
        for receipt in blob::read_receipts(&receivers).unwrap() {
            let client = format!("client {}", receipt.session.0);
            let sum = crc32c::crc32c(&bytes);
            facts.insert(format!("msg {client} {number}  {size} {sum:08x}"));
        }
    }
    Ok(facts)
}
