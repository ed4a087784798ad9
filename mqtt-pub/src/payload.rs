//! Where the message comes from.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use mqtt_cli::exit::os_text;
use mqtt_cli::refusal::Refusal;

/// Bytes of the longest message (MQTT 5, 1.5.5).
pub(crate) const MESSAGE_BYTES_MAX: usize = 268_435_455;

/// What was typed about the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// `-m`, and `-n` for nothing.
    Text(Vec<u8>),
    /// `-f`.
    File(PathBuf),
    /// `-s`.
    Input,
    /// `-l`.
    Lines,
}

/// What there is to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// One message, perhaps several times.
    Whole(Bytes),
    /// The lines that will come from standard input.
    Lines,
}

impl Payload {
    /// Reads what can be read before connecting.
    ///
    /// # Errors
    /// A file that cannot be read or is too long; a standard input with nothing in it.
    pub(crate) fn read(source: Source, input: &mut dyn Read) -> Result<Self, Refusal> {
        Ok(match source {
            Source::Text(text) => Self::Whole(text.into()),
            Source::File(name) if name == Path::new("-") => {
                Self::Whole(whole(input).map_err(|error| file_refusal(&name, &error))?)
            }
            Source::File(name) => Self::Whole(
                open(&name)
                    .and_then(|mut file| whole(&mut file))
                    .map_err(|error| file_refusal(&name, &error))?,
            ),
            Source::Input => {
                let payload = whole(input).map_err(|error| {
                    let cause = os_text(&error);
                    Refusal::setup(format!("Error: {cause}\nError loading input from stdin."))
                })?;
                if payload.is_empty() {
                    return Err(Refusal::setup(
                        "Error: Zero length input.\nError loading input from stdin.",
                    ));
                }
                Self::Whole(payload)
            }
            Source::Lines => Self::Lines,
        })
    }
}

fn open(name: &Path) -> io::Result<File> {
    let file = File::open(name)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::other("Is a directory"));
    }
    Ok(file)
}

fn whole(input: &mut dyn Read) -> io::Result<Bytes> {
    let mut payload = Vec::new();
    input
        .take(MESSAGE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut payload)?;
    if payload.len() > MESSAGE_BYTES_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(payload.into())
}

fn file_refusal(name: &Path, error: &io::Error) -> Refusal {
    let name = name.display();
    let cause = if error.kind() == io::ErrorKind::FileTooLarge {
        "Error: File must be less than 268435455 bytes.".to_owned()
    } else {
        format!("Error: Unable to read file \"{name}\": {}.", os_text(error))
    };
    Refusal::setup(format!("{cause}\nError loading input file \"{name}\"."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: Source, mut input: &[u8]) -> Result<Payload, Refusal> {
        Payload::read(source, &mut input)
    }

    #[test]
    fn messages_are_read_from_where_they_are() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "in the file").unwrap();
        for (source, expected) in [
            (Source::Text(b"text".to_vec()), "text"),
            (Source::File(file.path().into()), "in the file"),
            (Source::File("-".into()), "from outside"),
            (Source::Input, "from outside"),
        ] {
            let whole = Payload::Whole(Bytes::from_static(expected.as_bytes()));
            assert_eq!(read(source, b"from outside"), Ok(whole), "{expected}");
        }
        assert_eq!(read(Source::Lines, b"x"), Ok(Payload::Lines));
        assert_eq!(
            read(Source::File("-".into()), b""),
            Ok(Payload::Whole(Bytes::new()))
        );
    }

    #[test]
    fn what_cannot_be_read_is_told_in_two_lines() {
        for (source, text) in [
            (
                Source::Input,
                "Error: Zero length input.\nError loading input from stdin.",
            ),
            (
                Source::File("/nowhere".into()),
                "Error: Unable to read file \"/nowhere\": No such file or directory.\n\
                 Error loading input file \"/nowhere\".",
            ),
            (
                Source::File("/".into()),
                "Error: Unable to read file \"/\": Is a directory.\nError loading input file \"/\".",
            ),
        ] {
            assert_eq!(read(source, b""), Err(Refusal::setup(text)));
        }
    }
}
