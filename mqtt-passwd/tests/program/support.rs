//! Runs the real program in a folder of its own.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// What a run left behind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) exit_code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A folder in which the program runs.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).expect("a file written");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("a file of text")
    }

    /// All names in the folder, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).expect("a folder");
        let name = |entry: std::io::Result<std::fs::DirEntry>| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a name of text")
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

    pub(crate) fn command(&self, words: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mqtt-passwd"));
        command.args(words).current_dir(self.0.path());
        command
    }

    pub(crate) fn run(&self, words: &[impl AsRef<OsStr>]) -> Outcome {
        self.run_with_input(words, b"")
    }

    pub(crate) fn run_with_input(&self, words: &[impl AsRef<OsStr>], input: &[u8]) -> Outcome {
        outcome(self.command(words), input)
    }

    /// A run that has to succeed.
    pub(crate) fn succeed(&self, words: &[impl AsRef<OsStr>]) -> Outcome {
        let outcome = self.run(words);
        assert_eq!(outcome.exit_code, Some(0), "{outcome:?}");
        outcome
    }

    /// Whether the program says that this is the user's password.
    pub(crate) fn verifies(&self, file: &str, user: &str, password: &str) -> bool {
        let outcome = self.run(&["--verify", user, "-b", file, password]);
        match outcome.exit_code {
            Some(0) => true,
            Some(2) => false,
            _ => panic!("{outcome:?}"),
        }
    }
}

pub(crate) fn outcome(mut command: Command, input: &[u8]) -> Outcome {
    let command = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("a program that starts");
    // A program that ends without reading leaves a broken pipe.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    let output = child.wait_with_output().expect("a program that ends");
    Outcome {
        exit_code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

/// Tells that a test could not run for want of a program; where CI is set, all have to be there.
pub(crate) fn skip_without(program: &str) {
    let has_all = std::env::var_os("CI").is_some();
    assert!(!has_all, "{program} is not installed, and CI is set");
    tell_skipped(&format!("{program} is not installed"));
}

/// Whether this user may act as others; tells that the test could not run if not.
pub(crate) fn is_root(folder: &Folder) -> bool {
    let is_root = std::fs::metadata(folder.path(".")).unwrap().uid() == 0;
    if !is_root {
        tell_skipped("only root can act as somebody else");
    }
    is_root
}

fn tell_skipped(why: &str) {
    // Past the capture of the test runner, which shows no output of tests that pass.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}
