//! The one place of the broker that asks the system for the time. A shard asks once a turn.

use std::time::Duration;

use mqtt_session::time::{Instant, Now, UnixTime};

/// Gives the time to all shards, counted from the same start.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: std::time::Instant,
}

impl Clock {
    /// A clock that stands at 0.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the broker gets its time from"
    )]
    pub fn start() -> Self {
        Self {
            start: std::time::Instant::now(),
        }
    }

    /// The time, to the millisecond.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the broker gets its time from"
    )]
    pub fn now(&self) -> Now {
        // A system clock before 1970 reads as 1970.
        let unix = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Now {
            instant: Instant::from_millis(millis(self.start.elapsed())),
            unix: UnixTime::from_millis(millis(unix)),
        }
    }

    /// When an instant comes, as the timers of the host understand it.
    pub(super) fn at(&self, instant: Instant) -> tokio::time::Instant {
        (self.start + Duration::from_millis(instant.as_millis())).into()
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_that_was_waited_for_is_reached() {
        let clock = Clock::start();
        let due = clock.now().instant + Duration::from_millis(3);
        std::thread::sleep(clock.at(due).into_std().duration_since(clock.start));
        assert!(clock.now().instant >= due);
        assert!(clock.now().unix > UnixTime::from_millis(1_700_000_000_000));
    }
}
