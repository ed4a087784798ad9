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
