//! What was typed, checked word by word in the order of the original, touching nothing.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::failure::Failure;
use crate::options::{Hashing, Options};
use crate::secret::Secret;

/// Longest user name and longest batch password in bytes: the longest string of MQTT.
const FIELD_BYTES_MAX: usize = 65_535;

/// One thing to do.
#[derive(Debug)]
pub(crate) enum Command {
    Help,
    Version,
    /// Adds or updates a user of an existing file.
    Set {
        file: PathBuf,
        user: String,
        password: Source,
        hashing: Hashing,
    },
    /// Makes a file of this one user.
    Create {
        file: PathBuf,
        user: String,
        password: Source,
        hashing: Hashing,
    },
    /// `Create` with `-` as FILE.
    Print {
        user: String,
        password: Source,
        hashing: Hashing,
    },
    Delete {
        file: PathBuf,
        user: String,
    },
    /// Hashes plain-text passwords; with `force`, hashes too.
    Upgrade {
        file: PathBuf,
        force: bool,
        hashing: Hashing,
    },
    Verify {
        file: PathBuf,
        user: String,
        password: Source,
    },
    List {
        file: PathBuf,
    },
}

/// Where the password comes from.
#[derive(Debug)]
pub(crate) enum Source {
    Argument(Secret),
    Stdin,
    Prompt,
}

impl Command {
    /// Reads the words after the program's name.
    pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Self, Failure> {
        let mut words = words.into_iter().peekable();
        match words.peek().and_then(|word| word.to_str()) {
            None => return Err(Failure::Usage),
            Some("--help") => return Ok(Self::Help),
            Some("--version") => return Ok(Self::Version),
            Some(_) => {}
        }
        let options = Options::take(&mut words)?;
        check_conflicts(&options)?;
        let words: Vec<OsString> = words.collect();
        // In the original such a word is FILE; here it is more likely an option of ours misspelt.
        if let Some(word) = words.first()
            && word.as_encoded_bytes().starts_with(b"--")
        {
            let word = word.display();
            return Err(Failure::error(format!(
                "Unknown option '{word}' (if it is a file, write './{word}')."
            )));
        }
        if options.create {
            Self::parse_create(&options, words)
        } else if options.delete {
            let [file, user] = split(
                words,
                2..,
                "-D argument given but password file or username missing.",
            )?;
            Ok(Self::Delete {
                file: file.into(),
                user: user_name(user)?,
            })
        } else if options.upgrade {
            let [file] = split(words, 1..=1, "-U argument given but password file missing.")?;
            let hashing = options.hashing_of_upgrade();
            Ok(Self::Upgrade {
                file: file.into(),
                force: options.force,
                hashing,
            })
        } else if options.list {
            let [file] = split(words, 1..=1, "--list needs a password file and no more.")?;
            Ok(Self::List { file: file.into() })
        } else {
            Self::parse_set_or_verify(options, words)
        }
    }

    fn parse_create(options: &Options, words: Vec<OsString>) -> Result<Self, Failure> {
        let (needed, missing) = if options.batch {
            (
                3,
                "-c argument given but password file, username, or password missing.",
            )
        } else {
            (
                2,
                "-c argument given but password file or username missing.",
            )
        };
        let [file, user, argument] = split(words, needed.., missing)?;
        let user = new_user_name(user)?;
        let password = source(options, argument)?;
        let hashing = options.hashing();
        if file == "-" {
            return Ok(Self::Print {
                user,
                password,
                hashing,
            });
        }
        Ok(Self::Create {
            file: file.into(),
            user,
            password,
            hashing,
        })
    }

    fn parse_set_or_verify(mut options: Options, words: Vec<OsString>) -> Result<Self, Failure> {
        let mut words = words;
        let verify = options.verify.take();
        let is_verify = verify.is_some();
        if let Some(user) = verify {
            // FILE [PASSWORD] becomes FILE USER [PASSWORD].
            words.insert(words.len().min(1), user);
        }
        if words.len() != if options.batch { 3 } else { 2 } {
            return Err(Failure::Usage);
        }
        let [file, user, argument] = split(words, 0.., "")?;
        let file = file.into();
        if is_verify {
            let user = user_name(user)?;
            return Ok(Self::Verify {
                file,
                user,
                password: source(&options, argument)?,
            });
        }
        let user = new_user_name(user)?;
        let password = source(&options, argument)?;
        Ok(Self::Set {
            file,
            user,
            password,
            hashing: options.hashing(),
        })
    }
}

/// The pairs that exclude each other: first those of the original, in its order.
fn check_conflicts(options: &Options) -> Result<(), Failure> {
    let set = [
        ("-b", options.batch),
        ("-c", options.create),
        ("-D", options.delete),
        ("-U", options.upgrade),
        ("--stdin", options.stdin),
        ("--verify", options.verify.is_some()),
        ("--list", options.list),
    ];
    let is_set = |name| set.contains(&(name, true));
    for (one, other) in [
        ("-c", "-D"),
        ("-c", "-U"),
        ("-D", "-U"),
        ("-b", "-D"),
        ("-b", "--stdin"),
        ("-D", "--stdin"),
        ("-U", "--stdin"),
        ("-c", "--verify"),
        ("-D", "--verify"),
        ("-U", "--verify"),
        ("-c", "--list"),
        ("-D", "--list"),
        ("-U", "--list"),
        ("-b", "--list"),
        ("--stdin", "--list"),
        ("--verify", "--list"),
    ] {
        if is_set(one) && is_set(other) {
            return Err(Failure::error(format!(
                "{one} and {other} cannot be used together."
            )));
        }
    }
    Ok(())
}

/// The first words, empty where there are none; their number must be within `count`.
fn split<const N: usize>(
    words: Vec<OsString>,
    count: impl std::ops::RangeBounds<usize>,
    otherwise: &str,
) -> Result<[OsString; N], Failure> {
    if !count.contains(&words.len()) {
        return Err(Failure::error(otherwise));
    }
    let mut words = words.into_iter();
    Ok(std::array::from_fn(|_| words.next().unwrap_or_default()))
}

fn source(options: &Options, argument: OsString) -> Result<Source, Failure> {
    if options.batch {
        let password = Secret::new(argument.into_vec());
        if password.as_bytes().len() > FIELD_BYTES_MAX {
            return Err(Failure::error(
                "Password must be less than 65536 characters long.",
            ));
        }
        return Ok(Source::Argument(password));
    }
    Ok(if options.stdin {
        Source::Stdin
    } else {
        Source::Prompt
    })
}

fn user_name(word: OsString) -> Result<String, Failure> {
    if word.len() > FIELD_BYTES_MAX {
        return Err(Failure::error(
            "Username must be less than 65536 characters long.",
        ));
    }
    let Ok(user) = word.into_string() else {
        return Err(Failure::error("Username must be valid UTF-8."));
    };
    if user.chars().any(char::is_control) {
        return Err(Failure::error(
            "Username must not contain control characters.",
        ));
    }
    if user.contains(':') {
        return Err(Failure::error(
            "Username must not contain the ':' character.",
        ));
    }
    Ok(user)
}

/// The original writes these names too, and the broker then finds another name, or a comment, or
/// refuses the whole file.
fn new_user_name(word: OsString) -> Result<String, Failure> {
    let user = user_name(word)?;
    if user.is_empty() {
        return Err(Failure::error("Username must not be empty."));
    }
    if user.trim_ascii() != user {
        return Err(Failure::error(
            "Username must not begin or end with a blank.",
        ));
    }
    if user.starts_with('#') {
        return Err(Failure::error(
            "Username must not begin with the '#' character.",
        ));
    }
    Ok(user)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Command, Failure> {
        Command::parse(words.iter().map(OsString::from))
    }

    #[test]
    fn the_forms_of_the_original_are_understood() {
        for (words, expected) in [
            (
                &["f", "u"][..],
                "Set { file: \"f\", user: \"u\", password: Prompt,",
            ),
            (
                &["-b", "f", "u", "p"],
                "Set { file: \"f\", user: \"u\", password: Argument(Secret),",
            ),
            (
                &["-c", "f", "u"],
                "Create { file: \"f\", user: \"u\", password: Prompt,",
            ),
            (
                &["-c", "f", "u", "p", "q"],
                "Create { file: \"f\", user: \"u\", password: Prompt,",
            ),
            (
                &["-c", "-b", "-", "u", "p"],
                "Print { user: \"u\", password: Argument(Secret),",
            ),
            (
                &["-", "u"],
                "Set { file: \"-\", user: \"u\", password: Prompt,",
            ),
            (
                &["-D", "f", "u", "x"],
                "Delete { file: \"f\", user: \"u\" }",
            ),
            (&["-U", "f"], "Upgrade { file: \"f\", force: false,"),
            (
                &["-b", "-U", "--force", "f"],
                "Upgrade { file: \"f\", force: true,",
            ),
            (
                &["--stdin", "f", "u"],
                "Set { file: \"f\", user: \"u\", password: Stdin,",
            ),
            (
                &["--verify", "u", "f"],
                "Verify { file: \"f\", user: \"u\", password: Prompt }",
            ),
            (
                &["--verify", "u", "-b", "f", "p"],
                "Verify { file: \"f\", user: \"u\", password: A",
            ),
            (&["--list", "f"], "List { file: \"f\" }"),
            (&["--help", "x"], "Help"),
            (&["--version"], "Version"),
        ] {
            let found = format!("{:?}", parse(words).unwrap());
            assert!(found.starts_with(expected), "{words:?}: {found}");
        }
    }

    #[test]
    fn the_wrong_number_of_words_shows_the_usage() {
        for words in [
            &[][..],
            &["f"],
            &["f", "u", "p"],
            &["-b", "f", "u"],
            &["-b", "f", "u", "p", "q"],
            &["-x", "f", "u"],
            &["--verify", "u"],
            &["--verify", "u", "f", "p"],
        ] {
            assert_eq!(parse(words).unwrap_err(), Failure::Usage, "{words:?}");
        }
    }
}
