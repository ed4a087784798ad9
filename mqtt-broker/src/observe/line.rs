//! One line of the log: a beginning, a text, an end, and never longer than a reader expects.

use std::fmt::{self, Write as _};

/// Bytes of a line with its timestamp, without the line feed; what is longer is cut.
const LINE_BYTES_MAX: usize = 999;

/// Appends a line to `buffer`: `stamp`, `text`, line feed.
pub(super) fn append_line(buffer: &mut Vec<u8>, stamp: &str, text: fmt::Arguments<'_>) {
    let mut line = Bounded {
        buffer,
        room: LINE_BYTES_MAX,
    };
    // Bounded takes everything; a Display that fails leaves its line short, which is all there is.
    let _ = line.write_str(stamp).and_then(|()| line.write_fmt(text));
    buffer.push(b'\n');
}

/// Takes text up to a number of bytes, then swallows the rest. A character is never cut in two.
struct Bounded<'a> {
    buffer: &'a mut Vec<u8>,
    room: usize,
}

impl fmt::Write for Bounded<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut end = text.len().min(self.room);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.buffer.extend(text.bytes().take(end));
        self.room = if end < text.len() { 0 } else { self.room - end };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::append_line;

    #[test]
    fn a_line_has_at_most_999_bytes_and_whole_characters() {
        let line = |text: &str| {
            let mut buffer = Vec::new();
            append_line(&mut buffer, "12: ", format_args!("{text}|{}", 7));
            String::from_utf8(buffer).unwrap()
        };
        assert_eq!(line("a"), "12: a|7\n");
        assert_eq!(
            line(&"x".repeat(993)),
            format!("12: {}|7\n", "x".repeat(993))
        );
        assert_eq!(
            line(&"x".repeat(994)),
            format!("12: {}|\n", "x".repeat(994))
        );
        assert_eq!(
            line(&"x".repeat(5000)),
            format!("12: {}\n", "x".repeat(995))
        );
        // 331 characters of three bytes are 993, and two bytes stay empty.
        assert_eq!(
            line(&"温".repeat(400)),
            format!("12: {}\n", "温".repeat(331))
        );
    }
}
