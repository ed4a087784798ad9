//! Sections 3.1.2.5 and 3.1.3.2: when a will is published, and how.

use mqtt_tests::Deadline;

use super::client::{Client, assert_refused, broker, fresh, let_pass};
use super::packets::{Connect, Will, connect_raw, property, text};

/// A watcher of a fresh will topic, and the topic.
fn watcher() -> (Client, String) {
    let topic = fresh("will");
    let watcher = Client::subscribed(&broker(), &topic, 2);
    (watcher, topic)
}

/// A client with this will and this Session Expiry Interval.
fn mourned(will: Will, expiry: u32) -> Client {
    let connect = Connect::new(fresh("mourned")).expiry(expiry).will(will);
    Client::connect(&broker(), &connect)
}

/// The next message of the watcher, which has to come after so many milliseconds.
fn arrives_after(watcher: &mut Client, milliseconds: std::ops::Range<u128>) {
    let waited = Deadline::start();
    watcher.take();
    let elapsed = waited.elapsed().as_millis();
    assert!(
        milliseconds.contains(&elapsed),
        "the will came after {elapsed} ms"
    );
}

/// [MQTT-3.1.2-7] An accepted will is kept with the session, which may outlive its connection.
#[test]
fn v5_3_1_2_7() {
    let (mut watcher, topic) = watcher();
    mourned(Will::new(&topic, "gone"), 0).cut();
    assert_eq!(watcher.take().text(), "gone");
    mourned(Will::new(&topic, "later").delay(3), 60).cut();
    watcher.nothing_more();
    arrives_after(&mut watcher, 2000..6000);
}

/// [MQTT-3.1.2-8] It is published when the connection was lost and its delay or its session ends.
#[test]
fn v5_3_1_2_8() {
    let (mut watcher, topic) = watcher();
    mourned(Will::new(&topic, "cut"), 0).cut();
    assert_eq!(watcher.take().text(), "cut");
    let mut wrong = mourned(Will::new(&topic, "error"), 0);
    wrong.send(&[0x36, 0x00]);
    assert_eq!(watcher.take().text(), "error");
    wrong.expect_disconnect(0x81);
    let idle = Connect::new(fresh("idle"))
        .keep_alive(1)
        .will(Will::new(&topic, "silence"));
    Client::connect(&broker(), &idle).expect_disconnect(0x8d);
    assert_eq!(watcher.take().text(), "silence");
    mourned(Will::new(&topic, "delay").delay(2), 60).cut();
    arrives_after(&mut watcher, 1000..5000);
    mourned(Will::new(&topic, "session").delay(60), 2).cut();
    arrives_after(&mut watcher, 1000..5000);
    watcher.nothing_more();
}

/// [MQTT-3.1.2-9] With Will Flag there are will properties, topic and payload.
#[test]
fn v5_3_1_2_9() {
    let id = text(fresh("c"));
    for rest in [
        vec![],
        vec![0],
        [vec![0], text("w")].concat(),
        [vec![5], text("w"), text("gone")].concat(),
    ] {
        let rest = [vec![0], id.clone(), rest].concat();
        assert_refused(&broker(), &connect_raw(0x06, 60, &rest), 0x81);
    }
}

/// [MQTT-3.1.2-10] A will is gone once it was published, or with DISCONNECT 0x00.
#[test]
fn v5_3_1_2_10() {
    let (mut watcher, topic) = watcher();
    mourned(Will::new(&topic, "no"), 0).leave();
    watcher.nothing_more();
    let connect = Connect::new(fresh("again")).expiry(60);
    Client::connect(&broker(), &connect.clone().will(Will::new(&topic, "once"))).cut();
    assert_eq!(watcher.take().text(), "once");
    Client::connect(&broker(), &connect.clone().resume()).cut();
    Client::connect(&broker(), &connect.resume()).leave();
    watcher.nothing_more();
}

/// A CONNECT with these flags and neither will nor login.
fn assert_flags_refused(flags: u8) {
    let rest = [vec![0], text(fresh("c"))].concat();
    assert_refused(&broker(), &connect_raw(flags, 60, &rest), 0x81);
}

/// [MQTT-3.1.2-11] Without Will Flag the Will QoS is 0.
#[test]
fn v5_3_1_2_11() {
    for flags in [0x0a, 0x12, 0x1a] {
        assert_flags_refused(flags);
    }
}

/// [MQTT-3.1.2-12] Will QoS is 0, 1 or 2.
#[test]
fn v5_3_1_2_12() {
    let (mut watcher, topic) = watcher();
    for qos in 0..3 {
        mourned(Will::new(&topic, "gone").qos(qos), 0).cut();
        assert_eq!(watcher.take().qos, qos);
    }
    let rest = [
        vec![0],
        text(fresh("c")),
        vec![0],
        text(&topic),
        text("gone"),
    ]
    .concat();
    assert_refused(&broker(), &connect_raw(0x1e, 60, &rest), 0x81);
}

/// [MQTT-3.1.2-13] Without Will Flag, Will Retain is 0.
#[test]
fn v5_3_1_2_13() {
    assert_flags_refused(0x22);
}

/// [MQTT-3.1.2-14] With Will Retain 0 the will is not retained.
#[test]
fn v5_3_1_2_14() {
    let (mut watcher, topic) = watcher();
    mourned(Will::new(&topic, "gone"), 0).cut();
    watcher.take();
    Client::subscribed(&broker(), &topic, 0).nothing_more();
}

/// [MQTT-3.1.2-15] With Will Retain 1 it is.
#[test]
fn v5_3_1_2_15() {
    let (mut watcher, topic) = watcher();
    mourned(Will::new(&topic, "gone").retained(), 0).cut();
    watcher.take();
    let message = Client::subscribed(&broker(), &topic, 0).message();
    assert!(message.retain && message.text() == "gone", "{message:?}");
}

/// [MQTT-3.1.3-9] A client that resumes its session before the delay is over has no will
/// published; one that starts anew has it published at once.
#[test]
fn v5_3_1_3_9() {
    let (mut watcher, topic) = watcher();
    let connect = Connect::new(fresh("back")).expiry(60);
    let with_will = connect.clone().will(Will::new(&topic, "gone").delay(2));
    Client::connect(&broker(), &with_will).cut();
    let_pass(500);
    let back = Client::connect(&broker(), &connect.clone().resume());
    assert!(back.session_present());
    let_pass(3500);
    watcher.nothing_more();
    drop(back);
    Client::connect(&broker(), &with_will).cut();
    watcher.nothing_more();
    let _anew = Client::connect(&broker(), &connect);
    arrives_after(&mut watcher, 0..1500);
    let_pass(3000);
    watcher.nothing_more();
}

/// [MQTT-3.1.3-10] User Properties of the will keep their order.
#[test]
fn v5_3_1_3_10() {
    let (mut watcher, topic) = watcher();
    let pairs = [("b", "1"), ("a", "2"), ("b", "0")];
    let will = pairs
        .iter()
        .fold(Will::new(&topic, "gone"), |will, (name, value)| {
            will.with(property::user_property(name, value))
        });
    mourned(will, 0).cut();
    let expected: Vec<Vec<u8>> = pairs
        .iter()
        .map(|(name, value)| [text(name), text(value)].concat())
        .collect();
    assert_eq!(watcher.take().values(0x26), expected);
}

/// A will with these properties makes the CONNECT a Protocol Error.
fn assert_will_refused(properties: &[Vec<u8>]) {
    let will = Will::new("w", "gone").with(properties.concat());
    assert_refused(
        &broker(),
        &Connect::new(fresh("c")).will(will).bytes(),
        0x82,
    );
}

/// [U-3.1.3.2.2-a] Will Delay Interval twice.
#[test]
fn v5_u_3_1_3_2_2_a() {
    assert_will_refused(&[property::will_delay(1), property::will_delay(1)]);
}

/// [U-3.1.3.2.3-a] Payload Format Indicator twice, or above 1.
#[test]
fn v5_u_3_1_3_2_3_a() {
    assert_will_refused(&[property::payload_format(1), property::payload_format(1)]);
    assert_will_refused(&[property::payload_format(2)]);
}

/// [U-3.1.3.2.4-a] Message Expiry Interval twice.
#[test]
fn v5_u_3_1_3_2_4_a() {
    assert_will_refused(&[property::message_expiry(1), property::message_expiry(2)]);
}

/// [U-3.1.3.2.5-a] Content Type twice.
#[test]
fn v5_u_3_1_3_2_5_a() {
    assert_will_refused(&[property::content_type("a"), property::content_type("a")]);
}

/// [U-3.1.3.2.6-a] Response Topic twice.
#[test]
fn v5_u_3_1_3_2_6_a() {
    assert_will_refused(&[property::response_topic("a"), property::response_topic("b")]);
}

/// [U-3.1.3.2.7-a] Correlation Data twice.
#[test]
fn v5_u_3_1_3_2_7_a() {
    assert_will_refused(&[
        property::correlation_data(b"a"),
        property::correlation_data(b"b"),
    ]);
}

/// [U-3.1.3.2.2-b] The end of the session cuts the will delay short.
#[test]
fn v5_u_3_1_3_2_2_b() {
    let (mut watcher, topic) = watcher();
    mourned(Will::new(&topic, "at once").delay(60), 0).cut();
    arrives_after(&mut watcher, 0..1500);
    mourned(Will::new(&topic, "soon").delay(60), 2).cut();
    arrives_after(&mut watcher, 1000..5000);
}

/// [U-3.1.3.2.4-b] The expiry of a will starts when it is published.
#[test]
fn v5_u_3_1_3_2_4_b() {
    let (mut watcher, topic) = watcher();
    let will = Will::new(&topic, "gone")
        .delay(2)
        .with(property::message_expiry(10));
    mourned(will, 60).cut();
    assert_eq!(watcher.take().expiry(), Some(10));
}

/// [U-3.1.4-b] A takeover publishes the older connection's will, unless the session goes on and
/// the will has a delay.
#[test]
fn v5_u_3_1_4_b() {
    for delay in [0, 2] {
        for expiry in [0, 60] {
            for clean_start in [false, true] {
                let (mut watcher, topic) = watcher();
                let connect = Connect::new(fresh("taken")).expiry(expiry);
                let will = Will::new(&topic, "gone").delay(delay);
                let old = Client::connect(&broker(), &connect.clone().will(will));
                let connect = if clean_start {
                    connect
                } else {
                    connect.resume()
                };
                let new = Client::connect(&broker(), &connect);
                old.expect_disconnect(0x8e);
                let dropped = delay > 0 && expiry > 0 && !clean_start;
                if dropped {
                    let_pass(3500);
                } else {
                    arrives_after(&mut watcher, 0..1500);
                }
                watcher.nothing_more();
                new.leave();
            }
        }
    }
}

/// [MQTT-3.14.4-3] DISCONNECT 0x00 takes the will back; 0x04 and all codes of failure do not.
#[test]
fn v5_3_14_4_3() {
    let (mut watcher, topic) = watcher();
    mourned(Will::new(&topic, "no"), 0).leave();
    watcher.nothing_more();
    for code in [
        0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
    ] {
        mourned(Will::new(&topic, &format!("{code:02x}")), 0).leave_with(code, &[]);
        assert_eq!(watcher.take().text(), format!("{code:02x}"));
    }
}

/// (trap 19) A will goes the way of any message, so its QoS, RETAIN and properties are
/// those of a PUBLISH.
#[test]
fn trap_19_a_retained_will_is_stored_with_all_it_has() {
    let (mut watcher, topic) = watcher();
    let will = Will::new(&topic, "gone")
        .qos(1)
        .retained()
        .with(property::payload_format(1))
        .with(property::content_type("text"))
        .with(property::response_topic("answer"))
        .with(property::correlation_data(&[0, 255]));
    mourned(will, 0).cut();
    let live = watcher.take();
    let mut later = Client::subscribed(&broker(), &topic, 2);
    let stored = later.take();
    assert_eq!((live.retain, stored.retain), (false, true));
    for message in [live, stored] {
        assert_eq!(message.qos, 1);
        assert_eq!(message.property(0x01), Some(&[1][..]));
        assert_eq!(message.property(0x03), Some(&text("text")[..]));
        assert_eq!(message.property(0x08), Some(&text("answer")[..]));
        assert_eq!(message.property(0x09), Some(&text([0, 255])[..]));
    }
}
