//! The client answers everything, in order (5.0, 4.5 and 4.6).

use mqtt_client::{Publication, QoS};

use super::packets::{PUBACK, PUBCOMP, PUBREC, PUBREL, Publish, ack};
use crate::stage::{ACCEPTED, Stage};

/// Packet ids in no order of theirs.
const IDS: [u16; 5] = [5, 3, 0xffff, 1, 2];

/// [MQTT-4.5.0-2] A client acknowledges what it is sent, also what it has not subscribed to.
#[tokio::test]
async fn v5_4_5_0_2() {
    let mut stage = Stage::connected(|options| options, ACCEPTED).await;
    stage.say(Publish::new("b", "x").qos(1, 9).bytes()).await;
    stage.expect(ack(PUBACK, 9)).await;
    stage.say(Publish::new("b", "x").qos(2, 9).bytes()).await;
    stage.expect(ack(PUBREC, 9)).await;
    stage.say(ack(PUBREL, 9)).await;
    stage.expect(ack(PUBCOMP, 9)).await;
}

/// [MQTT-4.6.0-2] PUBACKs in the order of the messages.
#[tokio::test]
async fn v5_4_6_0_2() {
    let mut stage = Stage::connected(|options| options, ACCEPTED).await;
    let messages = IDS.map(|id| Publish::new("t", "x").qos(1, id).bytes());
    stage.say(messages.concat()).await;
    stage.expect(IDS.map(|id| ack(PUBACK, id)).concat()).await;
}

/// [MQTT-4.6.0-3] PUBRECs in the order of the messages, whatever else comes between.
#[tokio::test]
async fn v5_4_6_0_3() {
    let mut stage = Stage::connected(|options| options, ACCEPTED).await;
    let messages = IDS.map(|id| {
        let two = Publish::new("t", "x").qos(2, id).bytes();
        [two, Publish::new("t", "x").bytes()].concat()
    });
    stage.say(messages.concat()).await;
    stage.expect(IDS.map(|id| ack(PUBREC, id)).concat()).await;
    stage.say(IDS.map(|id| ack(PUBREL, id)).concat()).await;
    stage.expect(IDS.map(|id| ack(PUBCOMP, id)).concat()).await;
}

/// [MQTT-4.6.0-4] PUBRELs in the order of the PUBRECs, not of the messages.
#[tokio::test]
async fn v5_4_6_0_4() {
    let mut stage = Stage::connected(|options| options, ACCEPTED).await;
    for id in 1..=4 {
        let message = Publication::new("t", "x").qos(QoS::ExactlyOnce);
        stage.client.publish(message).expect("it is taken");
        stage
            .expect(Publish::new("t", "x").qos(2, id).bytes())
            .await;
    }
    let order = [3, 1, 4, 2];
    stage.say(order.map(|id| ack(PUBREC, id)).concat()).await;
    stage.expect(order.map(|id| ack(PUBREL, id)).concat()).await;
}
