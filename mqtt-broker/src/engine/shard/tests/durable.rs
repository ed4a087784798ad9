//! What waits for the disk and what does not: the engine's half of the promise that nothing
//! acknowledged is lost.

use std::collections::BTreeMap;
use std::time::Duration;

use mqtt_codec::{Packet, PacketId, Property, QoS, SubscriptionOptions};
use mqtt_session::time::UnixTime;

use super::SHARDS;
use super::world::{Client, How, World, settings};
use crate::engine::envelope::{MessageHead, tests::message};
use crate::engine::limits::Settings;
use crate::engine::session::SessionExpiry;
use crate::engine::store_op::{
    Backlog, MessageNo, Origin, Receipt, SavedDelivery, SavedSession, SavedSubscription, SavedWill,
    SessionNo, SessionOp, StoreOp,
};

fn world(shards: u16) -> World {
    let settings = Settings {
        durable: true,
        ..settings()
    };
    World::with(shards, settings)
}

/// A durable subscriber of `t/#` whose disk has everything.
fn subscriber(world: &mut World, name: &str, qos: u8) -> Client {
    let client = world.join(name, &How::kept());
    assert_eq!(world.subscribe(client, "t/#", qos).len(), 1);
    client
}

#[test]
fn a_puback_waits_for_the_disk_and_a_live_delivery_does_not() {
    for shards in SHARDS {
        let mut world = world(shards);
        let taker = subscriber(&mut world, "taker", 1);
        let giver = world.join("giver", &How::default());
        world.disk_waits = true;
        world.publish(giver, "t/1", 1, "kept");
        assert_eq!(world.lines(taker), ["PUBLISH t/1 q1 m1 kept"]);
        // In the order of their PUBLISH packets, though nobody wants the second.
        world.publish(giver, "nobody", 1, "not kept");
        world.send(giver, &Packet::Pingreq);
        assert_eq!(world.lines(giver), ["PINGRESP"], "{shards} shards");
        world.disk_waits = false;
        world.settle();
        let answers = ["PUBACK 77 Success", "PUBACK 77 No matching subscribers"];
        assert_eq!(world.lines(giver), answers);
    }
}

#[test]
fn no_answer_overtakes_one_that_waits_behind_the_promises_to_others() {
    let mut world = world(1);
    let _taker = subscriber(&mut world, "taker", 1);
    let [one, other] = ["one", "other"].map(|name| world.join(name, &How::default()));
    let batches = world.batches(0);
    world.disk_waits = true;
    world.publish(one, "t/1", 1, "with the first batch");
    world.publish(other, "t/1", 1, "with the second");
    world.publish(one, "nobody", 1, "with none, but not before the first");
    world.make_durable(0, batches + 1);
    world.publish(one, "nobody", 2, "with none");
    world.make_durable(0, batches + 2);
    let expected = [
        "PUBACK 77 Success",
        "PUBACK 77 No matching subscribers",
        "PUBREC 77 Success",
    ];
    assert_eq!(world.lines(one), expected);
}

#[test]
fn nothing_is_kept_of_what_nobody_durable_wants() {
    for shards in SHARDS {
        let mut world = world(shards);
        let taker = world.join("taker", &How::default());
        world.subscribe(taker, "t/#", 2);
        let kept_at_qos_0 = subscriber(&mut world, "kept", 0);
        let giver = world.join("giver", &How::default());
        world.kept();
        world.disk_waits = true;
        world.publish(giver, "t/1", 1, "a");
        world.publish_twice_safe(giver, "t/1", "b");
        assert_eq!(world.lines(giver).len(), 3);
        assert_eq!(world.lines(taker).len(), 2);
        assert_eq!(world.lines(kept_at_qos_0).len(), 2);
        // A shard that looks after durable sessions may owe a part that turns out to be empty.
        for op in world.kept() {
            match op {
                StoreOp::Publish(op) => assert!(op.rows.is_empty() && op.origin == Origin::Fresh),
                StoreOp::Part(op) => assert!(op.rows.is_empty()),
                other => panic!("{other:?} for {shards} shards"),
            }
        }
    }
}

/// One subscription and one group, or two subscriptions with a copy for each.
#[test]
fn two_copies_for_one_session_are_two_rows() {
    let mut world = world(1);
    world.reload(Settings {
        durable: true,
        allow_duplicate_messages: true,
        ..settings()
    });
    let taker = subscriber(&mut world, "taker", 1);
    world.subscribe(taker, "t/1", 1);
    world.subscribe(taker, "$share/g/t/+", 1);
    world.cut(taker);
    let giver = world.join("giver", &How::default());
    world.kept();
    world.publish(giver, "t/1", 1, "copies");
    let mut numbers = Vec::new();
    for op in world.kept() {
        let StoreOp::Publish(op) = op else {
            panic!("{op:?}")
        };
        numbers.extend(op.rows.iter().map(|row| (row.number, row.receivers.len())));
    }
    assert_eq!(
        numbers
            .iter()
            .map(|(_, receivers)| receivers)
            .sum::<usize>(),
        3
    );
    let distinct: std::collections::BTreeSet<_> = numbers.iter().map(|(n, _)| n).collect();
    assert_eq!(distinct.len(), 3, "{numbers:?}");
}

#[test]
fn each_step_of_qos_2_waits_until_what_it_says_is_kept() {
    for shards in SHARDS {
        let mut world = world(shards);
        let taker = subscriber(&mut world, "taker", 2);
        let giver = world.join("giver", &How::kept());
        let step = |world: &mut World, from: Client, to: Client, line: &str| {
            assert_eq!(world.lines(to), [] as [&str; 0], "before {line}");
            world.disk_waits = false;
            world.settle();
            world.disk_waits = true;
            assert_eq!(world.lines(to), [line], "from {from}");
        };
        world.disk_waits = true;
        world.publish(giver, "t/1", 2, "once");
        step(&mut world, giver, giver, "PUBREC 77 Success");
        world.ack(giver, Packet::Pubrel, 77);
        assert_eq!(world.lines(giver), [] as [&str; 0]);
        step(&mut world, giver, taker, "PUBLISH t/1 q2 m1 once");
        assert_eq!(world.lines(giver), ["PUBCOMP 77 Success"]);
        world.ack(taker, Packet::Pubrec, 1);
        step(&mut world, taker, taker, "PUBREL 1 Success");
        world.ack(taker, Packet::Pubcomp, 1);
        world.kept();
    }
}

#[test]
fn connack_suback_and_unsuback_of_a_durable_session_wait() {
    let mut world = world(1);
    world.disk_waits = true;
    let (first, connack) = world.connect("kept", &How::kept());
    assert_eq!(connack, "");
    // Who takes the client id over ends the one that waits; it is told nothing.
    let (second, _) = world.connect("kept", &How::kept());
    assert_eq!(world.lines(first), ["closed"]);
    world.subscribe(second, "t", 1);
    world.disk_waits = false;
    world.settle();
    let lines = world.lines(second);
    assert!(lines[0].starts_with("CONNACK 1 Success"), "{lines:?}");
    assert_eq!(lines[1], "SUBACK [01]");
    world.disk_waits = true;
    assert_eq!(world.unsubscribe(second, "t"), [] as [&str; 0]);
    let (third, connack) = world.connect("not kept", &How::default());
    assert!(connack.starts_with("CONNACK"));
    assert_eq!(world.subscribe(third, "t", 1), ["SUBACK [01]"]);
    world.disk_waits = false;
    world.settle();
    assert_eq!(world.lines(second), ["UNSUBACK [00]"]);
}

#[test]
fn no_connack_says_that_a_session_ended_before_that_is_kept() {
    let mut world = world(1);
    let _kept = world.join("c", &How::kept());
    world.disk_waits = true;
    // This one ends the session, and goes before it is told.
    let (first, connack) = world.connect("c", &How::v311());
    assert_eq!(connack, "");
    world.cut(first);
    let (second, connack) = world.connect("c", &How::v311());
    assert_eq!(connack, "");
    world.disk_waits = false;
    world.settle();
    assert_eq!(world.lines(second), ["CONNACK 0 Success"]);
    world.disk_waits = true;
    let (_, connack) = world.connect("c", &How::v311());
    assert_eq!(connack, "CONNACK 0 Success", "nothing to wait for");
}

#[test]
fn a_client_that_goes_before_its_connack_leaves_a_session_that_ends_in_time() {
    let mut world = world(1);
    world.disk_waits = true;
    let mut how = How::kept();
    how.properties = vec![Property::SessionExpiryInterval(10)];
    let (client, _) = world.connect("kept", &how);
    world.cut(client);
    world.disk_waits = false;
    world.settle();
    world.sleep(Duration::from_secs(11));
    assert_eq!(world.told(), ["? gone: ClosedByPeer", "kept expired"]);
    let ends = |op: &StoreOp| matches!(op, StoreOp::End { .. });
    assert_eq!(world.kept().iter().filter(|op| ends(op)).count(), 1);
}

/// Each publish is owed as many parts as come, whoever goes meanwhile.
#[test]
fn every_part_that_a_publish_waits_for_comes() {
    for shards in SHARDS {
        let mut world = world(shards);
        let options = SubscriptionOptions {
            qos: QoS::AtLeastOnce,
            ..SubscriptionOptions::default()
        };
        let members: Vec<Client> = (0..6)
            .map(|n| {
                let client = subscriber(&mut world, &format!("member {n}"), 1);
                world.subscribe_with(client, "$share/g/t/#", options, &[]);
                client
            })
            .collect();
        let giver = world.join("giver", &How::default());
        for n in 0..12 {
            world.publish(giver, "t/1", 1, &n.to_string());
        }
        assert_eq!(world.lines(giver).len(), 12);
        for (n, member) in members.into_iter().enumerate() {
            world.cut(member);
            // What the member did not acknowledge goes to another.
            let how = How::default();
            let (last, _) = world.connect_all(&format!("member {n}"), &how);
            world.cut(last);
        }
        let mut owed: BTreeMap<MessageNo, (u32, u32)> = BTreeMap::new();
        for op in world.kept() {
            match op {
                StoreOp::Publish(op) => owed.entry(op.number).or_default().0 += op.awaits,
                StoreOp::Part(op) => {
                    let counts = owed.entry(op.of).or_default();
                    counts.0 += op.awaits;
                    counts.1 += 1;
                }
                _ => {}
            }
        }
        for (number, (owed, came)) in owed {
            assert_eq!(owed, came, "{number:?} with {shards} shards");
        }
    }
}

#[test]
fn a_session_goes_on_after_a_restart_where_it_was() {
    for shards in SHARDS {
        let mut world = world(shards);
        world.restore(&saved());
        let giver = world.join("giver", &How::default());
        world.publish(giver, "t/new", 1, "later");
        world.publish(giver, "once/x", 1, "shared");
        let (client, lines) = world.connect_all("back", &How::kept());
        assert!(lines[0].starts_with("CONNACK 1 Success"), "{lines:?}");
        assert_eq!(
            lines[1..],
            [
                "PUBREL 5 Success",
                "PUBLISH t q2 dup m6 m",
                "PUBLISH t q1 dup m7 m",
                "PUBLISH t/new q1 m8 later",
                "PUBLISH once/x q1 m9 shared",
            ]
        );
        // What was held is the message; the repeat is none.
        world.publish(client, "t/held", 2, "repeat");
        world.ack(client, Packet::Pubrel, 77);
        assert_eq!(
            world.lines(client),
            [
                "PUBREC 77 Success",
                "PUBLISH t/held q1 m10 held",
                "PUBCOMP 77 Success",
            ]
        );
    }
}

#[test]
fn what_waited_for_a_client_that_came_since_may_have_been_sent() {
    let published = UnixTime::from_millis(1_000);
    let q1 = QoS::AtLeastOnce;
    for (since, qos, expected) in [
        (None, q1, Some("PUBLISH t q1 dup m1 waited")),
        (Some(2_000), q1, Some("PUBLISH t q1 dup m1 waited")),
        (Some(1_000), q1, Some("PUBLISH t q1 dup m1 waited")),
        (Some(999), q1, Some("PUBLISH t q1 m1 waited")),
        (Some(2_000), QoS::AtMostOnce, None),
        (Some(500), QoS::AtMostOnce, Some("PUBLISH t q0 waited")),
    ] {
        let mut world = world(1);
        let mut saved = saved();
        saved.away = since.map(|since| (UnixTime::from_millis(since), None));
        saved.session.expiry = SessionExpiry::Never;
        let head = MessageHead {
            published,
            ..MessageHead::default()
        };
        let mut delivery = saved.deliveries.pop().unwrap();
        delivery.message = Some(message(head, "t", b"waited"));
        delivery.receipt.qos = qos;
        delivery.receipt.packet_id = None;
        delivery.receipt.away = true;
        saved.deliveries = vec![delivery];
        world.restore(&saved);
        let (_, lines) = world.connect_all("back", &How::kept());
        let lines: Vec<&str> = lines[1..].iter().map(String::as_str).collect();
        assert_eq!(lines, expected.as_slice(), "away since {since:?}");
    }
}

#[test]
fn a_will_waits_a_moment_after_a_restart_and_is_not_sent_to_whom_comes_back() {
    for comes_back in [false, true] {
        let mut world = world(1);
        let watcher = world.join("watcher", &How::default());
        world.subscribe(watcher, "will", 0);
        world.restore(&saved());
        world.sleep(Duration::from_secs(4));
        if comes_back {
            world.connect_all("back", &How::kept());
        }
        assert_eq!(world.lines(watcher), [] as [&str; 0]);
        world.sleep(Duration::from_secs(2));
        let expected = if comes_back {
            vec![]
        } else {
            vec!["PUBLISH will q0 gone"]
        };
        assert_eq!(world.lines(watcher), expected);
    }
}

/// A session whose client was connected when the broker ended.
fn saved() -> SavedSession {
    let session = SessionNo(3.try_into().unwrap());
    let head = MessageHead {
        qos: QoS::ExactlyOnce,
        ..MessageHead::default()
    };
    let delivery = |number: u64, qos, packet_id: Option<u16>, text: Option<&str>| SavedDelivery {
        number: MessageNo(number.try_into().unwrap()),
        message: text.map(|text| message(head, "t", text.as_bytes())),
        receipt: Receipt {
            session,
            qos,
            retain: false,
            extra: None,
            packet_id: packet_id.and_then(PacketId::new),
            away: false,
        },
    };
    let subscription = |filter: &str| SavedSubscription {
        filter: filter.into(),
        options: SubscriptionOptions {
            qos: QoS::AtLeastOnce,
            ..SubscriptionOptions::default()
        },
        identifier: 0,
        replays: false,
    };
    SavedSession {
        session: SessionOp {
            session,
            client_id: "back".into(),
            user_name: None,
            listener: 0,
            expiry: SessionExpiry::After(Duration::from_secs(100)),
            will: Some(SavedWill {
                message: message(MessageHead::default(), "will", b"gone"),
                expiry: None,
                delay: Duration::ZERO,
            }),
        },
        away: None,
        subscriptions: vec![subscription("t/+"), subscription("$share/g/once/#")],
        held: vec![(PacketId::new(77).unwrap(), message(head, "t/held", b"held"))],
        deliveries: vec![
            delivery(1, QoS::ExactlyOnce, Some(5), None),
            delivery(2, QoS::AtLeastOnce, None, Some("m")),
            delivery(3, QoS::ExactlyOnce, Some(6), Some("m")),
        ],
        backlog: Backlog::default(),
    }
}
