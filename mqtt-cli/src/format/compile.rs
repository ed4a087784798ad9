//! The text of a format, taken apart and checked.

use std::fmt;

/// Widths and precisions above this count as this: a line of that length helps nobody.
const WIDTH_MAX: usize = 1 << 20;

/// What stands in a format, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(Vec<u8>),
    Field {
        field: Field,
        spec: Spec,
    },
    /// `@X`: what C's `strftime` makes of `%X`.
    Time(u8),
    /// `@N`.
    Nanoseconds,
}

/// What `%` and a letter stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Topic,
    Payload,
    HexLower,
    HexUpper,
    Length,
    QoS,
    Retain,
    PacketId,
    TopicAlias,
    ContentType,
    CorrelationData,
    MessageExpiryInterval,
    PayloadFormatIndicator,
    UserProperties,
    ResponseTopic,
    SubscriptionIdentifier,
    Float,
    Double,
    IsoTime,
    UnixTime,
    Json,
    JsonPayload,
}

impl Field {
    const fn from_letter(letter: u8) -> Option<Self> {
        Some(match letter {
            b't' => Self::Topic,
            b'p' => Self::Payload,
            b'x' => Self::HexLower,
            b'X' => Self::HexUpper,
            b'l' => Self::Length,
            b'q' => Self::QoS,
            b'r' => Self::Retain,
            b'm' => Self::PacketId,
            b'A' => Self::TopicAlias,
            b'C' => Self::ContentType,
            b'D' => Self::CorrelationData,
            b'E' => Self::MessageExpiryInterval,
            b'F' => Self::PayloadFormatIndicator,
            b'P' => Self::UserProperties,
            b'R' => Self::ResponseTopic,
            b'S' => Self::SubscriptionIdentifier,
            b'f' => Self::Float,
            b'd' => Self::Double,
            b'I' => Self::IsoTime,
            b'U' => Self::UnixTime,
            b'j' => Self::Json,
            b'J' => Self::JsonPayload,
            _ => return None,
        })
    }
}

/// How a field is to be laid out: `%[flag][width][.precision][separator]X`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spec {
    /// `-`: to the left, blanks behind it.
    pub(super) left: bool,
    /// `0`: zeros in front.
    pub(super) zero: bool,
    pub(super) width: usize,
    pub(super) precision: Option<usize>,
    /// What stands between groups of hexadecimal digits.
    pub(super) separator: Option<u8>,
}

/// Why a format cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatError {
    /// It ends within `%..` or behind `@`.
    IncompleteSpecifier,
    /// The letter of a `%..` that does not exist.
    InvalidSpecifier(char),
    /// It ends behind a backslash.
    IncompleteEscape,
    /// The letter of an escape that does not exist.
    InvalidEscape(char),
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IncompleteSpecifier => f.write_str("Error: Incomplete format specifier."),
            Self::InvalidSpecifier(letter) => {
                write!(f, "Error: Invalid format specifier '{letter}'.")
            }
            Self::IncompleteEscape => f.write_str("Error: Incomplete escape specifier."),
            Self::InvalidEscape(letter) => {
                write!(f, "Error: Invalid escape specifier '{letter}'.")
            }
        }
    }
}

impl std::error::Error for FormatError {}

pub(super) fn pieces(format: &[u8]) -> Result<Vec<Piece>, FormatError> {
    let mut pieces = Vec::new();
    let mut rest = format;
    while let Some((first, after)) = rest.split_first() {
        let piece = match first {
            b'%' => {
                let (piece, after) = specifier(after)?;
                rest = after;
                piece
            }
            b'@' => {
                let (letter, after) = after
                    .split_first()
                    .ok_or(FormatError::IncompleteSpecifier)?;
                rest = after;
                match letter {
                    b'@' => Piece::Literal(b"@".to_vec()),
                    b'N' => Piece::Nanoseconds,
                    letter => Piece::Time(*letter),
                }
            }
            b'\\' => {
                let (letter, after) = after.split_first().ok_or(FormatError::IncompleteEscape)?;
                rest = after;
                Piece::Literal(vec![escaped(*letter)?])
            }
            _ => {
                let end = rest
                    .iter()
                    .position(|byte| matches!(byte, b'%' | b'@' | b'\\'));
                let (literal, after) = rest.split_at(end.unwrap_or(rest.len()));
                rest = after;
                Piece::Literal(literal.to_vec())
            }
        };
        pieces.push(piece);
    }
    Ok(pieces)
}

fn escaped(letter: u8) -> Result<u8, FormatError> {
    Ok(match letter {
        b'\\' => b'\\',
        b'0' => 0,
        b'a' => 0x07,
        b'e' => 0x1B,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0B,
        letter => return Err(FormatError::InvalidEscape(char::from(letter))),
    })
}

/// What stands behind a `%`, and what behind that.
fn specifier(format: &[u8]) -> Result<(Piece, &[u8]), FormatError> {
    let mut spec = Spec::default();
    let mut rest = format;
    // One flag only: the 0 of `%-040p` is part of the width.
    if let [flag @ (b'-' | b'0'), after @ ..] = rest {
        spec.left = *flag == b'-';
        spec.zero = *flag == b'0';
        rest = after;
    }
    (spec.width, rest) = digits(rest);
    if let [b'.', after @ ..] = rest {
        let (precision, after) = digits(after);
        spec.precision = Some(precision);
        rest = after;
    }
    if let [separator, after @ ..] = rest
        && *separator != b'%'
        && (*separator == b' ' || separator.is_ascii_punctuation())
    {
        spec.separator = Some(*separator);
        rest = after;
    }
    let (letter, rest) = rest.split_first().ok_or(FormatError::IncompleteSpecifier)?;
    if *letter == b'%' {
        return Ok((Piece::Literal(b"%".to_vec()), rest));
    }
    let field = Field::from_letter(*letter)
        .ok_or_else(|| FormatError::InvalidSpecifier(char::from(*letter)))?;
    Ok((Piece::Field { field, spec }, rest))
}

fn digits(text: &[u8]) -> (usize, &[u8]) {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let number = digits.iter().fold(0_usize, |number, digit| {
        number
            .saturating_mul(10)
            .saturating_add(usize::from(digit - b'0'))
            .min(WIDTH_MAX)
    });
    (number, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_in_a_format_are_told_with_the_texts_of_the_original() {
        for format in ["%", "%0", "%-", "%1", "%.", "%.1", "@", "a%.2:"] {
            assert_eq!(
                pieces(format.as_bytes()),
                Err(FormatError::IncompleteSpecifier),
                "{format}"
            );
        }
        for (format, expected) in [
            ("%y", "Error: Invalid format specifier 'y'."),
            ("%s", "Error: Invalid format specifier 's'."),
            ("%@s", "Error: Invalid format specifier 's'."),
            ("\\", "Error: Incomplete escape specifier."),
            ("\\q", "Error: Invalid escape specifier 'q'."),
        ] {
            assert_eq!(
                pieces(format.as_bytes()).unwrap_err().to_string(),
                expected,
                "{format}"
            );
        }
    }
}
