//! Reads JSON and writes it again, piece by piece: order and doubled keys stay.

use super::json_writer::JsonWriter;

/// Arrays and objects within each other that are read; the bound of the original.
const DEPTH_MAX: usize = 1000;

/// Writes a whole text that is one JSON value again, with white space around it or not.
///
/// `None` if it is not; what was written by then is for the caller to take back.
pub(super) fn rewrite(text: &[u8], writer: &mut JsonWriter<'_>) -> Option<()> {
    std::str::from_utf8(text).ok()?;
    let mut reader = Reader {
        rest: text,
        depth: 0,
    };
    reader.value(writer)?;
    reader.skip_blanks();
    reader.rest.is_empty().then_some(())
}

struct Reader<'t> {
    rest: &'t [u8],
    depth: usize,
}

impl<'t> Reader<'t> {
    fn value(&mut self, writer: &mut JsonWriter<'_>) -> Option<()> {
        self.skip_blanks();
        match self.rest.first()? {
            b'{' => self.object(writer),
            b'[' => self.array(writer),
            b'"' => {
                let text = self.string()?;
                writer.string(&text);
                Some(())
            }
            b'-' | b'0'..=b'9' => {
                writer.number(self.number()?);
                Some(())
            }
            _ => ["true", "false", "null"].into_iter().find_map(|word| {
                self.rest = self.rest.strip_prefix(word.as_bytes())?;
                writer.word(word);
                Some(())
            }),
        }
    }

    fn object(&mut self, writer: &mut JsonWriter<'_>) -> Option<()> {
        self.descend(b'{')?;
        writer.open_object();
        if !self.take(b'}') {
            loop {
                self.skip_blanks();
                writer.key(&self.string()?);
                self.take(b':').then_some(())?;
                self.value(writer)?;
                if !self.take(b',') {
                    self.take(b'}').then_some(())?;
                    break;
                }
            }
        }
        self.depth -= 1;
        writer.close_object();
        Some(())
    }

    fn array(&mut self, writer: &mut JsonWriter<'_>) -> Option<()> {
        self.descend(b'[')?;
        writer.open_array();
        if !self.take(b']') {
            loop {
                writer.element();
                self.value(writer)?;
                if !self.take(b',') {
                    self.take(b']').then_some(())?;
                    break;
                }
            }
        }
        self.depth -= 1;
        writer.close_array();
        Some(())
    }

    fn descend(&mut self, bracket: u8) -> Option<()> {
        self.depth += 1;
        (self.take(bracket) && self.depth <= DEPTH_MAX).then_some(())
    }

    /// The bytes a string stands for. Control characters may stand in it as they are, which the
    /// original lets pass too; they are written as escapes.
    fn string(&mut self) -> Option<Vec<u8>> {
        self.rest = self.rest.strip_prefix(b"\"")?;
        let mut text = Vec::new();
        loop {
            let end = self
                .rest
                .iter()
                .position(|byte| matches!(byte, b'"' | b'\\'))?;
            let (plain, rest) = self.rest.split_at_checked(end)?;
            text.extend_from_slice(plain);
            let (mark, rest) = rest.split_first()?;
            self.rest = rest;
            if *mark == b'"' {
                return Some(text);
            }
            self.escape(&mut text)?;
        }
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Option<()> {
        let (letter, rest) = self.rest.split_first()?;
        self.rest = rest;
        text.push(match letter {
            b'"' | b'\\' | b'/' => *letter,
            b'b' => 0x08,
            b'f' => 0x0C,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let sign = self.unicode_escape()?;
                text.extend_from_slice(sign.encode_utf8(&mut [0; 4]).as_bytes());
                return Some(());
            }
            _ => return None,
        });
        Some(())
    }

    fn unicode_escape(&mut self) -> Option<char> {
        let first = self.four_digits()?;
        if !(0xD800..0xDC00).contains(&first) {
            return char::from_u32(first);
        }
        self.rest = self.rest.strip_prefix(b"\\u")?;
        let second = self
            .four_digits()?
            .checked_sub(0xDC00)
            .filter(|low| *low < 0x400)?;
        char::from_u32(0x10000 + ((first - 0xD800) << 10) + second)
    }

    fn four_digits(&mut self) -> Option<u32> {
        let (digits, rest) = self.rest.split_at_checked(4)?;
        self.rest = rest;
        digits.iter().try_fold(0, |number, digit| {
            Some(number * 16 + char::from(*digit).to_digit(16)?)
        })
    }

    fn number(&mut self) -> Option<f64> {
        let end = self
            .rest
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
            .unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        is_number(number).then(|| std::str::from_utf8(number).ok()?.parse().ok())?
    }

    fn take(&mut self, sign: u8) -> bool {
        self.skip_blanks();
        match self.rest.split_first() {
            Some((first, rest)) if *first == sign => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn skip_blanks(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }
}

/// RFC 8259, section 6; `str::parse` alone would take `1.` and `01` too.
fn is_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let (integer, rest) = digits(text);
    let leading_zero = integer.len() > 1 && integer.starts_with(b"0");
    let rest = match rest.strip_prefix(b".").map(digits) {
        Some(([], _)) => return false,
        Some((_, rest)) => rest,
        None => rest,
    };
    let rest = match rest {
        [b'e' | b'E', b'+' | b'-', exponent @ ..] | [b'e' | b'E', exponent @ ..] => {
            match digits(exponent) {
                ([], _) => return false,
                (_, rest) => rest,
            }
        }
        rest => rest,
    };
    !integer.is_empty() && !leading_zero && rest.is_empty()
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(text: &str) -> Option<String> {
        let mut out = Vec::new();
        rewrite(text.as_bytes(), &mut JsonWriter::new(&mut out, false))?;
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn values_come_back_in_the_original_layout() {
        for (text, expected) in [
            (
                " { \"b\" : 1.0 , \"a\":[ ] , \"b\": 1e3 } \n",
                r#"{"b":1,"a":[],"b":1000}"#,
            ),
            (r#""\u00e9\ud83d\ude00\/\u0001""#, "\"é😀/\\u0001\""),
            ("[true,false,null,-0.5e-1,{}]", "[true,false,null,-0.05,{}]"),
            ("12345678901234567890", "1.2345678901234567e+19"),
            ("1e999", "null"),
            ("\"a\nb\"", "\"a\\nb\""),
        ] {
            assert_eq!(rewritten(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn everything_else_is_no_json() {
        let deep = "[".repeat(1001) + &"]".repeat(1001);
        for text in [
            "",
            " ",
            "{",
            "[1,]",
            "{\"a\"}",
            "{a:1}",
            "nul",
            "1.",
            "01",
            "-",
            "1e",
            "+1",
            "\"a",
            "\"\\x\"",
            "\"\\ud83d\"",
            "\"\\udc00\"",
            "1 2",
            "1\0",
            &deep,
        ] {
            assert_eq!(rewritten(text), None, "{text}");
        }
        let deep = "[".repeat(1000) + &"]".repeat(1000);
        assert_eq!(rewritten(&deep), Some(deep));
    }
}
