//! The few topics and filters of the simulated worlds, and which of them match: by a matcher of a
//! dozen lines that shares nothing with the broker's.

use std::sync::OnceLock;

/// Number of a topic in [`TOPICS`].
pub(crate) type Topic = u8;

/// Number of a filter in [`FILTERS`].
pub(crate) type Filter = u8;

/// Wills are published here, one topic for each client.
pub(crate) const WILL_TOPIC: usize = 10;

/// Nobody may publish here.
pub(crate) const FORBIDDEN: Topic = 9;

/// Most clients of a world.
pub(crate) const CLIENTS_MAX: usize = 10;

/// All topics.
pub(crate) const TOPICS: [&str; WILL_TOPIC + CLIENTS_MAX] = [
    "a", "a/b", "a/c", "a/b/c", "b/x", "b/x/y", "//", "$own/a", "s/1", "$SYS/not", //
    "will/0", "will/1", "will/2", "will/3", "will/4", "will/5", "will/6", "will/7", "will/8",
    "will/9",
];

/// Topics that clients publish to by themselves.
pub(crate) const OPEN_TOPICS: usize = 9;

/// All filters; shared ones at the end.
pub(crate) const FILTERS: [&str; 18] = [
    "#",
    "a/#",
    "a/b",
    "+",
    "a/+",
    "+/x/#",
    "+/+",
    "b/x",
    "b/x/y",
    "$own/#",
    "$own/+",
    "/+/",
    "a/b/c/#",
    "will/#", //
    "$share/g/s/+",
    "$share/g/a/#",
    "$share/h/a/b",
    "$share/g/#",
];

/// Where the shared filters begin.
pub(crate) const FIRST_SHARED: usize = 14;

/// The filter that sees all wills.
pub(crate) const ALL_WILLS: Filter = 13;

/// Whether nobody may publish to a topic.
pub(crate) fn is_forbidden(topic: Topic) -> bool {
    topic == FORBIDDEN
}

/// Whether a filter is shared.
pub(crate) fn is_shared(filter: Filter) -> bool {
    usize::from(filter) >= FIRST_SHARED
}

/// Whether a filter, shared or not, takes a topic.
pub(crate) fn matches(filter: Filter, topic: Topic) -> bool {
    static TABLE: OnceLock<[[bool; TOPICS.len()]; FILTERS.len()]> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        FILTERS.map(|filter| {
            let filter = filter
                .strip_prefix("$share/")
                .map_or(filter, |rest| rest.split_once('/').expect("a share name").1);
            TOPICS.map(|topic| takes(filter, topic))
        })
    });
    table[usize::from(filter)][usize::from(topic)]
}

/// The number of a topic by its name.
pub(crate) fn number_of(topic: &str) -> Option<Topic> {
    let place = TOPICS.iter().position(|known| *known == topic)?;
    Topic::try_from(place).ok()
}

/// MQTT 5, 4.7.
fn takes(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['#', '+']) {
        return false;
    }
    let (mut filter, mut topic) = (filter.split('/'), topic.split('/'));
    loop {
        match (filter.next(), topic.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_the_standard_says() {
        for (filter, topic, expected) in [
            ("#", "a", true),
            ("#", "$own/a", false),
            ("a/#", "a", true),
            ("+", "a/b", false),
            ("+/+", "a/b", true),
            ("/+/", "//", true),
            ("a/b/c/#", "a/b/c", true),
            ("a/b/c/#", "a/b", false),
            ("$own/+", "$own/a", true),
            ("$share/g/a/#", "a/b/c", true),
            ("$share/g/#", "will/0", true),
            ("will/#", "will/9", true),
        ] {
            let filter_at = FILTERS.iter().position(|known| *known == filter).unwrap();
            let filter_at = Filter::try_from(filter_at).unwrap();
            let found = matches(filter_at, number_of(topic).unwrap());
            assert_eq!(found, expected, "{filter} {topic}");
        }
        assert!(
            FILTERS[FIRST_SHARED..]
                .iter()
                .all(|f| f.starts_with("$share/"))
        );
        assert_eq!(FILTERS[usize::from(ALL_WILLS)], "will/#");
    }
}
