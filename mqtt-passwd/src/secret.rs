//! A password in memory that does not outlive its use.

use std::fmt;
use std::hint::black_box;

/// Bytes that are overwritten when they are dropped.
///
/// This covers the buffers of this program. The argument vector that the system shows to others
/// cannot be reached without unsafe code, so `-b` stays visible while the program runs; `--stdin`
/// and the prompts are for those who mind.
pub(crate) struct Secret(Vec<u8>);

impl Secret {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        // Else the compiler may see that nobody reads the zeros.
        black_box(&mut self.0);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
