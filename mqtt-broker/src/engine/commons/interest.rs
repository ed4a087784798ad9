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
    /// Of these, the shards that have durable sessions among them.
    durable: ShardSet,
    /// Shards that look after a shared subscription of this filter, and its members.
    groups: Vec<Members>,
}

/// How many members entered a group.
#[derive(Debug)]
struct Members {
    home: ShardId,
    all: u32,
    durable: u32,
}

/// The shards that want a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// All of them.
    pub by: ShardSet,
    /// Those that have, or look after, durable sessions that want it.
    pub durable: ShardSet,
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
    pub fn shards_for(&self, topic: TopicName<'_>) -> (Wanted, u64) {
        let filters = self.filters.read().unwrap_or_else(PoisonError::into_inner);
        let mut wanted = Wanted::default();
        filters.matches(topic, |interested| {
            wanted.by = wanted.by.union(interested.shards);
            wanted.durable = wanted.durable.union(interested.durable);
            for members in &interested.groups {
                wanted.by.insert(members.home);
                if members.durable > 0 {
                    wanted.durable.insert(members.home);
                }
            }
        });
        (wanted, self.generation())
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
            interested.durable = interested.durable.without(shard);
            forget_if_nobody(filters, filter);
        });
    }

    /// A shard has, or has no longer, a durable session among its subscribers of this filter, which
    /// it has entered.
    pub fn set_durable(&self, filter: &str, shard: ShardId, durable: bool) {
        self.change(|filters| {
            if let Some(interested) = filters.get_mut(filter) {
                interested.durable = interested.durable.without(shard);
                if durable {
                    interested.durable.insert(shard);
                }
            }
        });
    }

    /// A session joins a group of this filter which `home` looks after.
    pub fn enter_group(&self, filter: &Arc<str>, home: ShardId, durable: bool) {
        self.change(|filters| {
            let groups = &mut filters.entry(filter).0.groups;
            let known = groups.iter_mut().find(|members| members.home == home);
            if let Some(members) = known {
                members.all += 1;
                members.durable += u32::from(durable);
            } else {
                groups.push(Members {
                    home,
                    all: 1,
                    durable: u32::from(durable),
                });
            }
        });
    }

    /// A session leaves it.
    pub fn leave_group(&self, filter: &str, home: ShardId, durable: bool) {
        self.change(|filters| {
            let Some(interested) = filters.get_mut(filter) else {
                return;
            };
            for members in &mut interested.groups {
                if members.home == home {
                    members.all = members.all.saturating_sub(1);
                    members.durable = members.durable.saturating_sub(u32::from(durable));
                }
            }
            interested.groups.retain(|members| members.all > 0);
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
        let wanted = || interest.shards_for(TopicName::parse("a/b").unwrap()).0;
        let shards = || wanted().by.iter().collect::<Vec<_>>();
        let durable = || wanted().durable.iter().collect::<Vec<_>>();
        interest.enter(&filter, ShardId(1));
        interest.enter_group(&filter, ShardId(2), true);
        interest.enter_group(&filter, ShardId(2), false);
        assert_eq!(shards(), [ShardId(1), ShardId(2)]);
        assert_eq!(durable(), [ShardId(2)]);
        interest.set_durable(&filter, ShardId(1), true);
        interest.leave_group(&filter, ShardId(2), true);
        assert_eq!(durable(), [ShardId(1)]);
        interest.leave(&filter, ShardId(1));
        assert_eq!((shards(), durable()), (vec![ShardId(2)], Vec::new()));
        let before = interest.generation();
        interest.leave_group(&filter, ShardId(2), false);
        assert_eq!(shards(), []);
        assert!(interest.generation() > before);
        assert!(interest.filters.read().unwrap().is_empty());
    }
}
