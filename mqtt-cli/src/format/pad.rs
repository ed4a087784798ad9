//! Filling fields up to their width.

use std::iter::repeat_n;

use super::compile::Spec;

impl Spec {
    /// Appends a number: zeros or blanks in front, or blanks behind.
    pub(super) fn append_number(self, digits: &str, out: &mut Vec<u8>) {
        let missing = self.width.saturating_sub(digits.len());
        if self.zero && !self.left {
            let (sign, digits) = match digits.strip_prefix('-') {
                Some(digits) => ("-", digits),
                None => ("", digits),
            };
            out.extend_from_slice(sign.as_bytes());
            out.extend(repeat_n(b'0', missing));
            out.extend_from_slice(digits.as_bytes());
        } else {
            self.append_between_blanks(digits.as_bytes(), out);
        }
    }

    /// Appends text, at most as many bytes of it as the precision says. Zeros are for numbers.
    pub(super) fn append_text(self, text: &[u8], out: &mut Vec<u8>) {
        let end = self
            .precision
            .map_or(text.len(), |precision| precision.min(text.len()));
        self.append_between_blanks(text.get(..end).unwrap_or(text), out);
    }

    /// Appends what stands for a value that is not there.
    pub(super) fn append_missing(self, out: &mut Vec<u8>) {
        out.extend(repeat_n(self.filler(), self.width));
    }

    /// Appends a payload, which the width also cuts.
    pub(super) fn append_payload(self, payload: &[u8], out: &mut Vec<u8>) {
        let payload = self.cut(payload);
        let missing = self.width.saturating_sub(payload.len());
        if !self.left {
            out.extend(repeat_n(self.filler(), missing));
        }
        out.extend_from_slice(payload);
        if self.left {
            out.extend(repeat_n(b' ', missing));
        }
    }

    /// Appends a payload as hexadecimal digits in groups. The width fills up digits, but cuts bytes.
    pub(super) fn append_hex(self, payload: &[u8], digits: &[u8; 16], out: &mut Vec<u8>) {
        let payload = self.cut(payload);
        let missing = self.width.saturating_sub(payload.len().saturating_mul(2));
        let group = self.precision.filter(|precision| *precision > 0);
        let separator = self.separator.unwrap_or(b' ');
        if !self.left {
            for place in 1..=missing {
                out.push(self.filler());
                if group.is_some_and(|group| place % group == 0) {
                    out.push(separator);
                }
            }
        }
        let nibbles = payload.iter().flat_map(|byte| [byte >> 4, byte & 0x0F]);
        for (place, nibble) in nibbles.enumerate() {
            if place > 0 && group.is_some_and(|group| place % group == 0) {
                out.push(separator);
            }
            out.push(digits.get(usize::from(nibble)).copied().unwrap_or_default());
        }
        if self.left {
            out.extend(repeat_n(b' ', missing));
        }
    }

    fn append_between_blanks(self, text: &[u8], out: &mut Vec<u8>) {
        let missing = self.width.saturating_sub(text.len());
        if !self.left {
            out.extend(repeat_n(b' ', missing));
        }
        out.extend_from_slice(text);
        if self.left {
            out.extend(repeat_n(b' ', missing));
        }
    }

    fn cut(self, payload: &[u8]) -> &[u8] {
        if self.width == 0 {
            return payload;
        }
        payload.get(..self.width).unwrap_or(payload)
    }

    const fn filler(self) -> u8 {
        if self.zero { b'0' } else { b' ' }
    }
}
