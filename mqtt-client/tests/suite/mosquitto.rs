//! A Mosquitto to test against, on a port of its own.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const PROGRAM: &str = "/usr/sbin/mosquitto";

/// A running broker; ends with the value.
pub(crate) struct Mosquitto {
    child: Child,
    pub(crate) port: u16,
    config: tempfile::NamedTempFile,
}

impl Mosquitto {
    /// Starts one with more lines of configuration. Where it is not installed the test is skipped,
    /// but for continuous integration, where that is a failure.
    #[expect(
        clippy::print_stderr,
        reason = "who runs the tests shall see what was skipped"
    )]
    pub(crate) fn start(lines: &str) -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            assert!(
                std::env::var_os("CI").is_none(),
                "{PROGRAM} is needed and not there"
            );
            eprintln!("SKIPPED: {PROGRAM} is not there");
            return None;
        }
        let port = free_port();
        let mut config = tempfile::NamedTempFile::new().unwrap();
        writeln!(
            config,
            "listener {port} 127.0.0.1\nallow_anonymous true\n{lines}"
        )
        .unwrap();
        let child = spawn(&config, port);
        Some(Self {
            child,
            port,
            config,
        })
    }

    /// Kills it and starts it anew on the same port: all that it had in memory is lost.
    pub(crate) fn restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = spawn(&self.config, self.port);
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(config: &tempfile::NamedTempFile, port: u16) -> Child {
    let mut command = Command::new(PROGRAM);
    command
        .arg("-c")
        .arg(config.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    for _ in 0..400 {
        if TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok() {
            return child;
        }
        // It gives no other sign of being ready.
        std::thread::sleep(Duration::from_millis(25));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    panic!("mosquitto does not listen on port {port}");
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
