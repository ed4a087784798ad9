//! Scenarios of the client session, without sockets.

use std::num::NonZeroU16;
use std::sync::{Arc, Mutex};

use mqtt_codec::{
    Ack, Connack, Decoded, Disconnect, Limits, Packet, PacketId, Properties, PropertiesBuf,
    Property, Publish, QoS, ReasonCode, Sender, Suback, SubscriptionOptions, TopicName, Version,
    decode, decode_connect,
};

use crate::time::Instant;

use super::{
    Acknowledge, ClientSession, Event, Failure, Outcome, Publication, PublishId, RequestError,
    Settings, Taken,
};

const Q0: QoS = QoS::AtMostOnce;
const Q1: QoS = QoS::AtLeastOnce;
const Q2: QoS = QoS::ExactlyOnce;
const OK: ReasonCode = ReasonCode::Success;

/// A session, and the server it talks to, as far as a test plays one.
struct Bench {
    session: ClientSession,
    now: Instant,
}

fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap()
}

fn at(secs: u64) -> Instant {
    Instant::from_millis(secs * 1_000)
}

fn properties(list: &[Property<'_>]) -> PropertiesBuf {
    list.iter().copied().collect()
}

fn settings(version: Version) -> Settings {
    Settings {
        client_id: "c".into(),
        ..Settings::new(version)
    }
}

fn publish(qos: QoS, packet_id: u16, payload: &[u8]) -> Packet<'_> {
    Packet::Publish(Publish {
        dup: false,
        qos,
        retain: false,
        topic: Some(TopicName::parse("t").unwrap()),
        packet_id: PacketId::new(packet_id),
        properties: Properties::EMPTY,
        payload,
    })
}

fn ack(packet_id: u16, reason: ReasonCode) -> Ack<'static> {
    Ack {
        packet_id: id(packet_id),
        reason,
        properties: Properties::EMPTY,
    }
}

/// One line for each packet, with what tells them apart.
fn line(packet: &Packet<'_>) -> String {
    let name = packet.packet_type().name();
    match packet {
        Packet::Publish(publish) => format!(
            "PUBLISH {}{} d{} {} {}",
            publish
                .packet_id
                .map_or(String::new(), |id| format!("m{id} ")),
            publish.topic.map_or("-", |topic| topic.as_str()),
            u8::from(publish.dup),
            publish
                .properties
                .topic_alias()
                .map_or(String::new(), |alias| format!("a{alias}")),
            String::from_utf8_lossy(publish.payload),
        ),
        Packet::Puback(ack) | Packet::Pubrec(ack) | Packet::Pubrel(ack) | Packet::Pubcomp(ack) => {
            format!("{name} m{} {:#04x}", ack.packet_id, ack.reason.as_u8())
        }
        Packet::Disconnect(disconnect) => format!("{name} {:#04x}", disconnect.reason.as_u8()),
        Packet::Subscribe(subscribe) => format!("{name} m{}", subscribe.packet_id),
        _ => name.to_owned(),
    }
}

impl Bench {
    fn new(settings: Settings) -> Self {
        Self {
            session: ClientSession::new(settings),
            now: at(0),
        }
    }

    /// Up to CONNACK, which it accepts.
    fn connected(settings: Settings) -> Self {
        let mut bench = Self::new(settings);
        bench.connect(false, &[]);
        bench
    }

    fn connect(&mut self, session_present: bool, said: &[Property<'_>]) {
        self.session.handle_opened(self.now).unwrap();
        let written = self.session.output().len();
        self.session.handle_written(self.now, written);
        let said = properties(said);
        let connack = Connack {
            session_present,
            reason: OK,
            properties: said.as_properties(),
        };
        self.hear(&Packet::Connack(connack), |event| {
            assert_eq!(event, Event::Connected)
        });
    }

    /// What the server says; the event must be there, and is looked at.
    fn hear(&mut self, packet: &Packet<'_>, look: impl FnOnce(Event<'_>)) {
        look(self.take(packet).unwrap().expect("the packet is an event"));
    }

    /// What the server says, of which the program hears nothing.
    fn hear_silently(&mut self, packet: &Packet<'_>) {
        assert_eq!(self.take(packet).unwrap(), None);
    }

    fn fail(&mut self, packet: &Packet<'_>) -> Failure {
        self.take(packet).unwrap_err()
    }

    fn take(&mut self, packet: &Packet<'_>) -> Result<Option<Event<'static>>, Failure> {
        let mut bytes = Vec::new();
        packet.encode(self.session.version(), &mut bytes);
        // A test may leak a few bytes for the sake of a simple signature.
        let bytes: &'static [u8] = bytes.leak();
        match self.session.handle_bytes(self.now, bytes)? {
            Taken::Packet { consumed, event } => {
                assert_eq!(consumed, bytes.len());
                Ok(event.map(detach))
            }
            Taken::Incomplete(_) => panic!("the packet is whole"),
        }
    }

    /// Lines of all packets in the output, which count as written.
    fn written(&mut self) -> Vec<String> {
        let output = self.session.output().to_vec();
        let version = self.session.version();
        let (mut rest, mut lines) = (&output[..], Vec::new());
        while !rest.is_empty() {
            let limits = Limits::default();
            match decode(rest, version, Sender::Client, &limits).unwrap() {
                Decoded::Packet { packet, consumed } => {
                    lines.push(line(&packet));
                    rest = &rest[consumed..];
                }
                Decoded::Incomplete(_) => panic!("the output ends within a packet"),
            }
        }
        self.session.handle_written(self.now, output.len());
        lines
    }

    fn publish(&mut self, qos: QoS, payload: &'static str) -> PublishId {
        self.session
            .publish(self.now, &Publication::new("t", payload).qos(qos))
            .unwrap()
    }

    fn outcomes(&mut self) -> Vec<Outcome> {
        std::iter::from_fn(|| self.session.next_outcome()).collect()
    }
}

/// The event without its ties to the session; topics of aliases are leaked too.
fn detach(event: Event<'_>) -> Event<'static> {
    fn keep(bytes: &[u8]) -> &'static [u8] {
        bytes.to_vec().leak()
    }
    let keep_all = |block: Properties<'_>| Properties::trusted(keep(block.as_bytes()));
    match event {
        Event::Connected => Event::Connected,
        Event::Released(packet_id) => Event::Released(packet_id),
        Event::Message(publish) => Event::Message(Publish {
            topic: publish
                .topic
                .map(|topic| TopicName::trusted(topic.as_str().to_owned().leak())),
            properties: keep_all(publish.properties),
            payload: keep(publish.payload),
            ..publish
        }),
        Event::Published {
            id,
            packet_id,
            reason,
            properties,
        } => Event::Published {
            id,
            packet_id,
            reason,
            properties: keep_all(properties),
        },
        Event::Subscribed {
            packet_id,
            reasons,
            properties,
        } => Event::Subscribed {
            packet_id,
            reasons: keep(reasons),
            properties: keep_all(properties),
        },
        Event::Unsubscribed {
            packet_id,
            reasons,
            properties,
        } => Event::Unsubscribed {
            packet_id,
            reasons: keep(reasons),
            properties: keep_all(properties),
        },
        Event::Authenticate { reason, properties } => Event::Authenticate {
            reason,
            properties: keep_all(properties),
        },
    }
}

fn reason_of(failure: &Failure) -> ReasonCode {
    match failure {
        Failure::Protocol { reason, .. } | Failure::Disconnected { reason, .. } => *reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn connect_carries_all_settings() {
    for version in [Version::V31, Version::V311, Version::V5] {
        let mut will = super::Will::new("gone", "bye");
        will.qos = Q1;
        let mut bench = Bench::new(Settings {
            keep_alive: 7,
            clean_start: false,
            user_name: Some("u".into()),
            password: Some("p".into()),
            will: Some(will),
            connect_properties: properties(&[Property::ReceiveMaximum(9)]),
            ..settings(version)
        });
        bench.session.handle_opened(at(0)).unwrap();
        let Decoded::Packet {
            packet: connect, ..
        } = decode_connect(bench.session.output(), &Limits::default()).unwrap()
        else {
            panic!("CONNECT is whole");
        };
        assert_eq!(
            (connect.version, connect.client_id, connect.keep_alive),
            (version, "c", 7)
        );
        assert_eq!(
            (connect.user_name, connect.password),
            (Some("u"), Some(&b"p"[..]))
        );
        assert_eq!(connect.will.unwrap().payload, b"bye");
        assert!(!connect.clean_start);
        let announced = connect.properties.receive_maximum();
        assert_eq!(announced, version.is_v5().then_some(9));
    }
}

#[test]
fn settings_that_make_no_connect_are_refused() {
    let password_alone = Settings {
        password: Some("p".into()),
        ..settings(Version::V311)
    };
    let bad_will = Settings {
        will: Some(super::Will::new("a/#", "")),
        ..settings(Version::V5)
    };
    let long_id = Settings {
        client_id: "x".repeat(65_536),
        ..settings(Version::V5)
    };
    for settings in [password_alone, bad_will, long_id] {
        let error = ClientSession::new(settings)
            .handle_opened(at(0))
            .unwrap_err();
        assert!(matches!(error, RequestError::InvalidSettings(_)), "{error}");
    }
}

#[test]
fn a_refusal_keeps_the_code_of_its_version() {
    for (version, reason, code) in [
        (Version::V31, ReasonCode::NotAuthorized, 5),
        (Version::V311, ReasonCode::BadUserNameOrPassword, 4),
        (Version::V5, ReasonCode::BadUserNameOrPassword, 0x86),
    ] {
        let mut bench = Bench::new(settings(version));
        bench.session.handle_opened(at(0)).unwrap();
        let refused = bench.fail(&Packet::Connack(Connack::refusal(reason)));
        let Failure::Refused(refusal) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!((refusal.code, refusal.reason), (code, reason));
    }
}

#[test]
fn a_server_without_5_0_is_understood() {
    let mut bench = Bench::new(settings(Version::V5));
    bench.session.handle_opened(at(0)).unwrap();
    let failure = bench
        .session
        .handle_bytes(at(0), b"\x20\x02\x00\x01")
        .unwrap_err();
    let Failure::Refused(refusal) = failure else {
        panic!("{failure:?}")
    };
    assert_eq!(refusal.code, 132);
}

#[test]
fn before_connack_nothing_else_is_accepted_and_nothing_said() {
    let mut bench = Bench::new(settings(Version::V5));
    bench.session.handle_opened(at(0)).unwrap();
    bench
        .session
        .handle_written(at(0), bench.session.output().len());
    assert_eq!(
        reason_of(&bench.fail(&Packet::Pingresp)),
        ReasonCode::ProtocolError
    );
    assert!(bench.session.output().is_empty());
}

#[test]
fn a_server_that_breaks_the_protocol_is_told_why() {
    let empty = SubscriptionOptions::default();
    let cases: [(&str, Packet<'_>, ReasonCode); 4] = [
        (
            "a second CONNACK",
            Packet::Connack(Connack::refusal(OK)),
            ReasonCode::ProtocolError,
        ),
        (
            "a client's packet",
            Packet::Pingreq,
            ReasonCode::ProtocolError,
        ),
        (
            "an alias that was not offered",
            aliased(Some("t"), 1),
            ReasonCode::TopicAliasInvalid,
        ),
        ("AUTH without a method", auth(), ReasonCode::ProtocolError),
    ];
    for (what, packet, expected) in cases {
        for version in [Version::V311, Version::V5] {
            if !version.is_v5() && matches!(packet, Packet::Auth(_) | Packet::Publish(_)) {
                continue;
            }
            let mut bench = Bench::connected(settings(version));
            bench
                .session
                .subscribe(at(0), [("t", empty)], Properties::EMPTY)
                .unwrap();
            bench.written();
            assert_eq!(reason_of(&bench.fail(&packet)), expected, "{what}");
            let said = bench.written();
            if version.is_v5() {
                assert_eq!(
                    said,
                    [format!("DISCONNECT {:#04x}", expected.as_u8())],
                    "{what}"
                );
            } else {
                assert!(said.is_empty(), "3.x has no word for it: {said:?}");
            }
        }
    }
}

fn auth() -> Packet<'static> {
    Packet::Auth(mqtt_codec::Auth {
        reason: OK,
        properties: Properties::EMPTY,
    })
}

fn aliased(topic: Option<&'static str>, alias: u16) -> Packet<'static> {
    let block = properties(&[Property::TopicAlias(alias)])
        .as_properties()
        .as_bytes()
        .to_vec();
    Packet::Publish(Publish {
        dup: false,
        qos: Q0,
        retain: false,
        topic: topic.map(TopicName::trusted),
        packet_id: None,
        properties: Properties::trusted(block.leak()),
        payload: b"",
    })
}

#[test]
fn qos_0_ends_when_it_is_written() {
    let mut bench = Bench::connected(settings(Version::V311));
    let (first, second) = (bench.publish(Q0, "1"), bench.publish(Q0, "2"));
    let all = bench.session.output().len();
    bench.session.handle_written(at(0), all - 1);
    let done = |id| Outcome {
        id,
        packet_id: None,
        result: Ok(()),
    };
    assert_eq!(bench.outcomes(), [done(first)]);
    bench.session.handle_written(at(0), 1);
    assert_eq!(bench.outcomes(), [done(second)]);
    assert_eq!(bench.session.unfinished(), 0);
}

#[test]
fn qos_0_is_lost_with_its_connection_and_refused_without_one() {
    let mut bench = Bench::connected(settings(Version::V311));
    let lost = bench.publish(Q0, "1");
    bench.session.handle_closed();
    let result = Err(RequestError::NotConnected);
    assert_eq!(
        bench.outcomes(),
        [Outcome {
            id: lost,
            packet_id: None,
            result
        }]
    );
    let refused = bench.session.publish(at(0), &Publication::new("t", "2"));
    assert_eq!(refused, Err(RequestError::NotConnected));
}

#[test]
fn qos_1_and_2_go_through_their_steps() {
    let mut bench = Bench::connected(settings(Version::V5));
    let (one, two) = (bench.publish(Q1, "one"), bench.publish(Q2, "two"));
    assert_eq!(
        bench.written(),
        ["PUBLISH m1 t d0  one", "PUBLISH m2 t d0  two"]
    );
    let published = |id, number, reason| {
        move |event: Event<'_>| {
            let Event::Published {
                id: done,
                packet_id,
                reason: said,
                ..
            } = event
            else {
                panic!()
            };
            assert_eq!(
                (done, packet_id, said),
                (id, PacketId::new(number).unwrap(), reason)
            );
        }
    };
    let unheard = ReasonCode::NoMatchingSubscribers;
    bench.hear(&Packet::Puback(ack(1, unheard)), published(one, 1, unheard));
    bench.hear_silently(&Packet::Pubrec(ack(2, OK)));
    bench.hear_silently(&Packet::Pubrec(ack(2, OK)));
    assert_eq!(bench.written(), ["PUBREL m2 0x00", "PUBREL m2 0x00"]);
    bench.hear(&Packet::Pubcomp(ack(2, OK)), published(two, 2, OK));
    let refused = bench.publish(Q2, "refused");
    bench.written();
    let quota = ReasonCode::QuotaExceeded;
    bench.hear(&Packet::Pubrec(ack(3, quota)), published(refused, 3, quota));
    assert!(bench.written().is_empty(), "a refusal is not released");
    assert_eq!(bench.session.unfinished(), 0);
}

#[test]
fn stray_answers_are_answered_where_the_standard_says_so() {
    for (version, reason) in [(Version::V311, 0), (Version::V5, 0x92)] {
        let mut bench = Bench::connected(settings(version));
        bench.hear_silently(&Packet::Puback(ack(9, OK)));
        bench.hear_silently(&Packet::Pubcomp(ack(9, OK)));
        assert!(bench.written().is_empty());
        bench.hear_silently(&Packet::Pubrec(ack(9, OK)));
        assert_eq!(bench.written(), [format!("PUBREL m9 {reason:#04x}")]);
        bench.hear_silently(&Packet::Pubrel(ack(9, OK)));
        assert_eq!(bench.written(), [format!("PUBCOMP m9 {reason:#04x}")]);
    }
}

#[test]
fn an_answer_of_the_wrong_kind_ends_the_connection() {
    for (qos, wrong) in [
        (Q1, Packet::Pubrec(ack(1, OK))),
        (Q1, Packet::Pubcomp(ack(1, OK))),
        (Q2, Packet::Puback(ack(1, OK))),
        (Q2, Packet::Pubcomp(ack(1, OK))),
    ] {
        let mut bench = Bench::connected(settings(Version::V5));
        bench.publish(qos, "x");
        assert_eq!(
            reason_of(&bench.fail(&wrong)),
            ReasonCode::ProtocolError,
            "{wrong:?}"
        );
    }
}

#[test]
fn what_the_window_does_not_let_pass_waits_in_a_bounded_queue() {
    let mut bench = Bench::new(Settings {
        max_queued_messages: 2,
        ..settings(Version::V5)
    });
    bench.connect(false, &[Property::ReceiveMaximum(1)]);
    for payload in ["1", "2", "3"] {
        bench.publish(Q1, payload);
    }
    assert!(!bench.session.has_room());
    let publication = Publication::new("t", "4").qos(Q1);
    let refused = bench.session.publish(at(0), &publication);
    assert_eq!(refused, Err(RequestError::QueueFull));
    assert_eq!(bench.written(), ["PUBLISH m1 t d0  1"]);
    bench.hear(&Packet::Puback(ack(1, OK)), |_| {});
    assert_eq!(bench.written(), ["PUBLISH m2 t d0  2"]);
    assert!(bench.session.has_room());
    bench.hear(&Packet::Puback(ack(2, OK)), |_| {});
    assert_eq!(bench.written(), ["PUBLISH m3 t d0  3"]);
}

#[test]
fn the_queue_is_bounded_in_bytes_too() {
    let mut bench = Bench::new(Settings {
        max_queued_bytes: 10,
        ..settings(Version::V311)
    });
    bench.publish(Q1, "a message larger than the queue");
    let publication = Publication::new("t", "x").qos(Q1);
    assert_eq!(
        bench.session.publish(at(0), &publication),
        Err(RequestError::QueueFull)
    );
    bench.connect(false, &[]);
    assert_eq!(bench.written().len(), 1);
    bench.publish(Q1, "x");
}

#[test]
fn our_own_limit_holds_where_the_server_allows_more() {
    let max_inflight = NonZeroU16::new(2).unwrap();
    let mut bench = Bench::connected(Settings {
        max_inflight,
        ..settings(Version::V311)
    });
    for payload in ["1", "2", "3"] {
        bench.publish(Q2, payload);
    }
    assert_eq!(bench.written().len(), 2);
    bench.hear_silently(&Packet::Pubrec(ack(1, OK)));
    assert_eq!(bench.written(), ["PUBREL m1 0x00"]);
    bench.hear(&Packet::Pubcomp(ack(1, OK)), |_| {});
    assert_eq!(bench.written(), ["PUBLISH m3 t d0  3"]);
}

#[test]
fn a_resumed_session_sends_again_before_anything_new() {
    let mut bench = Bench::connected(Settings {
        clean_start: false,
        ..settings(Version::V311)
    });
    for (qos, payload) in [(Q1, "1"), (Q2, "2"), (Q2, "3")] {
        bench.publish(qos, payload);
    }
    bench.written();
    bench.hear_silently(&Packet::Pubrec(ack(2, OK)));
    bench.session.handle_closed();
    bench.publish(Q1, "new");
    bench.connect(true, &[]);
    assert_eq!(
        bench.written(),
        [
            "PUBLISH m1 t d1  1",
            "PUBREL m2 0x00",
            "PUBLISH m3 t d1  3",
            "PUBLISH m4 t d0  new"
        ]
    );
}

#[test]
fn on_a_server_that_forgot_us_unfinished_messages_are_new_ones() {
    let mut bench = Bench::connected(Settings {
        clean_start: false,
        ..settings(Version::V5)
    });
    bench.publish(Q1, "1");
    let taken_over = bench.publish(Q2, "2");
    bench.written();
    bench.hear_silently(&Packet::Pubrec(ack(2, OK)));
    bench.session.handle_closed();
    bench.publish(Q1, "new");
    bench.connect(false, &[]);
    assert_eq!(
        bench.written(),
        ["PUBLISH m3 t d0  1", "PUBLISH m4 t d0  new"]
    );
    let outcomes = bench.outcomes();
    assert_eq!(
        outcomes,
        [Outcome {
            id: taken_over,
            packet_id: Some(id(2)),
            result: Ok(())
        }]
    );
}

#[test]
fn a_session_that_was_not_asked_for_is_refused() {
    let mut bench = Bench::new(settings(Version::V5));
    bench.session.handle_opened(at(0)).unwrap();
    let connack = Connack {
        session_present: true,
        reason: OK,
        properties: Properties::EMPTY,
    };
    assert_eq!(
        reason_of(&bench.fail(&Packet::Connack(connack))),
        ReasonCode::ProtocolError
    );
}

#[test]
fn terms_of_the_server_are_kept() {
    let mut bench = Bench::new(Settings {
        client_id: String::new(),
        ..settings(Version::V5)
    });
    bench.connect(
        false,
        &[
            Property::AssignedClientIdentifier("assigned"),
            Property::ServerKeepAlive(5),
            Property::MaximumQos(Q1),
            Property::RetainAvailable(false),
            Property::MaximumPacketSize(40),
            Property::WildcardSubscriptionAvailable(false),
            Property::SharedSubscriptionAvailable(false),
            Property::SubscriptionIdentifierAvailable(false),
        ],
    );
    assert_eq!(bench.session.client_id(), "assigned");
    assert_eq!(bench.session.next_deadline(), Some(at(5)));
    let big = Publication::new("t", vec![0; 40]);
    for (publication, expected) in [
        (
            Publication::new("t", "").qos(Q2),
            RequestError::QosNotSupported { maximum: Q1 },
        ),
        (
            Publication::new("t", "").retain(true),
            RequestError::RetainNotSupported,
        ),
        (
            big,
            RequestError::PacketTooLarge {
                size: 46,
                limit: 40,
            },
        ),
        (Publication::new("t/#", ""), RequestError::TopicInvalid),
    ] {
        assert_eq!(bench.session.publish(at(0), &publication), Err(expected));
    }
    let long = "a/long/filter/that/is/over/the/limit/of/40";
    for (filter, expected) in [
        (
            "a/#",
            RequestError::SubscriptionNotSupported(ReasonCode::WildcardSubscriptionsNotSupported),
        ),
        (
            "$share/g/a",
            RequestError::SubscriptionNotSupported(ReasonCode::SharedSubscriptionsNotSupported),
        ),
        ("a#", RequestError::FilterInvalid),
        (
            long,
            RequestError::PacketTooLarge {
                size: 50,
                limit: 40,
            },
        ),
    ] {
        let filters = [(filter, SubscriptionOptions::default())];
        let refused = bench.session.subscribe(at(0), filters, Properties::EMPTY);
        assert_eq!(refused, Err(expected), "{filter}");
    }
    assert!(bench.written().is_empty());
}

#[test]
fn a_message_that_waited_for_a_server_that_cannot_take_it_is_given_up() {
    let mut bench = Bench::new(settings(Version::V5));
    let (bad, good) = (bench.publish(Q2, "bad"), bench.publish(Q1, "good"));
    bench.connect(false, &[Property::MaximumQos(Q1)]);
    assert_eq!(bench.written(), ["PUBLISH m1 t d0  good"]);
    let result = Err(RequestError::QosNotSupported { maximum: Q1 });
    assert_eq!(
        bench.outcomes(),
        [Outcome {
            id: bad,
            packet_id: None,
            result
        }]
    );
    bench.hear(&Packet::Puback(ack(1, OK)), |event| {
        assert!(matches!(event, Event::Published { id, .. } if id == good));
    });
}

#[test]
fn aliases_asked_for_are_set_once_on_every_connection() {
    let mut bench = Bench::new(Settings {
        clean_start: false,
        ..settings(Version::V5)
    });
    bench.connect(false, &[Property::TopicAliasMaximum(5)]);
    let wanted = properties(&[Property::TopicAlias(3)]);
    let too_high = properties(&[Property::TopicAlias(6)]);
    let send = |bench: &mut Bench, topic, qos, block: &PropertiesBuf| {
        let publication = Publication::new(topic, "")
            .qos(qos)
            .properties(block.as_properties());
        bench.session.publish(at(0), &publication).unwrap();
    };
    send(&mut bench, "a", Q0, &wanted);
    send(&mut bench, "a", Q1, &wanted);
    send(&mut bench, "b", Q0, &wanted);
    send(&mut bench, "b", Q0, &too_high);
    assert_eq!(
        bench.written(),
        [
            "PUBLISH a d0 a3 ",
            "PUBLISH m1 - d0 a3 ",
            "PUBLISH b d0 a3 ",
            "PUBLISH b d0  "
        ]
    );
    bench.session.handle_closed();
    bench.connect(true, &[Property::TopicAliasMaximum(5)]);
    assert_eq!(bench.written(), ["PUBLISH m1 a d1 a3 "]);
}

#[test]
fn aliases_of_our_own_go_as_far_as_the_server_takes_them() {
    let mut bench = Bench::new(Settings {
        automatic_topic_aliases: 9,
        ..settings(Version::V5)
    });
    bench.connect(false, &[Property::TopicAliasMaximum(1)]);
    for topic in ["a", "a", "b"] {
        bench
            .session
            .publish(at(0), &Publication::new(topic, ""))
            .unwrap();
    }
    assert_eq!(
        bench.written(),
        ["PUBLISH a d0 a1 ", "PUBLISH - d0 a1 ", "PUBLISH b d0  "]
    );
}

#[test]
fn aliases_of_the_server_are_resolved() {
    let connect_properties = properties(&[Property::TopicAliasMaximum(2)]);
    let mut bench = Bench::connected(Settings {
        connect_properties,
        ..settings(Version::V5)
    });
    for (packet, expected) in [
        (aliased(Some("a"), 2), "a"),
        (aliased(None, 2), "a"),
        (aliased(Some("b"), 2), "b"),
    ] {
        bench.hear(&packet, |event| {
            let Event::Message(publish) = event else {
                panic!("{event:?}")
            };
            assert_eq!(publish.topic.unwrap().as_str(), expected);
        });
    }
    assert_eq!(
        reason_of(&bench.fail(&aliased(None, 1))),
        ReasonCode::ProtocolError
    );
}

#[test]
fn messages_are_acknowledged_and_qos_2_is_told_once() {
    let mut bench = Bench::connected(Settings {
        clean_start: false,
        ..settings(Version::V311)
    });
    let is_message = |event: Event<'_>| assert!(matches!(event, Event::Message(_)), "{event:?}");
    bench.hear(&publish(Q0, 0, b""), is_message);
    bench.hear(&publish(Q1, 1, b""), is_message);
    bench.hear(&publish(Q1, 1, b"the id was free again"), is_message);
    bench.hear(&publish(Q2, 1, b""), is_message);
    bench.hear_silently(&publish(Q2, 1, b"whatever"));
    assert_eq!(
        bench.written(),
        [
            "PUBACK m1 0x00",
            "PUBACK m1 0x00",
            "PUBREC m1 0x00",
            "PUBREC m1 0x00"
        ]
    );
    bench.session.handle_closed();
    bench.connect(true, &[]);
    bench.hear_silently(&publish(Q2, 1, b"again, after the reconnect"));
    bench.hear(&Packet::Pubrel(ack(1, OK)), |event| {
        assert_eq!(event, Event::Released(id(1)))
    });
    assert_eq!(bench.written(), ["PUBREC m1 0x00", "PUBCOMP m1 0x00"]);
    bench.hear(&publish(Q2, 1, b"new"), is_message);
}

#[test]
fn acknowledgements_by_hand_leave_in_order() {
    let acknowledge = Acknowledge::ByHand;
    let mut bench = Bench::connected(Settings {
        acknowledge,
        ..settings(Version::V5)
    });
    for packet in [
        publish(Q1, 1, b""),
        publish(Q2, 2, b""),
        publish(Q1, 3, b""),
    ] {
        bench.hear(&packet, |_| {});
    }
    assert!(bench.written().is_empty());
    bench.session.acknowledge(at(0), id(3), OK).unwrap();
    bench
        .session
        .acknowledge(at(0), id(2), ReasonCode::QuotaExceeded)
        .unwrap();
    assert!(bench.written().is_empty());
    bench.session.acknowledge(at(0), id(1), OK).unwrap();
    assert_eq!(
        bench.written(),
        ["PUBACK m1 0x00", "PUBREC m2 0x97", "PUBACK m3 0x00"]
    );
    let again = bench.session.acknowledge(at(0), id(1), OK);
    assert_eq!(again, Err(RequestError::UnknownPacketId));
    bench.hear(&publish(Q2, 2, b"the id was free again"), |_| {});
}

#[test]
fn what_was_not_acknowledged_by_hand_comes_again() {
    let by_hand = Settings {
        acknowledge: Acknowledge::ByHand,
        clean_start: false,
        ..settings(Version::V5)
    };
    let mut bench = Bench::connected(by_hand);
    bench.hear(&publish(Q2, 1, b""), |_| {});
    bench.session.handle_closed();
    bench.connect(true, &[]);
    let stale = bench.session.acknowledge(at(0), id(1), OK);
    assert_eq!(stale, Err(RequestError::UnknownPacketId));
    bench.hear(&publish(Q2, 1, b""), |event| {
        assert!(matches!(event, Event::Message(_)))
    });
}

#[test]
fn the_receive_maximum_binds_the_server() {
    for acknowledge in [Acknowledge::Automatically, Acknowledge::ByHand] {
        let connect_properties = properties(&[Property::ReceiveMaximum(2)]);
        let mut bench = Bench::connected(Settings {
            connect_properties,
            acknowledge,
            ..settings(Version::V5)
        });
        bench.hear(&publish(Q2, 1, b""), |_| {});
        bench.hear(&publish(Q2, 2, b""), |_| {});
        bench.hear_silently(&publish(Q2, 2, b"a repeat does not count"));
        bench.written();
        let failure = bench.fail(&publish(Q1, 3, b""));
        assert_eq!(reason_of(&failure), ReasonCode::ReceiveMaximumExceeded);
        assert_eq!(bench.written(), ["DISCONNECT 0x93"]);
    }
}

#[test]
fn a_packet_over_our_limit_is_refused_by_its_header() {
    let connect_properties = properties(&[Property::MaximumPacketSize(100)]);
    let mut bench = Bench::connected(Settings {
        connect_properties,
        ..settings(Version::V5)
    });
    let failure = bench
        .session
        .handle_bytes(at(0), b"\x30\xff\x01")
        .unwrap_err();
    assert_eq!(reason_of(&failure), ReasonCode::PacketTooLarge);
    assert_eq!(bench.written(), ["DISCONNECT 0x95"]);
}

#[test]
fn requests_share_the_packet_ids_and_hear_their_answers() {
    let mut bench = Bench::connected(settings(Version::V5));
    bench.publish(Q1, "");
    let filters = ["a", "b"].map(|filter| (filter, SubscriptionOptions::default()));
    let subscribe = bench
        .session
        .subscribe(at(0), filters, Properties::EMPTY)
        .unwrap();
    let unsubscribe = bench
        .session
        .unsubscribe(at(0), ["a"], Properties::EMPTY)
        .unwrap();
    assert_eq!((subscribe, unsubscribe), (id(2), id(3)));
    let suback = |packet_id, reasons| {
        Packet::Suback(Suback {
            packet_id,
            reasons,
            properties: Properties::EMPTY,
        })
    };
    bench.hear_silently(&suback(id(77), &[0]));
    bench.hear(&suback(subscribe, &[1, 0x87]), |event| {
        assert!(
            matches!(
                event,
                Event::Subscribed {
                    reasons: [1, 0x87],
                    ..
                }
            ),
            "{event:?}"
        );
    });
    let nothing = bench.session.subscribe(at(0), [], Properties::EMPTY);
    assert_eq!(nothing, Err(RequestError::NoFilters));
    // [MQTT-3.9.3-1]
    assert_eq!(
        reason_of(&bench.fail(&suback(unsubscribe, &[0]))),
        ReasonCode::ProtocolError
    );
}

#[test]
fn open_requests_are_bounded() {
    let mut bench = Bench::connected(settings(Version::V311));
    let filters = [("a", SubscriptionOptions::default())];
    let refused = loop {
        if let Err(error) = bench.session.subscribe(at(0), filters, Properties::EMPTY) {
            break error;
        }
    };
    assert_eq!(refused, RequestError::TooManyRequests);
}

#[test]
fn output_that_the_server_does_not_take_stops_publishing() {
    let mut bench = Bench::connected(settings(Version::V311));
    let payload = vec![0; 100_000];
    let refused = loop {
        if let Err(error) = bench
            .session
            .publish(at(0), &Publication::new("t", payload.clone()))
        {
            break error;
        }
    };
    assert_eq!(refused, RequestError::QueueFull);
    let waits = bench.publish(Q1, "waits");
    assert_eq!(bench.session.output().len() / 100_000, 3);
    bench
        .session
        .handle_written(at(0), bench.session.output().len());
    assert_eq!(bench.written(), ["PUBLISH m1 t d0  waits"]);
    bench.hear(&Packet::Puback(ack(1, OK)), |event| {
        assert!(matches!(event, Event::Published { id, .. } if id == waits));
    });
}

#[test]
fn silence_is_pinged_and_then_ends_the_connection() {
    let mut bench = Bench::connected(Settings {
        keep_alive: 10,
        ..settings(Version::V5)
    });
    bench.session.handle_tick(at(9)).unwrap();
    assert!(bench.written().is_empty());
    bench.session.handle_tick(at(10)).unwrap();
    assert_eq!(bench.written(), ["PINGREQ"]);
    bench.now = at(11);
    bench.hear_silently(&Packet::Pingresp);
    bench.session.handle_tick(at(20)).unwrap();
    assert_eq!(bench.written(), ["PINGREQ"]);
    assert_eq!(
        bench.session.handle_tick(at(30)),
        Err(Failure::KeepAliveExceeded)
    );
    assert!(bench.written().is_empty());
}

#[test]
fn a_connack_that_does_not_come_is_not_waited_for() {
    for (keep_alive, timeout, expected) in [
        (10, None, Some(10)),
        (10, Some(3), Some(3)),
        (0, None, None),
    ] {
        let connack_timeout = timeout.map(std::time::Duration::from_secs);
        let settings = Settings {
            keep_alive,
            connack_timeout,
            ..settings(Version::V311)
        };
        let mut session = ClientSession::new(settings);
        session.handle_opened(at(0)).unwrap();
        assert_eq!(session.next_deadline(), expected.map(at));
        if let Some(expected) = expected {
            assert_eq!(session.handle_tick(at(expected)), Err(Failure::NoConnack));
        }
    }
}

#[test]
fn a_disconnect_of_the_server_is_told_with_its_reason() {
    let mut bench = Bench::connected(settings(Version::V5));
    let taken_over = Disconnect::new(ReasonCode::SessionTakenOver);
    let failure = bench.fail(&Packet::Disconnect(taken_over));
    assert_eq!(reason_of(&failure), ReasonCode::SessionTakenOver);
    assert!(bench.written().is_empty(), "it is not answered");
}

#[test]
fn our_disconnect_is_the_last_word() {
    let mut bench = Bench::connected(settings(Version::V5));
    bench.publish(Q1, "1");
    let why = properties(&[Property::ReasonString("enough")]);
    bench
        .session
        .disconnect(at(0), ReasonCode::DisconnectWithWill, why.as_properties())
        .unwrap();
    assert_eq!(bench.written(), ["PUBLISH m1 t d0  1", "DISCONNECT 0x04"]);
    bench.publish(Q1, "for the next connection");
    assert!(bench.written().is_empty());
    let again = bench.session.disconnect(at(0), OK, Properties::EMPTY);
    assert_eq!(again, Err(RequestError::NotConnected));
}

#[test]
fn resuming_asks_for_a_clean_start_only_once() {
    let clean_starts = |expiry: u32| {
        let connect_properties = properties(&[Property::SessionExpiryInterval(expiry)]);
        let mut bench = Bench::new(Settings {
            resume: true,
            connect_properties,
            ..settings(Version::V5)
        });
        [(); 2].map(|()| {
            bench.session.handle_opened(at(0)).unwrap();
            let connect = decode_connect(bench.session.output(), &Limits::default()).unwrap();
            let Decoded::Packet {
                packet: connect, ..
            } = connect
            else {
                panic!()
            };
            let clean_start = connect.clean_start;
            bench.hear(&Packet::Connack(Connack::refusal(OK)), |_| {});
            clean_start
        })
    };
    assert_eq!(clean_starts(60), [true, false]);
    assert_eq!(clean_starts(0), [true, true]);
}

#[test]
fn the_trace_hears_both_directions_in_order() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let written = Arc::clone(&lines);
    let trace: super::Trace = Arc::new(move |direction, packet| {
        written
            .lock()
            .unwrap()
            .push(format!("{direction:?} {}", packet.packet_type().name()));
    });
    let mut bench = Bench::connected(Settings {
        trace: Some(trace),
        ..settings(Version::V311)
    });
    bench.hear(&publish(Q1, 1, b""), |_| {});
    let expected = [
        "Sent CONNECT",
        "Received CONNACK",
        "Received PUBLISH",
        "Sent PUBACK",
    ];
    assert_eq!(*lines.lock().unwrap(), expected);
}

#[test]
fn a_cut_packet_is_waited_for() {
    let mut bench = Bench::connected(settings(Version::V5));
    let mut bytes = Vec::new();
    publish(Q1, 1, b"payload").encode(Version::V5, &mut bytes);
    for end in 0..bytes.len() {
        let taken = bench.session.handle_bytes(at(0), &bytes[..end]).unwrap();
        assert!(matches!(taken, Taken::Incomplete(_)), "{end} bytes");
    }
}
