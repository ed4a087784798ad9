//! Section 3.3.2.3.3: the Message Expiry Interval.

use super::client::{Client, broker, fresh, let_pass};
use super::packets::{Connect, PUBACK, Publish, ack, property};

/// A message of QoS 1 with this expiry.
fn expiring(topic: &str, text: &str, seconds: u32) -> Publish {
    Publish::new(topic, text)
        .qos(1, 1)
        .with(property::message_expiry(seconds))
}

/// [MQTT-3.3.2-5] Who has not got a message when its expiry is over does not get it any more.
#[test]
fn v5_3_3_2_5() {
    let broker = broker();
    let topic = fresh("t");
    let connect = Connect::new(fresh("away")).expiry(60);
    let mut away = Client::connect(&broker, &connect);
    away.subscribe(&topic, 1);
    away.leave();
    // The window of one is taken, so the next message waits in a queue of a client that is there.
    let busy = Connect::new(fresh("busy")).with(property::receive_maximum(1));
    let mut busy = Client::connect(&broker, &busy);
    busy.subscribe(&topic, 1);
    let mut publisher = Client::new(&broker);
    publisher.publish(&Publish::new(&topic, "stays").qos(1, 1));
    publisher.publish(&expiring(&topic, "expires", 1).retained());
    publisher.publish(&expiring(&topic, "lasts", 60));
    let_pass(2500);
    let mut away = Client::connect(&broker, &connect.resume());
    let open = busy.message();
    busy.send(&ack(PUBACK, open.id()));
    assert_eq!((open.text(), away.take().text()), ("stays", "stays"));
    assert_eq!((busy.take().text(), away.take().text()), ("lasts", "lasts"));
    Client::subscribed(&broker, &topic, 1).nothing_more();
}

/// [MQTT-3.3.2-6] The interval that is forwarded is shorter by the time the message has waited.
#[test]
fn v5_3_3_2_6() {
    let broker = broker();
    let topic = fresh("t");
    let connect = Connect::new(fresh("away")).expiry(60);
    let mut away = Client::connect(&broker, &connect);
    away.subscribe(&topic, 1);
    away.leave();
    let mut live = Client::subscribed(&broker, &topic, 1);
    let mut publisher = Client::new(&broker);
    publisher.publish(&expiring(&topic, "x", 10).retained());
    assert_eq!(live.take().expiry(), Some(10));
    let_pass(2100);
    let mut away = Client::connect(&broker, &connect.resume());
    let mut later = Client::subscribed(&broker, &topic, 1);
    for message in [away.take(), later.take()] {
        let left = message.expiry().expect("never left out");
        assert!((6..=8).contains(&left), "{left} s left of 10 after 2");
    }
}

/// [U-3.3.2.3.3-b] An interval of 0 is legal: now or never.
#[test]
fn v5_u_3_3_2_3_3_b() {
    let broker = broker();
    let topic = fresh("t");
    let connect = Connect::new(fresh("away")).expiry(60);
    let mut away = Client::connect(&broker, &connect);
    away.subscribe(&topic, 1);
    away.leave();
    let mut live = Client::subscribed(&broker, &topic, 1);
    let mut publisher = Client::new(&broker);
    publisher.publish(&expiring(&topic, "now", 0).retained());
    let message = live.take();
    assert_eq!((message.text(), message.expiry()), ("now", Some(0)));
    Client::connect(&broker, &connect.resume()).nothing_more();
    Client::subscribed(&broker, &topic, 1).nothing_more();
}

/// [U-3.3.1.3-a] An expired retained message is gone.
#[test]
fn v5_u_3_3_1_3_a() {
    let broker = broker();
    let topic = fresh("t");
    Client::new(&broker).publish(&expiring(&topic, "x", 1).retained());
    assert_eq!(Client::subscribed(&broker, &topic, 1).take().text(), "x");
    let_pass(2500);
    Client::subscribed(&broker, &topic, 1).nothing_more();
}
