//! The grammar of the original tools, which is not getopt's.
//!
//! Each word is compared whole with the spellings of the rows, and an option that takes a value
//! swallows the next word even if that looks like an option. Three forms that the originals refuse
//! are accepted on top: `--option=value`, flags run together (`-dv`), and such a run whose last
//! letter takes the next word (`-dt topic`). The parser is written by hand because the usual crates
//! cannot be talked out of getopt's rules, nor into the texts that scripts match.

use std::collections::VecDeque;

use crate::connection_rows;
use crate::options_file::{self, Environment};
use crate::refusal::Refusal;
use crate::table::{Kind, Row, ToolArgs};
use crate::words::{Words, shown};

/// Reads the options file, then the words of the command line (without the program's name).
///
/// # Errors
/// The first word that is wrong, the first conflict, or a page that was asked for.
pub fn parse<A: ToolArgs>(words: Vec<Vec<u8>>, environment: &Environment) -> Result<A, Refusal> {
    let mut args = A::default();
    if let Some(file) = options_file::find(&words, environment, &A::TOOL)? {
        for line in options_file::read(&file)? {
            take_all(&mut args, line)?;
        }
    }
    take_all(&mut args, words)?;
    args.connection().check()?;
    args.check()?;
    Ok(args)
}

fn take_all<A: ToolArgs>(args: &mut A, words: Vec<Vec<u8>>) -> Result<(), Refusal> {
    let mut words = VecDeque::from(words);
    let mut words = Words::new(&mut words);
    while let Some(word) = words.next_word() {
        if take_option(args, &word, &mut words)? {
            continue;
        }
        if let Some((name, value)) = split_at_equals::<A>(&word) {
            words.put_back(value.to_vec());
            take_option(args, name, &mut words)?;
        } else if is_run::<A>(&word) {
            for letter in word.iter().skip(1) {
                take_option(args, &[b'-', *letter], &mut words)?;
            }
        } else {
            return Err(Refusal::usage(format!(
                "Error: Unknown option '{}'.",
                shown(&word)
            )));
        }
    }
    Ok(())
}

/// Whether the word is an option; if so, it was done.
fn take_option<A: ToolArgs>(
    args: &mut A,
    word: &[u8],
    words: &mut Words<'_>,
) -> Result<bool, Refusal> {
    if let Some(row) = Row::find(A::ROWS, word) {
        row.apply(args, words).map(|()| true)
    } else if let Some(row) = Row::find(connection_rows::ROWS, word) {
        row.apply(args.connection(), words).map(|()| true)
    } else {
        Ok(false)
    }
}

/// `--option=value`, where the option takes one word.
fn split_at_equals<A: ToolArgs>(word: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = word.iter().position(|byte| *byte == b'=')?;
    let (name, value) = word.split_at_checked(end)?;
    let takes_a_word = name.starts_with(b"--") && takes::<A>(name)? == Takes::AWord;
    takes_a_word.then_some((name, value.get(1..)?))
}

/// `-dvt`: only flags, but for the last letter, which may be any option.
///
/// A value glued to its letter (`-p1883`) stays an error, since `-help` would then be a host.
fn is_run<A: ToolArgs>(word: &[u8]) -> bool {
    let [b'-', flags @ .., last] = word else {
        return false;
    };
    let is_flag = |letter: &u8| takes::<A>(&[b'-', *letter]) == Some(Takes::Nothing);
    !flags.is_empty() && flags.iter().all(is_flag) && takes::<A>(&[b'-', *last]).is_some()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    AWord,
    Words,
}

fn takes<A: ToolArgs>(word: &[u8]) -> Option<Takes> {
    fn of<T>(row: &Row<T>) -> Takes {
        if row.takes_a_word() {
            Takes::AWord
        } else if matches!(row.kind, Kind::Words { .. }) {
            Takes::Words
        } else {
            Takes::Nothing
        }
    }
    let own = Row::find(A::ROWS, word).map(of);
    own.or_else(|| Row::find(connection_rows::ROWS, word).map(of))
}
