//! The one place of the broker that asks the system for the time. A shard asks once a turn.

use std::time::Duration;

use mqtt_session::time::{Instant, Now, UnixTime};

/// Gives the time to all shards, counted from the same start.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: std::time::Instant,
    /// The calendar at the start; [`Self::now`] is never before what follows from it.
    unix_start: UnixTime,
}

impl Clock {
    /// A clock that stands at 0 and says of the calendar what the system says.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the broker gets its time from"
    )]
    pub fn start() -> Self {
        Self {
            start: std::time::Instant::now(),
            unix_start: UnixTime::default(),
        }
    }

    /// A clock whose calendar does not go back: should the system's stand before `last` now, or be set back
    /// later, it goes on from where it was, as fast as time passes, until the system's is ahead again.
    #[must_use]
    pub fn start_after(last: UnixTime) -> Self {
        let clock = Self::start();
        Self {
            unix_start: clock.now().unix.max(last),
            ..clock
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
        let elapsed = self.start.elapsed();
        let least = self.unix_start.saturating_add(elapsed);
        Now {
            instant: Instant::from_millis(millis(elapsed)),
            unix: UnixTime::from_millis(millis(unix)).max(least),
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
    fn the_calendar_goes_on_from_a_later_time_and_follows_the_system_otherwise() {
        let system = Clock::start();
        let later = system.now().unix.saturating_add(Duration::from_secs(1_000));
        let clock = Clock::start_after(later);
        let first = clock.now();
        assert!(first.unix >= later && first.unix < later.saturating_add(Duration::from_secs(500)));
        let due = first.instant + Duration::from_millis(3);
        std::thread::sleep(clock.at(due).into_std().duration_since(clock.start));
        assert!(clock.now().unix.saturating_since(first.unix) >= Duration::from_millis(2));
        let clock = Clock::start_after(UnixTime::from_millis(5));
        let now = clock.now().unix;
        assert!(now.saturating_since(system.now().unix) < Duration::from_secs(1));
        assert!(system.now().unix.saturating_since(now) < Duration::from_secs(500));
    }

    #[test]
    fn an_instant_that_was_waited_for_is_reached() {
        let clock = Clock::start();
        let due = clock.now().instant + Duration::from_millis(3);
        std::thread::sleep(clock.at(due).into_std().duration_since(clock.start));
        assert!(clock.now().instant >= due);
        assert!(clock.now().unix > UnixTime::from_millis(1_700_000_000_000));
    }
}
