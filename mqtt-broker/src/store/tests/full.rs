//! A disk without room for what is to be written.

use super::*;
use crate::store::room::Room;

#[test]
fn what_a_full_disk_did_not_take_is_taken_later_and_nothing_twice() {
    let file = File::new();
    let online = |value| receipt(value, QoS::AtLeastOnce, false);
    let acked = |value, message| {
        Effect::Op(StoreOp::Acked {
            session: session(value),
            number: number(message),
        })
    };
    let mut database = open(&file.path());
    database.load(NOW).unwrap();
    let begin = [
        Effect::Op(connect(1)),
        Effect::Op(connect(2)),
        Effect::Op(connect(3)),
        publish(1, vec![online(1), online(2)]),
        publish(2, vec![online(1)]),
        publish(3, vec![receipt(3, QoS::ExactlyOnce, true)]),
        publish(4, vec![receipt(3, QoS::AtLeastOnce, true)]),
    ];
    database.transact(&begin).unwrap();
    // One receiver is through with a message that another still needs.
    database.transact(&[acked(1, 1)]).unwrap();
    let mut more = vec![
        acked(2, 1),
        acked(1, 2),
        publish(5, vec![online(1), online(2)]),
        acked(2, 5),
        Effect::Op(StoreOp::Released {
            session: session(3),
            number: number(3),
            packet_id: id(7),
        }),
        Effect::Op(StoreOp::Away {
            session: session(1),
            since: NOW,
            expiry: SessionExpiry::Never,
            will_due: None,
        }),
        Effect::Op(StoreOp::End {
            session: session(2),
        }),
    ];
    more.extend((10..500).map(|n| publish(n, vec![receipt(3, QoS::AtLeastOnce, true)])));
    database.limit_growth(Some(2)).unwrap();
    for _ in 0..2 {
        let error = database.transact(&more).unwrap_err();
        assert!(Room::of(&file.path()).is_reason(&error), "{error}");
        database.undo().unwrap();
    }
    database.limit_growth(Some(1000)).unwrap();
    database.transact(&more).unwrap();
    drop(database);
    let recovered = file.load();
    let found = deliveries(&recovered);
    let [first, third] = [&found[0], &found[1]];
    assert_eq!(found.len(), 2, "the second has ended");
    assert!(first.contains('5') && !first.contains('2'), "{first}");
    assert!(third.contains("499"), "{third}");
    let waiting: Vec<usize> = recovered
        .sessions
        .iter()
        .map(|saved| saved.deliveries.len())
        .collect();
    // Message 3 as its packet id, 4, and 490 more.
    assert_eq!(waiting, [1, 492]);
}

/// A message of so many bytes for a session that is away.
fn large(value: u64, of: u32, bytes: usize) -> Effect {
    let Effect::Publish(mut publish, parts) =
        publish(value, vec![receipt(of, QoS::AtLeastOnce, true)])
    else {
        panic!("a publish")
    };
    publish.rows[0].message = message(MessageHead::default(), "t", &vec![b'x'; bytes]);
    Effect::Publish(publish, parts)
}

fn acked(of: u32, value: u64) -> Effect {
    Effect::Op(StoreOp::Acked {
        session: session(of),
        number: number(value),
    })
}

fn end(of: u32) -> Effect {
    Effect::Op(StoreOp::End {
        session: session(of),
    })
}

/// A database without room for more, with a message of 400 kB for each of two sessions, and a third one.
fn full(file: &File) -> Database {
    let mut database = open(&file.path());
    database.load(NOW).unwrap();
    let mut begin: Vec<Effect> = [1, 2, 3].map(|n| Effect::Op(connect(n))).into();
    begin.extend([large(1, 1, 400_000), large(2, 2, 400_000)]);
    database.transact(&begin).unwrap();
    database.limit_growth(Some(0)).unwrap();
    database
}

#[test]
fn what_makes_room_does_not_wait_behind_what_has_none() {
    for makes_room in [acked(1, 1), end(1)] {
        let file = File::new();
        let mut database = full(&file);
        let mut pending = vec![large(10, 3, 300_000), large(11, 3, 300_000)];
        assert!(!database.try_transact(&pending).unwrap());
        database.squeeze(&mut pending).unwrap();
        assert_eq!(pending.len(), 2, "there is room for none");
        pending.push(makes_room);
        database.squeeze(&mut pending).unwrap();
        assert_eq!(pending.len(), 2, "both came first");
        database.squeeze(&mut pending).unwrap();
        assert_eq!(pending.len(), 1, "there is room for one");
        pending.push(acked(2, 2));
        for _ in 0..2 {
            database.squeeze(&mut pending).unwrap();
        }
        assert!(pending.is_empty());
        drop(database);
        let found = file.load();
        let last = found.sessions.last().unwrap();
        assert_eq!((found.messages, last.deliveries.len()), (2, 2));
    }
}

#[test]
fn what_came_before_stays_before_where_it_matters() {
    let released = || {
        Effect::Op(StoreOp::Released {
            session: session(3),
            number: number(4),
            packet_id: id(7),
        })
    };
    let completed = || {
        Effect::Op(StoreOp::Completed {
            session: session(3),
            packet_id: id(7),
        })
    };
    for behind in [
        vec![acked(3, 10)],
        vec![end(3)],
        vec![acked(3, 10), end(3)],
        vec![released(), completed()],
    ] {
        let file = File::new();
        let mut database = full(&file);
        let count = behind.len();
        let mut pending = vec![large(10, 3, 300_000)];
        pending.extend(behind);
        database.squeeze(&mut pending).unwrap();
        assert_eq!(pending.len(), 1 + count);
        assert!(
            matches!(pending[0], Effect::Publish(..)),
            "{:?}",
            pending[0]
        );
    }
}

/// A page that was read is not lost when something behind it has no room.
#[test]
fn what_fits_takes_effect_up_to_what_does_not() {
    let file = File::new();
    let mut database = full(&file);
    let reader = SessionAddress {
        shard: ShardId(0),
        session: SessionId {
            index: 1,
            generation: 1,
        },
    };
    let read = ReadOp {
        reader,
        session: session(2),
        after: None,
        upto: Some(number(100)),
        messages: 10,
        bytes: u64::MAX,
    };
    let mut pending = vec![
        Effect::Op(StoreOp::Read(read)),
        acked(1, 1),
        large(10, 3, 300_000),
        large(11, 3, 300_000),
        large(12, 3, 300_000),
    ];
    database.squeeze(&mut pending).unwrap();
    assert_eq!(pending.len(), 2);
    assert_eq!(database.take_pages().len(), 1);
    assert!(database.take_pages().is_empty());
}
