//! Filters with wildcards, level by level (MQTT 5, 4.7.1). All edges lie in one table, so that a
//! node is small: a hash map in each node cost five times the memory.

use ahash::RandomState;
use hashbrown::HashTable;
use mqtt_codec::{TopicFilter, TopicName};

use crate::engine::slab::Slab;

/// Values found by the wildcard filters that match a topic name.
#[derive(Debug)]
pub struct Trie<T> {
    nodes: Slab<Node<T>>,
    /// Nodes by parent and level.
    edges: HashTable<u32>,
    hasher: RandomState,
    len: usize,
}

#[derive(Debug)]
struct Node<T> {
    parent: u32,
    level: Box<str>,
    /// Nodes below this one.
    children: u32,
    /// The child for the level `+`, which every name takes.
    plus: Option<u32>,
    /// Of the filter that ends here.
    value: Option<Box<T>>,
    /// Of the filter that ends here in `/#`.
    value_hash: Option<Box<T>>,
}

/// The node above the first level.
const ROOT: u32 = 0;

impl<T> Trie<T> {
    /// An empty trie; `hasher` is keyed, since peers choose the levels.
    #[must_use]
    pub fn new(hasher: RandomState) -> Self {
        let mut nodes = Slab::default();
        nodes.insert(Node::new(ROOT, ""));
        Self {
            nodes,
            edges: HashTable::new(),
            hasher,
            len: 0,
        }
    }

    /// Whether it holds no filter.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value of a filter, made by `T::default` if there is none yet, and whether it was made.
    pub fn entry(&mut self, filter: TopicFilter<'_>) -> (&mut T, bool)
    where
        T: Default,
    {
        let mut at = ROOT;
        let mut ends_in_hash = false;
        for level in filter.as_str().split('/') {
            if level == "#" {
                ends_in_hash = true;
                break;
            }
            at = self
                .child(at, level)
                .unwrap_or_else(|| self.grow(at, level));
        }
        let Some(node) = node_mut(&mut self.nodes, at) else {
            unreachable!("found or grown")
        };
        let slot = if ends_in_hash {
            &mut node.value_hash
        } else {
            &mut node.value
        };
        let made = slot.is_none();
        self.len += usize::from(made);
        (slot.get_or_insert_default(), made)
    }

    /// The value of a filter, if there is one.
    pub fn get_mut(&mut self, filter: TopicFilter<'_>) -> Option<&mut T> {
        let (at, ends_in_hash) = self.find(filter)?;
        let node = node_mut(&mut self.nodes, at)?;
        if ends_in_hash {
            node.value_hash.as_deref_mut()
        } else {
            node.value.as_deref_mut()
        }
    }

    /// Removes a filter with its value.
    pub fn remove(&mut self, filter: TopicFilter<'_>) -> Option<T> {
        let (mut at, ends_in_hash) = self.find(filter)?;
        let node = node_mut(&mut self.nodes, at)?;
        let value = if ends_in_hash {
            node.value_hash.take()
        } else {
            node.value.take()
        }?;
        self.len -= 1;
        while at != ROOT {
            let Some((generation, node)) = self.nodes.at(at) else {
                break;
            };
            if node.children > 0 || node.value.is_some() || node.value_hash.is_some() {
                break;
            }
            let parent = node.parent;
            let hash = edge_hash(&self.hasher, parent, &node.level);
            let is_plus = &*node.level == "+";
            if let Ok(edge) = self.edges.find_entry(hash, |edge| *edge == at) {
                edge.remove();
            }
            self.nodes.remove((at, generation));
            if let Some(above) = node_mut(&mut self.nodes, parent) {
                above.children -= 1;
                if is_plus {
                    above.plus = None;
                }
            }
            at = parent;
        }
        Some(*value)
    }

    /// Calls `found` with the value of each filter that matches. Leading wildcards do not match
    /// names that start with `$` [MQTT-4.7.2-1].
    pub fn matches<'a>(&'a self, topic: TopicName<'_>, mut found: impl FnMut(&'a T)) {
        if self.is_empty() {
            return;
        }
        self.walk(
            ROOT,
            Some(topic.as_str()),
            topic.starts_with_dollar(),
            &mut found,
        );
    }

    /// `rest` is what of the topic lies below `at`; `None` when the topic ends at `at`.
    fn walk<'a>(
        &'a self,
        at: u32,
        rest: Option<&str>,
        dollar: bool,
        found: &mut impl FnMut(&'a T),
    ) {
        let Some((_, node)) = self.nodes.at(at) else {
            return;
        };
        let no_wildcards = dollar && at == ROOT;
        // `a/#` matches `a` itself too, hence before looking whether the topic goes on.
        if let Some(value) = &node.value_hash
            && !no_wildcards
        {
            found(value);
        }
        let Some(rest) = rest else {
            if let Some(value) = &node.value {
                found(value);
            }
            return;
        };
        if node.children == 0 {
            return;
        }
        let (level, below) = match rest.split_once('/') {
            Some((level, below)) => (level, Some(below)),
            None => (rest, None),
        };
        if let Some(child) = self.child(at, level) {
            self.walk(child, below, dollar, found);
        }
        if let Some(plus) = node.plus
            && !no_wildcards
        {
            self.walk(plus, below, dollar, found);
        }
    }

    fn find(&self, filter: TopicFilter<'_>) -> Option<(u32, bool)> {
        let mut at = ROOT;
        for level in filter.as_str().split('/') {
            if level == "#" {
                return Some((at, true));
            }
            at = self.child(at, level)?;
        }
        Some((at, false))
    }

    fn child(&self, parent: u32, level: &str) -> Option<u32> {
        let same = |edge: &u32| {
            self.nodes
                .at(*edge)
                .is_some_and(|(_, n)| n.parent == parent && &*n.level == level)
        };
        self.edges
            .find(edge_hash(&self.hasher, parent, level), same)
            .copied()
    }

    fn grow(&mut self, parent: u32, level: &str) -> u32 {
        let (child, _) = self.nodes.insert(Node::new(parent, level));
        if let Some(above) = node_mut(&mut self.nodes, parent) {
            above.children += 1;
            if level == "+" {
                above.plus = Some(child);
            }
        }
        let Self {
            nodes,
            edges,
            hasher,
            ..
        } = self;
        edges.insert_unique(edge_hash(hasher, parent, level), child, |edge| {
            nodes
                .at(*edge)
                .map_or(0, |(_, node)| edge_hash(hasher, node.parent, &node.level))
        });
        child
    }
}

impl<T> Node<T> {
    fn new(parent: u32, level: &str) -> Self {
        let level = level.into();
        Self {
            parent,
            level,
            children: 0,
            plus: None,
            value: None,
            value_hash: None,
        }
    }
}

fn edge_hash(hasher: &RandomState, parent: u32, level: &str) -> u64 {
    hasher.hash_one((parent, level))
}

fn node_mut<T>(nodes: &mut Slab<Node<T>>, index: u32) -> Option<&mut Node<T>> {
    nodes.at_mut(index)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn filter(text: &str) -> TopicFilter<'_> {
        TopicFilter::parse(text).unwrap()
    }

    fn matching(trie: &Trie<String>, topic: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        trie.matches(TopicName::parse(topic).unwrap(), |value| {
            assert!(
                found.insert(value.clone()),
                "{value} found twice for {topic}"
            );
        });
        found
    }

    #[test]
    fn removing_filters_leaves_no_node_behind() {
        let mut trie = Trie::<String>::new(RandomState::with_seed(1));
        let filters = ["a/+/c", "a/#", "#", "+", "a/+/c/#", "+/+/+", "$SYS/#", "/+"];
        for text in filters {
            assert!(trie.entry(filter(text)).1);
            assert!(!trie.entry(filter(text)).1);
        }
        for text in filters {
            assert!(trie.remove(filter(text)).is_some(), "{text}");
            assert!(trie.remove(filter(text)).is_none(), "{text}");
        }
        assert!(trie.is_empty() && trie.edges.is_empty());
        assert_eq!(trie.nodes.len(), 1);
    }

    proptest! {
        #[test]
        fn it_agrees_with_matching_filter_by_filter(
            filters in prop::collection::vec("(\\$?[ab]?|\\+)(/([ab]?|\\+)){0,3}(/#)?", 1..20),
            topics in prop::collection::vec("\\$?[ab]?(/[ab]?){0,4}", 1..10),
            removed in any::<prop::sample::Index>(),
        ) {
            let mut trie = Trie::<String>::new(RandomState::with_seed(1));
            let mut filters: BTreeSet<String> =
                filters.into_iter().filter(|text| TopicFilter::parse(text).is_ok()).collect();
            for text in &filters {
                *trie.entry(filter(text)).0 = text.clone();
            }
            if !filters.is_empty() {
                let gone = removed.get(&filters.iter().cloned().collect::<Vec<_>>()).clone();
                trie.remove(filter(&gone));
                filters.remove(&gone);
            }
            for topic in topics.iter().filter(|text| !text.is_empty()) {
                let name = TopicName::parse(topic).unwrap();
                let expected: BTreeSet<String> =
                    filters.iter().filter(|text| filter(text).matches(name)).cloned().collect();
                prop_assert_eq!(matching(&trie, topic), expected, "{}", topic);
            }
        }
    }
}
