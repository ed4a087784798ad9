//! What is large, deep, many or slow costs memory in proportion to its bytes, and no more than the
//! bounds say. Counted in allocations and their bytes; loops that allocate nothing are not seen here.

#![allow(
    unsafe_code,
    reason = "an allocator that counts can only be written with it"
)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::vec_box,
    unreachable_pub,
    reason = "a test says so by failing; the pool is what the engine lends from; nobody imports a test"
)]

mod broker;
mod packets;
mod proportion;
mod subscriptions;
#[path = "../support/mod.rs"]
mod support;

use std::num::NonZeroU32;
use std::time::Duration;

use mqtt_broker::engine::limits::Settings;
use mqtt_broker::engine::out_queue::FULL_BYTES;
use mqtt_broker::engine::sink::Sink;
use mqtt_codec::{Connect, Properties, PropertiesBuf, Property, QoS, TopicName, Version, Will};

use broker::Broker;
use packets::{publish, retain, subscribe, user_properties};
use proportion::{SLACK, assert_proportional};
use support::counting::cost_of;
use support::sockets::{connection, open_settings};

/// The longest string of the protocol.
const LONGEST: usize = 65_535;

#[test]
fn many_user_properties_in_connect_and_will() {
    let cost = |count, in_will| {
        let many = user_properties(count);
        let (own, will) = if in_will {
            (Properties::EMPTY, many.as_properties())
        } else {
            (many.as_properties(), Properties::EMPTY)
        };
        let mut connect = Connect::new(Version::V5, "c");
        connect.properties = own;
        connect.will = Some(Will {
            qos: QoS::AtMostOnce,
            retain: false,
            topic: TopicName::parse("w").unwrap(),
            properties: will,
            payload: b"",
        });
        let mut bytes = Vec::new();
        connect.encode(&mut bytes);
        let mut broker = Broker::new();
        broker.open(0);
        let cost = cost_of(|| broker.send(0, &bytes));
        assert_eq!(broker.sockets.take(0)[3], 0, "accepted");
        cost
    };
    let (none, most) = (cost(0, false), cost(5000, false));
    assert_eq!(none.kept, most.kept, "they are not kept");
    for in_will in [false, true] {
        assert_proportional("CONNECT", cost(1250, in_will), cost(5000, in_will));
    }
}

#[test]
fn many_user_properties_in_publish() {
    let cost = |count| {
        let mut broker = Broker::new();
        broker.join(0);
        broker.join(1);
        broker.ask(1, &subscribe(["t"]));
        let bytes = publish("t", QoS::AtLeastOnce, b"", &user_properties(count));
        let cost = cost_of(|| broker.send(0, &bytes));
        assert!(broker.sockets.take(1).len() > count * 7, "it was delivered");
        cost
    };
    assert_proportional("PUBLISH", cost(1250), cost(5000));
}

#[test]
fn one_byte_at_a_time() {
    let cost = |length| {
        let mut broker = Broker::new();
        broker.open(0);
        let mut bytes = Vec::new();
        let mut connect = Connect::new(Version::V5, "c");
        let user_name = "u".repeat(length);
        connect.user_name = Some(&user_name);
        connect.encode(&mut bytes);
        bytes.extend(publish(
            "t",
            QoS::AtLeastOnce,
            &vec![b'x'; length],
            &PropertiesBuf::new(),
        ));
        let cost = cost_of(|| bytes.iter().for_each(|byte| broker.send(0, &[*byte])));
        let answers = broker.sockets.take(0);
        assert_eq!(answers[0], 0x20);
        assert_eq!(answers[answers.len() - 5], 0x40, "{answers:?}");
        cost
    };
    assert_proportional("bytes", cost(4_000), cost(16_000));
}

#[test]
fn one_byte_a_second_ends_when_the_time_to_connect_ends() {
    let mut broker = Broker::new();
    broker.open(0);
    let mut bytes = Vec::new();
    Connect::new(Version::V5, &"c".repeat(100)).encode(&mut bytes);
    let mut sent = 0;
    for byte in &bytes {
        broker.send(0, &[*byte]);
        broker.now.instant = broker.now.instant.saturating_add(Duration::from_secs(1));
        broker.shard.handle_tick(broker.now, &mut broker.sockets);
        if broker.is_closed(0) {
            break;
        }
        sent += 1;
    }
    assert!((29..=31).contains(&sent), "closed after {sent} bytes");
    assert!(
        broker.sockets.take(0).is_empty(),
        "nothing is said before CONNACK"
    );
}

#[test]
fn a_client_that_reads_nothing_is_dropped_for_at_qos_0_and_not_read_from() {
    let mut broker = Broker::new();
    broker.join(0);
    broker.join(1);
    broker.ask(1, &subscribe(["t"]));
    broker.block(1);
    let message = publish("t", QoS::AtMostOnce, &[b'x'; 1000], &PropertiesBuf::new());
    let cost = cost_of(|| {
        for _ in 0..20_000 {
            broker.send(0, &message);
        }
    });
    let waiting = broker.sockets.out(connection(1)).len();
    assert!(waiting >= FULL_BYTES, "{waiting}");
    assert!(waiting <= FULL_BYTES + message.len(), "{waiting}");
    assert!(cost.kept <= 4 * FULL_BYTES.cast_signed(), "{cost:?}");

    let mut pings = 0;
    while !broker.sockets.paused.contains(&connection(1)) {
        broker.send(1, &[0xc0, 0]);
        pings += 1;
        assert!(pings < 1000, "it is still read from");
    }
}

#[test]
fn a_client_that_reads_nothing_has_no_more_waiting_than_its_queue_holds() {
    const QUEUED_MAX: u32 = 200_000;
    let mut broker = Broker::with(Settings {
        max_queued_bytes: Some(QUEUED_MAX.into()),
        ..open_settings()
    });
    broker.join(0);
    broker.join(1);
    let mut filter = subscribe(["t"]);
    *filter.last_mut().unwrap() = 1;
    broker.ask(1, &filter);
    broker.block(1);
    let message = publish(
        "t",
        QoS::AtLeastOnce,
        &[b'x'; 30_000],
        &PropertiesBuf::new(),
    );
    let cost = cost_of(|| {
        for _ in 0..5_000 {
            broker.send(0, &message);
            broker.sockets.flush();
        }
    });
    // A window of such messages is more than the queue to the socket takes.
    let waiting = broker.sockets.out(connection(1)).len();
    assert!(waiting <= FULL_BYTES + message.len(), "{waiting}");
    let most = 4 * (FULL_BYTES + QUEUED_MAX as usize);
    assert!(cost.kept <= most.cast_signed(), "{cost:?}");
    assert!(
        cost.kept >= 100_000,
        "messages wait for the client: {cost:?}"
    );
}

#[test]
fn the_deepest_topics_are_refused_without_being_stored() {
    let deepest = "/".repeat(LONGEST);
    let mut broker = Broker::new();
    broker.join(0);
    let bytes = subscribe([deepest.as_str()]);
    let mut answer = Vec::new();
    let cost = cost_of(|| answer = broker.ask(0, &bytes));
    assert_eq!(answer[0], 0x90);
    assert!(*answer.last().unwrap() >= 0x80, "{answer:02x?}");
    assert!(cost.bytes < SLACK, "{cost:?}");

    let mut bytes = retain(&deepest);
    let cost = cost_of(|| answer = broker.ask(0, &bytes));
    assert_eq!(answer[..3], [0xe0, 0x01, 0x90]);
    assert!(cost.bytes < SLACK, "{cost:?}");

    let deep = "/".repeat(open_settings().topic_slashes_max);
    broker.join(1);
    bytes = retain(&deep);
    bytes.extend(subscribe([deep.as_str(), "#"]));
    let cost = cost_of(|| answer = broker.ask(1, &bytes));
    assert_eq!(answer[0], 0x90, "SUBACK comes first");
    assert!(cost.bytes < 400 * deep.len(), "{cost:?}");
}

#[test]
fn the_longest_strings_in_every_field_of_publish() {
    let long = "s".repeat(LONGEST);
    let longest: [(&str, Option<Property<'_>>); 7] = [
        (&long, None),
        ("t", Some(Property::ContentType(&long))),
        ("t", Some(Property::ResponseTopic(&long))),
        ("t", Some(Property::CorrelationData(long.as_bytes()))),
        ("t", Some(Property::UserProperty(&long, ""))),
        ("t", Some(Property::UserProperty("", &long))),
        ("t", Some(Property::UserProperty(&long, &long))),
    ];
    for (topic, property) in longest {
        let mut broker = Broker::new();
        broker.join(0);
        broker.join(1);
        broker.ask(1, &subscribe(["#"]));
        let mut properties = PropertiesBuf::new();
        property.into_iter().for_each(|one| properties.push(one));
        let bytes = publish(topic, QoS::AtLeastOnce, b"", &properties);
        let cost = cost_of(|| broker.send(0, &bytes));
        assert!(!broker.is_closed(0));
        assert!(broker.sockets.take(1).len() > LONGEST, "it was delivered");
        assert!(cost.bytes <= 8 * bytes.len(), "{cost:?}");
    }
}

#[test]
fn the_longest_strings_in_every_field_of_connect() {
    let long = "s".repeat(LONGEST);
    let plain = || Connect::new(Version::V5, "c");
    let will = |topic, payload| Will {
        qos: QoS::AtMostOnce,
        retain: false,
        topic: TopicName::parse(topic).unwrap(),
        properties: Properties::EMPTY,
        payload,
    };
    let all = [
        Connect::new(Version::V5, &long),
        Connect {
            user_name: Some(&long),
            ..plain()
        },
        Connect {
            password: Some(long.as_bytes()),
            ..plain()
        },
        Connect {
            will: Some(will(&long, b"")),
            ..plain()
        },
        Connect {
            will: Some(will("w", long.as_bytes())),
            ..plain()
        },
    ];
    for connect in all {
        let mut broker = Broker::new();
        broker.open(0);
        let mut bytes = Vec::new();
        connect.encode(&mut bytes);
        let mut answer = Vec::new();
        let cost = cost_of(|| answer = broker.ask(0, &bytes));
        assert_eq!(answer[0], 0x20, "{answer:02x?}");
        assert!(cost.bytes <= 8 * bytes.len(), "{cost:?}");
    }
}

#[test]
fn a_packet_of_the_maximum_size_and_one_byte_more() {
    const MAX: u32 = 100_000;
    let mut broker = Broker::with(Settings {
        max_packet_size: NonZeroU32::new(MAX).unwrap(),
        ..open_settings()
    });
    broker.join(0);
    let empty = PropertiesBuf::new();
    // Four bytes of header, topic, packet identifier, length of the properties.
    let payload = vec![b'x'; MAX as usize - 4 - 3 - 2 - 1];
    let bytes = publish("t", QoS::AtLeastOnce, &payload, &empty);
    assert_eq!(bytes.len(), MAX as usize);
    assert_eq!(broker.ask(0, &bytes)[0], 0x40);

    let mut more = publish(
        "t",
        QoS::AtLeastOnce,
        &[payload, vec![b'x']].concat(),
        &empty,
    );
    more.truncate(4);
    let mut answer = Vec::new();
    let cost = cost_of(|| answer = broker.ask(0, &more));
    assert_eq!(answer, [0xe0, 0x01, 0x95], "its header is enough");
    assert!(cost.bytes < SLACK, "{cost:?}");
}

#[test]
fn a_large_length_is_not_taken_at_its_word() {
    let mut broker = Broker::with(Settings {
        max_packet_size: NonZeroU32::MAX,
        ..open_settings()
    });
    broker.join(0);
    let cost = cost_of(|| broker.send(0, &[0x30, 0xff, 0xff, 0xff, 0x7f, 0]));
    assert!(!broker.is_closed(0));
    assert!(cost.bytes < SLACK, "{cost:?}");
}

#[test]
fn many_retained_messages_read_at_once() {
    let cost = |count: usize, blocked: bool| {
        let mut broker = Broker::new();
        broker.join(0);
        broker.join(1);
        for n in 0..count {
            broker.send(0, &retain(&format!("some/level/{n}")));
        }
        if blocked {
            broker.block(1);
        }
        let all = subscribe(["#"]);
        let sent = broker.sockets.sent;
        let cost = cost_of(|| {
            broker.send(1, &all);
            broker.turn();
            while broker.has_room(1) {
                broker.turn();
            }
        });
        let waiting = broker.sockets.out(connection(1)).len();
        if blocked {
            assert!(waiting <= FULL_BYTES + 100, "{waiting}");
            assert!(cost.kept <= 4 * FULL_BYTES.cast_signed(), "{cost:?}");
        } else {
            assert!(broker.sockets.sent - sent > count * 20, "all of them");
        }
        cost
    };
    assert_proportional("retained", cost(1250, false), cost(5000, false));
    cost(20_000, true);
}
