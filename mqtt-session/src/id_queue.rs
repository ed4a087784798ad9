//! What is open under a packet id, in the order in which it was opened.

use std::collections::VecDeque;

use mqtt_codec::PacketId;

/// A list with empty capacity beyond this gives its memory back when it runs empty.
const KEPT_CAPACITY_MAX: usize = 64;

/// Values by packet id, in order of opening.
///
/// Peers and we ourselves count ids upwards, so the entries are as a rule sorted by their distance
/// from the first one, and an id is found by looking at the front, then by bisection. Ids opened in
/// another order cost a walk; the caller bounds how many are open.
#[derive(Debug, Clone)]
pub(crate) struct IdQueue<T> {
    entries: VecDeque<(PacketId, T)>,
    /// Entries are sorted by their distance from the first.
    sorted: bool,
}

impl<T> IdQueue<T> {
    /// Allocates nothing.
    pub(crate) const fn new() -> Self {
        Self {
            entries: VecDeque::new(),
            sorted: true,
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
        let first = self.entries.front()?.0;
        if first == id {
            return Some(0);
        }
        if !self.sorted {
            return self.entries.iter().position(|(open, _)| *open == id);
        }
        if self.is_beyond(id) {
            return None;
        }
        self.entries
            .binary_search_by_key(&distance(first, id), |(open, _)| distance(first, *open))
            .ok()
    }

    pub(crate) fn contains(&self, id: PacketId) -> bool {
        self.position(id).is_some()
    }

    /// The caller has seen to it that the id is not open.
    pub(crate) fn push(&mut self, id: PacketId, value: T) {
        debug_assert!(!self.contains(id), "packet id {id} is open already");
        if !self.entries.is_empty() && !self.is_beyond(id) {
            self.sorted = false;
        }
        self.entries.push_back((id, value));
    }

    pub(crate) fn at(&self, position: usize) -> Option<(PacketId, &T)> {
        self.entries.get(position).map(|(id, value)| (*id, value))
    }

    pub(crate) fn at_mut(&mut self, position: usize) -> Option<&mut T> {
        self.entries.get_mut(position).map(|(_, value)| value)
    }

    pub(crate) fn remove(&mut self, position: usize) -> Option<T> {
        let removed = if position == 0 {
            self.entries.pop_front()
        } else {
            self.entries.remove(position)
        };
        if self.entries.is_empty() {
            self.sorted = true;
            if self.entries.capacity() > KEPT_CAPACITY_MAX {
                self.entries = VecDeque::new();
            }
        }
        removed.map(|(_, value)| value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (PacketId, &T)> {
        self.entries.iter().map(|(id, value)| (*id, value))
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().map(|(_, value)| value)
    }

    /// Empties the list and hands over what was in it.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = (PacketId, T)> + use<T> {
        self.sorted = true;
        std::mem::take(&mut self.entries).into_iter()
    }

    /// Whether an id comes after all that are open, so that it is not among them. Means something
    /// only in a list that is sorted and not empty.
    fn is_beyond(&self, id: PacketId) -> bool {
        match (self.entries.front(), self.entries.back()) {
            (Some((first, _)), Some((last, _))) => {
                self.sorted && distance(*first, id) > distance(*first, *last)
            }
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
        assert!(!queue.sorted);
        while !queue.is_empty() {
            queue.remove(queue.len() / 2).unwrap();
        }
        assert!(queue.sorted);
        assert_eq!(queue.entries.capacity(), 0);
    }
}
