//! Section 3.3.2.3.4: topic aliases, in both directions.

use super::acks::DENIED;
use super::client::{Client, assert_closed_for, broker, broker_with, fresh};
use super::packets::{Connect, Publish, property};

/// A PUBLISH that uses an alias.
fn aliased(topic: &str, alias: u16, text: &str) -> Publish {
    Publish::new(topic, text).with(property::topic_alias(alias))
}

/// A subscriber that takes so many aliases, and the broker may use as many.
fn taking(broker: &std::sync::Arc<mqtt_tests::Broker>, maximum: u16, filter: &str) -> Client {
    let connect = Connect::new(fresh("c")).with(property::topic_alias_maximum(maximum));
    let mut client = Client::connect(broker, &connect);
    client.subscribe(filter, 1);
    client
}

/// Publishes twice to each of so many topics; demands that each delivery tells its topic with
/// aliases up to this one.
fn assert_aliases_up_to(maximum: u16, topics: usize) {
    let broker = broker();
    let base = fresh("t");
    let mut subscriber = taking(&broker, maximum, &format!("{base}/+"));
    let mut publisher = Client::new(&broker);
    let mut known = std::collections::HashMap::new();
    let mut used = 0;
    for number in (0..topics).chain(0..topics) {
        let topic = format!("{base}/{number}");
        publisher.publish(&Publish::new(&topic, &topic).qos(1, 1));
        let message = subscriber.take();
        assert_eq!(message.text(), topic);
        if let Some(value) = message.property(0x23) {
            let alias = u16::from_be_bytes(value.try_into().expect("two bytes"));
            assert!((1..=maximum).contains(&alias), "alias {alias}");
            used += 1;
            if !message.topic.is_empty() {
                known.insert(alias, message.topic.clone());
            }
            assert_eq!(known.get(&alias), Some(&topic));
        } else {
            assert_eq!(message.topic, topic);
        }
    }
    assert!(used > 0, "no alias was used");
}

/// [MQTT-3.1.2-26] The broker's aliases are not above the client's Topic Alias Maximum.
#[test]
fn v5_3_1_2_26() {
    assert_aliases_up_to(2, 5);
}

/// [MQTT-3.3.2-11] A maximum of one is enough for one alias, and no more.
#[test]
fn v5_3_3_2_11() {
    assert_aliases_up_to(1, 2);
}

/// [MQTT-3.1.2-27] A client that takes none gets none.
#[test]
fn v5_3_1_2_27() {
    let broker = broker();
    let topic = fresh("t");
    let mut absent = Client::subscribed(&broker, &topic, 0);
    let mut zero = taking(&broker, 0, &topic);
    let mut publisher = Client::new(&broker);
    for _ in 0..3 {
        publisher.publish(&aliased(&topic, 1, "x"));
        for subscriber in [&mut absent, &mut zero] {
            let message = subscriber.message();
            assert_eq!(
                (message.topic.as_str(), message.properties),
                (topic.as_str(), vec![])
            );
        }
    }
}

/// [MQTT-3.3.2-7] Aliases end with their connection.
#[test]
fn v5_3_3_2_7() {
    let broker = broker();
    let topic = fresh("t");
    let connect = Connect::new(fresh("alias")).expiry(60);
    let mut client = Client::connect(&broker, &connect);
    client.publish(&aliased(&topic, 1, "x"));
    client.publish(&aliased("", 1, "x"));
    client.cut();
    let mut client = Client::connect(&broker, &connect.resume());
    assert!(client.session_present());
    client.send(&aliased("", 1, "x").bytes());
    client.expect_disconnect(0x82);
}

/// [MQTT-3.3.2-8] There is no alias 0.
#[test]
fn v5_3_3_2_8() {
    assert_closed_for(&broker(), &aliased("a", 0, "x").bytes(), 0x94);
}

/// The broker's own maximum, as its CONNACK tells.
const BROKER_MAXIMUM: u16 = 7;

/// [MQTT-3.3.2-9] A client's alias is not above the broker's maximum.
#[test]
fn v5_3_3_2_9() {
    let broker = broker_with("max_topic_alias 7");
    let client = Client::new(&broker);
    assert_eq!(
        client.connack_property(0x22),
        Some(BROKER_MAXIMUM.to_be_bytes().to_vec())
    );
    assert_closed_for(
        &broker,
        &aliased("a", BROKER_MAXIMUM + 1, "x").bytes(),
        0x94,
    );
}

/// [MQTT-3.3.2-12] The broker takes each alias up to its maximum.
#[test]
fn v5_3_3_2_12() {
    let broker = broker_with("max_topic_alias 7");
    let mut subscriber = Client::subscribed(&broker, "+", 0);
    let mut client = Client::new(&broker);
    for alias in 1..=BROKER_MAXIMUM {
        client.publish(&aliased(&format!("t{alias}"), alias, "set"));
        client.publish(&aliased("", alias, "used"));
        for _ in 0..2 {
            assert_eq!(subscriber.message().topic, format!("t{alias}"));
        }
    }
    client.publish(&aliased("other", BROKER_MAXIMUM, "set"));
    client.publish(&aliased("", BROKER_MAXIMUM, "used"));
    for _ in 0..2 {
        assert_eq!(subscriber.message().topic, "other");
    }
}

/// [U-3.3.2.3.4-b] The two directions have aliases of their own.
#[test]
fn v5_u_3_3_2_3_4_b() {
    let broker = broker();
    let (sent, received) = (fresh("t"), fresh("t"));
    let mut both = taking(&broker, 1, &received);
    let mut other = taking(&broker, 1, &sent);
    let mut publisher = Client::new(&broker);
    both.publish(&aliased(&sent, 1, "x"));
    publisher.publish(&Publish::new(&received, "y"));
    assert_eq!(
        (both.message().topic, other.message().topic),
        (received.clone(), sent.clone())
    );
    both.publish(&aliased("", 1, "z"));
    let message = other.message();
    assert_eq!(message.text(), "z");
    publisher.publish(&Publish::new(&received, "y"));
    let message = both.message();
    assert!(
        message.topic.is_empty() || message.topic == received,
        "{message:?}"
    );
}

/// [U-3.3.4-a] Alias 0 and those above the maximum.
#[test]
fn v5_u_3_3_4_a() {
    let broker = broker_with("max_topic_alias 7");
    for alias in [0, 8, 65_535] {
        assert_closed_for(&broker, &aliased("a", alias, "x").bytes(), 0x94);
        assert_closed_for(&broker, &aliased("", alias, "x").bytes(), 0x94);
    }
}

/// [U-3.3.4-b] An alias that was never set.
#[test]
fn v5_u_3_3_4_b() {
    assert_closed_for(&broker(), &aliased("", 1, "x").bytes(), 0x82);
}

/// [U-3.3.4-c] A known alias with another topic means that one from then on.
#[test]
fn v5_u_3_3_4_c() {
    let broker = broker();
    let (first, second) = (fresh("t"), fresh("t"));
    let mut at_first = Client::subscribed(&broker, &first, 0);
    let mut at_second = Client::subscribed(&broker, &second, 0);
    let mut client = Client::new(&broker);
    client.publish(&aliased(&first, 1, "1"));
    client.publish(&aliased(&second, 1, "2"));
    client.publish(&aliased("", 1, "3"));
    assert_eq!(at_first.message().text(), "1");
    at_first.nothing_more();
    assert_eq!(at_second.message().text(), "2");
    assert_eq!(at_second.message().text(), "3");
}

/// (trap 25) A publication that is refused still sets its alias.
#[test]
fn trap_25_a_refused_publication_sets_its_alias() {
    let broker = broker();
    let mut client = Client::new(&broker);
    client.send(&aliased(DENIED, 1, "x").qos(1, 1).bytes());
    client.expect_answer(4, 1, &[0x87]);
    client.send(&aliased("", 1, "x").qos(1, 2).bytes());
    client.expect_answer(4, 2, &[0x87]);
    client.nothing_more();
}

/// (trap 25) What is sent again on a new connection tells its whole topic.
#[test]
fn trap_25_a_repetition_has_its_whole_topic() {
    let broker = broker();
    let topic = fresh("t");
    let connect = Connect::new(fresh("c"))
        .expiry(60)
        .with(property::topic_alias_maximum(5));
    let mut client = Client::connect(&broker, &connect);
    client.subscribe(&topic, 1);
    let mut publisher = Client::new(&broker);
    for _ in 0..2 {
        publisher.publish(&Publish::new(&topic, "x").qos(1, 1));
        client.message();
    }
    client.cut();
    let mut client = Client::connect(&broker, &connect.resume());
    assert_eq!(client.take().topic, topic);
    let second = client.take();
    assert!(
        second.topic == topic || second.property(0x23).is_some(),
        "{second:?}"
    );
}
