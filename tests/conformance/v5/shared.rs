//! Section 4.8.2: shared subscriptions.

use std::sync::Arc;

use mqtt_tests::Broker;

use super::client::{Client, broker, fresh, let_pass};
use super::message::Message;
use super::packets::{
    Connect, PINGREQ, PUBACK, PUBREC, Publish, ack, ack_with, subscribe, unsubscribe,
};

/// A broker, a fresh topic, and the filter that shares it in the group `g`.
fn group() -> (Arc<Broker>, String, String) {
    let topic = fresh("t");
    let filter = format!("$share/g/{topic}");
    (broker(), topic, filter)
}

/// A member with a session of this expiry.
fn member(broker: &Arc<Broker>, filter: &str, qos: u8, expiry: u32) -> (Connect, Client) {
    let connect = Connect::new(fresh("member")).expiry(expiry);
    let mut client = Client::connect(broker, &connect);
    client.subscribe(filter, qos);
    (connect.resume(), client)
}

/// What has come until the answer to a PINGREQ, without acknowledging it.
fn waiting(client: &mut Client) -> Vec<Message> {
    client.send(&PINGREQ);
    std::iter::from_fn(|| {
        let packet = client.packet();
        (!packet.is_type(13)).then(|| Message::of(&packet))
    })
    .collect()
}

fn publish(broker: &Arc<Broker>, topic: &str, qos: u8, count: u16) {
    let mut publisher = Client::new(broker);
    for id in 1..=count {
        publisher.publish(&Publish::new(topic, id.to_string()).qos(qos, id));
    }
}

/// A filter that SUBSCRIBE refuses with 0x8F.
fn assert_filter_refused(filter: &str) {
    let mut client = Client::new(&broker());
    client.send(&subscribe(1, &[], &[(filter, 0)]));
    let packet = client.packet();
    assert!(
        packet.is_type(9) && packet.body == [0, 1, 0, 0x8f],
        "{filter}: {packet:02x?}"
    );
}

/// [MQTT-4.8.2-1] A shared filter begins with `$share/` and a name of at least a character.
#[test]
fn v5_4_8_2_1() {
    assert_filter_refused("$share//t");
    assert_filter_refused("$share");
    assert_filter_refused("$share/");
}

/// [MQTT-4.8.2-2] The name has no wildcard, and a filter follows it.
#[test]
fn v5_4_8_2_2() {
    for filter in [
        "$share/g",
        "$share/g/",
        "$share/g+/t",
        "$share/#/t",
        "$share/+/t",
    ] {
        assert_filter_refused(filter);
    }
    // The filter `/NAME`, after the name and its slash.
    let (broker, topic, _) = group();
    let mut client = Client::subscribed(&broker, &format!("$share/g//{topic}"), 0);
    publish(&broker, &topic, 0, 1);
    client.nothing_more();
    publish(&broker, &format!("/{topic}"), 0, 1);
    assert_eq!(client.message().topic, format!("/{topic}"));
}

/// [MQTT-4.8.2-3] Each delivery keeps to the QoS granted to its member.
#[test]
fn v5_4_8_2_3() {
    let (broker, topic, filter) = group();
    let mut members = [0, 1, 2].map(|qos| (qos, Client::subscribed(&broker, &filter, qos)));
    publish(&broker, &topic, 2, 12);
    let mut count = 0;
    for (qos, client) in &mut members {
        for message in waiting(client) {
            assert_eq!(message.qos, *qos);
            count += 1;
        }
    }
    assert_eq!(count, 12);
}

/// [MQTT-4.8.2-4] A delivery of QoS 2 that was cut is completed to the same member.
#[test]
fn v5_4_8_2_4() {
    let (broker, topic, filter) = group();
    let (connect, mut first) = member(&broker, &filter, 2, 60);
    publish(&broker, &topic, 2, 1);
    let open = first.message();
    first.cut();
    let (_, mut second) = member(&broker, &filter, 2, 0);
    publish(&broker, &topic, 2, 5);
    let mut first = Client::connect(&broker, &connect);
    let again = first.message();
    assert_eq!(
        (again.id(), again.dup, again.text()),
        (open.id(), true, open.text())
    );
    let others = waiting(&mut second).len() + waiting(&mut first).len();
    assert_eq!(others, 5, "the cut one went to nobody else");
}

/// [MQTT-4.8.2-5] If its session ends first, it goes to nobody else.
#[test]
fn v5_4_8_2_5() {
    let (broker, topic, filter) = group();
    let (connect, mut first) = member(&broker, &filter, 2, 1);
    publish(&broker, &topic, 2, 1);
    first.message();
    let (_, mut second) = member(&broker, &filter, 2, 0);
    first.cut();
    let_pass(2500);
    second.nothing_more();
    assert!(!Client::connect(&broker, &connect).session_present());
    second.nothing_more();
}

/// [MQTT-4.8.2-6] What a member refuses with 0x80 or above goes to nobody else.
#[test]
fn v5_4_8_2_6() {
    for qos in [1, 2] {
        let (broker, topic, filter) = group();
        let (_, mut first) = member(&broker, &filter, qos, 0);
        publish(&broker, &topic, qos, 1);
        let id = first.message().id();
        let (_, mut second) = member(&broker, &filter, qos, 0);
        let refusal = if qos == 1 { PUBACK } else { PUBREC };
        first.send(&ack_with(refusal, id, 0x97));
        first.nothing_more();
        second.nothing_more();
        first.cut();
        second.nothing_more();
    }
}

/// [U-4.8.2-a] A shared subscription gets no retained messages.
#[test]
fn v5_u_4_8_2_a() {
    let (broker, topic, filter) = group();
    Client::new(&broker).publish(&Publish::new(&topic, "x").retained());
    let mut client = Client::subscribed(&broker, &filter, 0);
    client.nothing_more();
    client.subscribe(&filter, 0);
    client.nothing_more();
}

/// [U-4.8.2-b] Each message goes to one member of the group, and each member gets its share.
#[test]
fn v5_u_4_8_2_b() {
    let (broker, topic, filter) = group();
    let mut members = [0; 3].map(|_| Client::subscribed(&broker, &filter, 0));
    let mut publisher = Client::new(&broker);
    for number in 0..300 {
        publisher.publish(&Publish::new(&topic, number.to_string()));
    }
    let mut all: Vec<u16> = Vec::new();
    for client in &mut members {
        let share = waiting(client);
        assert!(share.len() >= 30, "a member got {} of 300", share.len());
        all.extend(
            share
                .iter()
                .map(|message| message.text().parse::<u16>().expect("a number")),
        );
    }
    all.sort_unstable();
    assert_eq!(all, (0..300).collect::<Vec<_>>());
}

/// [U-4.8.2-c] Two groups, and a plain subscription, are served each for itself.
#[test]
fn v5_u_4_8_2_c() {
    let (broker, topic, filter) = group();
    let mut both = Client::subscribed(&broker, &filter, 0);
    both.subscribe(&format!("$share/other/{topic}"), 0);
    both.subscribe(&topic, 0);
    let mut plain = Client::subscribed(&broker, &topic, 0);
    publish(&broker, &topic, 0, 1);
    assert_eq!(waiting(&mut both).len(), 3);
    assert_eq!(waiting(&mut plain).len(), 1);
}

/// [U-4.8.2-d] Subscribing twice counts once, and one UNSUBSCRIBE ends it.
#[test]
fn v5_u_4_8_2_d() {
    let (broker, topic, filter) = group();
    let mut twice = Client::subscribed(&broker, &filter, 0);
    twice.subscribe(&filter, 1);
    publish(&broker, &topic, 1, 1);
    assert_eq!(twice.take().qos, 1);
    twice.nothing_more();
    twice.send(&unsubscribe(1, &[&topic]));
    twice.expect_hex("b0 04 00 01 00 11");
    twice.unsubscribe(&filter);
    publish(&broker, &topic, 1, 1);
    twice.nothing_more();
}

/// [U-4.8.2-e] QoS 1 that was open or queued for a member whose session ends goes to another one.
#[test]
fn v5_u_4_8_2_e() {
    let (broker, topic, filter) = group();
    let connect = Connect::new(fresh("member")).expiry(1);
    let connect = connect.with(super::packets::property::receive_maximum(1));
    let mut first = Client::connect(&broker, &connect);
    first.subscribe(&filter, 1);
    publish(&broker, &topic, 1, 3);
    first.message();
    let (_, mut second) = member(&broker, &filter, 1, 0);
    first.cut();
    let_pass(2500);
    let mut texts: Vec<String> = (0..3).map(|_| second.take().text().to_owned()).collect();
    texts.sort_unstable();
    assert_eq!(texts, ["1", "2", "3"]);
}

/// [U-4.8.2-f] A group ends with its last session, and its messages with it.
#[test]
fn v5_u_4_8_2_f() {
    let (broker, topic, filter) = group();
    let (connect, client) = member(&broker, &filter, 1, 1);
    client.cut();
    publish(&broker, &topic, 1, 3);
    let_pass(2500);
    let (_, mut again) = member(&broker, &filter, 1, 0);
    again.nothing_more();
    assert!(!Client::connect(&broker, &connect).session_present());
    publish(&broker, &topic, 1, 1);
    assert_eq!(waiting(&mut again).len(), 1);
}

/// (trap 37) An offline member keeps its turn from nobody who is connected,
/// and gets what comes while all are away.
#[test]
fn trap_37_members_that_are_away_get_messages_only_when_all_are() {
    let (broker, topic, filter) = group();
    let (connect, away) = member(&broker, &filter, 1, 60);
    away.leave();
    let mut here = Client::subscribed(&broker, &filter, 1);
    let mut publisher = Client::new(&broker);
    for number in 1..=6 {
        publisher.publish(&Publish::new(&topic, "here").qos(1, number));
        let message = here.message();
        here.send(&ack(PUBACK, message.id()));
    }
    here.leave();
    publisher.publish(&Publish::new(&topic, "away").qos(1, 1));
    let mut back = Client::connect(&broker, &connect);
    let texts: Vec<String> = waiting(&mut back)
        .iter()
        .map(|m| m.text().to_owned())
        .collect();
    assert_eq!(texts, ["away"]);
}
