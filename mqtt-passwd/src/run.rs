//! Does what was asked: reads the file, changes its lines, replaces it.

use std::io::Write;
use std::path::Path;

use mqtt_passwd::lines::UserLine;
use mqtt_passwd::{CorruptLine, HashError, PasswordHash, PasswordLines, Written};
use rand::TryRng;
use rand::rngs::SysRng;

use crate::args::{Command, Source};
use crate::failure::{Failure, written};
use crate::options::{self, Hashing};
use crate::prompt;
use crate::replace::{self, Locked};
use crate::secret::Secret;

/// Exit code when hashing fails; that of the original.
const EXIT_HASHING: u8 = 10;

/// Permissions of others in a mode.
const MODE_OTHERS: u32 = 0o007;

/// Runs one command. What it prints on success goes to `out`, warnings go to `warnings`.
pub(crate) fn run(
    command: Command,
    out: &mut impl Write,
    warnings: &mut impl Write,
) -> Result<(), Failure> {
    match command {
        Command::Help => print(out, &options::help()),
        Command::Version => print(
            out,
            concat!("mqtt-passwd version ", env!("CARGO_PKG_VERSION"), "\n"),
        ),
        Command::Set {
            file,
            user,
            password,
            hashing,
        } => set(&file, &user, password, hashing, out, warnings),
        Command::Create {
            file,
            user,
            password,
            hashing,
        } => create(&file, &user, password, hashing, out, warnings),
        Command::Print {
            user,
            password,
            hashing,
        } => {
            let hash = hash(&take(password, out)?, hashing)?;
            print(out, &format!("{user}:{hash}\n"))
        }
        Command::Delete { file, user } => delete(&file, &user, warnings),
        Command::Upgrade {
            file,
            force,
            hashing,
        } => upgrade(&file, force, hashing, warnings),
        Command::Verify {
            file,
            user,
            password,
        } => verify(&file, &user, password, out),
        Command::List { file } => list(&file, out),
    }
}

fn set(
    file: &Path,
    user: &str,
    password: Source,
    hashing: Hashing,
    out: &mut impl Write,
    warnings: &mut impl Write,
) -> Result<(), Failure> {
    // Nobody is asked for a password that could not be stored; and nobody waits for a person.
    let text = Locked::open(file)?.text;
    PasswordLines::parse(&text).map_err(corrupt)?;
    let hash = hash(&take(password, out)?, hashing)?;

    let locked = Locked::open(file)?;
    let mut lines = PasswordLines::parse(&locked.text).map_err(corrupt)?;
    let change = lines.set(user, &hash);
    let text = lines.to_bytes();
    finish(file, locked, &text, warnings)?;
    let verb = match change {
        Written::Added => "Adding",
        Written::Updated => "Updating",
    };
    print(out, &format!("{verb} password for user {user}\n"))
}

fn create(
    file: &Path,
    user: &str,
    password: Source,
    hashing: Hashing,
    out: &mut impl Write,
    warnings: &mut impl Write,
) -> Result<(), Failure> {
    replace::resolve(file)?;
    let hash = hash(&take(password, out)?, hashing)?;
    let before = replace::create(file, format!("{user}:{hash}\n").as_bytes())?;
    // Of a file that was no password file, there is nothing to count.
    let replaced = before
        .and_then(|text| {
            PasswordLines::parse(&text)
                .ok()
                .map(|lines| lines.users().count())
        })
        .unwrap_or(0);
    if replaced > 0 {
        let users = if replaced == 1 { "user" } else { "users" };
        let file = file.display();
        warn(
            warnings,
            &format!("Warning: {file} was replaced, with {replaced} {users} in it."),
        );
    }
    print(out, &format!("Adding password for user {user}\n"))
}

fn delete(file: &Path, user: &str, warnings: &mut impl Write) -> Result<(), Failure> {
    let locked = Locked::open(file)?;
    let mut lines = PasswordLines::parse(&locked.text).map_err(corrupt)?;
    if lines.remove(user) == 0 {
        return Err(unknown(user));
    }
    let text = lines.to_bytes();
    finish(file, locked, &text, warnings)
}

fn upgrade(
    file: &Path,
    force: bool,
    hashing: Hashing,
    warnings: &mut impl Write,
) -> Result<(), Failure> {
    let locked = Locked::open(file)?;
    let mut lines = PasswordLines::parse(&locked.text).map_err(corrupt)?;
    let shown = file.display();
    let (mut hashed, mut skipped) = (0_usize, 0_usize);
    lines.rehash(|line| match (force, kind(line)) {
        (true, _) | (false, Err(HashError::PlainText | HashError::UnknownScheme)) => {
            hashed = hashed.saturating_add(1);
            if line.has_rest {
                let number = line.number;
                let text = format!(
                    "Warning: {shown}:{number}: the text after the second ':' is dropped, \
                         it was not part of the password."
                );
                warn(warnings, &text);
            }
            hash(&Secret::new(line.password.to_vec()), hashing).map(Some)
        }
        (false, Ok(_)) => {
            skipped = skipped.saturating_add(1);
            Ok(None)
        }
        (false, Err(error)) => {
            let (user, number) = (String::from_utf8_lossy(line.name), line.number);
            let text = format!(
                "Warning: {shown}:{number}: user '{user}': {error}; left as it is \
                     (set a new password: mqtt-passwd {shown} {user})"
            );
            warn(warnings, &text);
            Ok(None)
        }
    })?;
    if skipped > 0 {
        let text = format!(
            "Warning: {skipped} of the passwords in {shown} are hashes already and were left as \
             they are (--force hashes them again)."
        );
        warn(warnings, &text);
    }
    let text = lines.to_bytes();
    if hashed == 0 {
        return Ok(());
    }
    finish(file, locked, &text, warnings)
}

fn verify(file: &Path, user: &str, password: Source, out: &mut impl Write) -> Result<(), Failure> {
    let text = replace::read(file)?;
    let lines = PasswordLines::parse(&text).map_err(corrupt)?;
    let line = lines.users().find(|line| line.name == user.as_bytes());
    let line = line.ok_or_else(|| unknown(user))?;
    let hash = kind(&line).map_err(|error| {
        let (file, number) = (file.display(), line.number);
        Failure::error(format!("{file}:{number}: user '{user}': {error}."))
    })?;
    let password = match password {
        Source::Prompt => prompt::ask_once(out)?,
        password => take(password, out)?,
    };
    if !hash.verify(password.as_bytes()) {
        let text = format!("Password of user {user} does not match.");
        return Err(Failure::with_exit_code(text, 2));
    }
    print(out, &format!("Password of user {user} matches.\n"))
}

fn list(file: &Path, out: &mut impl Write) -> Result<(), Failure> {
    let text = replace::read(file)?;
    let lines = PasswordLines::parse(&text).map_err(corrupt)?;
    let mut listed = Vec::new();
    for line in lines.users() {
        let kind = match kind(&line) {
            Ok(hash) => hash.scheme().name(),
            Err(HashError::PlainText) => "plain-text",
            Err(_) => "invalid",
        };
        listed.extend_from_slice(line.name);
        listed.push(b'\t');
        listed.extend_from_slice(kind.as_bytes());
        listed.push(b'\n');
    }
    written(out.write_all(&listed).and_then(|()| out.flush()))
}

fn take(source: Source, out: &mut impl Write) -> Result<Secret, Failure> {
    match source {
        Source::Argument(password) => Ok(password),
        Source::Stdin => prompt::read_stdin(),
        Source::Prompt => prompt::ask_twice(out),
    }
}

fn hash(password: &Secret, hashing: Hashing) -> Result<PasswordHash, Failure> {
    let mut salt = vec![0; hashing.salt_bytes];
    let drawn = SysRng.try_fill_bytes(&mut salt).ok();
    drawn
        .and_then(|()| PasswordHash::create(hashing.scheme, password.as_bytes(), &salt).ok())
        .ok_or_else(|| Failure::with_exit_code("Unable to hash password.", EXIT_HASHING))
}

fn kind(line: &UserLine<'_>) -> Result<PasswordHash, HashError> {
    PasswordHash::parse(&String::from_utf8_lossy(line.password))
}

/// Replaces the file, then warns of a mode that later brokers may refuse. The original also warns
/// if owner or group are not the caller's; but who runs the broker is not known here, and root
/// would be told to take the file away from it.
fn finish(
    file: &Path,
    locked: Locked,
    text: &[u8],
    warnings: &mut impl Write,
) -> Result<(), Failure> {
    let others = locked.mode() & MODE_OTHERS;
    locked.replace(text)?;
    if others != 0 {
        let file = file.display();
        let text = format!(
            "Warning: File {file} has world readable permissions. Future versions will refuse to \
             load this file.\nTo fix this, use `chmod 0700 {file}`."
        );
        warn(warnings, &text);
    }
    Ok(())
}

fn corrupt(line: CorruptLine) -> Failure {
    Failure::error(line.to_string())
}

fn unknown(user: &str) -> Failure {
    Failure::warning(format!("User {user} not found in password file."))
}

fn print(out: &mut impl Write, text: &str) -> Result<(), Failure> {
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

fn warn(warnings: &mut impl Write, text: &str) {
    // With stderr closed nobody wants to know.
    let _ = writeln!(warnings, "{text}");
}
