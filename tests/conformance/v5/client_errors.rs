//! What a server may not send after CONNACK, and what the client says to it (5.0).

use mqtt_client::{Properties, SubscriptionOptions};

use super::packets::{Publish, block, disconnect, packet, property};
use crate::stage::{ACCEPTED, Stage};

/// A client that waits for the answers to a SUBSCRIBE and an UNSUBSCRIBE.
async fn with_open_requests() -> Stage {
    let mut stage = Stage::connected(|options| options, ACCEPTED).await;
    let filters = [("f", SubscriptionOptions::default())];
    let sent = stage.client.subscribe(&filters, Properties::EMPTY);
    assert_eq!(sent.expect("it is sent").get(), 1);
    let sent = stage.client.unsubscribe(&["f"], Properties::EMPTY);
    assert_eq!(sent.expect("it is sent").get(), 2);
    stage.hear().await;
    stage.hear().await;
    stage
}

/// [U-3.3.2.3.8-a] Subscription Identifier 0 in a PUBLISH: 0x82.
#[tokio::test]
async fn v5_u_3_3_2_3_8_a() {
    let mut stage = Stage::connected(|options| options, ACCEPTED).await;
    let identified = |id| {
        let publish = Publish::new("t", "x");
        publish.with(property::subscription_identifier(id)).bytes()
    };
    stage.say(identified(268_435_455)).await;
    assert_eq!(stage.message().await, ("t".to_owned(), "x".to_owned()));
    stage.say(identified(0)).await;
    stage.expect_refusal(0x82).await;
}

/// [U-3.9.2.1-a] Reason String twice in SUBACK or UNSUBACK: 0x82.
#[tokio::test]
async fn v5_u_3_9_2_1_a() {
    let twice = block(&property::reason_string("a").repeat(2));
    for (first, id) in [(0x90, 1), (0xb0, 2)] {
        let mut stage = with_open_requests().await;
        stage.say(packet(first, &[&[0, id], &twice, &[0]])).await;
        stage.expect_refusal(0x82).await;
    }
}

/// [U-3.14.2.2.5-a] Server Reference twice in DISCONNECT: 0x82.
#[tokio::test]
async fn v5_u_3_14_2_2_5_a() {
    let mut stage = Stage::connected(|options| options, ACCEPTED).await;
    let twice = property::string(0x1c, "other").repeat(2);
    stage.say(disconnect(0x9c, &twice)).await;
    stage.expect_refusal(0x82).await;
}
