//! A store without room: what has to be kept is refused before it is promised, all else goes on.

use mqtt_codec::{Packet, Property};

use super::SHARDS;
use super::world::{How, World, settings};
use crate::engine::limits::Settings;
use crate::engine::store_op::StoreOp;

fn world(shards: u16) -> World {
    let settings = Settings {
        durable: true,
        ..settings()
    };
    World::with(shards, settings)
}

#[test]
fn what_would_have_to_be_kept_is_refused_and_the_rest_goes_on() {
    for shards in SHARDS {
        let mut world = world(shards);
        let keeper = world.join("keeper", &How::kept());
        world.subscribe(keeper, "kept/#", 1);
        let taker = world.join("taker", &How::default());
        world.subscribe(taker, "#", 1);
        let giver = world.join("giver", &How::default());
        world.fill_store(true);
        world.kept();
        world.publish(giver, "kept/1", 1, "no");
        world.publish(giver, "free", 1, "yes");
        world.publish_with(giver, "free", 1, true, "no", &[]);
        world.publish(giver, "kept/1", 0, "yes");
        let expected = [
            "PUBACK 77 Quota exceeded",
            "PUBACK 77 Success",
            "PUBACK 77 Quota exceeded",
        ];
        assert_eq!(world.lines(giver), expected, "{shards} shards");
        let expected = ["PUBLISH free q1 m1 yes", "PUBLISH kept/1 q0 yes"];
        assert_eq!(world.lines(taker), expected);
        assert_eq!(world.lines(keeper), ["PUBLISH kept/1 q0 yes"]);
        assert_eq!(world.kept(), []);
        world.fill_store(false);
        world.publish(giver, "kept/1", 1, "yes");
        assert_eq!(world.lines(giver), ["PUBACK 77 Success"]);
    }
}

#[test]
fn a_retained_message_is_cleared_at_any_qos_and_stays_cleared() {
    for qos in 0..=2 {
        let mut world = world(1);
        let giver = world.join("giver", &How::kept());
        world.publish_with(giver, "t", 1, true, "kept", &[]);
        world.lines(giver);
        world.kept();
        world.fill_store(true);
        world.publish_with(giver, "t", qos, true, "", &[]);
        let cleared = world.kept().into_iter().filter_map(|op| match op {
            StoreOp::Publish(publish) => publish.retain,
            _ => None,
        });
        let cleared: Vec<bool> = cleared
            .map(|r| r.message.view().payload.is_empty())
            .collect();
        // QoS 2 of a durable session has to be held, which needs room.
        assert_eq!(cleared, vec![true; usize::from(qos < 2)], "QoS {qos}");
    }
}

#[test]
fn clients_of_3_x_are_closed_without_an_answer() {
    let mut world = world(1);
    let keeper = world.join("keeper", &How::kept());
    world.subscribe(keeper, "kept", 1);
    let giver = world.join("giver", &How::v311());
    world.fill_store(true);
    world.publish(giver, "kept", 1, "no");
    assert_eq!(world.lines(giver), ["closed"]);
    assert_eq!(world.lines(keeper), [] as [&str; 0]);
}

#[test]
fn a_message_of_a_group_is_kept_if_any_member_is_durable() {
    for shards in SHARDS {
        let mut world = world(shards);
        let keeper = world.join("keeper", &How::kept());
        world.subscribe(keeper, "$share/g/t", 1);
        let giver = world.join("giver", &How::default());
        world.fill_store(true);
        world.publish(giver, "t", 1, "no");
        assert_eq!(world.lines(giver), ["PUBACK 77 Quota exceeded"]);
    }
}

#[test]
fn what_was_held_before_goes_on() {
    let mut world = world(1);
    let keeper = world.join("keeper", &How::kept());
    world.subscribe(keeper, "t", 2);
    let giver = world.join("giver", &How::kept());
    world.publish(giver, "t", 2, "held");
    assert_eq!(world.lines(giver), ["PUBREC 77 Success"]);
    world.fill_store(true);
    world.publish(giver, "t", 2, "held");
    assert_eq!(world.lines(giver), ["PUBREC 77 Success"], "a repeat");
    world.ack(giver, Packet::Pubrel, 77);
    assert_eq!(world.lines(giver), ["PUBCOMP 77 Success"]);
    assert_eq!(world.lines(keeper), ["PUBLISH t q2 m1 held"]);
    world.publish(giver, "nobody", 2, "new");
    assert_eq!(world.lines(giver), ["PUBREC 77 Quota exceeded"]);
}

#[test]
fn no_new_durable_session_begins_and_known_ones_go_on() {
    let mut world = world(1);
    let known = world.join("known", &How::kept());
    world.cut(known);
    world.fill_store(true);
    let (_, connack) = world.connect("new", &How::kept());
    assert_eq!(connack, "CONNACK 0 Quota exceeded");
    let old = How {
        clean_start: false,
        ..How::v311()
    };
    let (_, connack) = world.connect("new", &old);
    assert_eq!(connack, "CONNACK 0 Server unavailable");
    let (_, connack) = world.connect("passing", &How::v311());
    assert_eq!(connack, "CONNACK 0 Success");
    let (_, connack) = world.connect("known", &How::kept());
    assert!(connack.starts_with("CONNACK 1 Success"), "{connack}");
    let mut again = How::kept();
    again.clean_start = true;
    again.properties = vec![Property::SessionExpiryInterval(5)];
    let (_, connack) = world.connect("known", &again);
    assert!(connack.starts_with("CONNACK 0 Success"), "{connack}");
    let ends = |op: &StoreOp| matches!(op, StoreOp::End { .. });
    assert_eq!(world.kept().iter().filter(|op| ends(op)).count(), 1);
}
