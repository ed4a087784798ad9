//! Messages to the server.

use super::*;

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

/// Found by fuzzing: such a message went out with the alias that the program asked for, known or not.
#[test]
fn a_message_without_room_for_an_alias_has_none() {
    let mut bench = Bench::new(settings(Version::V5));
    let said = [
        Property::TopicAliasMaximum(1),
        Property::MaximumPacketSize(20),
    ];
    bench.connect(false, &said);
    for (alias, payload, line) in [
        (1, "1234567", "PUBLISH t d0 a1 1234567"),
        (2, "1234567", "PUBLISH t d0  1234567"),
        (2, "1234567890", "PUBLISH t d0  1234567890"),
    ] {
        let wanted = properties(&[Property::TopicAlias(alias)]);
        let publication = Publication::new("t", payload).properties(wanted.as_properties());
        bench.session.publish(at(0), &publication).unwrap();
        assert_eq!(bench.written(), [line]);
    }
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
