//! The paths that a Rust file names: groups unfolded, `super` and `self` resolved.
//!
//! No parser of the language: comments, texts and the tests at the bottom are blanked out, and what
//! is left is read word by word. That is enough for paths, and a path it cannot read breaks a test.

/// A path and the line it stands on. Paths inside the own crate begin with `crate`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Import {
    pub(crate) line: usize,
    pub(crate) path: Vec<String>,
}

/// The module that a file is: `engine/shard/mod.rs` is `engine::shard`.
pub(crate) fn module_of(file_in_src: &str) -> Vec<String> {
    let without_end = file_in_src.strip_suffix(".rs").unwrap_or(file_in_src);
    let mut module: Vec<String> = without_end.split('/').map(ToOwned::to_owned).collect();
    if module
        .last()
        .is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str()))
    {
        module.pop();
    }
    module
}

/// All paths of two words and more in a file, in order, its tests left out.
pub(crate) fn imports(text: &str, module: &[String], crate_name: &str) -> Vec<Import> {
    let own_name = crate_name.replace('-', "_");
    let words = words(&without_tests(&blanked(text)));
    let text_at = |at: usize| words.get(at).map_or("", |word| word.text.as_str());
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let inside_path = at > 0 && text_at(at - 1) == "::";
        if word.is_name() && text_at(at + 1) == "::" && !inside_path {
            at = unfold(&words, at, &[], &mut found);
        } else if word.text == "use" && text_at(at + 1) == "{" {
            at = unfold(&words, at + 1, &[], &mut found);
        } else {
            at += 1;
        }
    }
    for import in &mut found {
        import.path = resolved(&import.path, module, &own_name);
    }
    found
}

#[derive(Debug)]
struct Word {
    line: usize,
    text: String,
}

impl Word {
    fn is_name(&self) -> bool {
        self.text
            .starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// Reads a path or group that begins at `at`; returns where it ends.
fn unfold(words: &[Word], mut at: usize, prefix: &[String], found: &mut Vec<Import>) -> usize {
    let mut path = prefix.to_vec();
    let line = words.get(at).map_or(0, |word| word.line);
    while let Some(word) = words.get(at) {
        if word.text == "{" {
            return unfold_group(words, at + 1, &path, found);
        }
        if word.is_name() || word.text == "*" {
            path.push(word.text.clone());
            at += 1;
        }
        if words.get(at).is_some_and(|next| next.text == "::") {
            at += 1;
            // `Vec::<u8>::new`: what stands in angles is read as paths of its own.
            if words.get(at).is_some_and(|next| next.text == "<") {
                break;
            }
        } else {
            break;
        }
    }
    if path.len() > 1 {
        found.push(Import { line, path });
    }
    at
}

/// Reads the members of `{a, b::c, self}` after its opening brace.
fn unfold_group(
    words: &[Word],
    mut at: usize,
    prefix: &[String],
    found: &mut Vec<Import>,
) -> usize {
    while let Some(word) = words.get(at) {
        match word.text.as_str() {
            "}" => return at + 1,
            "self" => {
                found.push(Import {
                    line: word.line,
                    path: prefix.to_vec(),
                });
                at += 1;
            }
            _ if word.is_name() || word.text == "*" || word.text == "{" => {
                at = unfold(words, at, prefix, found);
            }
            _ => at += 1,
        }
        // `name as other`
        if words.get(at).is_some_and(|next| next.text == "as") {
            at += 2;
        }
    }
    at
}

/// `super::x` in `engine::sink` is `crate::engine::x`; the crate's own name is `crate`.
fn resolved(path: &[String], module: &[String], own_name: &str) -> Vec<String> {
    let first = path.first().map_or("", String::as_str);
    let mut base = module.to_vec();
    let mut rest = path;
    match first {
        "self" => rest = path.get(1..).unwrap_or(&[]),
        "super" => {
            while rest.first().is_some_and(|word| word == "super") {
                base.pop();
                rest = rest.get(1..).unwrap_or(&[]);
            }
        }
        "crate" => return path.to_vec(),
        name if name == own_name => {
            base.clear();
            rest = path.get(1..).unwrap_or(&[]);
        }
        _ => return path.to_vec(),
    }
    std::iter::once("crate".to_owned())
        .chain(base)
        .chain(rest.iter().cloned())
        .collect()
}

/// The text without its tests, which may import what they like: they stand at the bottom, or in a
/// file of their own that a line names.
fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let next = lines.peek().map_or("", |next| next.trim());
        if line.trim() == "#[cfg(test)]" && next.starts_with("mod ") && !next.ends_with(';') {
            break;
        }
        kept.push_str(line);
        kept.push('\n');
    }
    kept
}

/// The text with comments and string literals replaced by blanks, line ends kept.
pub(crate) fn blanked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = literal_length(rest, out.chars().next_back());
        if length == 0 {
            out.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or("");
        } else {
            let (literal, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
            out.extend(literal.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = after;
        }
    }
    out
}

/// Bytes of the comment or literal that `text` begins with; zero when it begins otherwise.
fn literal_length(text: &str, before: Option<char>) -> usize {
    let up_to = |end: &str| text.find(end).map_or(text.len(), |at| at + end.len());
    if text.starts_with("//") {
        text.find('\n').unwrap_or(text.len())
    } else if text.starts_with("/*") {
        up_to("*/")
    } else if text.starts_with('"') {
        string_length(text)
    } else if text.starts_with("'\"'") {
        3
    } else if text.starts_with("'\\") {
        // The sign after the backslash may be the quote itself.
        text.get(3..)
            .and_then(|rest| rest.find('\''))
            .map_or(text.len(), |at| at + 4)
    } else if text.starts_with('r') && !before.is_some_and(|c| c.is_alphanumeric() && c != 'b') {
        raw_string_length(text)
    } else {
        0
    }
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, sign) in text.char_indices().skip(1) {
        match sign {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// `r"..."` and `r#"..."#`; zero when it is neither, such as `r#type` or a name.
fn raw_string_length(text: &str) -> usize {
    let hashes = text.chars().skip(1).take_while(|c| *c == '#').count();
    let inside = text
        .get(1 + hashes..)
        .and_then(|rest| rest.strip_prefix('"'));
    let close = format!("\"{}", "#".repeat(hashes));
    let opening = 2 + hashes;
    inside.map_or(0, |inside| {
        inside
            .find(&close)
            .map_or(text.len(), |at| opening + at + close.len())
    })
}

/// Names, `::`, and single signs, each with its line.
fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let name = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            let length = match name {
                0 if rest.starts_with("::") => 2,
                0 => first.len_utf8(),
                _ => name,
            };
            let (word, after) = rest.split_at(length);
            words.push(Word {
                line: index + 1,
                text: word.to_owned(),
            });
            rest = after.trim_start();
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, file: &str) -> Vec<String> {
        let found = imports(text, &module_of(file), "mqtt-broker");
        found
            .into_iter()
            .map(|import| import.path.join("::"))
            .collect()
    }

    #[test]
    fn groups_are_unfolded() {
        let text = "use crate::{a, b::{self, c as d, e::*}, f};";
        let expected = [
            "crate::a",
            "crate::b",
            "crate::b::c",
            "crate::b::e::*",
            "crate::f",
        ];
        assert_eq!(read(text, "lib.rs"), expected);
    }

    #[test]
    fn super_and_the_own_name_are_resolved() {
        let text =
            "use super::x::Y; use super::super::z::W; use self::in_here::A; use mqtt_broker::b::C;";
        let expected = [
            "crate::engine::x::Y",
            "crate::z::W",
            "crate::engine::sink::in_here::A",
            "crate::b::C",
        ];
        assert_eq!(read(text, "engine/sink.rs"), expected);
    }

    #[test]
    fn paths_in_code_are_found_and_texts_are_not() {
        let text = r##"
            // std::fs::read
            fn f() -> std::io::Result<()> { let c = '"'; tokio::spawn(g()); r#"mio::Poll"#; "a\"std::fs" }
        "##;
        assert_eq!(read(text, "lib.rs"), ["std::io::Result", "tokio::spawn"]);
    }
}
