//! Names of things that come and go. An id is an index and a generation, so that a late answer
//! about something gone is an ordinary miss and never reaches its successor.

/// A connection of one shard, from accept to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    /// Slot in the shard's tables; the runtime's sockets and the engine's connections share it.
    pub index: u32,
    /// How often the slot was used before; wraps.
    pub generation: u32,
}

/// A session of one shard. It lives as long as MQTT says, with or without a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId {
    /// Slot in the shard's table of sessions.
    pub index: u32,
    /// How often the slot was used before; wraps.
    pub generation: u32,
}

/// A session as another shard names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionAddress {
    /// Its home.
    pub shard: ShardId,
    /// The session there.
    pub session: SessionId,
}

/// One of the shards of this broker, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardId(pub u16);

impl ShardId {
    /// The shard's place in a table of shards.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The most shards a broker can have; a set of shards is one `u64`.
pub const SHARDS_MAX: u16 = 64;

/// A set of shards, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardSet(u64);

impl ShardSet {
    /// Adds a shard.
    pub fn insert(&mut self, shard: ShardId) {
        self.0 |= 1 << (shard.0 % SHARDS_MAX);
    }

    /// The set without one shard.
    #[must_use]
    pub fn without(self, shard: ShardId) -> Self {
        Self(self.0 & !(1 << (shard.0 % SHARDS_MAX)))
    }

    /// Whether the shard is in the set.
    #[must_use]
    pub fn contains(self, shard: ShardId) -> bool {
        self.0 & (1 << (shard.0 % SHARDS_MAX)) != 0
    }

    /// Both sets together.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether no shard is in it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The shards in it, lowest first.
    pub fn iter(self) -> impl Iterator<Item = ShardId> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let bit = rest.trailing_zeros();
            rest &= rest.wrapping_sub(1);
            u16::try_from(bit)
                .ok()
                .filter(|bit| *bit < SHARDS_MAX)
                .map(ShardId)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_shards_gives_back_what_was_put_in() {
        let mut set = ShardSet::default();
        for shard in [3, 0, 63] {
            set.insert(ShardId(shard));
        }
        assert_eq!(
            set.iter().collect::<Vec<_>>(),
            [ShardId(0), ShardId(3), ShardId(63)]
        );
        assert_eq!(set.without(ShardId(3)).iter().count(), 2);
        assert!(ShardSet::default().is_empty() && ShardSet::default().iter().next().is_none());
    }
}
