//! What the reader has to say: errors, all of them at once, and notices, as data.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Exit code of a program that was given a bad configuration or a bad argument.
pub const EXIT_CODE: u8 = 3;

/// Errors kept of one reading; the rest are counted.
const ERRORS_MAX: usize = 100;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named.
    pub file: Arc<Path>,
    /// The line, counted from one; zero means the file as a whole.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}", self.file.display())
        } else {
            write!(f, "{}:{}", self.file.display(), self.line)
        }
    }
}

/// How loud a notice is; the log types of the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something does not work as written.
    Warning,
    /// Something should be changed some day.
    Notice,
    /// What was done.
    Information,
}

/// Something worth a log line that keeps nobody from starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How loud.
    pub level: Level,
    /// One line.
    pub text: String,
    /// What it is about, for a linter; lines that scripts know do not name it in their text.
    pub place: Option<Place>,
}

/// Something that keeps a configuration from being used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where; absent if no file is to blame.
    pub place: Option<Place>,
    /// The option, if it is one that is wrong.
    pub option: Option<String>,
    /// What is wrong, what is allowed and what to do.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if let Some(option) = &self.option {
            write!(f, "option \"{option}\": ")?;
        }
        f.write_str(&self.message)
    }
}

/// Everything that is wrong with a configuration, in the order of the files; a line for each.
///
/// The exit code that goes with it is [`EXIT_CODE`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigErrors {
    errors: Vec<ConfigError>,
    more: usize,
}

impl ConfigErrors {
    /// Adds an error; past a hundred they are only counted.
    pub(super) fn push(&mut self, error: ConfigError) {
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(error);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// Whether a further error will only be counted.
    pub(super) fn is_full(&self) -> bool {
        self.errors.len() >= ERRORS_MAX
    }

    /// The errors that were kept.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.errors.iter()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        if self.more > 0 {
            write!(f, "\nand {} more errors", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Text of a file made fit for one line of a terminal or log: control characters escaped, cut at
/// 100 characters.
pub(super) fn shown(bytes: &[u8]) -> String {
    const CHARACTERS_MAX: usize = 100;
    let text = String::from_utf8_lossy(bytes);
    let mut line = String::new();
    for (index, character) in text.chars().enumerate() {
        if index == CHARACTERS_MAX {
            line.push_str("...");
            break;
        }
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}
