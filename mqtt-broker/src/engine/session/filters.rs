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
    #[expect(
        clippy::box_collection,
        reason = "keeps the sessions with few filters small"
    )]
    Many(Box<HashSet<Arc<str>>>),
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
            Kind::Many(many) => many.len(),
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
            Kind::Many(many) => many.contains(filter),
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
                let many = few.drain(..).chain(std::iter::once(filter));
                self.0 = Kind::Many(Box::new(many.collect()));
            }
            Kind::Many(many) => {
                many.insert(filter);
            }
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
                let taken = many.take(filter);
                if many.is_empty() {
                    self.0 = Kind::Few(Vec::new());
                }
                taken
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
            .chain(many.into_iter().flat_map(|many| many.iter()))
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
            for n in 0..count {
                assert!(filters.contains(&name(n)));
                assert_eq!(filters.remove(&name(n)).as_deref(), Some(&*name(n)));
                assert_eq!(filters.remove(&name(n)), None);
            }
            assert!(filters.is_empty() && filters.iter().next().is_none());
        }
    }
}
