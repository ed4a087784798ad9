//! Both floors of the client against Mosquitto.

use mqtt_client::{
    Address, Client, Connection, DeliverQos2, Error, Event, Message, Options, Properties,
    Publication, QoS, ReasonCode, Version, Will,
};

use crate::mosquitto::Mosquitto;
use crate::{next, soon, with_qos};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];
const ALL_QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

fn options(broker: &Mosquitto, client_id: &str) -> Options {
    Options::new(Address::tcp("127.0.0.1", broker.port)).client_id(client_id)
}

/// Publishes with each QoS to itself; what came back.
async fn echo(connection: &mut Connection) -> Vec<Message> {
    let filters = [("echo/#", with_qos(QoS::ExactlyOnce))];
    connection.subscribe(&filters, Properties::EMPTY).unwrap();
    let Event::Subscribed(answer) = next(connection).await else {
        panic!("SUBACK comes first")
    };
    assert_eq!(answer.reasons, [ReasonCode::GrantedQos2]);
    for qos in ALL_QOS {
        let payload = vec![qos.as_u8()];
        connection
            .publish(Publication::new("echo/a", payload).qos(qos))
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
    messages
}

#[tokio::test]
async fn every_version_carries_every_qos_both_ways() {
    let Some(broker) = Mosquitto::start("") else {
        return;
    };
    for version in VERSIONS {
        for deliver in [DeliverQos2::OnPublish, DeliverQos2::OnRelease] {
            let options = options(&broker, "echo")
                .version(version)
                .deliver_qos2(deliver);
            let mut connection = Connection::new(options);
            connection.dial().await.unwrap();
            assert!(matches!(next(&mut connection).await, Event::Connected(_)));
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
            assert_eq!(connection.unfinished(), 0);
            connection
                .disconnect(ReasonCode::Success, Properties::EMPTY)
                .await
                .unwrap();
        }
    }
}

#[tokio::test]
async fn a_client_publishes_subscribes_and_leaves() {
    let Some(broker) = Mosquitto::start("") else {
        return;
    };
    for version in VERSIONS {
        let options = options(&broker, "program").version(version);
        let (client, mut messages) = soon(Client::connect(options)).await.unwrap();
        let filters = [("a/#", with_qos(QoS::ExactlyOnce))];
        let answer = soon(client.subscribe(&filters, Properties::EMPTY))
            .await
            .unwrap();
        assert_eq!(answer.reasons, [ReasonCode::GrantedQos2]);
        for qos in ALL_QOS {
            let publication = Publication::new("a/b", format!("{qos}")).qos(qos);
            let acknowledged = soon(client.publish(publication)).await.unwrap();
            assert_eq!(acknowledged.reason, ReasonCode::Success);
            let message = soon(messages.next()).await.unwrap();
            assert_eq!(message.payload()[..], *format!("{qos}").as_bytes());
        }
        soon(client.unsubscribe(&["a/#"], Properties::EMPTY))
            .await
            .unwrap();
        soon(client.disconnect(ReasonCode::Success, Properties::EMPTY))
            .await
            .unwrap();
        assert!(soon(messages.next()).await.is_none());
        assert!(matches!(*messages.end().unwrap(), Error::NotConnected));
    }
}

#[tokio::test]
async fn many_messages_in_flight_all_arrive_in_order() {
    let Some(broker) = Mosquitto::start("max_queued_messages 0") else {
        return;
    };
    let (receiver, mut messages) = Client::connect(options(&broker, "receiver")).await.unwrap();
    let filters = [("load", with_qos(QoS::ExactlyOnce))];
    receiver
        .subscribe(&filters, Properties::EMPTY)
        .await
        .unwrap();
    let (sender, _) = Client::connect(options(&broker, "sender").max_queued(10, 1_000))
        .await
        .unwrap();
    let sending = async {
        let mut receipts = Vec::new();
        for number in 0..3_000_u32 {
            let qos = if number.is_multiple_of(2) {
                QoS::AtLeastOnce
            } else {
                QoS::ExactlyOnce
            };
            let publication = Publication::new("load", number.to_string()).qos(qos);
            receipts.push(sender.enqueue(publication).await.unwrap());
        }
        for receipt in receipts {
            assert_eq!(receipt.await.unwrap().reason, ReasonCode::Success);
        }
    };
    let receiving = async {
        let (mut odd, mut even) = (Vec::new(), Vec::new());
        for _ in 0..3_000 {
            let message = messages.next().await.unwrap();
            let number: u32 = std::str::from_utf8(message.payload())
                .unwrap()
                .parse()
                .unwrap();
            if number.is_multiple_of(2) {
                even.push(number)
            } else {
                odd.push(number)
            }
        }
        // The order holds for each QoS.
        assert!(even.is_sorted() && odd.is_sorted());
        assert_eq!((even.len(), odd.len()), (1_500, 1_500));
    };
    soon(async { tokio::join!(sending, receiving) }).await;
}

#[tokio::test]
async fn a_restarted_server_is_found_again() {
    let Some(mut broker) = Mosquitto::start("") else {
        return;
    };
    let every = mqtt_client::Reconnect::Every(std::time::Duration::from_millis(50));
    let options = options(&broker, "survivor").reconnect(every);
    let (client, mut messages) = Client::connect(options).await.unwrap();
    client
        .subscribe(&[("a", with_qos(QoS::AtLeastOnce))], Properties::EMPTY)
        .await
        .unwrap();
    broker.restart();
    let publication = Publication::new("a", "after").qos(QoS::AtLeastOnce);
    soon(client.publish(publication)).await.unwrap();
    // The subscription is restored before anything else is sent.
    assert_eq!(
        soon(messages.next()).await.unwrap().payload()[..],
        *b"after"
    );
}

#[tokio::test]
async fn a_will_is_published_unless_we_say_goodbye() {
    let Some(broker) = Mosquitto::start("") else {
        return;
    };
    let (watcher, mut messages) = Client::connect(options(&broker, "watcher")).await.unwrap();
    watcher
        .subscribe(&[("will/#", with_qos(QoS::AtLeastOnce))], Properties::EMPTY)
        .await
        .unwrap();
    for (topic, says_goodbye) in [("will/no", true), ("will/yes", false)] {
        let mut connection =
            Connection::new(options(&broker, "mortal").will(Will::new(topic, "gone")));
        connection.dial().await.unwrap();
        next(&mut connection).await;
        if says_goodbye {
            connection
                .disconnect(ReasonCode::Success, Properties::EMPTY)
                .await
                .unwrap();
        } else {
            connection.close();
        }
    }
    assert_eq!(soon(messages.next()).await.unwrap().topic(), "will/yes");
}
