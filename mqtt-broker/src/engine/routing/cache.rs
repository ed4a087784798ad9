//! What topics matched last time. An answer is good while nobody subscribed or unsubscribed; a stale
//! one is looked up anew by itself, never all at once. Where topics hardly repeat it steps aside.

use std::collections::HashMap;
use std::rc::Rc;

use ahash::RandomState;

use super::filter_map::hasher;
use super::local::{Match, Target};

/// Topics kept in each half.
const ENTRIES_MAX: usize = 8 * 1024;
/// Bytes kept in each half, roughly.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// Lookups after which the hits are looked at.
const TRIAL: u32 = 2048;
/// Lookups for which a useless cache is left alone.
const REST: u32 = 32 * 1024;

/// The state of subscriptions that an answer was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Generation of this shard's index.
    pub local: u64,
    /// Generation of the interest index.
    pub global: u64,
}

/// Topics and their matches, in two halves: when the young one is full it becomes the old one, and
/// what was not asked for since goes with the old one before it.
#[derive(Debug)]
pub struct MatchCache {
    young: Half,
    old: Half,
    lookups: u32,
    hits: u32,
    resting: u32,
}

#[derive(Debug)]
struct Half {
    entries: HashMap<Box<str>, (Stamp, Rc<Match>), RandomState>,
    bytes: usize,
}

impl MatchCache {
    /// An empty cache.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let half = || Half {
            entries: HashMap::with_hasher(hasher(seed)),
            bytes: 0,
        };
        Self {
            young: half(),
            old: half(),
            lookups: 0,
            hits: 0,
            resting: 0,
        }
    }

    /// What a topic matched under this stamp, if that is known.
    pub fn get(&mut self, topic: &str, stamp: Stamp) -> Option<Rc<Match>> {
        if self.resting > 0 {
            self.resting -= 1;
            return None;
        }
        self.lookups += 1;
        if self.lookups >= TRIAL {
            if self.hits < TRIAL / 8 {
                self.resting = REST;
                self.young.clear();
                self.old.clear();
            }
            self.lookups = 0;
            self.hits = 0;
        }
        if let Some((made, found)) = self.young.entries.get(topic) {
            let good = *made == stamp;
            self.hits += u32::from(good);
            return good.then(|| Rc::clone(found));
        }
        let (made, found) = self.old.entries.get(topic)?;
        if *made != stamp {
            return None;
        }
        let found = Rc::clone(found);
        self.hits += 1;
        self.put(topic, stamp, Rc::clone(&found));
        Some(found)
    }

    /// Notes what a topic matches.
    pub fn put(&mut self, topic: &str, stamp: Stamp, found: Rc<Match>) {
        if self.resting > 0 {
            return;
        }
        let weight = weight(topic, &found);
        if let Some(entry) = self.young.entries.get_mut(topic) {
            self.young.bytes = self
                .young
                .bytes
                .saturating_sub(self::weight(topic, &entry.1))
                + weight;
            *entry = (stamp, found);
        } else {
            self.young.bytes += weight;
            self.young.entries.insert(topic.into(), (stamp, found));
        }
        if self.young.entries.len() >= ENTRIES_MAX || self.young.bytes >= BYTES_MAX {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
    }
}

impl Half {
    fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }
}

fn weight(topic: &str, found: &Match) -> usize {
    128 + topic.len() + found.targets.len() * size_of::<Target>()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Stamp = Stamp {
        local: 1,
        global: 1,
    };

    #[test]
    fn an_answer_is_good_only_under_its_stamp() {
        let mut cache = MatchCache::new(1);
        cache.put("a", FIRST, Rc::default());
        assert!(cache.get("a", FIRST).is_some());
        assert!(cache.get("a", Stamp { local: 2, ..FIRST }).is_none());
        assert!(cache.get("b", FIRST).is_none());
    }

    #[test]
    fn it_stays_bounded_and_keeps_what_is_asked_for() {
        let mut cache = MatchCache::new(1);
        cache.put("hot", FIRST, Rc::default());
        for n in 0..100_000 {
            cache.put(&format!("topic {n}"), FIRST, Rc::default());
            if n % 100 == 0 {
                cache.hits = TRIAL;
                assert!(cache.get("hot", FIRST).is_some(), "at {n}");
            }
        }
        assert!(cache.young.entries.len() + cache.old.entries.len() <= 2 * ENTRIES_MAX);
    }

    #[test]
    fn it_rests_when_topics_do_not_repeat_and_tries_again() {
        let mut cache = MatchCache::new(1);
        for n in 0..TRIAL {
            let topic = format!("topic {n}");
            assert!(cache.get(&topic, FIRST).is_none());
            cache.put(&topic, FIRST, Rc::default());
        }
        assert!(cache.resting > 0 && cache.young.entries.is_empty());
        for _ in 0..REST {
            assert!(cache.get("a", FIRST).is_none());
        }
        cache.put("a", FIRST, Rc::default());
        assert!(cache.get("a", FIRST).is_some());
    }
}
