//! Words of a line into values: flags, numbers, texts and durations, by Mosquitto's rules.

use std::time::Duration;

use super::report::shown;

/// Bytes of the longest text: what fits into a string of MQTT.
pub(super) const TEXT_BYTES_MAX: usize = 65_535;

/// What is wrong with a line, in the words of the original where it has some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The value; what is allowed instead is said by the row of the option.
    Value(String),
    /// Something else; the text says all.
    Other(String),
}

impl Fault {
    /// [`Fault::Other`].
    pub(super) fn other(text: impl Into<String>) -> Self {
        Self::Other(text.into())
    }
}

/// What follows the name of an option on its line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    option: &'a str,
    rest: &'a [u8],
}

impl<'a> Value<'a> {
    pub(super) fn new(option: &'a str, rest: &'a [u8]) -> Self {
        Self { option, rest }
    }

    /// The option as it was written; an alias under its own name.
    pub(super) fn option(&self) -> &'a str {
        self.option
    }

    /// The words, parted by spaces.
    pub(super) fn words(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.rest
            .split(|byte| *byte == b' ')
            .filter(|word| !word.is_empty())
    }

    /// The first word; what follows it is ignored.
    pub(super) fn word(&self) -> Result<&'a [u8], Fault> {
        self.words().next().ok_or_else(|| self.empty())
    }

    /// The first word as text.
    pub(super) fn text_word(&self) -> Result<&'a str, Fault> {
        self.checked_text(self.word()?)
    }

    /// `true`, `false`, `1` or `0`.
    pub(super) fn flag(&self) -> Result<bool, Fault> {
        match self.word()? {
            b"true" | b"1" => Ok(true),
            b"false" | b"0" => Ok(false),
            other => Err(self.invalid(other)),
        }
    }

    /// A number of 32 bits with sign: decimal, `0x` hexadecimal, or octal with a leading zero.
    pub(super) fn number(&self) -> Result<i32, Fault> {
        self.number_of(self.word()?)
    }

    /// A word of the value as a number.
    pub(super) fn number_of(&self, word: &[u8]) -> Result<i32, Fault> {
        let fault = |what| {
            let word = shown(word);
            Fault::Value(format!("'{}' value {what} ({word})", self.option))
        };
        let number = c_number(word).ok_or_else(|| fault("not a number"))?;
        i32::try_from(number).map_err(|_| fault("out of range"))
    }

    /// A number within bounds that are not negative.
    pub(super) fn number_within(&self, min: u32, max: u32) -> Result<u32, Fault> {
        u32::try_from(self.number()?)
            .ok()
            .filter(|number| (min..=max).contains(number))
            .ok_or_else(|| self.invalid(self.words().next().unwrap_or_default()))
    }

    /// The rest of the line without blanks at its ends, checked as MQTT checks its strings.
    pub(super) fn text(&self, bytes_max: usize) -> Result<&'a str, Fault> {
        let text = self.rest.trim_ascii();
        if text.is_empty() {
            return Err(self.empty());
        }
        if text.len() > bytes_max {
            // Not shown: it may be a password.
            return Err(Fault::Value(format!(
                "'{}' value of {} bytes is too long",
                self.option,
                text.len()
            )));
        }
        self.checked_text(text)
    }

    /// The rest of the line with the blanks at its end; may be empty.
    pub(super) fn raw_text(&self) -> Result<&'a str, Fault> {
        self.checked_text(self.rest)
    }

    /// `Empty 'x' value in configuration`.
    pub(super) fn empty(&self) -> Fault {
        Fault::Value(format!("Empty '{}' value in configuration", self.option))
    }

    /// `Invalid 'x' value (v)`.
    pub(super) fn invalid(&self, value: &[u8]) -> Fault {
        Fault::Value(format!(
            "Invalid '{}' value ({})",
            self.option,
            shown(value)
        ))
    }

    /// Bytes as text of MQTT (MQTT 5, 1.5.4; control characters are refused, too).
    pub(super) fn checked_text(&self, bytes: &'a [u8]) -> Result<&'a str, Fault> {
        std::str::from_utf8(bytes)
            .ok()
            .filter(|text| !text.chars().any(is_refused))
            .ok_or_else(|| Fault::other("Malformed UTF-8 in configuration"))
    }
}

/// Control characters and those that Unicode reserves.
fn is_refused(character: char) -> bool {
    let code = u32::from(character);
    character.is_control() || (0xFDD0..=0xFDEF).contains(&code) || code & 0xFFFE == 0xFFFE
}

/// What `strtol` with base 0 makes of a whole word; a number that overflows stops at the ends.
fn c_number(word: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(word).ok()?;
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        Some(digits) => (16, digits),
        None if digits.len() > 1 && digits.starts_with('0') => (8, digits),
        None => (10, digits),
    };
    let mut number = 0_i64;
    for digit in digits.chars() {
        let digit = digit.to_digit(radix)?;
        number = number
            .saturating_mul(i64::from(radix))
            .saturating_add(i64::from(digit));
    }
    let number = if is_negative { -number } else { number };
    (!digits.is_empty()).then_some(number)
}

/// A count with its unit: `s`, `h`, `d`, `w`, `m` (30 days!) or `y` (365 days); more than zero.
pub(super) fn long_duration(word: &[u8]) -> Option<Duration> {
    const HOUR: u64 = 3600;
    let (unit, count) = word.split_last()?;
    let unit = match unit {
        b's' => 1,
        b'h' => HOUR,
        b'd' => 24 * HOUR,
        b'w' => 7 * 24 * HOUR,
        b'm' => 30 * 24 * HOUR,
        b'y' => 365 * 24 * HOUR,
        _ => return None,
    };
    let count: u32 = std::str::from_utf8(count).ok()?.parse().ok()?;
    (count > 0).then(|| Duration::from_secs(u64::from(count) * unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        for (word, expected) in [
            ("10", Some(10)),
            ("010", Some(8)),
            ("0x1F", Some(31)),
            ("0X1f", Some(31)),
            ("-010", Some(-8)),
            ("+7", Some(7)),
            ("0", Some(0)),
            ("08", None),
            ("0x", None),
            ("", None),
            ("-", None),
            ("--1", None),
            ("5x", None),
            ("5\t", None),
            ("99999999999999999999", Some(i64::MAX)),
        ] {
            assert_eq!(c_number(word.as_bytes()), expected, "{word}");
        }
    }

    #[test]
    fn words_and_their_faults() {
        let value = |rest| Value::new("x", rest);
        assert_eq!(value(b" 5 # five").number(), Ok(5));
        assert_eq!(
            value(b"").number(),
            Err(Fault::Value("Empty 'x' value in configuration".to_owned()))
        );
        assert_eq!(
            value(b"y").number(),
            Err(Fault::Value("'x' value not a number (y)".to_owned()))
        );
        assert_eq!(
            value(b"2147483648").number(),
            Err(Fault::Value(
                "'x' value out of range (2147483648)".to_owned()
            ))
        );
        assert_eq!(
            value(b"3").number_within(0, 2),
            Err(Fault::Value("Invalid 'x' value (3)".to_owned()))
        );
        assert_eq!(
            value(b"-1").number_within(0, 2),
            Err(Fault::Value("Invalid 'x' value (-1)".to_owned()))
        );
        assert_eq!(value(b"1 yes").flag(), Ok(true));
        assert_eq!(
            value(b"True").flag(),
            Err(Fault::Value("Invalid 'x' value (True)".to_owned()))
        );
        assert_eq!(value(b"  a # b  ").text(9), Ok("a # b"));
        assert_eq!(
            value(b"   ").text(9),
            Err(Fault::Value("Empty 'x' value in configuration".to_owned()))
        );
        assert!(value(b"abc").text(2).is_err());
        assert_eq!(value(b"a ").raw_text(), Ok("a "));
        for malformed in [&b"a\xFF"[..], b"a\x01b", b"a\xC2\x80b", b"a\xEF\xBF\xBE"] {
            assert_eq!(
                value(malformed).text(9),
                Err(Fault::other("Malformed UTF-8 in configuration"))
            );
        }
    }

    #[test]
    fn a_month_has_thirty_days() {
        for (word, expected) in [
            ("90s", Some(90)),
            ("2h", Some(7200)),
            ("1d", Some(86_400)),
            ("1w", Some(604_800)),
            ("1m", Some(2_592_000)),
            ("1y", Some(31_536_000)),
            ("0d", None),
            ("-1d", None),
            ("d", None),
            ("5", None),
            ("5x", None),
            ("", None),
        ] {
            assert_eq!(
                long_duration(word.as_bytes()),
                expected.map(Duration::from_secs),
                "{word}"
            );
        }
    }
}
