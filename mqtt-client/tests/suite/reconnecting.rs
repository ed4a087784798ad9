//! `Client` over TCP, when connections are lost.

use std::time::Duration;

use mqtt_client::{
    Address, Client, ClientError, Error, Options, Packet, Properties, Property, Publication, QoS,
    ReasonCode, Reconnect, RequestError, State, Version,
};
use mqtt_codec::Connack;
use tokio::net::{TcpListener, TcpStream};

use crate::part::{Part, accept, ack, publish, suback};
use crate::{soon, with_qos};

const V5: Version = Version::V5;
const Q1: QoS = QoS::AtLeastOnce;

struct Scene {
    listener: TcpListener,
    options: Options,
}

impl Scene {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::tcp("127.0.0.1", listener.local_addr().unwrap().port());
        let expiry = [Property::SessionExpiryInterval(600)].into_iter().collect();
        let options = Options::new(address)
            .client_id("c")
            .connect_properties(expiry)
            .reconnect(Reconnect::Every(Duration::from_millis(10)));
        Self { listener, options }
    }

    async fn accept(&self) -> Part<TcpStream> {
        accept(&self.listener, V5).await
    }
}

#[tokio::test]
async fn a_session_that_is_still_there_goes_on_where_it_was() {
    let scene = Scene::new().await;
    let (connected, mut part) = tokio::join!(Client::connect(scene.options.clone()), async {
        let mut part = scene.accept().await;
        assert_eq!(part.accepts(false, &[]).await, "CONNECT c clean true");
        part
    });
    let (mut client, mut messages) = connected.unwrap();
    let first = client
        .enqueue(Publication::new("t", "1").qos(Q1))
        .await
        .unwrap();
    let second = client
        .enqueue(Publication::new("t", "2").qos(QoS::ExactlyOnce))
        .await
        .unwrap();
    part.hears().await;
    part.hears().await;
    part.says(Packet::Pubrec(ack(2))).await;
    assert_eq!(part.hears().await, "PUBREL m2");
    drop(part);
    assert!(matches!(
        soon(client.state_changed()).await,
        State::Reconnecting(_)
    ));

    let mut part = scene.accept().await;
    assert_eq!(part.accepts(true, &[]).await, "CONNECT c clean false");
    assert_eq!(part.hears().await, "PUBLISH m1 q1 d1 1");
    assert_eq!(part.hears().await, "PUBREL m2");
    part.says(Packet::Pubcomp(ack(2))).await;
    part.says(Packet::Puback(ack(1))).await;
    assert!(soon(first).await.is_ok() && soon(second).await.is_ok());
    part.says(publish(Q1, 9, b"of the old subscription")).await;
    assert_eq!(
        soon(messages.next())
            .await
            .unwrap()
            .packet_id()
            .unwrap()
            .get(),
        9
    );
}

#[tokio::test]
async fn on_a_server_that_forgot_everything_it_is_all_done_again() {
    let scene = Scene::new().await;
    let (connected, mut part) = tokio::join!(Client::connect(scene.options.clone()), async {
        let mut part = scene.accept().await;
        part.accepts(false, &[]).await;
        part
    });
    let (client, mut messages) = connected.unwrap();
    let filters = [("a", with_qos(Q1)), ("refused", with_qos(Q1))];
    let (answer, ()) = tokio::join!(client.subscribe(&filters, Properties::EMPTY), async {
        part.hears().await;
        part.says(suback(1, &[1, 0x80])).await;
    });
    answer.unwrap();
    let receipt = client
        .enqueue(Publication::new("t", "1").qos(Q1))
        .await
        .unwrap();
    assert_eq!(part.hears().await, "PUBLISH m2 q1 d0 1");
    // The second request is not answered on this connection.
    let asking = async {
        let filters = [("b", with_qos(Q1))];
        client
            .subscribe(&filters, Properties::EMPTY)
            .await
            .unwrap()
            .reasons
    };
    let playing = async {
        assert_eq!(part.hears().await, "SUBSCRIBE m3 b");
        drop(part);
        let mut part = scene.accept().await;
        part.accepts(false, &[]).await;
        assert_eq!(part.hears().await, "SUBSCRIBE m4 a");
        assert_eq!(part.hears().await, "SUBSCRIBE m5 b");
        assert_eq!(part.hears().await, "PUBLISH m6 q1 d0 1");
        part.says(suback(4, &[1])).await;
        part.says(suback(5, &[0])).await;
        part.says(Packet::Puback(ack(6))).await;
        part
    };
    let (reasons, mut part) = tokio::join!(asking, playing);
    assert_eq!(reasons, [ReasonCode::Success]);
    soon(receipt).await.unwrap();
    part.says(publish(QoS::AtMostOnce, 0, b"x")).await;
    assert!(soon(messages.next()).await.is_some());
}

#[tokio::test]
async fn while_there_is_no_server_messages_wait_within_bounds() {
    let scene = Scene::new().await;
    let options = scene.options.clone().max_queued(2, 1_000);
    let (connected, part) = tokio::join!(Client::connect(options), async {
        let mut part = scene.accept().await;
        part.accepts(false, &[]).await;
        part
    });
    let (mut client, _messages) = connected.unwrap();
    drop(part);
    soon(client.state_changed()).await;
    // The listener takes the connection, but nobody answers the CONNECT yet.
    let mut receipts = Vec::new();
    for payload in ["1", "2"] {
        receipts.push(
            client
                .enqueue(Publication::new("t", payload).qos(Q1))
                .await
                .unwrap(),
        );
    }
    for (publication, expected) in [
        (Publication::new("t", "3").qos(Q1), RequestError::QueueFull),
        (Publication::new("t", "0"), RequestError::NotConnected),
    ] {
        let refused = soon(client.publish(publication)).await;
        assert!(matches!(refused, Err(ClientError::Request(error)) if error == expected));
    }
    let mut part = scene.accept().await;
    part.accepts(true, &[]).await;
    for (packet_id, receipt) in (1..).zip(receipts) {
        assert_eq!(
            part.hears().await,
            format!("PUBLISH m{packet_id} q1 d0 {packet_id}")
        );
        part.says(Packet::Puback(ack(packet_id))).await;
        soon(receipt).await.unwrap();
    }
}

#[tokio::test]
async fn being_refused_for_who_we_are_ends_the_trying() {
    let scene = Scene::new().await;
    let (connected, part) = tokio::join!(Client::connect(scene.options.clone()), async {
        let mut part = scene.accept().await;
        part.accepts(false, &[]).await;
        part
    });
    let (_client, mut messages) = connected.unwrap();
    drop(part);
    // Too busy is no reason to give up.
    for reason in [ReasonCode::ServerBusy, ReasonCode::NotAuthorized] {
        let mut part = scene.accept().await;
        part.hears().await;
        part.says(Packet::Connack(Connack::refusal(reason))).await;
    }
    assert!(soon(messages.next()).await.is_none());
    let end = messages.end().unwrap();
    assert!(
        matches!(&*end, Error::Refused(refusal) if refusal.code == 135),
        "{end}"
    );
}

#[tokio::test]
async fn a_client_without_a_server_can_be_told_to_end() {
    let Scene { listener, options } = Scene::new().await;
    let options = options.reconnect(Reconnect::Every(Duration::from_secs(3_600)));
    let (connected, part) = tokio::join!(Client::connect(options), async {
        let mut part = accept(&listener, V5).await;
        part.accepts(false, &[]).await;
        part
    });
    let (mut client, mut messages) = connected.unwrap();
    drop((part, listener));
    assert!(matches!(
        soon(client.state_changed()).await,
        State::Reconnecting(_)
    ));
    let told = soon(client.disconnect(ReasonCode::Success, Properties::EMPTY)).await;
    assert!(
        matches!(told, Err(ClientError::Ended(_))),
        "no DISCONNECT could be sent: {told:?}"
    );
    assert!(soon(messages.next()).await.is_none());
}
