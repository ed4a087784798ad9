//! What the client sends again on the next connection of its session (3.1.1, 2.3.1, 4.4 and 4.6).

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use mqtt_client::{Event, Options, Properties, Publication, QoS, SubscriptionOptions, Version};

use super::packet_bytes::{
    puback, pubcomp, publish_as, pubrec, pubrel, suback, subscribe, unsuback, unsubscribe,
};
use crate::stage::{ACCEPTED_3, Stage};

/// CONNACK: accepted, the session goes on.
const RESUMED_3: [u8; 4] = [0x20, 2, 1, 0];
/// First byte of a PUBLISH of QoS 1.
const QOS_1: u8 = 0x32;
/// First byte of a PUBLISH of QoS 2.
const QOS_2: u8 = 0x34;
/// The bit DUP of it.
const DUP: u8 = 0x08;

/// Messages that are under way at a time where all packet ids are met.
const BATCH: u16 = 256;

/// A session that outlives its connections.
fn resuming(options: Options) -> Options {
    let window = NonZeroU16::new(1000).expect("1000 is not 0");
    let options = options.version(Version::V311).clean_start(false);
    options.max_inflight(window)
}

/// Publishes a message of which the client makes this PUBLISH.
async fn publish(stage: &mut Stage, first: u8, id: u16, text: &str) {
    let qos = if first == QOS_1 {
        QoS::AtLeastOnce
    } else {
        QoS::ExactlyOnce
    };
    let message = Publication::new("t", text.to_owned()).qos(qos);
    stage.client.publish(message).expect("it is taken");
    stage.expect(publish_as(first, id, "t", text)).await;
}

/// Publishes as many messages as a batch has; returns their packet ids.
async fn published_at_once(stage: &mut Stage) -> [u16; BATCH as usize] {
    for _ in 0..BATCH {
        let message = Publication::new("t", "").qos(QoS::AtLeastOnce);
        stage.client.publish(message).expect("it is taken");
    }
    let mut ids = [0; BATCH as usize];
    for id in &mut ids {
        let packet = stage.hear().await;
        let bytes = packet.last_chunk().expect("the packet id is last");
        *id = u16::from_be_bytes(*bytes);
    }
    ids
}

/// [MQTT-2.3.1-3] What is sent again keeps its packet id. An id may be used again after PUBACK,
/// PUBCOMP, SUBACK or UNSUBACK, and not before.
#[tokio::test]
async fn v311_2_3_1_3() {
    let mut stage = Stage::connected(resuming, ACCEPTED_3).await;
    publish(&mut stage, QOS_1, 1, "one").await;
    publish(&mut stage, QOS_2, 2, "two").await;
    publish(&mut stage, QOS_2, 3, "three").await;
    stage.say(pubrec(3)).await;
    stage.expect(pubrel(3)).await;

    stage.connect(RESUMED_3).await;
    stage.expect(publish_as(QOS_1 | DUP, 1, "t", "one")).await;
    stage.expect(publish_as(QOS_2 | DUP, 2, "t", "two")).await;
    stage.expect(pubrel(3)).await;

    let filters = [("f", SubscriptionOptions::default())];
    let sent = stage.client.subscribe(&filters, Properties::EMPTY);
    sent.expect("it is sent");
    stage.expect(subscribe(4, &[("f", 0)])).await;
    let sent = stage.client.unsubscribe(&["f"], Properties::EMPTY);
    sent.expect("it is sent");
    stage.expect(unsubscribe(5, &["f"])).await;
    stage.say([suback(4, &[0]), unsuback(5)].concat()).await;
    stage.say([puback(1), pubrec(2), pubcomp(3)].concat()).await;
    stage.expect(pubrel(2)).await;
    for _ in 0..4 {
        stage.event().await;
    }
    // All ids in turn, so that each that is free is met: only 2, which waits for PUBCOMP, is not.
    let mut used = BTreeSet::new();
    for _ in 0..=u16::MAX / BATCH {
        let ids = published_at_once(&mut stage).await;
        stage.say(ids.map(puback).concat()).await;
        for _ in ids {
            assert!(matches!(stage.event().await, Event::Published(_)));
        }
        used.extend(ids);
    }
    assert!(!used.contains(&0) && !used.contains(&2));
    assert_eq!(used.len(), usize::from(u16::MAX) - 1);
}

/// [MQTT-4.6.0-1] Messages are sent again in the order in which they were sent.
#[tokio::test]
async fn v311_4_6_0_1() {
    let mut stage = Stage::connected(resuming, ACCEPTED_3).await;
    let first = |id| if id % 2 == 0 { QOS_2 } else { QOS_1 };
    for id in 1..=10 {
        publish(&mut stage, first(id), id, &id.to_string()).await;
    }
    stage.connect(RESUMED_3).await;
    for id in 1..=10 {
        let again = publish_as(first(id) | DUP, id, "t", id.to_string());
        stage.expect(again).await;
    }
}
