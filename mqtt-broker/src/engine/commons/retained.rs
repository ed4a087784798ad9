//! The retained messages of the broker (MQTT 5, 3.3.1.3): one for each topic name, the last that was
//! accepted. Readers get pages, never the map, so that a filter over a million topics costs nobody
//! else's time.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use ahash::RandomState;
use mqtt_codec::{TopicFilter, TopicName};
use mqtt_session::time::UnixTime;

use crate::engine::envelope::Message;
use crate::engine::routing::filter_map::hasher;

/// Parts of the store, each under a lock of its own.
const STRIPES: usize = 16;
/// Topics looked at for one page.
const SCANNED_MAX: usize = 4096;

type Stripe = BTreeMap<Box<str>, Message>;

/// All retained messages.
#[derive(Debug)]
pub struct RetainedStore {
    /// Ordered maps: a page goes on where the last one ended, whatever changed in between.
    stripes: Vec<RwLock<Stripe>>,
    hasher: RandomState,
    /// Sequentially consistent, as is the interest's generation: a subscriber who sees 0 here reads no
    /// stripe, and then the publisher sees the subscription.
    count: AtomicU64,
    /// The version given last.
    versions: AtomicU64,
}

/// Where the next page begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    stripe: usize,
    after: Option<Box<str>>,
}

impl RetainedStore {
    /// An empty store.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            stripes: std::iter::repeat_with(RwLock::default)
                .take(STRIPES)
                .collect(),
            hasher: hasher(seed),
            count: AtomicU64::new(0),
            versions: AtomicU64::new(0),
        }
    }

    /// Messages in it.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// Keeps a message as the retained one of its topic, or removes that if the payload is empty
    /// [MQTT-3.3.1-6]. Returns the version, which rises with every change of a topic.
    pub fn set(&self, message: &Message) -> u64 {
        let view = message.view();
        let topic = view.topic.as_str();
        let Some(stripe) = self.stripe(topic) else {
            return 0;
        };
        let mut stripe = stripe.write().unwrap_or_else(PoisonError::into_inner);
        // Under the lock: the versions of one topic rise in the order of its changes.
        let version = self.versions.fetch_add(1, Ordering::Relaxed) + 1;
        if view.payload.is_empty() {
            if stripe.remove(topic).is_some() {
                self.count.fetch_sub(1, Ordering::SeqCst);
            }
        } else if let Some(old) = stripe.get_mut(topic) {
            *old = message.clone();
        } else {
            stripe.insert(topic.into(), message.clone());
            self.count.fetch_add(1, Ordering::SeqCst);
        }
        version
    }

    /// Versions up to this one were given before a restart.
    pub fn go_on_after(&self, version: u64) {
        self.versions.fetch_max(version, Ordering::Relaxed);
    }

    /// The retained message of one topic.
    #[must_use]
    pub fn get(&self, topic: TopicName<'_>) -> Option<Message> {
        let stripe = self
            .stripe(topic.as_str())?
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        stripe.get(topic.as_str()).cloned()
    }

    /// Adds up to `most` messages whose topics match to `page`, from `cursor` on, and returns where
    /// to go on; `None` when all was seen.
    pub fn page(
        &self,
        filter: TopicFilter<'_>,
        cursor: Cursor,
        most: usize,
        page: &mut Vec<Message>,
    ) -> Option<Cursor> {
        if !filter.has_wildcard() {
            page.extend(self.get(TopicName::trusted(filter.as_str())));
            return None;
        }
        let prefix = literal_prefix(filter.as_str());
        let mut scanned = 0;
        let Cursor {
            mut stripe,
            mut after,
        } = cursor;
        while let Some(lock) = self.stripes.get(stripe) {
            let topics = lock.read().unwrap_or_else(PoisonError::into_inner);
            let from = match &after {
                Some(after) => Bound::Excluded(&**after),
                None => Bound::Included(prefix),
            };
            for (topic, message) in topics.range::<str, _>((from, Bound::Unbounded)) {
                if !topic.starts_with(prefix) {
                    break;
                }
                scanned += 1;
                if filter.matches(TopicName::trusted(topic)) {
                    page.push(message.clone());
                }
                if page.len() >= most || scanned >= SCANNED_MAX {
                    return Some(Cursor {
                        stripe,
                        after: Some(topic.clone()),
                    });
                }
            }
            stripe += 1;
            after = None;
        }
        None
    }

    /// Removes what has expired, a stripe at a time.
    pub fn remove_expired(&self, now: UnixTime) {
        for stripe in &self.stripes {
            let mut stripe = stripe.write().unwrap_or_else(PoisonError::into_inner);
            let before = stripe.len();
            stripe.retain(|_, message| !message.view().is_expired(now));
            self.count
                .fetch_sub((before - stripe.len()) as u64, Ordering::SeqCst);
        }
    }

    /// Removes one message if it has expired and was not replaced.
    pub fn remove_if_expired(&self, topic: TopicName<'_>, now: UnixTime) {
        let Some(stripe) = self.stripe(topic.as_str()) else {
            return;
        };
        let mut stripe = stripe.write().unwrap_or_else(PoisonError::into_inner);
        if stripe
            .get(topic.as_str())
            .is_some_and(|message| message.view().is_expired(now))
        {
            stripe.remove(topic.as_str());
            self.count.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a remainder of STRIPES fits"
    )]
    fn stripe(&self, topic: &str) -> Option<&RwLock<Stripe>> {
        self.stripes
            .get((self.hasher.hash_one(topic) % STRIPES as u64) as usize)
    }
}

/// What every topic begins with that the filter can match: `a/b/#` matches `a/b` too, so without
/// the last `/`.
fn literal_prefix(filter: &str) -> &str {
    let wild = filter.find(['+', '#']).unwrap_or(filter.len());
    let prefix = filter.get(..wild).unwrap_or("");
    prefix.strip_suffix('/').unwrap_or(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::envelope::{MessageHead, tests::message};

    fn topics(store: &RetainedStore, filter: &str, most: usize) -> Vec<String> {
        let filter = TopicFilter::parse(filter).unwrap();
        let mut found = Vec::new();
        let mut cursor = Some(Cursor::default());
        while let Some(from) = cursor {
            let mut page = Vec::new();
            cursor = store.page(filter, from, most, &mut page);
            assert!(page.len() <= most);
            found.extend(page.iter().map(|m| m.view().topic.as_str().to_owned()));
        }
        found.sort();
        found
    }

    #[test]
    fn pages_of_any_size_hold_every_matching_topic_once() {
        let store = RetainedStore::new(7);
        for n in 0..200 {
            store.set(&message(
                MessageHead::default(),
                &format!("a/{n:03}/x"),
                b"1",
            ));
        }
        for topic in ["a", "ab", "/a", "$SYS/a", "b/x"] {
            store.set(&message(MessageHead::default(), topic, b"1"));
        }
        assert_eq!(store.count(), 205);
        for most in [1, 7, 1000] {
            assert_eq!(topics(&store, "a/+/x", most).len(), 200);
            assert_eq!(topics(&store, "a/#", most).len(), 201);
            assert_eq!(topics(&store, "#", most).len(), 204);
            assert_eq!(topics(&store, "$SYS/#", most), ["$SYS/a"]);
            assert_eq!(topics(&store, "ab", most), ["ab"]);
        }
    }

    #[test]
    fn an_empty_payload_removes_and_expired_ones_are_swept() {
        let store = RetainedStore::new(7);
        let expires = Some(UnixTime::from_millis(5_000));
        store.set(&message(
            MessageHead {
                expires,
                ..MessageHead::default()
            },
            "a",
            b"1",
        ));
        store.set(&message(MessageHead::default(), "b", b"1"));
        store.set(&message(MessageHead::default(), "b", b""));
        store.set(&message(MessageHead::default(), "c", b""));
        assert_eq!(store.count(), 1);
        store.remove_expired(UnixTime::from_millis(4_999));
        assert_eq!(store.count(), 1);
        store.remove_if_expired(TopicName::parse("a").unwrap(), UnixTime::from_millis(5_000));
        assert_eq!(store.count(), 0);
    }
}
