//! Writes JSON in the original's two layouts: on one line, or indented with tabs.

use std::io::Write;

/// Appends JSON to a buffer. The caller sees to it that what it opens it also closes.
pub(super) struct JsonWriter<'o> {
    out: &'o mut Vec<u8>,
    pretty: bool,
    depth: usize,
    /// Nothing was written yet into what was opened last.
    is_first: bool,
}

impl<'o> JsonWriter<'o> {
    pub(super) const fn new(out: &'o mut Vec<u8>, pretty: bool) -> Self {
        Self {
            out,
            pretty,
            depth: 0,
            is_first: true,
        }
    }

    pub(super) fn open_object(&mut self) {
        self.out
            .extend_from_slice(if self.pretty { b"{\n" } else { b"{" });
        self.depth += 1;
        self.is_first = true;
    }

    /// A member's name; its value follows.
    pub(super) fn key(&mut self, name: &[u8]) {
        if !self.is_first {
            self.out
                .extend_from_slice(if self.pretty { b",\n" } else { b"," });
        }
        self.is_first = false;
        self.indent(self.depth);
        self.string(name);
        self.out
            .extend_from_slice(if self.pretty { b":\t" } else { b":" });
    }

    pub(super) fn close_object(&mut self) {
        if self.pretty && !self.is_first {
            self.out.push(b'\n');
        }
        self.depth = self.depth.saturating_sub(1);
        self.indent(self.depth);
        self.out.push(b'}');
        self.is_first = false;
    }

    pub(super) fn open_array(&mut self) {
        self.out.push(b'[');
        self.depth += 1;
        self.is_first = true;
    }

    /// An element follows.
    pub(super) fn element(&mut self) {
        if !self.is_first {
            self.out
                .extend_from_slice(if self.pretty { b", " } else { b"," });
        }
        self.is_first = false;
    }

    pub(super) fn close_array(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.out.push(b']');
        self.is_first = false;
    }

    /// A string; bytes from 0x80 on are written as they are.
    pub(super) fn string(&mut self, text: &[u8]) {
        self.out.push(b'"');
        for byte in text {
            match byte {
                b'"' => self.out.extend_from_slice(b"\\\""),
                b'\\' => self.out.extend_from_slice(b"\\\\"),
                0x08 => self.out.extend_from_slice(b"\\b"),
                0x0C => self.out.extend_from_slice(b"\\f"),
                b'\n' => self.out.extend_from_slice(b"\\n"),
                b'\r' => self.out.extend_from_slice(b"\\r"),
                b'\t' => self.out.extend_from_slice(b"\\t"),
                0..0x20 => self.append(format_args!("\\u{byte:04x}")),
                byte => self.out.push(*byte),
            }
        }
        self.out.push(b'"');
    }

    pub(super) fn integer(&mut self, number: impl Into<u64>) {
        self.append(format_args!("{}", number.into()));
    }

    pub(super) fn word(&mut self, word: &str) {
        self.out.extend_from_slice(word.as_bytes());
    }

    /// A number as the original writes it: no more digits than tell it apart, at most 17; `null`
    /// for one that is none.
    pub(super) fn number(&mut self, number: f64) {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "saturates, and is compared after it"
        )]
        let integer = number as i32;
        #[expect(clippy::float_cmp, reason = "the same number, or it is no integer")]
        if !number.is_finite() {
            self.word("null");
        } else if f64::from(integer) == number {
            self.append(format_args!("{integer}"));
        } else {
            let short = shortest_of(number, 15);
            let back: f64 = short.parse().unwrap_or_default();
            let largest = number.abs().max(back.abs());
            if (number - back).abs() <= largest * f64::EPSILON {
                self.word(&short);
            } else {
                self.word(&shortest_of(number, 17));
            }
        }
    }

    fn indent(&mut self, depth: usize) {
        if self.pretty {
            self.out.extend(std::iter::repeat_n(b'\t', depth));
        }
    }

    fn append(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to memory cannot fail.
        let _ = self.out.write_fmt(text);
    }
}

/// C's `%1.<digits>g`.
fn shortest_of(number: f64, digits: usize) -> String {
    let scientific = format!("{number:.*e}", digits.saturating_sub(1));
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    match usize::try_from(exponent.saturating_add(4)) {
        Ok(above) if above < digits.saturating_add(4) => {
            let decimals = digits
                .saturating_sub(1)
                .saturating_add(4)
                .saturating_sub(above);
            without_zeros(&format!("{number:.decimals$}")).to_owned()
        }
        _ => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!(
                "{}e{sign}{:02}",
                without_zeros(mantissa),
                exponent.unsigned_abs()
            )
        }
    }
}

fn without_zeros(number: &str) -> &str {
    if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut JsonWriter<'_>), pretty: bool) -> String {
        let mut out = Vec::new();
        write(&mut JsonWriter::new(&mut out, pretty));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_written_as_the_original_writes_them() {
        for (number, expected) in [
            (1.0, "1"),
            (-7.0, "-7"),
            (1e3, "1000"),
            (0.1, "0.1"),
            (1.5, "1.5"),
            (3e9, "3000000000"),
            (1e20, "1e+20"),
            (1e-7, "1e-07"),
            (0.0001, "0.0001"),
            (123_456_789_012_345_678.0, "1.2345678901234568e+17"),
            (std::f64::consts::PI, "3.1415926535897931"),
            (f64::INFINITY, "null"),
        ] {
            assert_eq!(written(|writer| writer.number(number), false), expected);
        }
    }

    #[test]
    fn strings_are_escaped() {
        let text = "\"\\/\u{8}\u{c}\n\r\t\u{1}\u{7f}é";
        let expected = "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\u{7f}é\"";
        assert_eq!(
            written(|writer| writer.string(text.as_bytes()), false),
            expected
        );
    }

    #[test]
    fn layouts_are_those_of_the_original() {
        let write = |writer: &mut JsonWriter<'_>| {
            writer.open_object();
            writer.key(b"a");
            writer.open_array();
            for _ in 0..2 {
                writer.element();
                writer.open_object();
                writer.key(b"k");
                writer.integer(1_u8);
                writer.close_object();
            }
            writer.close_array();
            writer.key(b"b");
            writer.open_object();
            writer.close_object();
            writer.key(b"c");
            writer.open_array();
            writer.close_array();
            writer.close_object();
        };
        assert_eq!(
            written(write, false),
            r#"{"a":[{"k":1},{"k":1}],"b":{},"c":[]}"#
        );
        let pretty = "{\n\t\"a\":\t[{\n\t\t\t\"k\":\t1\n\t\t}, {\n\t\t\t\"k\":\t1\n\t\t}],\n\
                      \t\"b\":\t{\n\t},\n\t\"c\":\t[]\n}";
        assert_eq!(written(write, true), pretty);
    }
}
