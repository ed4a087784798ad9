//! Makes a `mosquitto.db` of each format by hand, byte for byte as `reference` has the layout: one scene,
//! told by each format as far as it can. The files in `tests/data/mosquitto-db/` are these.
//!
//! The scene: the session "keeper" with two subscriptions; towards it a queued message of QoS 1, one of
//! QoS 2 that was sent as packet 5, packet 6 of which PUBCOMP is missing, and one that refers to nothing;
//! from it packet 9, held until PUBREL; a retained message; a message of the session "stranger", of which
//! nothing else is said. References come before what they refer to, and a chunk of an unknown type stands
//! in between.

use super::super::read::MAGIC;

/// Message ids with the shift that those of Mosquitto 2.1 have.
const BASE: u64 = 0x0123_4567_0000_0000;

struct Body {
    id: u64,
    topic: &'static str,
    payload: &'static str,
    qos: u8,
    retain: u8,
}

const BODIES: [Body; 5] = [
    body(10, "a/one", "one", 1, 0),
    body(11, "a/two", "two", 2, 0),
    body(12, "r/state", "on", 1, 1),
    body(13, "a/three", "three", 2, 0),
    body(14, "up", "held", 2, 0),
];

const fn body(id: u64, topic: &'static str, payload: &'static str, qos: u8, retain: u8) -> Body {
    Body {
        id,
        topic,
        payload,
        qos,
        retain,
    }
}

/// Client, message, packet id, QoS, direction (0 in), state, DUP.
type ClientMessage = (&'static str, u64, u16, u8, u8, u8, u8);

const CLIENT_MESSAGES: [ClientMessage; 6] = [
    ("keeper", 14, 9, 2, 0, 7, 0),
    ("keeper", 11, 5, 2, 1, 5, 1),
    ("keeper", 13, 6, 2, 1, 9, 1),
    ("keeper", 99, 7, 1, 1, 3, 1),
    ("keeper", 10, 0, 1, 1, 11, 0),
    ("stranger", 10, 1, 1, 1, 3, 1),
];

/// A file of this format. Sessions end at this Unix time, if the format can say it.
pub(super) fn file(version: u32, ends: i64) -> Vec<u8> {
    let mut file = MAGIC.to_vec();
    file.extend(0_u32.to_be_bytes());
    file.extend(version.to_be_bytes());
    if version <= 4 {
        old(version, &mut file);
    } else {
        new(version, ends, &mut file);
    }
    file
}

fn old_chunk(kind: u16, parts: &[&[u8]], file: &mut Vec<u8>) {
    file.extend(kind.to_be_bytes());
    let length: usize = parts.iter().map(|part| part.len()).sum();
    file.extend(u32::try_from(length).unwrap().to_be_bytes());
    file.extend(parts.concat());
}

fn text(text: &str) -> Vec<u8> {
    let mut out = u16::try_from(text.len()).unwrap().to_be_bytes().to_vec();
    out.extend(text.bytes());
    out
}

fn id(id: u64) -> [u8; 8] {
    (BASE + id).to_le_bytes()
}

fn old(version: u32, file: &mut Vec<u8>) {
    old_chunk(1, &[&[1, 8], &id(14)], file);
    for (client, message, packet_id, qos, direction, state, dup) in CLIENT_MESSAGES {
        let rest = [qos, 0, direction, state, dup];
        let parts: [&[u8]; 4] = [&text(client), &id(message), &packet_id.to_be_bytes(), &rest];
        old_chunk(3, &parts, file);
    }
    old_chunk(77, &[b"what is this?"], file);
    old_chunk(4, &[&id(12)], file);
    for body in BODIES {
        let mut who = text("writer");
        if version == 4 {
            who.extend(text("ann"));
            who.extend(1883_u16.to_be_bytes());
        }
        let payload_len = u32::try_from(body.payload.len()).unwrap();
        let parts: [&[u8]; 7] = [
            &id(body.id),
            &who,
            &[0, 3, 0, 0],
            &text(body.topic),
            &[body.qos, body.retain],
            &payload_len.to_be_bytes(),
            body.payload.as_bytes(),
        ];
        old_chunk(2, &parts, file);
    }
    for (filter, qos) in [("a/#", 1), ("b", 2)] {
        old_chunk(5, &[&text("keeper"), &text(filter), &[qos]], file);
    }
    let time = if version >= 3 { &[0; 8][..] } else { &[] };
    old_chunk(6, &[&text("keeper"), &9_u16.to_be_bytes(), time], file);
}

fn new_chunk(kind: u32, parts: &[&[u8]], file: &mut Vec<u8>) {
    file.extend(kind.to_be_bytes());
    let length: usize = parts.iter().map(|part| part.len()).sum();
    file.extend(u32::try_from(length).unwrap().to_be_bytes());
    file.extend(parts.concat());
}

fn new(version: u32, ends: i64, file: &mut Vec<u8>) {
    let len = |text: &str| u16::try_from(text.len()).unwrap().to_be_bytes();
    new_chunk(1, &[&id(14), &[1, 8, 0, 0, 0, 0, 0, 0]], file);
    for (client, message, packet_id, qos, direction, state, dup) in CLIENT_MESSAGES {
        // Subscription Identifier 3, behind the length of the properties.
        let properties: &[u8] = if message == 10 { &[2, 0x0b, 3] } else { &[] };
        let parts: [&[u8]; 6] = [
            &id(message),
            &packet_id.to_be_bytes(),
            &len(client),
            &[qos, state, dup, direction],
            client.as_bytes(),
            properties,
        ];
        new_chunk(3, &parts, file);
    }
    new_chunk(77, &[b"what is this?"], file);
    new_chunk(4, &[&id(12)], file);
    for body in BODIES {
        // Response Topic, behind the length of the properties.
        let properties: &[u8] = if body.id == 10 {
            b"\x04\x08\0\x01r"
        } else {
            b""
        };
        let parts: [&[u8]; 14] = [
            &id(body.id),
            &0_i64.to_le_bytes(),
            &u32::try_from(body.payload.len()).unwrap().to_be_bytes(),
            &3_u16.to_be_bytes(),
            &len("writer"),
            &len("ann"),
            &len(body.topic),
            &1883_u16.to_be_bytes(),
            &[body.qos, body.retain],
            b"writer",
            b"ann",
            body.topic.as_bytes(),
            body.payload.as_bytes(),
            properties,
        ];
        new_chunk(2, &parts, file);
    }
    for (filter, qos) in [("a/#", 1), ("b", 2)] {
        let no_local = 0x04;
        let parts: [&[u8]; 6] = [
            &3_u32.to_be_bytes(),
            &len("keeper"),
            &len(filter),
            &[qos, no_local, 0, 0],
            b"keeper",
            filter.as_bytes(),
        ];
        new_chunk(5, &parts, file);
    }
    let mut client = ends.to_le_bytes().to_vec();
    client.extend(3600_u32.to_be_bytes());
    client.extend(9_u16.to_be_bytes());
    client.extend(len("keeper"));
    let mut names = b"keeper".to_vec();
    if version >= 6 {
        client.extend(1883_u16.to_be_bytes());
        client.extend(len("ann"));
        client.extend([0; 4]);
        names.extend(b"ann");
    }
    new_chunk(6, &[&client, &names], file);
}
