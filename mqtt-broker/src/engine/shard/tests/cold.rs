//! Queues that are too long for memory wait in the store, and nobody can tell by what arrives.

use std::time::Duration;

use mqtt_codec::{Packet, Property, QoS, SubscriptionOptions};
use mqtt_session::time::UnixTime;

use super::SHARDS;
use super::world::{Client, How, World, settings};
use crate::engine::commons::counters::Tally;
use crate::engine::envelope::{MessageHead, tests::message};
use crate::engine::limits::{PageSize, Settings};
use crate::engine::session::SessionExpiry;
use crate::engine::store_op::{
    MessageNo, ReadOp, Receipt, SavedDelivery, SavedSession, SessionNo, SessionOp, StoreOp,
};

/// Four messages are a page.
fn paged() -> Settings {
    Settings {
        durable: true,
        page: PageSize {
            messages: 4,
            bytes: 1000,
        },
        page_memory: 0,
        queue_qos0_messages: true,
        ..settings()
    }
}

/// A client whose session is kept and who takes one message at a time.
fn slow() -> How<'static> {
    let mut how = How::kept();
    how.properties.push(Property::ReceiveMaximum(1));
    how
}

/// A durable session that is away and has subscribed to `t/#`.
fn away(world: &mut World, qos: u8) {
    let client = world.join("taker", &slow());
    world.subscribe(client, "t/#", qos);
    world.cut(client);
    world.kept();
}

fn publish_all(world: &mut World, giver: Client, texts: impl IntoIterator<Item = u32>) {
    for text in texts {
        world.publish(giver, "t/1", 1, &text.to_string());
    }
    world.lines(giver);
}

/// The payload of a line that shows a PUBLISH.
fn payload(line: &str) -> Option<&str> {
    line.starts_with("PUBLISH")
        .then(|| line.split(' ').next_back())?
}

/// Acknowledges all that comes until nothing comes any more, and gives the payloads.
fn drain(world: &mut World, client: Client, mut lines: Vec<String>) -> Vec<String> {
    let mut got = Vec::new();
    loop {
        for line in &lines {
            got.extend(payload(line).map(str::to_owned));
            let id = line
                .split(" m")
                .nth(1)
                .and_then(|rest| rest.split(' ').next());
            let id = id.map(|id| id.parse().unwrap());
            match id {
                Some(id) if line.contains(" q1 ") => world.ack(client, Packet::Puback, id),
                Some(id) => {
                    world.ack(client, Packet::Pubrec, id);
                    world.ack(client, Packet::Pubcomp, id);
                }
                None => {}
            }
        }
        lines = world.lines(client);
        if lines.iter().all(|line| payload(line).is_none()) {
            return got;
        }
    }
}

fn reads(world: &mut World) -> Vec<ReadOp> {
    let read = |op| match op {
        StoreOp::Read(read) => Some(read),
        _ => None,
    };
    world.kept().into_iter().filter_map(read).collect()
}

fn stored(world: &World) -> (u64, u64) {
    let mut sum = Tally::default();
    for counters in &world.shards[0].commons.counters {
        sum += counters.load();
    }
    (sum.messages_stored, sum.messages_stored_bytes)
}

fn texts(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

#[test]
fn the_next_page_is_read_when_half_of_memory_is_used_and_all_comes_in_order() {
    let mut world = World::with(1, paged());
    away(&mut world, 1);
    let giver = world.join("giver", &How::default());
    publish_all(&mut world, giver, 0..10);
    assert_eq!(stored(&world), (10, 10));
    let (taker, lines) = world.connect_all("taker", &slow());
    assert_eq!(lines[1..], ["PUBLISH t/1 q1 m1 0"]);
    assert_eq!(reads(&mut world), [], "three of four still wait in memory");
    world.ack(taker, Packet::Puback, 1);
    let [read] = reads(&mut world)[..] else {
        panic!("no page is asked for")
    };
    let [after, upto] = [read.after, read.upto].map(|n| n.map(|n| n.0.get()));
    assert_eq!((after, upto, read.messages), (Some(4), Some(10), 4));
    let lines = world.lines(taker);
    assert_eq!(drain(&mut world, taker, lines), texts(1..10));
    assert_eq!(reads(&mut world).len(), 1, "the second page is the last");
    assert_eq!(stored(&world), (0, 0));
    // All is in memory again: what comes now needs no page.
    publish_all(&mut world, giver, 10..12);
    let lines = world.lines(taker);
    assert_eq!(drain(&mut world, taker, lines), texts(10..12));
    assert_eq!(reads(&mut world), []);
}

#[test]
fn what_comes_while_a_page_is_read_stays_behind_it() {
    for shards in SHARDS {
        let mut world = World::with(shards, paged());
        away(&mut world, 2);
        let givers = ["one", "other"].map(|name| world.join(name, &How::default()));
        let say = |world: &mut World, numbers: std::ops::Range<u32>| {
            for n in numbers {
                for (who, giver) in givers.into_iter().enumerate() {
                    world.publish(giver, "t/1", 1, &format!("{who}-{n}"));
                    world.lines(giver);
                }
            }
        };
        say(&mut world, 0..8);
        let (taker, lines) = world.connect_all("taker", &slow());
        let mut got: Vec<String> = Vec::new();
        let mut lines: Vec<String> = lines;
        for round in 8..20 {
            // Two more of each come while the disk has not answered.
            world.disk_waits = true;
            for line in std::mem::take(&mut lines) {
                let Some(text) = payload(&line) else { continue };
                got.push(text.to_owned());
                let id = line.split(" m").nth(1).unwrap();
                let id = id.split(' ').next().unwrap().parse().unwrap();
                world.ack(taker, Packet::Puback, id);
            }
            say(&mut world, round..round + 1);
            world.disk_waits = false;
            world.settle();
            lines = world.lines(taker);
        }
        got.extend(drain(&mut world, taker, lines));
        for who in 0..2 {
            let start = format!("{who}-");
            let own: Vec<&str> = got
                .iter()
                .filter_map(|text| text.strip_prefix(&*start))
                .collect();
            assert_eq!(own, texts(0..20), "of {who} with {shards} shards");
        }
        assert_eq!((got.len(), stored(&world)), (40, (0, 0)));
    }
}

#[test]
fn what_comes_through_a_group_waits_in_memory_and_goes_to_another_member() {
    let mut world = World::with(1, paged());
    let member = world.join("taker", &slow());
    let options = SubscriptionOptions {
        qos: QoS::AtLeastOnce,
        ..SubscriptionOptions::default()
    };
    world.subscribe_with(member, "$share/g/t/#", options, &[]);
    world.cut(member);
    let giver = world.join("giver", &How::default());
    publish_all(&mut world, giver, 0..12);
    let other = world.join("other", &How::default());
    world.subscribe_with(other, "$share/g/t/#", options, &[]);
    let how = How::default();
    world.join("taker", &how);
    let lines = world.lines(other);
    assert_eq!(drain(&mut world, other, lines), texts(0..12));
    assert_eq!(reads(&mut world), []);
}

#[test]
fn a_page_that_is_late_finds_the_session_wherever_it_is_by_then() {
    enum Then {
        Reconnects,
        IsTakenOver,
        StartsClean,
    }
    for then in [Then::Reconnects, Then::IsTakenOver, Then::StartsClean] {
        let mut world = World::with(1, paged());
        away(&mut world, 1);
        let giver = world.join("giver", &How::default());
        publish_all(&mut world, giver, 0..12);
        let (taker, lines) = world.connect_all("taker", &slow());
        assert_eq!(lines.len(), 2);
        world.disk_waits = true;
        world.ack(taker, Packet::Puback, 1);
        assert_eq!(world.lines(taker), ["PUBLISH t/1 q1 m2 1"]);
        let mut how = slow();
        match then {
            Then::Reconnects => world.cut(taker),
            Then::IsTakenOver => {}
            Then::StartsClean => how.clean_start = true,
        }
        let (taker, lines) = world.connect_all("taker", &how);
        assert_eq!(lines, [] as [&str; 0]);
        world.disk_waits = false;
        world.settle();
        let lines = world.lines(taker);
        let got = drain(&mut world, taker, lines);
        let expected = match then {
            Then::StartsClean => Vec::new(),
            _ => texts(1..12),
        };
        assert_eq!((got, stored(&world)), (expected, (0, 0)));
    }
}

/// While there is room a client that is connected may be far behind in memory; if it goes, it is not.
#[test]
fn what_waits_in_memory_for_a_client_that_goes_waits_in_the_store_from_then_on() {
    for qos in [1, 2] {
        let mut world = World::with(
            1,
            Settings {
                page_memory: 1000,
                page_connected: PageSize {
                    messages: 9,
                    bytes: 1000,
                },
                page_read: PageSize {
                    messages: 8,
                    bytes: 1000,
                },
                ..paged()
            },
        );
        let taker = world.join("taker", &slow());
        world.subscribe(taker, "t/#", qos);
        let giver = world.join("giver", &How::default());
        publish_all(&mut world, giver, 0..8);
        assert_eq!(reads(&mut world), []);
        let lines = world.lines(taker);
        assert_eq!(lines, ["PUBLISH t/1 q1 m1 0"]);
        world.cut(taker);
        assert_eq!(stored(&world), (8, 8));
        publish_all(&mut world, giver, 8..10);
        let (taker, lines) = world.connect_all("taker", &slow());
        assert_eq!(lines[1..], ["PUBLISH t/1 q1 dup m1 0"]);
        let mut all = texts(0..10);
        assert_eq!(drain(&mut world, taker, lines), all);
        assert_eq!(reads(&mut world).len(), 1, "six are one page");
        // The same with more than there is room for.
        publish_all(&mut world, giver, 0..30);
        let lines = world.lines(taker);
        world.cut(taker);
        drop(lines);
        let (taker, lines) = world.connect_all("taker", &slow());
        all = texts(0..30);
        assert_eq!(drain(&mut world, taker, lines), all);
        assert_eq!(stored(&world), (0, 0));
    }
}

#[test]
fn limits_count_what_waits_in_the_store_too() {
    for (messages, bytes, kept) in [(Some(7), None, 7), (None, Some(9), 9)] {
        let mut world = World::with(
            1,
            Settings {
                max_queued_messages: messages,
                max_queued_bytes: bytes,
                ..paged()
            },
        );
        away(&mut world, 1);
        let giver = world.join("giver", &How::default());
        for n in 0..10 {
            world.publish(giver, "t/1", 1, &n.to_string());
        }
        assert_eq!(world.told(), ["taker gone: ClosedByPeer", "taker dropping"]);
        let (taker, lines) = world.connect_all("taker", &slow());
        assert_eq!(drain(&mut world, taker, lines), texts(0..kept));
        assert_eq!(stored(&world), (0, 0));
    }
}

#[test]
fn what_ran_out_in_the_store_is_not_sent() {
    let mut world = World::with(1, paged());
    away(&mut world, 1);
    let giver = world.join("giver", &How::default());
    for n in 0..12 {
        let seconds = if n % 3 == 0 { 1000 } else { 1 };
        let properties = [Property::MessageExpiryInterval(seconds)];
        world.publish_with(giver, "t/1", 1, false, &n.to_string(), &properties);
    }
    world.sleep(Duration::from_secs(2));
    let (taker, lines) = world.connect_all("taker", &slow());
    let lines: Vec<String> = lines
        .iter()
        .map(|line| line.replace(" MessageExpiryInterval(998)", ""))
        .collect();
    let mut got: Vec<String> = lines
        .iter()
        .filter_map(|l| payload(l))
        .map(str::to_owned)
        .collect();
    for id in 1..=4 {
        world.ack(taker, Packet::Puback, id);
        let lines = world.lines(taker);
        let lines = lines
            .iter()
            .map(|line| line.replace(" MessageExpiryInterval(998)", ""));
        got.extend(lines.filter_map(|line| payload(&line).map(str::to_owned)));
    }
    assert_eq!(got, ["0", "3", "6", "9"]);
    assert_eq!(stored(&world), (0, 0));
}

#[test]
fn qos_0_does_not_overtake_qos_0_that_waits_in_the_store() {
    for qos in [0, 1, 2] {
        let mut world = World::with(1, paged());
        away(&mut world, 2);
        let giver = world.join("giver", &How::default());
        for n in 0..10 {
            let qos_of = if n < 6 { 1 } else { qos };
            world.publish(giver, "t/1", qos_of, &n.to_string());
            if qos_of == 2 {
                world.ack(giver, Packet::Pubrel, 77);
            }
            world.lines(giver);
        }
        let (taker, lines) = world.connect_all("taker", &slow());
        // The rest is still in the store, and the first not acknowledged.
        world.publish(giver, "t/1", qos, "10");
        if qos == 2 {
            world.ack(giver, Packet::Pubrel, 77);
        }
        assert_eq!(world.lines(taker), [] as [&str; 0], "QoS {qos}");
        assert_eq!(drain(&mut world, taker, lines), texts(0..11), "QoS {qos}");
        assert_eq!(stored(&world), (0, 0));
    }
}

#[test]
fn what_a_full_store_does_not_keep_is_dropped_where_it_would_overtake_what_waits_there() {
    for upgrade_outgoing_qos in [false, true] {
        let settings = Settings {
            upgrade_outgoing_qos,
            ..paged()
        };
        let mut world = World::with(1, settings);
        away(&mut world, 1);
        let giver = world.join("giver", &How::default());
        for n in 0..6 {
            world.publish(giver, "t/1", 0, &n.to_string());
        }
        world.fill_store(true);
        world.publish(giver, "t/1", 0, "dropped");
        let (taker, lines) = world.connect_all("taker", &slow());
        world.fill_store(false);
        world.publish(giver, "t/1", 0, "6");
        assert_eq!(drain(&mut world, taker, lines), texts(0..7));
        assert_eq!(stored(&world), (0, 0));
    }
}

#[test]
fn retained_messages_for_a_new_subscription_come_behind_what_waits_in_the_store() {
    let mut world = World::with(1, paged());
    away(&mut world, 1);
    let giver = world.join("giver", &How::default());
    world.publish_with(giver, "r/1", 1, true, "retained", &[]);
    publish_all(&mut world, giver, 0..12);
    let (taker, mut lines) = world.connect_all("taker", &slow());
    lines.extend(world.subscribe(taker, "r/#", 1));
    let mut expected = texts(0..12);
    expected.push("retained".to_owned());
    assert_eq!(drain(&mut world, taker, lines), expected);
}

#[test]
fn a_session_that_is_kept_no_longer_stays_in_the_store_until_it_ends() {
    let mut world = World::with(1, paged());
    away(&mut world, 1);
    let giver = world.join("giver", &How::default());
    publish_all(&mut world, giver, 0..12);
    world.kept();
    let mut how = slow();
    how.properties.remove(0);
    let (taker, lines) = world.connect_all("taker", &how);
    assert!(lines[0].starts_with("CONNACK 1"), "{lines:?}");
    let ends = |op: &StoreOp| matches!(op, StoreOp::End { .. });
    let kept = world.kept();
    assert!(!kept.iter().any(ends), "{kept:?}");
    let until =
        |op: &StoreOp| matches!(op, StoreOp::Session(op) if op.expiry == SessionExpiry::AtClose);
    assert!(kept.iter().any(until), "{kept:?}");
    assert_eq!(drain(&mut world, taker, lines), texts(0..12));
    world.cut(taker);
    assert_eq!(world.kept().iter().filter(|op| ends(op)).count(), 1);
}

#[test]
fn what_cannot_be_read_is_left_out_and_told() {
    let mut world = World::with(1, paged());
    away(&mut world, 1);
    let giver = world.join("giver", &How::default());
    publish_all(&mut world, giver, 0..12);
    for op in world.kept() {
        let StoreOp::Publish(op) = op else { continue };
        let row = &op.rows[0];
        if [b"6", b"7"]
            .iter()
            .any(|text| row.message.view().payload == *text)
        {
            world.disk.damaged.push(row.number);
        } else if row.message.view().payload == b"11" {
            let session = row.receivers[0].session;
            world.disk.apply(StoreOp::Acked {
                session,
                number: row.number,
            });
        }
    }
    world.told();
    let (taker, lines) = world.connect_all("taker", &slow());
    let got = drain(&mut world, taker, lines);
    assert_eq!(got, ["0", "1", "2", "3", "4", "5", "8", "9", "10"]);
    assert_eq!(world.told(), ["taker lost 2", "taker lost 1"]);
    assert_eq!(stored(&world), (0, 0));
}

#[test]
fn after_a_start_what_waits_is_read_and_marked_as_a_repeat_if_it_may_have_been_sent() {
    let published = 1_000;
    for (since, dup, qos_0) in [
        (None, " dup", false),
        (Some(2_000), " dup", false),
        (Some(999), "", true),
    ] {
        let mut world = World::with(1, paged());
        let session = SessionNo(3.try_into().unwrap());
        for n in 1..=9_u64 {
            let head = MessageHead {
                published: UnixTime::from_millis(published),
                ..MessageHead::default()
            };
            let qos = [QoS::AtLeastOnce, QoS::AtMostOnce, QoS::ExactlyOnce]
                [usize::try_from(n % 3).unwrap()];
            world.disk.put(SavedDelivery {
                number: MessageNo(n.try_into().unwrap()),
                message: Some(message(head, "t", n.to_string().as_bytes())),
                receipt: Receipt {
                    session,
                    qos,
                    retain: false,
                    extra: None,
                    packet_id: None,
                    away: true,
                },
            });
        }
        let saved = SavedSession {
            session: SessionOp {
                session,
                client_id: "taker".into(),
                user_name: None,
                listener: 0,
                expiry: SessionExpiry::Never,
                will: None,
            },
            away: since.map(|since| (UnixTime::from_millis(since), None)),
            subscriptions: Vec::new(),
            held: Vec::new(),
            deliveries: Vec::new(),
            backlog: world.disk.backlog(session),
        };
        world.restore(&saved);
        assert_eq!(stored(&world), (9, 9));
        let (_, lines) = world.connect_all("taker", &How::kept());
        let publishes = lines.iter().filter(|line| payload(line).is_some());
        // Without the packet id.
        let mut got: Vec<(String, String)> = publishes
            .map(|line| {
                let (head, text) = (line.split(" m").next().unwrap(), payload(line).unwrap());
                (
                    text.to_owned(),
                    head.trim_end_matches(&format!(" {text}")).to_owned(),
                )
            })
            .collect();
        got.sort();
        let mut expected: Vec<(String, String)> = Vec::new();
        for n in 1..=9 {
            let line = match n % 3 {
                0 => format!("PUBLISH t q1{dup}"),
                1 if !qos_0 => continue,
                1 => "PUBLISH t q0".to_owned(),
                _ => "PUBLISH t q2".to_owned(),
            };
            expected.push((n.to_string(), line));
        }
        assert_eq!(got, expected, "away since {since:?}");
    }
}

/// Topics and properties take memory as payloads do.
#[test]
fn messages_with_little_payload_and_much_else_wait_in_the_store() {
    let mut world = World::with(1, paged());
    away(&mut world, 1);
    let giver = world.join("giver", &How::default());
    let topic = format!("t/{}", "x".repeat(1000));
    for text in 0..4 {
        world.publish(giver, &topic, 1, &text.to_string());
    }
    world.lines(giver);
    // The first is more than a page.
    let (taker, lines) = world.connect_all("taker", &slow());
    assert_eq!(drain(&mut world, taker, lines), texts(0..4));
    assert_eq!(reads(&mut world).len(), 1);
}
