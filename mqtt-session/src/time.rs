//! Time as it is given to the rules: points and spans, never a clock.

use std::ops::Add;
use std::time::Duration;

/// A point on a monotonic clock, in milliseconds since a start of the caller's choice.
///
/// ```
/// # use std::time::Duration;
/// # use mqtt_session::time::Instant;
/// let deadline = Instant::from_millis(1_500) + Duration::from_secs(1);
/// assert_eq!(deadline.saturating_since(Instant::from_millis(2_000)), Duration::from_millis(500));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

/// A point of wall-clock time, in milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixTime(u64);

/// Both clocks as they stood at one moment; read once a turn and handed down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// For deadlines and time-outs.
    pub instant: Instant,
    /// For what is stored or shown.
    pub unix: UnixTime,
}

impl Instant {
    /// The point so many milliseconds after the start.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the start.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The point a span later, or `None` where the clock ends.
    #[must_use]
    pub fn checked_add(self, span: Duration) -> Option<Self> {
        self.0
            .checked_add(u64::try_from(span.as_millis()).ok()?)
            .map(Self)
    }

    /// The point a span later, or the last one there is.
    #[must_use]
    pub fn saturating_add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates, as [`Instant::saturating_add`] does.
    fn add(self, span: Duration) -> Self {
        self.saturating_add(span)
    }
}

impl UnixTime {
    /// The point so many milliseconds after 1970.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000
    }

    /// The point a span later, or the last one there is.
    #[must_use]
    pub fn saturating_add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for UnixTime {
    type Output = Self;

    /// Saturates, as [`UnixTime::saturating_add`] does.
    fn add(self, span: Duration) -> Self {
        self.saturating_add(span)
    }
}

/// Whole milliseconds of a span; the longest if they do not fit.
fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_and_spans_add_up() {
        let start = Instant::from_millis(1_500);
        assert_eq!((start + Duration::from_secs(2)).as_millis(), 3_500);
        assert_eq!(
            start.saturating_since(Instant::from_millis(500)),
            Duration::from_secs(1)
        );
        assert_eq!(
            Instant::from_millis(500).saturating_since(start),
            Duration::ZERO
        );
        assert_eq!(UnixTime::from_millis(1_999).as_secs(), 1);
    }

    #[test]
    fn the_end_of_the_clock_is_not_passed() {
        let end = Instant::from_millis(u64::MAX);
        assert_eq!(end + Duration::from_secs(1), end);
        assert_eq!(end.saturating_add(Duration::MAX), end);
        assert_eq!(end.checked_add(Duration::from_millis(1)), None);
        assert_eq!(Instant::default().checked_add(Duration::MAX), None);
        assert_eq!(
            UnixTime::from_millis(u64::MAX) + Duration::MAX,
            UnixTime::from_millis(u64::MAX)
        );
    }
}
