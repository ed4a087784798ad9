//! `mqtt-passwd`: what each option does to the file, and what it never does.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use mqtt_tests::{Outcome, Setup, Tool};
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder for temporary files"))
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("passwords")
    }

    /// A folder whose file holds this.
    fn with(content: &str) -> Self {
        let folder = Self::new();
        fs::write(folder.file(), content).expect("a temporary file");
        let owner_alone = fs::Permissions::from_mode(0o600);
        fs::set_permissions(folder.file(), owner_alone).expect("our own file");
        folder
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).expect("the password file")
    }

    fn names(&self) -> Vec<String> {
        self.text()
            .lines()
            .map(|line| line.split(':').next().unwrap_or("").to_owned())
            .collect()
    }

    /// Runs with options, the file, and the words after it.
    fn run(&self, options: &[&str], words: &[&str]) -> Outcome {
        self.run_with_input(options, words, "")
    }

    fn run_with_input(&self, options: &[&str], words: &[&str], input: &str) -> Outcome {
        Tool::passwd()
            .args(options)
            .arg(self.file())
            .args(words)
            .stdin(input)
            .run()
    }
}

#[test]
fn c_creates_a_file_with_one_user_that_only_its_owner_reads() {
    let folder = Folder::new();
    let outcome = folder
        .run_with_input(&["-c"], &["alice"], "secret\nsecret\n")
        .succeeded();
    assert!(
        outcome
            .text()
            .starts_with("Password: \nReenter password: \n"),
        "{outcome}"
    );
    assert!(
        outcome.text().contains("Adding password for user alice"),
        "{outcome}"
    );
    let text = folder.text();
    assert!(
        text.starts_with("alice:$7$1000$") && text.ends_with('\n'),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1);
    let mode = fs::metadata(folder.file())
        .expect("the file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn c_replaces_an_existing_file() {
    let folder = Folder::with("old:$7$1000$AAAA$AAAA\n");
    let _ = folder.run(&["-c", "-b"], &["alice", "secret"]).succeeded();
    assert_eq!(folder.names(), ["alice"]);
}

#[test]
fn c_with_a_dash_writes_the_line_to_standard_output() {
    let folder = Folder::new();
    let tool = Tool::passwd().in_folder(folder.0.path());
    let outcome = tool
        .args(["-c", "-b", "-", "alice", "secret"])
        .run()
        .succeeded();
    assert!(outcome.text().starts_with("alice:$7$1000$"), "{outcome}");
    assert_eq!(
        fs::read_dir(folder.0.path()).expect("the folder").count(),
        0,
        "no file is made"
    );
}

#[test]
fn different_or_empty_passwords_change_nothing() {
    let folder = Folder::new();
    let outcome = folder.run_with_input(&["-c"], &["alice"], "secret\nsecrte\n");
    let _ = outcome.failed(2, "Error: Passwords do not match.");
    let outcome = folder.run_with_input(&["-c"], &["alice"], "\n\n");
    let _ = outcome.failed(1, "Error: Empty password.");
    assert!(!folder.file().exists());
}

#[test]
fn b_adds_and_updates_in_place() {
    let folder = Folder::new();
    let _ = folder.run(&["-c", "-b"], &["alice", "one"]).succeeded();
    let added = folder.run(&["-b"], &["bob", "two"]).succeeded();
    assert!(
        added.text().contains("Adding password for user bob"),
        "{added}"
    );
    let before = folder.text();
    let updated = folder.run(&["-b"], &["alice", "three"]).succeeded();
    assert!(
        updated.text().contains("Updating password for user alice"),
        "{updated}"
    );
    assert_eq!(folder.names(), ["alice", "bob"]);
    let after = folder.text();
    assert_ne!(
        before.lines().next(),
        after.lines().next(),
        "alice's line is new"
    );
    assert_eq!(
        before.lines().nth(1),
        after.lines().nth(1),
        "bob's line is untouched"
    );
}

#[test]
fn d_deletes_a_user_and_says_when_there_is_none() {
    let folder = Folder::with("# staff\na:$6$x$y\n\nb:$6$x$y\na:$6$x$z\n");
    let _ = folder.run(&["-D"], &["a"]).succeeded();
    assert_eq!(
        folder.text(),
        "# staff\n\nb:$6$x$y\n",
        "comments stay, every line of that name goes"
    );
    let outcome = folder.run(&["-D"], &["a"]);
    let _ = outcome.failed(1, "Warning: User a not found in password file.");
    assert_eq!(folder.text(), "# staff\n\nb:$6$x$y\n");
}

#[test]
fn comments_and_a_missing_last_newline_cost_no_user() {
    let folder = Folder::with("# staff\nalice:$6$x$y\n\n# guests\nzoe:$6$x$z");
    let _ = folder.run(&["-b"], &["bob", "secret"]).succeeded();
    let text = folder.text();
    let start = "# staff\nalice:$6$x$y\n\n# guests\nzoe:$6$x$z\nbob:$7$1000$";
    assert!(text.starts_with(start), "{text}");
}

#[test]
fn an_update_keeps_the_mode_of_the_file() {
    let folder = Folder::with("alice:$6$x$y\n");
    fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o640)).expect("our own file");
    let _ = folder.run(&["-b"], &["bob", "secret"]).succeeded();
    let mode = fs::metadata(folder.file())
        .expect("the file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o640);
    let left = fs::read_dir(folder.0.path()).expect("the folder").count();
    assert_eq!(left, 1, "no temporary or backup file stays behind");
}

#[test]
fn u_hashes_plain_text_and_leaves_hashes_alone() {
    let folder = Folder::new();
    let _ = folder
        .run(&["-c", "-b"], &["alice", "wonderland"])
        .succeeded();
    let hashed = folder.text();
    fs::write(folder.file(), format!("{hashed}bob:builder\n")).expect("our own file");
    let _ = folder.run(&["-U"], &[]).succeeded();
    let text = folder.text();
    assert!(
        text.starts_with(&hashed),
        "a hash is not hashed again:\n{text}"
    );
    assert!(!text.contains("builder"), "no plain text stays:\n{text}");

    let setup = Setup::new().file("passwords", &text);
    let broker = setup.listening("password_file {folder}/passwords").start();
    for credentials in [
        ["-u", "alice", "-P", "wonderland"],
        ["-u", "bob", "-P", "builder"],
    ] {
        let _ = Tool::publish(&broker)
            .args(["-t", "t", "-n"])
            .args(credentials)
            .run()
            .succeeded();
    }
}

#[test]
fn every_hash_is_known_to_the_broker() {
    let folder = Folder::with("");
    let _ = folder
        .run(&["-H", "sha512", "-b"], &["six", "secret"])
        .succeeded();
    let _ = folder
        .run(
            &["-H", "sha512-pbkdf2", "-I", "777", "-b"],
            &["seven", "secret"],
        )
        .succeeded();
    let _ = folder
        .run(&["-H", "argon2id", "-b"], &["argon", "secret"])
        .succeeded();
    let text = folder.text();
    for start in ["six:$6$", "seven:$7$777$", "argon:$argon2id$"] {
        assert!(
            text.lines().any(|line| line.starts_with(start)),
            "{start} in\n{text}"
        );
    }
    let setup = Setup::new().file("passwords", &text);
    let broker = setup.listening("password_file {folder}/passwords").start();
    for name in ["six", "seven", "argon"] {
        let try_with = |password: &str| {
            let words = ["-t", "t", "-n", "-u", name, "-P", password];
            Tool::publish(&broker).args(words).run()
        };
        let _ = try_with("secret").succeeded();
        let _ = try_with("secrets").ended_with(5);
    }
}

/// Words that are refused, and how the answer begins. `FILE` stands for a password file.
const REFUSED: &[(&[&str], &str)] = &[
    (
        &["-H"],
        "Error: -H argument given but not enough other arguments.",
    ),
    (
        &["-H", "md5", "FILE", "a"],
        "Error: Unknown hash type 'md5'",
    ),
    (
        &["-I", "0", "-b", "FILE", "a", "b"],
        "Error: Number of iterations must be > 0.",
    ),
    (
        &["-c", "-D", "FILE", "a"],
        "Error: -c and -D cannot be used together.",
    ),
    (
        &["-c", "-U", "FILE"],
        "Error: -c and -U cannot be used together.",
    ),
    (
        &["-D", "-U", "FILE"],
        "Error: -D and -U cannot be used together.",
    ),
    (
        &["-b", "-D", "FILE", "a"],
        "Error: -b and -D cannot be used together.",
    ),
    (
        &["-c", "-b", "FILE", "a"],
        "Error: -c argument given but password file, username, or",
    ),
    (
        &["-c", "FILE"],
        "Error: -c argument given but password file or username missing.",
    ),
    (
        &["-D", "FILE"],
        "Error: -D argument given but password file or username missing.",
    ),
    (
        &["-U"],
        "Error: -U argument given but password file missing.",
    ),
    (
        &["-b", "FILE", "a:b", "c"],
        "Error: Username must not contain the ':' character.",
    ),
    (
        &["-b", "/nonexistent/file", "a", "b"],
        "Error: Unable to open password file",
    ),
];

#[test]
fn what_is_wrong_with_the_command_line_is_said() {
    let folder = Folder::with("alice:$6$x$y\n");
    let file = folder.file();
    for (words, message) in REFUSED {
        let words = words.iter().map(|word| match *word {
            "FILE" => file.as_os_str(),
            other => OsStr::new(other),
        });
        let _ = Tool::passwd().args(words).run().failed(1, message);
        assert_eq!(
            folder.text(),
            "alice:$6$x$y\n",
            "the file is as it was: {message}"
        );
    }
    let usage = Tool::passwd().run().ended_with(1);
    assert!(
        usage
            .text()
            .contains("is a tool for managing password files"),
        "{usage}"
    );
}
