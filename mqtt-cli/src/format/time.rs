//! The time a message is printed at, in local time.

use std::io::Write;

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, FixedOffset, Local, Utc};

/// Letters that C's `strftime` knows by themselves.
const LETTERS: &[u8] = b"aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZ%";

/// A point in time with the offset of local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime(DateTime<FixedOffset>);

impl LocalTime {
    /// Now, in the time zone of the process.
    #[must_use]
    pub fn now() -> Self {
        Self(Local::now().fixed_offset())
    }

    /// A time in seconds and nanoseconds since 1970, `offset_seconds` east of Greenwich.
    ///
    /// A time or offset that no calendar has counts as 1970 or as none.
    #[must_use]
    pub fn from_unix(seconds: i64, nanoseconds: u32, offset_seconds: i32) -> Self {
        let time = DateTime::<Utc>::from_timestamp(seconds, nanoseconds).unwrap_or_default();
        match FixedOffset::east_opt(offset_seconds) {
            Some(offset) => Self(time.with_timezone(&offset)),
            None => Self(time.fixed_offset()),
        }
    }

    /// `2016-08-10T09:47:38+0100`.
    pub(super) fn iso(self) -> String {
        self.0.format("%Y-%m-%dT%H:%M:%S%z").to_string()
    }

    /// `2016-08-10T09:47:38.123456+0100`.
    pub(super) fn iso_with_microseconds(self) -> String {
        self.0.format("%Y-%m-%dT%H:%M:%S%.6f%z").to_string()
    }

    /// Appends `1470818943.786368637`.
    pub(super) fn append_unix(self, out: &mut Vec<u8>) {
        append(out, format_args!("{}.", self.0.timestamp()));
        self.append_nanoseconds(out);
    }

    /// Appends nine digits.
    pub(super) fn append_nanoseconds(self, out: &mut Vec<u8>) {
        append(out, format_args!("{:09}", self.0.timestamp_subsec_nanos()));
    }

    /// Appends what C's `strftime` makes of `%` and a letter, which stay as they are if it makes
    /// nothing of them. `Z` is the offset, since the zone's abbreviation is not known here.
    pub(super) fn append_strftime(self, letter: u8, out: &mut Vec<u8>) {
        let specifier = [b'%', letter];
        let text = std::str::from_utf8(&specifier)
            .ok()
            .filter(|_| LETTERS.contains(&letter));
        match text {
            Some("%Z") if self.0.offset().local_minus_utc() == 0 => out.extend_from_slice(b"UTC"),
            Some("%Z") => self.append_strftime(b'z', out),
            Some(text) if !StrftimeItems::new(text).any(|item| item == Item::Error) => {
                append(out, format_args!("{}", self.0.format(text)));
            }
            _ => out.extend_from_slice(&specifier),
        }
    }
}

fn append(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to memory cannot fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_print_as_strftime_prints_them() {
        let time = LocalTime::from_unix(1_470_818_943, 5, -19_800);
        for (letter, expected) in [
            ('c', "Wed Aug 10 03:19:03 2016"),
            ('x', "08/10/16"),
            ('X', "03:19:03"),
            ('r', "03:19:03 AM"),
            ('P', "am"),
            ('e', "10"),
            ('k', " 3"),
            ('s', "1470818943"),
            ('z', "-0530"),
            ('n', "\n"),
            ('%', "%"),
            ('f', "%f"),
            ('+', "%+"),
        ] {
            let mut out = Vec::new();
            time.append_strftime(letter as u8, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{letter}");
        }
        assert_eq!(
            time.iso_with_microseconds(),
            "2016-08-10T03:19:03.000000-0530"
        );
    }
}
