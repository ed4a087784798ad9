//! A broker that keeps, and what is kept in it.

use std::path::{Path, PathBuf};

use mqtt_tests::{Broker, Outcome, Setup, Tool, listing};

/// The whole configuration of a broker that keeps.
pub(crate) const KEEPING: &str = "listener {port} 127.0.0.1\nuser root\nlog_type all\n\
    log_dest stderr\nallow_anonymous true\npersistence true\npersistence_location {folder}/store\n";

/// A broker with a session that waits for three messages, of which one is retained.
pub(crate) fn broker() -> Broker {
    let broker = Setup::new().config(KEEPING).start();
    fill(&broker);
    broker
}

/// Leaves a session and messages for it.
pub(crate) fn fill(broker: &Broker) {
    let keeper = ["-i", "keeper", "-c", "-q", "1", "-t", "kept/#", "-E"];
    let _ = Tool::subscribe(broker).args(keeper).run().succeeded();
    for (topic, payload, retain) in [
        ("kept/a", "one", "-r"),
        ("kept/b", "two", "-d"),
        ("kept/c", "three", "-d"),
    ] {
        let message = ["-q", "1", "-t", topic, "-m", payload, retain];
        let _ = Tool::publish(broker).args(message).run().succeeded();
    }
}

/// Comes back to the session and takes so many messages.
pub(crate) fn take(broker: &Broker, count: &str) -> String {
    let arguments = ["-i", "keeper", "-c", "-q", "1", "-t", "kept/#", "-C", count];
    Tool::subscribe(broker)
        .args(arguments)
        .run()
        .succeeded()
        .text()
}

/// The file of its store.
pub(crate) fn file(broker: &Broker) -> PathBuf {
    broker.path("store/mosquitto.db")
}

/// `mqtt-broker store` with these words.
pub(crate) fn store(words: &[&str], file: &Path) -> Outcome {
    Tool::broker().arg("store").args(words).arg(file).run()
}

/// Whether nothing has changed in a folder; the contents are too long to be printed.
pub(crate) fn is_untouched(folder: &Path, before: &[(String, Vec<u8>)]) -> bool {
    listing(folder) == before
}
