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

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::engine::event::Event;
    use crate::runtime::observer::PeerAddress;

    struct Deaf;

    impl Observer for Deaf {
        fn event(&self, _event: &Event<'_>, _peer: Option<&PeerAddress>) {}
        fn runtime_event(&self, _event: &RuntimeEvent<'_>) {}
    }

    #[test]
    fn panics_and_errors_are_reported_and_a_good_end_is_not() {
        let (failures, mut reported) = mpsc::channel(4);
        let supervisor = Supervisor {
            observer: Arc::new(Deaf),
            failures,
        };
        let run = |name: &str, body: fn() -> io::Result<()>| {
            supervisor
                .spawn(name.to_owned(), body)
                .unwrap()
                .join()
                .unwrap();
        };
        run("good", || Ok(()));
        run("failing", || Err(io::ErrorKind::OutOfMemory.into()));
        run("panicking", || panic!("half a state"));
        let failing = reported.try_recv().unwrap();
        assert_eq!(failing.to_string(), "thread failing failed: out of memory");
        let panicking = reported.try_recv().unwrap();
        assert_eq!(
            panicking.to_string(),
            "thread panicking failed: half a state"
        );
        assert!(reported.try_recv().is_err());
    }
}
