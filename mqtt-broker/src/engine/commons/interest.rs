//! Which shards want which topics. A shard enters a filter when its first subscriber comes, before
//! SUBACK leaves, so that whoever publishes after a SUBACK finds the subscription on any shard.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use mqtt_codec::TopicName;

use crate::engine::ids::{ShardId, ShardSet};
use crate::engine::routing::filter_map::FilterMap;

/// The index of all shards.
#[derive(Debug)]
pub struct Interest {
    filters: RwLock<FilterMap<Interested>>,
    /// Bumped inside the write lock, so a publisher that sees an old value publishes before.
    generation: AtomicU64,
}

/// Who wants what a filter matches.
#[derive(Debug, Default)]
struct Interested {
    /// Shards with subscribers.
    shards: ShardSet,
    /// Shards that look after a shared subscription of this filter, with how many members entered.
    groups: Vec<(ShardId, u32)>,
}

impl Interest {
    /// Nobody wants anything.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            filters: RwLock::new(FilterMap::new(seed)),
            generation: AtomicU64::new(0),
        }
    }

    /// Changes whenever any shard's interest does.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// The shards that want a topic, and the generation of the answer.
    #[must_use]
    pub fn shards_for(&self, topic: TopicName<'_>) -> (ShardSet, u64) {
        let filters = self.filters.read().unwrap_or_else(PoisonError::into_inner);
        let mut shards = ShardSet::default();
        filters.matches(topic, |interested| {
            shards = shards.union(interested.shards);
            for (shard, _) in &interested.groups {
                shards.insert(*shard);
            }
        });
        (shards, self.generation())
    }

    /// A shard has its first subscriber of this filter.
    pub fn enter(&self, filter: &Arc<str>, shard: ShardId) {
        self.change(|filters| filters.entry(filter).0.shards.insert(shard));
    }

    /// A shard has no subscriber of this filter any more.
    pub fn leave(&self, filter: &str, shard: ShardId) {
        self.change(|filters| {
            let Some(interested) = filters.get_mut(filter) else {
                return;
            };
            interested.shards = interested.shards.without(shard);
            forget_if_nobody(filters, filter);
        });
    }

    /// A session joins a group of this filter which `home` looks after.
    pub fn enter_group(&self, filter: &Arc<str>, home: ShardId) {
        self.change(|filters| {
            let groups = &mut filters.entry(filter).0.groups;
            match groups.iter_mut().find(|(shard, _)| *shard == home) {
                Some((_, members)) => *members += 1,
                None => groups.push((home, 1)),
            }
        });
    }

    /// A session leaves it.
    pub fn leave_group(&self, filter: &str, home: ShardId) {
        self.change(|filters| {
            let Some(interested) = filters.get_mut(filter) else {
                return;
            };
            for (shard, members) in &mut interested.groups {
                if *shard == home {
                    *members = members.saturating_sub(1);
                }
            }
            interested.groups.retain(|(_, members)| *members > 0);
            forget_if_nobody(filters, filter);
        });
    }

    fn change(&self, change: impl FnOnce(&mut FilterMap<Interested>)) {
        let mut filters = self.filters.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut filters);
        self.generation.fetch_add(1, Ordering::SeqCst);
    }
}

fn forget_if_nobody(filters: &mut FilterMap<Interested>, filter: &str) {
    let nobody = filters
        .get_mut(filter)
        .is_some_and(|i| i.shards.is_empty() && i.groups.is_empty());
    if nobody {
        filters.remove(filter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_forgotten_when_its_last_shard_and_its_last_group_member_leave() {
        let interest = Interest::new(1);
        let filter: Arc<str> = "a/+".into();
        let shards = || {
            interest
                .shards_for(TopicName::parse("a/b").unwrap())
                .0
                .iter()
                .collect::<Vec<_>>()
        };
        interest.enter(&filter, ShardId(1));
        interest.enter_group(&filter, ShardId(2));
        interest.enter_group(&filter, ShardId(2));
        assert_eq!(shards(), [ShardId(1), ShardId(2)]);
        interest.leave(&filter, ShardId(1));
        interest.leave_group(&filter, ShardId(2));
        assert_eq!(shards(), [ShardId(2)]);
        let before = interest.generation();
        interest.leave_group(&filter, ShardId(2));
        assert_eq!(shards(), []);
        assert!(interest.generation() > before);
        assert!(interest.filters.read().unwrap().is_empty());
    }
}
