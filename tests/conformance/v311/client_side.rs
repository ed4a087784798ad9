//! The client's rules: `mqtt-pub` and `mqtt-sub` before a server that a test plays by hand.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use mqtt_tests::{Deadline, PATIENCE, Program, Running, Tool};

use super::packet_bytes::{
    ACCEPTED, DISCONNECT, PINGREQ, puback, pubcomp, publish0, publish1, publish2, pubrec, pubrel,
    suback, subscribe,
};

/// A server of one client.
struct Server(TcpStream);

impl Server {
    /// Starts the program with these words, and lets it in after its CONNECT.
    fn of(program: Program, words: &[&str], input: &str) -> (Self, Running) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("a bound socket").port();
        let tool = Tool::new(program.path())
            .args(["-h", "127.0.0.1", "-V", "mqttv311", "-i", "client", "-p"])
            .arg(port.to_string());
        let tool = tool.args(words).stdin(input).start();
        let (stream, _) = listener.accept().expect("the client comes");
        let patience = stream.set_read_timeout(Some(PATIENCE));
        patience.expect("a socket takes a time-out");
        let mut server = Self(stream);
        // [MQTT-3.1.0-1] CONNECT is the first packet.
        server.expect(b"\x10\x12\x00\x04MQTT\x04");
        let _flags: [u8; 1] = server.take();
        let keep_alive = words.iter().skip_while(|word| **word != "-k").nth(1);
        let keep_alive: u16 = keep_alive.map_or(60, |word| word.parse().expect("a number"));
        server.expect(keep_alive.to_be_bytes());
        server.expect(b"\x00\x06client");
        server.send(ACCEPTED);
        (server, tool)
    }

    /// `mqtt-sub` with these words, subscribed to the topic `a`.
    fn of_subscriber(words: &[&str]) -> (Self, Running) {
        let words = [&["-t", "a", "-q", "2"], words].concat();
        let (mut server, tool) = Self::of(Program::Sub, &words, "");
        server.expect(subscribe(1, &[("a", 2)]));
        server.send(suback(1, &[2]));
        (server, tool)
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = self.0.write_all(bytes.as_ref());
        sent.expect("the client is there");
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        let read = self.0.read_exact(&mut bytes);
        read.expect("the client says more");
        bytes
    }

    #[track_caller]
    fn expect(&mut self, bytes: impl AsRef<[u8]>) {
        let expected = bytes.as_ref();
        let mut got = vec![0; expected.len()];
        let read = self.0.read_exact(&mut got);
        read.expect("the client says more");
        assert_eq!(got, expected, "{got:02x?} for {expected:02x?}");
    }
}

/// [MQTT-2.3.1-2] Messages under way at a time have different packet ids.
#[test]
fn v311_2_3_1_2() {
    let words = ["-t", "a", "-q", "1", "-l"];
    let (mut server, _tool) = Server::of(Program::Pub, &words, "x\ny\nz\n");
    let mut ids = BTreeSet::new();
    for text in ["x", "y", "z"] {
        server.expect([0x32, 6, 0, 1, b'a']);
        ids.insert(u16::from_be_bytes(server.take()));
        server.expect(text);
    }
    assert!(ids.len() == 3 && !ids.contains(&0), "{ids:?}");
}

/// [MQTT-3.1.2-23] A client that has nothing to say sends PINGREQ before the keep alive is over.
#[test]
fn v311_3_1_2_23() {
    let (mut server, _tool) = Server::of_subscriber(&["-k", "5"]);
    let silent = Deadline::start();
    server.expect(PINGREQ);
    let silence = silent.elapsed();
    assert!(silence <= Duration::from_secs(5), "{silence:?}");
}

/// [MQTT-3.14.4-1] After DISCONNECT the client closes the connection, and says nothing between.
#[test]
fn v311_3_14_4_1() {
    let words = ["-t", "a", "-m", "x"];
    let (mut server, tool) = Server::of(Program::Pub, &words, "");
    server.expect(publish0("a", "x"));
    server.expect(DISCONNECT);
    let mut rest = Vec::new();
    let read = server.0.read_to_end(&mut rest);
    assert!(read.is_ok() && rest.is_empty(), "{read:?} {rest:02x?}");
    let _ = tool.finish().succeeded();
}

/// [MQTT-4.5.0-2] A client acknowledges what it is sent, also where it has not asked for it.
#[test]
fn v311_4_5_0_2() {
    let (mut server, _tool) = Server::of_subscriber(&[]);
    server.send(publish1(9, "b", "x"));
    server.expect(puback(9));
    server.send(publish2(9, "b", "x"));
    server.expect(pubrec(9));
    server.send(pubrel(9));
    server.expect(pubcomp(9));
}

/// [MQTT-4.6.0-2] PUBACKs in the order of the messages.
#[test]
fn v311_4_6_0_2() {
    let (mut server, _tool) = Server::of_subscriber(&[]);
    let ids = [5, 3, 0xffff, 1, 2];
    server.send(ids.map(|id| publish1(id, "a", "x")).concat());
    server.expect(ids.map(puback).concat());
}

/// [MQTT-4.6.0-3] PUBRECs in the order of the messages.
#[test]
fn v311_4_6_0_3() {
    let (mut server, _tool) = Server::of_subscriber(&[]);
    let ids = [5, 3, 0xffff, 1, 2];
    server.send(ids.map(|id| publish2(id, "a", "x")).concat());
    server.expect(ids.map(pubrec).concat());
    server.send(ids.map(pubrel).concat());
    server.expect(ids.map(pubcomp).concat());
}

/// [MQTT-3.1.3-7] Without a client id there is no session to keep: it is refused before anything is
/// sent.
#[test]
fn v311_3_1_3_7() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = listener.local_addr().expect("a bound socket").port();
    let outcome = Tool::new(Program::Sub.path())
        .args(["-h", "127.0.0.1", "-V", "mqttv311", "-t", "a", "-c", "-p"])
        .arg(port.to_string())
        .run();
    assert_eq!(outcome.code, Some(1), "{outcome}");
    listener.set_nonblocking(true).expect("a socket of our own");
    assert!(listener.accept().is_err(), "nobody came");
}
