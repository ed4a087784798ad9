//! The prompts: through a pipe, on a terminal, and interrupted.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, Stdio};

use nix::pty::{OpenptyResult, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::Pid;

use crate::support::{Folder, Outcome};

const BOTH: &str = "Password: \nReenter password: \n";

#[test]
fn two_lines_through_a_pipe_do() {
    let folder = Folder::new();
    let outcome = folder.run_with_input(&["-c", "-", "u"], b"p w\np w\n");
    assert_eq!(outcome.exit_code, Some(0));
    assert!(
        outcome.out.starts_with(&format!("{BOTH}u:$7$1000$")),
        "{outcome:?}"
    );

    folder.write("f", "u:x");
    let outcome = folder.run_with_input(&["f", "u"], b"p w\r\np w\n");
    assert_eq!(outcome.out, format!("{BOTH}Updating password for user u\n"));
    assert!(folder.verifies("f", "u", "p w"));
    let outcome = folder.run_with_input(&["--verify", "u", "f"], b"p w\n");
    assert_eq!(outcome.out, "Password: \nPassword of user u matches.\n");
}

#[test]
fn bad_entries_have_their_message_and_exit_code() {
    let folder = Folder::new();
    folder.write("f", "v:x\n");
    let one = "Password: \nReenter password: ";
    let long = [b'x'; 65_500];
    let too_long = "Error: Password must be less than 65500 characters long.\n";
    for (input, exit_code, out, err) in [
        (&b""[..], 1, "Password: ", "Error: Empty password.\n"),
        (b"\na\n", 1, "Password: ", "Error: Empty password.\n"),
        (b"a\n", 1, one, "Error: Empty password.\n"),
        (b"a\n\n", 1, one, "Error: Empty password.\n"),
        (b"a\nb\n", 2, BOTH, "Error: Passwords do not match.\n"),
        (b"a\na \n", 2, BOTH, "Error: Passwords do not match.\n"),
        (&long, 1, "Password: ", too_long),
    ] {
        for words in [&["-c", "f", "u"][..], &["f", "u"], &["-c", "new", "u"]] {
            let expected = Outcome {
                exit_code: Some(exit_code),
                out: out.into(),
                err: err.into(),
            };
            assert_eq!(folder.run_with_input(words, input), expected, "{words:?}");
        }
    }
    assert_eq!(folder.read("f"), "v:x\n");
    assert_eq!(folder.names(), ["f"]);
}

/// The program at a terminal of its own.
struct Terminal {
    keyboard: File,
    screen: OpenptyResult,
    program: Child,
}

impl Terminal {
    fn start(folder: &Folder, words: &[&str]) -> Self {
        let screen = openpty(None, None).unwrap();
        let end = || Stdio::from(screen.slave.try_clone().unwrap());
        let program = folder
            .command(words)
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let keyboard = File::from(screen.master.try_clone().unwrap());
        Self {
            keyboard,
            screen,
            program,
        }
    }

    /// Reads until the screen ends with this text, and gives back all that came.
    fn wait_for(&mut self, text: &str) -> String {
        let mut seen = Vec::new();
        while !seen.ends_with(text.as_bytes()) {
            let mut byte = [0];
            self.keyboard.read_exact(&mut byte).unwrap();
            seen.extend_from_slice(&byte);
        }
        String::from_utf8(seen).unwrap()
    }

    fn echoes(&self) -> bool {
        let settings = tcgetattr(self.screen.slave.as_fd()).unwrap();
        settings.local_flags.contains(LocalFlags::ECHO)
    }

    fn exit_code(&mut self) -> Option<i32> {
        self.program.wait().unwrap().code()
    }
}

#[test]
fn a_terminal_does_not_show_the_password_and_echoes_again_afterwards() {
    let folder = Folder::new();
    let mut terminal = Terminal::start(&folder, &["-c", "f", "u"]);
    terminal.wait_for("Password: ");
    assert!(!terminal.echoes());
    terminal
        .keyboard
        .write_all("pässwörd\n".as_bytes())
        .unwrap();
    assert_eq!(
        terminal.wait_for("Reenter password: "),
        "\r\nReenter password: "
    );
    terminal
        .keyboard
        .write_all("pässwörd\n".as_bytes())
        .unwrap();
    assert_eq!(
        terminal.wait_for("user u\r\n"),
        "\r\nAdding password for user u\r\n"
    );
    assert_eq!(terminal.exit_code(), Some(0));
    assert!(terminal.echoes());
    assert!(folder.verifies("f", "u", "pässwörd"));
}

#[test]
fn an_empty_entry_ends_the_line_of_its_prompt() {
    let folder = Folder::new();
    let mut terminal = Terminal::start(&folder, &["-c", "f", "u"]);
    terminal.wait_for("Password: ");
    terminal.keyboard.write_all(b"\n").unwrap();
    assert_eq!(
        terminal.wait_for("word.\r\n"),
        "\r\nError: Empty password.\r\n"
    );
    assert_eq!(terminal.exit_code(), Some(1));
    assert!(terminal.echoes());
}

#[test]
fn an_interrupt_at_a_prompt_restores_the_terminal_and_exits_with_0() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        for (words, left) in [(&["-c", "new", "u"][..], "v:x\n"), (&["f", "u"], "v:x\n")] {
            let folder = Folder::new();
            folder.write("f", "v:x\n");
            let mut terminal = Terminal::start(&folder, words);
            terminal.wait_for("Password: ");
            terminal.keyboard.write_all(b"half\n").unwrap();
            terminal.wait_for("Reenter password: ");
            let program = i32::try_from(terminal.program.id()).unwrap();
            kill(Pid::from_raw(program), signal).unwrap();
            assert_eq!(terminal.exit_code(), Some(0), "{signal} {words:?}");
            assert!(terminal.echoes());
            assert_eq!(folder.read("f"), left);
            assert_eq!(folder.names(), ["f"]);
        }
    }
}

#[test]
fn ctrl_c_at_a_prompt_ends_the_program_as_an_interrupt_does() {
    let folder = Folder::new();
    let mut terminal = Terminal::start(&folder, &["-c", "new", "u"]);
    terminal.wait_for("Password: ");
    // A key that is pressed before the terminal is set up is lost: press it again.
    while terminal.program.try_wait().unwrap().is_none() {
        let _ = terminal.keyboard.write_all(b"\x03");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(terminal.exit_code(), Some(0));
    assert!(terminal.echoes());
    assert!(folder.names().is_empty());
}

#[cfg(target_os = "linux")]
/// Whether the program has got as far as to hold signals back.
fn watches_for_signals(program: &Child) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
    let blocked = status
        .lines()
        .find_map(|line| line.strip_prefix("SigBlk:"))
        .unwrap();
    u64::from_str_radix(blocked.trim(), 16).unwrap() & (1 << (Signal::SIGTERM as u64 - 1)) != 0
}

#[test]
#[cfg(target_os = "linux")]
fn a_signal_ends_a_run_that_waits_for_another_one() {
    let folder = Folder::new();
    folder.write("f", "v:x\n");
    let other_run = File::open(folder.path("f")).unwrap();
    other_run.lock().unwrap();
    let mut program = folder.command(&["-b", "f", "u", "p"]).spawn().unwrap();
    while !watches_for_signals(&program) {
        assert_eq!(program.try_wait().unwrap(), None);
        std::thread::yield_now();
    }
    kill(
        Pid::from_raw(i32::try_from(program.id()).unwrap()),
        Signal::SIGTERM,
    )
    .unwrap();
    assert_eq!(program.wait().unwrap().code(), Some(128 + 15));
    assert_eq!(folder.read("f"), "v:x\n");
    assert_eq!(folder.names(), ["f"]);
}
