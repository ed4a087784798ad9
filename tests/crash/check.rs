//! What must have arrived, against what did.

use std::collections::BTreeSet;

use crate::world::{Arrivals, World};

/// Numbers named in one complaint.
const NAMED: usize = 8;

/// Demands of one subscriber everything that was sent to `storm/`: each message, for the first time
/// in its order, and exactly once where both sides have QoS 2.
pub(crate) fn subscriber(world: &World, name: &str, has_qos_2: bool) {
    let arrivals = world.arrivals(name);
    for (topic, progress) in world.progress() {
        if !topic.starts_with("storm/") {
            continue;
        }
        let numbers = arrivals.get(&topic).map_or(&[][..], Vec::as_slice);
        let mut seen = BTreeSet::new();
        let firsts = numbers
            .iter()
            .copied()
            .filter(|number| seen.insert(*number));
        let firsts: Vec<u64> = firsts.collect();
        let complain = |what: &'static str, which: Vec<u64>| {
            world.add(what, which.len());
            let some: Vec<u64> = which.iter().copied().take(NAMED).collect();
            let count = which.len();
            world.fail(format!("{name}, {topic}: {count} {what}: {some:?}"));
        };
        let missing: Vec<u64> = (1..=progress.sent).filter(|n| !seen.contains(n)).collect();
        if !missing.is_empty() {
            complain("messages missing", missing);
        }
        let pairs = firsts.iter().zip(firsts.iter().skip(1));
        let disordered = pairs.filter(|(before, after)| before > after);
        let disordered: Vec<u64> = disordered.map(|(_, after)| *after).collect();
        if !disordered.is_empty() {
            complain("messages out of order", disordered);
        }
        let doubled = numbers.len() - seen.len();
        if has_qos_2 && topic.contains("/q2/") && doubled > 0 {
            let mut once = BTreeSet::new();
            let twice = numbers.iter().copied().filter(|n| !once.insert(*n));
            complain("messages of QoS 2 doubled", twice.collect());
        }
        if doubled > 0 {
            world.count("topics with repeated QoS 1 deliveries");
        }
    }
}

/// The messages to `storm/` that no member of the group has got.
pub(crate) fn missing_in_group(world: &World, members: &[String]) -> Vec<(String, u64)> {
    let all: Vec<Arrivals> = members.iter().map(|name| world.arrivals(name)).collect();
    let mut missing = Vec::new();
    for (topic, progress) in world.progress() {
        if !topic.starts_with("storm/") {
            continue;
        }
        let got: BTreeSet<u64> = all
            .iter()
            .filter_map(|one| one.get(&topic))
            .flatten()
            .copied()
            .collect();
        let lacks = (1..=progress.sent).filter(|number| !got.contains(number));
        missing.extend(lacks.map(|number| (topic.clone(), number)));
    }
    missing
}
