//! Standard output of a tool, collected until there is nothing else to do.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes after which output is written even if more is at hand.
const WORTH_WRITING: usize = 64 * 1024;

/// Bytes on their way to standard output, shared by what prints messages and what prints packets,
/// so that their order is that of the events.
#[derive(Clone, Debug, Default)]
pub struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    /// Lets the caller append.
    pub fn append(&self, append: impl FnOnce(&mut Vec<u8>)) {
        append(&mut self.lock());
    }

    /// Whether enough has gathered to write it before going on.
    #[must_use]
    pub fn is_worth_writing(&self) -> bool {
        self.lock().len() >= WORTH_WRITING
    }

    /// Writes what has gathered, and sees that it arrives.
    ///
    /// # Errors
    /// Those of the stream; what has gathered is then gone.
    pub fn flush_to(&self, stream: &mut dyn Write) -> io::Result<()> {
        let mut gathered = self.lock();
        if gathered.is_empty() {
            return Ok(());
        }
        let result = stream.write_all(&gathered).and_then(|()| stream.flush());
        gathered.clear();
        result
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        // Appending does not leave anything half done that matters.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
