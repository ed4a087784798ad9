//! The subscriptions of one shard, and who of them takes a topic.

use std::collections::HashMap;
use std::sync::Arc;

use mqtt_codec::{QoS, SubscriptionOptions, TopicName};

use super::filter_map::FilterMap;
use crate::engine::commons::interest::Wanted;

/// Who subscribed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subscriber {
    /// A session of this shard, by its index.
    Session(u32),
    /// A shared subscription that this shard looks after, by its number.
    Group(u32),
}

/// One subscription as the index keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Who.
    pub subscriber: Subscriber,
    /// Granted options.
    pub options: SubscriptionOptions,
    /// Subscription identifier, 0 if none.
    pub identifier: u32,
}

/// All subscriptions of a shard.
#[derive(Debug)]
pub struct LocalIndex {
    filters: FilterMap<Subscribers>,
    generation: u64,
}

/// The subscribers of one filter: mostly one, sometimes a hundred thousand.
#[derive(Debug)]
enum Subscribers {
    Few(Vec<Subscription>),
    #[expect(
        clippy::box_collection,
        reason = "keeps the subscribers of all other filters small"
    )]
    Many(Box<HashMap<Subscriber, Subscription>>),
    One(Subscription),
}

/// From so many on they are found by hash.
const MANY: usize = 32;

impl Default for Subscribers {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

/// What a topic name matches, ready to be delivered to. Kept in the cache.
#[derive(Debug, Default)]
pub struct Match {
    /// Sessions of this shard.
    pub targets: Vec<Target>,
    /// Shared subscriptions that this shard looks after.
    pub groups: Vec<u32>,
    /// Other shards that want the topic.
    pub remote: Wanted,
}

/// A session that gets a copy, and how.
#[derive(Clone, Debug)]
pub struct Target {
    /// Index of the session.
    pub session: u32,
    /// The terms of its subscriptions, merged if it is to get one copy.
    pub terms: Terms,
    /// What if it published the message itself.
    pub own: Own,
}

/// How a message goes to a subscriber.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Highest granted QoS.
    pub qos: QoS,
    /// RETAIN is kept as published.
    pub retain_as_published: bool,
    /// Identifiers and group, where there are any.
    pub extra: Option<Arc<Extra>>,
}

/// What few deliveries have.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// Subscription identifiers of all matching subscriptions.
    pub identifiers: Vec<u32>,
    /// The shared subscription that the message came through, so that another member can have it.
    pub group: Option<Arc<str>>,
}

/// How a session takes what it published itself (No Local, MQTT 5, 3.8.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Own {
    /// As anybody's.
    Same,
    /// Not at all.
    Excluded,
    /// By those of its subscriptions that are not No Local.
    Other(Box<Terms>),
}

/// What happened in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The subscriber had a subscription with this filter before.
    pub existed: bool,
    /// The filter came to have, or ceased to have, any subscriber on this shard.
    pub edge: bool,
}

impl LocalIndex {
    /// An index without subscriptions.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            filters: FilterMap::new(seed),
            generation: 0,
        }
    }

    /// Changes whenever a subscription does.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Makes or replaces a subscription; both are one step, so no message is lost or doubled.
    pub fn subscribe(&mut self, filter: &Arc<str>, subscription: Subscription) -> Change {
        self.generation += 1;
        let (subscribers, edge) = self.filters.entry(filter);
        Change {
            existed: subscribers.put(subscription),
            edge,
        }
    }

    /// Removes a subscription.
    pub fn unsubscribe(&mut self, filter: &str, subscriber: Subscriber) -> Change {
        let Some(subscribers) = self.filters.get_mut(filter) else {
            return Change {
                existed: false,
                edge: false,
            };
        };
        let existed = subscribers.remove(subscriber);
        let edge = subscribers.is_empty();
        if edge {
            self.filters.remove(filter);
        }
        self.generation += u64::from(existed);
        Change { existed, edge }
    }

    /// Everybody here who wants a topic. With `copies`, a session gets one for each of its matching
    /// subscriptions, else one in all with the highest QoS and all identifiers (MQTT 5, 3.3.4).
    #[must_use]
    pub fn lookup(&self, topic: TopicName<'_>, copies: bool) -> Match {
        let mut result = Match::default();
        let mut found: Vec<(u32, Subscription)> = Vec::new();
        self.filters.matches(topic, |subscribers| {
            subscribers.each(|subscription| match subscription.subscriber {
                Subscriber::Session(session) => found.push((session, *subscription)),
                Subscriber::Group(group) => result.groups.push(group),
            });
        });
        if copies {
            result.targets = found
                .iter()
                .map(|(session, one)| target(*session, &[*one]))
                .collect();
            return result;
        }
        found.sort_by_key(|(session, _)| *session);
        result.targets = found
            .chunk_by(|a, b| a.0 == b.0)
            .filter_map(|same| {
                let subscriptions: Vec<Subscription> = same.iter().map(|(_, one)| *one).collect();
                same.first()
                    .map(|(session, _)| target(*session, &subscriptions))
            })
            .collect();
        result
    }
}

/// One copy for all these subscriptions of one session.
fn target(session: u32, subscriptions: &[Subscription]) -> Target {
    let terms = merge(subscriptions.iter());
    let mut others = subscriptions
        .iter()
        .filter(|one| !one.options.no_local)
        .peekable();
    let own = if subscriptions.iter().all(|one| !one.options.no_local) {
        Own::Same
    } else if others.peek().is_none() {
        Own::Excluded
    } else {
        Own::Other(Box::new(merge(others)))
    };
    Target {
        session,
        terms,
        own,
    }
}

fn merge<'a>(subscriptions: impl Iterator<Item = &'a Subscription>) -> Terms {
    let mut terms = Terms::default();
    let mut identifiers = Vec::new();
    for one in subscriptions {
        terms.qos = terms.qos.max(one.options.qos);
        terms.retain_as_published |= one.options.retain_as_published;
        if one.identifier != 0 {
            identifiers.push(one.identifier);
        }
    }
    if !identifiers.is_empty() {
        terms.extra = Some(Arc::new(Extra {
            identifiers,
            group: None,
        }));
    }
    terms
}

impl Subscribers {
    fn is_empty(&self) -> bool {
        match self {
            Self::One(_) => false,
            Self::Few(few) => few.is_empty(),
            Self::Many(many) => many.is_empty(),
        }
    }

    /// Puts a subscription in; whether it replaced one.
    fn put(&mut self, subscription: Subscription) -> bool {
        match self {
            Self::Few(few) if few.is_empty() => {
                *self = Self::One(subscription);
                false
            }
            Self::One(one) if one.subscriber == subscription.subscriber => {
                *one = subscription;
                true
            }
            Self::One(one) => {
                *self = Self::Few(vec![*one, subscription]);
                false
            }
            Self::Few(few) => {
                let same = few
                    .iter_mut()
                    .find(|one| one.subscriber == subscription.subscriber);
                if let Some(same) = same {
                    *same = subscription;
                    return true;
                }
                few.push(subscription);
                if few.len() > MANY {
                    let many = few.iter().map(|one| (one.subscriber, *one)).collect();
                    *self = Self::Many(Box::new(many));
                }
                false
            }
            Self::Many(many) => many.insert(subscription.subscriber, subscription).is_some(),
        }
    }

    fn remove(&mut self, subscriber: Subscriber) -> bool {
        match self {
            Self::One(one) => {
                let same = one.subscriber == subscriber;
                if same {
                    *self = Self::default();
                }
                same
            }
            Self::Few(few) => match few.iter().position(|one| one.subscriber == subscriber) {
                Some(place) => {
                    few.swap_remove(place);
                    true
                }
                None => false,
            },
            Self::Many(many) => many.remove(&subscriber).is_some(),
        }
    }

    fn each(&self, mut see: impl FnMut(&Subscription)) {
        match self {
            Self::One(one) => see(one),
            Self::Few(few) => few.iter().for_each(see),
            Self::Many(many) => many.values().for_each(&mut see),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(session: u32, qos: QoS, no_local: bool, identifier: u32) -> Subscription {
        let options = SubscriptionOptions {
            qos,
            no_local,
            ..SubscriptionOptions::default()
        };
        Subscription {
            subscriber: Subscriber::Session(session),
            options,
            identifier,
        }
    }

    fn topic(text: &str) -> TopicName<'_> {
        TopicName::parse(text).unwrap()
    }

    #[test]
    fn overlapping_subscriptions_give_one_copy_with_the_highest_qos_and_all_identifiers() {
        let mut index = LocalIndex::new(1);
        index.subscribe(&"a/#".into(), subscription(1, QoS::AtMostOnce, false, 10));
        index.subscribe(&"a/b".into(), subscription(1, QoS::ExactlyOnce, false, 20));
        index.subscribe(&"a/+".into(), subscription(2, QoS::AtLeastOnce, false, 0));
        let found = index.lookup(topic("a/b"), false);
        assert_eq!(found.targets.len(), 2);
        let first = &found.targets[0];
        assert_eq!((first.session, first.terms.qos), (1, QoS::ExactlyOnce));
        let mut identifiers = first.terms.extra.as_ref().unwrap().identifiers.clone();
        identifiers.sort_unstable();
        assert_eq!(identifiers, [10, 20]);
        assert_eq!(index.lookup(topic("a/b"), true).targets.len(), 3);
    }

    #[test]
    fn no_local_leaves_out_only_its_own_subscription() {
        let mut index = LocalIndex::new(1);
        index.subscribe(&"a".into(), subscription(1, QoS::ExactlyOnce, true, 0));
        assert_eq!(
            index.lookup(topic("a"), false).targets[0].own,
            Own::Excluded
        );
        index.subscribe(&"#".into(), subscription(1, QoS::AtMostOnce, false, 0));
        let found = index.lookup(topic("a"), false);
        assert_eq!(found.targets[0].own, Own::Other(Box::default()));
        assert_eq!(found.targets[0].terms.qos, QoS::ExactlyOnce);
    }

    #[test]
    fn edges_tell_when_a_filter_gets_its_first_and_loses_its_last_subscriber() {
        let mut index = LocalIndex::new(1);
        let filter: Arc<str> = "a".into();
        for session in 0..100 {
            let change = index.subscribe(&filter, subscription(session, QoS::AtMostOnce, false, 0));
            assert_eq!(
                change,
                Change {
                    existed: false,
                    edge: session == 0
                }
            );
        }
        let change = index.subscribe(&filter, subscription(7, QoS::AtLeastOnce, false, 0));
        assert_eq!(
            change,
            Change {
                existed: true,
                edge: false
            }
        );
        assert_eq!(index.lookup(topic("a"), false).targets.len(), 100);
        for session in 0..100 {
            let change = index.unsubscribe("a", Subscriber::Session(session));
            assert_eq!(
                change,
                Change {
                    existed: true,
                    edge: session == 99
                }
            );
        }
        let change = index.unsubscribe("a", Subscriber::Session(1));
        assert_eq!(
            change,
            Change {
                existed: false,
                edge: false
            }
        );
    }
}
