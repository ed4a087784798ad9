//! `Client` over a pipe: handles, streams, back-pressure, endings.

use mqtt_client::{
    Client, ClientError, Error, Messages, Options, Packet, Properties, PropertiesBuf, Property,
    Publication, QoS, ReasonCode, RequestError, State, Version,
};
use mqtt_codec::Disconnect;
use tokio::io::DuplexStream;

use crate::part::{Part, ack, pipe, publish, publish_to, suback, unsuback};
use crate::{options, soon, with_qos};

const Q0: QoS = QoS::AtMostOnce;
const Q1: QoS = QoS::AtLeastOnce;

async fn connected(options: Options) -> (Client, Messages, Part<DuplexStream>) {
    let (stream, mut part) = pipe(Version::V5);
    let (connected, _) = tokio::join!(Client::from_stream(stream, options), async {
        part.accepts(false, &[Property::RetainAvailable(false)])
            .await
    });
    let (client, messages) = connected.unwrap();
    (client, messages, part)
}

#[tokio::test]
async fn a_receipt_waits_for_the_answer_and_tells_its_reason() {
    let (client, _messages, mut part) = connected(options()).await;
    let receipt = client
        .enqueue(Publication::new("t", "1").qos(Q1))
        .await
        .unwrap();
    assert_eq!(part.hears().await, "PUBLISH m1 q1 d0 1");
    let mut refused = ack(1);
    refused.reason = ReasonCode::QuotaExceeded;
    part.says(Packet::Puback(refused)).await;
    assert_eq!(
        soon(receipt).await.unwrap().reason,
        ReasonCode::QuotaExceeded
    );
}

#[tokio::test]
async fn what_the_server_cannot_take_is_refused_at_once() {
    let (client, _messages, _part) = connected(options()).await;
    let refused = soon(client.publish(Publication::new("t", "").retain(true))).await;
    let expected = RequestError::RetainNotSupported;
    assert!(matches!(refused, Err(ClientError::Request(error)) if error == expected));
}

#[tokio::test]
async fn a_full_stream_stops_the_reading_and_loses_nothing() {
    let (client, mut messages, mut part) = connected(options().message_capacity(2)).await;
    let payload = vec![b'x'; 1_000];
    let saying = async {
        for packet_id in 1..=1_000 {
            part.says(publish(Q1, packet_id, &payload)).await;
        }
        part
    };
    let mut saying = Box::pin(saying);
    // The pipe holds 64 KiB, the client 32 more and a few messages: the server is stopped early.
    let early = tokio::time::timeout(std::time::Duration::from_millis(200), &mut saying).await;
    assert!(
        early.is_err(),
        "the client read a megabyte that nobody wanted"
    );
    // Publishing goes on meanwhile.
    soon(client.publish(Publication::new("t", "qos 0")))
        .await
        .unwrap();
    let reading = async {
        for packet_id in 1..=1_000 {
            let message = soon(messages.next()).await.unwrap();
            assert_eq!(message.packet_id().unwrap().get(), packet_id);
        }
    };
    let acknowledging = async {
        let mut part = saying.await;
        loop {
            if part.hears().await == "PUBACK m1000" {
                break part;
            }
        }
    };
    soon(async { tokio::join!(reading, acknowledging) }).await;
}

#[tokio::test]
async fn a_dropped_common_stream_takes_nothing_and_stops_nothing() {
    let (client, messages, mut part) = connected(options().message_capacity(1)).await;
    drop(messages);
    for _ in 0..10 {
        part.says(publish(Q0, 0, b"unwanted")).await;
    }
    soon(client.publish(Publication::new("t", "still here")))
        .await
        .unwrap();
    assert_eq!(part.hears().await, "PUBLISH m0 q0 d0 still here");
}

#[tokio::test]
async fn a_filter_can_have_a_stream_of_its_own_until_that_is_dropped() {
    let (client, mut messages, mut part) = connected(options()).await;
    let (subscription, ()) = tokio::join!(client.subscribe_stream("own/#", with_qos(Q1)), async {
        assert_eq!(part.hears().await, "SUBSCRIBE m1 own/#");
        part.says(suback(1, &[1])).await;
    });
    let mut subscription = subscription.unwrap();
    assert_eq!(subscription.granted(), ReasonCode::GrantedQos1);
    part.says(publish_to("own/a", Q0, 0, b"own")).await;
    part.says(publish_to("other", Q0, 0, b"common")).await;
    assert_eq!(
        soon(subscription.next()).await.unwrap().payload()[..],
        *b"own"
    );
    assert_eq!(
        soon(messages.next()).await.unwrap().payload()[..],
        *b"common"
    );
    drop(subscription);
    part.says(publish_to("own/a", Q0, 0, b"late")).await;
    assert_eq!(part.hears().await, "UNSUBSCRIBE m2 own/#");
    part.says(unsuback(2, &[0])).await;
}

#[tokio::test]
async fn requests_are_answered_with_what_was_granted() {
    let (client, _messages, mut part) = connected(options()).await;
    let filters = [("a", with_qos(Q1)), ("b", with_qos(Q1))];
    let (answer, ()) = tokio::join!(client.subscribe(&filters, Properties::EMPTY), async {
        assert_eq!(part.hears().await, "SUBSCRIBE m1 a b");
        part.says(suback(1, &[1, 0x87])).await;
    });
    let reasons = answer.unwrap().reasons;
    assert_eq!(
        reasons,
        [ReasonCode::GrantedQos1, ReasonCode::NotAuthorized]
    );
    let (answer, ()) = tokio::join!(client.unsubscribe(&["a"], Properties::EMPTY), async {
        assert_eq!(part.hears().await, "UNSUBSCRIBE m2 a");
        part.says(unsuback(2, &[0x11])).await;
    });
    assert_eq!(answer.unwrap().reasons, [ReasonCode::NoSubscriptionExisted]);
    let refused = client
        .subscribe(&[("a#", with_qos(Q1))], Properties::EMPTY)
        .await;
    let expected = RequestError::FilterInvalid;
    assert!(matches!(refused, Err(ClientError::Request(error)) if error == expected));
}

#[tokio::test]
async fn the_end_is_told_to_everybody_who_waits() {
    let (mut client, mut messages, mut part) = connected(options()).await;
    let receipt = client
        .enqueue(Publication::new("t", "1").qos(Q1))
        .await
        .unwrap();
    part.hears().await;
    part.says(Packet::Disconnect(Disconnect::new(
        ReasonCode::AdministrativeAction,
    )))
    .await;
    let is_it = |error: &Error| {
        matches!(
            error,
            Error::Disconnected {
                reason: ReasonCode::AdministrativeAction,
                ..
            }
        )
    };
    assert!(matches!(soon(receipt).await, Err(ClientError::Ended(error)) if is_it(&error)));
    assert!(soon(messages.next()).await.is_none());
    assert!(messages.end().is_some_and(|error| is_it(&error)));
    assert!(matches!(soon(client.state_changed()).await, State::Ended(error) if is_it(&error)));
    let late = soon(client.publish(Publication::new("t", "2"))).await;
    assert!(matches!(late, Err(ClientError::Ended(error)) if is_it(&error)));
}

#[tokio::test]
async fn everything_handed_over_leaves_before_disconnect() {
    let (client, _messages, mut part) = connected(options()).await;
    let mut receipts = Vec::new();
    for payload in ["1", "2", "3"] {
        receipts.push(
            client
                .enqueue(Publication::new("t", payload))
                .await
                .unwrap(),
        );
    }
    let why: PropertiesBuf = [Property::ReasonString("done")].into_iter().collect();
    let leaving = client.disconnect(ReasonCode::Success, why.as_properties());
    let (result, ()) = tokio::join!(leaving, async {
        for payload in ["1", "2", "3"] {
            assert_eq!(part.hears().await, format!("PUBLISH m0 q0 d0 {payload}"));
        }
        assert_eq!(part.hears().await, "DISCONNECT 0x00 done");
        part.hears_the_end().await;
        drop(part);
    });
    result.unwrap();
    for receipt in receipts {
        soon(receipt).await.unwrap();
    }
}

#[tokio::test]
async fn when_nobody_is_left_the_client_says_goodbye() {
    let (client, messages, mut part) = connected(options()).await;
    let other = client.clone();
    drop((client, messages));
    soon(other.publish(Publication::new("t", "a clone still works")))
        .await
        .unwrap();
    drop(other);
    assert_eq!(part.hears().await, "PUBLISH m0 q0 d0 a clone still works");
    assert_eq!(part.hears().await.trim(), "DISCONNECT 0x00");
    part.hears_the_end().await;
}

#[tokio::test]
async fn enhanced_authentication_is_left_to_connections() {
    let properties = [Property::AuthenticationMethod("SCRAM-SHA-1")]
        .into_iter()
        .collect();
    let (stream, _part) = pipe(Version::V5);
    let refused = Client::from_stream(stream, options().connect_properties(properties)).await;
    assert!(matches!(refused, Err(Error::InvalidOptions(_))));
}
