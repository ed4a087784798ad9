//! Debian's `mosquitto` and its clients.

use std::path::PathBuf;

use mqtt_tests::{Broker, DebianTool, Program, Setup, Tool, peer_program};

/// Every version, quality of service and way of retaining that both sides know.
const VERSIONS: [&str; 3] = ["mqttv31", "mqttv311", "mqttv5"];
const PAYLOAD: &str = "温度 21.5 °C";

/// A message from one tool to another through a broker, live and then retained.
fn exchange(broker: &Broker, publisher: PathBuf, subscriber: PathBuf) {
    for version in VERSIONS {
        for qos in ["0", "1", "2"] {
            let topic = format!("{version}/{qos}/客厅");
            let common = ["-V", version, "-q", qos, "-t", &topic];
            let listener = Tool::towards(broker, &subscriber)
                .args(common)
                .args(["-v", "-C", "1"])
                .start_subscribed();
            let send = Tool::towards(broker, &publisher)
                .args(common)
                .args(["-m", PAYLOAD, "-r"]);
            let _ = send.run().succeeded();
            let expected = format!("{topic} {PAYLOAD}\n");
            assert_eq!(listener.finish().succeeded().text(), expected, "live");
            let late = Tool::towards(broker, &subscriber)
                .args(common)
                .args(["-v", "-C", "1"]);
            assert_eq!(late.run().succeeded().text(), expected, "retained");
        }
    }
}

fn our_broker() -> Broker {
    Broker::start("allow_anonymous true")
}

/// Debian's broker with the configuration that ours gets.
fn their_broker(lines: &str) -> Option<Broker> {
    let program = peer_program(DebianTool::Broker)?;
    Some(Setup::new().launcher([program]).listening(lines).start())
}

#[test]
fn their_clients_talk_to_each_other_through_our_broker() {
    let (Some(publisher), Some(subscriber)) =
        (peer_program(DebianTool::Pub), peer_program(DebianTool::Sub))
    else {
        return;
    };
    exchange(&our_broker(), publisher, subscriber);
}

#[test]
fn their_publisher_reaches_our_subscriber() {
    let Some(publisher) = peer_program(DebianTool::Pub) else {
        return;
    };
    exchange(&our_broker(), publisher, Program::Sub.path());
}

#[test]
fn our_publisher_reaches_their_subscriber() {
    let Some(subscriber) = peer_program(DebianTool::Sub) else {
        return;
    };
    exchange(&our_broker(), Program::Pub.path(), subscriber);
}

#[test]
fn our_clients_talk_to_each_other_through_their_broker() {
    let Some(broker) = their_broker("allow_anonymous true") else {
        return;
    };
    exchange(&broker, Program::Pub.path(), Program::Sub.path());
}

#[test]
fn our_clients_and_theirs_meet_at_their_broker() {
    let Some(broker) = their_broker("allow_anonymous true") else {
        return;
    };
    let (Some(publisher), Some(subscriber)) =
        (peer_program(DebianTool::Pub), peer_program(DebianTool::Sub))
    else {
        return;
    };
    exchange(&broker, Program::Pub.path(), subscriber);
    exchange(&broker, publisher, Program::Sub.path());
}

#[test]
fn a_password_file_of_ours_opens_their_broker() {
    let setup = Setup::new().file("passwords", "");
    let file = setup.path("passwords");
    let add = Tool::passwd()
        .arg("-b")
        .arg(&file)
        .args(["alice", "wonderland"]);
    let _ = add.run().succeeded();
    let Some(program) = peer_program(DebianTool::Broker) else {
        return;
    };
    let lines = "password_file {folder}/passwords\nallow_anonymous false";
    let broker = setup.launcher([program]).listening(lines).start();
    try_passwords(&broker, &Program::Pub.path());
}

#[test]
fn a_password_file_of_theirs_opens_our_broker() {
    let Some(passwd) = peer_program(DebianTool::Passwd) else {
        return;
    };
    let setup = Setup::new().file("passwords", "");
    let add = Tool::new(passwd).arg("-b").arg(setup.path("passwords"));
    let _ = add.args(["alice", "wonderland"]).run().succeeded();
    let broker = setup.listening("password_file {folder}/passwords").start();
    try_passwords(&broker, &Program::Pub.path());
    if let Some(theirs) = peer_program(DebianTool::Pub) {
        try_passwords(&broker, &theirs);
    }
}

/// The right password lets in; a wrong one ends with CONNACK's code.
fn try_passwords(broker: &Broker, publisher: &PathBuf) {
    for (version, refused) in [("mqttv311", 5), ("mqttv5", 135)] {
        let run = |password: &str| {
            let words = [
                "-V", version, "-t", "a", "-n", "-u", "alice", "-P", password,
            ];
            Tool::towards(broker, publisher).args(words).run()
        };
        let _ = run("wonderland").succeeded();
        let _ = run("looking-glass").ended_with(refused);
    }
}

#[test]
fn a_line_of_each_input_arrives_in_order_at_the_other_side() {
    let (Some(publisher), Some(subscriber)) =
        (peer_program(DebianTool::Pub), peer_program(DebianTool::Sub))
    else {
        return;
    };
    let broker = our_broker();
    let pairs = [
        (publisher, Program::Sub.path()),
        (Program::Pub.path(), subscriber),
    ];
    for (publisher, subscriber) in pairs {
        let words = ["-q", "1", "-t", "lines", "-C", "200"];
        let listener = Tool::towards(&broker, subscriber)
            .args(words)
            .start_subscribed();
        let lines: String = (1..=200).map(|number| format!("line {number}\n")).collect();
        let words = ["-q", "1", "-t", "lines", "-l"];
        let send = Tool::towards(&broker, publisher)
            .args(words)
            .stdin(lines.clone());
        let _ = send.run().succeeded();
        assert_eq!(listener.finish().succeeded().text(), lines);
    }
}
