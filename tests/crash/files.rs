//! Which files a broker makes, when it writes them, and what a restart finds in them.

use std::fs;
use std::path::Path;

use mqtt_tests::{Broker, Level, Setup, Signal, Tool, Wire, connect, publish, subscribe};

const KEEP: &str = "allow_anonymous true\npersistence true\npersistence_location {folder}/store";
/// The whole configuration of a broker that keeps.
pub(crate) const KEEPING: &str = "listener {port} 127.0.0.1\nuser root\nlog_type all\n\
    log_dest stderr\nallow_anonymous true\npersistence true\npersistence_location {folder}/store\n";
const MESSAGES: u16 = 50;

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Subscribes with a session that stays, and goes.
fn leave_session(broker: &Broker, name: &str, filter: &str) {
    let arguments = ["-i", name, "-c", "-q", "1", "-t", filter, "-E"];
    let left = Tool::subscribe(broker).args(arguments).run().succeeded();
    assert_eq!(left.text(), "");
}

/// Comes back to it and takes so many messages.
fn take(broker: &Broker, name: &str, filter: &str, count: &str) -> String {
    let arguments = ["-i", name, "-c", "-q", "1", "-t", filter, "-C", count];
    let back = Tool::subscribe(broker).args(arguments).run().succeeded();
    back.text()
}

/// Publishes with clean sessions on both sides and waits for acknowledgement and delivery.
fn chat(broker: &Broker) {
    let mut listener = Wire::greeted(broker, &connect(Level::V4, "listener"));
    listener.send(&subscribe(1, "chat", 1));
    listener.packets_until(9);
    let mut speaker = Wire::greeted(broker, &connect(Level::V4, "speaker"));
    for number in 1..=MESSAGES {
        speaker.send(&publish("chat", b"hello", Some(number)));
        speaker.packets_until(4);
        let message = listener.packets_until(3).pop().expect("a PUBLISH");
        let mut puback = vec![0x40, 2];
        puback.extend(message.body.get(6..8).expect("a packet id"));
        listener.send(&puback);
    }
}

#[test]
fn no_file_is_made_where_nobody_asked_for_one() {
    for lines in ["", "persistence false", "durability off"] {
        let broker = Setup::new()
            .listening(&format!("allow_anonymous true\n{lines}"))
            .start();
        leave_session(&broker, "keeper", "kept");
        let retained = ["-q", "1", "-t", "kept", "-m", "it", "-r"];
        let _ = Tool::publish(&broker).args(retained).run().succeeded();
        let folder = broker.path("");
        assert_eq!(names(&folder), ["broker.conf"], "with {lines:?}");
        let open = format!("/proc/{}/fd", broker.process_id());
        for entry in fs::read_dir(open).expect("our own child's descriptors") {
            let path = fs::read_link(entry.expect("an entry").path()).unwrap_or_default();
            let path = path.to_string_lossy().into_owned();
            assert!(!path.contains("mosquitto.db"), "{path} with {lines:?}");
        }
        broker.wait_for_log("Durability: off (memory only");
    }
}

/// Bytes that a process caused to be written to disks, and size and time of each of its files.
fn written(broker: &Broker) -> (String, Vec<String>) {
    let io = fs::read_to_string(format!("/proc/{}/io", broker.process_id())).expect("our child");
    let bytes = io.lines().find(|line| line.starts_with("write_bytes"));
    let folder = broker.path("store");
    let file = |name: String| {
        let data = fs::metadata(folder.join(&name)).expect("a file");
        format!(
            "{name} {} {:?}",
            data.len(),
            data.modified().expect("a time")
        )
    };
    let files = names(&folder).into_iter().map(file).collect();
    (bytes.expect("a line of it").to_owned(), files)
}

#[test]
fn clean_sessions_at_qos_1_write_nothing() {
    let broker = Broker::start(KEEP);
    chat(&broker);
    let before = written(&broker);
    chat(&broker);
    assert_eq!(written(&broker), before);
    // What has to be kept is seen by the same look.
    leave_session(&broker, "keeper", "chat");
    assert_ne!(written(&broker), before);
}

#[test]
fn a_clean_stop_leaves_one_file_and_a_restart_finds_everything() {
    let mut broker = Setup::new().config(KEEPING).start();
    leave_session(&broker, "keeper", "kept/#");
    for (topic, payload) in [("kept/a", "one"), ("kept/b", "two"), ("kept/c", "three")] {
        let retained = ["-q", "1", "-t", topic, "-m", payload, "-r"];
        let _ = Tool::publish(&broker).args(retained).run().succeeded();
    }
    broker.signal(Signal::SIGTERM);
    assert_eq!(broker.wait_for_exit(), Some(0));
    let mut left = names(&broker.path("store"));
    // What is held in reserve for a full disk stays, too.
    left.retain(|name| name != "mosquitto.db.lock" && name != "mosquitto.db.reserve");
    assert_eq!(left, ["mosquitto.db"]);
    broker.start_again(KEEPING);
    broker.wait_for_log("Restored 3 retained messages");
    broker.wait_for_log("Restored 1 clients");
    broker.wait_for_log("Restored 1 subscriptions");
    let retained = ["-t", "kept/#", "-C", "3", "-v", "--retained-only"];
    let retained = Tool::subscribe(&broker).args(retained).run().succeeded();
    let mut lines: Vec<_> = retained.text().lines().map(ToOwned::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["kept/a one", "kept/b two", "kept/c three"]);
    // The subscription is renewed with these, so what is retained comes as well, but behind.
    assert_eq!(take(&broker, "keeper", "other", "3"), "one\ntwo\nthree\n");
}

#[test]
fn a_second_broker_on_the_same_file_names_the_first() {
    let broker = Broker::start(KEEP);
    let location = broker.path("store");
    let config = broker.path("second.conf");
    let lines = format!(
        "listener 0 127.0.0.1\nuser root\nallow_anonymous true\npersistence true\n\
         persistence_location {}\n",
        location.display()
    );
    fs::write(&config, lines).expect("a file in the broker's folder");
    let second = Tool::broker().arg("-c").arg(&config).run();
    let second = second.ended_with(1);
    let holder = format!("another broker (process {}) uses it", broker.process_id());
    assert!(second.to_string().contains(&holder), "{second}");
}
