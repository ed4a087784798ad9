//! Numbers as the original tools read them: C's `atoi`, `atof` and `strtol`.

/// C's `atoi`: leading digits count, anything else is 0; saturates where C overflows.
#[must_use]
pub fn atoi(word: &[u8]) -> i32 {
    let number = atol(word);
    i32::try_from(number).unwrap_or(if number < 0 { i32::MIN } else { i32::MAX })
}

/// C's `atol`: as [`atoi`], with 64 bits.
#[must_use]
pub fn atol(word: &[u8]) -> i64 {
    let (negative, digits) = sign(word.trim_ascii_start());
    let magnitude =
        digits
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .fold(0_i64, |number, byte| {
                number
                    .saturating_mul(10)
                    .saturating_add(i64::from(byte - b'0'))
            });
    if negative { -magnitude } else { magnitude }
}

/// C's `atof` for decimal numbers: the longest leading part that is a number, else 0.
#[must_use]
pub fn atof(word: &[u8]) -> f64 {
    let word = word.trim_ascii_start();
    // `str::parse` alone decides what a number is; it also takes the words "inf" and "nan", which
    // no option has a use for.
    let end = word
        .iter()
        .position(|byte| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
        .unwrap_or(word.len());
    (1..=end)
        .rev()
        .filter_map(|end| std::str::from_utf8(word.get(..end)?).ok()?.parse().ok())
        .next()
        .unwrap_or(0.0)
}

/// C's `strtol` with base 0, whole word: `10`, `0x1f`, `017`, each with a sign or without.
///
/// `None` for anything that is not a number from start to end; saturates where C does.
#[must_use]
pub fn strtol(word: &[u8]) -> Option<i64> {
    let (negative, digits) = sign(word.trim_ascii_start());
    let (radix, digits) = match digits {
        [b'0', b'x' | b'X', digits @ ..] => (16, digits),
        [b'0', digits @ ..] if !digits.is_empty() => (8, digits),
        digits => (10, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut number = 0_i64;
    for byte in digits {
        let digit = char::from(*byte).to_digit(radix)?;
        number = number
            .saturating_mul(i64::from(radix))
            .saturating_add(i64::from(digit));
    }
    Some(if negative { -number } else { number })
}

fn sign(word: &[u8]) -> (bool, &[u8]) {
    match word {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_digits_count_and_garbage_is_zero() {
        for (word, number) in [
            ("12", 12),
            ("1x", 1),
            (" -7 ", -7),
            ("+3", 3),
            ("abc", 0),
            ("", 0),
            ("99999999999", i32::MAX),
            ("-99999999999999999999999", i32::MIN),
        ] {
            assert_eq!(atoi(word.as_bytes()), number, "{word}");
        }
    }

    #[test]
    fn fractions_are_read_as_far_as_they_go() {
        for (word, number) in [
            ("1.5", 1.5),
            ("-0.5s", -0.5),
            ("2e1x", 20.0),
            ("3e", 3.0),
            ("x", 0.0),
            ("", 0.0),
            ("1-2", 1.0),
        ] {
            assert!(
                (atof(word.as_bytes()) - number).abs() < f64::EPSILON,
                "{word}"
            );
        }
    }

    #[test]
    fn strict_numbers_are_decimal_hexadecimal_or_octal() {
        for (word, number) in [
            ("10", Some(10)),
            ("0x10", Some(16)),
            ("010", Some(8)),
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("08", None),
            ("0x", None),
            ("1s", None),
            ("", None),
            ("99999999999999999999", Some(i64::MAX)),
        ] {
            assert_eq!(strtol(word.as_bytes()), number, "{word}");
        }
    }
}
