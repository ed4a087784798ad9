//! Filters with wildcards (MQTT 5, 4.7.1) as a tree of levels. Levels between which no other filter
//! begins or ends are one node, so that memory follows the filters' bytes, not their levels: a filter
//! of a few hundred bytes may have two hundred. All edges lie in one table, so that a node is small:
//! a hash map in each node cost five times the memory.

use std::num::NonZeroU32;

use ahash::RandomState;
use hashbrown::HashTable;
use mqtt_codec::{TopicFilter, TopicName};

use super::levels::Levels;
use crate::engine::slab::Slab;

/// Values found by the wildcard filters that match a topic name. Of two nodes or less for a filter.
#[derive(Debug)]
pub struct Trie<T> {
    nodes: Slab<Node<T>>,
    /// Nodes by parent and first level.
    edges: HashTable<u32>,
    hasher: RandomState,
    len: usize,
}

/// Where filters end or part. Any but the root has a value or two children at least.
#[derive(Debug)]
struct Node<T> {
    parent: u32,
    /// Nodes below this one.
    children: u32,
    /// Their indices, combined by XOR: if there is one, this is it.
    children_xor: u32,
    /// The child that begins with the level `+`, which every name takes.
    plus: Option<NonZeroU32>,
    /// From below the parent to here: a level or more.
    levels: Box<str>,
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
        let (levels, ends_in_hash) = Levels::of_filter(filter);
        let at = self.reach(levels);
        let slot = node_mut(&mut self.nodes, at).slot(ends_in_hash);
        let made = slot.is_none();
        let value = slot.get_or_insert_default();
        self.len += usize::from(made);
        (value, made)
    }

    /// The value of a filter, if there is one.
    pub fn get_mut(&mut self, filter: TopicFilter<'_>) -> Option<&mut T> {
        let (levels, ends_in_hash) = Levels::of_filter(filter);
        let at = self.find(levels)?;
        node_mut(&mut self.nodes, at)
            .slot(ends_in_hash)
            .as_deref_mut()
    }

    /// Removes a filter with its value.
    pub fn remove(&mut self, filter: TopicFilter<'_>) -> Option<T> {
        let (levels, ends_in_hash) = Levels::of_filter(filter);
        let at = self.find(levels)?;
        let value = node_mut(&mut self.nodes, at).slot(ends_in_hash).take()?;
        self.len -= 1;
        let node = node_mut(&mut self.nodes, at);
        if node.children == 0 && !node.has_value() && at != ROOT {
            let parent = node.parent;
            self.unlink(parent, at);
            self.forget(at);
            self.join_with_child(parent);
        } else {
            self.join_with_child(at);
        }
        Some(*value)
    }

    /// Calls `found` with the value of each filter that matches. Leading wildcards do not match
    /// names that start with `$` [MQTT-4.7.2-1].
    pub fn matches<'a>(&'a self, topic: TopicName<'_>, mut found: impl FnMut(&'a T)) {
        if self.is_empty() {
            return;
        }
        let below = Levels::of_name(topic);
        let root = (ROOT, self.node(ROOT));
        self.walk(root, below, topic.starts_with_dollar(), &mut found);
    }

    /// `below` is what of the topic lies below the node.
    fn walk<'a>(
        &'a self,
        (at, node): (u32, &'a Node<T>),
        below: Levels<'_>,
        dollar: bool,
        found: &mut impl FnMut(&'a T),
    ) {
        let no_wildcards = dollar && at == ROOT;
        // `a/#` matches `a` itself too, hence before looking whether the topic goes on.
        if let Some(value) = &node.value_hash
            && !no_wildcards
        {
            found(value);
        }
        if below.is_none() {
            if let Some(value) = &node.value {
                found(value);
            }
            return;
        }
        if node.children == 0 {
            return;
        }
        let Some((level, below)) = below.split_first() else {
            return;
        };
        if let Some(child) = self.child(at, level) {
            let node = self.node(child);
            if let Some(below) = node.below(level, below) {
                self.walk((child, node), below, dollar, found);
            }
        }
        if let Some(plus) = node.plus
            && !no_wildcards
        {
            let node = self.node(plus.get());
            if let Some(below) = node.below("+", below) {
                self.walk((plus.get(), node), below, dollar, found);
            }
        }
    }

    /// The node where a filter ends, if there is one.
    fn find(&self, mut levels: Levels<'_>) -> Option<u32> {
        let mut at = ROOT;
        while let Some((level, _)) = levels.split_first() {
            at = self.child(at, level)?;
            levels = levels.after(&self.node(at).levels)?;
        }
        Some(at)
    }

    /// The node where a filter ends, made if there is none.
    fn reach(&mut self, mut levels: Levels<'_>) -> u32 {
        let mut at = ROOT;
        while let Some((level, _)) = levels.split_first() {
            let Some(child) = self.child(at, level) else {
                return self.grow(at, levels.as_str());
            };
            let node = self.node(child);
            let shared = levels.shared_with(&node.levels);
            at = if shared.len() < node.levels.len() {
                let upper = shared.into();
                self.part(child, upper)
            } else {
                child
            };
            levels = levels.skip(shared.len());
        }
        at
    }

    fn child(&self, parent: u32, level: &str) -> Option<u32> {
        let same = |edge: &u32| {
            let node = self.node(*edge);
            node.parent == parent && Levels::new(&node.levels).begins_with(level)
        };
        let hash = edge_hash(&self.hasher, parent, level);
        self.edges.find(hash, same).copied()
    }

    fn grow(&mut self, parent: u32, levels: &str) -> u32 {
        let (child, _) = self.nodes.insert(Node::new(parent, levels));
        self.link(parent, child);
        child
    }

    /// Parts a node in two: its first levels become a node above it, which is returned.
    fn part(&mut self, lower: u32, first: Box<str>) -> u32 {
        let node = node_mut(&mut self.nodes, lower);
        let parent = node.parent;
        let rest = Levels::new(&node.levels).skip(first.len());
        let rest = Box::from(rest.as_str());
        let (upper, _) = self.nodes.insert(Node {
            levels: first,
            ..Node::new(parent, "")
        });
        self.replace(parent, lower, upper);
        let node = node_mut(&mut self.nodes, lower);
        node.parent = upper;
        node.levels = rest;
        self.link(upper, lower);
        upper
    }

    /// Undoes [`Self::part`] where only one child is left and nothing ends.
    fn join_with_child(&mut self, upper: u32) {
        let node = self.node(upper);
        if upper == ROOT || node.children != 1 || node.has_value() {
            return;
        }
        let (parent, lower) = (node.parent, node.children_xor);
        let levels = [&*node.levels, "/", &*self.node(lower).levels].concat();
        self.unlink(upper, lower);
        self.replace(parent, upper, lower);
        let node = node_mut(&mut self.nodes, lower);
        node.parent = parent;
        node.levels = levels.into();
        self.forget(upper);
    }

    /// Enters a node among the children of another.
    fn link(&mut self, parent: u32, child: u32) {
        let level = self.node(child).first_level();
        let hash = edge_hash(&self.hasher, parent, level);
        let plus = plus(child, level);
        let above = node_mut(&mut self.nodes, parent);
        above.children += 1;
        above.children_xor ^= child;
        above.plus = above.plus.or(plus);
        let Self {
            nodes,
            edges,
            hasher,
            ..
        } = self;
        edges.insert_unique(hash, child, |edge| {
            nodes.at(*edge).map_or(0, |(_, node)| {
                edge_hash(hasher, node.parent, node.first_level())
            })
        });
    }

    fn unlink(&mut self, parent: u32, child: u32) {
        let level = self.node(child).first_level();
        let hash = edge_hash(&self.hasher, parent, level);
        let plus = plus(child, level);
        if let Ok(edge) = self.edges.find_entry(hash, |edge| *edge == child) {
            edge.remove();
        }
        let above = node_mut(&mut self.nodes, parent);
        above.children -= 1;
        above.children_xor ^= child;
        if plus.is_some() {
            above.plus = None;
        }
    }

    /// Puts a node in the place of another that begins with the same level.
    fn replace(&mut self, parent: u32, old: u32, new: u32) {
        let level = self.node(old).first_level();
        let hash = edge_hash(&self.hasher, parent, level);
        let plus = plus(new, level);
        if let Some(edge) = self.edges.find_mut(hash, |edge| *edge == old) {
            *edge = new;
        }
        let above = node_mut(&mut self.nodes, parent);
        above.children_xor ^= old ^ new;
        if plus.is_some() {
            above.plus = plus;
        }
    }

    fn forget(&mut self, at: u32) {
        if let Some((generation, _)) = self.nodes.at(at) {
            self.nodes.remove((at, generation));
        }
    }

    fn node(&self, at: u32) -> &Node<T> {
        let Some((_, node)) = self.nodes.at(at) else {
            unreachable!("edges lead to nodes")
        };
        node
    }
}

impl<T> Node<T> {
    fn new(parent: u32, levels: &str) -> Self {
        Self {
            parent,
            children: 0,
            children_xor: 0,
            plus: None,
            levels: levels.into(),
            value: None,
            value_hash: None,
        }
    }

    fn first_level(&self) -> &str {
        let first = Levels::new(&self.levels).split_first();
        first.map_or("", |(level, _)| level)
    }

    /// What of a name lies below this node if `rest` does below its first level; `None` if the other
    /// levels do not match.
    #[inline]
    fn below<'n>(&self, first: &str, rest: Levels<'n>) -> Option<Levels<'n>> {
        if self.levels.len() == first.len() {
            return Some(rest);
        }
        Levels::new(&self.levels).skip(first.len()).matched_by(rest)
    }

    fn has_value(&self) -> bool {
        self.value.is_some() || self.value_hash.is_some()
    }

    fn slot(&mut self, ends_in_hash: bool) -> &mut Option<Box<T>> {
        if ends_in_hash {
            &mut self.value_hash
        } else {
            &mut self.value
        }
    }
}

/// The child that a level leads to, if it is the one that every name takes.
fn plus(child: u32, level: &str) -> Option<NonZeroU32> {
    NonZeroU32::new(child).filter(|_| level == "+")
}

fn edge_hash(hasher: &RandomState, parent: u32, level: &str) -> u64 {
    hasher.hash_one((parent, level))
}

fn node_mut<T>(nodes: &mut Slab<Node<T>>, at: u32) -> &mut Node<T> {
    let Some(node) = nodes.at_mut(at) else {
        unreachable!("edges lead to nodes")
    };
    node
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

    #[test]
    fn there_are_two_nodes_or_less_for_a_filter_however_many_levels_it_has() {
        let mut trie = Trie::<String>::new(RandomState::with_seed(1));
        let long = "+/".repeat(199) + "x";
        trie.entry(filter(&long));
        assert_eq!(trie.nodes.len(), 2);
        // One that parts from it below each of its levels.
        let parting: Vec<String> = (1..199).map(|n| "+/".repeat(n) + "y").collect();
        for text in &parting {
            trie.entry(filter(text));
        }
        assert_eq!(trie.nodes.len(), 1 + 1 + 2 * parting.len());
        for text in &parting {
            assert!(trie.remove(filter(text)).is_some());
        }
        assert_eq!((trie.nodes.len(), trie.edges.len()), (2, 1));
        assert!(trie.get_mut(filter(&long)).is_some());
    }

    fn check(trie: &Trie<String>, filters: &BTreeSet<String>, topics: &[String]) {
        assert!(trie.nodes.len() <= 2 * filters.len() + 1, "{trie:?}");
        assert_eq!(trie.nodes.len(), trie.edges.len() + 1, "{trie:?}");
        for topic in topics {
            let name = TopicName::parse(topic).unwrap();
            let expected: BTreeSet<String> = filters
                .iter()
                .filter(|text| filter(text).matches(name))
                .cloned()
                .collect();
            assert_eq!(matching(trie, topic), expected, "{topic}");
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_matching_filter_by_filter_whatever_comes_and_goes(
            filters in prop::collection::vec("(\\$?[ab]?|\\+)(/([ab]?|\\+)){0,5}(/#)?", 1..20),
            topics in prop::collection::vec("\\$?[ab]?(/[ab]?){0,6}", 1..10),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        ) {
            let mut trie = Trie::<String>::new(RandomState::with_seed(1));
            let mut known = BTreeSet::new();
            let topics: Vec<String> = topics.into_iter().filter(|text| !text.is_empty()).collect();
            for text in filters.iter().filter(|text| TopicFilter::parse(text).is_ok()) {
                let (value, made) = trie.entry(filter(text));
                *value = text.clone();
                prop_assert_eq!(made, known.insert(text.clone()));
                prop_assert_eq!(trie.get_mut(filter(text)), Some(&mut text.clone()));
            }
            check(&trie, &known, &topics);
            for gone in order.into_iter().map(|index| index.get(&filters)) {
                let had = known.remove(gone).then(|| gone.clone());
                if TopicFilter::parse(gone).is_ok() {
                    prop_assert_eq!(trie.remove(filter(gone)), had);
                }
                check(&trie, &known, &topics);
            }
        }
    }
}
