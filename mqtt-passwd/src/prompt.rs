//! Reads a password: twice at a prompt, once to verify, or a line of standard input.

use std::io::{self, BufRead, Write};

use crate::failure::{Failure, reason, written};
use crate::interrupt::{Prompting, interrupt};
use crate::secret::Secret;

/// Longest password that can be entered, in bytes; that of the original.
const PASSWORD_BYTES_MAX: u64 = 65_499;

/// Asks until both entries are there; no second try.
///
/// # Errors
/// An empty entry (exit code 1) and two that differ (2).
pub(crate) fn ask_twice(out: &mut impl Write) -> Result<Secret, Failure> {
    let prompting = Prompting::begin(&io::stdin());
    let password = ask("Password: ", &prompting, out)?;
    if ask("Reenter password: ", &prompting, out)? != password {
        return Err(Failure::with_exit_code("Passwords do not match.", 2));
    }
    Ok(password)
}

/// Asks for a password that is known already.
pub(crate) fn ask_once(out: &mut impl Write) -> Result<Secret, Failure> {
    ask("Password: ", &Prompting::begin(&io::stdin()), out)
}

fn ask(prompt: &str, prompting: &Prompting, out: &mut impl Write) -> Result<Secret, Failure> {
    written(write!(out, "{prompt}").and_then(|()| out.flush()))?;
    let password = if prompting.is_terminal {
        read_terminal()
    } else {
        read_line(io::stdin().lock())
    };
    // A terminal did not echo the line end, so an error would stand behind the prompt.
    if password.is_ok() || prompting.is_terminal {
        written(writeln!(out))?;
    }
    password
}

/// A line that is typed and not shown.
fn read_terminal() -> Result<Secret, Failure> {
    let quiet = rpassword::ConfigBuilder::new()
        .input_file_path("/dev/stdin")
        .output_discard()
        .build();
    let typed = match rpassword::read_password_with_config(quiet) {
        Ok(typed) => typed,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => String::new(),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => interrupt(),
        Err(error) => return Err(unreadable(&error)),
    };
    accepted(Secret::new(typed.into_bytes()))
}

/// The first line of standard input, without a prompt.
pub(crate) fn read_stdin() -> Result<Secret, Failure> {
    read_line(io::stdin().lock())
}

/// A line without the CR and LF at its end; blanks are part of a password.
fn read_line(input: impl BufRead) -> Result<Secret, Failure> {
    // Never grown, so that no copy of a password is left behind in memory given back.
    let mut line = Vec::with_capacity(usize::try_from(PASSWORD_BYTES_MAX).unwrap_or(0) + 2);
    let end = PASSWORD_BYTES_MAX.saturating_add(2);
    let read = input.take(end).read_until(b'\n', &mut line);
    while line.pop_if(|byte| matches!(byte, b'\r' | b'\n')).is_some() {}
    let password = Secret::new(line);
    read.map_err(|error| unreadable(&error))?;
    accepted(password)
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::error(format!("Unable to read password. {}.", reason(error)))
}

/// A password that is neither empty nor too long.
fn accepted(password: Secret) -> Result<Secret, Failure> {
    if password.as_bytes().is_empty() {
        return Err(Failure::error("Empty password."));
    }
    if u64::try_from(password.as_bytes().len()).is_ok_and(|bytes| bytes <= PASSWORD_BYTES_MAX) {
        return Ok(password);
    }
    Err(Failure::error(
        "Password must be less than 65500 characters long.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(input: &[u8]) -> Result<Vec<u8>, Failure> {
        read_line(input).map(|password| password.as_bytes().to_vec())
    }

    #[test]
    fn line_ends_go_and_blanks_stay() {
        for (input, expected) in [
            (&b" a b \r\nsecond"[..], &b" a b "[..]),
            (b"x", b"x"),
            (b"x\ry\r\r\n", b"x\ry"),
            (b"\xff\n", b"\xff"),
        ] {
            assert_eq!(line(input).unwrap(), expected);
        }
    }

    #[test]
    fn empty_and_endless_passwords_are_refused() {
        for input in [&b""[..], b"\n", b"\r\n"] {
            assert_eq!(line(input), Err(Failure::error("Empty password.")));
        }
        assert_eq!(line(&[b'x'; 65_499]).unwrap().len(), 65_499);
        let long = [b'x'; 65_500];
        let refused = Failure::error("Password must be less than 65500 characters long.");
        assert_eq!(line(&long), Err(refused));
        assert!(read_line(io::BufReader::new(io::repeat(b'x'))).is_err());
    }
}
