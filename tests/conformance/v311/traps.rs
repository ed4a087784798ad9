//! Things that brokers got wrong in the field, as 3.1 and 3.1.1 clients meet them: sessions.
//!
//! Numbers are those of the traps in the table of statements, which names all tests of each.

use super::brokers::{shared, with};
use super::hand_client::Client;
use super::packet_bytes::{
    ACCEPTED, connect, puback, pubcomp, publish_as, publish0, publish1, publish2, pubrec, pubrel,
    retain0, suback, subscribe,
};

/// (trap 1) Takeover publishes the will of who is displaced, whatever becomes of the session, once.
#[test]
fn trap_01_a_takeover_publishes_the_will() {
    let broker = shared();
    let mut watcher = Client::subscribed(&broker, "trap-01-watcher", "trap-01", 0);
    let clean = connect("trap-01");
    let kept = connect("trap-01").keep_session();
    for (old, new) in [
        (&clean, &clean),
        (&clean, &kept),
        (&kept, &clean),
        (&kept, &kept),
    ] {
        // Whatever the last round left is gone.
        Client::fresh(&broker, &clean).disconnect();
        let mut first = Client::fresh(&broker, &old.clone().will("trap-01", "gone", 0));
        let mut second = Client::silent(&broker);
        second.send(new.bytes());
        assert_eq!(second.packet().byte(1), Some(0));
        first.expect_closed();
        watcher.expect(publish0("trap-01", "gone"));
        watcher.gets_nothing_more(&mut second, "trap-01");
        second.disconnect();
    }
}

/// (trap 4) A clean session ends when its connection is displaced: nothing of it is taken up.
#[test]
fn trap_04_a_clean_session_is_not_inherited() {
    let broker = shared();
    let mut first = Client::subscribed(&broker, "trap-04", "trap-04", 1);
    first.send(publish2(3, "trap-04/other", "x"));
    first.expect(pubrec(3));
    let mut publisher = Client::clean(&broker, "trap-04-publisher");
    publisher.publish(1, "trap-04", "not acknowledged");
    assert_eq!(first.message().text(), "not acknowledged");
    let mut second = Client::fresh(&broker, &connect("trap-04").keep_session());
    first.expect_closed();
    second.subscribe("trap-04/end", 0);
    publisher.publish(1, "trap-04", "x");
    second.gets_nothing_more(&mut publisher, "trap-04/end");
}

/// (trap 5) A message of QoS 2 that was begun before the connection was lost is delivered once.
#[test]
fn trap_05_qos2_is_delivered_once_across_connections() {
    let broker = shared();
    let mut watcher = Client::subscribed(&broker, "trap-05-watcher", "trap-05", 0);
    let hello = connect("trap-05").keep_session();
    let mut client = Client::fresh(&broker, &hello);
    client.send(publish2(7, "trap-05", "x"));
    client.expect(pubrec(7));
    for _ in 0..3 {
        client.drop_connection();
        client = Client::resumed(&broker, &hello);
        client.send(publish_as(0x3c, 7, "trap-05", "x"));
        client.expect(pubrec(7));
    }
    client.send(pubrel(7));
    client.expect(pubcomp(7));
    watcher.expect(publish0("trap-05", "x"));
    watcher.gets_nothing_more(&mut client, "trap-05");
}

/// (trap 6) The PUBREL that is owed comes with a connection that displaces the old one, too.
#[test]
fn trap_06_an_owed_pubrel_comes_after_a_takeover() {
    let broker = shared();
    let hello = connect("trap-06").keep_session();
    let mut first = Client::fresh(&broker, &hello);
    first.subscribe("trap-06", 2);
    let mut publisher = Client::clean(&broker, "trap-06-publisher");
    publisher.publish(2, "trap-06", "x");
    first.expect(publish2(1, "trap-06", "x"));
    first.send(pubrec(1));
    first.expect(pubrel(1));
    let mut second = Client::resumed(&broker, &hello);
    first.expect_closed();
    second.expect(pubrel(1));
    second.send(pubcomp(1));
    second.gets_nothing_more(&mut publisher, "trap-06");
}

/// (trap 7) The window of a new connection is whole: what is sent again fills it, and the rest flows
/// as that is acknowledged.
#[test]
fn trap_07_the_queue_flows_on_after_a_reconnection() {
    let broker = with("max_inflight_messages 2");
    let hello = connect("subscriber").keep_session();
    let mut client = Client::fresh(&broker, &hello);
    client.subscribe("t", 1);
    let mut publisher = Client::clean(&broker, "publisher");
    for number in 1..=6 {
        publisher.publish(1, "t", &number.to_string());
    }
    client.expect([publish1(1, "t", "1"), publish1(2, "t", "2")].concat());
    for _ in 0..3 {
        client.ping();
        client.drop_connection();
        client = Client::resumed(&broker, &hello);
        client.expect(publish_as(0x3a, 1, "t", "1"));
        client.expect(publish_as(0x3a, 2, "t", "2"));
    }
    client.send(puback(1));
    client.expect(publish1(3, "t", "3"));
    client.send([puback(2), puback(3)].concat());
    client.expect([publish1(4, "t", "4"), publish1(5, "t", "5")].concat());
    client.send([puback(4), puback(5)].concat());
    client.expect(publish1(6, "t", "6"));
}

/// (trap 8) Acknowledgements of what was never sent make no room.
#[test]
fn trap_08_stray_acknowledgements_open_no_window() {
    let broker = with("max_inflight_messages 2");
    let mut client = Client::subscribed(&broker, "subscriber", "t", 1);
    let mut publisher = Client::clean(&broker, "publisher");
    for number in 1..=3 {
        publisher.publish(1, "t", &number.to_string());
    }
    client.expect([publish1(1, "t", "1"), publish1(2, "t", "2")].concat());
    client.send([puback(77), pubcomp(77), pubrec(77)].concat());
    client.expect(pubrel(77));
    client.send(pubcomp(77));
    client.ping();
    client.send(puback(1));
    client.expect(publish1(3, "t", "3"));
    client.send(puback(1));
    client.ping();
    // One that answers a message otherwise than its QoS demands is an error.
    client.closed_by(pubcomp(2));
}

/// (trap 10) The first sending of what waited in a queue bears no DUP, also if others were sent again.
#[test]
fn trap_10_what_waited_was_not_sent_before() {
    let broker = with("max_inflight_messages 1");
    let hello = connect("subscriber").keep_session();
    let mut client = Client::fresh(&broker, &hello);
    client.subscribe("t", 2);
    let mut publisher = Client::clean(&broker, "publisher");
    publisher.publish(1, "t", "sent");
    publisher.publish(1, "t", "queued");
    client.expect(publish1(1, "t", "sent"));
    client.drop_connection();
    publisher.publish(2, "t", "away");
    let mut client = Client::resumed(&broker, &hello);
    client.expect(publish_as(0x3a, 1, "t", "sent"));
    client.send(puback(1));
    client.expect(publish1(2, "t", "queued"));
    client.send(puback(2));
    client.expect(publish2(3, "t", "away"));
}

/// (trap 15) What is kept comes at each SUBSCRIBE, and not because a session goes on.
#[test]
fn trap_15_kept_messages_come_with_subscribe_alone() {
    let broker = shared();
    let mut publisher = Client::clean(&broker, "trap-15-publisher");
    publisher.send(retain0("trap-15", "kept"));
    publisher.ping();
    let hello = connect("trap-15").keep_session();
    let mut client = Client::fresh(&broker, &hello);
    for _ in 0..3 {
        client.subscribe("trap-15", 0);
        client.expect(retain0("trap-15", "kept"));
    }
    client.disconnect();
    let mut client = Client::resumed(&broker, &hello);
    client.gets_nothing_more(&mut publisher, "trap-15");
    // A takeover is no subscription either.
    let mut taken = Client::resumed(&broker, &hello);
    client.expect_closed();
    taken.gets_nothing_more(&mut publisher, "trap-15");
}

/// (trap 17) What waits for a client that is away was published to a subscription it had: no RETAIN.
#[test]
fn trap_17_a_queue_adds_no_retain() {
    let broker = shared();
    let hello = connect("trap-17").keep_session();
    let mut client = Client::fresh(&broker, &hello);
    client.subscribe("trap-17", 1);
    client.disconnect();
    let mut publisher = Client::clean(&broker, "trap-17-publisher");
    publisher.send(publish_as(0x33, 1, "trap-17", "x"));
    publisher.expect(puback(1));
    let mut client = Client::resumed(&broker, &hello);
    client.expect(publish1(1, "trap-17", "x"));
    // Also when it is sent again.
    client.drop_connection();
    let mut client = Client::resumed(&broker, &hello);
    client.expect(publish_as(0x3a, 1, "trap-17", "x"));
}

/// (trap 39) What comes behind CONNECT in the same write is done, in order, after CONNACK.
#[test]
fn trap_39_packets_behind_connect_are_answered_in_order() {
    let broker = shared();
    // Several ids, so that some of them live on another shard than the one that accepts.
    for number in 0..8 {
        let id = format!("trap-39-{number}");
        let mut client = Client::silent(&broker);
        let burst = [
            connect(&id).bytes(),
            subscribe(1, &[(&id, 1)]),
            publish0(&id, "zero"),
            publish1(2, &id, "one"),
            vec![0xc0, 0],
        ];
        client.send(burst.concat());
        client.expect([ACCEPTED.to_vec(), suback(1, &[1]), publish0(&id, "zero")].concat());
        let mut firsts = [client.packet().first, client.packet().first];
        firsts.sort_unstable();
        assert_eq!(firsts, [0x32, 0x40]);
        client.expect([0xd0, 0]);
    }
}
