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
