//! `mqtt-pub` and `mosquitto_pub` side by side: same words, same messages, same exit code.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may end like that"
)]

#[path = "../../mqtt-cli/tests/original/mod.rs"]
mod original;

use std::io::Write;
use std::net::TcpStream;

use original::{Broker, Ran, Scripted, accept, connack, free_port, read_packet, run};

const OURS: &str = env!("CARGO_BIN_EXE_mqtt-pub");
const ORIGINAL: &str = "mosquitto_pub";

/// What a subscriber with a kept session gets of a run that publishes so many messages, and the run.
fn received(
    broker: &Broker,
    (program, words, input): (&str, &[&str], &str),
    count: usize,
) -> (String, Ran) {
    let subscribe = ["-c", "-i", "keeper", "-t", "#", "-q", "2", "-V", "5"];
    let ran = broker.run("mosquitto_sub", &[&subscribe[..], &["-E"]].concat());
    assert_eq!(ran.exit_code, Some(0), "{ran:?}");
    let port = broker.port.to_string();
    let ran = run(
        program,
        &[&["-h", "127.0.0.1", "-p", &port], words].concat(),
        input.as_bytes(),
    );
    // The last message says that all were seen.
    broker.run(ORIGINAL, &["-t", "end", "-m", "", "-q", "2"]);
    let count = (count + 1).to_string();
    let format = ["-F", "%t %q %r %l %x %C %P", "-C", &count];
    let messages = broker.run("mosquitto_sub", &[&subscribe[..], &format].concat());
    (messages.stdout, ran)
}

#[test]
fn the_same_messages_arrive() {
    let Some(broker) = Broker::start("allow_anonymous true") else {
        return;
    };
    let file = broker.folder.path().join("payload");
    std::fs::write(&file, b"from\0a file\n").unwrap();
    let from_file = &format!("-t a -q 1 -f {}", file.display());
    for (words, input, count) in [
        ("-t a -m hello -q 1", "", 1),
        ("-t 聊天/室 -m 你好 -q 2", "", 1),
        ("-t a -m -5 -q 1 -V 31", "", 1),
        ("-t a -n -q 1", "", 1),
        ("-q 1 -t a -m ", "", 1),
        (from_file, "", 1),
        ("-t a -s -q 1", "two\nlines\n", 1),
        ("-t a -l -q 2", "one\r\n\ntwo\nlast", 4),
        ("-t a -l -q 1", "", 0),
        ("-t a -m x -q 1 --repeat 3 --repeat-delay 0.01", "", 3),
        ("-t a -m x -q 1 -V 5 -D publish content-type t/p", "", 1),
        ("-t a -l -q 1 -D publish topic-alias 1", "x\ny\n", 2),
        ("-t a -m x -q 1 -D publish user-property k v", "", 1),
    ] {
        // Two blanks in a row, or one at the end, are an empty word.
        let words: Vec<_> = words.split(' ').collect();
        let ours = received(&broker, (OURS, &words, input), count);
        let theirs = received(&broker, (ORIGINAL, &words, input), count);
        assert_eq!(ours, theirs, "{words:?}");
        assert_eq!(ours.1.exit_code, Some(0), "{words:?}");
    }
}

#[test]
fn mistakes_end_with_the_same_code_and_first_line() {
    if !original::is_installed() {
        return;
    }
    for words in [
        "-t",
        "-m x",
        "-t a",
        "-t a+ -m x",
        "-n -m x",
        "-p 70000",
        "-q 3",
        "-k 4",
        "-M 0",
        "-V 7",
        "-x y",
        "-c",
        "-c -V 5",
        "-i a -I b",
        "--repeat 0",
        "--repeat-delay -1",
        "--nonsense",
        "--will-topic a+",
        "--will-payload x",
        "--will-retain",
        "--will-qos 3",
        "-D publish",
        "-D publish receive-maximum 1",
        "-D publish payload-format-indicator 300",
        "-D puback user-property a b",
        "-L mqtt://x",
        "-t a -m x -P y",
        "-t a -s",
        "-D subscribe subscription-identifier 268435456",
    ] {
        let words: Vec<_> = words.split(' ').collect();
        let (ours, theirs) = (run(OURS, &words, b""), run(ORIGINAL, &words, b""));
        assert_eq!(ours.first_error(), theirs.first_error(), "{words:?}");
        assert_eq!(ours.exit_code, theirs.exit_code, "{words:?}");
    }
    let nobody = free_port().to_string();
    for words in [
        vec!["-t", "a", "-m", "x", "-h", "127.0.0.1", "-p", &nobody],
        vec!["-t", "a", "-m", "x", "--unix", "/nonexistent"],
        vec!["-t", "a", "-m", "x", "-i", ""],
        vec!["-t", "a", "-m", "x", "-i", "", "--quiet"],
    ] {
        assert_eq!(
            run(OURS, &words, b""),
            run(ORIGINAL, &words, b""),
            "{words:?}"
        );
    }
}

#[test]
fn help_and_version_go_to_standard_output_with_code_1() {
    for words in [["--help"], ["--version"]] {
        let ran = run(OURS, &words, b"");
        assert_eq!((ran.exit_code, ran.stderr.as_str()), (Some(1), ""));
        assert!(ran.stdout.starts_with("mqtt-pub "), "{ran:?}");
    }
    let ran = run(OURS, &["-t", "a"], b"");
    assert!(ran.stdout.contains("Usage: mqtt-pub "), "{ran:?}");
}

#[test]
fn refusals_of_the_broker_become_the_exit_code() {
    for (version, is_v5, code, text) in [
        (
            "311",
            false,
            5,
            "Connection error: Connection Refused: not authorised\nError: The connection was refused\n",
        ),
        (
            "5",
            true,
            135,
            "Connection error: Not authorized\nError: A network protocol error occurred when communicating with the broker\n",
        ),
    ] {
        let server = Scripted::start(move |listener| {
            let mut stream = accept(listener, &connack(is_v5, code));
            read_packet(&mut stream)
        });
        let (ran, _) = server.run(OURS, &["-t", "a", "-m", "x", "-V", version], b"");
        assert_eq!(
            (ran.exit_code, ran.stderr.as_str()),
            (Some(i32::from(code)), text)
        );
    }
}

#[test]
fn a_refused_message_is_a_warning_unless_strict() {
    let refusing = || {
        Scripted::start(|listener| {
            let mut stream = accept(listener, &connack(true, 0));
            read_packet(&mut stream).expect("PUBLISH");
            stream.write_all(&[0x40, 3, 0, 1, 0x87]).unwrap();
            read_packet(&mut stream)
        })
    };
    let words = ["-t", "a", "-m", "x", "-q", "1", "-V", "5"];
    let (ran, last_packet) = refusing().run(OURS, &words, b"");
    assert_eq!(ran.exit_code, Some(0));
    assert_eq!(ran.stderr, "Warning: Publish 1 failed: Not authorized.\n");
    assert_eq!(last_packet, Some(vec![0xE0, 0]), "DISCONNECT comes last");
    let (ran, _) = refusing().run(OURS, &[&words[..], &["--strict", "--quiet"]].concat(), b"");
    assert_eq!((ran.exit_code, ran.stderr.as_str()), (Some(135), ""));
}

#[test]
fn a_connection_that_breaks_ends_the_program() {
    for (version, farewell, exit_code, text) in [
        ("311", &[][..], 7, "Error: The connection was lost\n"),
        (
            "5",
            &[0xE0, 1, 0x8B],
            4,
            "Error: The client is not currently connected\n",
        ),
        ("5", &[0xF5, 0], 21, "Error: Malformed packet\n"),
    ] {
        let server = Scripted::start(move |listener| {
            let mut stream = accept(listener, &connack(version == "5", 0));
            read_packet(&mut stream).expect("PUBLISH");
            stream.write_all(farewell).unwrap();
        });
        let (ran, ()) = server.run(OURS, &["-t", "a", "-m", "x", "-q", "1", "-V", version], b"");
        assert_eq!(
            (ran.exit_code, ran.stderr.as_str()),
            (Some(exit_code), text)
        );
    }
}

/// Answers PUBLISH packets at QoS 1 until the stream ends or `most` were read.
fn acknowledge(stream: &mut TcpStream, most: usize) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    while payloads.len() < most {
        match read_packet(stream) {
            // One byte of topic; the payload follows the packet identifier.
            Some(packet) if packet[0] & 0xF0 == 0x30 => {
                stream.write_all(&[0x40, 2, packet[5], packet[6]]).unwrap();
                payloads.push(packet[7..].to_vec());
            }
            _ => break,
        }
    }
    payloads
}

#[test]
fn lines_are_acknowledged_to_the_last_over_a_lost_connection() {
    let server = Scripted::start(|listener| {
        let mut stream = accept(listener, &connack(false, 0));
        let mut payloads = acknowledge(&mut stream, 10);
        drop(stream);
        let mut stream = accept(listener, &connack(false, 0));
        payloads.extend(acknowledge(&mut stream, usize::MAX));
        payloads
    });
    let input: String = (0..100).map(|number| format!("{number}\n")).collect();
    let (ran, payloads) = server.run(OURS, &["-t", "a", "-l", "-q", "1"], input.as_bytes());
    assert_eq!((ran.exit_code, ran.stderr.as_str()), (Some(0), ""));
    let mut numbers: Vec<u32> = payloads
        .iter()
        .map(|payload| String::from_utf8_lossy(payload).parse().unwrap())
        .collect();
    // Answers that were lost with the connection make the client send again.
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
}

#[test]
fn a_time_limit_ends_what_is_never_acknowledged() {
    let server = Scripted::start(|listener| {
        let mut stream = accept(listener, &connack(false, 0));
        while read_packet(&mut stream).is_some_and(|packet| packet[0] != 0xE0) {}
    });
    let words = ["-t", "a", "-l", "-q", "1", "--max-time", "0.3"];
    let (ran, ()) = server.run(OURS, &words, b"x\ny\n");
    assert_eq!(ran.exit_code, Some(27));
    assert_eq!(
        ran.stderr,
        "Timed out\nError: 2 messages were not acknowledged.\n"
    );
}

#[test]
fn packets_are_traced_as_the_original_does() {
    let Some(broker) = Broker::start("allow_anonymous true") else {
        return;
    };
    for qos in ["0", "1", "2"] {
        let words = ["-d", "-i", "me", "-t", "a", "-m", "hi", "-q", qos, "-r"];
        let (ours, theirs) = (broker.run(OURS, &words), broker.run(ORIGINAL, &words));
        assert_eq!(ours, theirs);
    }
}
