//! The tutorial of the README, one test a step.

use std::net::TcpStream;

use mqtt_tests::{Broker, Level, Setup, Signal, Tool, Wire, connect, ping, publish, subscribe};

/// What a client of 3.1 or 3.1.1 is told that may not come in.
const REFUSED: &str = "Connection error: Connection Refused: not authorised";

/// `mqtt-passwd -b FILE NAME PASSWORD`
fn set_password(broker: &Broker, name: &str, password: &str) {
    let file = broker.path("passwords");
    let outcome = Tool::passwd()
        .arg("-b")
        .arg(file)
        .args([name, password])
        .run();
    let _ = outcome.succeeded();
}

/// A broker that asks for passwords: alice's is `wonderland`, bob's `builder`.
fn broker_with_passwords() -> Broker {
    let setup = Setup::new().file("passwords", "");
    for (name, password) in [("alice", "wonderland"), ("bob", "builder")] {
        let tool = Tool::passwd().arg("-b").arg(setup.path("passwords"));
        let _ = tool.args([name, password]).run().succeeded();
    }
    setup.listening("password_file {folder}/passwords").start()
}

#[test]
fn step_1_without_a_configuration_the_broker_serves_this_machine_alone() {
    let broker = Setup::new().argument("-p").argument("{port}").start();
    broker.wait_for_log("Starting in local only mode");
    let listener = Tool::subscribe(&broker)
        .args(["-t", "hello", "-C", "1", "-i", "me"])
        .start();
    broker.wait_for_log("as me (");
    // Retained, since without a configuration the log does not tell when the subscription stands.
    let _ = Tool::publish(&broker)
        .args(["-t", "hello", "-m", "world", "-r"])
        .run()
        .succeeded();
    assert_eq!(listener.finish().succeeded().text(), "world\n");
    // Linux answers for the whole of 127/8, so another address of it stands for another machine.
    let elsewhere = TcpStream::connect(("127.0.0.2", broker.port()));
    assert!(elsewhere.is_err(), "only 127.0.0.1 is served");
}

#[test]
fn step_2_a_listener_alone_lets_nobody_in_without_a_name() {
    let broker = Broker::start("");
    let words = ["-t", "hello", "-m", "world"];
    let _ = Tool::publish(&broker).args(words).run().failed(5, REFUSED);
    let _ = Tool::subscribe(&broker)
        .args(["-t", "hello"])
        .run()
        .failed(5, REFUSED);
    let version_5 = Tool::publish(&broker).args(words).args(["-V", "5"]).run();
    let _ = version_5.failed(135, "Connection error: Not authorized");
    broker.wait_for_log("disconnected: not authorised.");
}

#[test]
fn step_3_allow_anonymous_lets_everybody_in() {
    let broker = Broker::start("allow_anonymous true");
    let listener = Tool::subscribe(&broker)
        .args(["-t", "hello", "-C", "1"])
        .start_subscribed();
    let _ = Tool::publish(&broker)
        .args(["-t", "hello", "-m", "world"])
        .run()
        .succeeded();
    assert_eq!(listener.finish().succeeded().text(), "world\n");
}

#[test]
fn step_4_v_shows_the_topic_and_c_ends_after_so_many_messages() {
    let broker = Broker::start("allow_anonymous true");
    let words = ["-t", "house/#", "-v", "-C", "3"];
    let listener = Tool::subscribe(&broker).args(words).start_subscribed();
    for (topic, message) in [
        ("house/kitchen", "21.5"),
        ("garden", "9"),
        ("house/hall/door", "open"),
    ] {
        let _ = Tool::publish(&broker)
            .args(["-t", topic, "-m", message])
            .run()
            .succeeded();
    }
    let _ = Tool::publish(&broker)
        .args(["-t", "house/empty", "-n"])
        .run()
        .succeeded();
    let text = listener.finish().succeeded().text();
    assert_eq!(
        text,
        "house/kitchen 21.5\nhouse/hall/door open\nhouse/empty (null)\n"
    );
}

#[test]
fn step_5_a_device_speaks_to_a_shell() {
    let broker = Broker::start("allow_anonymous true");
    // What the Arduino library PubSubClient sends: 3.1.1, clean session, QoS 0.
    let mut device = Wire::greeted(&broker, &connect(Level::V4, "esp8266-lamp"));
    device.send(&subscribe(2, "lamp/set", 0));
    device.expect_hex("90 03 00 02 00");
    let shell = Tool::subscribe(&broker)
        .args(["-t", "lamp/state", "-C", "1"])
        .start_subscribed();
    let _ = Tool::publish(&broker)
        .args(["-t", "lamp/set", "-m", "on"])
        .run()
        .succeeded();
    device.expect_hex("30 0c 00 08 6c 61 6d 70 2f 73 65 74 6f 6e");
    device.send(&publish("lamp/state", b"on", None));
    assert_eq!(shell.finish().succeeded().text(), "on\n");
    device.send(&ping());
    device.expect_hex("d0 00");
}

#[test]
fn step_6_with_a_password_file_only_who_knows_a_password_comes_in() {
    let broker = broker_with_passwords();
    let try_as = |credentials: &[&str]| {
        Tool::publish(&broker)
            .args(["-t", "hello", "-m", "world"])
            .args(credentials)
            .run()
    };
    let _ = try_as(&["-u", "alice", "-P", "wonderland"]).succeeded();
    let _ = try_as(&["-u", "bob", "-P", "builder"]).succeeded();
    let _ = try_as(&["-u", "alice", "-P", "looking-glass"]).failed(5, REFUSED);
    let _ = try_as(&["-u", "alice"]).failed(5, REFUSED);
    let _ = try_as(&["-u", "mallory", "-P", "wonderland"]).failed(5, REFUSED);
    let _ = try_as(&[]).failed(5, REFUSED);
    let _ =
        try_as(&["-V", "5", "-u", "bob", "-P", ""]).failed(135, "Connection error: Not authorized");
}

#[test]
fn step_7_a_new_user_comes_in_after_hup() {
    let broker = broker_with_passwords();
    set_password(&broker, "carol", "christmas");
    let carol = || {
        let words = [
            "-t",
            "hello",
            "-m",
            "world",
            "-u",
            "carol",
            "-P",
            "christmas",
        ];
        Tool::publish(&broker).args(words).run()
    };
    let _ = carol().failed(5, REFUSED);
    broker.reload();
    // The line is written before the file has been read: the next clients may still be turned away.
    mqtt_tests::wait_until("carol comes in", || (carol().code == Some(0)).then_some(()));
}

#[test]
fn step_8_a_deleted_user_is_thrown_out_by_hup_and_the_others_stay() {
    let broker = broker_with_passwords();
    let listen = |name: &str, password: &str| {
        let words = ["-t", "hello", "-u", name, "-P", password, "-C", "1"];
        Tool::subscribe(&broker).args(words).start_subscribed()
    };
    let (alice, bob) = (listen("alice", "wonderland"), listen("bob", "builder"));
    let _ = Tool::passwd()
        .arg("-D")
        .arg(broker.path("passwords"))
        .arg("alice")
        .run()
        .succeeded();
    broker.reload();
    // She is disconnected, comes back by herself, and is told that she may not.
    let _ = alice.finish().failed(5, REFUSED);
    let words = [
        "-t",
        "hello",
        "-m",
        "still here",
        "-u",
        "bob",
        "-P",
        "builder",
    ];
    let _ = Tool::publish(&broker).args(words).run().succeeded();
    assert_eq!(bob.finish().succeeded().text(), "still here\n");
}

#[test]
fn step_9_hup_throws_out_who_has_no_name_when_names_are_asked_for() {
    let broker = Broker::start("allow_anonymous true");
    let mut device = Wire::greeted(&broker, &connect(Level::V4, "esp8266-lamp"));
    broker.rewrite_config("allow_anonymous false");
    broker.reload();
    device.expect_closed();
    let _ = Tool::publish(&broker)
        .args(["-t", "hello", "-n"])
        .run()
        .failed(5, REFUSED);
}

#[test]
fn step_10_a_changed_password_counts_after_hup() {
    let broker = broker_with_passwords();
    set_password(&broker, "bob", "plumber");
    broker.reload();
    let bob = |password: &str| {
        Tool::publish(&broker)
            .args(["-t", "hello", "-n", "-u", "bob", "-P", password])
            .run()
    };
    mqtt_tests::wait_until("bob's new password counts", || {
        (bob("plumber").code == Some(0)).then_some(())
    });
    let _ = bob("builder").failed(5, REFUSED);
}

#[test]
fn step_11_the_log_tells_who_came_and_went() {
    let broker = broker_with_passwords();
    let words = [
        "-i",
        "watcher",
        "-u",
        "alice",
        "-P",
        "wonderland",
        "-t",
        "hello",
        "-n",
    ];
    let _ = Tool::publish(&broker).args(words).run().succeeded();
    broker.wait_for_log("New connection from 127.0.0.1:");
    let line = broker.wait_for_log("New client connected from 127.0.0.1:");
    assert!(
        line.ends_with(" as watcher (p4, c1, k60, u'alice')."),
        "{line}"
    );
    let line = broker.wait_for_log("Client watcher [127.0.0.1:");
    assert!(line.ends_with("] disconnected."), "{line}");
    assert!(
        !broker.log().contains("wonderland"),
        "a password never reaches the log"
    );
}

#[test]
fn step_12_term_and_int_end_the_broker_with_0() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut broker = Broker::start("allow_anonymous true\npid_file {folder}/pid");
        let pid = std::fs::read_to_string(broker.path("pid")).expect("a pid file");
        assert_eq!(pid.trim(), broker.process_id().to_string());
        broker.signal(signal);
        assert_eq!(broker.wait_for_exit(), Some(0));
        let log = broker.log();
        assert!(
            log.lines().any(|line| line.ends_with(" terminating")),
            "{log}"
        );
        assert!(!broker.path("pid").exists(), "the pid file is removed");
    }
}
