//! 3.1.2.5 to 3.1.2.7, 3.14: what a will needs, when it is published, and when it is not.

use super::brokers::{shared, with};
use super::hand_client::Client;
use super::packet_bytes::{
    CLEAN_SESSION, WILL, WILL_QOS_1, WILL_QOS_2, WILL_RETAIN, connect, publish0, publish1,
};

/// CONNECT flags that speak of a will which is not there.
fn is_refused_without_will(client_id: &str, bits: u8) {
    let hello = connect(client_id).flags(CLEAN_SESSION | bits);
    Client::silent(&shared()).closed_by(hello.bytes());
}

/// [MQTT-3.1.2-8] A will is published when the connection ends other than by DISCONNECT: lost,
/// silent beyond the keep alive, or closed for an error.
#[test]
fn v311_3_1_2_8() {
    let broker = shared();
    let mut watcher = Client::subscribed(&broker, "3128-watcher", "3128", 1);
    let hello = |how| connect("3128").will("3128", how, WILL_QOS_1);
    Client::fresh(&broker, &hello("lost")).drop_connection();
    assert_eq!(watcher.take().text(), "lost");
    Client::fresh(&broker, &hello("silent").keep_alive(1)).expect_closed();
    assert_eq!(watcher.take().text(), "silent");
    Client::fresh(&broker, &hello("error")).closed_by([0xf0, 0]);
    assert_eq!(watcher.take().text(), "error");
}

/// [MQTT-3.1.2-10] A will is gone once it was published, and after DISCONNECT.
#[test]
fn v311_3_1_2_10() {
    let broker = shared();
    let mut watcher = Client::subscribed(&broker, "31210-watcher", "31210", 0);
    let hello = connect("31210").will("31210", "gone", 0);
    Client::fresh(&broker, &hello).disconnect();
    watcher.gets_nothing_more(&mut Client::clean(&broker, "31210"), "31210");
    Client::fresh(&broker, &hello).drop_connection();
    watcher.expect(publish0("31210", "gone"));
    Client::clean(&broker, "31210").drop_connection();
    watcher.gets_nothing_more(&mut Client::clean(&broker, "31210"), "31210");
}

/// [MQTT-3.1.2-11] Without the will flag the other bits of a will are zero, and its fields absent.
#[test]
fn v311_3_1_2_11() {
    for bits in [WILL_QOS_1, WILL_QOS_2, WILL_RETAIN] {
        is_refused_without_will("31211", bits);
    }
    let fields = connect("31211").will("t", "m", 0).flags(CLEAN_SESSION);
    Client::silent(&shared()).closed_by(fields.bytes());
}

/// [MQTT-3.1.2-12] Without the will flag nothing is published.
#[test]
fn v311_3_1_2_12() {
    let broker = with("");
    let mut watcher = Client::subscribed(&broker, "watcher", "#", 0);
    Client::clean(&broker, "31212").drop_connection();
    watcher.gets_nothing_more(&mut Client::clean(&broker, "31212"), "end");
}

/// [MQTT-3.1.2-13] Without the will flag the will's QoS is 0.
#[test]
fn v311_3_1_2_13() {
    is_refused_without_will("31213", WILL_QOS_1);
    is_refused_without_will("31213", WILL_QOS_2);
    is_refused_without_will("31213", WILL_QOS_1 | WILL_QOS_2);
}

/// [MQTT-3.1.2-14] A will has no QoS 3.
#[test]
fn v311_3_1_2_14() {
    let hello = connect("31214").will("31214", "gone", WILL_QOS_1 | WILL_QOS_2);
    Client::silent(&shared()).closed_by(hello.bytes());
}

/// [MQTT-3.1.2-15] Without the will flag the will is not to be retained.
#[test]
fn v311_3_1_2_15() {
    is_refused_without_will("31215", WILL_RETAIN);
}

/// [MQTT-3.1.2-16] A will without the retain flag is not kept for who comes later.
#[test]
fn v311_3_1_2_16() {
    let broker = shared();
    let mut watcher = Client::subscribed(&broker, "31216-watcher", "31216", 0);
    let hello = connect("31216").will("31216", "gone", 0);
    Client::fresh(&broker, &hello).drop_connection();
    watcher.expect(publish0("31216", "gone"));
    let mut later = Client::subscribed(&broker, "31216-later", "31216", 0);
    later.ping();
    later.gets_nothing_more(&mut Client::clean(&broker, "31216"), "31216");
}

/// [MQTT-3.1.2-17] A will with the retain flag is kept for who comes later.
#[test]
fn v311_3_1_2_17() {
    let broker = shared();
    let mut watcher = Client::subscribed(&broker, "31217-watcher", "31217", 0);
    let hello = connect("31217").will("31217", "gone", WILL_RETAIN | WILL_QOS_1);
    Client::fresh(&broker, &hello).drop_connection();
    watcher.expect(publish0("31217", "gone"));
    let mut later = Client::subscribed(&broker, "31217-later", "31217", 1);
    let kept = later.message();
    assert!(kept.retain && kept.qos == 1, "{kept:?}");
    assert_eq!(kept.text(), "gone");
}

/// [MQTT-3.1.3-10] The will topic is UTF-8.
#[test]
fn v311_3_1_3_10() {
    let hello = connect("31310").flags(CLEAN_SESSION | WILL);
    for topic in [b"\x00\x02\xc3\x28".as_slice(), b"\x00\x03\xed\xa0\x80"] {
        let hello = hello.clone().and(topic).and(b"\x00\x01m");
        Client::silent(&shared()).closed_by(hello.bytes());
    }
}

/// [MQTT-3.14.4-3] DISCONNECT takes the will back.
#[test]
fn v311_3_14_4_3() {
    let broker = shared();
    let mut watcher = Client::subscribed(&broker, "31443-watcher", "31443", 1);
    let hello = connect("31443").will("31443", "gone", WILL_QOS_1);
    Client::fresh(&broker, &hello).closed_by([0xe0, 0]);
    let mut again = Client::clean(&broker, "31443");
    again.publish(1, "31443", "end");
    watcher.expect(publish1(1, "31443", "end"));
}
