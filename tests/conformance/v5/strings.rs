//! Sections 1.5 and 4.7.3: strings, variable byte integers and string pairs.

use super::client::{Client, assert_closed_for, assert_refused, broker, fresh};
use super::packets::{
    Connect, Publish, Will, connect_raw, packet, property, subscribe, text, unsubscribe,
};

/// Ill-formed UTF-8: a cut sequence, a surrogate, an over-long form, beyond U+10FFFF.
const ILL_FORMED: [&[u8]; 4] = [
    b"a\xc3\x28",
    b"a\xed\xa0\x80",
    b"a\xc0\xaf",
    b"a\xf4\x90\x80\x80",
];

/// Puts a bad string into each string field of each packet in turn.
fn assert_malformed_everywhere(bad: &[u8]) {
    let broker = broker();
    for connect in [
        Connect::new(bad),
        Connect::new(fresh("c")).login(bad, b"secret"),
        Connect::new(fresh("c")).with(property::user_property(bad, "v")),
        Connect::new(fresh("c")).with(property::user_property("k", bad)),
        Connect::new(fresh("c")).will(Will::new(bad, "gone")),
        Connect::new(fresh("c")).will(Will::new("w", "").with(property::content_type(bad))),
        Connect::new(fresh("c")).will(Will::new("w", "").with(property::response_topic(bad))),
    ] {
        assert_refused(&broker, &connect.bytes(), 0x81);
    }
    let filter = [&[0, 1, 0][..], &text(bad)].concat();
    for bytes in [
        Publish::new(bad, "x").bytes(),
        Publish::new("a", "x")
            .with(property::content_type(bad))
            .bytes(),
        Publish::new("a", "x")
            .with(property::response_topic(bad))
            .bytes(),
        Publish::new("a", "x")
            .with(property::user_property(bad, "v"))
            .bytes(),
        Publish::new("a", "x")
            .with(property::user_property("k", bad))
            .bytes(),
        packet(0x82, &[&filter, &[0]]),
        packet(0xa2, &[&filter]),
    ] {
        assert_closed_for(&broker, &bytes, 0x81);
    }
}

/// [MQTT-1.5.4-1] Strings are well-formed UTF-8, and encoded surrogates are not.
#[test]
fn v5_1_5_4_1() {
    for bad in ILL_FORMED {
        assert_malformed_everywhere(bad);
    }
}

/// [MQTT-1.5.4-2] No string holds U+0000.
#[test]
fn v5_1_5_4_2() {
    assert_malformed_everywhere(b"a\0b");
}

/// [MQTT-1.5.4-3] A U+FEFF at the front is a character like any other: it is never taken off.
#[test]
fn v5_1_5_4_3() {
    let broker = broker();
    let plain = fresh("mark");
    let topic = format!("\u{feff}{plain}");
    let mut marked = Client::subscribed(&broker, &topic, 0);
    let mut unmarked = Client::subscribed(&broker, &plain, 0);
    let mut publisher = Client::new(&broker);
    publisher.publish(
        &Publish::new(&topic, "x")
            .with(property::content_type("\u{feff}text"))
            .with(property::user_property("\u{feff}k", "\u{feff}v")),
    );
    let message = marked.message();
    assert_eq!(message.topic, topic);
    assert_eq!(message.property(0x03), Some(&text("\u{feff}text")[..]));
    let pair = [text("\u{feff}k"), text("\u{feff}v")].concat();
    assert_eq!(message.property(0x26), Some(&pair[..]));
    unmarked.nothing_more();
}

/// [MQTT-1.5.7-1] Both halves of a string pair obey the rules of strings.
#[test]
fn v5_1_5_7_1() {
    let broker = broker();
    for bad in [b"n\0".as_slice(), b"n\xff"] {
        for pair in [
            property::user_property(bad, "v"),
            property::user_property("k", bad),
        ] {
            let connect = Connect::new(fresh("pair")).with(&pair);
            assert_refused(&broker, &connect.bytes(), 0x81);
            let publish = Publish::new("pair", "x").with(&pair).bytes();
            assert_closed_for(&broker, &publish, 0x81);
            assert_closed_for(&broker, &subscribe(1, &pair, &[("pair", 0)]), 0x81);
        }
    }
}

/// [U-1.5.4-a] Control characters and non-characters may be refused; here they are forwarded
/// unchanged.
#[test]
fn v5_u_1_5_4_a() {
    let broker = broker();
    let topic = format!("{}\u{1}\u{7f}\u{85}\u{fffe}", fresh("control"));
    let mut subscriber = Client::subscribed(&broker, &topic, 0);
    let mut publisher = Client::new(&broker);
    publisher.publish(&Publish::new(&topic, "x"));
    assert_eq!(subscriber.message().topic, topic);
}

/// [MQTT-1.5.5-1] A property length or remaining length in more bytes than needed is malformed.
#[test]
fn v5_1_5_5_1() {
    let broker = broker();
    let over_long = [&[0x80, 0x00][..], &text(fresh("long"))].concat();
    assert_refused(&broker, &connect_raw(0x02, 60, &over_long), 0x81);
    assert_closed_for(&broker, &[0xc0, 0x80, 0x00], 0x81);
    assert_closed_for(&broker, &[0x30, 0x84, 0x00, 0, 1, b'a', 0], 0x81);
    assert_closed_for(
        &broker,
        &packet(0x30, &[&text("a"), &[0x80, 0x80, 0x00]]),
        0x81,
    );
}

/// [U-1.5.5-a] A length whose fourth byte promises a fifth is malformed before that one comes.
#[test]
fn v5_u_1_5_5_a() {
    assert_closed_for(&broker(), &[0x30, 0x80, 0x80, 0x80, 0x80], 0x81);
}

/// [MQTT-4.7.3-1] Topic names and filters have at least one character.
#[test]
fn v5_4_7_3_1() {
    let broker = broker();
    assert_closed_for(&broker, &Publish::new("", "x").bytes(), 0x82);
    let mut client = Client::new(&broker);
    client.send(&subscribe(9, &[], &[("", 0)]));
    let packet = client.packet();
    let refused = packet.is_type(9) && packet.body == [0, 9, 0, 0x8f]
        || packet.is_type(14) && matches!(packet.byte(0), Some(0x81 | 0x82 | 0x8f));
    assert!(refused, "{packet:02x?}");
    let mut client = Client::new(&broker);
    client.send(&unsubscribe(9, &[""]));
    let packet = client.packet();
    let refused = packet.is_type(11) && matches!(packet.byte(3), Some(0x11 | 0x8f))
        || packet.is_type(14) && matches!(packet.byte(0), Some(0x81 | 0x82 | 0x8f));
    assert!(refused, "{packet:02x?}");
}

/// [MQTT-4.7.3-2] Topic names and filters hold no U+0000.
#[test]
fn v5_4_7_3_2() {
    let broker = broker();
    assert_closed_for(&broker, &Publish::new("a\0", "x").bytes(), 0x81);
    assert_closed_for(&broker, &subscribe(1, &[], &[("a\0", 0)]), 0x81);
    assert_closed_for(&broker, &unsubscribe(1, &["a\0"]), 0x81);
    let connect = Connect::new(fresh("c")).will(Will::new("a\0", ""));
    assert_refused(&broker, &connect.bytes(), 0x81);
}

/// [MQTT-4.7.3-3] A topic of 65,535 bytes is as good as any.
#[test]
fn v5_4_7_3_3() {
    let broker = broker();
    let mut topic = fresh("long");
    topic.push_str(&"x".repeat(65_535 - topic.len()));
    let mut subscriber = Client::subscribed(&broker, &topic, 1);
    let mut publisher = Client::new(&broker);
    publisher.publish(&Publish::new(&topic, "end").qos(1, 1));
    let message = subscriber.take();
    assert_eq!(message.topic, topic);
    assert_eq!(message.text(), "end");
}

/// [MQTT-4.7.3-4] Nothing is normalised: composed and decomposed letters, case, doubled and
/// trailing slashes make distinct topics.
#[test]
fn v5_4_7_3_4() {
    let broker = broker();
    let base = fresh("form");
    let topics = [
        "\u{e9}", "e\u{301}", "E\u{301}", "e//x", "e/x", "e/x/", "/e/x",
    ]
    .map(|form| format!("{base}{form}"));
    let mut subscribers: Vec<Client> = topics
        .iter()
        .map(|topic| Client::subscribed(&broker, topic, 0))
        .collect();
    let mut publisher = Client::new(&broker);
    for topic in &topics {
        publisher.publish(&Publish::new(topic, topic));
    }
    for (subscriber, topic) in subscribers.iter_mut().zip(&topics) {
        let message = subscriber.message();
        assert_eq!((&message.topic, message.text()), (topic, topic.as_str()));
        subscriber.nothing_more();
    }
}
