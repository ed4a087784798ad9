//! Shared subscriptions: 5.0 brought them, and they work for older clients too.
//!
//! One shard alone, since what is tested is which messages go to whom.

use super::brokers::with;
use super::hand_client::Client;
use super::packet_bytes::{publish0, retain0};

/// (4.8 of the later standard; our choice for all versions) `$share/GROUP/FILTER` shares the
/// messages among the subscribers of a group.
#[test]
fn v311_u_unnumbered_f() {
    const COUNT: usize = 10;
    let broker = with("shards 1");
    let filter = "$share/unnumbered-f/unnumbered-f";
    let mut members = [
        Client::subscribed(&broker, "unnumbered-f-1", filter, 1),
        Client::subscribed(&broker, "unnumbered-f-2", filter, 1),
    ];
    let mut publisher = Client::clean(&broker, "unnumbered-f");
    for number in 0..COUNT {
        publisher.publish(1, "unnumbered-f", &number.to_string());
    }
    let mut got: Vec<usize> = Vec::new();
    for member in &mut members {
        for _ in 0..COUNT / 2 {
            got.push(member.take().text().parse().expect("a number"));
        }
    }
    got.sort_unstable();
    assert_eq!(got, (0..COUNT).collect::<Vec<_>>());
    for (number, member) in members.iter_mut().enumerate() {
        let own = format!("unnumbered-f/{number}");
        member.subscribe(&own, 0);
        member.gets_nothing_more(&mut publisher, &own);
    }
}

/// (trap 16) A shared subscription gets nothing that was kept, whether it is new or repeated. What
/// is published as retained while it stands comes as any message does.
#[test]
fn trap_16_shared_subscriptions_get_no_retained_messages() {
    let broker = with("shards 1");
    let mut publisher = Client::clean(&broker, "trap-16-publisher");
    publisher.send(retain0("trap-16", "kept"));
    publisher.ping();
    let mut client = Client::clean(&broker, "trap-16");
    for filter in ["$share/g/trap-16", "$share/g/#", "$share/g/trap-16"] {
        client.subscribe(filter, 1);
        client.ping();
    }
    client.unsubscribe("$share/g/#");
    publisher.send(retain0("trap-16", "live"));
    client.expect(publish0("trap-16", "live"));
    // It was there all the time.
    client.subscribe("trap-16", 1);
    client.expect(retain0("trap-16", "live"));
}

/// (trap 35) In shared filters too, `a/#` matches `a`, and `#` matches nothing with `$`.
#[test]
fn trap_35_shared_filters_match_as_others_do() {
    let broker = with("shards 1");
    let mut client = Client::subscribed(&broker, "subscriber", "$share/g/a/#", 0);
    let mut publisher = Client::clean(&broker, "publisher");
    for topic in ["a", "a/", "a/b/c"] {
        publisher.send(publish0(topic, "x"));
        client.expect(publish0(topic, "x"));
    }
    client.unsubscribe("$share/g/a/#");
    client.subscribe("$share/g/#", 0);
    publisher.send(publish0("$b/x", "x"));
    client.gets_nothing_more(&mut publisher, "b");
}

/// (trap 36) What stands behind the group is a filter of its own, which may begin with a slash, and is
/// another one than the same without a group.
#[test]
fn trap_36_shared_filters_are_filters() {
    let broker = with("shards 1");
    let mut client = Client::subscribed(&broker, "trap-36", "$share/trap-36//trap-36/+", 0);
    let mut publisher = Client::clean(&broker, "trap-36-publisher");
    publisher.send(publish0("/trap-36/a", "x"));
    client.expect(publish0("/trap-36/a", "x"));
    client.unsubscribe("/trap-36/+");
    publisher.send(publish0("/trap-36/b", "x"));
    client.expect(publish0("/trap-36/b", "x"));
    client.subscribe("/trap-36/+", 0);
    client.unsubscribe("$share/trap-36//trap-36/+");
    publisher.send(publish0("/trap-36/c", "x"));
    client.expect(publish0("/trap-36/c", "x"));
    client.gets_nothing_more(&mut publisher, "/trap-36/end");
}

/// (trap 37) A message of QoS 1 that a member of a group left unacknowledged goes to another one.
#[test]
fn trap_37_shared_messages_outlive_a_member() {
    let broker = with("shards 1");
    let filter = "$share/trap-37/trap-37";
    let mut first = Client::subscribed(&broker, "trap-37-1", filter, 1);
    let mut publisher = Client::clean(&broker, "trap-37");
    let texts = ["a", "b", "c"];
    for text in texts {
        publisher.publish(1, "trap-37", text);
        assert_eq!(first.message().text(), text);
    }
    let mut second = Client::subscribed(&broker, "trap-37-2", filter, 1);
    first.drop_connection();
    for text in texts {
        let message = second.take();
        assert_eq!(
            (message.text(), message.topic_text()),
            (text.into(), "trap-37".into())
        );
    }
}
