//! Sections 3.4 to 3.7: PUBACK, PUBREC, PUBREL and PUBCOMP.

use super::client::{Client, assert_closed_for, broker, fresh};
use super::packets::{
    Connect, PUBACK, PUBCOMP, PUBREC, PUBREL, Publish, ack, ack_with, block, packet, property,
    subscribe, unsubscribe,
};

/// A topic that clients may not publish to.
pub(crate) const DENIED: &str = "$SYS/denied";

/// Publishes at this QoS to all kinds of topics and collects the reason codes.
fn publish_codes(qos: u8) -> Vec<u8> {
    let broker = broker();
    let (wanted, unwanted) = (fresh("t"), fresh("t"));
    let mut subscriber = Client::subscribed(&broker, &wanted, qos);
    let mut client = Client::new(&broker);
    let mut codes = Vec::new();
    for (id, topic) in (1..).zip([wanted.as_str(), &unwanted, DENIED, "$share/x"]) {
        client.send(&Publish::new(topic, "x").qos(qos, id).bytes());
        let answer = client.packet();
        assert_eq!(
            answer.first,
            if qos == 1 { PUBACK } else { PUBREC },
            "{topic}"
        );
        assert!(
            answer.body.starts_with(&u16::to_be_bytes(id)),
            "{topic}: {answer:02x?}"
        );
        let code = answer.byte(2).unwrap_or(0);
        if qos == 2 && code < 0x80 {
            client.send(&ack(PUBREL, id));
            client.expect_answer(7, id, &[0x00]);
        }
        codes.push(code);
    }
    assert_eq!(subscriber.message().topic, wanted);
    codes
}

/// Reason codes of PUBACK and PUBREC.
const PUBLISH_CODES: [u8; 9] = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];

/// [MQTT-3.4.2-1] PUBACK has one of its own reason codes.
#[test]
fn v5_3_4_2_1() {
    let codes = publish_codes(1);
    assert!(
        codes.iter().all(|code| PUBLISH_CODES.contains(code)),
        "{codes:02x?}"
    );
    assert_eq!((codes[0], codes[2]), (0x00, 0x87));
    assert_closed_for(&broker(), &ack_with(PUBACK, 1, 0x92), 0x82);
}

/// [MQTT-3.5.2-1] PUBREC has one of its own reason codes.
#[test]
fn v5_3_5_2_1() {
    let codes = publish_codes(2);
    assert!(
        codes.iter().all(|code| PUBLISH_CODES.contains(code)),
        "{codes:02x?}"
    );
    assert_eq!((codes[0], codes[2]), (0x00, 0x87));
    assert_closed_for(&broker(), &ack_with(PUBREC, 1, 0x92), 0x82);
}

/// [MQTT-3.6.1-1] The flags of PUBREL are 0010.
#[test]
fn v5_3_6_1_1() {
    assert_closed_for(&broker(), &[0x60, 0x02, 0x00, 0x01], 0x81);
}

/// [MQTT-3.6.2-1] PUBREL has 0x00 or 0x92.
#[test]
fn v5_3_6_2_1() {
    let broker = broker();
    let topic = fresh("t");
    let mut subscriber = Client::subscribed(&broker, &topic, 2);
    Client::new(&broker).publish(&Publish::new(&topic, "x").qos(2, 1));
    let id = subscriber.message().id();
    subscriber.send(&ack(PUBREC, id));
    subscriber.expect_answer(6, id, &[0x00]);
    subscriber.send(&ack(PUBREC, id + 1));
    subscriber.expect_answer(6, id + 1, &[0x92]);
    assert_closed_for(&broker, &ack_with(PUBREL, 1, 0x87), 0x82);
}

/// [MQTT-3.7.2-1] PUBCOMP has 0x00 or 0x92.
#[test]
fn v5_3_7_2_1() {
    let broker = broker();
    let mut client = Client::new(&broker);
    client.publish(&Publish::new(fresh("t"), "x").qos(2, 7));
    client.send(&ack(PUBREL, 9));
    client.expect_hex("70 03 00 09 92");
    assert_closed_for(&broker, &ack_with(PUBCOMP, 1, 0x10), 0x82);
}

/// [U-3.4.2.1-a] A remaining length of 2 means 0x00, and one of 3 no properties.
#[test]
fn v5_u_3_4_2_1_a() {
    let broker = broker();
    let topic = fresh("t");
    let mut subscriber = Client::subscribed(&broker, &topic, 2);
    let mut publisher = Client::new(&broker);
    let forms = |first, id| {
        let long = packet(first, &[&u16::to_be_bytes(id), &[0, 0]]);
        [ack(first, id), ack_with(first, id, 0), long]
    };
    for form in 0..3 {
        publisher.publish(&Publish::new(&topic, "1").qos(1, 1));
        let id = subscriber.message().id();
        subscriber.send(&forms(PUBACK, id)[form]);
        publisher.send(&Publish::new(&topic, "2").qos(2, 2).bytes());
        publisher.expect_answer(5, 2, &[0]);
        publisher.send(&forms(PUBREL, 2)[form]);
        publisher.expect_answer(7, 2, &[0]);
        let id = subscriber.message().id();
        subscriber.send(&forms(PUBREC, id)[form]);
        subscriber.expect_answer(6, id, &[0]);
        subscriber.send(&forms(PUBCOMP, id)[form]);
        subscriber.nothing_more();
    }
}

/// [U-3.4.2.2.2-a] Reason String twice in any of the four is a Protocol Error.
#[test]
fn v5_u_3_4_2_2_2_a() {
    let twice = property::reason_string("why").repeat(2);
    for first in [PUBACK, PUBREC, PUBREL, PUBCOMP] {
        let bytes = packet(first, &[&[0, 1, 0], &block(&twice)]);
        assert_closed_for(&broker(), &bytes, 0x82);
    }
}

/// [U-3.6.2.1-a] PUBREL for an unknown identifier gets PUBCOMP 0x92, and the connection goes on.
#[test]
fn v5_u_3_6_2_1_a() {
    let mut client = Client::new(&broker());
    client.send(&ack(PUBREL, 9));
    client.expect_hex("70 03 00 09 92");
    client.nothing_more();
}

/// [U-3.5.2.1-a] PUBREC for an unknown identifier gets PUBREL 0x92.
#[test]
fn v5_u_3_5_2_1_a() {
    let mut client = Client::new(&broker());
    client.send(&ack(PUBREC, 9));
    client.expect_hex("62 03 00 09 92");
    client.nothing_more();
}

/// [MQTT-3.1.2-29] With Request Problem Information 0, Reason String and User Property stand in no
/// acknowledgement.
#[test]
fn v5_3_1_2_29() {
    let broker = broker();
    let connect = Connect::new(fresh("quiet")).with(property::request_problem_information(0));
    let mut client = Client::connect(&broker, &connect);
    client.send(&Publish::new(DENIED, "x").qos(1, 1).bytes());
    client.send(&Publish::new(DENIED, "x").qos(2, 2).bytes());
    client.send(&ack(PUBREL, 3));
    client.send(&ack(PUBREC, 4));
    client.send(&subscribe(5, &[], &[("a/#/b", 0)]));
    client.send(&unsubscribe(6, &["never"]));
    for (kind, code) in [(4, 0x87), (5, 0x87), (7, 0x92), (6, 0x92)] {
        let answer = client.packet();
        assert!(
            answer.is_type(kind) && answer.byte(2) == Some(code),
            "{answer:02x?}"
        );
        let properties = answer.body.get(3..).unwrap_or_default();
        assert!(
            [&[][..], &[0]].contains(&properties),
            "no properties: {answer:02x?}"
        );
    }
    client.expect_hex("90 04 00 05 00 8f");
    client.expect_hex("b0 04 00 06 00 11");
}

/// [U-3.3.4-f] A publisher may be told that nobody is listening, and only then.
#[test]
fn v5_u_3_3_4_f() {
    let broker = broker();
    let (heard, unheard) = (fresh("t"), fresh("t"));
    let _subscriber = Client::subscribed(&broker, &heard, 0);
    let mut client = Client::new(&broker);
    client.send(&Publish::new(&unheard, "x").qos(1, 1).bytes());
    client.expect_answer(4, 1, &[0x00, 0x10]);
    client.send(&Publish::new(&heard, "x").qos(1, 2).bytes());
    client.expect_answer(4, 2, &[0x00]);
    client.send(&Publish::new(&unheard, "x").qos(2, 3).bytes());
    client.expect_answer(5, 3, &[0x00, 0x10]);
    client.send(&Publish::new(&heard, "x").qos(2, 4).bytes());
    client.expect_answer(5, 4, &[0x00]);
}
