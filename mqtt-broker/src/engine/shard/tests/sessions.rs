//! Sessions: resumption, takeover, expiry, wills, keep alive, the first packet.

use std::time::Duration;

use mqtt_codec::{Disconnect, Packet, Properties, PropertiesBuf, Property, ReasonCode, Version};

use super::SHARDS;
use super::world::{How, World, settings};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_kept_session_gets_what_it_missed_in_order_and_unanswered_messages_again() {
    for shards in SHARDS {
        let mut world = World::new(shards);
        let publisher = world.join("publisher", &How::default());
        let subscriber = world.join("subscriber", &How::kept());
        world.subscribe(subscriber, "t", 2);
        world.publish(publisher, "t", 1, "1");
        world.publish_twice_safe(publisher, "t", "2");
        world.publish_twice_safe(publisher, "t", "3");
        assert_eq!(world.lines(subscriber).len(), 3);
        world.ack(subscriber, Packet::Pubrec, 3);
        assert_eq!(world.lines(subscriber), ["PUBREL 3 Success"]);
        world.cut(subscriber);
        world.publish(publisher, "t", 1, "4");
        world.publish(publisher, "t", 0, "never");
        let (subscriber, lines) = world.connect_all("subscriber", &How::kept());
        assert!(lines[0].starts_with("CONNACK 1 Success"), "{}", lines[0]);
        assert_eq!(
            lines[1..],
            [
                "PUBLISH t q1 dup m1 1",
                "PUBLISH t q2 dup m2 2",
                "PUBREL 3 Success",
                "PUBLISH t q1 m4 4"
            ]
        );
        for (kind, id) in [
            (Packet::Puback as fn(_) -> _, 1),
            (Packet::Pubrec, 2),
            (Packet::Pubcomp, 3),
        ] {
            world.ack(subscriber, kind, id);
        }
        world.ack(subscriber, Packet::Pubcomp, 2);
        world.ack(subscriber, Packet::Puback, 4);
        assert_eq!(world.lines(subscriber), ["PUBREL 2 Success"]);
        world.cut(subscriber);
        let (_, lines) = world.connect_all("subscriber", &How::kept());
        assert_eq!(lines.len(), 1);
    }
}

#[test]
fn a_session_is_present_only_if_it_was_kept_and_is_wanted() {
    for shards in SHARDS {
        let mut world = World::new(shards);
        let present = |connack: String| connack.starts_with("CONNACK 1");
        let clean = How::v311();
        let unclean = How {
            clean_start: false,
            ..How::v311()
        };
        assert!(!present(world.connect("c", &unclean).1));
        assert!(present(world.connect("c", &unclean).1), "takeover resumes");
        assert!(!present(world.connect("c", &clean).1));
        assert!(
            !present(world.connect("c", &unclean).1),
            "a clean session is not inherited"
        );
        let none = How {
            clean_start: false,
            ..How::default()
        };
        assert!(present(world.connect("c", &none).1));
        assert!(
            !present(world.connect("c", &none).1),
            "expiry 0 ends with its connection"
        );
    }
}

#[test]
fn a_newer_connection_takes_over_and_the_older_one_is_told() {
    for shards in SHARDS {
        let mut world = World::new(shards);
        let old = world.join("c", &How::default());
        let new = world.join("c", &How::default());
        assert_eq!(
            world.lines(old),
            ["DISCONNECT Session taken over", "closed"]
        );
        let newest = world.join("c", &How::v311());
        assert_eq!(
            world.lines(new),
            ["DISCONNECT Session taken over", "closed"]
        );
        world.join("c", &How::default());
        assert_eq!(world.lines(newest), ["closed"]);
    }
}

#[test]
fn a_will_on_takeover_is_kept_back_only_if_its_delay_lets_the_client_come_back() {
    let kept = Property::SessionExpiryInterval(100);
    let delay = Property::WillDelayInterval(10);
    for (properties, will_properties, clean_start, sent) in [
        (vec![], vec![], true, true),
        (vec![kept], vec![], false, true),
        (vec![kept], vec![delay], false, false),
        (vec![kept], vec![delay], true, true),
        (vec![], vec![delay], false, true),
    ] {
        for shards in SHARDS {
            let mut world = World::new(shards);
            let watcher = world.join("watcher", &How::default());
            world.subscribe(watcher, "will", 0);
            let how = How {
                properties: properties.clone(),
                will_properties: will_properties.clone(),
                will: Some(("will", "bye")),
                ..How::default()
            };
            world.join("c", &how);
            let (again, _) = world.connect(
                "c",
                &How {
                    clean_start,
                    ..How::default()
                },
            );
            let expected: &[&str] = if sent { &["PUBLISH will q0 bye"] } else { &[] };
            assert_eq!(
                world.lines(watcher),
                expected,
                "{properties:?} {will_properties:?} {clean_start}"
            );
            world.cut(again);
            world.sleep(seconds(30));
            assert_eq!(world.lines(watcher), [""; 0], "never twice");
        }
    }
}

#[test]
fn a_will_is_due_at_its_delay_or_the_sessions_end_and_not_if_the_client_is_back() {
    for (delay, expiry, due) in [(0, 0, 0), (0, 100, 0), (5, 100, 5), (50, 7, 7), (5, 0, 0)] {
        for shards in SHARDS {
            let mut world = World::new(shards);
            let watcher = world.join("watcher", &How::default());
            world.subscribe(watcher, "will", 1);
            let how = How {
                properties: vec![Property::SessionExpiryInterval(expiry)],
                will_properties: vec![
                    Property::WillDelayInterval(delay),
                    Property::MessageExpiryInterval(9),
                ],
                will: Some(("will", "bye")),
                ..How::default()
            };
            let client = world.join("c", &how);
            world.cut(client);
            if due > 0 {
                world.sleep(seconds(due) - Duration::from_millis(10));
                assert_eq!(world.lines(watcher), [""; 0], "{delay} {expiry}");
                world.sleep(Duration::from_millis(500));
            }
            assert_eq!(
                world.lines(watcher),
                ["PUBLISH will q1 m1 bye MessageExpiryInterval(9)"]
            );
            world.ack(watcher, Packet::Puback, 1);
            if due > 0 && u64::from(expiry) > due {
                let client = world.join("c", &how);
                world.cut(client);
                world.sleep(seconds(due) / 2);
                world.connect(
                    "c",
                    &How {
                        clean_start: false,
                        ..How::default()
                    },
                );
                world.sleep(seconds(due) * 2);
                assert_eq!(world.lines(watcher), [""; 0], "came back in time");
            }
        }
    }
}

#[test]
fn disconnect_discards_the_will_unless_it_says_otherwise() {
    for (reason, sent) in [
        (ReasonCode::Success, false),
        (ReasonCode::DisconnectWithWill, true),
        (ReasonCode::UnspecifiedError, true),
    ] {
        let mut world = World::new(1);
        let watcher = world.join("watcher", &How::default());
        world.subscribe(watcher, "will", 0);
        let client = world.join(
            "c",
            &How {
                will: Some(("will", "bye")),
                ..How::default()
            },
        );
        let disconnect = Disconnect {
            reason,
            properties: Properties::EMPTY,
        };
        world.send(client, &Packet::Disconnect(disconnect));
        assert_eq!(world.lines(watcher).len(), usize::from(sent), "{reason:?}");
    }
}

#[test]
fn a_retained_will_is_retained() {
    let mut world = World::new(1);
    let how = How {
        will: Some(("will", "bye")),
        will_retain: true,
        ..How::v311()
    };
    let client = world.join("c", &how);
    world.cut(client);
    let later = world.join("later", &How::v311());
    assert_eq!(
        world.subscribe(later, "will", 0)[1..],
        ["PUBLISH will q0 retain bye"]
    );
}

#[test]
fn disconnect_may_change_the_expiry_but_not_from_nothing() {
    let expiry = |seconds| {
        let mut block = PropertiesBuf::new();
        block.push(Property::SessionExpiryInterval(seconds));
        block
    };
    for (connect, disconnect, legal, present) in [
        (100, 0, true, false),
        (0, 100, false, false),
        (100, 1000, true, true),
        (0, 0, true, false),
    ] {
        let mut world = World::new(1);
        let how = How {
            properties: vec![Property::SessionExpiryInterval(connect)],
            will: Some(("will", "bye")),
            ..How::default()
        };
        let client = world.join("c", &how);
        let watcher = world.join("watcher", &How::default());
        world.subscribe(watcher, "will", 0);
        let properties = expiry(disconnect);
        let properties = properties.as_properties();
        world.send(
            client,
            &Packet::Disconnect(Disconnect {
                reason: ReasonCode::Success,
                properties,
            }),
        );
        let expected: &[&str] = if legal {
            &["closed"]
        } else {
            &["DISCONNECT Protocol Error", "closed"]
        };
        assert_eq!(world.lines(client), expected);
        assert_eq!(
            world.lines(watcher).len(),
            usize::from(!legal),
            "{connect} {disconnect}"
        );
        world.sleep(seconds(200));
        let how = How {
            clean_start: false,
            ..How::default()
        };
        assert_eq!(
            world.connect("c", &how).1.starts_with("CONNACK 1"),
            present,
            "{connect} {disconnect}"
        );
    }
}

#[test]
fn sessions_end_when_their_time_is_over_and_a_cap_is_told() {
    let mut capped = settings();
    capped.persistent_client_expiration = Some(seconds(60));
    let mut world = World::with(1, capped);
    let how = How {
        properties: vec![Property::SessionExpiryInterval(3600)],
        ..How::default()
    };
    let (client, connack) = world.connect("c", &how);
    assert!(connack.contains("SessionExpiryInterval(60)"), "{connack}");
    world.subscribe(client, "t", 1);
    world.cut(client);
    world.sleep(seconds(59));
    assert_eq!(world.told(), ["c gone: ClosedByPeer"]);
    world.sleep(seconds(2));
    assert_eq!(world.told(), ["c expired"]);
    assert!(world.connect("c", &How::kept()).1.starts_with("CONNACK 0"));
}

#[test]
fn a_silent_client_is_cut_off_after_one_and_a_half_times_its_keep_alive() {
    let mut world = World::new(1);
    let v5 = world.join(
        "v5",
        &How {
            keep_alive: 10,
            ..How::default()
        },
    );
    let off = world.join("off", &How::default());
    world.subscribe(off, "t", 0);
    world.sleep(seconds(14));
    world.send(v5, &Packet::Pingreq);
    assert_eq!(world.lines(v5), ["PINGRESP"]);
    world.sleep(Duration::from_millis(14_900));
    assert_eq!(world.lines(v5), [""; 0]);
    world.sleep(Duration::from_millis(400));
    assert_eq!(world.lines(v5), ["DISCONNECT Keep Alive timeout", "closed"]);
    world.sleep(seconds(100_000));
    assert_eq!(world.lines(off), [""; 0]);
}

#[test]
fn a_connection_without_connect_is_closed_in_time_without_a_word() {
    let mut world = World::new(1);
    let idle = world.open();
    let slow = world.open();
    world.sleep(seconds(9));
    world.send_bytes(slow, &[0x10]);
    world.sleep(seconds(2));
    assert_eq!(world.lines(idle), ["closed"]);
    assert_eq!(world.lines(slow), ["closed"]);
}

#[test]
fn bytes_may_be_cut_anywhere_and_may_follow_connect_at_once() {
    let mut stream = vec![
        0x10, 0x0e, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 2, b'c', b'1',
    ];
    stream.extend_from_slice(&[0x82, 6, 0, 1, 0, 1, b't', 0]);
    stream.extend_from_slice(&[0x30, 5, 0, 1, b't', b'h', b'i', 0xc0, 0]);
    for shards in SHARDS {
        for step in 1..stream.len() {
            let mut world = World::new(shards);
            let client = world.open();
            world.set_version(client, Version::V311);
            for part in stream.chunks(step) {
                world.send_bytes(client, part);
            }
            let lines = world.lines(client);
            assert_eq!(
                lines,
                [
                    "CONNACK 0 Success",
                    "SUBACK [00]",
                    "PUBLISH t q0 hi",
                    "PINGRESP"
                ],
                "{step} at a time"
            );
        }
    }
}

#[test]
fn first_packets_that_are_none_get_the_answer_of_their_version() {
    let connect = |name: &[u8], level: u8| {
        let mut bytes = vec![0x10, 0, 0, u8::try_from(name.len()).unwrap()];
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(&[level, 2, 0, 60]);
        if level == 5 {
            bytes.push(0);
        }
        bytes.extend_from_slice(&[0, 1, b'c']);
        bytes[1] = u8::try_from(bytes.len() - 2).unwrap();
        bytes
    };
    for (bytes, answer) in [
        (vec![0xc0, 0], &["closed"][..]),
        (b"GET / HTTP/1.1\r\n".to_vec(), &["closed"]),
        (connect(b"MQTX", 4), &["closed"]),
        (
            connect(b"MQTT", 99),
            &["CONNACK 0 Unsupported Protocol Version", "closed"],
        ),
        (connect(b"MQTT", 4), &["CONNACK 0 Success"]),
    ] {
        let mut world = World::new(1);
        let client = world.open();
        world.set_version(client, Version::V311);
        world.send_bytes(client, &bytes);
        assert_eq!(world.lines(client), answer, "{bytes:02x?}");
    }
}

#[test]
fn empty_client_ids_are_filled_in_where_that_is_allowed() {
    for shards in SHARDS {
        let mut world = World::new(shards);
        let connack = world.connect("", &How::default()).1;
        assert!(
            connack.contains("AssignedClientIdentifier(\"auto-"),
            "{connack}"
        );
        assert_eq!(world.connect("", &How::v311()).1, "CONNACK 0 Success");
        let unclean = How {
            clean_start: false,
            ..How::v311()
        };
        let (client, connack) = world.connect("", &unclean);
        assert_eq!(connack, "CONNACK 0 Client Identifier not valid");
        assert_eq!(world.lines(client), ["closed"]);
    }
}

#[test]
fn a_stopping_broker_tells_its_clients_and_publishes_wills() {
    let mut world = World::new(1);
    let watcher = world.join("watcher", &How::default());
    world.subscribe(watcher, "will", 0);
    world.join(
        "c",
        &How {
            will: Some(("will", "bye")),
            ..How::v311()
        },
    );
    world.stop();
    let lines = world.lines(watcher);
    assert!(
        lines.contains(&"DISCONNECT Server shutting down".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn nothing_is_left_when_all_clients_are_gone() {
    for shards in SHARDS {
        let mut world = World::new(shards);
        for round in 0..3 {
            let clients: Vec<_> = (0..20)
                .map(|n| world.join(&format!("c{n}"), &How::default()))
                .collect();
            for client in &clients {
                world.subscribe(*client, "a/+", 1);
                world.subscribe(*client, "$share/g/a/#", 1);
                world.publish(*client, "a/b", 1, "x");
            }
            for client in clients {
                world.cut(client);
            }
            for shard in &world.shards {
                assert!(
                    shard.sessions.is_empty() && shard.connections.is_empty(),
                    "round {round}"
                );
                let tally = shard.tally;
                assert_eq!((tally.subscriptions, tally.shared_subscriptions), (0, 0));
                assert_eq!((tally.messages_stored, tally.messages_stored_bytes), (0, 0));
                assert_eq!(
                    (
                        tally.clients_total,
                        tally.clients_connected,
                        tally.connections
                    ),
                    (0, 0, 0)
                );
            }
        }
    }
}
