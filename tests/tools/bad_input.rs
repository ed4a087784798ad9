//! Bytes that no client should send: the sender is closed, told once in the log, nobody else suffers.

use std::net::TcpStream;

use mqtt_tests::{
    Broker, Deadline, Level, Setup, Tool, Wire, bytes_of_hex, connect, ping, wait_until,
};

/// A client that was there before and must not notice anything.
struct Bystander(Wire);

impl Bystander {
    fn new(broker: &Broker) -> Self {
        Self(Wire::greeted(broker, &connect(Level::V4, "bystander")))
    }

    fn is_served(&mut self) {
        self.0.send(&ping());
        self.0.expect_hex("d0 00");
    }
}

#[test]
fn whatever_comes_first_and_is_no_connect_closes_the_connection() {
    let broker = Broker::start("allow_anonymous true");
    let mut bystander = Bystander::new(&broker);
    let tls_hello = [
        0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03,
    ];
    let zeros = [0; 64];
    let ones = [0xff; 64];
    let second: Vec<u8> = ping();
    for bytes in [
        b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n".as_slice(),
        b"SSH-2.0-OpenSSH_9.9\r\n",
        &tls_hello,
        &zeros,
        &ones,
        &second,
        b"\x10\xff\xff\xff\x7f",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
    ] {
        let mut wire = Wire::open(&broker);
        wire.send(bytes);
        wire.expect_closed();
        bystander.is_served();
    }
}

#[test]
fn a_second_connect_closes_the_connection() {
    let broker = Broker::start("allow_anonymous true");
    for level in [Level::V3, Level::V4] {
        let mut wire = Wire::greeted(&broker, &connect(level, "twice"));
        wire.send(&connect(level, "twice"));
        wire.expect_closed();
    }
    let mut wire = Wire::greeted(&broker, &connect(Level::V5, "twice"));
    wire.send(&connect(Level::V5, "twice"));
    let rest = wire.rest();
    let told = rest
        .iter()
        .all(|packet| packet.is_type(14) && packet.byte(0) == Some(0x82));
    assert!(told, "DISCONNECT 0x82 or nothing: {rest:02x?}");
    broker.wait_for_log("sending multiple CONNECT messages.");
}

#[test]
fn any_bytes_at_all_leave_the_broker_standing() {
    let broker = Broker::start("allow_anonymous true");
    let mut bystander = Bystander::new(&broker);
    // A small generator of its own (xorshift): the same bytes in each run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()
    };
    for round in 0..300 {
        let level = [Level::V3, Level::V4, Level::V5][round % 3];
        let mut wire = Wire::greeted(&broker, &connect(level, "noise"));
        let noise: Vec<u8> = (0..8).flat_map(|_| next()).collect();
        wire.send(&noise);
        wire.hang_up();
        // Every answer is a whole packet, and the connection ends.
        wire.rest();
    }
    bystander.is_served();
}

/// The other client is served between any two of the bytes, so nothing waits for the rest of a packet;
/// a wait in the middle costs no work.
#[test]
fn a_client_that_sends_one_byte_at_a_time_is_served_and_delays_nobody() {
    let broker = Broker::start("allow_anonymous true\nshards 1");
    let mut bystander = Bystander::new(&broker);
    for (level, subscribe, suback, publish) in [
        (
            Level::V4,
            "82 06 00 07 00 01 74 01",
            "90 03 00 07 01",
            "32 09 00 01 74 00 09",
        ),
        (
            Level::V5,
            "82 07 00 07 00 00 01 74 01",
            "90 04 00 07 00 01",
            "32 0a 00 01 74 00 09 00",
        ),
    ] {
        let mut slow = Wire::open(&broker);
        let mut drip = |slow: &mut Wire, bytes: &[u8]| {
            for byte in bytes {
                slow.send(&[*byte]);
                bystander.is_served();
            }
        };
        drip(&mut slow, &connect(level, "slow"));
        let connack = slow.packet().expect("an answer to CONNECT");
        assert!(connack.is_type(2) && connack.byte(1) == Some(0));
        drip(&mut slow, &bytes_of_hex(subscribe));
        slow.expect_hex(suback);

        let message = bytes_of_hex(&format!("{publish} 73 6c 6f 77"));
        let (front, back) = message.split_at(5);
        drip(&mut slow, front);
        let busy_before = processor_ticks(&broker);
        std::thread::sleep(std::time::Duration::from_secs(1));
        let busy = processor_ticks(&broker) - busy_before;
        assert!(
            busy < 50,
            "{busy} hundredths of a second of work for nothing"
        );
        drip(&mut slow, back);
        let came = [slow.packet(), slow.packet()].map(|packet| packet.expect("PUBACK, PUBLISH"));
        assert!(came.iter().any(|packet| packet.is_type(4)), "{came:02x?}");
        let back = came.iter().find(|packet| packet.is_type(3));
        let back = back.expect("its message, as it subscribed to it");
        assert!(back.body.ends_with(b"slow"), "{back:02x?}");
        assert_eq!(back.body.len(), message.len() - 2);
    }
}

#[test]
fn who_does_not_finish_a_connect_is_closed_in_time() {
    let broker = Broker::start("allow_anonymous true");
    let mut silent = Wire::open(&broker);
    let mut stopped = Wire::open(&broker);
    stopped.send(&connect(Level::V5, "stopped")[..12]);
    let mut slow = Wire::open(&broker);
    let mut reader = slow.split();
    let hello = connect(Level::V4, &"slow".repeat(200));
    let started = Deadline::start();
    std::thread::spawn(move || {
        for byte in hello {
            slow.send(&[byte]);
            // A byte a moment, as such clients do: the pause is what is tested, not waited for.
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
    });
    silent.expect_closed();
    stopped.expect_closed();
    reader.expect_closed();
    assert!(started.elapsed().as_secs() <= 45, "{:?}", started.elapsed());
}

#[test]
fn more_connections_than_descriptors_are_shed_without_spinning() {
    let limited = "ulimit -n 100; exec \"$0\" \"$@\"";
    let program = mqtt_tests::Program::Broker.path().into_os_string();
    let setup = Setup::new().launcher(["sh".into(), "-c".into(), limited.into(), program]);
    let broker = setup.listening("allow_anonymous true").start();
    let mut bystander = Bystander::new(&broker);
    let flood: Vec<TcpStream> = (0..300)
        .map(|_| TcpStream::connect(broker.address()).expect("a connection"))
        .collect();
    bystander.is_served();

    let busy_before = processor_ticks(&broker);
    let watched = Deadline::after(std::time::Duration::from_secs(2));
    while !watched.is_over() {
        bystander.is_served();
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let busy = processor_ticks(&broker) - busy_before;
    assert!(
        busy < 100,
        "{busy} hundredths of a second of work in two seconds without any"
    );

    drop(flood);
    wait_until("a newcomer is served again", || {
        let tool = Tool::publish(&broker).args(["-t", "a", "-n"]);
        (tool.run().code == Some(0)).then_some(())
    });
}

/// Hundredths of a second of processor time, all threads together (Linux: fields 14 and 15).
fn processor_ticks(broker: &Broker) -> u64 {
    let stat = format!("/proc/{}/stat", broker.process_id());
    let text = std::fs::read_to_string(stat).expect("a living process");
    let (_, fields) = text.rsplit_once(')').expect("a name in brackets");
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks
        .map(|field| field.parse::<u64>().expect("a number"))
        .sum()
}
