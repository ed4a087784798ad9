//! Messages: QoS, order, retained messages, properties, identifiers, aliases, expiry.

use std::time::Duration;

use mqtt_codec::{Packet, Property, QoS, ReasonCode, RetainHandling, SubscriptionOptions};

use super::SHARDS;
use super::world::{Client, How, World};

#[test]
fn a_message_reaches_its_subscribers_at_the_lower_qos() {
    for shards in SHARDS {
        for (published, granted) in (0..3).flat_map(|p| (0..3).map(move |g| (p, g))) {
            let mut world = World::new(shards);
            let publisher = world.join("publisher", &How::v311());
            let subscriber = world.join("subscriber", &How::v311());
            assert_eq!(
                world.subscribe(subscriber, "a/+", granted),
                [format!("SUBACK [{granted:02x}]")]
            );
            world.publish(publisher, "a/b", published, "x");
            if published == 2 {
                world.ack(publisher, Packet::Pubrel, 77);
            }
            let qos = published.min(granted);
            let id = if qos > 0 { " m1" } else { "" };
            assert_eq!(
                world.lines(subscriber),
                [format!("PUBLISH a/b q{qos}{id} x")]
            );
            let answers: &[&str] = match published {
                0 => &[],
                1 => &["PUBACK 77 Success"],
                _ => &["PUBREC 77 Success", "PUBCOMP 77 Success"],
            };
            assert_eq!(world.lines(publisher), answers);
        }
    }
}

#[test]
fn a_qos_2_message_is_routed_once_however_often_it_is_repeated() {
    for shards in SHARDS {
        let mut world = World::new(shards);
        let publisher = world.join("publisher", &How::kept());
        let subscriber = world.join("subscriber", &How::default());
        world.subscribe(subscriber, "t", 2);
        for _ in 0..3 {
            world.publish(publisher, "t", 2, "once");
            assert_eq!(world.lines(publisher), ["PUBREC 77 Success"]);
        }
        world.cut(publisher);
        let (publisher, _) = world.connect("publisher", &How::kept());
        world.publish(publisher, "t", 2, "once");
        world.ack(publisher, Packet::Pubrel, 77);
        world.ack(publisher, Packet::Pubrel, 77);
        assert_eq!(
            world.lines(publisher),
            [
                "PUBREC 77 Success",
                "PUBCOMP 77 Success",
                "PUBCOMP 77 Packet Identifier not found"
            ]
        );
        assert_eq!(world.lines(subscriber), ["PUBLISH t q2 m1 once"]);
        world.ack(subscriber, Packet::Pubrec, 1);
        world.ack(subscriber, Packet::Pubrec, 1);
        world.ack(subscriber, Packet::Pubcomp, 1);
        assert_eq!(
            world.lines(subscriber),
            ["PUBREL 1 Success", "PUBREL 1 Success"]
        );
    }
}

#[test]
fn the_publisher_of_a_qos_1_message_hears_that_nobody_wants_it() {
    for shards in SHARDS {
        let mut world = World::new(shards);
        let publisher = world.join("publisher", &How::default());
        world.publish(publisher, "t", 1, "x");
        assert_eq!(
            world.lines(publisher),
            ["PUBACK 77 No matching subscribers"]
        );
        let subscriber = world.join("subscriber", &How::default());
        world.subscribe(subscriber, "t", 0);
        world.publish(publisher, "t", 1, "x");
        assert_eq!(world.lines(publisher), ["PUBACK 77 Success"]);
        world.unsubscribe(subscriber, "t");
        world.publish(publisher, "t", 1, "x");
        assert_eq!(
            world.lines(publisher),
            ["PUBACK 77 No matching subscribers"]
        );
    }
}

#[test]
fn retained_messages_reach_later_subscribers_as_retain_handling_says() {
    for shards in SHARDS {
        let mut world = World::new(shards);
        let publisher = world.join("publisher", &How::default());
        world.publish_with(publisher, "t", 1, true, "old", &[]);
        world.publish_with(publisher, "t", 1, true, "new", &[]);
        let subscriber = world.join("subscriber", &How::default());
        let id = [Property::SubscriptionIdentifier(7)];
        let subscribe = |world: &mut World, retain_handling| {
            let options = SubscriptionOptions {
                qos: QoS::ExactlyOnce,
                retain_handling,
                ..SubscriptionOptions::default()
            };
            let lines = world.subscribe_with(subscriber, "+", options, &id);
            lines
                .into_iter()
                .skip(1)
                .map(|line| line.split_once(" m").unwrap().0.to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(subscribe(&mut world, RetainHandling::Never), [""; 0]);
        assert_eq!(subscribe(&mut world, RetainHandling::IfNew), [""; 0]);
        assert_eq!(
            subscribe(&mut world, RetainHandling::Always),
            ["PUBLISH t q1 retain"]
        );
        world.unsubscribe(subscriber, "+");
        assert_eq!(
            subscribe(&mut world, RetainHandling::IfNew),
            ["PUBLISH t q1 retain"]
        );
        world.publish_with(publisher, "t", 0, true, "", &[]);
        assert_eq!(
            world.lines(subscriber),
            ["PUBLISH t q0  SubscriptionIdentifier(7)"]
        );
        assert_eq!(subscribe(&mut world, RetainHandling::Always), [""; 0]);
    }
}

#[test]
fn live_messages_keep_retain_only_where_it_was_asked_for() {
    for shards in SHARDS {
        let mut world = World::new(shards);
        let publisher = world.join("publisher", &How::default());
        let plain = world.join("plain", &How::default());
        let kept = world.join("kept", &How::default());
        world.subscribe(plain, "t", 0);
        let retain_as_published = true;
        let options = SubscriptionOptions {
            retain_as_published,
            ..SubscriptionOptions::default()
        };
        world.subscribe_with(kept, "t", options, &[]);
        world.publish_with(publisher, "t", 0, true, "x", &[]);
        assert_eq!(world.lines(plain), ["PUBLISH t q0 x"]);
        assert_eq!(world.lines(kept), ["PUBLISH t q0 retain x"]);
    }
}

#[test]
fn many_retained_messages_come_in_slices_and_none_is_missing() {
    for shards in SHARDS {
        let mut world = World::new(shards);
        let publisher = world.join("publisher", &How::default());
        for n in 0..1500 {
            world.publish_with(publisher, &format!("t/{n}"), 0, true, "x", &[]);
        }
        let subscriber = world.join("subscriber", &How::default());
        let mut topics: Vec<String> = world.subscribe(subscriber, "t/#", 1);
        topics.remove(0);
        topics.sort();
        topics.dedup();
        assert_eq!(topics.len(), 1500);
    }
}

#[test]
fn one_copy_carries_all_identifiers_of_its_receiver_and_no_others() {
    for shards in SHARDS {
        let mut world = World::new(shards);
        let publisher = world.join("publisher", &How::default());
        let subscriber = world.join("subscriber", &How::default());
        let other = world.join("other", &How::default());
        for (client, filter, id) in [
            (subscriber, "a/#", 1),
            (subscriber, "a/b", 2),
            (other, "#", 9),
        ] {
            let id = [Property::SubscriptionIdentifier(id)];
            world.subscribe_with(client, filter, SubscriptionOptions::default(), &id);
        }
        world.publish(publisher, "a/b", 0, "x");
        let lines = world.lines(subscriber);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].contains("SubscriptionIdentifier(1)"), "{lines:?}");
        assert!(lines[0].contains("SubscriptionIdentifier(2)"), "{lines:?}");
        assert_eq!(
            world.lines(other),
            ["PUBLISH a/b q0 x SubscriptionIdentifier(9)"]
        );
    }
}

#[test]
fn properties_go_through_and_reach_3_1_1_clients_as_nothing() {
    for shards in SHARDS {
        let mut world = World::new(shards);
        let publisher = world.join("publisher", &How::default());
        let v5 = world.join("v5", &How::default());
        let v311 = world.join("v311", &How::v311());
        world.subscribe(v5, "t", 0);
        world.subscribe(v311, "t", 0);
        let properties = [
            Property::ContentType("text"),
            Property::UserProperty("a", "1"),
            Property::MessageExpiryInterval(60),
            Property::UserProperty("a", "2"),
            Property::TopicAlias(3),
        ];
        world.publish_with(publisher, "t", 0, false, "x", &properties);
        world.publish_with(publisher, "", 0, false, "y", &[Property::TopicAlias(3)]);
        assert_eq!(
            world.lines(v5),
            [
                "PUBLISH t q0 x ContentType(\"text\") UserProperty(\"a\", \"1\") \
                 UserProperty(\"a\", \"2\") MessageExpiryInterval(60)",
                "PUBLISH t q0 y"
            ]
        );
        assert_eq!(world.lines(v311), ["PUBLISH t q0 x", "PUBLISH t q0 y"]);
    }
}

#[test]
fn aliases_towards_a_client_are_as_many_as_it_takes_and_are_its_own() {
    let mut world = World::new(1);
    let publisher = world.join("publisher", &How::default());
    let how = How {
        properties: vec![Property::TopicAliasMaximum(1)],
        ..How::default()
    };
    let subscriber = world.join("subscriber", &how);
    world.subscribe(subscriber, "#", 0);
    for topic in ["a", "a", "b", "a"] {
        world.publish(publisher, topic, 0, "x");
    }
    assert_eq!(
        world.lines(subscriber),
        [
            "PUBLISH a q0 x TopicAlias(1)",
            "PUBLISH - q0 x TopicAlias(1)",
            "PUBLISH b q0 x",
            "PUBLISH - q0 x TopicAlias(1)"
        ]
    );
}

#[test]
fn wrong_aliases_end_the_connection_with_their_own_codes() {
    for (alias, topic, reason) in [
        (0, "t", "Malformed"),
        (11, "t", "Topic Alias invalid"),
        (1, "", "Protocol Error"),
    ] {
        let mut world = World::new(1);
        let client = world.join("client", &How::default());
        if alias == 0 {
            world.send_bytes(client, &[0x30, 0x07, 0, 1, b'a', 3, 0x23, 0, 0]);
            assert_eq!(
                world.lines(client),
                ["DISCONNECT Topic Alias invalid", "closed"]
            );
            continue;
        }
        world.publish_with(client, topic, 0, false, "x", &[Property::TopicAlias(alias)]);
        assert_eq!(
            world.lines(client),
            [format!("DISCONNECT {reason}"), "closed".to_owned()]
        );
    }
}

#[test]
fn what_waited_says_how_long_it_may_still_live_and_what_is_over_is_not_sent() {
    for shards in SHARDS {
        let mut world = World::new(shards);
        let publisher = world.join("publisher", &How::default());
        let subscriber = world.join("subscriber", &How::kept());
        world.subscribe(subscriber, "t", 1);
        world.cut(subscriber);
        for seconds in [5, 60] {
            let expiry = [Property::MessageExpiryInterval(seconds)];
            world.publish_with(publisher, "t", 1, false, "x", &expiry);
        }
        world.sleep(Duration::from_millis(10_400));
        let (_, lines) = world.connect_all("subscriber", &How::kept());
        assert!(lines[0].starts_with("CONNACK 1"));
        assert_eq!(lines[1..], ["PUBLISH t q1 m1 x MessageExpiryInterval(50)"]);
    }
}

#[test]
fn a_message_that_may_not_wait_is_delivered_at_once_or_never() {
    for shards in SHARDS {
        let mut world = World::new(shards);
        let publisher = world.join("publisher", &How::default());
        let here = world.join("here", &How::default());
        let away = world.join("away", &How::kept());
        world.subscribe(here, "t", 1);
        world.subscribe(away, "t", 1);
        world.cut(away);
        world.publish_with(
            publisher,
            "t",
            1,
            false,
            "x",
            &[Property::MessageExpiryInterval(0)],
        );
        assert_eq!(
            world.lines(here),
            ["PUBLISH t q1 m1 x MessageExpiryInterval(0)"]
        );
        let (_, lines) = world.connect_all("away", &How::kept());
        assert_eq!(lines.len(), 1, "{lines:?}");
    }
}

#[test]
fn no_local_keeps_a_clients_own_messages_from_it() {
    for shards in SHARDS {
        let mut world = World::new(shards);
        let talker = world.join("talker", &How::default());
        let other = world.join("other", &How::default());
        let options = SubscriptionOptions {
            no_local: true,
            ..SubscriptionOptions::default()
        };
        for client in [talker, other] {
            world.subscribe_with(client, "t", options, &[]);
        }
        world.publish(talker, "t", 0, "x");
        assert_eq!(world.lines(talker), [""; 0]);
        assert_eq!(world.lines(other), ["PUBLISH t q0 x"]);
    }
}

#[test]
fn large_payloads_are_shared_and_arrive_whole() {
    for shards in SHARDS {
        let mut world = World::new(shards);
        let publisher = world.join("publisher", &How::default());
        let clients: Vec<_> = (0..3)
            .map(|n| world.join(&format!("c{n}"), &How::default()))
            .collect();
        for (qos, client) in (0..).zip(&clients) {
            world.subscribe(*client, "t", qos);
        }
        let payload = "0123456789".repeat(2000);
        world.publish(publisher, "t", 1, &payload);
        assert_eq!(
            world.lines(clients[0]),
            ["PUBLISH t q0 01234567890123456789"]
        );
        for client in &clients[1..] {
            assert_eq!(
                world.lines(*client),
                ["PUBLISH t q1 m1 01234567890123456789"]
            );
        }
    }
}

#[test]
fn publishing_where_only_the_broker_may_is_refused_and_leaves_no_trace() {
    for topic in ["$SYS/broker/uptime", "$share/g/t"] {
        let mut world = World::new(1);
        let client = world.join("client", &How::default());
        world.publish_with(client, topic, 1, true, "x", &[]);
        assert_eq!(world.lines(client), ["PUBACK 77 Not authorized"]);
        let v311 = world.join("v311", &How::v311());
        world.publish_with(v311, topic, 2, true, "x", &[]);
        assert_eq!(world.lines(v311), ["PUBREC 77 Success"]);
        world.ack(v311, Packet::Pubrel, 77);
        assert_eq!(world.lines(v311), ["PUBCOMP 77 Success"]);
        assert_eq!(world.subscribe(client, "$SYS/#", 0).len(), 1);
    }
}

#[test]
fn an_answer_that_fits_nothing_changes_nothing() {
    let mut world = World::new(1);
    let client = world.join("client", &How::default());
    world.ack(client, Packet::Puback, 3);
    world.ack(client, Packet::Pubcomp, 3);
    world.ack(client, Packet::Pubrec, 3);
    world.ack_with(client, Packet::Pubrec, 3, ReasonCode::QuotaExceeded);
    assert_eq!(
        world.lines(client),
        ["PUBREL 3 Packet Identifier not found"]
    );
    world.subscribe(client, "t", 1);
    world.publish(client, "t", 1, "x");
    world.lines(client);
    world.ack(client, Packet::Pubcomp, 1);
    assert_eq!(world.lines(client), ["DISCONNECT Protocol Error", "closed"]);
}

#[test]
fn a_message_that_is_over_before_another_shard_reads_of_it_is_not_delivered() {
    for group in ["", "$share/g/"] {
        let mut world = World::new(3);
        let takers: Vec<Client> = (0..6)
            .map(|n| {
                let client = world.join(&format!("taker {n}"), &How::default());
                world.subscribe(client, &format!("{group}t"), 1);
                client
            })
            .collect();
        let giver = world.join("giver", &How::default());
        let heard = |world: &mut World| -> usize {
            takers.iter().map(|taker| world.lines(*taker).len()).sum()
        };
        // In good time, too late, and one that is to be delivered now or never.
        for (expiry, wait, comes) in [(5, 1, true), (1, 2, false), (0, 0, true)] {
            for _ in 0..takers.len() {
                world.mail_waits = true;
                let expiry = [Property::MessageExpiryInterval(expiry)];
                world.publish_with(giver, "t", 0, false, "x", &expiry);
                let here = heard(&mut world);
                world.sleep(Duration::from_secs(wait));
                world.mail_waits = false;
                world.settle();
                let all = if group.is_empty() { takers.len() } else { 1 };
                let expected = if comes { all - here } else { 0 };
                assert_eq!(heard(&mut world), expected, "{group} {expiry:?}");
            }
        }
    }
}
