//! `mqtt-sub`: what it prints, what it leaves out, when it ends and with which code.

use mqtt_tests::{Broker, Signal, Tool};

fn broker() -> Broker {
    Broker::start("allow_anonymous true")
}

fn send(broker: &Broker, topic: &str, message: &str, options: &[&str]) {
    let tool = Tool::publish(broker)
        .args(["-q", "1", "-t", topic, "-m", message])
        .args(options);
    let _ = tool.run().succeeded();
}

#[test]
fn several_filters_are_several_subscriptions() {
    let broker = broker();
    let words = ["-v", "-t", "a/+", "-t", "b/#", "-C", "2"];
    let listener = Tool::subscribe(&broker).args(words).start_subscribed();
    for topic in ["a/1/2", "a/1", "c", "b"] {
        send(&broker, topic, "x", &[]);
    }
    assert_eq!(listener.finish().succeeded().text(), "a/1 x\nb x\n");
}

#[test]
fn capital_t_leaves_topics_out_and_does_not_count_them() {
    let broker = broker();
    let words = ["-v", "-t", "#", "-T", "noise/#", "-C", "2"];
    let listener = Tool::subscribe(&broker).args(words).start_subscribed();
    for topic in ["noise/fan", "music", "noise", "talk"] {
        send(&broker, topic, "x", &[]);
    }
    assert_eq!(listener.finish().succeeded().text(), "music x\ntalk x\n");
}

#[test]
fn capital_n_prints_no_newline_and_an_empty_message_prints_nothing() {
    let broker = broker();
    let listener = Tool::subscribe(&broker)
        .args(["-N", "-t", "a", "-C", "3"])
        .start_subscribed();
    for message in ["one", "", "two"] {
        send(&broker, "a", message, &[]);
    }
    assert_eq!(listener.finish().succeeded().text(), "onetwo");
}

#[test]
fn a_payload_is_printed_byte_for_byte() {
    let broker = broker();
    let payload: Vec<u8> = (0..=255).collect();
    let listener = Tool::subscribe(&broker)
        .args(["-N", "-t", "a", "-C", "1"])
        .start_subscribed();
    let tool = Tool::publish(&broker)
        .args(["-t", "a", "-s"])
        .stdin(payload.clone());
    let _ = tool.run().succeeded();
    assert_eq!(listener.finish().succeeded().stdout, payload);
}

#[test]
fn capital_r_hides_what_was_retained() {
    let broker = broker();
    send(&broker, "state", "old", &["-r"]);
    for version in ["311", "5"] {
        let words = ["-V", version, "-R", "-t", "state", "-C", "1"];
        let listener = Tool::subscribe(&broker).args(words).start_subscribed();
        send(&broker, "state", "new", &[]);
        assert_eq!(
            listener.finish().succeeded().text(),
            "new\n",
            "version {version}"
        );
    }
}

#[test]
fn retained_only_ends_with_the_first_that_is_not() {
    let broker = broker();
    send(&broker, "state/a", "1", &["-r"]);
    send(&broker, "state/b", "2", &["-r"]);
    let words = ["--retained-only", "-v", "-t", "state/+"];
    let listener = Tool::subscribe(&broker).args(words).start_subscribed();
    listener.stdout().wait_for_lines(2);
    send(&broker, "state/c", "3", &[]);
    let outcome = listener.finish().succeeded();
    let text = outcome.text();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["state/a 1", "state/b 2"]);
}

#[test]
fn capital_w_ends_with_27() {
    let broker = broker();
    let listener = Tool::subscribe(&broker)
        .args(["-t", "a", "-W", "1"])
        .start_subscribed();
    send(&broker, "a", "x", &[]);
    let outcome = listener.finish().failed(27, "Timed out");
    assert_eq!(outcome.text(), "x\n");
}

#[test]
fn capital_e_ends_once_the_subscription_stands_and_the_session_keeps_what_comes() {
    let broker = broker();
    let session = ["-i", "sleeper", "-c", "-q", "1", "-t", "mail"];
    let _ = Tool::subscribe(&broker)
        .args(session)
        .arg("-E")
        .run()
        .succeeded();
    for letter in ["one", "two", "three"] {
        send(&broker, "mail", letter, &[]);
    }
    let outcome = Tool::subscribe(&broker)
        .args(session)
        .args(["-C", "3"])
        .run()
        .succeeded();
    assert_eq!(outcome.text(), "one\ntwo\nthree\n");
}

#[test]
fn a_session_of_version_5_lives_as_long_as_x_says() {
    let broker = broker();
    let session = [
        "-V", "5", "-i", "sleeper", "-c", "-x", "60", "-q", "1", "-t", "mail",
    ];
    let _ = Tool::subscribe(&broker)
        .args(session)
        .arg("-E")
        .run()
        .succeeded();
    send(&broker, "mail", "kept", &[]);
    let outcome = Tool::subscribe(&broker)
        .args(session)
        .args(["-C", "1"])
        .run()
        .succeeded();
    assert_eq!(outcome.text(), "kept\n");
}

#[test]
fn capital_u_ends_a_subscription_of_the_session() {
    let broker = broker();
    let session = ["-i", "sleeper", "-c", "-q", "1"];
    let subscribe = Tool::subscribe(&broker)
        .args(session)
        .args(["-t", "a", "-t", "b", "-E"]);
    let _ = subscribe.run().succeeded();
    let leaving = Tool::subscribe(&broker)
        .args(session)
        .args(["-U", "a"])
        .start();
    broker.wait_for_log("Sending UNSUBACK to sleeper");
    leaving.signal(Signal::SIGTERM);
    let _ = leaving.finish().succeeded();
    send(&broker, "a", "no", &[]);
    send(&broker, "b", "yes", &[]);
    let words = ["-t", "b", "-C", "1", "-v"];
    let outcome = Tool::subscribe(&broker)
        .args(session)
        .args(words)
        .run()
        .succeeded();
    assert_eq!(outcome.text(), "b yes\n");
}

#[test]
fn int_and_term_say_goodbye_and_end_with_0() {
    let broker = broker();
    for (round, signal) in [(1, Signal::SIGINT), (2, Signal::SIGTERM)] {
        let id = format!("leaving-{round}");
        let words = [
            "-t",
            "a",
            "-i",
            &id,
            "--will-topic",
            "will",
            "--will-payload",
            "gone",
        ];
        let listener = Tool::subscribe(&broker).args(words).start();
        broker.wait_for_log(&format!("Sending SUBACK to {id}"));
        listener.signal(signal);
        let _ = listener.finish().succeeded();
        let line = broker.wait_for_log(&format!("Client {id} ["));
        assert!(line.ends_with("disconnected."), "{line}");
    }
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let broker = broker();
    let script = "\"$0\" -h 127.0.0.1 -p \"$1\" -i piped -t a | head -n 1";
    let sub = mqtt_tests::Program::Sub.path();
    let pipe = Tool::new("sh")
        .args(["-c", script])
        .arg(sub)
        .arg(broker.port().to_string());
    let running = pipe.start();
    broker.wait_for_log("Sending SUBACK to piped");
    send(&broker, "a", "first", &[]);
    running.stdout().wait_for("first");
    // `head` has gone or is going: sooner or later a message meets the closed pipe.
    mqtt_tests::wait_until("mqtt-sub notices the closed pipe", || {
        send(&broker, "a", "more", &[]);
        broker.log().contains("Client piped [").then_some(())
    });
    let outcome = running.finish().succeeded();
    assert_eq!(
        (outcome.text().as_str(), outcome.stderr.as_str()),
        ("first\n", "")
    );
}

#[test]
fn it_comes_back_when_the_broker_does_and_subscribes_again() {
    let broker = broker();
    let listener = Tool::subscribe(&broker)
        .args(["-t", "a", "-C", "1", "-i", "loyal"])
        .start();
    broker.wait_for_log("Sending SUBACK to loyal");
    // A second client of the same name takes over; the first returns after a second and takes back.
    let _ = Tool::publish(&broker)
        .args(["-i", "loyal", "-t", "b", "-n"])
        .run()
        .succeeded();
    broker.wait_for_log_times("Sending SUBACK to loyal", 2);
    send(&broker, "a", "hello again", &[]);
    assert_eq!(listener.finish().succeeded().text(), "hello again\n");
}

#[test]
fn version_5_options_reach_the_broker() {
    let broker = broker();
    send(&broker, "state", "kept", &["-r"]);
    let words = [
        "-V",
        "5",
        "--retain-handling",
        "never",
        "--retain-as-published",
    ];
    let listener = Tool::subscribe(&broker)
        .args(words)
        .args(["-t", "state", "-C", "1", "-F", "%r %S %p"])
        .args(["-D", "subscribe", "subscription-identifier", "42"])
        .start_subscribed();
    send(&broker, "state", "live", &["-r"]);
    assert_eq!(listener.finish().succeeded().text(), "1 42 live\n");
}

#[test]
fn a_shared_subscription_gives_each_message_to_one_member() {
    let broker = broker();
    let member = || {
        let words = [
            "-V",
            "5",
            "-q",
            "1",
            "-t",
            "$share/workers/job",
            "-t",
            "stop",
        ];
        Tool::subscribe(&broker)
            .args(words)
            .args(["-F", "%t %p"])
            .start_subscribed()
    };
    let members = [member(), member()];
    for job in 1..=20 {
        send(&broker, "job", &job.to_string(), &[]);
    }
    send(&broker, "stop", "x", &[]);
    let mut jobs = Vec::new();
    for running in members {
        running.stdout().wait_for("stop x");
        running.signal(Signal::SIGTERM);
        let text = running.finish().succeeded().text();
        let done = text.lines().filter_map(|line| line.strip_prefix("job "));
        let done: Vec<u32> = done.map(|job| job.parse().expect("a number")).collect();
        assert!(!done.is_empty(), "both members work");
        jobs.extend(done);
    }
    jobs.sort_unstable();
    assert_eq!(jobs, (1..=20).collect::<Vec<_>>());
}

#[test]
fn a_wrong_command_line_ends_with_1_and_names_what_is_wrong() {
    for (words, message) in [
        (
            &[][..],
            "Error: You must specify a topic to subscribe to (-t) or unsubscribe from (-U).",
        ),
        (
            &["-t", "a/#/b"],
            "Error: Invalid subscription topic 'a/#/b', are all '+' and '#' wildcards",
        ),
        (
            &["-t", "a", "-T", "b#"],
            "Error: Invalid filter topic 'b#', are all '+' and '#' wildcards",
        ),
        (
            &["-t", "a", "-U", "b+"],
            "Error: Invalid unsubscribe topic 'b+', are all '+' and '#'",
        ),
        (
            &["-t", "a", "-C", "0"],
            "Error: Invalid message count \"0\".",
        ),
        (&["-t", "a", "-W", "0"], "Error: Invalid timeout \"0\"."),
        (
            &["-t", "a", "-R", "--retained-only"],
            "Error: Combining '-R' and '--retained-only' makes no",
        ),
        (
            &["-t", "a", "-i", ""],
            "Error: Invalid id and/or clean_session.",
        ),
        (
            &["-t", "a", "-P", "x"],
            "Error: Problem setting username and/or password.",
        ),
        (&["-t", "a", "-m", "x"], "Error: Unknown option '-m'."),
        (&["-t"], "Error: -t argument given but no topic specified."),
        (
            &["-t", "a", "-F", "%"],
            "Error: Incomplete format specifier.",
        ),
        (
            &["-t", "a", "-F", "%z"],
            "Error: Invalid format specifier 'z'.",
        ),
        (
            &["-t", "a", "-F", "\\"],
            "Error: Incomplete escape specifier.",
        ),
        (
            &["-t", "a", "-F", "\\q"],
            "Error: Invalid escape specifier 'q'.",
        ),
    ] {
        let _ = Tool::new(mqtt_tests::Program::Sub.path())
            .args(words)
            .run()
            .failed(1, message);
    }
}
