//! What the client keeps from one connection to the next (5.0, 4.1, 4.4 and 4.6).

use std::time::Duration;

use mqtt_client::{Event, Options, PropertiesBuf, Property, Publication, QoS};

use super::packets::{PUBCOMP, PUBREC, PUBREL, Publish, ack};
use crate::stage::{ACCEPTED, RESUMED, Stage};

/// A session that outlives its connections.
fn resuming(options: Options) -> Options {
    let expiry: PropertiesBuf = [Property::SessionExpiryInterval(60)].into_iter().collect();
    options.clean_start(false).connect_properties(expiry)
}

/// A message under its number: QoS 1 if that is odd, else QoS 2.
fn numbered(id: u16) -> Publish {
    Publish::new("t", id.to_string()).qos(2 - u8::try_from(id % 2).expect("0 or 1"), id)
}

/// Publishes the messages with these numbers, which are their packet ids as well.
async fn publish_numbered(stage: &mut Stage, ids: std::ops::RangeInclusive<u16>) {
    for id in ids {
        let is_odd = id % 2 == 1;
        let qos = if is_odd {
            QoS::AtLeastOnce
        } else {
            QoS::ExactlyOnce
        };
        let message = Publication::new("t", id.to_string()).qos(qos);
        stage.client.publish(message).expect("it is taken");
        stage.expect(numbered(id).bytes()).await;
    }
}

/// [MQTT-4.6.0-1] What is sent again is sent in its first order, with its first packet id and DUP.
#[tokio::test]
async fn v5_4_6_0_1() {
    let mut stage = Stage::connected(resuming, ACCEPTED).await;
    publish_numbered(&mut stage, 1..=10).await;
    stage.connect(RESUMED).await;
    for id in 1..=10 {
        stage.expect(numbered(id).dup().bytes()).await;
    }
}

/// (trap 11) While a connection stands, the client sends nothing again.
#[tokio::test]
async fn trap_11_the_client_repeats_nothing_on_one_connection() {
    let mut stage = Stage::connected(resuming, ACCEPTED).await;
    publish_numbered(&mut stage, 1..=3).await;
    stage.say(ack(PUBREC, 2)).await;
    stage.expect(ack(PUBREL, 2)).await;
    stage.expect_silence(Duration::from_secs(6)).await;
}

/// [MQTT-3.2.2-4] A client that asked for a new session does not take an old one: it closes.
#[tokio::test]
async fn v5_3_2_2_4() {
    let mut stage = Stage::new(|options| options.clean_start(true)).await;
    stage.expect_bad_connack(&RESUMED, 0x82).await;
    // The same server in its senses is accepted.
    stage.connect(ACCEPTED).await;
}

/// [MQTT-3.2.2-5] With Session Present 0 the client forgets what it had open: nothing is repeated
/// or released, no packet id is known. Messages that the old session had not taken over are
/// published anew.
#[tokio::test]
async fn v5_3_2_2_5() {
    let mut stage = Stage::connected(resuming, ACCEPTED).await;
    publish_numbered(&mut stage, 1..=2).await;
    stage.say(ack(PUBREC, 2)).await;
    stage.expect(ack(PUBREL, 2)).await;
    stage.say(Publish::new("in", "old").qos(2, 7).bytes()).await;
    stage.expect(ack(PUBREC, 7)).await;
    assert_eq!(stage.message().await, ("in".to_owned(), "old".to_owned()));

    stage.connect(ACCEPTED).await;
    // No DUP: to this session it is new. Nothing of packet id 2.
    let again = stage.hear().await;
    assert_eq!(again[0], 0x32, "{again:02x?}");
    assert!(again.ends_with(b"1"), "{again:02x?}");
    let Event::Published(finished) = stage.event().await else {
        panic!("the server had message 2, which is told");
    };
    assert_eq!(finished.id.get(), 2);
    // The server's packet id 7 stands for another message now.
    stage.say(Publish::new("in", "new").qos(2, 7).bytes()).await;
    stage.expect(ack(PUBREC, 7)).await;
    assert_eq!(stage.message().await, ("in".to_owned(), "new".to_owned()));
    stage.say(ack(PUBREL, 7)).await;
    stage.expect(ack(PUBCOMP, 7)).await;
}
