//! PyPI's paho-mqtt, the client library most scripts and gateways use.

use std::path::PathBuf;

use mqtt_tests::{Broker, Running, Tool, paho_python};

const PAYLOAD: &str = "温度 21.5";

/// What paho calls a version, and what our tools call it.
const VERSIONS: [(&str, &str); 3] = [("3", "31"), ("4", "311"), ("5", "5")];

struct Paho<'a> {
    python: PathBuf,
    broker: &'a Broker,
}

impl<'a> Paho<'a> {
    fn towards(broker: &'a Broker) -> Option<Self> {
        Some(Self {
            python: paho_python()?,
            broker,
        })
    }

    fn run(&self, version: &str, words: [&str; 4]) -> Running {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/interop/paho_peer.py");
        let port = self.broker.port().to_string();
        Tool::new(&self.python)
            .args([script, &port, version])
            .args(words)
            .start()
    }

    fn publish(&self, version: &str, topic: &str, qos: &str) {
        let _ = self
            .run(version, ["publish", topic, qos, PAYLOAD])
            .finish()
            .succeeded();
    }

    /// Returns once the subscription is acknowledged.
    fn subscribe(&self, version: &str, topic: &str, qos: &str) -> Running {
        let running = self.run(version, ["subscribe", topic, qos, "1"]);
        running.stdout().wait_for("ready");
        running
    }
}

#[test]
fn paho_publishes_to_our_subscriber() {
    let broker = Broker::start("allow_anonymous true");
    let Some(paho) = Paho::towards(&broker) else {
        return;
    };
    for (version, ours) in VERSIONS {
        for qos in ["0", "1", "2"] {
            let topic = format!("{version}/{qos}/客厅");
            let listener = Tool::subscribe(&broker)
                .args([
                    "-V",
                    ours,
                    "-q",
                    "2",
                    "-t",
                    &topic,
                    "-C",
                    "1",
                    "-F",
                    "%q %r %t %p",
                ])
                .start_subscribed();
            paho.publish(version, &topic, qos);
            let expected = format!("{qos} 0 {topic} {PAYLOAD}\n");
            assert_eq!(listener.finish().succeeded().text(), expected);
        }
    }
}

#[test]
fn our_publisher_reaches_paho() {
    let broker = Broker::start("allow_anonymous true");
    let Some(paho) = Paho::towards(&broker) else {
        return;
    };
    for (version, ours) in VERSIONS {
        for qos in ["0", "1", "2"] {
            let topic = format!("{version}/{qos}/客厅");
            let listener = paho.subscribe(version, &topic, "2");
            let mut words = vec!["-V", ours, "-q", qos, "-t", &topic, "-m", PAYLOAD];
            let mut expected = format!("{qos} 0 {topic} {PAYLOAD}");
            if ours == "5" {
                words.extend(["-D", "publish", "content-type", "text/plain"]);
                words.extend(["-D", "publish", "user-property", "from", "us"]);
                expected.push_str(" text/plain from=us");
            }
            let _ = Tool::publish(&broker).args(words).run().succeeded();
            let text = listener.finish().succeeded().text();
            assert_eq!(text, format!("ready\n{expected}\n"));
        }
    }
}

#[test]
fn paho_talks_to_itself_across_versions() {
    let broker = Broker::start("allow_anonymous true");
    let Some(paho) = Paho::towards(&broker) else {
        return;
    };
    for (from, to, expected) in [
        ("4", "4", "2 0 chat 温度 21.5"),
        ("4", "5", "2 0 chat 温度 21.5 -"),
        ("5", "4", "2 0 chat 温度 21.5"),
        ("5", "5", "2 0 chat 温度 21.5 text/plain from=paho"),
    ] {
        let listener = paho.subscribe(to, "chat", "2");
        paho.publish(from, "chat", "2");
        let text = listener.finish().succeeded().text();
        assert_eq!(text, format!("ready\n{expected}\n"), "{from} to {to}");
    }
}

#[test]
fn paho_receives_what_was_retained() {
    let broker = Broker::start("allow_anonymous true");
    let Some(paho) = Paho::towards(&broker) else {
        return;
    };
    let words = ["-t", "state", "-m", PAYLOAD, "-q", "1", "-r"];
    let _ = Tool::publish(&broker).args(words).run().succeeded();
    for (version, tail) in [("3", ""), ("4", ""), ("5", " -")] {
        // The retained message may come before or after the acknowledgement is printed.
        let running = paho.run(version, ["subscribe", "state", "1", "1"]);
        let text = running.finish().succeeded().text();
        assert!(
            text.contains(&format!("1 1 state {PAYLOAD}{tail}\n")),
            "version {version}: {text}"
        );
    }
}
