//! Section 3.3.2.3: properties of a message reach its readers as they were sent.

use super::client::{Client, broker, fresh};
use super::message::Message;
use super::packets::{Connect, Publish, Will, property, text};

/// Sends a message with these properties on all four ways, live, from a queue, retained and as a
/// will, and gives each delivery to `check`.
fn on_all_ways(properties: &[u8], check: impl Fn(&Message)) {
    let broker = broker();
    let topic = fresh("t");
    let connect = Connect::new(fresh("queue")).expiry(60);
    let mut offline = Client::connect(&broker, &connect);
    offline.subscribe(&topic, 1);
    offline.leave();
    let mut live = Client::subscribed(&broker, &topic, 1);
    let publish = Publish::new(&topic, "x")
        .qos(1, 1)
        .retained()
        .with(properties);
    Client::new(&broker).publish(&publish);
    check(&live.take());
    let mut queued = Client::connect(&broker, &connect.resume());
    check(&queued.take());
    let mut later = Client::subscribed(&broker, &topic, 1);
    let retained = later.take();
    assert!(retained.retain);
    check(&retained);
    let will = Will::new(&topic, "gone").qos(1).with(properties);
    Client::connect(&broker, &Connect::new(fresh("mourned")).will(will)).cut();
    check(&live.take());
}

/// [MQTT-3.3.2-4] Payload Format Indicator is forwarded as it is, and not made up.
#[test]
fn v5_3_3_2_4() {
    for value in [0, 1] {
        on_all_ways(&property::payload_format(value), |message| {
            assert_eq!(message.properties, [(0x01, vec![value])]);
        });
    }
    on_all_ways(&[], |message| assert_eq!(message.properties, []));
}

/// [MQTT-3.3.2-15] Response Topic is forwarded as it is.
#[test]
fn v5_3_3_2_15() {
    on_all_ways(&property::response_topic("answers//here"), |message| {
        assert_eq!(message.properties, [(0x08, text("answers//here"))]);
    });
}

/// [MQTT-3.3.2-16] Correlation Data is forwarded as it is.
#[test]
fn v5_3_3_2_16() {
    let long: Vec<u8> = (0..65_535)
        .map(|number: u32| number.to_le_bytes()[0])
        .collect();
    for data in [&[0x00, 0xff, 0x00], &[][..], &long] {
        on_all_ways(&property::correlation_data(data), |message| {
            assert!(
                message.properties == [(0x09, text(data))],
                "{} bytes",
                data.len()
            );
        });
    }
}

/// Twenty pairs, among them empty names, empty values and repetitions, in no order.
fn pairs() -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = (0..16)
        .map(|number| (format!("n{}", number * 7 % 16), format!("v{number}")))
        .collect();
    for (name, value) in [("", "x"), ("", ""), ("n1", "v1"), ("n1", "")] {
        pairs.insert(3, (name.to_owned(), value.to_owned()));
    }
    pairs
}

fn user_properties(pairs: &[(String, String)]) -> Vec<u8> {
    pairs
        .iter()
        .flat_map(|(name, value)| property::user_property(name, value))
        .collect()
}

/// [MQTT-3.3.2-17] All User Properties are forwarded as they are.
#[test]
fn v5_3_3_2_17() {
    let pairs = pairs();
    assert_eq!(pairs.len(), 20);
    let mut expected: Vec<Vec<u8>> = pairs
        .iter()
        .map(|(name, value)| [text(name), text(value)].concat())
        .collect();
    expected.sort_unstable();
    on_all_ways(&user_properties(&pairs), |message| {
        let mut values = message.values(0x26);
        values.sort_unstable();
        assert_eq!(values, expected);
    });
}

/// [MQTT-3.3.2-18] They keep their order.
#[test]
fn v5_3_3_2_18() {
    let pairs = pairs();
    let expected: Vec<Vec<u8>> = pairs
        .iter()
        .map(|(name, value)| [text(name), text(value)].concat())
        .collect();
    // Other properties between them change nothing.
    let (front, back) = pairs.split_at(10);
    let properties = [
        user_properties(front),
        property::content_type("x"),
        user_properties(back),
    ]
    .concat();
    on_all_ways(&properties, |message| {
        assert_eq!(message.values(0x26), expected)
    });
}

/// [MQTT-3.3.2-20] Content Type is forwarded as it is.
#[test]
fn v5_3_3_2_20() {
    for value in ["text/plain; charset=\"utf-8\"", ""] {
        on_all_ways(&property::content_type(value), |message| {
            assert_eq!(message.properties, [(0x03, text(value))]);
        });
    }
}
