//! SUBSCRIBE and UNSUBSCRIBE.

use super::*;

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
fn what_the_server_would_have_to_refuse_is_not_asked() {
    let mut bench = Bench::connected(settings(Version::V5));
    let no_local = SubscriptionOptions {
        no_local: true,
        ..SubscriptionOptions::default()
    };
    // [MQTT-3.8.3-4]
    let filters = [("a", no_local), ("$share/g/a", no_local)];
    let refused = bench.session.subscribe(at(0), filters, Properties::EMPTY);
    assert_eq!(refused, Err(RequestError::NoLocalOnShared));
    let misplaced = properties(&[Property::TopicAlias(1)]);
    let misplaced = misplaced.as_properties();
    let kind = DecodeErrorKind::MisplacedProperty;
    let expected = RequestError::PropertiesInvalid(kind);
    let refused = bench.session.unsubscribe(at(0), ["a"], misplaced);
    assert_eq!(refused, Err(expected.clone()));
    let refused = bench.session.disconnect(at(0), OK, misplaced);
    assert_eq!(refused, Err(expected));
    let expiry = properties(&[Property::SessionExpiryInterval(60)]);
    let refused = bench.session.disconnect(at(0), OK, expiry.as_properties());
    assert_eq!(refused, Err(RequestError::SessionExpiryInvalid));
    assert!(bench.written().is_empty());
    // Where CONNECT asked for a session that stays, DISCONNECT may change for how long.
    let mut bench = Bench::connected(Settings {
        connect_properties: properties(&[Property::SessionExpiryInterval(1)]),
        ..settings(Version::V5)
    });
    let said = bench.session.disconnect(at(0), OK, expiry.as_properties());
    assert_eq!(said, Ok(()));
    // In 3.x there are no properties, and whatever is given is left out.
    let mut bench = Bench::connected(settings(Version::V311));
    let sent = bench.session.unsubscribe(at(0), ["a"], misplaced);
    assert_eq!(sent, Ok(id(1)));
}
