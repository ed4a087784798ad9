//! Where the programs under test are, and how they come to be there.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A program under test.
///
/// Normally the one of this workspace, built by the same cargo in the same profile as the test that
/// asks. The environment can name another one, to run a suite against an installed release or
/// against the original: `MQTT_TESTS_BROKER`, `MQTT_TESTS_PUB`, `MQTT_TESTS_SUB`, `MQTT_TESTS_PASSWD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `mqtt-broker`
    Broker,
    /// `mqtt-pub`
    Pub,
    /// `mqtt-sub`
    Sub,
    /// `mqtt-passwd`
    Passwd,
}

impl Program {
    /// Its name, as a user types it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Broker => "mqtt-broker",
            Self::Pub => "mqtt-pub",
            Self::Sub => "mqtt-sub",
            Self::Passwd => "mqtt-passwd",
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Self::Broker => "MQTT_TESTS_BROKER",
            Self::Pub => "MQTT_TESTS_PUB",
            Self::Sub => "MQTT_TESTS_SUB",
            Self::Passwd => "MQTT_TESTS_PASSWD",
        }
    }

    /// The file to run.
    ///
    /// # Panics
    /// When it cannot be built.
    pub fn path(self) -> PathBuf {
        match env::var_os(self.variable()) {
            Some(named) => PathBuf::from(named),
            None => built()
                .join(self.name())
                .with_extension(env::consts::EXE_EXTENSION),
        }
    }
}

/// The disk of `tests/power/disk`, to be put under a program with `LD_PRELOAD`; `MQTT_TESTS_DISK`
/// names another one.
///
/// # Panics
/// When it cannot be built.
pub fn disk_library() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || build(&["--package", "mqtt-tests-disk"]).join("libmqtt_tests_disk.so");
    let named = || env::var_os("MQTT_TESTS_DISK").map(PathBuf::from);
    BUILT.get_or_init(|| named().unwrap_or_else(build)).clone()
}

/// The folder of this workspace's programs, built once a test process.
///
/// `cargo test` builds the programs of a package only for tests of that package, so the tests of
/// this one have to ask. When nothing has changed that takes a fraction of a second.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build(&["--workspace", "--bins"]))
}

/// Builds these as the running test was built; the folder where they are then.
fn build(what: &[&str]) -> PathBuf {
    let place = Place::of_this_test();
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from(env!("CARGO")));
    let output = Command::new(cargo)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet"])
        .args(what)
        .args(&place.arguments)
        .output()
        .expect("cargo starts");
    assert!(
        output.status.success(),
        "what is under test does not build:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    place.folder
}

/// Where cargo puts programs, read off the place of the running test.
struct Place {
    folder: PathBuf,
    arguments: Vec<OsString>,
}

impl Place {
    /// A test runs from `TARGET_DIR[/TRIPLE]/PROFILE/deps/NAME`.
    fn of_this_test() -> Self {
        let test = env::current_exe().expect("a test knows its own file");
        let folder = test
            .parent()
            .and_then(Path::parent)
            .expect("a test lies in a deps folder");
        let profile = match folder.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(name) => name,
        };
        let above = folder
            .parent()
            .expect("a profile's folder lies in a target folder");
        let mut arguments = vec![OsString::from("--profile"), OsString::from(profile)];
        // Between profile and target folder there is one more when a platform was named. cargo marks
        // the target folder, with a tag unless somebody else had made the folder before.
        let marked = |folder: &Path| {
            [".rustc_info.json", "CACHEDIR.TAG"]
                .iter()
                .any(|mark| folder.join(mark).exists())
        };
        let target = match above.parent() {
            Some(outer) if !marked(above) && marked(outer) => {
                arguments.push(OsString::from("--target"));
                arguments.push(above.file_name().expect("named for a platform").to_owned());
                outer
            }
            _ => above,
        };
        arguments.push(OsString::from("--target-dir"));
        arguments.push(target.as_os_str().to_owned());
        Self {
            folder: folder.to_owned(),
            arguments,
        }
    }
}
