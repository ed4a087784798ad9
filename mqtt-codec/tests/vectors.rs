//! Every packet of the table of vectors gets the verdict that stands there.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where it is wrong"
)]

use mqtt_codec::{
    ConnectAnswer, DecodeErrorKind, Decoded, Limits, Packet, ReasonCode, Sender, TopicFilter,
    Version, decode, decode_connect,
};

struct Vector {
    name: &'static str,
    version: Version,
    /// Who may send it.
    senders: &'static [Sender],
    bytes: Vec<u8>,
    verdict: &'static str,
}

fn vectors() -> Vec<Vector> {
    let table = include_str!("data/vectors.tsv");
    let rows: Vec<Vector> = table.lines().skip(1).map(vector).collect();
    assert_eq!(rows.len(), 152);
    rows
}

fn vector(line: &'static str) -> Vector {
    let mut columns = line.split('\t');
    let mut column = || columns.next().unwrap();
    let name = column();
    let version = match column() {
        "3.1" => Version::V31,
        "3.1.1" => Version::V311,
        "5.0" => Version::V5,
        other => panic!("{name}: version {other}"),
    };
    let senders: &[Sender] = match column() {
        "client" => &[Sender::Client],
        "server" => &[Sender::Server],
        "both" => &[Sender::Client, Sender::Server],
        other => panic!("{name}: sender {other}"),
    };
    let bytes = column()
        .split(' ')
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect();
    Vector {
        name,
        version,
        senders,
        bytes,
        verdict: column(),
    }
}

fn whole<T>(decoded: Decoded<T>, vector: &Vector) -> T {
    match decoded {
        Decoded::Packet { packet, consumed } => {
            assert_eq!(consumed, vector.bytes.len(), "{}", vector.name);
            packet
        }
        Decoded::Incomplete(more) => panic!("{}: wants {more} more bytes", vector.name),
    }
}

/// A code of the standard in hexadecimal, as verdicts give it.
fn code(text: &str) -> ReasonCode {
    ReasonCode::from_u8(u8::from_str_radix(text, 16).unwrap()).unwrap()
}

#[test]
fn every_connect_gets_its_answer() {
    for vector in vectors()
        .iter()
        .filter(|vector| vector.name.starts_with("connect_"))
    {
        let name = vector.name;
        let decoded = decode_connect(&vector.bytes, &Limits::default());
        match vector.verdict {
            "ok" => {
                let connect = whole(decoded.expect(name), vector);
                assert_eq!(connect.version, vector.version, "{name}");
            }
            // Legal bytes; whether an empty client identifier will do is the broker's business.
            "connack 02" => {
                let connect = whole(decoded.expect(name), vector);
                assert!(
                    connect.client_id.is_empty() && !connect.clean_start,
                    "{name}"
                );
            }
            "connack 01" => {
                assert_eq!(
                    decoded.expect_err(name).answer(),
                    ConnectAnswer::ReturnCode(1)
                );
            }
            "close" => assert_eq!(
                decoded.expect_err(name).answer(),
                ConnectAnswer::Close,
                "{name}"
            ),
            reason => {
                let answer = decoded.expect_err(name).answer();
                assert_eq!(answer, ConnectAnswer::Reason(code(reason)), "{name}");
            }
        }
    }
}

#[test]
fn every_later_packet_gets_its_verdict() {
    for vector in vectors()
        .iter()
        .filter(|vector| !vector.name.starts_with("connect_"))
    {
        let name = vector.name;
        for &sender in vector.senders {
            let decoded = decode(&vector.bytes, vector.version, sender, &Limits::default());
            match vector.verdict {
                "ok" => drop(whole(decoded.expect(name), vector)),
                "close" => drop(decoded.expect_err(name)),
                // The packet stands, the filter in it does not.
                "suback 8F" => {
                    let Packet::Subscribe(subscribe) = whole(decoded.expect(name), vector) else {
                        panic!("{name} is no SUBSCRIBE");
                    };
                    assert!(
                        subscribe
                            .filters
                            .iter()
                            .all(|(text, _)| TopicFilter::parse(text).is_err())
                    );
                }
                reason => {
                    assert_eq!(
                        decoded.expect_err(name).reason_code(),
                        code(reason),
                        "{name}"
                    );
                }
            }
        }
    }
}

#[test]
fn what_one_side_may_send_is_a_protocol_error_from_the_other() {
    for vector in vectors().iter().filter(|vector| vector.verdict == "ok") {
        for sender in [Sender::Client, Sender::Server] {
            if !vector.senders.contains(&sender) {
                let error = decode(&vector.bytes, vector.version, sender, &Limits::default())
                    .expect_err(vector.name);
                assert_eq!(
                    error.reason_code(),
                    ReasonCode::ProtocolError,
                    "{}",
                    vector.name
                );
            }
        }
    }
}

#[test]
fn legal_packets_are_written_as_they_were_read() {
    for vector in vectors().iter().filter(|vector| vector.verdict == "ok") {
        let decoded = decode(
            &vector.bytes,
            vector.version,
            vector.senders[0],
            &Limits::default(),
        );
        let packet = whole(decoded.expect(vector.name), vector);
        let mut out = Vec::new();
        packet.encode(vector.version, &mut out);
        assert_eq!(
            out.len(),
            packet.encoded_len(vector.version),
            "{}",
            vector.name
        );
        let mut expected = vector.bytes.clone();
        if vector.name == "subscribe_31_dup" {
            expected[0] = 0x82; // DUP of 3.1 is read and forgotten
        }
        assert_eq!(out, expected, "{}", vector.name);
    }
}

#[test]
fn a_cut_packet_is_incomplete_unless_its_front_is_wrong_already() {
    for vector in vectors() {
        for len in 0..vector.bytes.len() {
            let cut = &vector.bytes[..len];
            let missing = vector.bytes.len() - len;
            for &sender in vector.senders {
                match decode(cut, vector.version, sender, &Limits::default()) {
                    Ok(Decoded::Incomplete(more)) => {
                        let is_whole_length = vector.verdict == "ok";
                        assert!(!is_whole_length || more.get() <= missing, "{}", vector.name);
                    }
                    Ok(Decoded::Packet { .. }) => panic!("{}: half a packet", vector.name),
                    Err(error) => {
                        assert_ne!(vector.verdict, "ok", "{}: {error}", vector.name);
                        let whole =
                            decode(&vector.bytes, vector.version, sender, &Limits::default());
                        assert_eq!(whole.expect_err(vector.name), error, "{}", vector.name);
                    }
                }
            }
        }
    }
}

#[test]
fn a_first_packet_that_is_not_connect_is_closed_without_an_answer() {
    for vector in vectors()
        .iter()
        .filter(|vector| !vector.name.starts_with("connect_"))
    {
        let error = decode_connect(&vector.bytes, &Limits::default()).expect_err(vector.name);
        assert_eq!(error.answer(), ConnectAnswer::Close, "{}", vector.name);
        if error.packet_type().is_some() {
            assert_eq!(
                error.kind(),
                DecodeErrorKind::FirstPacketNotConnect,
                "{}",
                vector.name
            );
        }
    }
}
