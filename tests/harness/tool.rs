//! A command-line tool: its words, its input, its end.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use crate::broker::Broker;
use crate::capture::Capture;
use crate::deadline::wait_until;
use crate::programs::Program;

/// Counts the client ids that [`Running::subscribed`] makes up.
static LISTENERS: AtomicU32 = AtomicU32::new(0);

/// A command being put together.
#[derive(Debug)]
pub struct Tool<'a> {
    command: Command,
    stdin: Option<Vec<u8>>,
    broker: Option<&'a Broker>,
}

impl<'a> Tool<'a> {
    /// Any program, in an environment without settings of the person who runs the tests.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .env("TZ", "UTC");
        Self {
            command,
            stdin: None,
            broker: None,
        }
    }

    /// `mqtt-pub` towards this broker.
    pub fn publish(broker: &'a Broker) -> Self {
        Self::towards(broker, Program::Pub.path())
    }

    /// `mqtt-sub` towards this broker.
    pub fn subscribe(broker: &'a Broker) -> Self {
        Self::towards(broker, Program::Sub.path())
    }

    /// A client with the options `-h` and `-p` towards this broker.
    pub fn towards(broker: &'a Broker, program: impl AsRef<OsStr>) -> Self {
        let mut tool = Self::new(program);
        tool.broker = Some(broker);
        tool.args(["-h", "127.0.0.1", "-p"])
            .arg(broker.port().to_string())
    }

    /// `mqtt-passwd`.
    pub fn passwd() -> Self {
        Self::new(Program::Passwd.path())
    }

    /// The broker itself, for what ends by itself: `--test-config`, `--help`, a wrong option.
    pub fn broker() -> Self {
        Self::new(Program::Broker.path())
    }

    /// One more word.
    #[must_use]
    pub fn arg(mut self, word: impl AsRef<OsStr>) -> Self {
        self.command.arg(word);
        self
    }

    /// More words.
    #[must_use]
    pub fn args<W: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.command.args(words);
        self
    }

    /// The folder it runs in; without this call that of the tests.
    #[must_use]
    pub fn in_folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// An environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// What it reads on standard input; without this call the input is empty.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it does not start, or does not end before patience is over.
    pub fn run(self) -> Outcome {
        self.start().finish()
    }

    /// Starts it and returns at once.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(mut self) -> Running {
        self.command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let words = format!("{:?}", self.command);
        let mut child = self
            .command
            .spawn()
            .unwrap_or_else(|error| panic!("{words}: {error}"));
        let stdout = Capture::of(child.stdout.take().expect("stdout is piped"));
        let stderr = Capture::of(child.stderr.take().expect("stderr is piped"));
        let stdin = child.stdin.take();
        let mut running = Running {
            words,
            child,
            stdin,
            stdout,
            stderr,
        };
        if let Some(bytes) = self.stdin {
            running.write(&bytes);
        }
        running
    }

    /// Starts a subscribing tool and returns once its broker has acknowledged the subscription.
    ///
    /// # Panics
    /// When that does not happen, or when the tool knows no broker.
    pub fn start_subscribed(self) -> Running {
        let broker = self
            .broker
            .expect("a subscribing tool is made with Tool::subscribe");
        let id = format!("listener-{}", LISTENERS.fetch_add(1, Ordering::Relaxed));
        let running = self.args(["-i", &id]).start();
        broker.wait_for_log(&format!("Sending SUBACK to {id}"));
        running
    }
}

/// A tool that was started. It is killed when the value is dropped.
#[derive(Debug)]
pub struct Running {
    words: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Capture,
    stderr: Capture,
}

impl Running {
    /// What it has written to standard output so far, to be waited for.
    pub fn stdout(&self) -> &Capture {
        &self.stdout
    }

    /// The same for standard error.
    pub fn stderr(&self) -> &Capture {
        &self.stderr
    }

    /// Writes to its standard input. A program that has closed it gets nothing.
    pub fn write(&mut self, bytes: &[u8]) {
        if let Some(stdin) = &mut self.stdin {
            // A program that ends with an error before it reads is the business of its exit code.
            let _ = stdin.write_all(bytes);
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("process ids are small");
        signal::kill(Pid::from_raw(id), signal).expect("our own child takes signals");
    }

    /// Whether it goes on running.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().ok().flatten().is_none()
    }

    /// Closes its input and waits for its end.
    ///
    /// # Panics
    /// When it goes on running.
    pub fn finish(mut self) -> Outcome {
        drop(self.stdin.take());
        let what = format!("{} ends", self.words);
        let status = wait_until(&what, || self.child.try_wait().ok().flatten());
        Outcome {
            words: self.words.clone(),
            code: status.code(),
            signal: status.signal(),
            stdout: self.stdout.wait_for_end(),
            stderr: String::from_utf8_lossy(&self.stderr.wait_for_end()).into_owned(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already; there is nothing left to do about it then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a tool ended and what it said.
#[derive(Debug)]
pub struct Outcome {
    words: String,
    /// Exit code; none when a signal killed it.
    pub code: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// Standard output, byte for byte.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
}

impl Outcome {
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Demands exit code 0.
    ///
    /// # Panics
    /// With everything known about the run, when it had another one.
    #[must_use]
    pub fn succeeded(self) -> Self {
        self.ended_with(0)
    }

    /// Demands this exit code.
    ///
    /// # Panics
    /// With everything known about the run, when it had another one.
    #[must_use]
    pub fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "exit code {code} expected: {self}");
        self
    }

    /// Demands this exit code, and on standard error a line that begins so.
    ///
    /// # Panics
    /// With everything known about the run, when it was otherwise.
    #[must_use]
    pub fn failed(self, code: i32, message: &str) -> Self {
        let ended = self.ended_with(code);
        let said = ended.stderr.lines().any(|line| line.starts_with(message));
        assert!(said, "{message:?} expected on stderr: {ended}");
        ended
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            words,
            code,
            signal,
            stderr,
            ..
        } = self;
        write!(f, "{words}\n  code {code:?}, signal {signal:?}\n  stdout: ")?;
        write!(f, "{:?}\n  stderr: {stderr:?}", self.text())
    }
}
