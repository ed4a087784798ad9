//! Words, messages and exit codes of the program, as scripts for Mosquitto's tool expect them.

use crate::support::{Folder, Outcome};

fn fails(exit_code: i32, err: &str) -> Outcome {
    Outcome {
        exit_code: Some(exit_code),
        out: String::new(),
        err: format!("{err}\n"),
    }
}

/// (words, message)
const WRONG: &[(&[&str], &str)] = &[
    (&["-H"], "-H argument given but not enough other arguments."),
    (&["-H", "md5", "f", "u"], "Unknown hash type 'md5'"),
    (
        &["-b", "-I"],
        "-I argument given but not enough other arguments.",
    ),
    (&["-I", "0", "f", "u"], "Number of iterations must be > 0."),
    (&["-I", "-5", "f", "u"], "Number of iterations must be > 0."),
    (
        &["-I", "many", "f", "u"],
        "Number of iterations must be > 0.",
    ),
    (
        &["-I", "10000001", "f", "u"],
        "Number of iterations must be at most 10000000.",
    ),
    (
        &["--salt-bytes", "16", "f", "u"],
        "--salt-bytes must be 12 or 64.",
    ),
    (
        &["-U", "-D", "-b", "-c", "f"],
        "-c and -D cannot be used together.",
    ),
    (&["-U", "-c", "f"], "-c and -U cannot be used together."),
    (
        &["-b", "-U", "-D", "f"],
        "-D and -U cannot be used together.",
    ),
    (&["-D", "-b", "f"], "-b and -D cannot be used together."),
    (
        &["-b", "--stdin", "f", "u", "p"],
        "-b and --stdin cannot be used together.",
    ),
    (
        &["-c", "--list", "f"],
        "-c and --list cannot be used together.",
    ),
    (
        &["-c", "-b", "f", "u"],
        "-c argument given but password file, username, or password missing.",
    ),
    (
        &["-c", "f"],
        "-c argument given but password file or username missing.",
    ),
    (
        &["-D", "f"],
        "-D argument given but password file or username missing.",
    ),
    (&["-U"], "-U argument given but password file missing."),
    (
        &["-U", "f", "u"],
        "-U argument given but password file missing.",
    ),
    (&["--list"], "--list needs a password file and no more."),
    (
        &["-D", "f", "a\tb"],
        "Username must not contain control characters.",
    ),
    (
        &["-D", "f", "a\u{85}:b"],
        "Username must not contain control characters.",
    ),
    (
        &["-D", "f", "a:b"],
        "Username must not contain the ':' character.",
    ),
    (
        &["-b", "f", "a:b", "p"],
        "Username must not contain the ':' character.",
    ),
    (&["-c", "f", ""], "Username must not be empty."),
    (
        &["-c", "f", " u"],
        "Username must not begin or end with a blank.",
    ),
    (
        &["-c", "f", "#u"],
        "Username must not begin with the '#' character.",
    ),
    (
        &["-c", "--stdni", "f"],
        "Unknown option '--stdni' (if it is a file, write './--stdni').",
    ),
];

#[test]
fn every_wrong_command_line_has_its_message() {
    let folder = Folder::new();
    let long = "x".repeat(65_536);
    let long_name = ["-D", "f", &long];
    let long_password = ["-c", "-b", "f", "u", &long];
    let rows = WRONG.iter().copied().chain([
        (
            &long_name[..],
            "Username must be less than 65536 characters long.",
        ),
        (
            &long_password,
            "Password must be less than 65536 characters long.",
        ),
    ]);
    for (words, message) in rows {
        assert_eq!(
            folder.run(words),
            fails(1, &format!("Error: {message}")),
            "{message}"
        );
    }
    assert!(folder.names().is_empty());
}

#[test]
fn a_wrong_number_of_words_prints_the_usage_and_exits_with_1() {
    let folder = Folder::new();
    for words in [
        &[][..],
        &["f"],
        &["f", "u", "p"],
        &["-b", "f", "u"],
        &["-b", "a", "b", "c", "d"],
    ] {
        let outcome = folder.run(words);
        assert_eq!(
            (outcome.exit_code, outcome.err.as_str()),
            (Some(1), ""),
            "{words:?}"
        );
        let first = "mqtt-passwd is a tool for managing password files for ";
        assert!(outcome.out.starts_with(first), "{words:?}");
    }
}

#[test]
fn help_and_version_are_answered_when_they_come_first() {
    let folder = Folder::new();
    assert!(
        folder
            .succeed(&["--help"])
            .out
            .contains("Usage: mqtt-passwd ")
    );
    assert_eq!(
        folder.succeed(&["--version"]).out,
        concat!("mqtt-passwd version ", env!("CARGO_PKG_VERSION"), "\n")
    );
    assert_eq!(folder.run(&["-b", "--help"]).exit_code, Some(1));
}

#[test]
fn files_that_cannot_be_used_are_named_with_the_reason() {
    let folder = Folder::new();
    folder.write("f", "u:x\n");
    std::fs::create_dir(folder.path("dir")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path("dangling")).unwrap();
    std::os::unix::fs::symlink("loop", folder.path("loop")).unwrap();
    let no_file = "Error: Unable to open password file none. No such file or directory.";
    for (words, message) in [
        (&["-b", "none", "u", "p"][..], no_file),
        (&["none", "u"], no_file),
        (&["-D", "none", "u"], no_file),
        (&["-U", "none"], no_file),
        (&["--list", "none"], no_file),
        (&["--verify", "u", "-b", "none", "p"], no_file),
        (
            &["-c", "-b", "none/f", "u", "p"],
            "Error: Unable to open file none/f for writing. No such file or directory.",
        ),
        (
            &["-c", "-b", "dangling", "u", "p"],
            "Error: Unable to open file dangling for writing. No such file or directory.",
        ),
        (
            &["-b", "f/f", "u", "p"],
            "Error reading password file: Not a directory",
        ),
        (
            &["-c", "-b", "loop", "u", "p"],
            "Error reading password file: Too many levels of symbolic links",
        ),
        (&["-b", "dir", "u", "p"], "Error: dir is not a file."),
        (
            &["-c", "-b", "/dev/null", "u", "p"],
            "Error: /dev/null is not a file.",
        ),
        (
            &["-D", "f", "nobody"],
            "Warning: User nobody not found in password file.",
        ),
        (
            &["--verify", "nobody", "-b", "f", "p"],
            "Warning: User nobody not found in password file.",
        ),
        (
            &["--verify", "u", "-b", "f", "p"],
            "Error: f:1: user 'u': plain-text password.",
        ),
    ] {
        assert_eq!(folder.run(words), fails(1, message), "{words:?}");
    }
    assert_eq!(folder.read("f"), "u:x\n");
    assert_eq!(folder.names(), ["dangling", "dir", "f", "loop"]);
}

#[test]
fn a_corrupt_line_is_named_and_nothing_is_changed() {
    let folder = Folder::new();
    for text in [
        "a:1\n\n# c\nhalf\nu:2\n",
        "a:1\nu:2\n\nhalf:\n",
        "u:1\n\n\n:half",
    ] {
        folder.write("f", text);
        for words in [
            &["-b", "f", "u", "p"][..],
            &["f", "u"],
            &["-D", "f", "u"],
            &["-U", "f"],
        ] {
            let found = folder.run(words);
            assert_eq!(
                found,
                fails(1, "Error: Corrupt password file at line 4."),
                "{words:?}"
            );
            assert_eq!(folder.read("f"), text);
        }
    }
    assert_eq!(folder.names(), ["f"]);
}

#[test]
fn success_is_told_as_the_original_does() {
    let folder = Folder::new();
    let told = |words: &[&str]| folder.succeed(words).out;
    assert_eq!(
        told(&["-c", "-b", "f", "u", "p"]),
        "Adding password for user u\n"
    );
    assert_eq!(
        told(&["-b", "f", "ü v", "p"]),
        "Adding password for user ü v\n"
    );
    assert_eq!(
        told(&["-b", "f", "u", "q"]),
        "Updating password for user u\n"
    );
    assert_eq!(told(&["-D", "f", "ü v"]), "");
    assert_eq!(told(&["-U", "f"]), "");
    assert_eq!(told(&["--list", "f"]), "u\tsha512-pbkdf2\n");
    assert_eq!(
        told(&["--verify", "u", "-b", "f", "q"]),
        "Password of user u matches.\n"
    );
    assert!(!folder.verifies("f", "u", "p"));
}

#[test]
fn a_dash_is_standard_output_with_c_and_a_file_without() {
    let folder = Folder::new();
    let outcome = folder.succeed(&["-c", "-b", "-", "u", "p"]);
    assert!(outcome.out.starts_with("u:$7$1000$") && outcome.out.lines().count() == 1);
    assert_eq!(outcome.err, "");
    assert!(folder.names().is_empty());
    folder.write("f", outcome.out);
    assert!(folder.verifies("f", "u", "p"));

    let no_file = "Error: Unable to open password file -. No such file or directory.";
    assert_eq!(folder.run(&["-b", "-", "u", "p"]), fails(1, no_file));
}

#[test]
fn hashes_have_the_chosen_form() {
    let folder = Folder::new();
    for (options, start, length) in [
        (&[][..], "u:$7$1000$", 10 + 16 + 1 + 88),
        (&["-I", "5"], "u:$7$5$", 7 + 16 + 1 + 88),
        (&["--salt-bytes", "64"], "u:$7$1000$", 10 + 88 + 1 + 88),
        (&["-H", "sha512"], "u:$6$", 5 + 16 + 1 + 88),
        (
            &["-H", "argon2id"],
            "u:$argon2id$v=19$m=47104,t=1,p=1$",
            33 + 86 + 1 + 86,
        ),
    ] {
        let words = [options, &["-c", "-b", "f", "u", "p"]].concat();
        folder.succeed(&words);
        let line = folder.read("f");
        assert!(line.starts_with(start), "{line}");
        assert_eq!(line.trim_end().len(), length, "{line}");
        assert!(folder.verifies("f", "u", "p"), "{line}");
        assert!(!folder.verifies("f", "u", "P"), "{line}");
    }
}

#[test]
fn passwords_are_taken_from_standard_input() {
    let folder = Folder::new();
    let outcome = folder.run_with_input(&["-c", "--stdin", "f", "u"], b" a b \r\nmore\n");
    let told = "Adding password for user u\n".to_owned();
    assert_eq!(
        outcome,
        Outcome {
            exit_code: Some(0),
            out: told,
            err: String::new()
        }
    );
    assert!(folder.verifies("f", "u", " a b "));
    let verified = folder.run_with_input(&["--verify", "u", "--stdin", "f"], b" a b ");
    assert_eq!(verified.exit_code, Some(0));
    let empty = folder.run_with_input(&["--stdin", "f", "u"], b"\n");
    assert_eq!(empty, fails(1, "Error: Empty password."));
}

#[test]
fn a_reader_who_goes_away_is_no_error() {
    let folder = Folder::new();
    folder.write("f", "u:x\n");
    let mut command = folder.command(&["--list", "f"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}
