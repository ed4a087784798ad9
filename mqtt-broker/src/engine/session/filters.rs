//! The filters of a session's subscriptions: mostly none or one, and then small; sometimes a hundred
//! thousand, and then found without a walk, or one packet could keep a shard busy for minutes.

use std::collections::HashSet;
use std::sync::Arc;

/// From so many on they are found by hash.
const MANY: usize = 32;

/// A set of filters as written, `$share/...` too.
#[derive(Debug)]
pub struct Filters(Kind);

#[derive(Debug)]
enum Kind {
    Few(Vec<Arc<str>>),
    /// Boxed, so that sessions with few filters are small.
    Many(Box<Many>),
}

#[derive(Debug, Default)]
struct Many {
    filters: HashSet<Arc<str>>,
    bytes: usize,
}

impl Default for Filters {
    fn default() -> Self {
        Self(Kind::Few(Vec::new()))
    }
}

impl Filters {
    /// Filters in it.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Kind::Few(few) => few.len(),
            Kind::Many(many) => many.filters.len(),
        }
    }

    /// Bytes of all their texts.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.0 {
            Kind::Few(few) => few.iter().map(|filter| filter.len()).sum(),
            Kind::Many(many) => many.bytes,
        }
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a filter is in it.
    #[must_use]
    pub fn contains(&self, filter: &str) -> bool {
        match &self.0 {
            Kind::Few(few) => few.iter().any(|known| **known == *filter),
            Kind::Many(many) => many.filters.contains(filter),
        }
    }

    /// Puts a filter in that is not there yet.
    pub fn insert(&mut self, filter: Arc<str>) {
        match &mut self.0 {
            Kind::Few(few) if few.len() < MANY => {
                few.reserve_exact(usize::from(few.is_empty()));
                few.push(filter);
            }
            Kind::Few(few) => {
                let mut many = Box::<Many>::default();
                let all = few.drain(..).chain(std::iter::once(filter));
                all.for_each(|filter| many.insert(filter));
                self.0 = Kind::Many(many);
            }
            Kind::Many(many) => many.insert(filter),
        }
    }

    /// Takes a filter out.
    pub fn remove(&mut self, filter: &str) -> Option<Arc<str>> {
        match &mut self.0 {
            Kind::Few(few) => {
                let place = few.iter().position(|known| **known == *filter)?;
                Some(few.swap_remove(place))
            }
            Kind::Many(many) => {
                let taken = many.filters.take(filter)?;
                many.bytes -= taken.len();
                if many.filters.is_empty() {
                    self.0 = Kind::Few(Vec::new());
                }
                Some(taken)
            }
        }
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<str>> {
        let (few, many) = match &self.0 {
            Kind::Few(few) => (Some(few), None),
            Kind::Many(many) => (None, Some(many)),
        };
        few.into_iter()
            .flatten()
            .chain(many.into_iter().flat_map(|many| many.filters.iter()))
    }
}

impl Many {
    fn insert(&mut self, filter: Arc<str>) {
        let bytes = filter.len();
        if self.filters.insert(filter) {
            self.bytes += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_filters_are_kept_and_found_alike() {
        for count in [1, MANY, MANY + 1, 1000] {
            let mut filters = Filters::default();
            let name = |n: usize| format!("t/{n}");
            for n in 0..count {
                assert!(!filters.contains(&name(n)));
                filters.insert(name(n).into());
            }
            assert_eq!((filters.len(), filters.iter().count()), (count, count));
            let bytes: usize = (0..count).map(|n| name(n).len()).sum();
            assert_eq!(filters.bytes(), bytes);
            for n in 0..count {
                assert!(filters.contains(&name(n)));
                assert_eq!(filters.remove(&name(n)).as_deref(), Some(&*name(n)));
                assert_eq!(filters.remove(&name(n)), None);
            }
            assert!(filters.is_empty() && filters.iter().next().is_none());
            assert_eq!(filters.bytes(), 0);
        }
    }
}
