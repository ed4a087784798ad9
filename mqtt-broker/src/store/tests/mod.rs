//! What is written is what is found, through a file.

mod full;
mod queues;
mod squeeze;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mqtt_codec::{PacketId, QoS, SubscriptionOptions};
use mqtt_session::time::UnixTime;
use smallvec::smallvec;

use super::database::Database;
use super::ledger::Effect;
use super::{Recovered, Sync, blob};
use crate::engine::envelope::{Message, MessageHead, tests::message};
use crate::engine::ids::{SessionAddress, SessionId, ShardId};
use crate::engine::routing::local::Extra;
use crate::engine::session::SessionExpiry;
use crate::engine::store_op::{
    Backlog, MessageNo, Origin, Page, PublishOp, ReadOp, Receipt, Retain, Row, Rows,
    SavedSubscription, SavedWill, SessionNo, SessionOp, StoreOp,
};

const NOW: UnixTime = UnixTime::from_millis(1_800_000_000_000);

fn session(value: u32) -> SessionNo {
    SessionNo(value.try_into().unwrap())
}

fn number(value: u64) -> MessageNo {
    MessageNo(value.try_into().unwrap())
}

fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap()
}

fn text(text: &str) -> Message {
    message(MessageHead::default(), "t", text.as_bytes())
}

fn connect(value: u32) -> StoreOp {
    StoreOp::Session(Box::new(SessionOp {
        session: session(value),
        client_id: format!("client {value}").into(),
        user_name: Some("somebody".into()),
        listener: 3,
        expiry: SessionExpiry::After(Duration::from_secs(60)),
        will: None,
    }))
}

fn receipt(value: u32, qos: QoS, away: bool) -> Receipt {
    Receipt {
        session: session(value),
        qos,
        retain: false,
        extra: None,
        packet_id: None,
        away,
    }
}

fn publish(value: u64, receivers: Vec<Receipt>) -> Effect {
    let row = Row {
        number: number(value),
        message: text(&value.to_string()),
        receivers: receivers.into(),
    };
    let publish = PublishOp {
        number: number(value),
        rows: smallvec![row],
        retain: None,
        awaits: 0,
        origin: Origin::Fresh,
    };
    Effect::Publish(Box::new(publish), Vec::new())
}

fn retain(version: u64, payload: &str) -> Effect {
    let publish = PublishOp {
        number: number(900 + version),
        rows: Rows::new(),
        retain: Some(Retain {
            version,
            message: text(payload),
        }),
        awaits: 0,
        origin: Origin::Fresh,
    };
    Effect::Publish(Box::new(publish), Vec::new())
}

struct File(tempfile::TempDir);

impl File {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("store")
    }

    fn write(&self, effects: impl IntoIterator<Item = Effect>) {
        let mut database = open(&self.path());
        database.load(NOW).unwrap();
        for effect in effects {
            database.apply(&effect).unwrap();
        }
        database.commit().unwrap();
    }

    /// As [`Self::write`], with a commit after each.
    fn write_apart(&self, effects: impl IntoIterator<Item = Effect>) {
        let mut database = open(&self.path());
        database.load(NOW).unwrap();
        for effect in effects {
            database.apply(&effect).unwrap();
            database.commit().unwrap();
        }
    }

    /// What a start finds, and what is read in pages later.
    fn load(&self) -> Recovered {
        let mut database = open(&self.path());
        let mut recovered = database.load(NOW).unwrap();
        for saved in &mut recovered.sessions {
            let mut read = Backlog::default();
            let mut after = None;
            loop {
                let page = page(&mut database, saved.session.session, after);
                after = page.upto;
                for delivery in page.deliveries {
                    let message = delivery.message.as_ref().unwrap();
                    read.add(message.payload_len(), delivery.receipt.qos);
                    saved.deliveries.push(delivery);
                }
                if page.last {
                    break;
                }
            }
            assert_eq!(read, saved.backlog);
            saved.deliveries.sort_by_key(|delivery| delivery.number);
        }
        recovered
    }
}

/// Reads three messages of a queue.
fn page(database: &mut Database, of: SessionNo, after: Option<MessageNo>) -> Page {
    page_of(database, of, after, (3, u64::MAX))
}

/// Reads so many messages of a queue, or so many bytes.
fn page_of(
    database: &mut Database,
    of: SessionNo,
    after: Option<MessageNo>,
    most: (u32, u64),
) -> Page {
    database.apply(&read_op(of, after, most)).unwrap();
    let [(ShardId(0), page)] = <[_; 1]>::try_from(database.take_pages()).unwrap() else {
        panic!("a page of another shard")
    };
    page
}

/// Shard 0 asks for that.
fn read_op(of: SessionNo, after: Option<MessageNo>, (messages, bytes): (u32, u64)) -> Effect {
    let reader = SessionAddress {
        shard: ShardId(0),
        session: SessionId {
            index: 1,
            generation: 1,
        },
    };
    Effect::Op(StoreOp::Read(ReadOp {
        reader,
        session: of,
        after,
        upto: Some(number(1_000_000)),
        messages,
        bytes,
    }))
}

fn open(path: &Path) -> Database {
    Database::open(path, Sync::Normal).unwrap()
}

/// Sessions with what waits for each, as text.
fn deliveries(recovered: &Recovered) -> Vec<String> {
    let line = |saved: &crate::engine::store_op::SavedSession| {
        let deliveries = saved.deliveries.iter().map(|delivery| {
            let body = delivery.message.as_ref().map(|m| m.view().payload.to_vec());
            let body = body.map_or_else(|| "-".to_owned(), |b| String::from_utf8(b).unwrap());
            let packet_id = delivery.receipt.packet_id;
            packet_id.map_or_else(|| body.clone(), |id| format!("{body} as {id}"))
        });
        let all: Vec<String> = deliveries.collect();
        format!("{}: {}", saved.session.session.0, all.join(", "))
    };
    recovered.sessions.iter().map(line).collect()
}

#[test]
fn a_message_stays_until_the_last_of_its_receivers_is_done_with_it() {
    let file = File::new();
    let receivers = || {
        vec![
            receipt(1, QoS::AtLeastOnce, false),
            receipt(2, QoS::AtLeastOnce, false),
            receipt(3, QoS::AtLeastOnce, true),
        ]
    };
    let acked = |of, value| {
        let (session, number) = (session(of), number(value));
        Effect::Op(StoreOp::Acked { session, number })
    };
    file.write([1, 2, 3].map(|n| Effect::Op(connect(n))));
    file.write_apart([
        publish(7, receivers()),
        acked(1, 7),
        publish(8, receivers()),
    ]);
    // What was acknowledged while the message was hot may come again, and no more than that.
    assert_eq!(deliveries(&file.load()), ["1: 7, 8", "2: 7, 8", "3: 7, 8"]);
    file.write([acked(1, 7), acked(2, 7), acked(1, 8), acked(3, 8)]);
    assert_eq!(deliveries(&file.load()), ["1: ", "2: 8", "3: 7"]);
    file.write([acked(3, 7), acked(2, 8)]);
    let recovered = file.load();
    assert_eq!(deliveries(&recovered), ["1: ", "2: ", "3: "]);
    assert_eq!((recovered.messages, recovered.last_numbers.1), (0, 3));
}

#[test]
fn who_goes_away_or_for_good_takes_nothing_from_the_others() {
    let file = File::new();
    let both = || {
        let receipt = |of| receipt(of, QoS::AtLeastOnce, false);
        vec![receipt(1), receipt(2)]
    };
    let away = StoreOp::Away {
        session: session(1),
        since: UnixTime::from_millis(5),
        expiry: SessionExpiry::Never,
        will_due: None,
    };
    let acked = StoreOp::Acked {
        session: session(2),
        number: number(7),
    };
    let end = StoreOp::End {
        session: session(1),
    };
    file.write([1, 2].map(|n| Effect::Op(connect(n))));
    file.write([
        publish(7, both()),
        Effect::Op(away),
        Effect::Op(acked),
        publish(8, both()),
    ]);
    let recovered = file.load();
    assert_eq!(deliveries(&recovered), ["1: 7, 8", "2: 8"]);
    let first = &recovered.sessions[0];
    assert_eq!(first.away, Some((UnixTime::from_millis(5), None)));
    assert_eq!(first.session.expiry, SessionExpiry::Never);
    file.write([Effect::Op(end)]);
    assert_eq!(deliveries(&file.load()), ["2: 8"]);
}

#[test]
fn qos_2_keeps_its_packet_id_through_every_state() {
    let file = File::new();
    let (of, value) = (session(1), number(7));
    let steps = [
        StoreOp::Sent {
            session: of,
            number: value,
            packet_id: id(5),
        },
        StoreOp::Released {
            session: of,
            number: value,
            packet_id: id(5),
        },
        StoreOp::Completed {
            session: of,
            packet_id: id(5),
        },
    ];
    file.write([
        Effect::Op(connect(1)),
        publish(7, vec![receipt(1, QoS::ExactlyOnce, false)]),
    ]);
    for (step, expected) in steps.into_iter().zip(["1: 7 as 5", "1: - as 5", "1: "]) {
        file.write([Effect::Op(step)]);
        assert_eq!(deliveries(&file.load()), [expected]);
    }
    assert_eq!(file.load().messages, 0);
}

#[test]
fn a_retained_message_is_never_replaced_by_an_older_one() {
    let file = File::new();
    file.write([retain(2, "second"), retain(1, "first")]);
    let payloads = |recovered: &Recovered| -> Vec<(u64, Vec<u8>)> {
        let line =
            |(version, message): &(u64, Message)| (*version, message.view().payload.to_vec());
        recovered.retained.iter().map(line).collect()
    };
    assert_eq!(payloads(&file.load()), [(2, b"second".to_vec())]);
    file.write([retain(5, ""), retain(4, "late")]);
    let recovered = file.load();
    assert_eq!(
        (payloads(&recovered), recovered.last_numbers.2),
        (vec![], 0)
    );
}

#[test]
fn sessions_subscriptions_wills_and_held_messages_come_back_as_they_were() {
    let file = File::new();
    let of = session(1);
    let will = SavedWill {
        message: text("gone"),
        expiry: Some(Duration::from_secs(9)),
        delay: Duration::from_secs(7),
    };
    let mut op = connect(1);
    if let StoreOp::Session(op) = &mut op {
        op.will = Some(will.clone());
    }
    let subscription = |filter: &str, replays| SavedSubscription {
        filter: filter.into(),
        options: SubscriptionOptions {
            qos: QoS::ExactlyOnce,
            no_local: true,
            ..SubscriptionOptions::default()
        },
        identifier: 77,
        replays,
    };
    let subscribe = |filter, replays| StoreOp::Subscribe {
        session: of,
        subscription: subscription(filter, replays),
    };
    let hold = |packet_id, body| StoreOp::Hold {
        session: of,
        packet_id: id(packet_id),
        message: text(body),
    };
    let ops = [
        op,
        subscribe("a/#", true),
        subscribe("b", false),
        subscribe("c", false),
        StoreOp::Replayed {
            session: of,
            filter: "a/#".into(),
        },
        StoreOp::Unsubscribe {
            session: of,
            filter: "c".into(),
        },
        hold(9, "nine"),
        hold(3, "three"),
    ];
    file.write(ops.map(Effect::Op));
    let recovered = file.load();
    let saved = &recovered.sessions[0];
    assert_eq!(saved.session.will, Some(will));
    assert_eq!(saved.session.user_name.as_deref(), Some("somebody"));
    assert_eq!((saved.session.listener, saved.away), (3, None));
    let expected = [subscription("a/#", false), subscription("b", false)];
    assert_eq!(saved.subscriptions, expected);
    let held: Vec<u16> = saved.held.iter().map(|(id, _)| id.get()).collect();
    assert_eq!(held, [9, 3]);
    assert!(recovered.damaged.is_empty());
}

#[test]
fn a_blob_gives_back_what_was_written_and_no_damage_passes() {
    let mut receipt = receipt(7, QoS::AtLeastOnce, true);
    receipt.extra = Some(Arc::new(Extra {
        identifiers: vec![1, 268_435_455],
        group: Some("g/t".into()),
    }));
    let receipts = [receipt, super::tests::receipt(8, QoS::AtMostOnce, false)];
    let blob = blob::write_receipts(receipts.iter());
    assert_eq!(blob::read_receipts(&blob).unwrap(), receipts);
    for at in 0..blob.len() {
        let mut damaged = blob.clone();
        damaged[at] ^= 0x10;
        assert!(blob::read_receipts(&damaged).is_err(), "at {at}");
        assert!(blob::read_receipts(&blob[..at]).is_err(), "cut at {at}");
    }
}
