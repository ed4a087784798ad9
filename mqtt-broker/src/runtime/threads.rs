//! Threads whose end is heard of. A panic on any of them ends the broker: half a state is not served.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use tokio::sync::mpsc::Sender;

use super::observer::{Observer, RuntimeEvent};

/// Why the broker has to end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("thread {thread} failed: {reason}")]
pub struct ThreadFailure {
    /// Name of the thread.
    pub thread: String,
    /// The panic's message, or the error of the system.
    pub reason: String,
}

/// Threads to be joined.
pub(super) type Crew = Vec<JoinHandle<()>>;

/// Starts threads and passes on their failures.
#[derive(Clone)]
pub(super) struct Supervisor {
    pub(super) observer: Arc<dyn Observer>,
    pub(super) failures: Sender<ThreadFailure>,
}

impl Supervisor {
    /// Starts a thread.
    ///
    /// # Errors
    /// If the system has no room for one more.
    pub(super) fn spawn(
        &self,
        name: String,
        body: impl FnOnce() -> io::Result<()> + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        let supervisor = self.clone();
        Builder::new().name(name.clone()).spawn(move || {
            // What it worked on is not looked at again, broken or not.
            let reason = match catch_unwind(AssertUnwindSafe(body)) {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(panic) => panic_message(&*panic),
            };
            supervisor.report(ThreadFailure {
                thread: name,
                reason,
            });
        })
    }

    fn report(&self, failure: ThreadFailure) {
        let ThreadFailure { thread, reason } = &failure;
        self.observer
            .runtime_event(&RuntimeEvent::ThreadFailed { thread, reason });
        // When there is no room, one was reported already, and one is enough to end.
        let _ = self.failures.try_send(failure);
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it panicked without a message").to_owned()
}
