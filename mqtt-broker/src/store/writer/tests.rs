//! The writer with a real file.

use super::*;
use mqtt_codec::SubscriptionOptions;
use smallvec::smallvec;

use crate::engine::envelope::{MessageHead, tests::message};
use crate::engine::ids::{SessionAddress, SessionId};
use crate::engine::store_op::{
    MessageNo, Origin, PublishOp, ReadOp, Receipt, Row, SavedSubscription, SessionNo,
};
use crate::store::Sync;

/// A page is there when the ticket of its batch is durable.
#[test]
fn a_page_shows_what_was_submitted_before_it_and_comes_to_the_shard_that_asked() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("store"), Sync::Normal).unwrap();
    let store = Store::new(2);
    let session = SessionNo(std::num::NonZeroU32::MIN);
    let number = |value: u64| MessageNo(value.try_into().unwrap());
    let publish = |value| {
        let receipt = Receipt {
            session,
            qos: mqtt_codec::QoS::AtLeastOnce,
            retain: false,
            extra: None,
            packet_id: None,
            away: true,
        };
        let row = Row {
            number: number(value),
            message: message(MessageHead::default(), "t", b"body"),
            receivers: smallvec![receipt],
        };
        StoreOp::Publish(Box::new(PublishOp {
            number: number(value),
            rows: smallvec![row],
            retain: None,
            awaits: 0,
            origin: Origin::Fresh,
        }))
    };
    let reader = SessionAddress {
        shard: ShardId(1),
        session: SessionId {
            index: 4,
            generation: 2,
        },
    };
    let read = StoreOp::Read(ReadOp {
        reader,
        session,
        after: Some(number(1)),
        upto: Some(number(3)),
        messages: 10,
        bytes: 1000,
    });
    let ops = vec![publish(1), publish(2), publish(3), read, publish(4)];
    store.submit(ShardId(1), Ticket(1), ops, true);
    let writer = store.clone();
    let (woken, wakes) = std::sync::mpsc::sync_channel(16);
    let thread = std::thread::spawn(move || {
        writer.write(database, Instant::default, |shard| {
            woken.send(shard).map_err(io::Error::other)
        })
    });
    assert_eq!(wakes.recv_timeout(LAZY * 10).unwrap(), ShardId(1));
    assert_eq!(store.durable(ShardId(1)), Ticket(1));
    assert!(store.take_pages(ShardId(0)).is_empty());
    let pages = store.take_pages(ShardId(1));
    let [page] = &pages[..] else {
        panic!("{pages:?}")
    };
    let numbers: Vec<MessageNo> = page.deliveries.iter().map(|d| d.number).collect();
    assert_eq!(numbers, [number(2), number(3)]);
    assert_eq!((page.reader, page.last), (reader.session, true));
    store.end();
    thread.join().unwrap().unwrap();
}

#[test]
fn what_nobody_waits_for_is_written_without_a_wait_for_each_part_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("store"), Sync::Normal).unwrap();
    let store = Store::new(1);
    let over = StoreOp::Replayed {
        session: SessionNo(std::num::NonZeroU32::MIN),
        filter: "t".into(),
    };
    for ticket in 1..=300 {
        store.submit(ShardId(0), Ticket(ticket), vec![over.clone(); 1000], false);
    }
    assert!(store.is_full());
    let writer = store.clone();
    let (woken, wakes) = std::sync::mpsc::sync_channel(1024);
    let thread = std::thread::spawn(move || {
        let wake = |shard| woken.send(shard).map_err(io::Error::other);
        writer.write(database, Instant::default, wake)
    });
    while store.durable(ShardId(0)) < Ticket(300) {
        wakes.recv_timeout(LAZY * 10).unwrap();
    }
    assert!(!store.is_full());
    store.end();
    thread.join().unwrap().unwrap();
}

#[test]
fn while_there_is_no_room_nothing_is_promised_and_nothing_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("store"), Sync::Normal).unwrap();
    database.limit_growth(Some(5)).unwrap();
    let store = Store::new(2);
    let topic = "t".repeat(10_000);
    let filter = |n: usize| StoreOp::Subscribe {
        session: SessionNo(std::num::NonZeroU32::MIN),
        subscription: SavedSubscription {
            filter: format!("{topic}/{n}").into(),
            options: SubscriptionOptions::default(),
            identifier: 0,
            replays: false,
        },
    };
    let writer = store.clone();
    let (woken, wakes) = std::sync::mpsc::sync_channel(1024);
    let thread = std::thread::spawn(move || {
        let wake = |shard| woken.send(shard).map_err(io::Error::other);
        writer.write(database, Instant::default, wake)
    });
    let wait = || wakes.recv_timeout(LAZY * 10).unwrap();
    store.submit(ShardId(0), Ticket(1), vec![filter(0)], true);
    assert_eq!(wait(), ShardId(0));
    assert_eq!(store.durable(ShardId(0)), Ticket(1));
    store.submit(ShardId(0), Ticket(2), (1..40).map(filter).collect(), true);
    assert_eq!([wait(), wait()], [ShardId(0), ShardId(1)]);
    assert!(store.has_no_room());
    // What clients acknowledge makes room: they are read from for longer than otherwise.
    let many = vec![filter(0); usize::try_from(FULL_BYTES / 10_000).unwrap()];
    store.submit(ShardId(1), Ticket(1), many.clone(), false);
    assert!(!store.is_full());
    store.submit(ShardId(1), Ticket(2), many, false);
    assert!(store.is_full());
    assert_eq!(store.durable(ShardId(0)), Ticket(1));
    store.end();
    assert!(thread.join().unwrap().unwrap() > 0);
    assert_eq!(store.durable(ShardId(0)), Ticket(1));
}
