//! Options files: where they are looked for, and how their lines become words.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::refusal::Refusal;
use crate::table::Tool;
use crate::words;

/// Bytes of the longest options file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The variables that say where a person's options files lie.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `XDG_CONFIG_HOME`; set means that `home` is not tried.
    pub config_home: Option<OsString>,
    /// `HOME`.
    pub home: Option<OsString>,
}

impl Environment {
    /// The variables of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self {
            config_home: std::env::var_os("XDG_CONFIG_HOME"),
            home: std::env::var_os("HOME"),
        }
    }

    fn folder(&self) -> Option<PathBuf> {
        match (&self.config_home, &self.home) {
            (Some(folder), _) => Some(PathBuf::from(folder)),
            (None, Some(home)) => Some(PathBuf::from(home).join(".config")),
            (None, None) => None,
        }
    }
}

/// The options file to read: that of `-o`, else ours, else that of the original tool.
///
/// `-o` is found wherever it stands, even as the value of another option, as the original does. A
/// file that is not there is no error.
///
/// # Errors
/// `-o` twice or without a file.
pub(crate) fn find(
    words: &[Vec<u8>],
    environment: &Environment,
    tool: &Tool,
) -> Result<Option<PathBuf>, Refusal> {
    let mut file = None;
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        if word != b"-o" {
            continue;
        }
        let Some(name) = rest.next() else {
            let text = "Error: -o argument given but no options file specified.";
            return Err(Refusal::usage(text));
        };
        if file.replace(words::path(name)).is_some() {
            return Err(Refusal::usage("Error: Duplicate -o argument given."));
        }
    }
    if file.is_some() {
        return Ok(file);
    }
    let Some(folder) = environment.folder() else {
        return Ok(None);
    };
    let candidates = [folder.join(tool.name), folder.join(tool.original)];
    Ok(candidates.into_iter().find(|file| file.is_file()))
}

/// The options of a file: one or two words for each line that is not a comment.
///
/// # Errors
/// A file over 1 MiB. One that cannot be read counts as empty, as the original has it.
pub(crate) fn read(file: &Path) -> Result<Vec<Vec<Vec<u8>>>, Refusal> {
    let mut text = Vec::new();
    let read = |text: &mut Vec<u8>| -> io::Result<usize> {
        File::open(file)?.take(FILE_BYTES_MAX + 1).read_to_end(text)
    };
    if read(&mut text).is_err() {
        return Ok(Vec::new());
    }
    if text.len() as u64 > FILE_BYTES_MAX {
        let file = file.display();
        return Err(Refusal::usage(format!(
            "Error: Options file \"{file}\" is over 1 MiB."
        )));
    }
    Ok(text
        .split(|byte| *byte == b'\n')
        .filter_map(words_of_line)
        .collect())
}

/// The option, and everything behind one space as its value. A tab is no separator.
fn words_of_line(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    if line.starts_with(b"#") {
        return None;
    }
    let end = line.iter().rposition(|byte| *byte != b'\r')? + 1;
    let line = line.get(..end)?;
    let start = line.iter().position(|byte| *byte != b' ')?;
    let line = line.get(start..)?;
    let Some(space) = line.iter().position(|byte| *byte == b' ') else {
        return Some(vec![line.to_vec()]);
    };
    let (option, value) = line.split_at_checked(space)?;
    Some(match value {
        [b' ', value @ ..] if !value.is_empty() => vec![option.to_vec(), value.to_vec()],
        _ => vec![option.to_vec()],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOL: Tool = Tool {
        name: "mqtt-pub",
        original: "mosquitto_pub",
        summary: "",
        usage: &[],
        notes: "",
        invalid_id: "",
    };

    fn words(line: &str) -> Vec<Vec<u8>> {
        line.split(' ')
            .map(|word| word.as_bytes().to_vec())
            .collect()
    }

    #[test]
    fn a_line_is_an_option_and_its_value_verbatim() {
        for (line, expected) in [
            ("-h host", Some(vec!["-h", "host"])),
            ("  -m  a  b ", Some(vec!["-m", " a  b "])),
            ("-r", Some(vec!["-r"])),
            ("-m ", Some(vec!["-m"])),
            ("-h\thost", Some(vec!["-h\thost"])),
            ("-r\r\r", Some(vec!["-r"])),
            ("# -r", None),
            ("", None),
            ("   ", None),
            (" # -r", Some(vec!["#", "-r"])),
        ] {
            let expected = expected.map(|words| {
                words
                    .iter()
                    .map(|word| word.as_bytes().to_vec())
                    .collect::<Vec<_>>()
            });
            assert_eq!(words_of_line(line.as_bytes()), expected, "{line:?}");
        }
    }

    #[test]
    fn the_file_of_o_stands_before_all_others_and_wherever_it_is() {
        let environment = Environment {
            config_home: Some("/nowhere".into()),
            home: None,
        };
        let find = |line: &str| find(&words(line), &environment, &TOOL);
        assert_eq!(find("-m -o file"), Ok(Some(PathBuf::from("file"))));
        assert_eq!(find("-m x"), Ok(None));
        for (line, text) in [
            (
                "-m -o",
                "Error: -o argument given but no options file specified.",
            ),
            ("-o a -o b", "Error: Duplicate -o argument given."),
        ] {
            assert_eq!(find(line), Err(Refusal::usage(text)), "{line}");
        }
    }

    #[test]
    fn our_own_file_is_read_before_that_of_the_original() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join(".config");
        std::fs::create_dir(&config).unwrap();
        let home = Some(folder.path().into());
        let environment = Environment {
            config_home: None,
            home: home.clone(),
        };
        assert_eq!(find(&[], &environment, &TOOL), Ok(None));
        for name in ["mosquitto_pub", "mqtt-pub"] {
            std::fs::write(config.join(name), "-r\n-m a b\n").unwrap();
            assert_eq!(find(&[], &environment, &TOOL), Ok(Some(config.join(name))));
        }
        assert_eq!(
            read(&config.join("mqtt-pub")),
            Ok(vec![words("-r"), vec![b"-m".to_vec(), b"a b".to_vec()]])
        );
        // The variable alone decides, even if nothing is there
        let environment = Environment {
            config_home: Some("/nowhere".into()),
            home,
        };
        assert_eq!(find(&[], &environment, &TOOL), Ok(None));
    }
}
