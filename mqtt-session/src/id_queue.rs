//! What is open under a packet id, in the order in which it was opened.

use std::collections::{BTreeMap, VecDeque};

use mqtt_codec::PacketId;

/// A list with empty capacity beyond this gives its memory back when it runs empty.
const KEPT_CAPACITY_MAX: usize = 64;

/// Values by packet id, in order of opening.
///
/// Peers and we ourselves count ids upwards, so the entries are as a rule sorted by their distance
/// from the first one, and an id is found by looking at the front, then by bisection. The first id
/// opened in another order makes an index, which lasts until the list runs empty. Taking an entry
/// out of the middle moves up to half of the others; the caller bounds how many are open.
#[derive(Debug, Clone)]
pub(crate) struct IdQueue<T> {
    entries: VecDeque<Entry<T>>,
    /// Number of the next entry.
    next: u64,
    /// Entries by id, where they are not sorted.
    #[expect(
        clippy::box_collection,
        reason = "one word, since nearly all lists lack it and each session has some"
    )]
    index: Option<Box<BTreeMap<PacketId, u64>>>,
}

#[derive(Debug, Clone)]
struct Entry<T> {
    /// Rises along the list, so that an entry is found by it wherever it has moved.
    number: u64,
    id: PacketId,
    value: T,
}

impl<T> IdQueue<T> {
    /// Allocates nothing.
    pub(crate) const fn new() -> Self {
        Self {
            entries: VecDeque::new(),
            next: 0,
            index: None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Where an id stands.
    pub(crate) fn position(&self, id: PacketId) -> Option<usize> {
        let first = self.entries.front()?.id;
        if first == id {
            return Some(0);
        }
        if let Some(index) = &self.index {
            let number = index.get(&id)?;
            return self
                .entries
                .binary_search_by_key(number, |entry| entry.number)
                .ok();
        }
        if self.is_beyond(id) {
            return None;
        }
        self.entries
            .binary_search_by_key(&distance(first, id), |entry| distance(first, entry.id))
            .ok()
    }

    pub(crate) fn contains(&self, id: PacketId) -> bool {
        self.position(id).is_some()
    }

    /// The caller has seen to it that the id is not open.
    pub(crate) fn push(&mut self, id: PacketId, value: T) {
        debug_assert!(!self.contains(id), "packet id {id} is open already");
        if self.index.is_none() && !self.is_beyond(id) {
            let numbers = self.entries.iter().map(|entry| (entry.id, entry.number));
            self.index = Some(Box::new(numbers.collect()));
        }
        let number = self.next;
        // One a packet: it does not get to the end of 64 bits.
        self.next = number.wrapping_add(1);
        if let Some(index) = &mut self.index {
            index.insert(id, number);
        }
        self.entries.push_back(Entry { number, id, value });
    }

    pub(crate) fn at(&self, position: usize) -> Option<(PacketId, &T)> {
        let entry = self.entries.get(position)?;
        Some((entry.id, &entry.value))
    }

    pub(crate) fn at_mut(&mut self, position: usize) -> Option<&mut T> {
        self.entries.get_mut(position).map(|entry| &mut entry.value)
    }

    pub(crate) fn remove(&mut self, position: usize) -> Option<T> {
        let removed = if position == 0 {
            self.entries.pop_front()
        } else {
            self.entries.remove(position)
        }?;
        if self.entries.is_empty() {
            self.index = None;
            if self.entries.capacity() > KEPT_CAPACITY_MAX {
                self.entries = VecDeque::new();
            }
        } else if let Some(index) = &mut self.index {
            index.remove(&removed.id);
        }
        Some(removed.value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (PacketId, &T)> {
        self.entries.iter().map(|entry| (entry.id, &entry.value))
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().map(|entry| &mut entry.value)
    }

    /// Empties the list and hands over what was in it.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = (PacketId, T)> + use<T> {
        self.index = None;
        let entries = std::mem::take(&mut self.entries).into_iter();
        entries.map(|entry| (entry.id, entry.value))
    }

    /// Whether an id comes after all that are open, so that it is not among them. Means something
    /// only in a list without an index; in an empty one every id does.
    fn is_beyond(&self, id: PacketId) -> bool {
        match (self.entries.front(), self.entries.back()) {
            (Some(first), Some(last)) => distance(first.id, id) > distance(first.id, last.id),
            _ => true,
        }
    }
}

/// How many steps upwards lead from one id to another; ids wrap from 65535 to 1.
fn distance(from: PacketId, to: PacketId) -> u16 {
    let (from, to) = (from.get(), to.get());
    // One less on the way round, since 0 is no id.
    if to >= from {
        to - from
    } else {
        to.wrapping_sub(from).wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(value: u16) -> PacketId {
        PacketId::new(value).unwrap()
    }

    fn queue(ids: &[u16]) -> IdQueue<u16> {
        let mut queue = IdQueue::new();
        for value in ids {
            queue.push(id(*value), *value);
        }
        queue
    }

    #[test]
    fn distance_skips_zero() {
        for (from, to, steps) in [
            (1, 1, 0),
            (1, 2, 1),
            (65_535, 1, 1),
            (2, 1, 65_534),
            (65_534, 3, 4),
        ] {
            assert_eq!(distance(id(from), id(to)), steps, "{from} to {to}");
        }
    }

    #[test]
    fn ids_are_found_in_any_order_of_opening() {
        let lists: [&[u16]; 5] = [
            &[1, 2, 3],
            &[65_534, 65_535, 1, 2],
            &[5, 9, 1, 6],
            &[3, 2, 1],
            &[7],
        ];
        for ids in lists {
            let queue = queue(ids);
            for (index, value) in ids.iter().enumerate() {
                assert_eq!(
                    queue.position(id(*value)),
                    Some(index),
                    "{value} in {ids:?}"
                );
            }
            for absent in [4, 100, 65_533] {
                assert_eq!(queue.position(id(absent)), None, "{absent} in {ids:?}");
            }
        }
    }

    #[test]
    fn a_list_run_empty_is_sorted_again_and_small() {
        let mut queue = queue(&(1..=500).rev().collect::<Vec<_>>());
        assert!(queue.index.is_some());
        while !queue.is_empty() {
            queue.remove(queue.len() / 2).unwrap();
        }
        assert!(queue.index.is_none());
        assert_eq!(queue.entries.capacity(), 0);
    }

    proptest! {
        #[test]
        fn a_list_does_what_a_plain_vector_does(
            steps in prop::collection::vec((1_u16..20, any::<bool>()), 0..200),
        ) {
            let mut queue = IdQueue::new();
            let mut model: Vec<u16> = Vec::new();
            for (value, is_added) in steps {
                let found = model.iter().position(|open| *open == value);
                prop_assert_eq!(queue.position(id(value)), found);
                match found {
                    None if is_added => {
                        queue.push(id(value), value);
                        model.push(value);
                    }
                    Some(position) if !is_added => {
                        prop_assert_eq!(queue.remove(position), Some(value));
                        model.remove(position);
                    }
                    _ => {}
                }
                prop_assert!(queue.iter().map(|(_, value)| *value).eq(model.iter().copied()));
                // The index lasts only as long as there is something to look for.
                let indexed = queue.index.as_ref().map(|index| index.len());
                prop_assert!(indexed.is_none_or(|len| len == model.len() && len > 0));
            }
        }
    }
}
