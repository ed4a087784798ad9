//! Shared subscriptions on several shards: what SUBACK and UNSUBACK promise.

use super::brokers::with;
use super::hand_client::Client;
use super::packet_bytes::{publish0, publish1};

/// A message that is published after SUBACK was received goes to a member of the group.
#[test]
fn suback_of_a_shared_filter_keeps_its_promise() {
    let broker = with("shards 2");
    for round in 0..100 {
        let (group, topic) = (format!("$share/g{round}/t{round}"), format!("t{round}"));
        let mut publisher = Client::clean(&broker, &format!("publisher-{round}"));
        let mut member = Client::subscribed(&broker, &format!("member-{round}"), &group, 1);
        publisher.send(publish1(1, &topic, "x"));
        assert_eq!(member.message().text(), "x", "round {round}");
    }
}

/// A message that is published after UNSUBACK was received does not go to the member any more.
#[test]
fn unsuback_of_a_shared_filter_keeps_its_promise() {
    let broker = with("shards 2");
    for round in 0..100 {
        let (group, topic) = (format!("$share/g{round}/t{round}"), format!("t{round}"));
        let mut publisher = Client::clean(&broker, &format!("publisher-{round}"));
        let mut member = Client::subscribed(&broker, &format!("member-{round}"), &group, 0);
        member.subscribe("end", 0);
        publisher.ping();
        member.ping();
        member.unsubscribe(&group);
        publisher.send(publish0(&topic, "late"));
        member.gets_nothing_more(&mut publisher, "end");
    }
}

/// What an ended session leaves goes to a member that had SUBACK before the session ended.
#[test]
fn a_dead_members_messages_go_to_the_other() {
    let broker = with("shards 2");
    for round in 0..100 {
        let (group, topic) = (format!("$share/g{round}/t{round}"), format!("t{round}"));
        let mut publisher = Client::clean(&broker, &format!("publisher-{round}"));
        let mut first = Client::subscribed(&broker, &format!("first-{round}"), &group, 1);
        first.ping();
        publisher.ping();
        publisher.send(publish1(1, &topic, "x"));
        assert_eq!(first.message().text(), "x", "round {round}: first");
        let mut second = Client::subscribed(&broker, &format!("second-{round}"), &group, 1);
        first.drop_connection();
        assert_eq!(second.message().text(), "x", "round {round}: second");
    }
}
