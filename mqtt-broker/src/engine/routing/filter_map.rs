//! Topic filters and what belongs to them: those without wildcards in one flat table, which is what
//! most devices use, the others in a trie.

use std::sync::Arc;

use ahash::RandomState;
use mqtt_codec::{TopicFilter, TopicName};

use super::trie::Trie;

/// A map from topic filters that is asked by topic name.
#[derive(Debug)]
pub struct FilterMap<T> {
    exact: std::collections::HashMap<Arc<str>, T, RandomState>,
    wild: Trie<T>,
}

impl<T: Default> FilterMap<T> {
    /// An empty map whose hashes are keyed by `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let hasher = hasher(seed);
        Self {
            exact: std::collections::HashMap::with_hasher(hasher.clone()),
            wild: Trie::new(hasher),
        }
    }

    /// The value of a filter, made if there is none yet, and whether it was made.
    pub fn entry(&mut self, filter: &Arc<str>) -> (&mut T, bool) {
        let checked = TopicFilter::trusted(filter);
        if checked.has_wildcard() {
            return self.wild.entry(checked);
        }
        let mut made = false;
        let value = self.exact.entry(Arc::clone(filter)).or_insert_with(|| {
            made = true;
            T::default()
        });
        (value, made)
    }

    /// The value of a filter.
    pub fn get_mut(&mut self, filter: &str) -> Option<&mut T> {
        let checked = TopicFilter::trusted(filter);
        if checked.has_wildcard() {
            self.wild.get_mut(checked)
        } else {
            self.exact.get_mut(filter)
        }
    }

    /// Removes a filter.
    pub fn remove(&mut self, filter: &str) -> Option<T> {
        let checked = TopicFilter::trusted(filter);
        if checked.has_wildcard() {
            self.wild.remove(checked)
        } else {
            self.exact.remove(filter)
        }
    }

    /// Calls `found` with the value of each filter that matches.
    pub fn matches<'a>(&'a self, topic: TopicName<'_>, mut found: impl FnMut(&'a T)) {
        if let Some(value) = self.exact.get(topic.as_str()) {
            found(value);
        }
        self.wild.matches(topic, found);
    }

    /// Whether no filter is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.wild.is_empty()
    }
}

/// A keyed hasher for maps whose keys peers choose.
#[must_use]
pub fn hasher(seed: u64) -> RandomState {
    RandomState::with_seeds(seed, seed.rotate_left(17), !seed, seed.rotate_left(43))
}
