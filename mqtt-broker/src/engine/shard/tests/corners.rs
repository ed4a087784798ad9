//! Corners where two rules meet: sizes with sessions, windows with retained messages, wills with
//! groups, reloads with slow answers.

use std::num::NonZeroU16;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mqtt_codec::{
    Packet, PacketId, Properties, Property, Publish, QoS, RetainHandling, Subscribe,
    SubscribeFiltersBuf, SubscriptionOptions, TopicName, Unsubscribe, UnsubscribeFiltersBuf,
};

use super::SHARDS;
use super::limits::with_users;
use super::world::{Client, How, Verdicts, World, settings};
use crate::engine::out_queue::FULL_BYTES;

fn kept_with(property: Property<'_>) -> How<'_> {
    let mut how = How::kept();
    how.properties.push(property);
    how
}

fn sessions(world: &World) -> u64 {
    let shards = world.shards.iter();
    let counted = shards.map(|shard| shard.tally.clients_total).sum();
    let commons = &world.shards[0].commons;
    assert_eq!(u64::from(commons.sessions.load(Ordering::Relaxed)), counted);
    counted
}

#[test]
fn a_client_that_takes_no_connack_of_its_size_leaves_nothing_and_takes_nothing_over() {
    for shards in SHARDS {
        let mut world = World::new(shards);
        let tiny = kept_with(Property::MaximumPacketSize(8));
        assert_eq!(world.connect("new", &tiny).1, "closed");
        assert_eq!(sessions(&world), 0);
        let old = world.join("c", &How::kept());
        assert_eq!(world.connect("c", &tiny).1, "closed");
        assert_eq!(world.lines(old), [""; 0]);
        assert_eq!(sessions(&world), 1);
    }
}

/// [MQTT-3.1.2-24] The shortest CONNACK of 5.0 has 5 bytes.
#[test]
fn a_refusal_that_is_too_large_for_its_client_is_not_sent() {
    for (most, answer) in [(4, "closed"), (5, "CONNACK 0 Bad authentication method")] {
        let mut world = World::new(1);
        let how = How {
            properties: vec![
                Property::MaximumPacketSize(most),
                Property::AuthenticationMethod("none"),
            ],
            ..How::default()
        };
        assert_eq!(world.connect("c", &how).1, answer, "{most}");
    }
}

/// [MQTT-3.1.0-2] The codec refuses its protocol level with a reason that CONNACK alone has.
#[test]
fn a_second_connect_of_an_unknown_level_is_a_protocol_error() {
    let mut world = World::new(1);
    let client = world.join("c", &How::default());
    let second = b"\x10\x0e\0\x04MQTT\x63\x02\0\0\0\0\x01c";
    world.send_bytes(client, second);
    assert_eq!(world.lines(client), ["DISCONNECT Protocol Error", "closed"]);
}

#[test]
fn an_answer_to_many_filters_that_is_too_large_for_its_client_is_not_sent() {
    let closed = ["DISCONNECT Packet too large", "closed"];
    let mut subscribe = SubscribeFiltersBuf::new();
    let mut unsubscribe = UnsubscribeFiltersBuf::new();
    for n in 0..20 {
        subscribe.push(&n.to_string(), SubscriptionOptions::default());
        unsubscribe.push(&n.to_string());
    }
    let mut world = World::new(1);
    for packet in [
        Packet::Subscribe(Subscribe {
            packet_id: PacketId::MIN,
            properties: Properties::EMPTY,
            filters: subscribe.as_filters(),
        }),
        Packet::Unsubscribe(Unsubscribe {
            packet_id: PacketId::MIN,
            properties: Properties::EMPTY,
            filters: unsubscribe.as_filters(),
        }),
    ] {
        for (most, fits) in [(24, false), (25, true)] {
            let how = How {
                properties: vec![Property::MaximumPacketSize(most)],
                ..How::default()
            };
            let client = world.join("c", &how);
            world.send(client, &packet);
            let lines = world.lines(client);
            assert_eq!(lines == closed, !fits, "{most}: {lines:?}");
        }
    }
}

#[test]
fn retained_messages_keep_to_the_window_of_a_client_that_got_nothing_before() {
    for shards in SHARDS {
        let mut world = World::new(shards);
        let publisher = world.join("publisher", &How::default());
        for n in 0..5 {
            world.publish_with(publisher, &format!("t/{n}"), 1, true, "x", &[]);
        }
        let client = world.join("c", &kept_with(Property::ReceiveMaximum(2)));
        assert_eq!(world.subscribe(client, "t/#", 1).len(), 1 + 2);
        world.ack(client, Packet::Puback, 1);
        assert_eq!(world.lines(client).len(), 1);
    }
}

#[test]
fn a_subscription_that_is_replaced_brings_its_retained_messages_under_the_new_terms() {
    let mut world = World::new(1);
    let publisher = world.join("publisher", &How::default());
    let client = world.join("c", &kept_with(Property::ReceiveMaximum(1)));
    for topic in ["a", "b", "c"] {
        world.publish_with(publisher, topic, 2, true, "x", &[]);
        world.ack(publisher, Packet::Pubrel, 77);
        world.subscribe(client, topic, 2);
    }
    // `a` is sent and `b` waits in the queue; `c` was not looked for yet. Retain Handling 1 asks for
    // nothing anew.
    let options = SubscriptionOptions {
        qos: QoS::AtLeastOnce,
        retain_handling: RetainHandling::IfNew,
        ..SubscriptionOptions::default()
    };
    let identifier = [Property::SubscriptionIdentifier(5)];
    world.subscribe_with(client, "c", options, &identifier);
    for id in [1, 2] {
        world.ack(client, Packet::Pubrec, id);
        world.ack(client, Packet::Pubcomp, id);
    }
    assert_eq!(
        world.lines(client).last().map(String::as_str),
        Some("PUBLISH c q1 retain m3 x SubscriptionIdentifier(5)")
    );
}

#[test]
fn a_subscription_that_is_replaced_when_nothing_is_retained_brings_nothing_under_the_old_terms() {
    let mut world = World::new(1);
    let publisher = world.join("publisher", &How::default());
    let client = world.join("c", &kept_with(Property::ReceiveMaximum(1)));
    for topic in ["a", "b", "c"] {
        world.publish_with(publisher, topic, 1, true, "x", &[]);
        world.subscribe(client, topic, 1);
    }
    for topic in ["a", "b", "c"] {
        world.publish_with(publisher, topic, 0, true, "", &[]);
    }
    world.subscribe(client, "c", 0);
    world.publish_with(publisher, "c", 0, true, "new", &[]);
    for id in 1..=2 {
        world.ack(client, Packet::Puback, id);
    }
    let lines = world.lines(client);
    let new = lines.iter().filter(|line| line.ends_with("new"));
    assert_eq!(new.count(), 1, "{lines:?}");
}

#[test]
fn what_is_held_for_a_client_is_counted_with_its_topics() {
    let mut world = World::new(1);
    let client = world.join("c", &How::v311());
    let topic = "t".repeat(60_000);
    for n in 1..=1200 {
        let publish = Publish {
            dup: false,
            qos: QoS::ExactlyOnce,
            retain: false,
            topic: Some(TopicName::parse(&topic).unwrap()),
            packet_id: PacketId::new(n),
            properties: Properties::EMPTY,
            payload: b"",
        };
        world.send(client, &Packet::Publish(publish));
    }
    assert_eq!(
        world.lines(client).last().map(String::as_str),
        Some("closed")
    );
}

#[test]
fn what_one_member_cannot_take_goes_to_one_who_would_have_to_wait_for_it() {
    let mut world = World::new(1);
    let publisher = world.join("publisher", &How::default());
    let away = world.join("away", &How::kept());
    world.subscribe(away, "$share/g/t", 1);
    world.cut(away);
    let small = world.join("small", &kept_with(Property::MaximumPacketSize(50)));
    world.subscribe(small, "$share/g/t", 1);
    for _ in 0..2 {
        world.publish(publisher, "t", 1, &"x".repeat(100));
    }
    assert_eq!(world.lines(small), [""; 0]);
    assert_eq!(world.connect_all("away", &How::kept()).1.len(), 1 + 2);
}

#[test]
fn a_will_for_a_group_goes_to_a_member_that_is_still_there() {
    for shards in SHARDS {
        for how in [How::default(), How::kept()] {
            let mut world = World::new(shards);
            let how = How {
                will: Some(("t", "bye")),
                ..how
            };
            let dead = world.join("dead", &how);
            let alive = world.join("alive", &How::default());
            for member in [dead, alive] {
                world.subscribe(member, "$share/g/t", 0);
            }
            world.cut(dead);
            assert_eq!(world.lines(alive), ["PUBLISH t q0 bye"], "{shards} shards");
        }
    }
}

#[test]
fn qos_0_messages_do_not_overtake_those_that_waited_for_their_client() {
    for shards in SHARDS {
        let mut settings = settings();
        settings.queue_qos0_messages = true;
        settings.max_inflight_messages = NonZeroU16::MIN;
        let mut world = World::with(shards, settings);
        let publisher = world.join("publisher", &How::default());
        let subscriber = world.join("subscriber", &How::kept());
        world.subscribe(subscriber, "t", 1);
        world.cut(subscriber);
        for (qos, payload) in [(1, "1"), (1, "2"), (0, "3")] {
            world.publish(publisher, "t", qos, payload);
        }
        let (subscriber, lines) = world.connect_all("subscriber", &How::kept());
        assert_eq!(lines[1..], ["PUBLISH t q1 m1 1"]);
        world.publish(publisher, "t", 0, "4");
        assert_eq!(world.lines(subscriber), [""; 0]);
        world.ack(subscriber, Packet::Puback, 1);
        let rest = ["PUBLISH t q1 m2 2", "PUBLISH t q0 3", "PUBLISH t q0 4"];
        assert_eq!(world.lines(subscriber), rest);
        world.publish(publisher, "t", 0, "5");
        assert_eq!(world.lines(subscriber), ["PUBLISH t q0 5"]);
    }
}

#[test]
fn a_client_has_its_whole_keep_alive_once_it_is_read_from_again() {
    let mut world = World::new(1);
    let how = How {
        keep_alive: 10,
        ..How::default()
    };
    let client = world.join("c", &how);
    world.block(client, true);
    let pings = [0xc0, 0].repeat(1000);
    for _ in 0..=FULL_BYTES / 2000 {
        world.send_bytes(client, &pings);
    }
    assert!(world.is_paused(client));
    world.sleep(Duration::from_secs(14));
    world.block(client, false);
    world.sleep(Duration::from_secs(14));
    assert!(!world.lines(client).contains(&"closed".to_owned()));
    world.sleep(Duration::from_secs(2));
    let last = ["DISCONNECT Keep Alive timeout", "closed"];
    assert_eq!(world.lines(client), last);
}

#[test]
fn a_message_that_is_over_is_not_given_to_another_member() {
    for shards in SHARDS {
        let mut world = World::new(shards);
        let publisher = world.join("publisher", &How::default());
        let mut how = How::kept();
        how.properties = vec![Property::SessionExpiryInterval(10)];
        let away = world.join("away", &how);
        world.subscribe(away, "$share/g/t", 1);
        world.cut(away);
        let expiry = [Property::MessageExpiryInterval(5)];
        world.publish_with(publisher, "t", 1, false, "over", &expiry);
        world.publish(publisher, "t", 1, "good");
        let heir = world.join("heir", &How::default());
        world.subscribe(heir, "$share/g/t", 1);
        world.sleep(Duration::from_secs(12));
        assert_eq!(world.lines(heir), ["PUBLISH t q1 m1 good"]);
    }
}

#[test]
fn a_raised_qos_holds_for_retained_messages_too() {
    let mut settings = settings();
    settings.upgrade_outgoing_qos = true;
    let mut world = World::with(1, settings);
    let publisher = world.join("publisher", &How::default());
    world.publish_with(publisher, "t", 0, true, "x", &[]);
    let client = world.join("c", &How::default());
    let lines = world.subscribe(client, "t", 1);
    assert_eq!(lines[1..], ["PUBLISH t q1 retain m1 x"]);
}

fn ann(world: &mut World) -> (Client, String) {
    let how = How {
        user: Some(("ann", "old")),
        ..How::default()
    };
    world.connect("ann", &how)
}

#[test]
fn a_password_that_could_not_be_checked_after_a_reload_is_checked_later() {
    for shards in SHARDS {
        let mut world = World::with(shards, with_users(&[("ann", "old")]));
        let (client, _) = ann(&mut world);
        world.verdicts = Verdicts::Overloaded;
        world.reload(with_users(&[("ann", "new")]));
        world.sleep(Duration::from_secs(5));
        assert_eq!(world.lines(client), [""; 0], "nobody knows yet");
        world.verdicts = Verdicts::Given;
        world.sleep(Duration::from_secs(2));
        assert_eq!(
            world.lines(client),
            ["DISCONNECT Not authorized", "closed"],
            "{shards} shards"
        );
    }
}

#[test]
fn a_reload_while_a_password_is_checked_is_not_missed() {
    for shards in SHARDS {
        let mut world = World::with(shards, with_users(&[("ann", "old")]));
        world.verdicts = Verdicts::Late;
        let (client, connack) = ann(&mut world);
        assert_eq!(connack, "");
        world.reload(with_users(&[("ann", "new")]));
        world.verdicts = Verdicts::Given;
        world.settle();
        let lines = world.lines(client);
        assert_eq!(
            lines.last().map(String::as_str),
            Some("closed"),
            "{lines:?}"
        );
    }
}

#[test]
fn time_to_connect_is_not_time_for_the_broker_to_think() {
    let mut world = World::with(1, with_users(&[("ann", "old")]));
    let client = world.open();
    let mut bytes = vec![0x10, 26, 0, 4];
    bytes.extend_from_slice(b"MQTT\x05\xc2\0\0\0\0\x03ann\0\x03ann\0\x03old");
    world.send_bytes(client, &bytes[..5]);
    world.sleep(Duration::from_secs(9));
    world.verdicts = Verdicts::Late;
    world.send_bytes(client, &bytes[5..]);
    world.sleep(Duration::from_secs(5));
    world.verdicts = Verdicts::Given;
    world.settle();
    assert!(world.lines(client)[0].starts_with("CONNACK 0 Success"));
    world.verdicts = Verdicts::Late;
    let (client, _) = ann(&mut world);
    world.sleep(Duration::from_secs(11));
    assert_eq!(world.lines(client), ["closed"], "but it has an end too");
}

#[test]
fn a_member_that_reads_nothing_loses_its_turns_to_those_who_do() {
    let mut world = World::new(1);
    let publisher = world.join("publisher", &How::default());
    let stuck = world.join("stuck", &How::default());
    let well = world.join("well", &How::default());
    for member in [stuck, well] {
        world.subscribe(member, "$share/g/t", 0);
    }
    world.block(stuck, true);
    let pings = [0xc0, 0].repeat(1000);
    for _ in 0..=FULL_BYTES / 2000 {
        world.send_bytes(stuck, &pings);
    }
    for _ in 0..4 {
        world.publish(publisher, "t", 0, "x");
    }
    assert_eq!(world.lines(well).len(), 4);
}
