//! What happens to the file: nothing is lost, whatever is in it and whoever else is at work.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::support::{Folder, is_root, outcome};

fn mode(folder: &Folder, name: &str) -> u32 {
    fs::metadata(folder.path(name)).unwrap().mode() & 0o7777
}

fn set_mode(folder: &Folder, name: &str, mode: u32) {
    fs::set_permissions(folder.path(name), Permissions::from_mode(mode)).unwrap();
}

/// The text with every hash that the program made replaced by `HASH`.
fn without_hashes(text: &str) -> String {
    let mask = |line: &str| match line.split_once(":$7$1000$") {
        Some((user, _)) => format!("{user}:HASH\n"),
        None => line.to_owned(),
    };
    text.split_inclusive('\n').map(mask).collect()
}

#[test]
fn everything_else_in_the_file_stays_as_it_was() {
    let folder = Folder::new();
    let text = "# staff\n\nann:1\r\n bob : 2 : note\n# gone: x\n  \nann:3\nlast:4";
    for (words, expected) in [
        (
            &["-b", "f", "bob", "p"][..],
            "# staff\n\nann:1\r\nbob:HASH\n# gone: x\n  \nann:3\nlast:4",
        ),
        (
            &["-b", "f", "ann", "p"],
            "# staff\n\nann:HASH\n bob : 2 : note\n# gone: x\n  \nann:3\nlast:4",
        ),
        (
            &["-b", "f", "new", "p"],
            "# staff\n\nann:1\r\n bob : 2 : note\n# gone: x\n  \nann:3\nlast:4\nnew:HASH\n",
        ),
        (
            &["-D", "f", "ann"],
            "# staff\n\n bob : 2 : note\n# gone: x\n  \nlast:4",
        ),
        (
            &["-U", "f"],
            "# staff\n\nann:HASH\nbob:HASH\n# gone: x\n  \nann:HASH\nlast:HASH\n",
        ),
    ] {
        folder.write("f", text);
        set_mode(&folder, "f", 0o640);
        folder.succeed(words);
        assert_eq!(without_hashes(&folder.read("f")), expected, "{words:?}");
        assert_eq!(mode(&folder, "f"), 0o640);
    }
    assert_eq!(folder.names(), ["f"]);
}

#[test]
fn text_that_is_not_utf_8_is_kept() {
    let folder = Folder::new();
    folder.write("f", b"# caf\xe9\nu\xff:x\n");
    folder.succeed(&["-b", "f", "v", "p"]);
    assert!(
        fs::read(folder.path("f"))
            .unwrap()
            .starts_with(b"# caf\xe9\nu\xff:x\nv:$7$")
    );
}

#[test]
fn hashes_are_not_hashed_again_unless_forced() {
    let folder = Folder::new();
    folder.succeed(&["-c", "-b", "f", "ann", "1"]);
    folder.succeed(&["-H", "sha512", "-b", "f", "bob", "2"]);
    let hashed = folder.read("f");
    folder.write(
        "f",
        format!("{hashed}carl:3:4\ndora:$ecret\nemil:$7$1000$half\n"),
    );
    set_mode(&folder, "f", 0o600);

    let outcome = folder.succeed(&["-U", "f"]);
    assert_eq!(
        outcome.err,
        "Warning: f:3: the text after the second ':' is dropped, it was not part of the password.\n\
         Warning: f:5: user 'emil': hash has a missing or extra field; left as it is \
         (set a new password: mqtt-passwd f emil)\n\
         Warning: 2 of the passwords in f are hashes already and were left as they are \
         (--force hashes them again).\n"
    );
    let text = folder.read("f");
    assert!(text.starts_with(&hashed) && text.ends_with("\nemil:$7$1000$half\n"));
    for (user, password) in [
        ("ann", "1"),
        ("bob", "2"),
        ("carl", "3"),
        ("dora", "$ecret"),
    ] {
        assert!(folder.verifies("f", user, password), "{user}");
    }

    let hash_of_ann = hashed.lines().next().unwrap().strip_prefix("ann:").unwrap();
    folder.succeed(&["--force", "-U", "f"]);
    assert!(!folder.verifies("f", "ann", "1"));
    assert!(folder.verifies("f", "ann", hash_of_ann));
}

#[test]
fn creating_replaces_the_file_and_says_how_many_users_went() {
    let folder = Folder::new();
    assert_eq!(folder.succeed(&["-c", "-b", "f", "u", "p"]).err, "");
    assert_eq!(mode(&folder, "f"), 0o600);
    folder.write("f", "# c\na:1\n\nb:2\n");
    set_mode(&folder, "f", 0o644);
    let outcome = folder.succeed(&["-c", "-b", "f", "u", "p"]);
    assert_eq!(outcome.out, "Adding password for user u\n");
    assert_eq!(
        outcome.err,
        "Warning: f was replaced, with 2 users in it.\n"
    );
    assert_eq!(without_hashes(&folder.read("f")), "u:HASH\n");
    assert_eq!(mode(&folder, "f"), 0o600);
    assert_eq!(folder.names(), ["f"]);
}

#[test]
fn a_new_file_has_mode_0600_under_any_umask() {
    let folder = Folder::new();
    let mut shell = Command::new("sh");
    let program = env!("CARGO_BIN_EXE_mqtt-passwd");
    shell.args(["-c", &format!("umask 0; exec {program} -c -b f u p")]);
    shell.current_dir(folder.path("."));
    assert_eq!(outcome(shell, b"").exit_code, Some(0));
    assert_eq!(mode(&folder, "f"), 0o600);
}

#[test]
fn a_mode_for_all_the_world_is_kept_and_warned_of() {
    let folder = Folder::new();
    folder.write("f", "u:x\n");
    set_mode(&folder, "f", 0o604);
    let outcome = folder.succeed(&["-b", "f", "u", "p"]);
    assert_eq!(
        outcome.err,
        "Warning: File f has world readable permissions. Future versions will refuse to load this \
         file.\nTo fix this, use `chmod 0700 f`.\n"
    );
    assert_eq!(mode(&folder, "f"), 0o604);
}

#[test]
fn a_symbolic_link_stays_and_its_file_is_changed() {
    let folder = Folder::new();
    fs::create_dir(folder.path("real")).unwrap();
    symlink("real/f", folder.path("link")).unwrap();
    folder.write("real/f", "a:1\n");
    folder.succeed(&["-b", "link", "u", "p"]);
    assert_eq!(without_hashes(&folder.read("real/f")), "a:1\nu:HASH\n");
    folder.succeed(&["-c", "-b", "link", "v", "p"]);
    assert_eq!(without_hashes(&folder.read("real/f")), "v:HASH\n");
    assert!(
        fs::symlink_metadata(folder.path("link"))
            .unwrap()
            .is_symlink()
    );
    assert_eq!(folder.names(), ["link", "real"]);
}

#[test]
fn who_reads_while_the_file_is_changed_sees_a_whole_one() {
    let folder = Folder::new();
    folder.write("f", "a:1\n");
    let before = File::open(folder.path("f")).unwrap();
    folder.succeed(&["-b", "f", "u", "p"]);
    assert_eq!(std::io::read_to_string(before).unwrap(), "a:1\n");
    let after = fs::metadata(folder.path("f")).unwrap();
    folder.succeed(&["-b", "f", "u", "p"]);
    assert_ne!(fs::metadata(folder.path("f")).unwrap().ino(), after.ino());
}

#[test]
fn parallel_runs_lose_nobody() {
    let folder = Folder::new();
    folder.write("f", "# start\nfirst:1");
    set_mode(&folder, "f", 0o600);
    let start = |number: usize| {
        let user = format!("user{number}");
        let mut command = folder.command(&["-b", "f", &user, "p"]);
        command.stdout(Stdio::null()).spawn().unwrap()
    };
    let running: Vec<_> = (0..10).map(start).collect();
    for mut program in running {
        assert!(program.wait().unwrap().success());
    }
    let text = without_hashes(&folder.read("f"));
    let mut users: Vec<&str> = text.lines().skip(2).collect();
    users.sort_unstable();
    let expected: Vec<String> = (0..10).map(|number| format!("user{number}:HASH")).collect();
    assert_eq!(users, expected);
    assert!(text.starts_with("# start\nfirst:1\n"));
    assert_eq!(folder.names(), ["f"]);
}

#[test]
fn a_hundred_thousand_users_are_no_burden() {
    let folder = Folder::new();
    folder.succeed(&["-c", "-b", "f", "model", "p"]);
    let hash = folder
        .read("f")
        .trim_end()
        .strip_prefix("model:")
        .unwrap()
        .to_owned();
    let many: String = (0..100_000)
        .map(|number| format!("user{number}:{hash}\n"))
        .collect();
    folder.write("f", &many);
    set_mode(&folder, "f", 0o600);
    folder.succeed(&["-b", "f", "one more", "p"]);
    folder.succeed(&["-D", "f", "user99999"]);
    assert_eq!(
        folder.succeed(&["--list", "f"]).out.lines().count(),
        100_000
    );
    let outcome = folder.succeed(&["-U", "f"]);
    assert!(
        outcome.err.starts_with("Warning: 100000 of the passwords"),
        "{}",
        outcome.err
    );
}

#[test]
fn the_owner_stays_when_root_changes_the_file() {
    let folder = Folder::new();
    if !is_root(&folder) {
        return;
    }
    folder.write("f", "a:1\n");
    set_mode(&folder, "f", 0o640);
    chown(folder.path("f"), Some(12_345), Some(12_346)).unwrap();
    for words in [&["-b", "f", "u", "p"][..], &["-c", "-b", "f", "u", "p"]] {
        folder.succeed(words);
        let metadata = fs::metadata(folder.path("f")).unwrap();
        assert_eq!(
            (metadata.uid(), metadata.gid()),
            (12_345, 12_346),
            "{words:?}"
        );
    }
}

#[test]
fn a_file_whose_owner_cannot_be_kept_otherwise_is_written_in_place() {
    let folder = Folder::new();
    if !is_root(&folder) {
        return;
    }
    set_mode(&folder, ".", 0o777);
    folder.write(
        "f",
        "a long first line that has to go: completely\n".repeat(9),
    );
    set_mode(&folder, "f", 0o666);
    // The build folder may be closed to others.
    fs::copy(env!("CARGO_BIN_EXE_mqtt-passwd"), folder.path("program")).unwrap();
    set_mode(&folder, "program", 0o755);
    let inode = fs::metadata(folder.path("f")).unwrap().ino();
    let name = "a long first line that has to go";
    for (words, expected) in [(["-D", "f", name], ""), (["-D", "f", "nobody"], "")] {
        let mut program = Command::new(folder.path("program"));
        program
            .args(words)
            .current_dir(folder.path("."))
            .uid(12_345)
            .gid(12_345);
        let exit_code = if words[2] == name { 0 } else { 1 };
        assert_eq!(outcome(program, b"").exit_code, Some(exit_code));
        assert_eq!(folder.read("f"), expected);
    }
    let metadata = fs::metadata(folder.path("f")).unwrap();
    assert_eq!((metadata.ino(), metadata.uid()), (inode, 0));
    assert_eq!(folder.names(), ["f", "program"]);
}

#[test]
fn a_folder_that_takes_no_files_is_named_before_anything_is_lost() {
    let folder = Folder::new();
    if !is_root(&folder) {
        return;
    }
    folder.write("f", "a:1\n");
    set_mode(&folder, "f", 0o666);
    set_mode(&folder, ".", 0o755);
    fs::copy(env!("CARGO_BIN_EXE_mqtt-passwd"), folder.path("program")).unwrap();
    set_mode(&folder, "program", 0o755);
    let run = |words: &[&str]| {
        let mut program = Command::new(folder.path("program"));
        program
            .args(words)
            .current_dir(folder.path("."))
            .uid(12_345)
            .gid(12_345);
        outcome(program, b"")
    };
    let refused = run(&["-b", "f", "u", "p"]);
    assert_eq!(refused.exit_code, Some(1));
    let (start, end) = refused.err.split_once(".new.").unwrap();
    assert!(
        start.starts_with("Error creating backup password file \"/"),
        "{}",
        refused.err
    );
    assert!(
        end.ends_with("\", not continuing.\nPermission denied.\n"),
        "{}",
        refused.err
    );
    let refused = run(&["-c", "-b", "new", "u", "p"]);
    assert_eq!(
        refused.err,
        "Error: Unable to open file new for writing. Permission denied.\n"
    );
    assert_eq!(folder.read("f"), "a:1\n");
}
