//! The users of a `password_file`, read with messages that say what to do.

use std::fmt::Write;
use std::sync::Arc;

use mqtt_passwd::{FileError, HashError, LineError, PasswordHash};

/// One line of a file that cannot be used, as one line of text:
/// `FILE:LINE: what (what to do)`. The words up to the file's name are Mosquitto's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordFileError {
    /// As in the configuration.
    pub path: Box<str>,
    /// What is wrong, and where.
    pub error: FileError,
}

impl std::error::Error for PasswordFileError {}

impl std::fmt::Display for PasswordFileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (path, line) = (&self.path, self.error.line);
        // A word for the shell to be pasted, whatever the name has in it.
        let file = shell_word(path);
        write!(f, "{path}:{line}: ")?;
        // The rest names users as they stand in the file, so it may hold anything.
        let f = &mut OneLine(f);
        match &self.error.problem {
            LineError::EmptyUserName => {
                write!(
                    f,
                    "Empty username in password file '{path}'. (delete the line)"
                )
            }
            LineError::DuplicateUser { user } => write!(
                f,
                "Duplicate user '{user}' in password file '{path}'. (delete one of the lines)"
            ),
            LineError::NoColon => write!(
                f,
                "Invalid line in password file '{path}': no ':' between user and hash \
                 (delete the line, or begin it with '#')"
            ),
            LineError::NoPassword { user } => write!(
                f,
                "Invalid line in password file '{path}': {user} \
                 (delete the line, then: mqtt-passwd {file} {})",
                shell_word(user)
            ),
            LineError::TooLong { .. } => write!(
                f,
                "Invalid line in password file '{path}', username too long. ({})",
                self.error.problem
            ),
            LineError::Hash {
                user,
                error: HashError::PlainText,
            } => write!(
                f,
                "Unable to decode line in password file '{path}'. User '{user}' has a \
                 plain-text password (hash it: mqtt-passwd -U {file})"
            ),
            LineError::Hash { user, error } => write!(
                f,
                "Unable to decode line in password file '{path}'. User '{user}': {error} \
                 (set a new password: mqtt-passwd {file} {})",
                shell_word(user)
            ),
            problem => write!(f, "Invalid line in password file '{path}': {problem}"),
        }
    }
}

/// Users and their hashes.
#[derive(Debug, Clone)]
pub struct PasswordFile {
    users: mqtt_passwd::PasswordFile,
    decoy: Arc<PasswordHash>,
}

impl PasswordFile {
    /// Reads the text of a file; the path is for messages.
    ///
    /// # Errors
    /// Everything wrong with it, in the order of its lines and up to a hundred. None of the file
    /// is used then: half of the users would be as surprising as none.
    pub fn parse(path: &str, text: impl AsRef<[u8]>) -> Result<Self, Vec<PasswordFileError>> {
        let users = mqtt_passwd::PasswordFile::parse(text).map_err(|errors| {
            let place = |error| PasswordFileError {
                path: path.into(),
                error,
            };
            errors.into_iter().map(place).collect::<Vec<_>>()
        })?;
        let decoy = match users.first() {
            Some(hash) => hash.decoy(),
            None => PasswordHash::unmatched(),
        };
        Ok(Self {
            users,
            decoy: Arc::new(decoy),
        })
    }

    /// The user's hash, to be verified where it may take its time.
    pub fn lookup(&self, user_name: &str) -> Option<&Arc<PasswordHash>> {
        self.users.lookup(user_name)
    }

    /// What to verify for a user who is not there: it fails, and takes as long as the hash of the
    /// first user does. (In a file of mixed schemes the time still tells something.)
    pub fn decoy(&self) -> &Arc<PasswordHash> {
        &self.decoy
    }

    /// Number of users.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether it lets nobody in.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }
}

/// Lets no control character through to a terminal or a log.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for (index, part) in text.split(char::is_control).enumerate() {
            if index > 0 {
                self.0.write_char(char::REPLACEMENT_CHARACTER)?;
            }
            self.0.write_str(part)?;
        }
        Ok(())
    }
}

/// Quoted only if it has to be.
fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+@%,=".contains(c);
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hash of `secret`.
    const GOOD: &str = "$6$AwMDAwMDAwMDAwMD$gXAEkEmPf6n8hOYLUTWkdSHTCHDfDNc9DklzvmwQhr5jZpHF3qGmkFe9c7MJFqNB8eWk0jIPZCFnPxMFL7B5Kw==";

    #[test]
    fn every_bad_line_is_refused_with_its_place_and_its_remedy() {
        let text = format!(
            "# staff\nann:{GOOD}\nbob:secret\n\ncarl\n:{GOOD}\ndora :\nann:{GOOD}\nan emil:$7$x\n"
        );
        let found = PasswordFile::parse("/etc/pw", text).unwrap_err();
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "/etc/pw:3: Unable to decode line in password file '/etc/pw'. User 'bob' has a \
                 plain-text password (hash it: mqtt-passwd -U /etc/pw)",
                "/etc/pw:5: Invalid line in password file '/etc/pw': no ':' between user and hash \
                 (delete the line, or begin it with '#')",
                "/etc/pw:6: Empty username in password file '/etc/pw'. (delete the line)",
                "/etc/pw:7: Invalid line in password file '/etc/pw': dora \
                 (delete the line, then: mqtt-passwd /etc/pw dora)",
                "/etc/pw:8: Duplicate user 'ann' in password file '/etc/pw'. \
                 (delete one of the lines)",
                "/etc/pw:9: Unable to decode line in password file '/etc/pw'. User 'an emil': hash \
                 has a missing or extra field \
                 (set a new password: mqtt-passwd /etc/pw 'an emil')",
            ]
        );
    }

    #[test]
    fn long_and_undecodable_names_are_refused() {
        let text = [&[b'n'; 65_536][..], b":x\n\xff:x\n"].concat();
        let found = PasswordFile::parse("f", text).unwrap_err();
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "f:1: Invalid line in password file 'f', username too long. \
                 (user name or password of 65536 bytes is over the limit of 65535)",
                "f:2: Invalid line in password file 'f': user name is not UTF-8",
            ]
        );
    }

    #[test]
    fn an_error_is_one_line_whatever_the_file_holds() {
        let found = PasswordFile::parse("f", "a\rb\x1b[1m:x\n").unwrap_err();
        let found = found[0].to_string();
        assert!(
            found.contains("User 'a\u{fffd}b\u{fffd}[1m' has"),
            "{found}"
        );
        assert!(!found.contains(char::is_control));
    }

    #[test]
    fn users_are_found_and_others_get_a_decoy_of_the_same_cost() {
        let file = PasswordFile::parse("f", format!("ann:{GOOD}\r\n# x\n")).unwrap();
        assert_eq!(file.len(), 1);
        assert!(file.lookup("ann").is_some());
        assert!(file.lookup("Ann").is_none());
        assert_eq!(file.decoy().scheme(), file.lookup("ann").unwrap().scheme());
        assert!(!file.decoy().verify(b"secret"));
    }

    #[test]
    fn an_empty_file_lets_nobody_in() {
        let file = PasswordFile::parse("f", "").unwrap();
        assert!(file.is_empty());
        assert!(!file.decoy().verify(b""));
    }

    #[test]
    fn words_for_the_shell_are_quoted_when_they_must() {
        for (word, expected) in [
            ("/etc/mqtt/pass-wd.txt", "/etc/mqtt/pass-wd.txt"),
            ("", "''"),
            ("-U", "'-U'"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$(x)", "'$(x)'"),
        ] {
            assert_eq!(shell_word(word), expected);
        }
    }
}
