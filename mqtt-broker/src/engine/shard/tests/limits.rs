//! Bounds: windows, queues, packet sizes, slow readers, quotas, who is let in.

use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;

use mqtt_codec::{Packet, Property, QoS};
use mqtt_passwd::{PasswordHash, Scheme};

use super::SHARDS;
use super::world::{How, World, settings};
use crate::auth::{Authenticator, PasswordFile};
use crate::engine::limits::Settings;
use crate::engine::out_queue::FULL_BYTES;

#[test]
fn no_more_messages_are_in_flight_than_the_client_takes() {
    for shards in SHARDS {
        let mut world = World::new(shards);
        let publisher = world.join("publisher", &How::default());
        let how = How {
            properties: vec![Property::ReceiveMaximum(3)],
            ..How::default()
        };
        let subscriber = world.join("subscriber", &how);
        world.subscribe(subscriber, "t", 1);
        for n in 0..10 {
            world.publish(publisher, "t", 1, &n.to_string());
        }
        let mut seen = world.lines(subscriber);
        assert_eq!(seen.len(), 3);
        for id in 1..=10 {
            world.ack(subscriber, Packet::Puback, id);
            seen.extend(world.lines(subscriber));
        }
        let payloads: Vec<&str> = seen
            .iter()
            .map(|line| line.rsplit(' ').next().unwrap())
            .collect();
        assert_eq!(payloads, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    }
}

#[test]
fn a_full_queue_drops_the_newest_and_says_so_once() {
    let mut limited = settings();
    limited.max_queued_messages = Some(5);
    let mut world = World::with(1, limited);
    let publisher = world.join("publisher", &How::default());
    let subscriber = world.join("subscriber", &How::kept());
    world.subscribe(subscriber, "t", 1);
    world.cut(subscriber);
    world.told();
    for n in 0..9 {
        world.publish(publisher, "t", 1, &n.to_string());
    }
    assert_eq!(world.told(), ["subscriber dropping"]);
    let (_, lines) = world.connect_all("subscriber", &How::kept());
    assert_eq!(lines.len(), 6);
    assert!(lines[5].ends_with('4'), "{lines:?}");
}

#[test]
fn packets_above_the_clients_maximum_are_dropped_and_do_not_block_what_follows() {
    for shards in SHARDS {
        let mut world = World::new(shards);
        let publisher = world.join("publisher", &How::default());
        let how = How {
            properties: vec![Property::MaximumPacketSize(100)],
            ..How::default()
        };
        let subscriber = world.join("subscriber", &how);
        world.subscribe(subscriber, "t", 1);
        // 2 + 3 + 2 + 1 bytes around the payload.
        for (length, arrives) in [(92, true), (93, false), (200, false), (92, true)] {
            world.publish(publisher, "t", 1, &"x".repeat(length));
            assert_eq!(
                world.lines(subscriber).len(),
                usize::from(arrives),
                "{length}"
            );
        }
        world.publish(publisher, "t", 1, &"y".repeat(10_000));
        world.publish(publisher, "t", 0, "small");
        assert_eq!(world.lines(subscriber), ["PUBLISH t q0 small"]);
    }
}

#[test]
fn a_client_that_reads_nothing_loses_qos_0_and_keeps_the_rest_as_pointers() {
    for shards in SHARDS {
        let mut world = World::new(shards);
        let publisher = world.join("publisher", &How::default());
        let subscriber = world.join("subscriber", &How::default());
        world.subscribe(subscriber, "#", 1);
        world.block(subscriber, true);
        let payload = "x".repeat(2000);
        for _ in 0..400 {
            world.publish(publisher, "zero", 0, &payload);
        }
        for n in 0..30 {
            world.publish(publisher, "one", 1, &n.to_string());
        }
        world.block(subscriber, false);
        let lines = world.lines(subscriber);
        let zero = lines.iter().filter(|line| line.contains("zero")).count();
        assert!((FULL_BYTES / 2100..400).contains(&zero), "{zero}");
        assert_eq!(lines.iter().filter(|line| line.contains("one")).count(), 20);
        for id in 1..=30 {
            world.ack(subscriber, Packet::Puback, id);
        }
        assert_eq!(world.lines(subscriber).len(), 10);
    }
}

#[test]
fn a_client_that_asks_and_does_not_take_the_answers_is_not_read_from_until_it_does() {
    let mut world = World::new(1);
    let client = world.join("c", &How::default());
    world.block(client, true);
    let pings = [0xc0, 0].repeat(1000);
    for _ in 0..FULL_BYTES / 2000 {
        assert!(!world.is_paused(client));
        world.send_bytes(client, &pings);
    }
    world.send_bytes(client, &pings);
    assert!(world.is_paused(client));
    world.block(client, false);
    assert!(!world.is_paused(client));
    assert_eq!(world.lines(client).len(), FULL_BYTES / 2000 * 1000 + 1000);
}

#[test]
fn more_open_qos_2_messages_than_announced_end_the_connection() {
    let mut limited = settings();
    limited.max_inflight_messages = NonZeroU16::new(2).unwrap();
    let mut world = World::with(1, limited);
    let (client, connack) = world.connect("c", &How::default());
    assert!(connack.contains("ReceiveMaximum(2)"), "{connack}");
    for id in 1..=3 {
        world.send_bytes(client, &[0x34, 6, 0, 1, b't', 0, id, 0]);
    }
    assert_eq!(
        world.lines(client),
        [
            "PUBREC 1 Success",
            "PUBREC 2 Success",
            "DISCONNECT Receive Maximum exceeded",
            "closed"
        ]
    );
}

#[test]
fn what_the_broker_does_not_allow_is_refused_with_its_own_code() {
    let large = |settings: &mut Settings| settings.max_packet_size = NonZeroU32::new(50).unwrap();
    let no_retain = |settings: &mut Settings| settings.retain_available = false;
    let qos_1 = |settings: &mut Settings| settings.listeners[0].max_qos = QoS::AtLeastOnce;
    let size = |settings: &mut Settings| settings.message_size_limit = Some(3);
    type Case<'a> = (&'a dyn Fn(&mut Settings), u8, bool, &'a [&'a str]);
    let cases: [Case<'_>; 4] = [
        (&large, 0, false, &["DISCONNECT Packet too large", "closed"]),
        (
            &no_retain,
            0,
            true,
            &["DISCONNECT Retain not supported", "closed"],
        ),
        (
            &qos_1,
            2,
            false,
            &["DISCONNECT QoS not supported", "closed"],
        ),
        (&size, 1, false, &["PUBACK 77 Quota exceeded"]),
    ];
    for (limit, qos, retain, answer) in cases {
        let mut limited = settings();
        limit(&mut limited);
        let mut world = World::with(1, limited);
        let client = world.join("c", &How::default());
        world.publish_with(client, "t", qos, retain, &"x".repeat(60), &[]);
        assert_eq!(world.lines(client), answer);
    }
}

#[test]
fn the_broker_itself_is_bound_by_no_limit_of_its_listeners() {
    let mut limited = settings();
    limited.retain_available = false;
    limited.max_packet_size = NonZeroU32::new(40).unwrap();
    limited.max_inflight_messages = NonZeroU16::new(1).unwrap();
    limited.listeners[0].max_qos = QoS::AtMostOnce;
    let mut world = World::with(1, limited);
    let subscriber = world.join("subscriber", &How::default());
    assert_eq!(world.subscribe(subscriber, "$SYS/#", 2), ["SUBACK [00]"]);
    let own = world.join(
        "own",
        &How {
            internal: true,
            ..How::default()
        },
    );
    for id in 1..=3 {
        let mut bytes = vec![0x35, 55, 0, 4];
        bytes.extend_from_slice(b"$SYS");
        bytes.extend_from_slice(&[0, id, 0]);
        bytes.resize(57, b'x');
        world.send_bytes(own, &bytes);
    }
    assert_eq!(
        world.lines(own),
        ["PUBREC 1 Success", "PUBREC 2 Success", "PUBREC 3 Success"]
    );
    world.ack(own, Packet::Pubrel, 1);
    assert_eq!(world.lines(subscriber).len(), 1);
}

#[test]
fn a_connected_client_may_be_further_behind_where_nobody_set_a_limit() {
    let mut lenient = settings();
    lenient.max_queued_messages = Some(5);
    lenient.max_queued_messages_connected = Some(50);
    let mut world = World::with(1, lenient);
    let publisher = world.join("publisher", &How::default());
    let subscriber = world.join("subscriber", &How::kept());
    world.subscribe(subscriber, "t", 1);
    for _ in 0..100 {
        world.publish(publisher, "t", 1, "x");
    }
    // 20 in flight, 50 waiting.
    for id in 1..=70 {
        world.ack(subscriber, Packet::Puback, id);
    }
    assert_eq!(world.lines(subscriber).len(), 70);
    world.cut(subscriber);
    for _ in 0..100 {
        world.publish(publisher, "t", 1, "x");
    }
    assert_eq!(world.connect_all("subscriber", &How::kept()).1.len(), 1 + 5);
}

#[test]
fn a_subscription_is_granted_no_more_than_the_maximum_qos() {
    let mut limited = settings();
    limited.listeners[0].max_qos = QoS::AtLeastOnce;
    let mut world = World::with(1, limited);
    let client = world.join("c", &How::v311());
    assert_eq!(world.subscribe(client, "t", 2), ["SUBACK [01]"]);
}

#[test]
fn packets_that_only_a_server_sends_end_the_connection() {
    for bytes in [
        [0xd0, 0].as_slice(),
        &[0x20, 3, 0, 0, 0],
        &[0x90, 4, 0, 1, 0, 0],
    ] {
        let mut world = World::new(1);
        let client = world.join("c", &How::default());
        let other = world.join("other", &How::default());
        world.send_bytes(client, bytes);
        assert_eq!(
            world.lines(client),
            ["DISCONNECT Protocol Error", "closed"],
            "{bytes:02x?}"
        );
        world.send(other, &Packet::Pingreq);
        assert_eq!(world.lines(other), ["PINGRESP"]);
    }
}

#[test]
fn a_client_above_the_broker_wide_limit_is_refused() {
    let mut limited = settings();
    limited.global_max_clients = Some(2);
    let mut world = World::with(3, limited);
    world.join("a", &How::default());
    world.join("b", &How::default());
    let (client, connack) = world.connect("c", &How::default());
    assert_eq!(connack, "CONNACK 0 Server busy");
    assert_eq!(world.lines(client), ["closed"]);
    world.join("a", &How::default());
}

pub(super) fn with_users(users: &[(&str, &str)]) -> Settings {
    let entry = |(name, password): &(&str, &str)| {
        let salt = [1; 12];
        let hash = PasswordHash::create(Scheme::Sha512, password.as_bytes(), &salt).unwrap();
        format!("{name}:{hash}\n")
    };
    let text: String = users.iter().map(entry).collect();
    let file = PasswordFile::parse("users", text).unwrap();
    let mut settings = settings();
    settings.listeners[0].allow_anonymous = false;
    settings.listeners[0].authenticator = Arc::new(Authenticator {
        password_file: Some(Arc::new(file)),
    });
    settings
}

#[test]
fn only_the_right_password_lets_a_client_in_and_a_refused_one_leaves_no_trace() {
    for shards in SHARDS {
        let mut world = World::with(shards, with_users(&[("ann", "secret")]));
        for (user, connack) in [
            (Some(("ann", "secret")), "CONNACK 0 Success"),
            (Some(("ann", "wrong")), "CONNACK 0 Not authorized"),
            (Some(("bob", "secret")), "CONNACK 0 Not authorized"),
            (None, "CONNACK 0 Not authorized"),
        ] {
            let (client, answer) = world.connect(
                "c",
                &How {
                    user,
                    ..How::v311()
                },
            );
            assert_eq!(answer, connack, "{user:?}");
            let open: &[&str] = if answer == "CONNACK 0 Success" {
                &[]
            } else {
                &["closed"]
            };
            assert_eq!(world.lines(client), open, "{user:?}");
        }
        // The right one is still there: a refused CONNECT takes nothing over.
        assert_eq!(
            world
                .shards
                .iter()
                .map(|shard| shard.tally.clients_connected)
                .sum::<u64>(),
            1
        );
    }
}

#[test]
fn a_reload_disconnects_those_whose_password_does_not_hold_any_more() {
    for shards in SHARDS {
        let users = [("ann", "a"), ("bob", "b"), ("cyd", "c")];
        let mut world = World::with(shards, with_users(&users));
        let join = |world: &mut World, user: (&'static str, &'static str)| {
            let will = Some(("will", user.0));
            world.join(
                user.0,
                &How {
                    user: Some(user),
                    will,
                    ..How::default()
                },
            )
        };
        let clients = users.map(|user| join(&mut world, user));
        world.subscribe(clients[0], "will", 0);
        world.reload(with_users(&[("ann", "a"), ("bob", "changed")]));
        assert_eq!(
            world.lines(clients[0]),
            [""; 0],
            "stays, and no will is sent"
        );
        for gone in &clients[1..] {
            assert_eq!(world.lines(*gone), ["DISCONNECT Not authorized", "closed"]);
        }
    }
}
