//! A Mosquitto to test against, on a port of its own.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const MOSQUITTO: &str = "/usr/sbin/mosquitto";

/// A running broker; ends with the value.
pub struct Mosquitto {
    child: Child,
    port: u16,
    config: tempfile::NamedTempFile,
}

impl Mosquitto {
    /// Starts one, or says why the test is skipped. Where `CI` is set, its absence is a failure.
    pub fn start(extra: &str) -> Option<Self> {
        if !std::path::Path::new(MOSQUITTO).exists() {
            assert!(
                std::env::var_os("CI").is_none(),
                "{MOSQUITTO} is needed and not there"
            );
            println!("SKIPPED: {MOSQUITTO} is not there");
            return None;
        }
        let port = free_port();
        let mut config = tempfile::NamedTempFile::new().unwrap();
        writeln!(
            config,
            "listener {port} 127.0.0.1\nallow_anonymous true\n{extra}"
        )
        .unwrap();
        let child = spawn(&config);
        Some(Self {
            child,
            port,
            config,
        })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills it and starts it anew on the same port; what it kept in memory is lost.
    pub fn restart(&mut self) {
        self.stop();
        self.child = spawn(&self.config);
        wait_for(self.port);
    }

    /// Kills it.
    pub fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        // It may have been stopped before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(config: &tempfile::NamedTempFile) -> Child {
    let text = std::fs::read_to_string(config.path()).unwrap();
    let port = text.split_whitespace().nth(1).unwrap().parse().unwrap();
    let child = Command::new(MOSQUITTO)
        .arg("-c")
        .arg(config.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for(port);
    child
}

fn wait_for(port: u16) {
    for _ in 0..200 {
        if TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok() {
            return;
        }
        // There is no other sign of a server that is ready.
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("mosquitto does not listen on port {port}");
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
