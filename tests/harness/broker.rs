//! A broker of its own for each test: own folder, own port, real signals.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::capture::Capture;
use crate::deadline::wait_until;
use crate::programs::Program;

/// How often a broker is started anew because somebody took its port first.
const PORT_ATTEMPTS: usize = 5;

/// Time between such starts where the port cannot be another one.
const PORT_PAUSE: Duration = Duration::from_millis(200);

/// A broker about to be started: its folder, its port and what will stand in its configuration.
#[derive(Debug)]
pub struct Setup {
    folder: TempDir,
    port: u16,
    config: Option<String>,
    arguments: Vec<OsString>,
    launcher: Vec<OsString>,
    variables: Vec<(String, OsString)>,
}

impl Default for Setup {
    fn default() -> Self {
        Self::new()
    }
}

impl Setup {
    /// A fresh folder and a port that was free a moment ago.
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder for temporary files"),
            port: free_port(),
            config: None,
            arguments: Vec::new(),
            launcher: vec![Program::Broker.path().into_os_string()],
            variables: Vec::new(),
        }
    }

    /// Another command in front of the arguments, in place of the broker under test.
    #[must_use]
    pub fn launcher<I: Into<OsString>>(mut self, words: impl IntoIterator<Item = I>) -> Self {
        self.launcher = words.into_iter().map(Into::into).collect();
        self
    }

    /// A file in the broker's folder, readable by its owner alone.
    #[must_use]
    pub fn file(self, name: &str, content: &str) -> Self {
        write_private(&self.folder.path().join(name), content);
        self
    }

    /// The whole configuration. `{port}` and `{folder}` stand for this broker's own.
    #[must_use]
    pub fn config(mut self, text: &str) -> Self {
        self.config = Some(text.to_owned());
        self
    }

    /// These lines after a listener on 127.0.0.1 and a log that tells everything.
    ///
    /// `user root` keeps a broker that is tested by root from giving up the right to read its own
    /// temporary folder; others ignore it.
    #[must_use]
    pub fn listening(self, lines: &str) -> Self {
        self.config(&format!(
            "listener {{port}} 127.0.0.1\nuser root\nlog_type all\nlog_dest stderr\n{lines}\n"
        ))
    }

    /// A word for its command line; `{port}` and `{folder}` as in the configuration.
    #[must_use]
    pub fn argument(mut self, word: impl Into<OsString>) -> Self {
        self.arguments.push(word.into());
        self
    }

    /// A variable of its environment; `{port}` and `{folder}` as in the configuration.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// Where a file of the broker's folder lies.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts it and returns once it accepts connections.
    ///
    /// # Panics
    /// With its log, when it ends instead.
    pub fn start(mut self) -> Broker {
        for _ in 1..PORT_ATTEMPTS {
            let (mut child, log) = self.spawn();
            match ready(&mut child, &log, self.port) {
                Ok(()) => {
                    return Broker {
                        setup: self,
                        child,
                        log,
                    };
                }
                // Between our look and its bind another program was given the same port.
                Err(said) if said.contains("Address already in use") => self.port = free_port(),
                Err(said) => panic!("the broker did not start:\n{said}"),
            }
        }
        panic!("no port stayed free for {PORT_ATTEMPTS} starts");
    }

    fn spawn(&self) -> (Child, Capture) {
        let mut words = self.launcher.iter();
        let mut command = Command::new(words.next().expect("a launcher has a program"));
        command.args(words);
        if let Some(text) = &self.config {
            let path = self.path("broker.conf");
            write_private(&path, &self.filled_in(text));
            command.arg("-c").arg(path);
        }
        for word in &self.arguments {
            command.arg(self.filled_in(&word.to_string_lossy()));
        }
        for (name, value) in &self.variables {
            command.env(name, self.filled_in(&value.to_string_lossy()));
        }
        let (reader, writer) = io::pipe().expect("a pipe");
        command.stdin(Stdio::null());
        command
            .stdout(writer.try_clone().expect("a descriptor"))
            .stderr(writer);
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        (child, Capture::of(reader))
    }

    fn filled_in(&self, text: &str) -> String {
        let folder = self.folder.path().to_string_lossy();
        text.replace("{port}", &self.port.to_string())
            .replace("{folder}", &folder)
    }
}

/// Looks at a broker that answers and logs nothing before it counts as ready.
const LOOKS_WITHOUT_A_WORD: u32 = 60;

/// Waits until the port answers; what the program said, when it ends before.
fn ready(child: &mut Child, log: &Capture, port: u16) -> Result<(), String> {
    let mut looks = 0;
    let up = wait_until("the broker accepts connections", || {
        if child.try_wait().ok().flatten().is_some() {
            return Some(false);
        }
        if TcpStream::connect(("127.0.0.1", port)).is_err() {
            return None;
        }
        // Somebody else may be listening there, and ours about to find out: its own word counts.
        looks += 1;
        let said_so = log.text().contains(" running");
        (said_so || looks > LOOKS_WITHOUT_A_WORD).then_some(true)
    });
    if up {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&log.wait_for_end()).into_owned())
    }
}

/// A running broker. It is killed when the value is dropped.
#[derive(Debug)]
pub struct Broker {
    setup: Setup,
    child: Child,
    log: Capture,
}

impl Broker {
    /// A broker on 127.0.0.1 with these lines in its configuration; see [`Setup::listening`].
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(lines: &str) -> Self {
        Setup::new().listening(lines).start()
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.setup.port
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// Its process id.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Where a file of its folder lies.
    pub fn path(&self, name: &str) -> PathBuf {
        self.setup.path(name)
    }

    /// Writes a new configuration in place of the old one; [`reload`](Self::reload) makes it count.
    pub fn rewrite_config(&self, lines: &str) {
        let text = format!(
            "listener {{port}} 127.0.0.1\nuser root\nlog_type all\nlog_dest stderr\n{lines}\n"
        );
        write_private(&self.path("broker.conf"), &self.setup.filled_in(&text));
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("process ids are small");
        signal::kill(Pid::from_raw(id), signal).expect("our own child takes signals");
    }

    /// Sends HUP and waits for the line that says that it was heard.
    pub fn reload(&self) {
        let before = self.log().matches("Reloading config.").count();
        self.signal(Signal::SIGHUP);
        self.log
            .wait_for_times("Reloading config.", before.saturating_add(1));
    }

    /// Everything it has said, on both streams.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Waits for a line of its log.
    ///
    /// # Panics
    /// When it does not come.
    pub fn wait_for_log(&self, text: &str) -> String {
        self.log.wait_for(text)
    }

    /// Waits for the `times`-th such line.
    ///
    /// # Panics
    /// When it does not come.
    pub fn wait_for_log_times(&self, text: &str, times: usize) -> String {
        self.log.wait_for_times(text, times)
    }

    /// Asks it to end as `kill` and service managers do.
    ///
    /// # Panics
    /// When it does not end.
    pub fn terminate(mut self) -> Option<i32> {
        self.signal(Signal::SIGTERM);
        self.wait_for_exit()
    }

    /// Kills it with SIGKILL, in whatever it is doing; [`start_again`](Self::start_again) goes on.
    ///
    /// # Panics
    /// When it has ended before, by itself.
    pub fn kill(&mut self) {
        let ended = self.child.try_wait().ok().flatten();
        assert!(
            ended.is_none(),
            "the broker ended by itself, {ended:?}; its log:\n{}",
            self.log()
        );
        self.signal(Signal::SIGKILL);
        wait_until("the broker dies", || self.child.try_wait().ok().flatten());
    }

    /// Starts it again after its end, in the same folder and on the same port, with this whole
    /// configuration (see [`Setup::config`]). Its log begins anew.
    ///
    /// # Panics
    /// With its log, when it ends instead.
    pub fn start_again(&mut self, config: &str) {
        if let Err(status) = self.attempt_start(config) {
            panic!("the broker did not start again ({status}):\n{}", self.log());
        }
    }

    /// As [`start_again`](Self::start_again), for a start that may fail.
    ///
    /// # Errors
    /// How it ended instead.
    pub fn attempt_start(&mut self, config: &str) -> Result<(), ExitStatus> {
        self.setup.config = Some(config.to_owned());
        let mut attempt = 1;
        loop {
            (self.child, self.log) = self.setup.spawn();
            let Err(said) = ready(&mut self.child, &self.log, self.setup.port) else {
                return Ok(());
            };
            // Somebody's outgoing connection may have been given the port for a moment.
            if !said.contains("Address already in use") || attempt == PORT_ATTEMPTS {
                return Err(self.child.wait().expect("a child that has ended"));
            }
            attempt += 1;
            thread::sleep(PORT_PAUSE);
        }
    }

    /// The variables of its environment from the next start on, in place of those before.
    pub fn set_variables(&mut self, variables: Vec<(String, OsString)>) {
        self.setup.variables = variables;
    }

    /// How it ended, if it has.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our own child")
    }

    /// Waits for its end: the exit code, or nothing when a signal killed it.
    ///
    /// # Panics
    /// When it goes on running.
    pub fn wait_for_exit(&mut self) -> Option<i32> {
        let status = wait_until("the broker ends", || self.child.try_wait().ok().flatten());
        assert_eq!(
            status.signal(),
            None,
            "a signal killed the broker; its log:\n{}",
            self.log()
        );
        self.log.wait_for_end();
        status.code()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended already; there is nothing left to do about it then.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!(
                "--- log of the broker on port {} ---\n{}",
                self.port(),
                self.log()
            );
        }
    }
}

/// A port that nobody listens on now, chosen by the system.
fn free_port() -> u16 {
    let reserved = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    reserved
        .local_addr()
        .expect("a bound socket has an address")
        .port()
}

fn write_private(path: &Path, content: &str) {
    use io::Write;
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options
        .open(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file.write_all(content.as_bytes())
        .expect("a temporary file takes text");
}
