//! What a program writes, kept as it comes and waited for by its text.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::deadline::{Deadline, PATIENCE};

/// A stream of a running program: all bytes so far, and a way to wait for more.
#[derive(Debug, Clone)]
pub struct Capture {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panicked while it held the lock has left whole bytes behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Capture {
    /// Reads `stream` to its end on a thread of its own.
    pub fn of(mut stream: impl Read + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        thread::spawn(move || {
            let mut buffer = [0; 8192];
            loop {
                let read = stream.read(&mut buffer).unwrap_or(0);
                let mut state = writer.lock();
                state.bytes.extend(buffer.iter().take(read));
                state.ended = read == 0;
                writer.changed.notify_all();
                if state.ended {
                    return;
                }
            }
        });
        Self { shared }
    }

    /// Everything so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.shared.lock().bytes.clone()
    }

    /// Everything so far, as text; what is not UTF-8 shows as the replacement character.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.shared.lock().bytes).into_owned()
    }

    /// Waits for a whole line that holds `text` and returns it without its end.
    ///
    /// # Panics
    /// When it does not come before the stream ends or patience is over.
    pub fn wait_for(&self, text: &str) -> String {
        self.wait_for_times(text, 1)
    }

    /// As [`wait_for`](Self::wait_for), for the line that holds `text` for the `times`-th time.
    ///
    /// # Panics
    /// As [`wait_for`](Self::wait_for).
    pub fn wait_for_times(&self, text: &str, times: usize) -> String {
        self.wait(&format!("line {times} with {text:?}"), |state| {
            let all = String::from_utf8_lossy(&state.bytes);
            let whole = all
                .rfind('\n')
                .map_or("", |end| all.get(..end).unwrap_or(""));
            let mut matching = whole.lines().filter(|line| line.contains(text));
            matching.nth(times.saturating_sub(1)).map(ToOwned::to_owned)
        })
    }

    /// Waits for at least `count` whole lines and returns all that are there.
    ///
    /// # Panics
    /// As [`wait_for`](Self::wait_for).
    pub fn wait_for_lines(&self, count: usize) -> Vec<String> {
        self.wait(&format!("{count} lines"), |state| {
            let whole = state.bytes.iter().filter(|byte| **byte == b'\n').count();
            (whole >= count).then(|| {
                let all = String::from_utf8_lossy(&state.bytes);
                all.lines().map(ToOwned::to_owned).collect()
            })
        })
    }

    /// Waits for the end of the stream and returns all of it.
    ///
    /// # Panics
    /// When patience is over.
    pub fn wait_for_end(&self) -> Vec<u8> {
        self.wait("the end of the output", |state| {
            state.ended.then(|| state.bytes.clone())
        })
    }

    fn wait<T>(&self, what: &str, find: impl Fn(&State) -> Option<T>) -> T {
        let deadline = Deadline::start();
        let mut state = self.shared.lock();
        loop {
            if let Some(found) = find(&state) {
                return found;
            }
            let over = state.ended || deadline.is_over();
            assert!(
                !over,
                "no {what} within {PATIENCE:?}{}; the program said:\n{}",
                if state.ended {
                    " (the output has ended)"
                } else {
                    ""
                },
                String::from_utf8_lossy(&state.bytes)
            );
            state = match self.shared.changed.wait_timeout(state, deadline.left()) {
                Ok((guard, _)) => guard,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }
}
