//! Where log lines go.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::sensitive_file::{self, Access};

/// Where lines go, as `log_dest` says; each adds up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destinations {
    /// `log_dest stdout`.
    pub stdout: bool,
    /// `log_dest stderr`.
    pub stderr: bool,
    /// `log_dest file <path>`.
    pub file: Option<PathBuf>,
}

/// Destinations that are open.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    stdout: bool,
    stderr: bool,
    file: Option<LogFile>,
}

/// A log file and whether its last write failed, so that this is said once and not for each line.
#[derive(Debug)]
struct LogFile {
    path: PathBuf,
    file: File,
    failing: bool,
}

impl Outputs {
    /// Only the standard error stream.
    pub(super) fn stderr() -> Self {
        Self {
            stderr: true,
            ..Self::default()
        }
    }

    /// Whether lines go nowhere.
    pub(super) fn is_empty(&self) -> bool {
        !self.stdout && !self.stderr && self.file.is_none()
    }

    /// Opens what is to be opened. Returns complaints about the log file's permissions too.
    pub(super) fn open(
        destinations: &Destinations,
        allow_symlinks: bool,
    ) -> Result<(Self, Vec<String>), LogFileError> {
        let mut warnings = Vec::new();
        let file = match &destinations.file {
            None => None,
            Some(path) => {
                let opened = sensitive_file::open(path, Access::Append, allow_symlinks).map_err(
                    |error| LogFileError {
                        path: path.clone(),
                        error,
                    },
                )?;
                warnings = opened.warnings;
                Some(LogFile {
                    path: path.clone(),
                    file: opened.file,
                    failing: false,
                })
            }
        };
        Ok((
            Self {
                stdout: destinations.stdout,
                stderr: destinations.stderr,
                file,
            },
            warnings,
        ))
    }

    /// Writes whole lines.
    pub(super) fn write(&mut self, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        // A reader that has gone away is not coming back, and there is nobody left to tell.
        if self.stdout {
            self.stdout = write_through(&mut io::stdout().lock(), lines).is_ok();
        }
        if self.stderr {
            self.stderr = write_through(&mut io::stderr().lock(), lines).is_ok();
        }
        if let Some(log) = &mut self.file {
            log.write(lines);
        }
    }
}

impl LogFile {
    fn write(&mut self, lines: &[u8]) {
        let written = self.file.write_all(lines);
        if let Err(error) = &written
            && !self.failing
        {
            complain(&self.path, error);
        }
        self.failing = written.is_err();
    }
}

/// Says on the standard error stream that the log file takes no more: the log itself cannot.
fn complain(path: &Path, error: &io::Error) {
    let line = format!(
        "Error: Unable to write to log file {}: {error}\n",
        path.display()
    );
    // With that stream gone too there is nobody left to tell.
    drop(io::stderr().lock().write_all(line.as_bytes()));
}

fn write_through(stream: &mut impl io::Write, lines: &[u8]) -> io::Result<()> {
    stream.write_all(lines)?;
    stream.flush()
}

/// The log file cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("Error: Unable to open log file {} for writing.", path.display())]
pub struct LogFileError {
    /// Which file.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub error: io::Error,
}
