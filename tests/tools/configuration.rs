//! Configuration and command line of the broker: what it accepts, refuses and says.

use std::fs;
use std::path::PathBuf;

use mqtt_tests::{Broker, Level, Outcome, Setup, Signal, Tool, Wire, connect, wait_until};
use nix::unistd::Pid;
use tempfile::TempDir;

/// A folder with one configuration file.
struct Config(TempDir);

impl Config {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        fs::write(folder.path().join("broker.conf"), text).expect("a temporary file");
        Self(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("broker.conf")
    }

    fn test(&self) -> Outcome {
        Tool::broker()
            .arg("--test-config")
            .arg("-c")
            .arg(self.path())
            .run()
    }
}

#[test]
fn five_errors_of_one_file_are_reported_at_once() {
    let config = Config::new(
        "listener 70000\n\
         # a comment\n\
         max_inflght_messages 10\n\
         allow_anonymous maybe\n\
         log_type everything\n\
         sys_interval soon\n",
    );
    let outcome = config.test().ended_with(3);
    for (line, parts) in [
        (1, &["listener", "70000", "65535"][..]),
        (3, &["max_inflght_messages", "max_inflight_messages"]),
        (4, &["allow_anonymous", "maybe", "true", "false"]),
        (5, &["log_type", "everything", "information"]),
        (6, &["sys_interval", "number", "65535"]),
    ] {
        let place = format!("{}:{line}:", config.path().display());
        let said = outcome.stderr.lines().find(|said| said.contains(&place));
        let said = said.unwrap_or_else(|| panic!("nothing about {place} in {outcome}"));
        for part in parts {
            assert!(said.contains(part), "{part:?} in {said:?}");
        }
    }
}

#[test]
fn a_good_file_is_called_good() {
    let config = Config::new("listener 1883\nallow_anonymous true\nmax_queued_messages 500\n");
    let outcome = config.test().succeeded();
    let said = format!("{}{}", outcome.text(), outcome.stderr);
    assert!(said.contains("Configuration file is OK."), "{outcome}");
    let without = Tool::broker().arg("--test-config").run().ended_with(3);
    let said = format!("{}{}", without.text(), without.stderr);
    assert!(
        said.contains("Please provide a configuration file to test."),
        "{without}"
    );
}

#[test]
fn an_option_that_protects_and_is_not_built_yet_keeps_the_broker_from_starting() {
    for (option, value) in [
        ("acl_file", "/etc/mosquitto/acl"),
        ("certfile", "/etc/mosquitto/server.crt"),
        ("require_certificate", "true"),
        ("psk_file", "/etc/mosquitto/psk"),
        ("plugin", "/usr/lib/mosquitto_dynamic_security.so"),
        ("protocol", "websockets"),
        ("mount_point", "tenant/"),
        ("enable_proxy_protocol", "2"),
    ] {
        let config = Config::new(&format!(
            "listener 1\nallow_anonymous true\n{option} {value}\n"
        ));
        let outcome = Tool::broker()
            .arg("-c")
            .arg(config.path())
            .run()
            .ended_with(3);
        let place = format!("{}:3:", config.path().display());
        let said = outcome.stderr.lines().find(|said| said.contains(&place));
        let said = said.unwrap_or_else(|| panic!("nothing about {place} ({option}) in {outcome}"));
        assert!(said.contains(option), "{option:?} in {said:?}");
    }
}

#[test]
fn an_option_without_effect_yet_is_named_in_one_warning() {
    let broker = Broker::start("allow_anonymous true\nautosave_interval 60\nmemory_limit 1000000");
    for option in ["autosave_interval", "memory_limit"] {
        broker.wait_for_log(option);
        assert_eq!(
            broker
                .log()
                .lines()
                .filter(|line| line.contains(option))
                .count(),
            1
        );
    }
}

#[test]
fn an_unusual_command_line_is_answered() {
    let unknown = Tool::broker().arg("--colour").run();
    let _ = unknown.failed(3, "Error: Unknown option '--colour'.");
    let _ = Tool::broker()
        .args(["-p", "0"])
        .run()
        .failed(3, "Error: Invalid port specified (0).");
    let _ = Tool::broker()
        .arg("-p")
        .run()
        .failed(3, "Error: -p argument given, but no port specified.");
    let _ = Tool::broker()
        .args(["-c", "/nonexistent/broker.conf"])
        .run()
        .ended_with(3);
    let help = Tool::broker().arg("-h").run().succeeded();
    assert!(help.text().contains("Usage: mqtt-broker [-c"), "{help}");
    let version = Tool::broker().arg("--version").run().succeeded();
    assert!(version.text().contains("mqtt-broker"), "{version}");
}

#[test]
fn a_password_file_that_cannot_be_used_keeps_the_broker_from_starting() {
    for (content, code, parts) in [
        (
            Some("alice:secret\n"),
            3,
            &["passwords:1:", "mqtt-passwd -U"][..],
        ),
        (Some("alice:$7$oops\n"), 3, &["passwords:1:"]),
        (
            Some("# staff\nalice:$7$101$AAAAAAAAAAAAAAAA\n"),
            3,
            &["passwords:2:"],
        ),
        (None, 13, &["passwords"]),
    ] {
        let setup = Setup::new();
        let file = setup.path("passwords");
        if let Some(content) = content {
            fs::write(&file, content).expect("a temporary file");
        }
        let text = format!("listener 1\nuser root\npassword_file {}\n", file.display());
        let config = Config::new(&text);
        let outcome = Tool::broker()
            .arg("-c")
            .arg(config.path())
            .run()
            .ended_with(code);
        for part in parts {
            assert!(
                outcome.stderr.contains(part),
                "{part:?} for {content:?} in {outcome}"
            );
        }
        assert!(
            !outcome.stderr.contains("secret"),
            "a password is not shown: {outcome}"
        );
    }
}

#[test]
fn a_file_that_broke_is_survived_by_hup() {
    let broker = Broker::start("allow_anonymous true");
    let mut device = Wire::greeted(&broker, &connect(Level::V4, "device"));
    broker.rewrite_config("allow_anonymous maybe\nmax_inflght_messages 3");
    broker.reload();
    broker.wait_for_log("max_inflght_messages");
    device.send_hex("c0 00");
    device.expect_hex("d0 00");
    let _ = Tool::publish(&broker)
        .args(["-t", "a", "-n"])
        .run()
        .succeeded();
}

#[test]
fn included_files_are_read_in_order_and_errors_name_them() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let parts = folder.path().join("conf.d");
    fs::create_dir(&parts).expect("a temporary folder");
    let main = folder.path().join("broker.conf");
    fs::write(
        &main,
        format!("listener 1883\ninclude_dir {}\n", parts.display()),
    )
    .expect("a file");
    fs::write(parts.join("10-a.conf"), "sys_interval never\n").expect("a file");
    fs::write(parts.join("ignored.txt"), "nonsense\n").expect("a file");
    let outcome = Tool::broker()
        .arg("--test-config")
        .arg("-c")
        .arg(&main)
        .run()
        .ended_with(3);
    assert!(outcome.stderr.contains("10-a.conf:1:"), "{outcome}");
    assert!(!outcome.stderr.contains("nonsense"), "{outcome}");
}

#[test]
fn the_log_goes_where_it_is_sent() {
    let setup = Setup::new();
    let lines = "listener {port} 127.0.0.1\nuser root\nallow_anonymous true\n\
                 log_dest file {folder}/broker.log\nlog_timestamp_format %Y/%m/%d\n\
                 connection_messages false";
    let broker = setup.config(lines).start();
    let _ = Tool::publish(&broker)
        .args(["-t", "a", "-n"])
        .run()
        .succeeded();
    let log = wait_until("the log file tells that the broker runs", || {
        let text = fs::read_to_string(broker.path("broker.log")).ok()?;
        text.contains(" running").then_some(text)
    });
    assert!(log.lines().all(|line| line.get(4..5) == Some("/")), "{log}");
    assert!(!log.contains("New client connected"), "{log}");
    assert!(!broker.log().contains(" running"), "{}", broker.log());
}

#[test]
fn q_is_quiet_and_v_tells_all() {
    let setup = Setup::new().listening("allow_anonymous true\nlog_type none");
    let broker = setup.argument("-v").start();
    let _ = Tool::publish(&broker)
        .args(["-i", "me", "-t", "a", "-n"])
        .run()
        .succeeded();
    broker.wait_for_log("Received PUBLISH from me (d0, q0, r0, m0, 'a', ... (0 bytes))");

    let broker = Setup::new()
        .listening("allow_anonymous true")
        .argument("-q")
        .start();
    let _ = Tool::publish(&broker)
        .args(["-i", "me", "-t", "a", "-n"])
        .run()
        .succeeded();
    assert!(
        !broker.log().contains("New client connected"),
        "{}",
        broker.log()
    );
}

#[test]
fn a_port_in_use_ends_it_with_1() {
    let broker = Broker::start("allow_anonymous true");
    let config = Config::new(&format!("listener {} 127.0.0.1\n", broker.port()));
    let outcome = Tool::broker()
        .arg("-c")
        .arg(config.path())
        .run()
        .ended_with(1);
    assert!(
        outcome.stderr.contains("Address already in use"),
        "{outcome}"
    );
}

#[test]
fn d_runs_in_the_background_until_it_is_told_to_end() {
    /// Ends the daemon also when the test fails.
    struct Daemon(Pid);
    impl Drop for Daemon {
        fn drop(&mut self) {
            // It has ended already when all went well.
            let _ = nix::sys::signal::kill(self.0, Signal::SIGKILL);
        }
    }
    let port = Broker::start("").port();
    let config = Config::new("");
    let pid_file = config.0.path().join("pid");
    let text = format!(
        "listener {port} 127.0.0.1\nuser root\nallow_anonymous true\npid_file {}\nlog_dest none\n",
        pid_file.display()
    );
    fs::write(config.path(), text).expect("a temporary file");
    let _ = Tool::broker()
        .arg("-d")
        .arg("-c")
        .arg(config.path())
        .run()
        .succeeded();
    let pid = wait_until("the pid file", || {
        fs::read_to_string(&pid_file).ok()?.trim().parse().ok()
    });
    let daemon = Daemon(Pid::from_raw(pid));
    wait_until("the port opens", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
    nix::sys::signal::kill(daemon.0, Signal::SIGTERM).expect("our daemon");
    wait_until("the pid file is removed", || {
        (!pid_file.exists()).then_some(())
    });
}

#[test]
fn sys_topics_tell_about_the_broker() {
    let broker = Broker::start("allow_anonymous true\nsys_interval 1");
    let read = |topic: &str| {
        let words = ["-t", topic, "-C", "1", "-W", "30"];
        Tool::subscribe(&broker)
            .args(words)
            .run()
            .succeeded()
            .text()
    };
    assert!(
        read("$SYS/broker/version").contains(" version "),
        "the version"
    );
    assert!(
        read("$SYS/broker/uptime").ends_with(" seconds\n"),
        "the uptime"
    );
    for topic in [
        "clients/connected",
        "clients/total",
        "messages/received",
        "bytes/sent",
    ] {
        let text = read(&format!("$SYS/broker/{topic}"));
        assert!(text.trim().parse::<u64>().is_ok(), "{topic}: {text:?}");
    }
}
