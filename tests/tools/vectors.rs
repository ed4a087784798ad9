//! Every packet of the table, sent to a running broker: the right verdict for each.
//!
//! The table stands in `data/vectors.tsv`; rows that only a server sends are not for a broker.

use std::fmt;

use mqtt_tests::{Broker, Level, Packet, Wire, bytes_of_hex, connect, ping};

const TABLE: &str = include_str!("../data/vectors.tsv");

/// Rows that decode well and that a broker answers otherwise for a reason beyond the packet.
const BEYOND_THE_PACKET: [(&str, Verdict, &str); 3] = [
    (
        "connect_5_auth",
        Verdict::Refused(&[0x8c]),
        "no such authentication method here",
    ),
    (
        "auth_5",
        Verdict::Refused(&[0x82]),
        "AUTH without a method in CONNECT [MQTT-4.12.0-6]",
    ),
    (
        "auth_5_re",
        Verdict::Refused(&[0x82]),
        "AUTH without a method in CONNECT [MQTT-4.12.0-6]",
    ),
];

/// What has to be sent first for a row to be legal.
const BEFORE: [(&str, &str); 1] = [("publish_5_alias_use", "publish_5_alias_set")];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Accepted.
    Ok,
    /// Closed without a packet.
    Close,
    /// CONNACK of 3.1.1 with this code, then closed.
    Connack(u8),
    /// Version 5: CONNACK or DISCONNECT with one of these reason codes, then closed.
    Refused(&'static [u8]),
    /// Accepted, with this reason code in the SUBACK; DISCONNECT with it will do.
    Suback(u8),
}

#[derive(Debug)]
struct Row {
    name: &'static str,
    level: Level,
    bytes: Vec<u8>,
    verdict: Verdict,
}

fn rows() -> Vec<Row> {
    TABLE.lines().skip(1).filter_map(row).collect()
}

/// A line of the table, or nothing when only a server sends such a packet.
fn row(line: &'static str) -> Option<Row> {
    let mut fields = line.split('\t');
    let mut field = || {
        fields
            .next()
            .unwrap_or_else(|| panic!("six fields: {line}"))
    };
    let (name, version, sender, hex, verdict, note) =
        (field(), field(), field(), field(), field(), field());
    let level = match version {
        "3.1" => Level::V3,
        "3.1.1" => Level::V4,
        "5.0" => Level::V5,
        other => panic!("{name}: version {other}"),
    };
    let beyond = BEYOND_THE_PACKET.iter().find(|(row, _, _)| *row == name);
    let verdict = beyond.map_or_else(|| read_verdict(verdict, note), |(_, verdict, _)| *verdict);
    (sender != "server").then(|| Row {
        name,
        level,
        bytes: bytes_of_hex(hex),
        verdict,
    })
}

fn read_verdict(verdict: &'static str, note: &'static str) -> Verdict {
    let code = |text: &str| u8::from_str_radix(text, 16).expect("a code in hexadecimal");
    match verdict.split_once(' ') {
        None if verdict == "ok" => Verdict::Ok,
        None if verdict == "close" => Verdict::Close,
        Some(("connack", number)) => Verdict::Connack(code(number)),
        Some(("suback", number)) => Verdict::Suback(code(number)),
        _ => {
            let mut codes = vec![code(verdict)];
            if note.ends_with("also fair") {
                codes.extend(
                    note.split([' ', ','])
                        .filter_map(|word| word.strip_prefix("0x"))
                        .map(code),
                );
            }
            Verdict::Refused(codes.leak())
        }
    }
}

/// What the broker did.
#[derive(Debug)]
struct Answer {
    /// Packets after the row was sent, without the answer to our PINGREQ.
    packets: Vec<Packet>,
    closed: bool,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { packets, closed } = self;
        write!(
            f,
            "{packets:02x?}, {}",
            if *closed { "closed" } else { "open" }
        )
    }
}

impl Answer {
    /// Sends the row on a fresh connection, after what it needs, and a PINGREQ behind it.
    fn to(row: &Row, all: &[Row], broker: &Broker) -> Self {
        let is_connect = row.bytes.first().is_some_and(|first| first >> 4 == 1);
        let mut wire = if is_connect {
            Wire::open(broker)
        } else {
            Wire::greeted(broker, &connect(row.level, row.name))
        };
        for (_, earlier) in BEFORE.iter().filter(|(name, _)| *name == row.name) {
            let earlier = all
                .iter()
                .find(|other| other.name == *earlier)
                .expect("a row of the table");
            wire.send(&earlier.bytes);
        }
        wire.send(&row.bytes);
        wire.send(&ping());
        let mut packets = Vec::new();
        loop {
            match wire.packet() {
                Some(packet) if packet.is_type(13) && row.bytes != ping() => {
                    return Self {
                        packets,
                        closed: false,
                    };
                }
                Some(packet)
                    if packet.is_type(13) && packets.iter().any(|p: &Packet| p.is_type(13)) =>
                {
                    return Self {
                        packets,
                        closed: false,
                    };
                }
                Some(packet) => packets.push(packet),
                None => {
                    return Self {
                        packets,
                        closed: true,
                    };
                }
            }
        }
    }

    /// What it should have been instead, or nothing when it was right.
    fn fault(&self, row: &Row) -> Option<&'static str> {
        let accepted = match self.packets.first() {
            Some(first) if first.is_type(2) => first.byte(1) == Some(0),
            Some(first) => !first.is_type(14),
            None => true,
        };
        // A client's DISCONNECT is accepted by closing in silence.
        let goodbye = row.bytes.first().is_some_and(|first| first >> 4 == 14);
        let stays = if goodbye {
            self.closed && self.packets.is_empty()
        } else {
            !self.closed
        };
        let code = self
            .packets
            .last()
            .and_then(|packet| match packet.first >> 4 {
                2 => packet.byte(1),
                14 => packet.byte(0),
                _ => None,
            });
        let right = match row.verdict {
            Verdict::Ok => accepted && stays,
            Verdict::Close => self.closed && self.packets.is_empty(),
            Verdict::Connack(number) => {
                let told = vec![Packet {
                    first: 0x20,
                    body: vec![0, number],
                }];
                self.closed && self.packets == told
            }
            Verdict::Refused(codes) => {
                let told = code.is_some_and(|code| codes.contains(&code));
                self.closed && self.packets.len() == 1 && told
            }
            Verdict::Suback(number) => {
                let refused =
                    |packet: &Packet| packet.is_type(9) && packet.body.last() == Some(&number);
                self.packets.iter().any(refused) || (self.closed && code == Some(number))
            }
        };
        match row.verdict {
            _ if right => None,
            Verdict::Ok => Some("a legal packet is refused"),
            _ if !self.closed => Some("an illegal packet is accepted"),
            _ => Some("refused, but not as the table says"),
        }
    }
}

#[test]
fn no_illegal_packet_is_accepted_and_no_legal_one_refused() {
    let broker = Broker::start("allow_anonymous true");
    let rows = rows();
    assert_eq!(rows.len(), 136, "the table is whole");
    let mut faults = Vec::new();
    for row in &rows {
        let answer = Answer::to(row, &rows, &broker);
        if let Some(fault) = answer.fault(row) {
            faults.push(format!(
                "{}: {fault}; expected {:02x?}, got {answer}",
                row.name, row.verdict
            ));
        }
    }
    assert!(
        faults.is_empty(),
        "{} of {} rows:\n{}",
        faults.len(),
        rows.len(),
        faults.join("\n")
    );
}
