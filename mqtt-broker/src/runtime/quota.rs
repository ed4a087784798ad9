//! How many connections are open, for each listener and in all, and how many may be
//! (`max_connections`, `global_max_connections`).

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::sockets::INTERNAL;

/// The most connections that may be open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// `global_max_connections`.
    pub global: Option<u32>,
    /// `max_connections` of each listener, by its number; no limit where the list ends.
    pub listeners: Vec<Option<u32>>,
}

/// Counts what is open. A connection is counted from accept until it is closed by either side; that
/// its last bytes are still under way does not count.
#[derive(Debug)]
pub(super) struct Quota {
    all: Count,
    listeners: Vec<Count>,
}

#[derive(Debug)]
struct Count {
    open: AtomicU32,
    most: AtomicU32,
}

impl Count {
    fn new() -> Self {
        Self {
            open: AtomicU32::new(0),
            most: AtomicU32::new(u32::MAX),
        }
    }

    fn limit(&self, most: Option<u32>) {
        self.most.store(most.unwrap_or(u32::MAX), Relaxed);
    }

    /// Counts one more if it may be. Counting first keeps the number exact when shards race; the
    /// loser may be refused although the winner of the last place was refused elsewhere.
    fn enter(&self) -> bool {
        let allowed = self.open.fetch_add(1, Relaxed) < self.most.load(Relaxed);
        if !allowed {
            self.leave();
        }
        allowed
    }

    fn leave(&self) {
        self.open.fetch_sub(1, Relaxed);
    }
}

impl Quota {
    /// Counts for listeners with numbers below `listeners`.
    pub(super) fn new(listeners: usize, limits: &ConnectionLimits) -> Self {
        let quota = Self {
            all: Count::new(),
            listeners: std::iter::repeat_with(Count::new).take(listeners).collect(),
        };
        quota.limit(limits);
        quota
    }

    /// Sets new limits. Connections above them stay.
    pub(super) fn limit(&self, limits: &ConnectionLimits) {
        self.all.limit(limits.global);
        for (number, count) in self.listeners.iter().enumerate() {
            count.limit(limits.listeners.get(number).copied().flatten());
        }
    }

    /// Counts a connection of a listener if it may be open.
    pub(super) fn enter(&self, listener: u16) -> bool {
        let Some(count) = self.listeners.get(usize::from(listener)) else {
            return false;
        };
        let allowed = count.enter();
        if allowed && !self.all.enter() {
            count.leave();
            return false;
        }
        allowed
    }

    /// It is open no more. The broker's own connections were never counted.
    pub(super) fn leave(&self, listener: u16) {
        if listener == INTERNAL {
            return;
        }
        self.all.leave();
        if let Some(count) = self.listeners.get(usize::from(listener)) {
            count.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_and_the_broker_have_limits_of_their_own() {
        let limits = ConnectionLimits {
            global: Some(3),
            listeners: vec![Some(2), None],
        };
        let quota = Quota::new(2, &limits);
        assert!(quota.enter(0) && quota.enter(0) && !quota.enter(0));
        assert!(quota.enter(1) && !quota.enter(1));
        quota.leave(0);
        assert!(quota.enter(1) && !quota.enter(0));
        quota.limit(&ConnectionLimits::default());
        assert!(quota.enter(0) && quota.enter(0));
        quota.leave(INTERNAL);
        assert_eq!(quota.all.open.load(Relaxed), 5);
    }
}
