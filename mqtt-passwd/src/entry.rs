//! What one line of a password file is: the grammar that both readers share.

/// A line without its line end, as bytes: comments may be in any encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry<'a> {
    /// Nothing but white space.
    Blank,
    /// The first sign is `#`.
    Comment,
    /// No `:` in it.
    NoColon,
    /// `user:password`, both trimmed, either may be empty.
    User {
        name: &'a [u8],
        password: &'a [u8],
        /// There is text after a second `:`, which nobody reads.
        has_rest: bool,
    },
}

impl<'a> Entry<'a> {
    pub(crate) fn parse(line: &'a [u8]) -> Self {
        let line = line.trim_ascii();
        let mut fields = line.splitn(3, |&byte| byte == b':');
        match (line.first(), fields.next(), fields.next()) {
            (None, ..) => Self::Blank,
            (Some(b'#'), ..) => Self::Comment,
            (Some(_), Some(name), Some(password)) => Self::User {
                name: name.trim_ascii(),
                password: password.trim_ascii(),
                has_rest: fields.next().is_some(),
            },
            (Some(_), ..) => Self::NoColon,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let user = |name, password, has_rest| Entry::User {
            name,
            password,
            has_rest,
        };
        for (line, expected) in [
            (&b""[..], Entry::Blank),
            (b" \t\r", Entry::Blank),
            (b"# a: b", Entry::Comment),
            (b"  #", Entry::Comment),
            (b"bob", Entry::NoColon),
            (b"bob:", user(b"bob", b"", false)),
            (b":x", user(b"", b"x", false)),
            (b" bob\t: x y \r", user(b"bob", b"x y", false)),
            (b"bob:x:", user(b"bob", b"x", true)),
            (b"b\xffb:x:y:z", user(b"b\xffb", b"x", true)),
        ] {
            assert_eq!(Entry::parse(line), expected, "{}", line.escape_ascii());
        }
    }
}
