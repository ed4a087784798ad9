//! `mqtt-pub`: where messages come from, how they are sent, what its exit code says.

use std::fs;

use mqtt_tests::{Broker, Running, Tool};

fn broker() -> Broker {
    Broker::start("allow_anonymous true")
}

/// Prints the next `count` messages of `topic`, with its name.
fn listen(broker: &Broker, topic: &str, count: &str) -> Running {
    Tool::subscribe(broker)
        .args(["-q", "2", "-v", "-t", topic, "-C", count])
        .start_subscribed()
}

#[test]
fn messages_come_from_the_command_line_a_file_or_the_input() {
    let broker = broker();
    let file = broker.path("message.txt");
    fs::write(&file, "two\nlines").expect("a temporary file");
    let listener = listen(&broker, "from/#", "5");
    let send = |topic: &str| Tool::publish(&broker).args(["-t", topic]);
    let _ = send("from/m").args(["-m", "-5"]).run().succeeded();
    let _ = send("from/f").arg("-f").arg(&file).run().succeeded();
    let _ = send("from/s")
        .arg("-s")
        .stdin("all\nof it\n")
        .run()
        .succeeded();
    let _ = send("from/n").arg("-n").run().succeeded();
    let _ = send("from/last").args(["-m", ""]).run().succeeded();
    assert_eq!(
        listener.finish().succeeded().text(),
        "from/m -5\nfrom/f two\nlines\nfrom/s all\nof it\n\nfrom/n (null)\nfrom/last (null)\n"
    );
}

#[test]
fn each_line_of_the_input_is_a_message_in_order() {
    for qos in ["0", "1", "2"] {
        let broker = broker();
        let count = 500;
        let listener = Tool::subscribe(&broker)
            .args(["-q", "2", "-t", "lines", "-C", &count.to_string()])
            .start_subscribed();
        let lines: String = (1..=count)
            .map(|number| format!("line {number}\n"))
            .collect();
        // The last line ends without a newline and counts all the same.
        let input = lines.trim_end().to_owned();
        let publisher = Tool::publish(&broker)
            .args(["-t", "lines", "-l", "-q", qos])
            .stdin(input);
        let _ = publisher.run().succeeded();
        assert_eq!(listener.finish().succeeded().text(), lines, "QoS {qos}");
    }
}

#[test]
fn lines_are_sent_as_they_come() {
    let broker = broker();
    let listener = listen(&broker, "typed", "2");
    let mut typing = Tool::publish(&broker).args(["-t", "typed", "-l"]).start();
    typing.write(b"first\n");
    assert_eq!(listener.stdout().wait_for("first"), "typed first");
    typing.write(b"second\n");
    assert_eq!(
        listener.finish().succeeded().text(),
        "typed first\ntyped second\n"
    );
    let _ = typing.finish().succeeded();
}

#[test]
fn a_message_is_repeated() {
    let broker = broker();
    let listener = listen(&broker, "again", "3");
    let words = [
        "-t",
        "again",
        "-m",
        "tick",
        "-q",
        "1",
        "--repeat",
        "3",
        "--repeat-delay",
        "0.01",
    ];
    let _ = Tool::publish(&broker).args(words).run().succeeded();
    assert_eq!(
        listener.finish().succeeded().text(),
        "again tick\nagain tick\nagain tick\n"
    );
}

#[test]
fn a_retained_message_waits_for_who_comes_later_until_it_is_cleared() {
    let broker = broker();
    let words = ["-t", "state", "-m", "on", "-q", "1", "-r"];
    let _ = Tool::publish(&broker).args(words).run().succeeded();
    let late = || {
        Tool::subscribe(&broker)
            .args(["-t", "state", "-C", "1", "-W", "1"])
            .run()
    };
    assert_eq!(late().succeeded().text(), "on\n");
    let _ = Tool::publish(&broker)
        .args(["-t", "state", "-n", "-q", "1", "-r"])
        .run()
        .succeeded();
    let _ = late().failed(27, "Timed out");
}

#[test]
fn every_quality_of_service_delivers_once() {
    let broker = broker();
    for version in ["31", "311", "5"] {
        for qos in ["0", "1", "2"] {
            let words = [
                "-V", version, "-q", qos, "-t", "qos", "-C", "2", "-F", "%q %p",
            ];
            let listener = Tool::subscribe(&broker).args(words).start_subscribed();
            for payload in ["once", "end"] {
                let words = ["-V", version, "-q", qos, "-t", "qos", "-m", payload];
                let _ = Tool::publish(&broker).args(words).run().succeeded();
            }
            let expected = format!("{qos} once\n{qos} end\n");
            assert_eq!(
                listener.finish().succeeded().text(),
                expected,
                "version {version}"
            );
        }
    }
}

#[test]
fn a_will_is_sent_for_who_is_lost_and_not_for_who_says_goodbye() {
    let broker = broker();
    let listener = listen(&broker, "will/#", "2");
    let will = |topic: &'static str| {
        let words = [
            "--will-topic",
            topic,
            "--will-payload",
            "gone",
            "--will-qos",
            "1",
        ];
        Tool::publish(&broker)
            .args(words)
            .args(["-t", "will/alive", "-l"])
            .start()
    };
    let mut lost = will("will/lost");
    lost.write(b"hello\n");
    listener.stdout().wait_for("will/alive hello");
    drop(lost);
    let polite = will("will/polite");
    let _ = polite.finish().succeeded();
    let outcome = listener.finish().succeeded();
    assert_eq!(outcome.text(), "will/alive hello\nwill/lost gone\n");
    let words = ["-t", "will/#", "-t", "end", "-C", "1", "-v"];
    let rest = Tool::subscribe(&broker).args(words).start_subscribed();
    let _ = will("will/polite").finish().succeeded();
    let _ = Tool::publish(&broker)
        .args(["-t", "end", "-m", "end"])
        .run()
        .succeeded();
    assert_eq!(
        rest.finish().succeeded().text(),
        "end end\n",
        "who says goodbye leaves no will"
    );
}

#[test]
fn properties_travel_with_a_message() {
    let broker = broker();
    let words = ["-V", "5", "-t", "p", "-C", "1", "-F", "%C|%R|%D|%P|%F"];
    let listener = Tool::subscribe(&broker).args(words).start_subscribed();
    let property = |name: &'static str, values: &'static [&'static str]| {
        ["-D", "publish", name]
            .into_iter()
            .chain(values.iter().copied())
    };
    let _ = Tool::publish(&broker)
        .args(["-t", "p", "-m", "x"])
        .args(property("content-type", &["text/plain"]))
        .args(property("response-topic", &["answer/here"]))
        .args(property("correlation-data", &["17"]))
        .args(property("user-property", &["colour", "blue"]))
        .args(property("user-property", &["colour", "green"]))
        .args(property("payload-format-indicator", &["1"]))
        .run()
        .succeeded();
    let expected = "text/plain|answer/here|17|colour:blue colour:green|1\n";
    assert_eq!(listener.finish().succeeded().text(), expected);
}

#[test]
fn d_tells_what_goes_over_the_wire() {
    let broker = broker();
    let words = ["-d", "-i", "me", "-t", "a/b", "-m", "hello", "-q", "1"];
    let outcome = Tool::publish(&broker).args(words).run().succeeded();
    for line in [
        "Client me sending CONNECT",
        "Client me received CONNACK (0)",
        "Client me sending PUBLISH (d0, q1, r0, m1, 'a/b', ... (5 bytes))",
        "Client me received PUBACK (Mid: 1, RC:0)",
        "Client me sending DISCONNECT",
    ] {
        assert!(
            outcome.text().lines().any(|said| said == line),
            "{line:?} in: {outcome}"
        );
    }
}

#[test]
fn nobody_listening_is_no_error() {
    let broker = broker();
    for version in ["311", "5"] {
        let words = ["-V", version, "-t", "nobody", "-m", "x", "-q", "1"];
        let outcome = Tool::publish(&broker).args(words).run().succeeded();
        assert_eq!((outcome.text().as_str(), outcome.stderr.as_str()), ("", ""));
    }
}

/// Words that are refused, and how the answer begins.
const REFUSED: &[(&[&str], &str)] = &[
    (
        &["-t", "a"],
        "Error: Both topic and message must be supplied.",
    ),
    (
        &["-m", "x"],
        "Error: Both topic and message must be supplied.",
    ),
    (
        &["-t", "a/+", "-m", "x"],
        "Error: Invalid publish topic 'a/+', does it contain '+' or '#'?",
    ),
    (
        &["-t", "a", "-m", "x", "-n"],
        "Error: Only one type of message can be sent at once.",
    ),
    (
        &["-t", "a", "-m", "x", "-q", "3"],
        "Error: Invalid QoS given: 3",
    ),
    (
        &["-t", "a", "-m", "x", "-k", "4"],
        "Error: Invalid keepalive given, it must be between 5",
    ),
    (
        &["-t", "a", "-m", "x", "-V", "4"],
        "Error: Invalid protocol version argument given.",
    ),
    (
        &["-t", "a", "-m", "x", "-p", "65536"],
        "Error: Invalid port given: 65536",
    ),
    (
        &["-t", "a", "-m"],
        "Error: -m argument given but no message specified.",
    ),
    (
        &["-t", "a", "-m", "x", "--colour"],
        "Error: Unknown option '--colour'.",
    ),
    (
        &["-t", "a", "-m", "x", "-i", "a", "-I", "b"],
        "Error: -i and -I argument cannot be used",
    ),
    (
        &["-t", "a", "-m", "x", "-c"],
        "Error: You must provide a client id if you are using the -c",
    ),
    (
        &["-t", "a", "-m", "x", "--repeat", "0"],
        "Error: --repeat argument must be >0.",
    ),
    (&["-t", "a", "-s"], "Error: Zero length input."),
    (
        &["-t", "a", "-f", "/nonexistent"],
        "Error: Unable to read file \"/nonexistent\"",
    ),
    (
        &["-t", "a", "-m", "x", "--will-payload", "y"],
        "Error: Will payload given, but no will topic",
    ),
    (
        &["-t", "a", "-m", "x", "-D", "publish", "colour", "y"],
        "Error: Invalid property name colour",
    ),
    (
        &["-t", "a", "-m", "x", "-D", "suback", "content-type", "y"],
        "Error: content-type property not",
    ),
];

#[test]
fn a_wrong_command_line_ends_with_1_and_names_what_is_wrong() {
    for (words, message) in REFUSED {
        let _ = Tool::new(mqtt_tests::Program::Pub.path())
            .args(*words)
            .run()
            .failed(1, message);
    }
}

#[test]
fn a_broker_that_is_not_there_ends_with_1() {
    let broker = broker();
    let port = broker.port().to_string();
    assert_eq!(broker.terminate(), Some(0));
    let words = ["-h", "127.0.0.1", "-p", &port, "-t", "a", "-m", "x"];
    let run = || Tool::new(mqtt_tests::Program::Pub.path()).args(words);
    let _ = run().run().failed(1, "Error: Connection refused");
    let quiet = run().arg("--quiet").run().ended_with(1);
    assert_eq!(quiet.stderr, "");
}

#[test]
fn help_and_version_go_to_standard_output_and_end_with_1() {
    for program in [mqtt_tests::Program::Pub, mqtt_tests::Program::Sub] {
        let version = Tool::new(program.path())
            .arg("--version")
            .run()
            .ended_with(1);
        assert!(
            version
                .text()
                .starts_with(&format!("{} version ", program.name())),
            "{version}"
        );
        let help = Tool::new(program.path()).arg("--help").run().ended_with(1);
        assert!(
            help.text().starts_with(&format!("{} is ", program.name())),
            "{help}"
        );
    }
}
