//! From CONNECT to the end of a connection.

use super::*;

#[test]
fn connect_carries_all_settings() {
    for version in [Version::V31, Version::V311, Version::V5] {
        let mut will = crate::client::Will::new("gone", "bye");
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
        will: Some(crate::client::Will::new("a/#", "")),
        ..settings(Version::V5)
    };
    let long_id = Settings {
        client_id: "x".repeat(65_536),
        ..settings(Version::V5)
    };
    // [MQTT-1.5.4-2]
    let nul_in_name = Settings {
        user_name: Some("a\0b".into()),
        ..settings(Version::V5)
    };
    // [MQTT-3.1.3-7] of 3.1.1
    let kept_without_name = Settings {
        client_id: String::new(),
        clean_start: false,
        ..settings(Version::V311)
    };
    let misplaced = Settings {
        connect_properties: properties(&[Property::TopicAlias(1)]),
        ..settings(Version::V5)
    };
    for settings in [
        password_alone,
        bad_will,
        long_id,
        nul_in_name,
        kept_without_name,
        misplaced,
    ] {
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
            Property::ServerKeepAlive(4),
            Property::MaximumQos(Q1),
            Property::RetainAvailable(false),
            Property::MaximumPacketSize(40),
            Property::WildcardSubscriptionAvailable(false),
            Property::SharedSubscriptionAvailable(false),
            Property::SubscriptionIdentifierAvailable(false),
        ],
    );
    assert_eq!(bench.session.client_id(), "assigned");
    assert_eq!(bench.session.next_deadline(), Some(at(3)));
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
fn silence_is_pinged_and_then_ends_the_connection() {
    let mut bench = Bench::connected(Settings {
        keep_alive: 10,
        ..settings(Version::V5)
    });
    bench.session.handle_tick(at(7)).unwrap();
    assert!(bench.written().is_empty());
    bench.session.handle_tick(at(8)).unwrap();
    assert_eq!(bench.written(), ["PINGREQ"]);
    bench.now = at(9);
    bench.hear_silently(&Packet::Pingresp);
    bench.session.handle_tick(at(16)).unwrap();
    assert_eq!(bench.written(), ["PINGREQ"]);
    bench.session.handle_tick(at(24)).unwrap();
    assert_eq!(bench.written(), ["PINGREQ"], "our own silence asks for one");
    assert_eq!(
        bench.session.handle_tick(at(26)),
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
    let trace: crate::client::Trace = Arc::new(move |direction, packet| {
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
fn a_server_of_3_1_is_taken_to_have_kept_the_session() {
    for (version, expected) in [
        (Version::V31, "PUBLISH m1 t d1  1"),
        (Version::V311, "PUBLISH m2 t d0  1"),
    ] {
        let settings = Settings {
            clean_start: false,
            ..settings(version)
        };
        let mut bench = Bench::connected(settings);
        bench.publish(Q2, "1");
        bench.written();
        bench.session.handle_closed();
        // 3.1 has no Session Present.
        bench.connect(false, &[]);
        assert_eq!(bench.written(), [expected], "{version:?}");
    }
}
