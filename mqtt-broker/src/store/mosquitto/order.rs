//! Numbers for messages, so that each client gets its messages in its order although the store knows one
//! order for all: that of the numbers. Pure.
//!
//! Messages are numbered as they were published, and nearly always each client's queue has them in that
//! order. Where one does not (a retained message that was sent late, one that is there twice), that
//! message is numbered once more at the place where the client has it.

use std::collections::HashMap;

/// Which bodies get which numbers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Numbers {
    /// The body of each number from 1 on; `None` where no body is needed.
    pub(super) bodies: Vec<Option<usize>>,
    /// For each client the numbers of its messages, which rise.
    pub(super) clients: Vec<Vec<u64>>,
}

/// A place in the order: so many bodies come before it, and so many repetitions right behind these.
type Place = (usize, usize);

/// Numbers `bodies` bodies, given in the order of their publication, for clients that have these of them
/// (`None`: something that needs a number and has no body).
pub(super) fn number(bodies: usize, clients: &[Vec<Option<usize>>]) -> Numbers {
    // The bodies that are repeated behind so many bodies.
    let mut repeated: Vec<Vec<Option<usize>>> = vec![Vec::new(); bodies + 1];
    let mut known: HashMap<(usize, Option<usize>), Vec<usize>> = HashMap::new();
    let mut places: Vec<Vec<Place>> = Vec::with_capacity(clients.len());
    for messages in clients {
        let mut last: Place = (0, 0);
        let rising = longest_rising(messages);
        let mut own = Vec::with_capacity(messages.len());
        for (body, rises) in messages.iter().zip(rising) {
            last = match body {
                Some(body) if rises => (body + 1, 0),
                _ => {
                    let (behind, after) = last;
                    // One that another client has at the same place will do.
                    let there = known.entry((behind, *body)).or_default();
                    let next = there.partition_point(|place| *place <= after);
                    let place = there.get(next).copied().unwrap_or_else(|| {
                        let list = repeated
                            .get_mut(behind)
                            .expect("no place is behind the last");
                        list.push(*body);
                        there.push(list.len());
                        list.len()
                    });
                    (behind, place)
                }
            };
            own.push(last);
        }
        places.push(own);
    }
    let mut all = Vec::new();
    let mut first = Vec::with_capacity(bodies + 1);
    for (behind, repeated) in repeated.into_iter().enumerate() {
        first.push(all.len());
        // The first place is before all bodies, and has none.
        all.push(behind.checked_sub(1));
        all.extend(repeated);
    }
    let number = |(behind, place): Place| first.get(behind).map_or(0, |first| first + place) as u64;
    let numbers = |own: Vec<Place>| own.into_iter().map(number).collect();
    let clients = places.into_iter().map(numbers).collect();
    all.remove(0);
    Numbers {
        bodies: all,
        clients,
    }
}

/// Which of them belong to a longest series that rises.
fn longest_rising(messages: &[Option<usize>]) -> Vec<bool> {
    // For each length of a series the one that ends lowest: its last body and where that stands.
    let mut ends: Vec<(usize, usize)> = Vec::new();
    let mut before: Vec<Option<usize>> = vec![None; messages.len()];
    for (at, (body, before)) in messages.iter().zip(&mut before).enumerate() {
        let Some(body) = *body else { continue };
        let length = ends.partition_point(|(end, _)| *end < body);
        *before = length
            .checked_sub(1)
            .and_then(|shorter| ends.get(shorter))
            .map(|(_, at)| *at);
        match ends.get_mut(length) {
            Some(end) => *end = (body, at),
            None => ends.push((body, at)),
        }
    }
    let mut rises = vec![false; messages.len()];
    let mut at = ends.last().map(|(_, at)| *at);
    while let Some(place) = at {
        if let Some(rises) = rises.get_mut(place) {
            *rises = true;
        }
        at = before.get(place).copied().flatten();
    }
    rises
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    #[test]
    fn messages_in_order_are_shared_and_nothing_is_repeated() {
        let clients = [
            vec![Some(0), Some(2)],
            vec![Some(0), Some(1), Some(2), Some(3)],
            vec![],
        ];
        let numbers = number(4, &clients);
        assert_eq!(numbers.bodies, [Some(0), Some(1), Some(2), Some(3)]);
        assert_eq!(numbers.clients, [vec![1, 3], vec![1, 2, 3, 4], vec![]]);
    }

    #[test]
    fn one_that_comes_late_is_repeated_once_for_all_who_have_it_there() {
        let late = vec![None, Some(1), Some(0), Some(0), Some(2)];
        let numbers = number(3, &[late.clone(), late]);
        let bodies = [None, Some(1), Some(0), Some(0), Some(1), Some(2)];
        assert_eq!(numbers.bodies, bodies);
        assert_eq!(numbers.clients, [vec![1, 2, 3, 4, 6], vec![1, 2, 3, 4, 6]]);
    }

    proptest! {
        #[test]
        fn every_client_has_its_bodies_under_rising_numbers(
            clients in prop::collection::vec(
                prop::collection::vec(prop::option::weighted(0.9, 0_usize..6), 0..12), 0..5
            )
        ) {
            let numbers = number(6, &clients);
            for (numbered, client) in numbers.clients.iter().zip(&clients) {
                prop_assert!(numbered.is_sorted_by(|a, b| a < b));
                let bodies: Vec<Option<usize>> = numbered
                    .iter()
                    .map(|number| numbers.bodies[usize::try_from(*number).unwrap() - 1])
                    .collect();
                prop_assert_eq!(&bodies, client);
            }
            let originals = numbers.bodies.iter().flatten().collect::<std::collections::BTreeSet<_>>();
            prop_assert_eq!(originals.len(), 6);
        }
    }
}
