//! Shared subscriptions over one and several shards.

use mqtt_codec::{Packet, ReasonCode};

use super::SHARDS;
use super::world::{Client, How, World};

fn members(world: &mut World, count: usize, how: &How<'_>) -> Vec<Client> {
    (0..count)
        .map(|n| {
            let client = world.join(&format!("member {n}"), how);
            assert_eq!(world.subscribe(client, "$share/g/t/+", 1), ["SUBACK [01]"]);
            client
        })
        .collect()
}

#[test]
fn each_message_goes_to_one_member_and_all_take_turns() {
    for shards in SHARDS {
        let mut world = World::new(shards);
        let publisher = world.join("publisher", &How::default());
        let plain = world.join("plain", &How::default());
        world.subscribe(plain, "t/#", 0);
        let members = members(&mut world, 4, &How::default());
        for n in 0..40 {
            world.publish(publisher, "t/x", 0, &n.to_string());
        }
        for member in &members {
            assert_eq!(world.lines(*member).len(), 10);
        }
        assert_eq!(world.lines(plain).len(), 40);
        world.unsubscribe(members[0], "$share/g/t/+");
        for n in 0..30 {
            world.publish(publisher, "t/x", 0, &n.to_string());
        }
        assert_eq!(world.lines(members[0]).len(), 0);
        assert_eq!(world.lines(members[1]).len(), 10);
    }
}

#[test]
fn no_retained_message_comes_with_a_shared_subscription() {
    let mut world = World::new(1);
    let publisher = world.join("publisher", &How::default());
    world.publish_with(publisher, "t/x", 0, true, "x", &[]);
    members(&mut world, 1, &How::default());
}

#[test]
fn what_a_member_leaves_unanswered_goes_to_another_when_its_session_ends() {
    for shards in SHARDS {
        let mut world = World::new(shards);
        let publisher = world.join("publisher", &How::default());
        let members = members(&mut world, 3, &How::default());
        for n in 0..6 {
            world.publish(publisher, "t/x", 1, &n.to_string());
        }
        assert_eq!(world.lines(members[0]).len(), 2);
        world.cut(members[0]);
        let left = world.lines(members[1]).len() + world.lines(members[2]).len();
        assert_eq!(left, 6, "{shards} shards");
    }
}

#[test]
fn a_member_that_refuses_a_message_ends_it() {
    for shards in SHARDS {
        let mut world = World::new(shards);
        let publisher = world.join("publisher", &How::default());
        let members = members(&mut world, 2, &How::default());
        world.publish(publisher, "t/x", 1, "x");
        let (first, second) = if world.lines(members[0]).is_empty() {
            (members[1], members[0])
        } else {
            (members[0], members[1])
        };
        world.ack_with(first, Packet::Puback, 1, ReasonCode::QuotaExceeded);
        world.cut(first);
        assert_eq!(world.lines(second), [""; 0]);
    }
}

#[test]
fn members_who_are_away_get_messages_only_while_nobody_is_there() {
    for shards in SHARDS {
        let mut world = World::new(shards);
        let publisher = world.join("publisher", &How::default());
        let members = members(&mut world, 2, &How::kept());
        world.cut(members[0]);
        for _ in 0..4 {
            world.publish(publisher, "t/x", 1, "x");
        }
        assert_eq!(world.lines(members[1]).len(), 4);
        world.cut(members[1]);
        for _ in 0..4 {
            world.publish(publisher, "t/x", 1, "x");
        }
        let first = world.connect_all("member 0", &How::kept()).1.len();
        let second = world.connect_all("member 1", &How::kept()).1.len();
        // Each got its CONNACK; the second also what it had not answered.
        assert_eq!(first + second, 2 + 4 + 4, "{shards} shards");
    }
}

#[test]
fn shared_filters_that_are_none_are_refused_and_no_local_is_an_error() {
    let mut world = World::new(1);
    let client = world.join("c", &How::default());
    for filter in [
        "$share",
        "$share/",
        "$share/g",
        "$share/g/",
        "$share//t",
        "$share/+/t",
    ] {
        assert_eq!(
            world.subscribe(client, filter, 0),
            ["SUBACK [8f]"],
            "{filter}"
        );
    }
    assert_eq!(world.subscribe(client, "$share/g//t", 0), ["SUBACK [00]"]);
}
