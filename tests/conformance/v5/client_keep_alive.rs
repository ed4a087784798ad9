//! The client's side of Keep Alive and of flow control (5.0, 3.1.2.10 and 4.9).

use std::time::Duration;

use mqtt_client::{
    Event, Properties, PropertiesBuf, Property, Publication, QoS, SubscriptionOptions,
};
use mqtt_tests::Deadline;

use super::packets::{PUBACK, Publish, ack, property, subscribe, unsubscribe};
use crate::stage::{ACCEPTED, PINGREQ, Stage, accepted_with};

/// The property Server Keep Alive.
fn server_keep_alive(seconds: u16) -> Vec<u8> {
    [&[0x13], &seconds.to_be_bytes()[..]].concat()
}

/// Demands PINGREQ within a second of CONNECT, and again within a second of that.
async fn expect_pings_within_a_second(stage: &mut Stage) {
    for _ in 0..2 {
        let silent = Deadline::start();
        stage.expect(PINGREQ).await;
        let silence = silent.elapsed();
        assert!(silence <= Duration::from_secs(1), "{silence:?}");
        stage.say([0xd0, 0]).await;
    }
}

/// [MQTT-3.1.2-20] A client that has nothing to say sends PINGREQ within the Keep Alive.
#[tokio::test]
async fn v5_3_1_2_20() {
    let mut stage = Stage::connected(|options| options.keep_alive(1), ACCEPTED).await;
    expect_pings_within_a_second(&mut stage).await;
}

/// [MQTT-3.1.2-21] The Server Keep Alive of CONNACK takes the place of the client's own.
#[tokio::test]
async fn v5_3_1_2_21() {
    let connack = accepted_with(&server_keep_alive(1));
    let mut stage = Stage::connected(|options| options.keep_alive(60), connack).await;
    expect_pings_within_a_second(&mut stage).await;
}

/// [MQTT-3.2.2-21] Also where the server's is longer, or turns the mechanism off.
#[tokio::test]
async fn v5_3_2_2_21() {
    for seconds in [60, 0] {
        let connack = accepted_with(&server_keep_alive(seconds));
        let mut stage = Stage::connected(|options| options.keep_alive(1), connack).await;
        let terms = stage.client.connected().map(|terms| terms.keep_alive);
        assert_eq!(terms, Some(seconds));
        stage.expect_silence(Duration::from_millis(1_200)).await;
    }
}

/// [MQTT-3.3.4-8] Messages wait for the server's Receive Maximum; other packets do not.
#[tokio::test]
async fn v5_3_3_4_8() {
    let connack = accepted_with(&property::receive_maximum(1));
    let mut stage = Stage::connected(|options| options.keep_alive(1), connack).await;
    let message = |text| Publication::new("t", text).qos(QoS::AtLeastOnce);
    for text in ["one", "two"] {
        stage.client.publish(message(text)).expect("it waits");
    }
    let filters = [("f", SubscriptionOptions::default())];
    let client = &mut stage.client;
    client
        .subscribe(&filters, Properties::EMPTY)
        .expect("it is sent");
    client
        .unsubscribe(&["f"], Properties::EMPTY)
        .expect("it is sent");
    client
        .publish(Publication::new("t", "QoS 0"))
        .expect("it is sent");
    stage
        .expect(Publish::new("t", "one").qos(1, 1).bytes())
        .await;
    stage.expect(subscribe(2, &[], &[("f", 0)])).await;
    stage.expect(unsubscribe(3, &["f"])).await;
    stage.expect(Publish::new("t", "QoS 0").bytes()).await;
    stage.say(Publish::new("t", "in").qos(1, 7).bytes()).await;
    stage.expect(ack(PUBACK, 7)).await;
    stage.expect(PINGREQ).await;
    stage.say([0xd0, 0]).await;
    // The first acknowledgement makes room for the second message.
    stage.say(ack(PUBACK, 1)).await;
    let second = stage.hear().await;
    assert_eq!(second[..5], Publish::new("t", "two").qos(1, 4).bytes()[..5]);
    assert!(second.ends_with(b"two"), "{second:02x?}");
}

/// [U-3.1.2.11.4-b] A packet above the limit that the client announced: 0x95, as soon as its length
/// is known.
#[tokio::test]
async fn v5_u_3_1_2_11_4_b() {
    let limit: PropertiesBuf = [Property::MaximumPacketSize(100)].into_iter().collect();
    let mut stage = Stage::connected(|options| options.connect_properties(limit), ACCEPTED).await;
    let fits = Publish::new("t", "x".repeat(100 - 6)).bytes();
    assert_eq!(fits.len(), 100);
    stage.say(fits).await;
    assert!(matches!(stage.event().await, Event::Message(_)));
    stage.say([0x30, 99]).await;
    stage.expect_refusal(0x95).await;
}
