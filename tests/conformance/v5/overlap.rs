//! Section 3.3.4: which copies of a message go to a client whose subscriptions overlap.
//!
//! The choice here is one copy with all identifiers.

use super::client::{Client, broker, fresh};
use super::packets::{Publish, property};

/// [MQTT-3.3.4-2] Overlapping subscriptions get a message at the highest QoS granted among them.
#[test]
fn v5_3_3_4_2() {
    let broker = broker();
    let base = fresh("t");
    let mut client = Client::new(&broker);
    client.subscribe(&format!("{base}/#"), 0);
    client.subscribe(&format!("{base}/b"), 2);
    client.subscribe(&format!("{base}/+"), 1);
    Client::new(&broker).publish(&Publish::new(format!("{base}/b"), "x").qos(2, 1));
    assert_eq!(client.take().qos, 2);
    client.nothing_more();
}

/// A client with two overlapping subscriptions of these identifiers, and what it gets.
fn identifiers(first: usize, second: usize) -> Vec<Vec<u8>> {
    let broker = broker();
    let base = fresh("t");
    let mut client = Client::new(&broker);
    let with = |id| property::subscription_identifier(id);
    client.subscribe_with(&with(first), &format!("{base}/#"), 1);
    client.subscribe_with(&with(second), &format!("{base}/b"), 1);
    // Somebody else's identifier on the same filter is nobody's business.
    let mut other = Client::new(&broker);
    other.subscribe_with(&with(99), &format!("{base}/b"), 1);
    Client::new(&broker).publish(&Publish::new(format!("{base}/b"), "x").qos(1, 1));
    assert_eq!(other.take().values(0x0b), [[99]]);
    let message = client.take();
    client.nothing_more();
    let mut found: Vec<Vec<u8>> = message.values(0x0b).iter().map(|id| id.to_vec()).collect();
    found.sort_unstable();
    found
}

/// [MQTT-3.3.4-3] The identifiers of all matching subscriptions are sent.
#[test]
fn v5_3_3_4_3() {
    assert_eq!(identifiers(1, 2), [[1], [2]]);
}

/// [MQTT-3.3.4-4] A single copy carries them all, also one that two subscriptions share, and never
/// another client's.
#[test]
fn v5_3_3_4_4() {
    assert_eq!(identifiers(2, 1), [[1], [2]]);
    assert_eq!(identifiers(5, 5), [[5], [5]]);
}

/// [MQTT-3.3.4-5] Separate copies, for a plain and a shared subscription, carry each its own.
#[test]
fn v5_3_3_4_5() {
    let broker = broker();
    let topic = fresh("t");
    let mut client = Client::new(&broker);
    client.subscribe_with(&property::subscription_identifier(1), &topic, 1);
    let shared = format!("$share/g/{topic}");
    client.subscribe_with(&property::subscription_identifier(2), &shared, 1);
    Client::new(&broker).publish(&Publish::new(&topic, "x").qos(1, 1));
    let mut found = [client.take(), client.take()].map(|message| message.values(0x0b).concat());
    found.sort_unstable();
    assert_eq!(found, [[1], [2]]);
    client.nothing_more();
}

/// [U-3.3.4-d] Two clients with the same filter get each their own identifier.
#[test]
fn v5_u_3_3_4_d() {
    let broker = broker();
    let topic = fresh("t");
    let mut clients = [1, 2].map(|id| {
        let mut client = Client::new(&broker);
        client.subscribe_with(&property::subscription_identifier(id), &topic, 1);
        client
    });
    let mut plain = Client::subscribed(&broker, &topic, 1);
    Client::new(&broker).publish(&Publish::new(&topic, "x").qos(1, 1));
    let found = clients
        .each_mut()
        .map(|client| client.take().values(0x0b).concat());
    assert_eq!(found, [[1], [2]]);
    assert_eq!(plain.take().properties, []);
}

/// (trap 22) An identifier goes neither with a retained message to others nor
/// with what its owner publishes.
#[test]
fn trap_22_identifiers_stay_with_their_owner() {
    let broker = broker();
    let topic = fresh("t");
    let mut owner = Client::new(&broker);
    owner.subscribe_with(&property::subscription_identifier(9), &topic, 0);
    owner.send(&Publish::new(&topic, "x").retained().bytes());
    assert_eq!(owner.message().values(0x0b), [[9]]);
    let mut other = Client::subscribed(&broker, &topic, 0);
    assert_eq!(other.message().properties, []);
}
