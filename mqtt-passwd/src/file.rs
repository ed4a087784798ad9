//! The strict reader for a broker: all users of a file, or all that is wrong with it.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;

use crate::entry::Entry;
use crate::hash::{HashError, PasswordHash};

/// Longest user name and longest hash in bytes: the longest string of MQTT.
pub const FIELD_BYTES_MAX: usize = 65_535;

/// Errors reported of one file; the rest of a file with more is not read.
pub const ERRORS_MAX: usize = 100;

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// Text, but no `:`, so it says nothing about anybody.
    #[error("no ':' in the line")]
    NoColon,
    /// Nothing before the `:`.
    #[error("empty user name")]
    EmptyUserName,
    /// The user name is not UTF-8, so no client can send it (MQTT 5, 1.5.4).
    #[error("user name is not UTF-8")]
    InvalidUtf8,
    /// User name or hash over [`FIELD_BYTES_MAX`].
    #[error("user name or password of {bytes} bytes is over the limit of {FIELD_BYTES_MAX}")]
    TooLong {
        /// Of the longer one.
        bytes: usize,
    },
    /// Nothing after the `:`.
    #[error("user '{user}' has no password")]
    NoPassword {
        /// The name in the line.
        user: Box<str>,
    },
    /// An earlier line has the same name.
    #[error("duplicate user '{user}'")]
    DuplicateUser {
        /// The name in both lines.
        user: Box<str>,
    },
    /// The text after `:` is not a hash that can be verified.
    #[error("user '{user}': {error}")]
    Hash {
        /// The name in the line.
        user: Box<str>,
        /// Why not; [`HashError::PlainText`] is the one that `mqtt-passwd -U` mends.
        error: HashError,
    },
    /// There were [`ERRORS_MAX`] errors before this line.
    #[error("more than {ERRORS_MAX} errors, reading ends here")]
    TooManyErrors,
}

/// One thing wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct FileError {
    /// Counted from 1.
    pub line: usize,
    /// What it is.
    pub problem: LineError,
}

/// Users and their hashes, shared so that a hash can be verified on another thread.
#[derive(Debug, Clone, Default)]
pub struct PasswordFile {
    users: HashMap<Box<str>, Arc<PasswordHash>>,
    first: Option<Arc<PasswordHash>>,
}

impl PasswordFile {
    /// Reads all lines: `user:hash`, blanks around both trimmed, text after a second `:` ignored;
    /// blank lines and those that begin with `#` say nothing.
    ///
    /// # Errors
    /// Every line that is not so, in the order of the file; nothing of such a file is used.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, Vec<FileError>> {
        let mut file = Self::default();
        let mut errors = Vec::new();
        for (line, number) in text.as_ref().split(|&byte| byte == b'\n').zip(1..) {
            let Err(problem) = file.read_line(line) else {
                continue;
            };
            if errors.len() == ERRORS_MAX {
                errors.push(FileError {
                    line: number,
                    problem: LineError::TooManyErrors,
                });
                break;
            }
            errors.push(FileError {
                line: number,
                problem,
            });
        }
        if errors.is_empty() {
            Ok(file)
        } else {
            Err(errors)
        }
    }

    fn read_line(&mut self, line: &[u8]) -> Result<(), LineError> {
        let (name, password) = match Entry::parse(line) {
            Entry::Blank | Entry::Comment => return Ok(()),
            Entry::NoColon => return Err(LineError::NoColon),
            Entry::User { name, password, .. } => (name, password),
        };
        if name.is_empty() {
            return Err(LineError::EmptyUserName);
        }
        let bytes = name.len().max(password.len());
        if bytes > FIELD_BYTES_MAX {
            return Err(LineError::TooLong { bytes });
        }
        let user: Box<str> = str::from_utf8(name)
            .map_err(|_| LineError::InvalidUtf8)?
            .into();
        if password.is_empty() {
            return Err(LineError::NoPassword { user });
        }
        // A hash is ASCII; what the replacement sign stands for is refused as the text it is in.
        let hash = PasswordHash::parse(&String::from_utf8_lossy(password));
        match (self.users.entry(user), hash) {
            (Slot::Occupied(slot), _) => Err(LineError::DuplicateUser {
                user: slot.key().clone(),
            }),
            (Slot::Vacant(slot), Err(error)) => Err(LineError::Hash {
                user: slot.into_key(),
                error,
            }),
            (Slot::Vacant(slot), Ok(hash)) => {
                let hash = Arc::new(hash);
                self.first.get_or_insert_with(|| Arc::clone(&hash));
                slot.insert(hash);
                Ok(())
            }
        }
    }

    /// The hash of a user, if the user has a line.
    pub fn lookup(&self, user: &str) -> Option<&Arc<PasswordHash>> {
        self.users.get(user)
    }

    /// The hash of the first line, the pattern for a decoy ([`PasswordHash::decoy`]).
    pub fn first(&self) -> Option<&Arc<PasswordHash>> {
        self.first.as_ref()
    }

    /// Number of users.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether nobody can log in by this file.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Scheme;

    fn hash(password: &str) -> PasswordHash {
        PasswordHash::create(Scheme::Sha512, password.as_bytes(), &[3; 12]).unwrap()
    }

    #[test]
    fn users_are_found_whatever_surrounds_them() {
        let text = format!(
            "# comment: with colon\r\n\r\n  alice : {} \r\nbob:{}:old notes\n\nünï:{}",
            hash("a"),
            hash("b"),
            hash("ü")
        );
        let file = PasswordFile::parse(text).unwrap();
        assert_eq!(file.len(), 3);
        for (user, password) in [("alice", "a"), ("bob", "b"), ("ünï", "ü")] {
            assert!(
                file.lookup(user).unwrap().verify(password.as_bytes()),
                "{user}"
            );
        }
        assert!(file.lookup("Alice").is_none());
        assert!(file.lookup("# comment").is_none());
        assert!(file.first().unwrap().verify(b"a"));
    }

    #[test]
    fn an_empty_file_has_no_users() {
        for text in ["", "\n", "# nobody\n"] {
            let file = PasswordFile::parse(text).unwrap();
            assert!(file.is_empty() && file.first().is_none());
        }
    }

    #[test]
    fn all_errors_are_reported_with_their_lines() {
        let good = hash("x");
        let text = [
            format!("ann:{good}").into_bytes(),
            b"bob:secret".to_vec(),
            b"carl".to_vec(),
            format!(":{good}").into_bytes(),
            b"dora:".to_vec(),
            format!("ann:{good}").into_bytes(),
            b"emil:$7$zero$AAAA$AAAA".to_vec(),
            b"\xff\xfe:x".to_vec(),
            b"fritz:\xff".to_vec(),
            [b"gerd:".to_vec(), vec![b'x'; FIELD_BYTES_MAX + 1]].concat(),
        ]
        .join(&b'\n');
        let found = PasswordFile::parse(text).unwrap_err();
        let error = |line, problem| FileError { line, problem };
        let hash_error = |user: &str, error| LineError::Hash {
            user: user.into(),
            error,
        };
        assert_eq!(
            found,
            [
                error(2, hash_error("bob", HashError::PlainText)),
                error(3, LineError::NoColon),
                error(4, LineError::EmptyUserName),
                error(
                    5,
                    LineError::NoPassword {
                        user: "dora".into()
                    }
                ),
                error(6, LineError::DuplicateUser { user: "ann".into() }),
                error(7, hash_error("emil", HashError::Iterations)),
                error(8, LineError::InvalidUtf8),
                error(9, hash_error("fritz", HashError::PlainText)),
                error(
                    10,
                    LineError::TooLong {
                        bytes: FIELD_BYTES_MAX + 1
                    }
                ),
            ]
        );
        assert_eq!(
            found[0].to_string(),
            "line 2: user 'bob': plain-text password"
        );
    }

    #[test]
    fn a_file_of_another_kind_does_not_flood_the_log() {
        let found = PasswordFile::parse("nonsense\n".repeat(100_000)).unwrap_err();
        assert_eq!(found.len(), ERRORS_MAX + 1);
        assert_eq!(found.last().unwrap().problem, LineError::TooManyErrors);
    }
}
