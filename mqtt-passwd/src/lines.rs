//! The loss-free reader for tools: what is not changed is written back byte for byte.

use std::borrow::Cow;

use crate::entry::Entry;
use crate::hash::PasswordHash;

/// A line that is neither blank, nor a comment, nor `user:password`. It may be half of what it
/// was, so nothing of the file is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Corrupt password file at line {line}.")]
pub struct CorruptLine {
    /// Counted from 1.
    pub line: usize,
}

/// What [`PasswordLines::set`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// The user is new, at the end of the file.
    Added,
    /// The first line of the user has the new hash.
    Updated,
}

/// A user's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserLine<'a> {
    /// Counted from 1.
    pub number: usize,
    /// Trimmed, never empty, in no certain encoding.
    pub name: &'a [u8],
    /// What stands after the `:`, trimmed, never empty: a hash or a plain text.
    pub password: &'a [u8],
    /// There is text after a second `:`, which readers ignore.
    pub has_rest: bool,
}

#[derive(Debug, Clone)]
struct Line<'a> {
    /// With its line end, if it had one.
    text: Cow<'a, [u8]>,
    /// As it was read; none in a line that was added.
    user: Option<UserLine<'a>>,
    /// Whose line it is now.
    name: Option<&'a [u8]>,
}

/// All lines of a password file, those without users included.
#[derive(Debug, Clone)]
pub struct PasswordLines<'a> {
    lines: Vec<Line<'a>>,
}

impl<'a> PasswordLines<'a> {
    /// Reads all lines before anything is done with one of them.
    ///
    /// # Errors
    /// The first line that has text but not both a name and a password.
    pub fn parse(text: &'a [u8]) -> Result<Self, CorruptLine> {
        let mut lines = Vec::new();
        for (text, number) in text.split_inclusive(|&byte| byte == b'\n').zip(1..) {
            let user = match Entry::parse(text) {
                Entry::Blank | Entry::Comment => None,
                Entry::User {
                    name,
                    password,
                    has_rest,
                } if !name.is_empty() && !password.is_empty() => Some(UserLine {
                    number,
                    name,
                    password,
                    has_rest,
                }),
                Entry::User { .. } | Entry::NoColon => return Err(CorruptLine { line: number }),
            };
            let name = user.map(|user| user.name);
            lines.push(Line {
                text: Cow::Borrowed(text),
                user,
                name,
            });
        }
        Ok(Self { lines })
    }

    /// The lines of users, as they were read.
    pub fn users(&self) -> impl Iterator<Item = UserLine<'a>> {
        self.lines.iter().filter_map(|line| line.user)
    }

    /// Gives the first line of the user this hash, or adds a line at the end. Later lines of the
    /// same name stay: a broker refuses them, and which one was meant is not known here.
    pub fn set(&mut self, user: &'a str, hash: &PasswordHash) -> Written {
        let text = line_of(user.as_bytes(), hash);
        let found = self.lines.iter_mut().find(|line| line.is_of(user));
        if let Some(line) = found {
            line.text = Cow::Owned(text);
            return Written::Updated;
        }
        self.lines.push(Line {
            text: Cow::Owned(text),
            user: None,
            name: Some(user.as_bytes()),
        });
        Written::Added
    }

    /// Drops every line of the user and tells how many there were.
    pub fn remove(&mut self, user: &str) -> usize {
        let before = self.lines.len();
        self.lines.retain(|line| !line.is_of(user));
        before.saturating_sub(self.lines.len())
    }

    /// Puts a hash into each line for which `choose` makes one; text after a second `:` goes.
    ///
    /// # Errors
    /// The first error of `choose`; the lines before it are changed already.
    pub fn rehash<E>(
        &mut self,
        mut choose: impl FnMut(&UserLine<'a>) -> Result<Option<PasswordHash>, E>,
    ) -> Result<(), E> {
        for line in &mut self.lines {
            if let Some(user) = &line.user
                && let Some(hash) = choose(user)?
            {
                line.text = Cow::Owned(line_of(user.name, &hash));
            }
        }
        Ok(())
    }

    /// The file as it is now to be; a missing line end between two lines is put in.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.lines.iter().map(|line| line.text.len() + 1).sum());
        for line in &self.lines {
            if !bytes.is_empty() && !bytes.ends_with(b"\n") {
                bytes.push(b'\n');
            }
            bytes.extend_from_slice(&line.text);
        }
        bytes
    }
}

impl Line<'_> {
    fn is_of(&self, user: &str) -> bool {
        self.name == Some(user.as_bytes())
    }
}

fn line_of(user: &[u8], hash: &PasswordHash) -> Vec<u8> {
    [user, b":", hash.to_string().as_bytes(), b"\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Scheme;

    fn hash() -> PasswordHash {
        PasswordHash::create(Scheme::Sha512, b"x", &[3; 12]).unwrap()
    }

    fn after(text: &str, change: impl FnOnce(&mut PasswordLines<'_>)) -> String {
        let mut lines = PasswordLines::parse(text.as_bytes()).unwrap();
        change(&mut lines);
        String::from_utf8(lines.to_bytes())
            .unwrap()
            .replace(&hash().to_string(), "HASH")
    }

    #[test]
    fn what_is_not_changed_is_written_back_byte_for_byte() {
        let text = b"# \xff latin\r\n\n  a : b : c \r\n\t\nlast:line";
        assert_eq!(PasswordLines::parse(text).unwrap().to_bytes(), text);
    }

    #[test]
    fn a_user_is_replaced_in_place_and_only_once() {
        let found = after("# c\na:1\nb:2\na:3\n", |lines| {
            assert_eq!(lines.set("a", &hash()), Written::Updated);
        });
        assert_eq!(found, "# c\na:HASH\nb:2\na:3\n");
    }

    #[test]
    fn a_new_user_goes_to_the_end_behind_the_missing_line_end() {
        for (text, expected) in [
            ("", "n:HASH\n"),
            ("a:1", "a:1\nn:HASH\n"),
            ("a:1\n# end", "a:1\n# end\nn:HASH\n"),
            ("a:1\n\n", "a:1\n\nn:HASH\n"),
        ] {
            let found = after(text, |lines| {
                assert_eq!(lines.set("n", &hash()), Written::Added);
                assert_eq!(lines.set("n", &hash()), Written::Updated);
            });
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn all_lines_of_a_removed_user_go() {
        let found = after("a:1\n# a:1\nb:2\n a :3", |lines| {
            assert_eq!(lines.remove("a"), 2);
            assert_eq!(lines.remove("c"), 0);
        });
        assert_eq!(found, "# a:1\nb:2\n");
    }

    #[test]
    fn rehashing_changes_the_chosen_lines_alone() {
        let found = after("# c\n a : 1 : x\nb:2\n", |lines| {
            let choose = |line: &UserLine<'_>| Ok::<_, ()>((line.name == b"a").then(hash));
            assert_eq!(lines.rehash(choose), Ok(()));
        });
        assert_eq!(found, "# c\na:HASH\nb:2\n");
    }

    #[test]
    fn a_corrupt_line_is_named() {
        for (text, line) in [
            ("a:1\n\nb\n", 3),
            ("a:\n", 1),
            ("a:1\n:2", 2),
            ("a: :x\n", 1),
        ] {
            let found = PasswordLines::parse(text.as_bytes());
            assert_eq!(found.unwrap_err(), CorruptLine { line }, "{text}");
        }
    }
}
