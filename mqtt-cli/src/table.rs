//! The table of options: one row says all there is to know about an option.

use crate::connection_args::ConnectionArgs;
use crate::refusal::Refusal;
use crate::words::Words;

/// A program on this table parser, as its pages and errors name it.
pub struct Tool {
    /// File name of the program, which is also that of its options file.
    pub name: &'static str,
    /// The tool it stands in for; its options file is read when there is none of our name.
    pub original: &'static str,
    /// What follows `NAME is` in the help.
    pub summary: &'static str,
    /// Lines of the help that show how words go together, without the name.
    pub usage: &'static [&'static str],
    /// What the help says after the options.
    pub notes: &'static str,
    /// What a client identifier that cannot be used is answered with.
    pub invalid_id: &'static str,
}

/// What was typed, checked word by word, touching nothing.
pub trait ToolArgs: Default + 'static {
    /// The program itself.
    const TOOL: Tool;
    /// Rows that only this program has.
    const ROWS: &'static [Row<Self>];

    /// Where the rows of [`crate::connection_rows`] put their values.
    fn connection(&mut self) -> &mut ConnectionArgs;

    /// Conflicts between options that can be seen without looking at anything else.
    ///
    /// # Errors
    /// The first conflict found.
    fn check(&self) -> Result<(), Refusal>;
}

/// One option.
pub struct Row<A> {
    /// Every spelling; an error shows `shown`.
    pub names: &'static [&'static str],
    /// The spelling that errors about a missing value use whichever was typed.
    pub shown: &'static str,
    /// What follows the option, and what it does.
    pub kind: Kind<A>,
    /// What the help says; it finds the ends of lines itself.
    pub help: &'static str,
}

/// What follows an option, and what the option does.
pub enum Kind<A> {
    /// Stands alone.
    Flag(fn(&mut A) -> Result<(), Refusal>),
    /// Takes the next word, whatever it looks like.
    Value {
        /// What the help calls the word.
        word: &'static str,
        /// The error without the word says `Error: -X argument given but MISSING specified.`
        missing: &'static str,
        /// Checks and stores the word.
        set: fn(&mut A, &[u8]) -> Result<(), Refusal>,
    },
    /// Takes as many words as it finds fit.
    Words {
        /// What the help calls the words.
        words: &'static str,
        /// Takes and stores the words.
        set: fn(&mut A, &mut Words<'_>) -> Result<(), Refusal>,
    },
    /// An option of the original that this release refuses, with or without a word behind it.
    NotYet {
        /// What the help calls the word and what the error without it says.
        value: Option<(&'static str, &'static str)>,
    },
    /// `-o`: its word was looked for before any other option.
    OptionsFile,
    /// Prints a page and ends.
    Page(fn() -> String),
}

/// A row for an option that stands alone.
pub const fn flag<A>(
    names: &'static [&'static str],
    help: &'static str,
    set: fn(&mut A) -> Result<(), Refusal>,
) -> Row<A> {
    Row {
        names,
        shown: first(names),
        kind: Kind::Flag(set),
        help,
    }
}

/// A row for an option that takes a word.
pub const fn value<A>(
    names: &'static [&'static str],
    (word, missing): (&'static str, &'static str),
    help: &'static str,
    set: fn(&mut A, &[u8]) -> Result<(), Refusal>,
) -> Row<A> {
    Row {
        names,
        shown: first(names),
        kind: Kind::Value { word, missing, set },
        help,
    }
}

/// A row for an option that prints a page.
pub const fn page<A>(
    names: &'static [&'static str],
    help: &'static str,
    page: fn() -> String,
) -> Row<A> {
    Row {
        names,
        shown: first(names),
        kind: Kind::Page(page),
        help,
    }
}

/// A row for an option that is known and refused.
pub const fn not_yet<A>(
    names: &'static [&'static str],
    value: Option<(&'static str, &'static str)>,
) -> Row<A> {
    Row {
        names,
        shown: first(names),
        kind: Kind::NotYet { value },
        help: "not supported yet",
    }
}

impl<A> Row<A> {
    /// The row with that spelling.
    #[must_use]
    pub fn find<'r>(rows: &'r [Self], word: &[u8]) -> Option<&'r Self> {
        rows.iter()
            .find(|row| row.names.iter().any(|name| name.as_bytes() == word))
    }

    /// Whether it takes exactly one word.
    #[must_use]
    pub const fn takes_a_word(&self) -> bool {
        matches!(
            self.kind,
            Kind::Value { .. } | Kind::NotYet { value: Some(_) } | Kind::OptionsFile
        )
    }

    /// What the help calls the words behind it.
    #[must_use]
    pub const fn words(&self) -> &'static str {
        match self.kind {
            Kind::Value { word, .. }
            | Kind::NotYet {
                value: Some((word, _)),
            } => word,
            Kind::Words { words, .. } => words,
            Kind::OptionsFile => "FILE",
            Kind::Flag(_) | Kind::NotYet { value: None } | Kind::Page(_) => "",
        }
    }

    /// Takes the words that belong to the option and does what it says.
    ///
    /// # Errors
    /// A missing word, or what the option has against it.
    pub fn apply(&self, args: &mut A, words: &mut Words<'_>) -> Result<(), Refusal> {
        match self.kind {
            Kind::Flag(set) => set(args),
            Kind::Value { missing, set, .. } => set(args, &self.next_word(words, missing)?),
            Kind::Words { set, .. } => set(args, words),
            Kind::NotYet { value } => {
                if let Some((_, missing)) = value {
                    self.next_word(words, missing)?;
                }
                Err(Refusal::not_yet(self.shown))
            }
            Kind::OptionsFile => self.next_word(words, "no options file").map(drop),
            Kind::Page(page) => Err(Refusal::Page(page())),
        }
    }

    fn next_word(&self, words: &mut Words<'_>, missing: &str) -> Result<Vec<u8>, Refusal> {
        words.next_word().ok_or_else(|| {
            let shown = self.shown;
            Refusal::usage(format!(
                "Error: {shown} argument given but {missing} specified."
            ))
        })
    }
}

const fn first(names: &'static [&'static str]) -> &'static str {
    match names {
        [first, ..] => first,
        [] => "",
    }
}
