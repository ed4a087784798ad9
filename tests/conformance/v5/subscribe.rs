//! Sections 3.8 and 3.9: SUBSCRIBE, its options, and SUBACK.

use super::client::{Client, assert_closed_for, broker, fresh};
use super::packets::{Connect, Publish, Will, packet, property, subscribe, text};

/// No Local, in the options of a subscription.
const NO_LOCAL: u8 = 0x04;

/// [MQTT-3.8.1-1] The flags of SUBSCRIBE are 0010.
#[test]
fn v5_3_8_1_1() {
    let mut bytes = subscribe(1, &[], &[("a", 0)]);
    bytes[0] = 0x80;
    assert_closed_for(&broker(), &bytes, 0x81);
}

/// [MQTT-3.8.3-1] Filters are UTF-8 strings.
#[test]
fn v5_3_8_3_1() {
    let bytes = packet(0x82, &[&[0, 1, 0], &text([b'a', 0xc3, 0x28]), &[0]]);
    assert_closed_for(&broker(), &bytes, 0x81);
}

/// [MQTT-3.8.3-2] There is at least one filter.
#[test]
fn v5_3_8_3_2() {
    assert_closed_for(&broker(), &subscribe(1, &[], &[]), 0x82);
}

/// [MQTT-3.8.3-3] With No Local a client does not get its own messages; others' it does.
#[test]
fn v5_3_8_3_3() {
    let broker = broker();
    let topic = fresh("t");
    let mut client = Client::subscribed(&broker, &topic, NO_LOCAL | 1);
    for qos in 0..3 {
        client.publish(&Publish::new(&topic, "own").qos(qos, 1));
    }
    client.nothing_more();
    Client::new(&broker).publish(&Publish::new(&topic, "other's"));
    assert_eq!(client.message().text(), "other's");
    // The client identifier decides, not the connection: an own will is an own message.
    let connect = Connect::new(fresh("own")).expiry(60);
    let will = Will::new(&topic, "will").qos(1);
    let mut mourned = Client::connect(&broker, &connect.clone().will(will));
    mourned.subscribe(&topic, NO_LOCAL | 1);
    mourned.cut();
    assert_eq!(client.take().text(), "will");
    Client::connect(&broker, &connect.resume()).nothing_more();
}

/// [MQTT-3.8.3-4] No Local on a shared subscription is a Protocol Error.
#[test]
fn v5_3_8_3_4() {
    let bytes = subscribe(1, &[], &[("$share/g/t", NO_LOCAL)]);
    assert_closed_for(&broker(), &bytes, 0x82);
}

/// [MQTT-3.8.3-5] The reserved option bits are 0.
#[test]
fn v5_3_8_3_5() {
    for options in [0x40, 0x80, 0xc0, 0x41] {
        assert_closed_for(&broker(), &subscribe(1, &[], &[("a", options)]), 0x81);
    }
}

/// [MQTT-3.8.4-1] Each SUBSCRIBE gets a SUBACK.
#[test]
fn v5_3_8_4_1() {
    let mut client = Client::new(&broker());
    for id in 1..=3 {
        client.send(&subscribe(id, &[], &[(&fresh("t"), 0)]));
    }
    for id in 1..=3 {
        client.expect(&[0x90, 4, 0, id, 0, 0]);
    }
    client.nothing_more();
}

/// [MQTT-3.8.4-2] SUBACK has the identifier of its SUBSCRIBE.
#[test]
fn v5_3_8_4_2() {
    let mut client = Client::new(&broker());
    client.send(&subscribe(0xfedc, &[], &[("a/#/b", 0)]));
    client.expect_hex("90 04 fe dc 00 8f");
}

/// [MQTT-3.8.4-3] A SUBSCRIBE with the same filter takes the place of the older subscription.
#[test]
fn v5_3_8_4_3() {
    let broker = broker();
    let topic = fresh("t");
    let mut client = Client::new(&broker);
    let mut publisher = Client::new(&broker);
    let mut deliver = |client: &mut Client| {
        publisher.publish(&Publish::new(&topic, "x").qos(2, 1).retained());
        let message = client.take();
        client.nothing_more();
        (message.qos, message.retain, message.values(0x0b).concat())
    };
    let with = |id| property::subscription_identifier(id);
    // Retain Handling 2 keeps the stored message out of this.
    client.subscribe_with(&with(1), &topic, 0x20);
    assert_eq!(deliver(&mut client), (0, false, vec![1]));
    client.subscribe_with(&with(2), &topic, 0x28 | 2);
    assert_eq!(deliver(&mut client), (2, true, vec![2]));
    client.subscribe(&topic, 0x20 | 1);
    assert_eq!(deliver(&mut client), (1, false, vec![]));
}

/// [MQTT-3.8.4-4] The change sends retained messages again, and loses and doubles none.
#[test]
fn v5_3_8_4_4() {
    let broker = broker();
    let topic = fresh("t");
    let mut publisher = Client::new(&broker);
    publisher.publish(&Publish::new(&topic, "retained").qos(1, 1).retained());
    let mut client = Client::new(&broker);
    let mut live = Vec::new();
    let mut retained = 0;
    for round in 0..20_u16 {
        client.send(&subscribe(1, &[], &[(&topic, 1)]));
        for number in 0..10 {
            let publish = Publish::new(&topic, (round * 10 + number).to_string());
            publisher.publish(&publish.qos(1, number + 1));
        }
        client.send(&super::packets::PINGREQ);
        loop {
            let packet = client.packet();
            if packet.is_type(13) {
                break;
            }
            if packet.is_type(3) {
                let message = super::message::Message::of(&packet);
                client.send(&super::packets::ack(0x40, message.id()));
                if message.retain {
                    retained += 1;
                } else {
                    live.push(message.text().parse::<u16>().expect("a number"));
                }
            }
        }
    }
    assert_eq!(retained, 20);
    // What was published before the first SUBSCRIBE was read is not for this client.
    let first = live.first().copied().expect("messages");
    assert!(first < 10, "the first round is heard");
    assert_eq!(live, (first..200).collect::<Vec<_>>());
}

/// [MQTT-3.8.4-5] Several filters in a SUBSCRIBE do what as many SUBSCRIBEs do, with one SUBACK.
#[test]
fn v5_3_8_4_5() {
    let broker = broker();
    let base = fresh("t");
    let topics: Vec<String> = (0..8).map(|number| format!("{base}/{number}")).collect();
    let filters: Vec<(&str, u8)> = topics.iter().map(|topic| (topic.as_str(), 1)).collect();
    let mut client = Client::new(&broker);
    client.send(&subscribe(7, &[], &filters));
    client.expect(&[0x90, 11, 0, 7, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
    let mut publisher = Client::new(&broker);
    for topic in &topics {
        publisher.publish(&Publish::new(topic, "x").qos(1, 1));
        assert_eq!(&client.take().topic, topic);
    }
}

/// [MQTT-3.8.4-6] SUBACK has a reason code for each filter.
#[test]
fn v5_3_8_4_6() {
    let mut client = Client::new(&broker());
    for count in [1, 2, 50, 200_usize] {
        let name = fresh("t");
        let topics: Vec<String> = (0..count)
            .map(|number| format!("{name}/{number}"))
            .collect();
        let filters: Vec<(&str, u8)> = topics.iter().map(|topic| (topic.as_str(), 0)).collect();
        client.send(&subscribe(7, &[], &filters));
        assert_eq!(
            client.packet().body,
            [&[0, 7, 0][..], &vec![0; count]].concat()
        );
    }
}

/// [MQTT-3.8.4-7] Each code is the granted QoS or tells of a failure.
#[test]
fn v5_3_8_4_7() {
    let mut client = Client::new(&broker());
    client.send(&subscribe(
        1,
        &[],
        &[("c/0", 0), ("c/1", 1), ("c/2", 2), ("c/#/x", 1)],
    ));
    client.expect_hex("90 07 00 01 00 00 01 02 8f");
}

/// [MQTT-3.8.4-8] A message is delivered at the lower of its QoS and the granted one.
#[test]
fn v5_3_8_4_8() {
    let broker = broker();
    let mut publisher = Client::new(&broker);
    for granted in 0..3 {
        let topic = fresh("t");
        let mut client = Client::subscribed(&broker, &topic, granted);
        for published in 0..3 {
            publisher.publish(&Publish::new(&topic, "x").qos(published, 1));
            assert_eq!(client.take().qos, published.min(granted));
        }
    }
}

/// [MQTT-3.9.3-1] The codes are in the order of the filters.
#[test]
fn v5_3_9_3_1() {
    let mut client = Client::new(&broker());
    let filters = [
        ("o/#/x", 2),
        ("o/2", 2),
        ("o/0", 0),
        ("o/x+", 0),
        ("o/1", 1),
        ("$share", 1),
    ];
    client.send(&subscribe(1, &[], &filters));
    client.expect_hex("90 09 00 01 00 8f 02 00 8f 01 8f");
}

/// [MQTT-3.9.3-2] SUBACK has only its own reason codes.
#[test]
fn v5_3_9_3_2() {
    let codes = [
        0, 1, 2, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2,
    ];
    let mut client = Client::new(&broker());
    let filters = [
        "a",
        "#",
        "+/x",
        "$SYS/#",
        "$share/g/a",
        "$share/g",
        "#/a",
        "a+",
        "$CONTROL/x",
    ];
    for filter in filters {
        for qos in 0..3 {
            client.send(&subscribe(1, &[], &[(filter, qos)]));
            let mut suback = client.packet();
            while suback.is_type(3) {
                suback = client.packet();
            }
            let code = suback.body.last().copied().expect("a code");
            assert!(
                suback.is_type(9) && codes.contains(&code),
                "{filter}: {suback:02x?}"
            );
        }
    }
}

/// [U-3.8.2.1.2-a] Subscription Identifier 0, or twice.
#[test]
fn v5_u_3_8_2_1_2_a() {
    let with = |id| property::subscription_identifier(id);
    assert_closed_for(&broker(), &subscribe(1, &with(0), &[("a", 0)]), 0x82);
    let twice = [with(1), with(2)].concat();
    assert_closed_for(&broker(), &subscribe(1, &twice, &[("a", 0)]), 0x82);
}

/// [U-3.8.3.1-a] A maximum QoS of 3.
#[test]
fn v5_u_3_8_3_1_a() {
    assert_closed_for(&broker(), &subscribe(1, &[], &[("a", 0x03)]), 0x82);
}

/// [U-3.8.3.1-b] Retain Handling 3.
#[test]
fn v5_u_3_8_3_1_b() {
    assert_closed_for(&broker(), &subscribe(1, &[], &[("a", 0x30)]), 0x82);
}

/// [U-3.8.4-a] The identifier belongs to the subscription: it comes, changes and goes with it.
#[test]
fn v5_u_3_8_4_a() {
    let broker = broker();
    let topic = fresh("t");
    let connect = Connect::new(fresh("id")).expiry(60);
    let mut client = Client::connect(&broker, &connect);
    let publish = || Client::new(&broker).publish(&Publish::new(&topic, "x").qos(1, 1));
    client.subscribe_with(&property::subscription_identifier(7), &topic, 1);
    publish();
    assert_eq!(client.take().property(0x0b), Some(&[7][..]));
    client.leave();
    publish();
    let mut client = Client::connect(&broker, &connect.resume());
    assert_eq!(client.take().property(0x0b), Some(&[7][..]));
    publish();
    assert_eq!(client.take().property(0x0b), Some(&[7][..]));
    client.subscribe(&topic, 1);
    publish();
    assert_eq!(client.take().property(0x0b), None);
    client.subscribe_with(&property::subscription_identifier(268_435_455), &topic, 1);
    publish();
    assert_eq!(
        client.take().property(0x0b),
        Some(&[0xff, 0xff, 0xff, 0x7f][..])
    );
    client.unsubscribe(&topic);
    client.subscribe(&topic, 1);
    publish();
    assert_eq!(client.take().property(0x0b), None);
}
