//! Programs of other projects that ours have to get along with.
//!
//! A machine without them runs the rest of the suite: the test says on the terminal that it was
//! skipped, and why. Where the variable `CI` is set a missing peer is a failure, or nobody would
//! notice that a suite has stopped testing anything.

use std::env;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The original's programs, as distributions package them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DebianTool {
    /// `mosquitto`
    Broker,
    /// `mosquitto_pub`
    Pub,
    /// `mosquitto_sub`
    Sub,
    /// `mosquitto_passwd`
    Passwd,
}

/// Where a program of the original is, or nothing (after [`skip`]) when it is not installed.
///
/// # Panics
/// Where `CI` is set and it is missing.
pub fn peer_program(tool: DebianTool) -> Option<PathBuf> {
    let (name, package) = match tool {
        DebianTool::Broker => ("mosquitto", "mosquitto"),
        DebianTool::Pub => ("mosquitto_pub", "mosquitto-clients"),
        DebianTool::Sub => ("mosquitto_sub", "mosquitto-clients"),
        DebianTool::Passwd => ("mosquitto_passwd", "mosquitto"),
    };
    let path = env::var_os("PATH").unwrap_or_default();
    // A person's PATH often leaves out the folder that brokers are installed to.
    let found = env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file());
    if found.is_none() {
        skip(&format!(
            "{name} is not installed (Debian: apt install {package})"
        ));
    }
    found
}

/// A Python that has paho-mqtt, or nothing (after [`skip`]): the one that `MQTT_TESTS_PYTHON`
/// names, else `python3`.
///
/// # Panics
/// Where `CI` is set and there is none.
pub fn paho_python() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let python = FOUND.get_or_init(|| {
        let named = env::var_os("MQTT_TESTS_PYTHON").unwrap_or_else(|| "python3".into());
        let import = "from paho.mqtt.enums import CallbackAPIVersion";
        let output = Command::new(&named).args(["-c", import]).output();
        output
            .is_ok_and(|output| output.status.success())
            .then(|| PathBuf::from(named))
    });
    if python.is_none() {
        skip("no Python with paho-mqtt 2 (pip install 'paho-mqtt>=2', see MQTT_TESTS_PYTHON)");
    }
    python.clone()
}

/// Says on the terminal that the running test is skipped, and why.
///
/// # Panics
/// Where `CI` is set.
pub fn skip(reason: &str) {
    assert!(
        env::var_os("CI").is_none(),
        "cannot be skipped where CI is set: {reason}"
    );
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Past the test runner, which keeps what a passing test prints to itself.
    let line = format!("SKIPPED {test}: {reason}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}
