//! Shared subscriptions (MQTT 5, 4.8.2): who of a group gets the next message. A group is looked
//! after by one shard, chosen by hash, so that its members take turns without a lock.

use std::collections::HashMap;
use std::sync::Arc;

use ahash::RandomState;

use super::filter_map::hasher;
use super::local::{Extra, Terms};
use crate::engine::ids::SessionAddress;
use crate::engine::letter::GroupSubscription;
use crate::engine::slab::{Place, Slab};

/// The groups that one shard looks after.
#[derive(Debug)]
pub struct Groups {
    by_key: HashMap<Arc<str>, Place, RandomState>,
    groups: Slab<Group>,
}

#[derive(Debug)]
struct Group {
    key: Arc<str>,
    members: Vec<Member>,
    /// Whose turn it is.
    next: usize,
}

/// One session of a group.
#[derive(Clone, Debug)]
pub struct Member {
    /// Where it lives.
    pub address: SessionAddress,
    /// Its terms, as the letter says them.
    pub subscription: GroupSubscription,
    /// Its terms, as a delivery takes them.
    pub terms: Terms,
    /// Whether its client is connected.
    pub online: bool,
    /// Whether its session is durable.
    pub durable: bool,
}

/// How well a member can take a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Readiness {
    /// Connected, and its window has room.
    Ready,
    /// Connected, but the message would wait.
    Busy,
    /// Not connected.
    Offline,
}

/// The terms of a member of `group`.
#[must_use]
pub fn terms_of(group: &Arc<str>, subscription: GroupSubscription) -> Terms {
    let identifiers = Some(subscription.identifier)
        .filter(|id| *id != 0)
        .into_iter()
        .collect();
    Terms {
        qos: subscription.options.qos,
        retain_as_published: subscription.options.retain_as_published,
        extra: Some(Arc::new(Extra {
            identifiers,
            group: Some(Arc::clone(group)),
        })),
    }
}

impl Groups {
    /// No groups.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            by_key: HashMap::with_hasher(hasher(seed)),
            groups: Slab::default(),
        }
    }

    /// A session joins, or changes its terms. Returns the group's number if it is new.
    pub fn join(&mut self, key: &Arc<str>, member: Member) -> Option<u32> {
        let known = self
            .by_key
            .get(key)
            .copied()
            .and_then(|place| self.groups.get_mut(place));
        if let Some(group) = known {
            match group
                .members
                .iter_mut()
                .find(|known| known.address == member.address)
            {
                Some(same) => *same = member,
                None => group.members.push(member),
            }
            return None;
        }
        let group = Group {
            key: Arc::clone(key),
            members: vec![member],
            next: 0,
        };
        let place = self.groups.insert(group);
        self.by_key.insert(Arc::clone(key), place);
        Some(place.0)
    }

    /// A session leaves. Returns the group's number if it was the last one: the group is gone.
    pub fn leave(&mut self, key: &str, address: SessionAddress) -> Option<u32> {
        let place = *self.by_key.get(key)?;
        let group = self.groups.get_mut(place)?;
        group.members.retain(|member| member.address != address);
        if !group.members.is_empty() {
            return None;
        }
        self.by_key.remove(key);
        self.groups.remove(place);
        Some(place.0)
    }

    /// Something about a member is not as it was.
    pub fn change(&mut self, key: &str, address: SessionAddress, change: impl Fn(&mut Member)) {
        let group = self
            .by_key
            .get(key)
            .copied()
            .and_then(|place| self.groups.get_mut(place));
        let members = group.into_iter().flat_map(|group| &mut group.members);
        for member in members.filter(|member| member.address == address) {
            change(member);
        }
    }

    /// Whether any member's session is durable.
    #[must_use]
    pub fn is_durable(&self, number: u32) -> bool {
        let group = self.groups.at(number);
        group.is_some_and(|(_, group)| group.members.iter().any(|member| member.durable))
    }

    /// The number of a group.
    #[must_use]
    pub fn number(&self, key: &str) -> Option<u32> {
        self.by_key.get(key).map(|place| place.0)
    }

    /// The next member in turn among those who can take a message best; those in `tried` had it
    /// offered and could not take it.
    pub fn choose(
        &mut self,
        group: u32,
        tried: &[SessionAddress],
        mut readiness: impl FnMut(&Member) -> Readiness,
    ) -> Option<(Arc<str>, Member)> {
        let group = self.groups.at_mut(group)?;
        let count = group.members.len();
        let mut best: Option<(Readiness, usize)> = None;
        for turn in 0..count {
            let place = (group.next + turn) % count;
            let Some(member) = group.members.get(place) else {
                continue;
            };
            if tried.contains(&member.address) {
                continue;
            }
            let ready = readiness(member);
            if best.is_none_or(|(before, _)| ready < before) {
                best = Some((ready, place));
            }
            if ready == Readiness::Ready {
                break;
            }
        }
        let (_, place) = best?;
        group.next = (place + 1) % count;
        group
            .members
            .get(place)
            .map(|member| (Arc::clone(&group.key), member.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ids::{SessionId, ShardId};

    fn member(index: u32) -> SessionAddress {
        SessionAddress {
            shard: ShardId(0),
            session: SessionId {
                index,
                generation: 0,
            },
        }
    }

    /// Joins, connected.
    fn join(groups: &mut Groups, key: &Arc<str>, index: u32) -> Option<u32> {
        let subscription = GroupSubscription {
            options: Default::default(),
            identifier: 0,
        };
        let joining = Member {
            address: member(index),
            subscription,
            terms: terms_of(key, subscription),
            online: true,
            durable: false,
        };
        groups.join(key, joining)
    }

    fn chosen(groups: &mut Groups, group: u32) -> u32 {
        let readiness = |m: &Member| {
            if m.online {
                Readiness::Ready
            } else {
                Readiness::Offline
            }
        };
        groups
            .choose(group, &[], readiness)
            .unwrap()
            .1
            .address
            .session
            .index
    }

    #[test]
    fn members_take_turns_and_those_who_are_away_get_nothing_while_others_are_there() {
        let mut groups = Groups::new(1);
        let key: Arc<str> = "g/a".into();
        let group = join(&mut groups, &key, 0).unwrap();
        for index in 1..3 {
            assert_eq!(join(&mut groups, &key, index), None);
        }
        let turns: Vec<u32> = (0..6).map(|_| chosen(&mut groups, group)).collect();
        assert_eq!(turns, [0, 1, 2, 0, 1, 2]);
        groups.change("g/a", member(1), |member| member.online = false);
        let turns: Vec<u32> = (0..4).map(|_| chosen(&mut groups, group)).collect();
        assert_eq!(turns, [0, 2, 0, 2]);
        for index in [0, 2] {
            groups.change("g/a", member(index), |member| member.online = false);
        }
        assert!(groups.choose(group, &[], |_| Readiness::Offline).is_some());
    }

    #[test]
    fn a_group_ends_with_its_last_member_and_joining_twice_counts_once() {
        let mut groups = Groups::new(1);
        let key: Arc<str> = "g/a".into();
        let group = join(&mut groups, &key, 0);
        assert_eq!(join(&mut groups, &key, 0), None);
        assert_eq!(groups.leave("g/a", member(0)), group);
        assert_eq!(groups.number("g/a"), None);
    }
}
