//! Kinds of log lines, named as `log_type` names them, and sets of them.

use crate::config::{self, LogTypes};

/// What kind of line it is. The line itself does not say so, as in the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Level {
    /// Something failed.
    Error,
    /// Something may be wrong.
    Warning,
    /// What an operator acts on: clients that come and go.
    Notice,
    /// What the broker does.
    Information,
    /// Every packet.
    Debug,
    /// A subscription was made.
    Subscribe,
    /// A subscription was removed.
    Unsubscribe,
}

/// A set of [`Level`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels(u8);

impl Levels {
    /// No line at all.
    pub const NONE: Self = Self(0);
    /// Every line.
    pub const ALL: Self = Self(0b111_1111);
    /// What is logged unless `log_type` says otherwise.
    pub const DEFAULT: Self = Self::NONE
        .with(Level::Error)
        .with(Level::Warning)
        .with(Level::Notice)
        .with(Level::Information);

    /// Each level and what `log_type` calls it.
    const NAMES: [(Level, LogTypes); 7] = [
        (Level::Error, LogTypes::ERROR),
        (Level::Warning, LogTypes::WARNING),
        (Level::Notice, LogTypes::NOTICE),
        (Level::Information, LogTypes::INFORMATION),
        (Level::Debug, LogTypes::DEBUG),
        (Level::Subscribe, LogTypes::SUBSCRIBE),
        (Level::Unsubscribe, LogTypes::UNSUBSCRIBE),
    ];

    /// The set and one more.
    #[must_use]
    pub const fn with(self, level: Level) -> Self {
        Self(self.0 | 1 << level as u8)
    }

    /// Whether lines of this kind are in the set.
    #[must_use]
    pub const fn contains(self, level: Level) -> bool {
        self.0 & 1 << level as u8 != 0
    }

    /// The set as bits, to be kept in an atomic.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// A set from its bits; unknown ones mean nothing.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }
}

impl From<config::Level> for Level {
    fn from(level: config::Level) -> Self {
        match level {
            config::Level::Warning => Self::Warning,
            config::Level::Notice => Self::Notice,
            config::Level::Information => Self::Information,
        }
    }
}

impl From<LogTypes> for Levels {
    fn from(types: LogTypes) -> Self {
        let chosen = Self::NAMES
            .into_iter()
            .filter(|(_, name)| types.contains(*name));
        chosen.fold(Self::NONE, |levels, (level, _)| levels.with(level))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_types_become_levels() {
        assert_eq!(Levels::from(LogTypes::NONE), Levels::NONE);
        assert_eq!(Levels::from(LogTypes::DEFAULT), Levels::DEFAULT);
        assert_eq!(Levels::from(LogTypes::ALL), Levels::ALL);
        let both = Levels::from(LogTypes::SUBSCRIBE.with(LogTypes::DEBUG));
        assert!(both.contains(Level::Debug) && both.contains(Level::Subscribe));
        assert!(!both.contains(Level::Unsubscribe) && !both.contains(Level::Error));
    }
}
