//! Sections 3.10 and 3.11: UNSUBSCRIBE and UNSUBACK.

use super::client::{Client, assert_closed_for, broker, fresh};
use super::packets::{Connect, PUBCOMP, PUBREC, Publish, ack, packet, property, text, unsubscribe};

/// [MQTT-3.10.1-1] The flags of UNSUBSCRIBE are 0010.
#[test]
fn v5_3_10_1_1() {
    let mut bytes = unsubscribe(1, &["a"]);
    bytes[0] = 0xa0;
    assert_closed_for(&broker(), &bytes, 0x81);
}

/// [MQTT-3.10.3-1] Filters are UTF-8 strings.
#[test]
fn v5_3_10_3_1() {
    let bytes = packet(0xa2, &[&[0, 1, 0], &text([b'a', 0xc3, 0x28])]);
    assert_closed_for(&broker(), &bytes, 0x81);
}

/// [MQTT-3.10.3-2] There is at least one filter.
#[test]
fn v5_3_10_3_2() {
    assert_closed_for(&broker(), &unsubscribe(1, &[]), 0x82);
}

/// [MQTT-3.10.4-1] Only the filter that is the same letter by letter is removed.
#[test]
fn v5_3_10_4_1() {
    let broker = broker();
    let base = fresh("t");
    let topic = format!("{base}/b");
    let (wild, shared) = (format!("{base}/+"), format!("$share/g/{base}/b"));
    let mut client = Client::new(&broker);
    let mut publisher = Client::new(&broker);
    let mut copies = |client: &mut Client| {
        publisher.publish(&Publish::new(&topic, "x"));
        client.send(&super::packets::PINGREQ);
        let mut count = 0;
        while client.packet().is_type(3) {
            count += 1;
        }
        count
    };
    client.subscribe(&wild, 0);
    client.subscribe(&shared, 0);
    assert_eq!(copies(&mut client), 2);
    for other in [
        &topic,
        &format!("{base}/#"),
        &wild.to_uppercase(),
        &format!("$share/h/{topic}"),
    ] {
        client.send(&unsubscribe(9, &[other]));
        client.expect_hex("b0 04 00 09 00 11");
    }
    assert_eq!(copies(&mut client), 2);
    client.unsubscribe(&shared);
    assert_eq!(copies(&mut client), 1);
    client.unsubscribe(&wild);
    assert_eq!(copies(&mut client), 0);
}

/// [MQTT-3.10.4-2] After it nothing new comes for the filter.
#[test]
fn v5_3_10_4_2() {
    let broker = broker();
    let topic = fresh("t");
    let mut client = Client::subscribed(&broker, &topic, 2);
    client.unsubscribe(&topic);
    let mut publisher = Client::new(&broker);
    for qos in 0..3 {
        publisher.publish(&Publish::new(&topic, "x").qos(qos, 1));
    }
    client.nothing_more();
}

/// [MQTT-3.10.4-3] Deliveries that have begun are finished.
#[test]
fn v5_3_10_4_3() {
    let broker = broker();
    let topic = fresh("t");
    let connect = Connect::new(fresh("open")).expiry(60);
    let mut client = Client::connect(&broker, &connect);
    client.subscribe(&topic, 2);
    let mut publisher = Client::new(&broker);
    publisher.publish(&Publish::new(&topic, "1").qos(1, 1));
    publisher.publish(&Publish::new(&topic, "2").qos(2, 2));
    let (first, second) = (client.message().id(), client.message().id());
    client.unsubscribe(&topic);
    client.send(&ack(PUBREC, second));
    client.expect_answer(6, second, &[0]);
    client.cut();
    let mut client = Client::connect(&broker, &connect.resume());
    let again = client.take();
    assert_eq!((again.id(), again.dup), (first, true));
    client.expect_answer(6, second, &[0]);
    client.send(&ack(PUBCOMP, second));
    client.nothing_more();
}

/// [MQTT-3.10.4-4] Each UNSUBSCRIBE gets an UNSUBACK.
#[test]
fn v5_3_10_4_4() {
    let mut client = Client::new(&broker());
    for id in 1..=3 {
        client.send(&unsubscribe(id, &["never"]));
    }
    for id in 1..=3 {
        client.expect(&[0xb0, 4, 0, id, 0, 0x11]);
    }
    client.nothing_more();
}

/// [MQTT-3.10.4-5] UNSUBACK has the identifier of its UNSUBSCRIBE, also where nothing was removed.
#[test]
fn v5_3_10_4_5() {
    let mut client = Client::new(&broker());
    client.send(&unsubscribe(0xfedc, &["never"]));
    client.expect_hex("b0 04 fe dc 00 11");
}

/// [MQTT-3.10.4-6] Several filters do what as many UNSUBSCRIBEs do, with one UNSUBACK.
#[test]
fn v5_3_10_4_6() {
    let broker = broker();
    let topics = [fresh("t"), fresh("t"), fresh("t")];
    let mut client = Client::new(&broker);
    for topic in &topics {
        client.subscribe(topic, 0);
    }
    client.send(&unsubscribe(5, &topics.each_ref().map(String::as_str)));
    client.expect_hex("b0 06 00 05 00 00 00 00");
    let mut publisher = Client::new(&broker);
    for topic in &topics {
        publisher.publish(&Publish::new(topic, "x"));
    }
    client.nothing_more();
}

/// [MQTT-3.11.3-1] The codes are in the order of the filters.
#[test]
fn v5_3_11_3_1() {
    let broker = broker();
    let (first, last) = (fresh("t"), fresh("t"));
    let mut client = Client::new(&broker);
    client.subscribe(&first, 0);
    client.subscribe(&last, 0);
    client.send(&unsubscribe(5, &[&first, "never", &last]));
    client.expect_hex("b0 06 00 05 00 00 11 00");
}

/// [MQTT-3.11.3-2] UNSUBACK has only its own reason codes.
#[test]
fn v5_3_11_3_2() {
    let mut client = Client::new(&broker());
    for filter in ["a", "#", "$share/g/a", "$share/g", "a/#/b", "a+", "$SYS/#"] {
        client.send(&unsubscribe(5, &[filter]));
        let unsuback = client.packet();
        let code = unsuback.body.last().copied().expect("a code");
        let known = [0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91].contains(&code);
        assert!(unsuback.is_type(11) && known, "{filter}: {unsuback:02x?}");
    }
}

/// A User Property is welcome in UNSUBSCRIBE.
#[test]
fn a_user_property_in_unsubscribe_is_welcome() {
    let mut client = Client::new(&broker());
    let properties = super::packets::block(&property::user_property("k", "v"));
    client.send(&packet(0xa2, &[&[0, 5], &properties, &text("never")]));
    client.expect_hex("b0 04 00 05 00 11");
}
