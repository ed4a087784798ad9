//! What shards share. Each part is a leaf: hold one lock at a time and call nothing under it.

pub mod counters;
pub mod interest;
pub mod membership;
pub mod numbers;
pub mod retained;

use std::sync::atomic::AtomicU32;

use ahash::RandomState;

use counters::Counters;
use interest::Interest;
use membership::Membership;
use numbers::Numbers;
use retained::RetainedStore;

use crate::engine::ids::ShardId;
use crate::engine::routing::filter_map::hasher;

/// Everything that all shards of a broker see.
#[derive(Debug)]
pub struct Commons {
    /// How many shards there are.
    pub shards: u16,
    /// Which shards want which topics.
    pub interest: Interest,
    /// Who joins and leaves the groups that a shard looks after, by its number.
    pub memberships: Vec<Membership>,
    /// The retained messages.
    pub retained: RetainedStore,
    /// What each shard counts, by its number.
    pub counters: Vec<Counters>,
    /// Numbers under which messages and sessions are kept.
    pub numbers: Numbers,
    /// Sessions in the whole broker.
    pub sessions: AtomicU32,
    /// Keys of hash maps whose keys peers choose, and of the placement of client ids.
    pub seed: u64,
    /// What client ids are made up from.
    pub random_seed: [u8; 32],
    placement: RandomState,
}

impl Commons {
    /// An empty broker of `shards` shards, at least one. `random_seed` is drawn anew at each start.
    #[must_use]
    pub fn new(shards: u16, random_seed: [u8; 32]) -> Self {
        let seed = random_seed
            .iter()
            .fold(0, |all: u64, byte| all.rotate_left(8) ^ u64::from(*byte));
        let shards = shards.clamp(1, super::ids::SHARDS_MAX);
        Self {
            shards,
            interest: Interest::new(seed),
            retained: RetainedStore::new(seed),
            memberships: (0..shards).map(|_| Membership::default()).collect(),
            counters: (0..shards).map(|_| Counters::default()).collect(),
            numbers: Numbers::default(),
            sessions: AtomicU32::new(0),
            seed,
            random_seed,
            placement: hasher(seed),
        }
    }

    /// The shard that looks after a client id or a group.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a remainder of a u16 fits one"
    )]
    pub fn home_of(&self, key: &str) -> ShardId {
        ShardId((self.placement.hash_one(key) % u64::from(self.shards)) as u16)
    }
}
