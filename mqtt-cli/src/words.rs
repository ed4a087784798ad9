//! The words still to be read, of a command line or of one line of an options file.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;

/// Words in the order they stand, each as the bytes it has.
pub struct Words<'a>(&'a mut VecDeque<Vec<u8>>);

impl<'a> Words<'a> {
    /// Words are taken from the front.
    pub fn new(words: &'a mut VecDeque<Vec<u8>>) -> Self {
        Self(words)
    }

    /// Takes the next word, whatever it looks like.
    pub fn next_word(&mut self) -> Option<Vec<u8>> {
        self.0.pop_front()
    }

    /// Puts a word in front of the others.
    pub(crate) fn put_back(&mut self, word: Vec<u8>) {
        self.0.push_front(word);
    }
}

/// A word for people to read.
#[must_use]
pub fn shown(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

/// The file a word names, byte for byte where the system has such names.
#[must_use]
pub fn path(word: &[u8]) -> PathBuf {
    #[cfg(unix)]
    let name = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(word);
    #[cfg(not(unix))]
    let name = String::from_utf8_lossy(word).into_owned();
    PathBuf::from(OsString::from(name))
}
