//! 3.3.1.3: messages that are kept for who comes later.

use super::brokers::shared;
use super::hand_client::{Client, Message};
use super::packet_bytes::{puback, publish_as, publish0, retain0};

/// What is retained under `topic`, asked for by a newcomer.
fn kept(id: &str, topic: &str, qos: u8) -> Option<Message> {
    let broker = shared();
    let mut newcomer = Client::subscribed(&broker, id, topic, qos);
    let mut publisher = Client::clean(&broker, &format!("{id}-end"));
    newcomer.ping_past_retained(&mut publisher, topic)
}

impl Client {
    /// The message that comes before one that is published now, if there is one.
    fn ping_past_retained(&mut self, publisher: &mut Self, topic: &str) -> Option<Message> {
        publisher.send(publish0(topic, "the end"));
        let first = self.message();
        if first.text() == "the end" {
            self.ping();
            return None;
        }
        let last = self.message();
        assert_eq!(last.text(), "the end", "one message at most: {last:?}");
        Some(first)
    }
}

/// [MQTT-3.3.1-5] RETAIN keeps message and QoS for who subscribes later.
#[test]
fn v311_3_3_1_5() {
    let broker = shared();
    let mut publisher = Client::clean(&broker, "3315");
    for (first, qos) in [(0x33, 1), (0x35, 2)] {
        let topic = format!("3315/{qos}");
        publisher.send(publish_as(first, 1, &topic, "kept"));
        if qos == 1 {
            publisher.expect(puback(1));
        } else {
            publisher.finish_qos2(1);
        }
        for asked in [0, 1, 2] {
            let message = kept(&format!("3315-{asked}"), &topic, asked).expect("one is kept");
            assert_eq!(
                (message.qos, message.text()),
                (qos.min(asked), "kept".into())
            );
        }
    }
}

/// [MQTT-3.3.1-6] A new subscription gets the last message kept under each topic it matches.
#[test]
fn v311_3_3_1_6() {
    let broker = shared();
    let mut publisher = Client::clean(&broker, "3316");
    for (topic, payload) in [
        ("3316/a/x", "old"),
        ("3316/a/x", "A"),
        ("3316/b/x", "B"),
        ("3316/c/x", "C"),
        ("3316/c/y", "other"),
    ] {
        publisher.send(retain0(topic, payload));
    }
    publisher.ping();
    let mut newcomer = Client::subscribed(&broker, "3316-new", "3316/+/x", 0);
    let mut got: Vec<_> = (0..3).map(|_| newcomer.message()).collect();
    got.sort_by_key(Message::topic_text);
    let texts: Vec<_> = got.iter().map(Message::text).collect();
    assert_eq!(texts, ["A", "B", "C"]);
    newcomer.gets_nothing_more(&mut publisher, "3316/z/x");
}

/// [MQTT-3.3.1-7] A message of QoS 0 takes the place of what was kept. (Our choice: it is kept.)
#[test]
fn v311_3_3_1_7() {
    let broker = shared();
    let mut publisher = Client::clean(&broker, "3317");
    publisher.send(publish_as(0x33, 1, "3317", "a"));
    publisher.expect(puback(1));
    publisher.send(retain0("3317", "b"));
    publisher.ping();
    let message = kept("3317-new", "3317", 1).expect("the later one is kept");
    assert_eq!((message.qos, message.text()), (0, "b".into()));
}

/// [MQTT-3.3.1-8] What comes because of a new subscription bears RETAIN.
#[test]
fn v311_3_3_1_8() {
    let broker = shared();
    let mut publisher = Client::clean(&broker, "3318");
    publisher.send(retain0("3318", "x"));
    publisher.ping();
    let mut newcomer = Client::subscribed(&broker, "3318-new", "3318", 0);
    newcomer.expect(b"\x31\x07\x00\x043318x");
}

/// [MQTT-3.3.1-9] What comes because somebody published just now does not, however it was
/// published.
#[test]
fn v311_3_3_1_9() {
    let broker = shared();
    let mut subscriber = Client::subscribed(&broker, "3319-subscriber", "3319", 1);
    let mut publisher = Client::clean(&broker, "3319");
    publisher.send(retain0("3319", "x"));
    subscriber.expect(publish0("3319", "x"));
    publisher.send(publish_as(0x33, 1, "3319", "y"));
    subscriber.expect(publish_as(0x32, 1, "3319", "y"));
}

/// [MQTT-3.3.1-10] RETAIN without a payload is delivered like others, and takes away what was kept.
#[test]
fn v311_3_3_1_10() {
    let broker = shared();
    let mut publisher = Client::clean(&broker, "33110");
    publisher.send(retain0("33110", "x"));
    publisher.ping();
    let mut subscriber = Client::subscribed(&broker, "33110-subscriber", "33110", 0);
    subscriber.expect(retain0("33110", "x"));
    publisher.send(retain0("33110", ""));
    publisher.ping();
    subscriber.expect(publish0("33110", ""));
    assert_eq!(kept("33110-new", "33110", 0), None);
}

/// [MQTT-3.3.1-11] A message without a payload is never kept.
#[test]
fn v311_3_3_1_11() {
    let broker = shared();
    let mut publisher = Client::clean(&broker, "33111");
    publisher.send(retain0("33111", ""));
    publisher.send(publish_as(0x33, 1, "33111", ""));
    publisher.expect(puback(1));
    assert_eq!(kept("33111-new", "33111", 0), None);
}

/// [MQTT-3.3.1-12] Without RETAIN a message changes nothing of what is kept.
#[test]
fn v311_3_3_1_12() {
    let broker = shared();
    let mut publisher = Client::clean(&broker, "33112");
    publisher.send(publish0("33112", "never kept"));
    publisher.ping();
    assert_eq!(kept("33112-before", "33112", 0), None);
    publisher.send(retain0("33112", "a"));
    publisher.send(publish0("33112", "b"));
    publisher.send(publish0("33112", ""));
    publisher.ping();
    let message = kept("33112-new", "33112", 0).expect("one is kept");
    assert_eq!((message.retain, message.text()), (true, "a".into()));
}
