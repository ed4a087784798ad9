//! `mqtt-sub` and `mosquitto_sub` side by side: same words, same output, same exit code.

#[path = "../../mqtt-cli/tests/original/mod.rs"]
mod original;

use std::io::{BufRead, BufReader, Write};

use original::{Broker, Scripted, accept, connack, finish, free_port, read_packet, run, start};

const OURS: &str = env!("CARGO_BIN_EXE_mqtt-sub");
const ORIGINAL: &str = "mosquitto_sub";

fn publish(broker: &Broker, words: &[&str]) {
    let ran = broker.run("mosquitto_pub", words);
    assert_eq!(ran.exit_code, Some(0), "{ran:?}");
}

#[test]
fn messages_look_the_same_in_every_format() {
    let Some(broker) = Broker::start("allow_anonymous true") else {
        return;
    };
    publish(&broker, &["-r", "-t", "text", "-m", "hello", "-q", "1"]);
    publish(&broker, &["-r", "-t", "聊天", "-m", "你好"]);
    let rich = "-V 5 -r -t rich -m hello -D publish content-type text/plain \
                -D publish correlation-data c1 -D publish response-topic answer \
                -D publish payload-format-indicator 1 -D publish user-property a 1 \
                -D publish user-property b 2";
    publish(&broker, &rich.split_ascii_whitespace().collect::<Vec<_>>());
    for (topic, format) in [
        ("text", vec![]),
        ("聊天", vec!["-v"]),
        ("text", vec!["-N"]),
        ("text", vec!["-v", "-N"]),
        ("聊天", vec!["-F", "%t|%p|%l|%q|%r|%m|%x|%X"]),
        ("text", vec!["-q", "1", "-F", "%q %m %r"]),
        ("text", vec!["-F", "[%10t][%-10t][%2t][%.2t][%10.2t]"]),
        ("text", vec!["-F", "[%10p][%-10p][%3p][%010p]"]),
        ("text", vec!["-F", "[%6l][%-6l][%06l][%06m]"]),
        ("text", vec!["-F", r"a\tb\\c\ed\n%%@@"]),
        ("text", vec!["-F", "[%5A][%05E][%-5S][%5C][%D][%P][%R]"]),
        (
            "rich",
            vec!["-V", "5", "-F", "%C|%D|%F|%R|%P|%12C|%.4C|%-12R|%03F"],
        ),
        ("rich", vec!["-V", "5", "-v"]),
        ("text", vec!["-F", ""]),
        ("text", vec!["-F", "%J", "-N"]),
    ] {
        let words = [&["-t", topic, "-C", "1"], &format[..]].concat();
        let (ours, theirs) = (broker.run(OURS, &words), broker.run(ORIGINAL, &words));
        assert_eq!(ours, theirs, "{words:?}");
    }
}

#[test]
fn json_has_the_members_of_the_original() {
    let Some(broker) = Broker::start("allow_anonymous true") else {
        return;
    };
    publish(
        &broker,
        &[
            "-r",
            "-t",
            "json",
            "-m",
            "{\"b\": 1.50, \"a\": [1e3, \"\\u00e9\"]}",
        ],
    );
    // 2.0 writes its time with a stray Z, and the flag as a number.
    let alike = |text: &str| {
        let (head, rest) = text.split_once("\"topic\"").unwrap();
        assert!(head.starts_with("{\"tst\":\"20"), "{text}");
        rest.replace("\"retain\":true", "\"retain\":1")
    };
    for format in ["%j", "%J"] {
        let words = ["-t", "json", "-C", "1", "-F", format];
        let (ours, theirs) = (broker.run(OURS, &words), broker.run(ORIGINAL, &words));
        assert_eq!(alike(&ours.stdout), alike(&theirs.stdout));
    }
}

#[test]
fn runs_end_with_the_same_code_and_words() {
    let Some(broker) = Broker::start("allow_anonymous true") else {
        return;
    };
    publish(&broker, &["-r", "-t", "kept", "-m", "x"]);
    for words in [
        "-t kept -E",
        "-t kept -W 1",
        "-t kept -R -W 1 -v",
        "-t kept --retained-only -C 1",
        "-t kept -T ke/# -C 1 -v",
        "-t kept -T kept -W 1",
        "-t kept -U kept -C 1",
        "-t kept -V 5 -x 10 -i me -C 1",
        "-t kept -P secret",
        "-t kept -i mine -c -C 1 -q 1",
    ] {
        let words: Vec<_> = words.split(' ').collect();
        let (ours, theirs) = (broker.run(OURS, &words), broker.run(ORIGINAL, &words));
        assert_eq!(ours, theirs, "{words:?}");
    }
    let nobody = free_port().to_string();
    for words in [
        vec!["-t", "a", "-h", "127.0.0.1", "-p", &nobody],
        vec!["-t", "a", "--unix", "/nonexistent"],
        vec!["-t", "a", "--quiet", "-h", "127.0.0.1", "-p", &nobody],
    ] {
        assert_eq!(
            run(OURS, &words, b""),
            run(ORIGINAL, &words, b""),
            "{words:?}"
        );
    }
}

#[test]
fn a_refused_connection_ends_with_the_code_of_the_broker() {
    let Some(broker) = Broker::start("allow_anonymous false") else {
        return;
    };
    for words in [["-t", "a", "-V", "311"], ["-t", "a", "-V", "5"]] {
        let (ours, theirs) = (broker.run(OURS, &words), broker.run(ORIGINAL, &words));
        assert_eq!(ours.exit_code, theirs.exit_code, "{words:?}");
        // 2.0 ends the line with a full stop, 2.1 does not.
        assert_eq!(
            ours.stderr.trim_end(),
            theirs.stderr.trim_end().trim_end_matches('.')
        );
        assert!(ours.stderr.starts_with("Connection error: "), "{ours:?}");
    }
}

#[test]
fn denied_subscriptions_end_with_0_unless_strict() {
    let denied = || {
        Scripted::start(|listener| {
            let mut stream = accept(listener, &connack(false, 0));
            let subscribe = read_packet(&mut stream).unwrap();
            stream
                .write_all(&[0x90, 3, subscribe[2], subscribe[3], 0x80])
                .unwrap();
            read_packet(&mut stream)
        })
    };
    let (ours, last_packet) = denied().run(OURS, &["-t", "a"], b"");
    assert_eq!(last_packet, Some(vec![0xE0, 0]), "DISCONNECT comes last");
    assert_eq!(ours.exit_code, Some(0));
    assert_eq!(ours.stderr, "All subscription requests were denied.\n");
    if original::is_installed() {
        assert_eq!(denied().run(ORIGINAL, &["-t", "a"], b"").0, ours);
    }
    let (strict, _) = denied().run(OURS, &["-t", "a", "--strict"], b"");
    assert_eq!(strict.exit_code, Some(128));
}

#[test]
fn a_lost_connection_is_made_again_and_subscribed_again() {
    let server = Scripted::start(|listener| {
        let mut stream = accept(listener, &connack(false, 0));
        read_packet(&mut stream).expect("SUBSCRIBE");
        drop(stream);
        let mut stream = accept(listener, &connack(false, 0));
        let subscribe = read_packet(&mut stream).unwrap();
        stream
            .write_all(&[0x90, 3, subscribe[2], subscribe[3], 0])
            .unwrap();
        stream.write_all(b"\x30\x05\x00\x01ahi").unwrap();
        read_packet(&mut stream)
    });
    let (ran, last_packet) = server.run(OURS, &["-t", "a", "-C", "1"], b"");
    assert_eq!(
        (ran.stdout.as_str(), ran.exit_code),
        ("hi\n", Some(0)),
        "{ran:?}"
    );
    assert_eq!(ran.stderr, "");
    assert_eq!(last_packet, Some(vec![0xE0, 0]));
}

#[test]
fn cleared_messages_are_gone_when_the_program_ends() {
    let Some(broker) = Broker::start("allow_anonymous true") else {
        return;
    };
    for topic in ["old/1", "old/2", "old/3"] {
        publish(&broker, &["-r", "-t", topic, "-m", "x"]);
    }
    let ran = broker.run(OURS, &["-t", "old/#", "--remove-retained", "-C", "3", "-v"]);
    assert_eq!(
        (ran.stdout.lines().count(), ran.exit_code),
        (3, Some(0)),
        "{ran:?}"
    );
    let ran = broker.run(ORIGINAL, &["-t", "old/#", "-W", "1"]);
    assert_eq!((ran.stdout.as_str(), ran.exit_code), ("", Some(27)));
}

#[test]
fn every_message_is_seen_before_the_next_is_waited_for() {
    let Some(broker) = Broker::start("allow_anonymous true") else {
        return;
    };
    let ready = broker.folder.path().join("ready");
    let port = broker.port.to_string();
    let mut child = start(
        OURS,
        &[
            "-p",
            &port,
            "-h",
            "127.0.0.1",
            "-t",
            "a",
            "--ready-file",
            ready.to_str().unwrap(),
        ],
    );
    while !ready.exists() {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before it was ready"
        );
        std::thread::yield_now();
    }
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for payload in ["one", "two"] {
        publish(&broker, &["-t", "a", "-m", payload]);
        assert_eq!(lines.next().unwrap().unwrap(), payload);
    }
    let id = child.id().to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(finish(child).exit_code, Some(0));
}

#[test]
fn a_reader_that_goes_away_ends_the_program_quietly() {
    let Some(broker) = Broker::start("allow_anonymous true") else {
        return;
    };
    let ready = broker.folder.path().join("ready");
    let port = broker.port.to_string();
    let mut child = start(
        OURS,
        &[
            "-p",
            &port,
            "-h",
            "127.0.0.1",
            "-t",
            "a",
            "--ready-file",
            ready.to_str().unwrap(),
        ],
    );
    drop(child.stdout.take());
    while !ready.exists() {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before it was ready"
        );
        std::thread::yield_now();
    }
    publish(&broker, &["-t", "a", "-m", "x"]);
    let ran = finish(child);
    assert_eq!((ran.exit_code, ran.stderr.as_str()), (Some(0), ""));
}

#[test]
fn nothing_is_connected_by_the_wait_for_connack() {
    let silent = || {
        Scripted::start(|listener| {
            let mut stream = accept(listener, b"");
            read_packet(&mut stream)
        })
    };
    let (ran, _) = silent().run(OURS, &["-t", "a", "-W", "1"], b"");
    assert_eq!((ran.exit_code, ran.stderr.as_str()), (Some(255), ""));
    let (ran, _) = silent().run(OURS, &["-t", "a", "--connect-timeout", "0.2"], b"");
    assert_eq!(
        (ran.exit_code, ran.stderr.as_str()),
        (Some(19), "Error: Keepalive exceeded\n")
    );
}

#[test]
fn packets_are_traced_as_the_original_does() {
    let Some(broker) = Broker::start("allow_anonymous true") else {
        return;
    };
    publish(&broker, &["-r", "-t", "a", "-m", "hi", "-q", "2"]);
    let words = ["-d", "-i", "me", "-t", "a", "-q", "2", "-C", "1", "-U", "b"];
    let (ours, theirs) = (broker.run(OURS, &words), broker.run(ORIGINAL, &words));
    // When an answer comes in between is up to the broker.
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&ours.stdout), sorted(&theirs.stdout));
}
