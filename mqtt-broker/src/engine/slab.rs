//! A table whose places are used again, each time under a new generation. It grows in chunks that
//! never move: a vector that doubles would copy all connections and keep the old pages resident.

/// Places in a chunk.
const CHUNK: usize = 256;

/// Values found by index and generation.
#[derive(Debug)]
pub struct Slab<T> {
    chunks: Vec<Vec<Slot<T>>>,
    free: Vec<u32>,
    len: usize,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

/// Where a value stands: index and generation.
pub type Place = (u32, u32);

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            free: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Slab<T> {
    /// Values in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts a value into a free place.
    pub fn insert(&mut self, value: T) -> Place {
        let index = self.free.pop().unwrap_or_else(|| self.grow());
        let Some(slot) = self.slot_mut(index) else {
            unreachable!("free places exist")
        };
        slot.value = Some(value);
        let place = (index, slot.generation);
        self.len += 1;
        place
    }

    /// Puts a value into a place that somebody else keeps account of; what stood there is given
    /// back. Not to be mixed with [`Self::insert`] in one slab.
    pub fn insert_at(&mut self, (index, generation): Place, value: T) -> Option<T> {
        while self.slot_mut(index).is_none() {
            self.grow();
        }
        let Some(slot) = self.slot_mut(index) else {
            unreachable!("grown up to here")
        };
        slot.generation = generation;
        let old = slot.value.replace(value);
        if old.is_none() {
            self.len += 1;
        }
        old
    }

    /// The value, unless it is gone.
    #[must_use]
    pub fn get(&self, (index, generation): Place) -> Option<&T> {
        let slot = self.slot(index)?;
        if slot.generation == generation {
            slot.value.as_ref()
        } else {
            None
        }
    }

    /// The value to change, unless it is gone.
    pub fn get_mut(&mut self, (index, generation): Place) -> Option<&mut T> {
        let slot = self.slot_mut(index)?;
        if slot.generation == generation {
            slot.value.as_mut()
        } else {
            None
        }
    }

    /// The value that stands at an index now, with its generation.
    #[must_use]
    pub fn at(&self, index: u32) -> Option<(u32, &T)> {
        let slot = self.slot(index)?;
        slot.value.as_ref().map(|value| (slot.generation, value))
    }

    /// The value that stands at an index now, to change.
    pub fn at_mut(&mut self, index: u32) -> Option<&mut T> {
        self.slot_mut(index)?.value.as_mut()
    }

    /// Takes a value out; its place is free under a new generation.
    pub fn remove(&mut self, (index, generation): Place) -> Option<T> {
        let slot = self
            .slot_mut(index)
            .filter(|slot| slot.generation == generation)?;
        let value = slot.value.take()?;
        slot.generation = generation.wrapping_add(1);
        self.len -= 1;
        self.free.push(index);
        Some(value)
    }

    /// As [`Self::remove`], for places put in by [`Self::insert_at`].
    pub fn remove_at(&mut self, (index, generation): Place) -> Option<T> {
        let slot = self
            .slot_mut(index)
            .filter(|slot| slot.generation == generation)?;
        let value = slot.value.take()?;
        self.len -= 1;
        Some(value)
    }

    /// All values with their places.
    pub fn iter(&self) -> impl Iterator<Item = (Place, &T)> {
        self.chunks
            .iter()
            .flatten()
            .zip(0..)
            .filter_map(|(slot, index)| {
                slot.value
                    .as_ref()
                    .map(|value| ((index, slot.generation), value))
            })
    }

    #[inline]
    fn slot(&self, index: u32) -> Option<&Slot<T>> {
        let index = index as usize;
        self.chunks.get(index / CHUNK)?.get(index % CHUNK)
    }

    #[inline]
    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot<T>> {
        let index = index as usize;
        self.chunks.get_mut(index / CHUNK)?.get_mut(index % CHUNK)
    }

    /// Adds one place at the end and returns its index.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "memory ends long before 2^32 places"
    )]
    fn grow(&mut self) -> u32 {
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let full = (self.chunks.len() - 1) * CHUNK;
        let Some(chunk) = self.chunks.last_mut() else {
            unreachable!("pushed above")
        };
        chunk.push(Slot {
            generation: 0,
            value: None,
        });
        (full + chunk.len() - 1) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_used_again_does_not_answer_to_its_old_name() {
        let mut slab = Slab::default();
        let first = slab.insert("first");
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert("second");
        assert_eq!(
            (first.0, slab.get(first), slab.get(second)),
            (second.0, None, Some(&"second"))
        );
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.len(), 1);
    }

    #[test]
    fn it_grows_over_chunks_and_lists_what_is_in_it() {
        let mut slab = Slab::default();
        let places: Vec<Place> = (0..1000).map(|n| slab.insert(n)).collect();
        for place in places.iter().step_by(2) {
            slab.remove(*place);
        }
        assert_eq!(
            slab.iter().map(|(_, n)| *n).sum::<i32>(),
            (0..1000).step_by(2).sum::<i32>() + 500
        );
        let mut given = Slab::default();
        assert_eq!(given.insert_at((700, 3), 'a'), None);
        assert_eq!(
            (given.get((700, 3)), given.get((700, 2)), given.len()),
            (Some(&'a'), None, 1)
        );
        assert_eq!(given.remove_at((700, 3)), Some('a'));
    }
}
