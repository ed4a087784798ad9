//! 7.1: an ordered stream of bytes without loss, here TCP.

use mqtt_client::{Event, Publication, QoS, Version};

use super::brokers::shared;
use super::hand_client::Client;
use super::packet_bytes::{puback, publish0, publish1};
use crate::stage::{ACCEPTED_3, Stage};

/// Messages enough to fill buffers on the way, of many sizes.
fn payloads() -> impl Iterator<Item = String> {
    (0..300_usize).map(|number| format!("{number} {}", "x".repeat(number * 37 % 5000)))
}

/// [MQTT-7.1.1-1] The broker takes a stream cut anywhere, and what it sends is one: all bytes, in
/// their order.
#[test]
fn v311_7_1_1_1() {
    let broker = shared();
    let mut subscriber = Client::subscribed(&broker, "7111", "7111", 0);
    let mut publisher = Client::clean(&broker, "7111-publisher");
    let packets: Vec<_> = payloads().map(|text| publish0("7111", text)).collect();
    let stream = packets.concat();
    let mut rest = stream.as_slice();
    for size in [1, 2, 3, 5, 7, 11, 1000, 65_537].into_iter().cycle() {
        let (piece, behind) = rest.split_at(size.min(rest.len()));
        publisher.send(piece);
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    for packet in packets {
        subscriber.expect(packet);
    }
}

/// [MQTT-7.1.2-1] The client as well.
#[tokio::test]
async fn v311_7_1_2_1() {
    let mut stage = Stage::connected(|options| options.version(Version::V311), ACCEPTED_3).await;
    for (id, text) in (1..).zip(payloads().take(50)) {
        let publish = publish1(id, "t", &text);
        let (front, back) = publish.split_at(publish.len() / 2);
        stage.say(front).await;
        stage.say(back).await;
        stage.expect(puback(id)).await;
        assert_eq!(stage.message().await, ("t".to_owned(), text));
    }
    for (id, text) in (1..).zip(payloads().take(50)) {
        let message = Publication::new("t", text.clone()).qos(QoS::AtLeastOnce);
        stage.client.publish(message).expect("it is taken");
        stage.expect(publish1(id, "t", text)).await;
        let ack = puback(id);
        let (front, back) = ack.split_at(1);
        stage.say(front).await;
        stage.say(back).await;
        assert!(matches!(stage.event().await, Event::Published(_)));
    }
}
