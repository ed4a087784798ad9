//! Debian's mosquitto and its tools, to compare ours with; included by the tests of each tool.

#![allow(dead_code, reason = "no suite needs all of it")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may end like that"
)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;

/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A broker of its own for one test. Ends with it.
pub(crate) struct Broker {
    child: Child,
    pub(crate) port: u16,
    pub(crate) folder: TempDir,
}

impl Broker {
    /// Starts mosquitto with lines added to its configuration.
    ///
    /// `None`, and a line that says so, where it is not installed; in CI that is a failure.
    pub(crate) fn start(configuration: &str) -> Option<Self> {
        if !is_installed() {
            return None;
        }
        // Another process may take the port between our look and mosquitto's.
        (0..10)
            .find_map(|_| Self::start_once(configuration))
            .or_else(|| panic!("mosquitto does not start"))
    }

    fn start_once(configuration: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let file = folder.path().join("mosquitto.conf");
        std::fs::write(
            &file,
            format!("listener {port} 127.0.0.1\n{configuration}\n"),
        )
        .unwrap();
        let child = Command::new("/usr/sbin/mosquitto")
            .arg("-c")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut broker = Self {
            child,
            port,
            folder,
        };
        for _ in 0..1_000 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(broker);
            }
            if broker.child.try_wait().unwrap().is_some() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }

    /// Runs a tool against this broker.
    pub(crate) fn run(&self, program: &str, words: &[&str]) -> Ran {
        let port = self.port.to_string();
        let words = [&["-h", "127.0.0.1", "-p", &port], words].concat();
        run(program, &words, b"")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether there is an original to compare with.
pub(crate) fn is_installed() -> bool {
    let found = [
        "/usr/sbin/mosquitto",
        "/usr/bin/mosquitto_pub",
        "/usr/bin/mosquitto_sub",
    ]
    .iter()
    .all(|file| std::path::Path::new(file).exists());
    assert!(
        found || std::env::var_os("CI").is_none(),
        "mosquitto and its clients are not installed"
    );
    if !found {
        eprintln!("SKIPPED: mosquitto and its clients are not installed");
    }
    found
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// What came out of a program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) exit_code: Option<i32>,
}

impl Ran {
    pub(crate) fn first_error(&self) -> &str {
        self.stderr.lines().next().unwrap_or_default()
    }
}

/// Runs a program to its end; one that does not end is ended, and the test fails.
pub(crate) fn run(program: &str, words: &[&str], input: &[u8]) -> Ran {
    let mut child = start(program, words);
    child.stdin.take().unwrap().write_all(input).unwrap();
    finish(child)
}

/// Starts a program with an options file of nobody.
pub(crate) fn start(program: &str, words: &[&str]) -> Child {
    Command::new(program)
        .args(words)
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

pub(crate) fn finish(child: Child) -> Ran {
    let id = child.id();
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    let waiting = std::thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = receiver.recv_timeout(PATIENCE) else {
        Command::new("kill")
            .args(["-KILL", &id.to_string()])
            .status()
            .unwrap();
        panic!("the program did not end");
    };
    waiting.join().unwrap().unwrap();
    let Output {
        status,
        stdout,
        stderr,
    } = output.unwrap();
    Ran {
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
        exit_code: status.code(),
    }
}

/// A server that does what a test says, on a thread of its own.
pub(crate) struct Scripted<T> {
    pub(crate) port: u16,
    thread: JoinHandle<T>,
}

impl<T: Send + 'static> Scripted<T> {
    pub(crate) fn start(script: impl FnOnce(&TcpListener) -> T + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        Self {
            port,
            thread: std::thread::spawn(move || script(&listener)),
        }
    }

    pub(crate) fn run(self, program: &str, words: &[&str], input: &[u8]) -> (Ran, T) {
        let port = self.port.to_string();
        let words = [&["-h", "127.0.0.1", "-p", &port], words].concat();
        (run(program, &words, input), self.thread.join().unwrap())
    }
}

/// A connection whose first packet was read and answered.
pub(crate) fn accept(listener: &TcpListener, answer: &[u8]) -> TcpStream {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    read_packet(&mut stream).expect("CONNECT");
    stream.write_all(answer).unwrap();
    stream
}

/// The next packet whole, or `None` at the end of the stream.
pub(crate) fn read_packet(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut packet = vec![0];
    stream.read_exact(&mut packet).ok()?;
    let (mut length, mut shift) = (0_usize, 0);
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        packet.push(byte[0]);
        length |= usize::from(byte[0] & 0x7F) << shift;
        shift += 7;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    let start = packet.len();
    packet.resize(start + length, 0);
    stream.read_exact(&mut packet[start..]).ok()?;
    Some(packet)
}

/// CONNACK of 3.1.1 and 5.0 with a code.
pub(crate) fn connack(is_v5: bool, code: u8) -> Vec<u8> {
    if is_v5 {
        vec![0x20, 3, 0, code, 0]
    } else {
        vec![0x20, 2, 0, code]
    }
}
