//! Bytes of a file into lines, and a line into its keyword and the rest.

use super::report::shown;

/// A line that says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Counted from one.
    pub(super) number: u32,
    /// Up to the first space; a tab does not end it.
    pub(super) keyword: &'a [u8],
    /// What follows that space; without the end of the line.
    pub(super) rest: &'a [u8],
}

/// Something about a file that no line should be read after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    /// Where, counted from one.
    pub(super) line: u32,
    /// What.
    pub(super) message: &'static str,
}

const UTF8_BOM: &[u8] = b"\xEF\xBB\xBF";
const UTF16_BOMS: [&[u8]; 2] = [b"\xFF\xFE", b"\xFE\xFF"];

/// Splits a file into its lines, without blank ones and comments.
///
/// Mosquitto takes a byte order mark for a part of the first keyword, and silently leaves off
/// reading at a NUL byte; a file whose last settings are lost may let somebody in, so both are
/// flaws here.
pub(super) fn lines(bytes: &[u8]) -> (impl Iterator<Item = Line<'_>>, Option<Flaw>) {
    let (text, flaw) = if UTF16_BOMS.iter().any(|bom| bytes.starts_with(bom)) {
        let message = "the file is UTF-16; save it as UTF-8 without byte order mark";
        (&[][..], Some(Flaw { line: 1, message }))
    } else if let Some(text) = bytes.strip_prefix(UTF8_BOM) {
        let message = "the file begins with a byte order mark; save it as UTF-8 without \
                       byte order mark";
        (text, Some(Flaw { line: 1, message }))
    } else {
        (bytes, None)
    };
    let (text, nul) = match text.iter().position(|byte| *byte == 0) {
        Some(end) => {
            let text = text.get(..end).unwrap_or_default();
            let newlines = text.iter().filter(|byte| **byte == b'\n').count();
            let line = u32::try_from(newlines)
                .unwrap_or(u32::MAX)
                .saturating_add(1);
            let message = "a NUL byte ends the file for the reader; remove it";
            (text, Some(Flaw { line, message }))
        }
        None => (text, None),
    };
    let lines = (1..).zip(text.split(|byte| *byte == b'\n'));
    (
        lines.filter_map(|(number, line)| parse_line(number, line)),
        flaw.or(nul),
    )
}

fn parse_line(number: u32, line: &[u8]) -> Option<Line<'_>> {
    // Only at the very front does `#` begin a comment: with blanks before it, it is a keyword.
    if line.starts_with(b"#") {
        return None;
    }
    let ending = line.iter().rev().take_while(|byte| **byte == b'\r').count();
    let line = line.get(..line.len() - ending).unwrap_or_default();
    let start = line.iter().position(|byte| *byte != b' ')?;
    let line = line.get(start..).unwrap_or_default();
    let mut parts = line.splitn(2, |byte| *byte == b' ');
    Some(Line {
        number,
        keyword: parts.next().unwrap_or_default(),
        rest: parts.next().unwrap_or_default(),
    })
}

/// Why a keyword is unknown, where the reason is how it was written.
pub(super) fn misspelling(keyword: &[u8], is_known: impl Fn(&str) -> bool) -> Option<String> {
    if keyword.starts_with(b"#") {
        return Some("a comment begins in the first column; remove the blanks before #".to_owned());
    }
    let end = keyword
        .iter()
        .position(|byte| matches!(byte, b'\t' | b'=' | b':'))?;
    let before = std::str::from_utf8(keyword.get(..end)?).ok()?.trim();
    if before.is_empty() {
        return Some("a line may not begin with a tab; remove it".to_owned());
    }
    is_known(before).then(|| {
        let sign = if keyword.get(end) == Some(&b'\t') {
            "a tab"
        } else {
            "a sign"
        };
        let value = keyword.get(end + 1..).unwrap_or_default().trim_ascii();
        let value = if value.is_empty() {
            "VALUE".to_owned()
        } else {
            shown(value)
        };
        format!("a space parts name and value, not {sign}: write \"{before} {value}\"")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parts<'a> = (u32, &'a [u8], &'a [u8]);

    fn read(text: &[u8]) -> (Vec<Parts<'_>>, Option<u32>) {
        let (lines, flaw) = lines(text);
        (
            lines.map(|l| (l.number, l.keyword, l.rest)).collect(),
            flaw.map(|flaw| flaw.line),
        )
    }

    #[test]
    fn lines_are_split_as_mosquitto_splits_them() {
        for (text, expected) in [
            (&b"port 1883"[..], vec![(1, &b"port"[..], &b"1883"[..])]),
            (b"# port 1883\n\n   \nport 1", vec![(4, b"port", b"1")]),
            (b" # x", vec![(1, b"#", b"x")]),
            (b"  port   18 # x\r\n", vec![(1, b"port", b"  18 # x")]),
            (b"port 1\r\r\n", vec![(1, b"port", b"1")]),
            (b"\t\n", vec![(1, b"\t", b"")]),
            (b"port\t1883", vec![(1, b"port\t1883", b"")]),
            (b"port", vec![(1, b"port", b"")]),
            (b"\r\n", vec![]),
            (b"a  \nb", vec![(1, b"a", b" "), (2, b"b", b"")]),
        ] {
            assert_eq!(read(text), (expected, None), "{}", shown(text));
        }
    }

    #[test]
    fn byte_order_marks_and_nul_bytes_are_flaws() {
        assert_eq!(
            read(b"\xEF\xBB\xBFport 1"),
            (vec![(1, &b"port"[..], &b"1"[..])], Some(1))
        );
        assert_eq!(read(b"\xFF\xFEp\0o\0"), (vec![], Some(1)));
        assert_eq!(
            read(b"a\nb\0c\nd"),
            (vec![(1, &b"a"[..], &b""[..]), (2, b"b", b"")], Some(2))
        );
    }

    #[test]
    fn misspellings_are_explained() {
        let known = |name: &str| name == "port";
        for (keyword, expected) in [
            (&b"#"[..], "first column"),
            (b"\t", "may not begin with a tab"),
            (b"port\t1883", "write \"port 1883\""),
            (b"port=1883", "write \"port 1883\""),
            (b"port:", "write \"port VALUE\""),
        ] {
            let said = misspelling(keyword, known).unwrap();
            assert!(said.contains(expected), "{said}");
        }
        assert_eq!(misspelling(b"prot", known), None);
        assert_eq!(misspelling(b"other=5", known), None);
    }
}
