//! Random draws that a seed repeats.

use std::env;
use std::time::{Duration, SystemTime};

/// A number that the environment may give.
pub(crate) fn number_from(variable: &str, default: impl FnOnce() -> u64) -> u64 {
    env::var(variable).map_or_else(
        |_| default(),
        |text| text.parse().expect("a number in the environment"),
    )
}

/// Another seed for each run.
#[expect(clippy::disallowed_methods, reason = "a seed is drawn from real time")]
pub(crate) fn fresh_seed() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since = since.expect("a clock after 1970");
    u64::from(since.subsec_nanos()) ^ since.as_secs()
}

/// SplitMix64.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another one for another actor, independent of how often this one is asked.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("below a usize")
    }

    /// One of them.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        let drawn = choices.get(self.below(choices.len()));
        drawn.copied().expect("drawn below the length")
    }

    /// A time of `from` to `to` milliseconds.
    pub(crate) fn millis(&mut self, from: usize, to: usize) -> Duration {
        let drawn = from + self.below(to - from);
        Duration::from_millis(drawn as u64)
    }
}
