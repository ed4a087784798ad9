//! How long a test waits, and the only clock that tests read.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up. Far above what an idle machine needs, since
/// the suites run beside each other on small ones.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition that cannot be waited for is looked at again.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A moment after which waiting is over.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    started: Instant,
    length: Duration,
}

impl Deadline {
    /// [`PATIENCE`] from now.
    pub fn start() -> Self {
        Self::after(PATIENCE)
    }

    /// `length` from now.
    #[expect(clippy::disallowed_methods, reason = "a test's deadline is real time")]
    pub fn after(length: Duration) -> Self {
        Self {
            started: Instant::now(),
            length,
        }
    }

    /// What is left of it; zero when it has passed.
    pub fn left(&self) -> Duration {
        self.length.saturating_sub(self.started.elapsed())
    }

    /// Time since it was started.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Whether it has passed.
    pub fn is_over(&self) -> bool {
        self.left().is_zero()
    }
}

/// Tries until `attempt` has an answer; for what the system gives no event for, such as a port
/// that opens or a child of somebody else that ends.
///
/// # Panics
/// When [`PATIENCE`] is over; `what` names the thing waited for.
pub fn wait_until<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Deadline::start();
    loop {
        if let Some(answer) = attempt() {
            return answer;
        }
        assert!(!deadline.is_over(), "waited {PATIENCE:?} in vain: {what}");
        thread::sleep(POLL_INTERVAL);
    }
}
