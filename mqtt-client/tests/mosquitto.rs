//! The client against Mosquitto.

mod support;

use std::time::Duration;

use mqtt_client::{
    Address, Connection, DeliverQos2, Event, Message, Options, Properties, Publication, QoS,
    ReasonCode, SubscriptionOptions, Version,
};
use support::Mosquitto;

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];
const ALL_QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

fn options(broker: &Mosquitto, version: Version, client_id: &str) -> Options {
    Options::new(Address::tcp("127.0.0.1", broker.port()))
        .version(version)
        .client_id(client_id)
}

fn with_qos(qos: QoS) -> SubscriptionOptions {
    SubscriptionOptions {
        qos,
        ..SubscriptionOptions::default()
    }
}

async fn next(connection: &mut Connection) -> Event {
    tokio::time::timeout(Duration::from_secs(10), connection.next_event())
        .await
        .expect("something happens in time")
        .expect("the connection stands")
}

async fn connect(options: Options) -> Connection {
    let mut connection = Connection::new(options);
    connection.dial().await.unwrap();
    assert!(matches!(next(&mut connection).await, Event::Connected(_)));
    connection
}

/// Publishes with each QoS to itself; what came back, in order.
async fn echo(connection: &mut Connection) -> Vec<Message> {
    connection
        .subscribe(&[("echo/#", with_qos(QoS::ExactlyOnce))], Properties::EMPTY)
        .unwrap();
    let Event::Subscribed(answer) = next(connection).await else {
        panic!("SUBACK comes first")
    };
    assert_eq!(answer.reasons, [ReasonCode::GrantedQos2]);
    for qos in ALL_QOS {
        connection
            .publish(Publication::new("echo/a", vec![qos.as_u8()]).qos(qos))
            .unwrap();
    }
    let (mut messages, mut published) = (Vec::new(), 0);
    while messages.len() < 3 || published < 3 {
        match next(connection).await {
            Event::Message(message) => messages.push(message),
            Event::Published(done) => {
                assert_eq!(done.outcome.unwrap().reason, ReasonCode::Success);
                published += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(connection.unfinished(), 0);
    messages
}

#[tokio::test]
async fn every_version_carries_every_qos_both_ways() {
    let Some(broker) = Mosquitto::start("") else {
        return;
    };
    for version in VERSIONS {
        for deliver in [DeliverQos2::OnPublish, DeliverQos2::OnRelease] {
            let options = options(&broker, version, "echo").deliver_qos2(deliver);
            let mut connection = connect(options).await;
            let mut messages = echo(&mut connection).await;
            messages.sort_by_key(Message::qos);
            for (message, qos) in messages.iter().zip(ALL_QOS) {
                assert_eq!(
                    (message.qos(), message.topic()),
                    (qos, "echo/a"),
                    "{version:?}"
                );
                assert_eq!(message.payload()[..], [qos.as_u8()]);
                assert_eq!(message.packet_id().is_some(), qos != QoS::AtMostOnce);
            }
            connection
                .disconnect(ReasonCode::Success, Properties::EMPTY)
                .await
                .unwrap();
        }
    }
}
