//! What stands before each log line: when it was told.

use std::fmt::Write as _;

use chrono::{Local, TimeZone};
use mqtt_session::time::UnixTime;

/// How the time of a line is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Timestamp {
    /// Not at all (`log_timestamp false`).
    None,
    /// Seconds since 1970, in decimal.
    #[default]
    EpochSeconds,
    /// Local time by this `strftime` pattern (`log_timestamp_format`).
    Format(Box<str>),
}

/// Writes timestamps, and remembers the last: many lines share a second.
#[derive(Debug)]
pub(super) struct Stamp {
    timestamp: Timestamp,
    second: u64,
    text: String,
}

impl Stamp {
    pub(super) fn new(timestamp: Timestamp) -> Self {
        let mut stamp = Self {
            timestamp,
            second: 0,
            text: String::new(),
        };
        stamp.format();
        stamp
    }

    /// The beginning of a line told at `now`: the time and `: `, or nothing.
    pub(super) fn at(&mut self, now: UnixTime) -> &str {
        if now.as_secs() != self.second {
            self.second = now.as_secs();
            self.format();
        }
        &self.text
    }

    fn format(&mut self) {
        self.text.clear();
        match &self.timestamp {
            Timestamp::None => return,
            Timestamp::EpochSeconds => self.text.push_str(&self.second.to_string()),
            Timestamp::Format(pattern) => {
                let time = i64::try_from(self.second)
                    .ok()
                    .and_then(|second| Local.timestamp_opt(second, 0).earliest());
                // A pattern with an unknown letter fails only when it is used.
                let written = time.map(|time| write!(self.text, "{}", time.format(pattern)));
                if !matches!(written, Some(Ok(()))) || self.text.is_empty() {
                    self.text.clear();
                    self.text.push_str("Time error");
                }
            }
        }
        self.text.push_str(": ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(timestamp: Timestamp, second: u64) -> String {
        Stamp::new(timestamp)
            .at(UnixTime::from_millis(second * 1000 + 7))
            .to_owned()
    }

    #[test]
    fn a_line_begins_with_the_time_as_configured() {
        let format = |pattern: &str| Timestamp::Format(pattern.into());
        assert_eq!(at(Timestamp::EpochSeconds, 1_700_000_000), "1700000000: ");
        assert_eq!(at(Timestamp::None, 1_700_000_000), "");
        assert_eq!(at(format("%Q"), 1_700_000_000), "Time error: ");
        assert_eq!(at(format(""), 1_700_000_000), "Time error: ");
        assert_eq!(at(format("at %s"), 1_700_000_000), "at 1700000000: ");
        let local = Local.timestamp_opt(1_700_000_000, 0).unwrap();
        assert_eq!(
            at(format("%Y-%m-%dT%H:%M:%S"), 1_700_000_000),
            format!("{}: ", local.format("%Y-%m-%dT%H:%M:%S")),
        );
    }

    #[test]
    fn the_text_changes_with_the_second() {
        let mut stamp = Stamp::new(Timestamp::EpochSeconds);
        assert_eq!(stamp.at(UnixTime::from_millis(999)), "0: ");
        assert_eq!(stamp.at(UnixTime::from_millis(1_000)), "1: ");
        assert_eq!(stamp.at(UnixTime::from_millis(1_999)), "1: ");
    }
}
