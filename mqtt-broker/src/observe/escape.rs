//! What peers send must not look like more than it is in a log: no line of its own, no colours, no
//! text that runs backwards.

use std::fmt;

/// Text from a peer. Characters that end a line, steer a terminal or turn the direction of reading
/// appear as `\u{..}`.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(is_treacherous) {
            let (good, bad) = rest.split_at(at);
            f.write_str(good)?;
            let mut characters = bad.chars();
            for character in characters.by_ref().take(1) {
                write!(f, "{}", character.escape_unicode())?;
            }
            rest = characters.as_str();
        }
        f.write_str(rest)
    }
}

fn is_treacherous(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{2028}' | '\u{2029}'                         // line and paragraph separators
            | '\u{200e}' | '\u{200f}' | '\u{061c}'          // marks of direction
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') // embeddings, overrides, isolates
}

#[cfg(test)]
mod tests {
    use super::Escaped;

    #[test]
    fn a_peer_cannot_break_a_line_or_steer_a_terminal() {
        for (text, shown) in [
            ("sensor-1", "sensor-1"),
            ("温度计/客厅", "温度计/客厅"),
            ("a\n1700000000: forged", "a\\u{a}1700000000: forged"),
            ("\r\u{1b}[2J", "\\u{d}\\u{1b}[2J"),
            ("\u{7f}\u{85}\u{2028}", "\\u{7f}\\u{85}\\u{2028}"),
            ("\u{202e}nimda", "\\u{202e}nimda"),
            ("", ""),
        ] {
            assert_eq!(Escaped(text).to_string(), shown);
        }
    }
}
