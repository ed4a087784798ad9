//! The options as a table: name, value, help, and what each sets.
//!
//! `clap` is not used: here options stand before FILE only, the first word that is none ends them
//! (even one with a dash), letters are never combined, and `-c -b` has other rules for its words
//! than `-c`. Scripts rely on all of it, and a parser that has to be talked out of its own grammar
//! is longer than this table.

use std::ffi::OsString;
use std::num::NonZeroU32;

use mqtt_passwd::argon2id::Argon2Cost;
use mqtt_passwd::hash::{SALT_BYTES_LONG, SALT_BYTES_SHORT};
use mqtt_passwd::{ITERATIONS_DEFAULT, ITERATIONS_MAX, Scheme};

use crate::failure::Failure;

/// What was typed before FILE.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) batch: bool,
    pub(crate) create: bool,
    pub(crate) delete: bool,
    pub(crate) upgrade: bool,
    pub(crate) list: bool,
    pub(crate) verify: Option<OsString>,
    pub(crate) stdin: bool,
    pub(crate) force: bool,
    kind: Kind,
    iterations: Option<NonZeroU32>,
    salt: Salt,
}

#[derive(Debug, Default, Clone, Copy)]
enum Kind {
    Argon2id,
    #[default]
    Sha512Pbkdf2,
    Sha512,
}

#[derive(Debug, Default, Clone, Copy)]
enum Salt {
    #[default]
    Short,
    Long,
}

/// How new passwords are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hashing {
    pub(crate) scheme: Scheme,
    pub(crate) salt_bytes: usize,
}

impl Options {
    /// Takes the options off the front of the words; FILE is then the first of them.
    pub(crate) fn take(
        words: &mut std::iter::Peekable<impl Iterator<Item = OsString>>,
    ) -> Result<Self, Failure> {
        let mut options = Self::default();
        while let Some(row) = words
            .peek()
            .and_then(|word| ROWS.iter().find(|r| r.name == word))
        {
            words.next();
            let value = match (row.value, words.peek()) {
                (None, _) => OsString::new(),
                (Some(_), Some(_)) => words.next().unwrap_or_default(),
                (Some(_), None) => {
                    let name = row.name;
                    return Err(Failure::error(format!(
                        "{name} argument given but not enough other arguments."
                    )));
                }
            };
            (row.set)(&mut options, value)?;
        }
        Ok(options)
    }

    pub(crate) fn hashing(&self) -> Hashing {
        let iterations = self.iterations.unwrap_or(ITERATIONS_DEFAULT);
        let (scheme, salt) = match self.kind {
            Kind::Sha512 => (Scheme::Sha512, self.salt),
            Kind::Sha512Pbkdf2 => (Scheme::Sha512Pbkdf2 { iterations }, self.salt),
            // Nothing older than 2.1 reads it, and 2.1 writes the long salt.
            Kind::Argon2id => (Scheme::Argon2id(Argon2Cost::MOSQUITTO), Salt::Long),
        };
        let salt_bytes = match salt {
            Salt::Short => SALT_BYTES_SHORT,
            Salt::Long => SALT_BYTES_LONG,
        };
        Hashing { scheme, salt_bytes }
    }

    /// As [`Options::hashing`], but the original ignores `-I` here, and so do old scripts.
    pub(crate) fn hashing_of_upgrade(&self) -> Hashing {
        let iterations = None;
        Self {
            iterations,
            kind: self.kind,
            salt: self.salt,
            ..Self::default()
        }
        .hashing()
    }
}

struct Row {
    name: &'static str,
    /// What the help calls its value, if it takes one.
    value: Option<&'static str>,
    help: &'static str,
    set: fn(&mut Options, OsString) -> Result<(), Failure>,
}

const fn flag(
    name: &'static str,
    help: &'static str,
    set: fn(&mut Options, OsString) -> Result<(), Failure>,
) -> Row {
    Row {
        name,
        value: None,
        help,
        set,
    }
}

const ROWS: &[Row] = &[
    flag(
        "-b",
        "batch: the password is the last argument, which others can see",
        |options, _| {
            options.batch = true;
            Ok(())
        },
    ),
    flag(
        "-c",
        "create FILE with this one user; replaces FILE if it exists",
        |options, _| {
            options.create = true;
            Ok(())
        },
    ),
    flag("-D", "delete the user", |options, _| {
        options.delete = true;
        Ok(())
    }),
    flag(
        "-U",
        "replace every plain-text password in FILE by a hash",
        |options, _| {
            options.upgrade = true;
            Ok(())
        },
    ),
    Row {
        name: "-H",
        value: Some("HASH"),
        help: "sha512-pbkdf2 (default), argon2id (brokers from 2.1), sha512 (up to 1.6)",
        set: |options, value| {
            options.kind = match value.to_str() {
                Some("argon2id") => Kind::Argon2id,
                Some("sha512-pbkdf2") => Kind::Sha512Pbkdf2,
                Some("sha512") => Kind::Sha512,
                _ => {
                    let value = value.display();
                    return Err(Failure::error(format!("Unknown hash type '{value}'")));
                }
            };
            Ok(())
        },
    },
    Row {
        name: "-I",
        value: Some("N"),
        help: "iterations of sha512-pbkdf2 (default 1000); not for -U",
        set: |options, value| {
            options.iterations = Some(iterations(&value)?);
            Ok(())
        },
    },
    flag(
        "--stdin",
        "read the password from the first line of standard input",
        |options, _| {
            options.stdin = true;
            Ok(())
        },
    ),
    Row {
        name: "--salt-bytes",
        value: Some("12|64"),
        help: "salt of new hashes; brokers of 2.0 read 12 only (default 12)",
        set: |options, value| {
            options.salt = match value.to_str() {
                Some("12") => Salt::Short,
                Some("64") => Salt::Long,
                _ => return Err(Failure::error("--salt-bytes must be 12 or 64.")),
            };
            Ok(())
        },
    },
    flag(
        "--force",
        "with -U: hash what is a hash already, too",
        |options, _| {
            options.force = true;
            Ok(())
        },
    ),
    Row {
        name: "--verify",
        value: Some("USER"),
        help: "ask for a password and tell whether it is the user's",
        set: |options, value| {
            options.verify = Some(value);
            Ok(())
        },
    },
    flag(
        "--list",
        "print each user and, after a tab, the kind of hash",
        |options, _| {
            options.list = true;
            Ok(())
        },
    ),
];

fn iterations(value: &OsString) -> Result<NonZeroU32, Failure> {
    let digits = value
        .to_str()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits
        .and_then(|digits| digits.parse::<u128>().ok())
        .unwrap_or(0);
    if number == 0 {
        return Err(Failure::error("Number of iterations must be > 0."));
    }
    u32::try_from(number)
        .ok()
        .and_then(NonZeroU32::new)
        .filter(|number| number.get() <= ITERATIONS_MAX)
        .ok_or_else(|| {
            Failure::error(format!(
                "Number of iterations must be at most {ITERATIONS_MAX}."
            ))
        })
}

/// The usage text, the same for `--help` and for a wrong number of arguments.
pub(crate) fn help() -> String {
    let mut text = String::from(
        "mqtt-passwd is a tool for managing password files for MQTT brokers.

Usage: mqtt-passwd [-H HASH] [-I N] [-c | -D] FILE USER
       mqtt-passwd [-H HASH] [-I N] [-c] -b FILE USER PASSWORD
       mqtt-passwd [-H HASH] [-I N] [-c] --stdin FILE USER
       mqtt-passwd [-H HASH] [--force] -U FILE
       mqtt-passwd --verify USER [-b | --stdin] FILE [PASSWORD]
       mqtt-passwd --list FILE
       mqtt-passwd --help | --version

Options stand before FILE, each by itself. With -c, FILE may be '-' for standard output.

",
    );
    for row in ROWS {
        let left = format!("{} {}", row.name, row.value.unwrap_or_default());
        text.push_str(&format!(" {left:<19} {}\n", row.help));
    }
    text.push_str(
        "
Comments and blank lines are kept. FILE is replaced in one step, under a lock; its mode and owner
stay. A new FILE belongs to the caller and only its owner can read it: if the broker runs as
another user, chown it. Send the broker a HUP signal to make it read the file again.

Exit codes: 0 success, also after an interrupt at a prompt; 1 error; 2 passwords differ;
10 the password could not be hashed.
",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(words: &[&str]) -> Result<(Options, Vec<OsString>), Failure> {
        let mut words = words.iter().map(OsString::from).peekable();
        let options = Options::take(&mut words)?;
        Ok((options, words.collect()))
    }

    #[test]
    fn options_end_at_the_first_word_that_is_none() {
        let (options, rest) = take(&["-c", "file", "-b", "user"]).unwrap();
        assert!(options.create && !options.batch);
        assert_eq!(rest, ["file", "-b", "user"]);
        let (options, rest) = take(&["-b", "-cb", "-c"]).unwrap();
        assert!(options.batch && !options.create);
        assert_eq!(rest, ["-cb", "-c"]);
    }

    #[test]
    fn hashes_are_chosen_by_kind_iterations_and_salt() {
        let iterations = NonZeroU32::new(7).unwrap();
        let argon2 = Scheme::Argon2id(Argon2Cost::MOSQUITTO);
        for (words, scheme, salt_bytes) in [
            (&[][..], Scheme::default(), 12),
            (&["-I", "7"], Scheme::Sha512Pbkdf2 { iterations }, 12),
            (&["-H", "sha512", "-I", "7"], Scheme::Sha512, 12),
            (&["-H", "sha512", "--salt-bytes", "64"], Scheme::Sha512, 64),
            (&["-H", "argon2id", "--salt-bytes", "12"], argon2, 64),
            (
                &["-H", "sha512", "-H", "sha512-pbkdf2"],
                Scheme::default(),
                12,
            ),
        ] {
            let (options, _) = take(words).unwrap();
            assert_eq!(
                options.hashing(),
                Hashing { scheme, salt_bytes },
                "{words:?}"
            );
        }
        let (options, _) = take(&["-I", "7", "--salt-bytes", "64"]).unwrap();
        let expected = Hashing {
            scheme: Scheme::default(),
            salt_bytes: 64,
        };
        assert_eq!(options.hashing_of_upgrade(), expected);
    }

    #[test]
    fn every_option_has_its_line_in_the_help() {
        let help = help();
        for row in ROWS {
            assert!(help.contains(&format!("\n {}", row.name)), "{}", row.name);
        }
        assert!(help.lines().all(|line| line.chars().count() <= 100));
    }
}
