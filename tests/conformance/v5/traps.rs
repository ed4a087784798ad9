//! Things that brokers got wrong in the field, as clients of 5.0 meet them.
//!
//! Numbers are those of the traps in the table of statements, which names all tests of each: most are
//! proved by statements of the standard, and here stands what is left.

use super::client::{Client, assert_refused, broker, broker_with, fresh, let_pass};
use super::packets::{Connect, PUBCOMP, PUBREC, PUBREL, Publish, Will, ack, property};

/// (trap 3) A will with a delay is sent once, however often its client comes back and goes.
#[test]
fn trap_03_a_delayed_will_is_sent_once() {
    let broker = broker();
    let topic = fresh("will");
    let mut watcher = Client::subscribed(&broker, &topic, 0);
    let connect = Connect::new(fresh("flaky")).expiry(60).resume();
    let connect = connect.will(Will::new(&topic, "gone").delay(1));
    for _ in 0..5 {
        Client::connect(&broker, &connect).cut();
    }
    assert_eq!(watcher.message().text(), "gone");
    let_pass(2500);
    watcher.nothing_more();
}

/// (trap 7) A takeover, too, begins with a new quota.
#[test]
fn trap_07_a_takeover_begins_with_a_new_quota() {
    let broker = broker();
    let topic = fresh("t");
    let connect = Connect::new(fresh("taken"))
        .expiry(60)
        .with(property::receive_maximum(2));
    let mut first = Client::connect(&broker, &connect);
    first.subscribe(&topic, 1);
    let mut publisher = Client::new(&broker);
    for number in 1..=6 {
        publisher.publish(&Publish::new(&topic, number.to_string()).qos(1, number));
    }
    for _ in 0..5 {
        let mut next = Client::connect(&broker, &connect.clone().resume());
        let open = [next.message(), next.message()];
        assert_eq!(
            open.each_ref().map(|message| message.text().to_owned()),
            ["1", "2"]
        );
        next.nothing_more();
    }
    let mut last = Client::connect(&broker, &connect.resume());
    for number in 1..=6 {
        assert_eq!(last.take().text(), number.to_string());
    }
    last.nothing_more();
    drop(first);
}

/// (trap 14) A session expiry in DISCONNECT is capped as one in CONNECT is.
#[test]
fn trap_14_an_expiry_in_disconnect_is_capped() {
    let broker = broker_with("persistent_client_expiration 1s");
    let connect = Connect::new("capped").expiry(1);
    let client = Client::connect(&broker, &connect);
    client.leave_with(0, &property::session_expiry(3600));
    let_pass(3000);
    assert!(!Client::connect(&broker, &connect.resume()).session_present());
}

/// (trap 15) Retained messages come with SUBSCRIBE, not when a session is resumed or taken over.
#[test]
fn trap_15_no_retained_messages_on_resumption() {
    let broker = broker();
    let topic = fresh("t");
    Client::new(&broker).publish(&Publish::new(&topic, "x").retained());
    let connect = Connect::new(fresh("c")).expiry(60);
    let mut client = Client::connect(&broker, &connect);
    client.subscribe(&topic, 0);
    assert!(client.message().retain);
    let mut taker = Client::connect(&broker, &connect.clone().resume());
    taker.nothing_more();
    taker.cut();
    Client::connect(&broker, &connect.resume()).nothing_more();
    client.expect_disconnect(0x8e);
}

/// (trap 23) A publisher's alias is resolved before a message is stored, and never forwarded.
#[test]
fn trap_23_an_alias_is_resolved_before_storing() {
    let broker = broker();
    let topic = fresh("t");
    let connect = Connect::new(fresh("away")).expiry(60);
    let mut away = Client::connect(&broker, &connect);
    away.subscribe(&topic, 1);
    away.leave();
    let mut publisher = Client::new(&broker);
    let aliased = |topic: &str, text| Publish::new(topic, text).with(property::topic_alias(3));
    publisher.publish(&aliased(&topic, "set").qos(1, 1));
    publisher.publish(&aliased("", "used").qos(1, 2).retained());
    let mut back = Client::connect(&broker, &connect.resume());
    let mut later = Client::subscribed(&broker, &topic, 1);
    for (client, expected) in [(&mut back, "set"), (&mut later, "used")] {
        let message = client.take();
        let seen = (
            message.topic.as_str(),
            message.text(),
            message.properties.len(),
        );
        assert_eq!(seen, (topic.as_str(), expected, 0));
    }
}

/// (trap 35) `a/#` matches its parent in shared filters, too, and wildcards stay off `$`.
#[test]
fn trap_35_shared_filters_match_as_others_do() {
    let broker = broker();
    let base = fresh("t");
    let cases = [
        (format!("$share/a/{base}/#"), base.clone(), true),
        (format!("$share/b/{base}/+"), format!("{base}/x"), true),
        (format!("$share/c/+/{base}"), format!("x/{base}"), true),
        (format!("$share/d/+/{base}"), format!("$x/{base}"), false),
        (format!("$share/e/$x/{base}"), format!("$x/{base}"), true),
    ];
    for (filter, topic, matches) in cases {
        let mut client = Client::subscribed(&broker, &filter, 1);
        Client::new(&broker).publish(&Publish::new(&topic, "x").qos(1, 1));
        if matches {
            assert_eq!(client.take().topic, topic, "{filter}");
        }
        client.nothing_more();
    }
}

/// (trap 36) A plain and a shared subscription of the same filter come and go each for itself.
#[test]
fn trap_36_plain_and_shared_are_two_subscriptions() {
    let broker = broker();
    let topic = fresh("t");
    let shared = format!("$share/g/{topic}");
    let mut client = Client::new(&broker);
    let publish = || Client::new(&broker).publish(&Publish::new(&topic, "x").qos(1, 1));
    client.subscribe(&topic, 1);
    client.subscribe(&shared, 0);
    client.unsubscribe(&topic);
    publish();
    assert_eq!(client.message().qos, 0);
    client.nothing_more();
    client.subscribe(&topic, 1);
    client.unsubscribe(&shared);
    publish();
    assert_eq!(client.take().qos, 1);
    client.nothing_more();
}

/// (trap 36) A session that is resumed is still a member, with its identifier.
#[test]
fn trap_36_membership_survives_resumption() {
    let broker = broker();
    let topic = fresh("t");
    let connect = Connect::new(fresh("member")).expiry(60);
    let mut client = Client::connect(&broker, &connect);
    let identifier = property::subscription_identifier(4);
    client.subscribe_with(&identifier, &format!("$share/g/{topic}"), 1);
    client.cut();
    let mut client = Client::connect(&broker, &connect.resume());
    Client::new(&broker).publish(&Publish::new(&topic, "x").qos(1, 1));
    assert_eq!(client.take().properties, [(0x0b, vec![4])]);
    client.nothing_more();
}

/// (trap 40) QoS 2 identifiers end with their session, so that they cannot pile up.
#[test]
fn trap_40_unreleased_identifiers_end_with_the_session() {
    let broker = broker();
    let connect = Connect::new(fresh("c"));
    for _ in 0..3 {
        let mut client = Client::connect(&broker, &connect);
        for id in 1..=20 {
            client.send(&Publish::new("t", "x").qos(2, id).bytes());
            client.expect_answer(5, id, &[0x00, 0x10]);
        }
        client.cut();
    }
}

/// A will without a topic is refused; so is one where no client may publish.
#[test]
fn a_will_needs_a_topic_that_may_be_published_to() {
    let broker = broker();
    for topic in ["", "a/#", "+", "$SYS/x", "$CONTROL/x"] {
        let connect = Connect::new(fresh("c")).will(Will::new(topic, "gone"));
        assert_refused(&broker, &connect.bytes(), 0x90);
    }
}

/// (trap 2) A DISCONNECT that ends the session makes the will due at once, whatever its delay; with
/// 0x00 there is none.
#[test]
fn trap_02_a_disconnect_that_ends_the_session_ends_the_delay() {
    let broker = broker();
    let topic = fresh("will");
    let mut watcher = Client::subscribed(&broker, &topic, 0);
    let connect = |text| {
        let connect = Connect::new(fresh("c")).expiry(3600);
        connect.will(Will::new(&topic, text).delay(3600))
    };
    let end = property::session_expiry(0);
    Client::connect(&broker, &connect("discarded")).leave_with(0x00, &end);
    watcher.nothing_more();
    Client::connect(&broker, &connect("due")).leave_with(0x04, &end);
    assert_eq!(watcher.message().text(), "due");
    Client::connect(&broker, &connect("delayed")).leave_with(0x04, &[]);
    watcher.nothing_more();
}

/// (trap 26) What is too large for one member of a group goes to another one, which is a choice.
#[test]
fn trap_26_a_group_finds_a_member_that_takes_large_packets() {
    let broker = broker();
    let topic = fresh("t");
    let filter = format!("$share/g/{topic}");
    let small = Connect::new(fresh("small")).with(property::maximum_packet_size(60));
    let mut small = Client::connect(&broker, &small);
    small.subscribe(&filter, 1);
    let mut large = Client::subscribed(&broker, &filter, 1);
    let mut publisher = Client::new(&broker);
    for id in 1..=6 {
        publisher.publish(&Publish::new(&topic, "x".repeat(100)).qos(1, id));
        assert_eq!(large.take().payload.len(), 100);
    }
    small.nothing_more();
}

/// (trap 29) What is sent again carries what is left of its expiry, down to 0.
#[test]
fn trap_29_a_repetition_carries_what_is_left() {
    let broker = broker();
    let topic = fresh("t");
    let connect = Connect::new(fresh("c")).expiry(60);
    let mut client = Client::connect(&broker, &connect);
    client.subscribe(&topic, 1);
    for (id, seconds) in [(1, 1), (2, 10)] {
        let publish = Publish::new(&topic, "x").qos(1, id);
        Client::new(&broker).publish(&publish.with(property::message_expiry(seconds)));
        assert_eq!(client.message().expiry(), Some(seconds));
    }
    let_pass(2100);
    client.cut();
    let mut client = Client::connect(&broker, &connect.resume());
    assert_eq!(client.take().expiry(), Some(0));
    let left = client.take().expiry().expect("an expiry");
    assert!((6..=8).contains(&left), "{left} s left of 10 after 2");
}

/// (trap 6) What was received and not released is finished after a takeover as after a cut.
#[test]
fn trap_06_a_takeover_goes_on_with_both_halves_of_qos_2() {
    let broker = broker();
    let topic = fresh("t");
    let connect = Connect::new(fresh("c")).expiry(60);
    let mut old = Client::connect(&broker, &connect);
    old.subscribe(&topic, 2);
    Client::new(&broker).publish(&Publish::new(&topic, "down").qos(2, 1));
    let id = old.message().id();
    old.send(&ack(PUBREC, id));
    old.expect_answer(6, id, &[0x00]);
    let upward = fresh("t");
    let mut watcher = Client::subscribed(&broker, &upward, 0);
    old.send(&Publish::new(&upward, "up").qos(2, 9).bytes());
    old.expect_answer(5, 9, &[0x00]);
    let mut new = Client::connect(&broker, &connect.resume());
    old.expect_disconnect(0x8e);
    new.expect_answer(6, id, &[0x00]);
    new.send(&ack(PUBCOMP, id));
    new.send(&ack(PUBREL, 9));
    new.expect_answer(7, 9, &[0x00]);
    new.nothing_more();
    assert_eq!(watcher.message().text(), "up");
    watcher.nothing_more();
}
