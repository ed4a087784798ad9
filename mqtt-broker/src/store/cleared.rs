//! Topics whose retained message was cleared. Shards reach the store in another order than the retained
//! messages, so an older message may come after what cleared it, and must not be taken for a new one. It is
//! enough to know that in memory, and not for long: once every shard has ended the turn it was in, and
//! all that they submitted took effect, nothing older is on its way. What a crash forgets is forgotten
//! together with all that was on its way.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::ids::ShardId;
use crate::engine::store_op::Ticket;

/// The topics, each with the version in which it was cleared.
#[derive(Debug, Default)]
pub(super) struct Cleared {
    versions: HashMap<String, u64>,
    /// Those that came since others began to wait.
    young: Vec<(String, u64)>,
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    topics: Vec<(String, u64)>,
    until: Until,
}

#[derive(Debug)]
enum Until {
    /// Every shard has ended the turn it was in.
    Turns(Vec<u64>),
    /// All that was submitted took effect.
    Tickets(Vec<Ticket>),
}

/// Where the shards are, as they say themselves.
#[derive(Debug)]
pub struct Turns(Vec<Turn>);

#[derive(Debug, Default)]
struct Turn {
    /// Rises by two when all that a shard has decided is submitted; odd while it is awake.
    turns: AtomicU64,
    /// The last ticket that it submitted.
    submitted: AtomicU64,
}

/// How far shards and store are. Tickets and turns are in the order of the shards.
#[derive(Debug)]
pub(super) struct Progress {
    /// Rises when all of a shard's turn is submitted; even while it sleeps.
    pub(super) turns: Vec<u64>,
    /// The last ticket that each submitted: seen after `turns`.
    pub(super) submitted: Vec<Ticket>,
    /// Up to where everything of each took effect.
    pub(super) reached: Vec<Ticket>,
}

impl Turns {
    /// Shards that sleep.
    #[must_use]
    pub fn new(shards: u16) -> Self {
        Self((0..shards).map(|_| Turn::default()).collect())
    }

    /// A shard submits this ticket.
    pub fn note_ticket(&self, shard: ShardId, ticket: Ticket) {
        if let Some(turn) = self.0.get(shard.index()) {
            turn.submitted.store(ticket.0, Ordering::SeqCst);
        }
    }

    /// All that a shard has decided so far is submitted.
    pub fn note_turn(&self, shard: ShardId) {
        if let Some(turn) = self.0.get(shard.index()) {
            turn.turns.fetch_add(2, Ordering::SeqCst);
        }
    }

    /// A shard sleeps from now on, with nothing left to submit, or no longer.
    pub fn sleeps(&self, shard: ShardId, sleeping: bool) {
        if let Some(Turn { turns, .. }) = self.0.get(shard.index())
            && turns.load(Ordering::SeqCst).is_multiple_of(2) != sleeping
        {
            turns.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// How far all are, and up to which ticket everything of a shard took effect.
    pub(super) fn progress(&self, reached: impl Fn(ShardId) -> Ticket) -> Progress {
        let turns = self.0.iter();
        let turns = turns
            .map(|turn| turn.turns.load(Ordering::SeqCst))
            .collect();
        let submitted = self.0.iter();
        let submitted = submitted.map(|turn| Ticket(turn.submitted.load(Ordering::SeqCst)));
        Progress {
            turns,
            submitted: submitted.collect(),
            reached: (0..)
                .take(self.0.len())
                .map(|n| reached(ShardId(n)))
                .collect(),
        }
    }
}

impl Cleared {
    /// A topic was cleared.
    pub(super) fn add(&mut self, topic: &str, version: u64) {
        let known = self.versions.entry(topic.to_owned()).or_default();
        if *known < version {
            *known = version;
            self.young.push((topic.to_owned(), version));
        }
    }

    /// Whether a message is older than what cleared its topic.
    pub(super) fn is_outdated(&self, topic: &str, version: u64) -> bool {
        self.versions
            .get(topic)
            .is_some_and(|cleared| version < *cleared)
    }

    /// Whether nothing has to be known.
    pub(super) fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    /// Forgets what nothing older can come of any more.
    pub(super) fn advance(&mut self, progress: &Progress) {
        let Some(waiting) = &mut self.waiting else {
            if !self.young.is_empty() {
                self.waiting = Some(Waiting {
                    topics: std::mem::take(&mut self.young),
                    until: Until::Turns(progress.turns.clone()),
                });
            }
            return;
        };
        match &waiting.until {
            Until::Turns(then) => {
                let mut shards = then.iter().zip(&progress.turns);
                if shards.all(|(then, now)| then.is_multiple_of(2) || now != then) {
                    waiting.until = Until::Tickets(progress.submitted.clone());
                }
            }
            Until::Tickets(submitted) => {
                let mut shards = submitted.iter().zip(&progress.reached);
                if shards.all(|(submitted, reached)| reached >= submitted) {
                    for (topic, version) in std::mem::take(&mut waiting.topics) {
                        if self.versions.get(&topic) == Some(&version) {
                            self.versions.remove(&topic);
                        }
                    }
                    self.waiting = None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(turns: [u64; 2], submitted: [u64; 2], reached: [u64; 2]) -> Progress {
        Progress {
            turns: turns.to_vec(),
            submitted: submitted.map(Ticket).to_vec(),
            reached: reached.map(Ticket).to_vec(),
        }
    }

    #[test]
    fn a_cleared_topic_is_known_as_long_as_something_older_may_be_on_its_way() {
        let mut cleared = Cleared::default();
        cleared.add("t", 5);
        assert!(cleared.is_outdated("t", 4) && !cleared.is_outdated("t", 6));
        // One shard is in a turn, the other sleeps.
        cleared.advance(&progress([7, 2], [3, 3], [3, 3]));
        cleared.advance(&progress([7, 4], [3, 3], [3, 3]));
        cleared.add("later", 9);
        // The turn is over, and something was submitted in it.
        cleared.advance(&progress([9, 4], [4, 3], [3, 3]));
        cleared.advance(&progress([9, 4], [4, 3], [3, 3]));
        assert!(cleared.is_outdated("t", 4));
        cleared.advance(&progress([9, 4], [4, 3], [4, 3]));
        assert!(!cleared.is_outdated("t", 4) && cleared.is_outdated("later", 8));
        for _ in 0..3 {
            cleared.advance(&progress([10, 4], [4, 3], [4, 3]));
        }
        assert!(cleared.is_empty());
    }

    #[test]
    fn a_topic_that_is_cleared_again_waits_again() {
        let mut cleared = Cleared::default();
        cleared.add("t", 5);
        cleared.advance(&progress([2, 2], [0, 0], [0, 0]));
        cleared.add("t", 8);
        for _ in 0..2 {
            cleared.advance(&progress([2, 2], [0, 0], [0, 0]));
        }
        assert!(cleared.is_outdated("t", 7));
        for _ in 0..3 {
            cleared.advance(&progress([2, 2], [0, 0], [0, 0]));
        }
        assert!(cleared.is_empty());
    }
}
