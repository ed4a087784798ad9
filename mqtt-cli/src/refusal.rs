//! Why a tool ends before it began, and how it says so.

use std::io::Write;
use std::process::ExitCode;

use crate::pages;
use crate::table::{Tool, ToolArgs};

/// Why a tool ends before it began its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not a fault: a page was asked for. Standard output, exit code 1 as the originals.
    Page(String),
    /// The words typed make no sense: text and a hint, not silenced by `--quiet`.
    Usage(String),
    /// As `Usage`, with the whole help on standard output.
    UsageWithPage(String),
    /// The words make sense, what they ask for cannot be: text, unless `--quiet`.
    Setup(String),
    /// As `Setup`, but `--quiet` does not silence it: ignoring the option would be dangerous.
    NotYet(String),
}

impl Refusal {
    /// Wrong usage, with the whole line to print.
    #[must_use]
    pub fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    /// A request that cannot be met, with the whole line to print.
    #[must_use]
    pub fn setup(text: impl Into<String>) -> Self {
        Self::Setup(text.into())
    }

    /// An option that is known and would be unsafe to ignore.
    #[must_use]
    pub fn not_yet(option: &str) -> Self {
        Self::NotYet(format!(
            "Error: {option} is not supported yet by this release."
        ))
    }

    /// Prints what is to be said; the exit code is 1 whatever it was.
    ///
    /// Streams that are gone leave nobody to tell.
    pub fn report<A: ToolArgs>(
        &self,
        quiet: bool,
        stdout: &mut dyn Write,
        stderr: &mut dyn Write,
    ) -> ExitCode {
        let Tool { name, .. } = A::TOOL;
        let told = match self {
            Self::Page(page) => stdout.write_all(page.as_bytes()),
            Self::Usage(text) => {
                writeln!(stderr, "{text}\n\nUse '{name} --help' to see usage.")
            }
            Self::UsageWithPage(text) => writeln!(stderr, "{text}")
                .and_then(|()| stdout.write_all(pages::help::<A>().as_bytes())),
            Self::Setup(_) if quiet => Ok(()),
            Self::Setup(text) | Self::NotYet(text) => writeln!(stderr, "{text}"),
        };
        let _ = told.and_then(|()| stdout.flush());
        ExitCode::FAILURE
    }
}
