//! Why the program ends without success: the lines on stderr and the exit code.

use std::io;
use std::path::Path;

/// Ends the program. The texts are Mosquitto's where it has one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The usage text, on stdout as the original does.
    Usage,
    /// Lines for stderr, `Error: ` or `Warning: ` included, and an exit code.
    Message { text: String, exit_code: u8 },
}

impl Failure {
    /// `Error: {text}`, exit code 1.
    pub(crate) fn error(text: impl AsRef<str>) -> Self {
        Self::with_exit_code(text, 1)
    }

    /// `Warning: {text}`, exit code 1.
    pub(crate) fn warning(text: impl AsRef<str>) -> Self {
        Self::lines(format!("Warning: {}", text.as_ref()))
    }

    /// `Error: {text}` and an exit code of its own.
    pub(crate) fn with_exit_code(text: impl AsRef<str>, exit_code: u8) -> Self {
        Self::Message {
            text: format!("Error: {}", text.as_ref()),
            exit_code,
        }
    }

    /// Lines that begin as they are, exit code 1.
    pub(crate) fn lines(text: String) -> Self {
        Self::Message { text, exit_code: 1 }
    }

    pub(crate) fn cannot_read(file: &Path, error: &io::Error) -> Self {
        let (file, reason) = (file.display(), reason(error));
        Self::error(format!("Unable to open password file {file}. {reason}."))
    }

    pub(crate) fn cannot_write(file: &Path, error: &io::Error) -> Self {
        let (file, reason) = (file.display(), reason(error));
        Self::error(format!("Unable to open file {file} for writing. {reason}."))
    }
}

/// What became of writing to stdout. A reader who has gone away (`| head -1`) has seen enough.
pub(crate) fn written(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let reason = reason(&error);
            Err(Failure::error(format!(
                "Unable to write to standard output. {reason}."
            )))
        }
        _ => Ok(()),
    }
}

/// The system's own words, as C programs print them: without the number that Rust adds.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_those_of_the_system() {
        assert_eq!(
            reason(&io::Error::from_raw_os_error(2)),
            "No such file or directory"
        );
        assert_eq!(reason(&io::Error::other("no luck")), "no luck");
    }
}
