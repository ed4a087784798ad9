//! Files go back and forth between this program and Mosquitto's own (2.0, as Debian has it).

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::{Folder, skip_without};

/// Where a program is, if it is installed.
fn find(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

fn run(program: &Path, folder: &Folder, words: &[&str]) -> Option<i32> {
    let mut command = Command::new(program);
    command
        .args(words)
        .current_dir(folder.path("."))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().expect("a program that starts").code()
}

#[test]
fn what_mosquitto_passwd_writes_is_read_here_and_back() {
    let Some(theirs) = find("mosquitto_passwd") else {
        return skip_without("mosquitto_passwd");
    };
    let folder = Folder::new();
    let passwords = [
        ("ann", "a"),
        ("bob", "b c"),
        ("ünï", "pässwörd"),
        ("dot", ""),
    ];
    assert_eq!(
        run(&theirs, &folder, &["-c", "-b", "f", "old", "x"]),
        Some(0)
    );
    for (user, password) in passwords {
        assert_eq!(run(&theirs, &folder, &["-b", "f", user, password]), Some(0));
    }
    assert_eq!(
        run(&theirs, &folder, &["-H", "sha512", "-b", "f", "sha", "s"]),
        Some(0)
    );
    folder.succeed(&["-b", "f", "new", "n"]);
    folder.succeed(&["-D", "f", "old"]);
    assert_eq!(run(&theirs, &folder, &["-b", "f", "last", "l"]), Some(0));
    for (user, password) in passwords
        .into_iter()
        .chain([("sha", "s"), ("new", "n"), ("last", "l")])
    {
        assert!(folder.verifies("f", user, password), "{user}");
        assert!(!folder.verifies("f", user, "wrong"), "{user}");
    }
    assert_eq!(folder.succeed(&["--list", "f"]).out.lines().count(), 7);
}

/// Mosquitto on a port of its own; ended with the test.
struct Mosquitto {
    program: Child,
    port: u16,
}

impl Mosquitto {
    fn start(program: &Path, folder: &Folder) -> Self {
        // Bound and given back: Mosquitto takes no port 0.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        folder.write(
            "conf",
            format!(
                "listener {port} 127.0.0.1\nuser root\nallow_anonymous false\npassword_file {}\n",
                folder.path("f").display()
            ),
        );
        let program = Command::new(program)
            .arg("-c")
            .arg(folder.path("conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let broker = Self { program, port };
        for _ in 0..1000 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return broker;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("mosquitto does not listen within ten seconds");
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.program.kill().expect("a process of ours");
        self.program.wait().expect("a child that ends");
    }
}

#[test]
fn what_is_written_here_lets_users_in_at_mosquitto() {
    let (Some(broker), Some(client)) = (find("mosquitto"), find("mosquitto_pub")) else {
        return skip_without("mosquitto or mosquitto_pub");
    };
    let folder = Folder::new();
    folder.write("f", "# staff\n\nplain:from text");
    folder.succeed(&["-U", "f"]);
    folder.succeed(&["-b", "f", "ann", "a b"]);
    folder.succeed(&["-H", "sha512", "-b", "f", "sha", "s"]);
    folder.succeed(&["-I", "7", "-b", "f", "ünï", "pässwörd"]);
    folder.succeed(&["-b", "f", "gone", "g"]);
    folder.succeed(&["-D", "f", "gone"]);
    let broker = Mosquitto::start(&broker, &folder);
    let port = broker.port.to_string();
    let publish = |user, password| {
        let words = [
            "-p", &port, "-u", user, "-P", password, "-t", "t", "-m", "m",
        ];
        run(&client, &folder, &words)
    };
    for (user, password) in [
        ("plain", "from text"),
        ("ann", "a b"),
        ("sha", "s"),
        ("ünï", "pässwörd"),
    ] {
        assert_eq!(publish(user, password), Some(0), "{user}");
        assert_ne!(publish(user, "wrong"), Some(0), "{user}");
    }
    assert_ne!(publish("gone", "g"), Some(0));
}
