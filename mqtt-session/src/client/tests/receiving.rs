//! Messages from the server.

use super::*;

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
fn a_cut_packet_is_waited_for() {
    let mut bench = Bench::connected(settings(Version::V5));
    let mut bytes = Vec::new();
    publish(Q1, 1, b"payload").encode(Version::V5, &mut bytes);
    for end in 0..bytes.len() {
        let taken = bench.session.handle_bytes(at(0), &bytes[..end]).unwrap();
        assert!(matches!(taken, Taken::Incomplete(_)), "{end} bytes");
    }
}

/// The server may have lost the session together with the CONNACK that said so.
#[test]
fn what_an_earlier_connection_left_open_does_not_count_against_the_receive_maximum() {
    let connect_properties = properties(&[
        Property::ReceiveMaximum(2),
        Property::SessionExpiryInterval(100),
    ]);
    let mut bench = Bench::connected(Settings {
        connect_properties,
        clean_start: false,
        ..settings(Version::V5)
    });
    let is_message = |event: Event<'_>| assert!(matches!(event, Event::Message(_)));
    bench.hear(&publish(Q2, 7, b""), is_message);
    bench.session.handle_closed();
    bench.connect(true, &[]);
    for packet_id in [1, 2] {
        bench.hear(&publish(Q2, packet_id, b""), is_message);
    }
    let failure = bench.fail(&publish(Q2, 3, b""));
    assert_eq!(reason_of(&failure), ReasonCode::ReceiveMaximumExceeded);
}
