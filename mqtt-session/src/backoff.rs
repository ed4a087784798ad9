//! How long to wait before the next attempt: longer each time, and never all at once.

use std::time::Duration;

/// Delays between attempts to connect: they double from a first to a longest one, and each is
/// drawn from the upper half of its span, so that a thousand clients of a restarted server do not
/// come back in the same instant.
///
/// ```
/// # use std::time::Duration;
/// # use mqtt_session::backoff::Backoff;
/// let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60), 42);
/// assert!(backoff.next_delay() <= Duration::from_secs(1));
/// assert!(backoff.next_delay() >= Duration::from_secs(1));
/// ```
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    /// What the next delay is drawn from.
    span: Duration,
    /// State of the generator; `None` draws nothing: every delay is its whole span.
    random: Option<u64>,
}

impl Backoff {
    /// Delays from `first` to `longest`, with jitter drawn from `seed`. A `longest` below `first`
    /// counts as `first`.
    #[must_use]
    pub fn new(first: Duration, longest: Duration, seed: u64) -> Self {
        Self {
            first,
            longest: longest.max(first),
            span: first,
            random: Some(seed),
        }
    }

    /// The same delay each time, without jitter.
    #[must_use]
    pub const fn fixed(delay: Duration) -> Self {
        Self {
            first: delay,
            longest: delay,
            span: delay,
            random: None,
        }
    }

    /// How long to wait now; the next wait is up to twice as long.
    pub fn next_delay(&mut self) -> Duration {
        let span = self.span;
        self.span = span.saturating_mul(2).min(self.longest);
        let Some(state) = &mut self.random else {
            return span;
        };
        let half = u64::try_from(span.as_nanos() / 2).unwrap_or(u64::MAX);
        // `half` is no more than half of `span`, so the difference is not below zero.
        span.saturating_sub(Duration::from_nanos(
            next_random(state).checked_rem(half).unwrap_or(0),
        ))
    }

    /// An attempt succeeded: the next failure starts from the first delay again.
    pub fn reset(&mut self) {
        self.span = self.first;
    }
}

/// SplitMix64: eight bytes of state, good enough to spread clients.
fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_the_longest_and_lie_in_the_upper_half() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10), 7);
        for span in [1, 2, 4, 8, 10, 10, 10] {
            let delay = backoff.next_delay();
            assert!(delay <= Duration::from_secs(span), "{delay:?} of {span}");
            assert!(
                delay >= Duration::from_secs(span) / 2,
                "{delay:?} of {span}"
            );
        }
        backoff.reset();
        assert!(backoff.next_delay() <= Duration::from_secs(1));
    }

    #[test]
    fn two_seeds_do_not_wait_alike() {
        let delays = |seed| {
            let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60), seed);
            [(); 8].map(|()| backoff.next_delay())
        };
        assert_eq!(delays(1), delays(1));
        assert_ne!(delays(1), delays(2));
    }

    #[test]
    fn a_fixed_delay_never_changes() {
        let mut backoff = Backoff::fixed(Duration::from_secs(1));
        assert_eq!(
            [(); 3].map(|()| backoff.next_delay()),
            [Duration::from_secs(1); 3]
        );
    }

    #[test]
    fn impossible_spans_do_no_harm() {
        assert_eq!(
            Backoff::new(Duration::ZERO, Duration::ZERO, 1).next_delay(),
            Duration::ZERO
        );
        let mut endless = Backoff::new(Duration::MAX, Duration::ZERO, 1);
        assert!(endless.next_delay() > Duration::ZERO);
        assert!(endless.next_delay() > Duration::ZERO);
    }
}
