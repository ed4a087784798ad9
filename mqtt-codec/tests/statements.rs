//! Statements of the standard about bytes alone, a test each, named as in the table of statements.
#![allow(clippy::unwrap_used, reason = "a test stops where it is wrong")]

use mqtt_codec::{
    Ack, Connack, Connect, DecodeError, DecodeErrorKind as Kind, Decoded, Disconnect, Limits,
    Packet, PacketId, PacketType, Properties, PropertiesBuf, Property, Publish, QoS, ReasonCode,
    Sender, Suback, Subscribe, SubscribeFiltersBuf, SubscriptionOptions, TopicName, Unsuback,
    Unsubscribe, UnsubscribeFiltersBuf, Version, Will, decode, decode_connect, peek_header,
};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

/// First byte, type, and another reason than success, of the packets that have a packet id, a reason
/// code and nothing that must follow.
const ACKS: [(u8, PacketType, ReasonCode); 4] = [
    (0x40, PacketType::Puback, ReasonCode::NoMatchingSubscribers),
    (0x50, PacketType::Pubrec, ReasonCode::NoMatchingSubscribers),
    (
        0x62,
        PacketType::Pubrel,
        ReasonCode::PacketIdentifierNotFound,
    ),
    (
        0x70,
        PacketType::Pubcomp,
        ReasonCode::PacketIdentifierNotFound,
    ),
];

fn read_from(sender: Sender, bytes: &[u8], version: Version) -> Result<Packet<'_>, DecodeError> {
    match decode(bytes, version, sender, &Limits::default())? {
        Decoded::Packet { packet, consumed } if consumed == bytes.len() => Ok(packet),
        other => panic!("{other:?} of {bytes:02x?}"),
    }
}

fn read(bytes: &[u8], version: Version) -> Result<Packet<'_>, DecodeError> {
    read_from(Sender::Client, bytes, version)
}

#[track_caller]
fn assert_malformed(bytes: &[u8], version: Version, kind: Kind) {
    let error = read(bytes, version).expect_err("a malformed packet");
    assert_eq!(error.kind(), kind, "{bytes:02x?}");
    assert_eq!(error.reason_code(), ReasonCode::MalformedPacket);
}

fn written(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let mut out = Vec::new();
    packet.encode(version, &mut out);
    out
}

fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap()
}

fn publish(topic: &str) -> Publish<'_> {
    Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: Some(TopicName::parse(topic).unwrap()),
        packet_id: None,
        properties: Properties::EMPTY,
        payload: b"x",
    }
}

/// A packet of each type that is neither CONNECT nor PUBLISH nor AUTH, with its first byte.
fn with_fixed_flags<'a>(
    subscribed: &'a SubscribeFiltersBuf,
    unsubscribed: &'a UnsubscribeFiltersBuf,
) -> [(u8, Packet<'a>); 12] {
    let ack = Ack::new(id(7));
    let properties = Properties::EMPTY;
    let packet_id = id(7);
    let reasons: &[u8] = &[0];
    let subscribe = Subscribe {
        packet_id,
        properties,
        filters: subscribed.as_filters(),
    };
    let unsubscribe = Unsubscribe {
        packet_id,
        properties,
        filters: unsubscribed.as_filters(),
    };
    let suback = Suback {
        packet_id,
        properties,
        reasons,
    };
    let unsuback = Unsuback {
        packet_id,
        properties,
        reasons,
    };
    [
        (0x20, Packet::Connack(Connack::refusal(ReasonCode::Success))),
        (0x40, Packet::Puback(ack)),
        (0x50, Packet::Pubrec(ack)),
        (0x62, Packet::Pubrel(ack)),
        (0x70, Packet::Pubcomp(ack)),
        (0x82, Packet::Subscribe(subscribe)),
        (0x90, Packet::Suback(suback)),
        (0xa2, Packet::Unsubscribe(unsubscribe)),
        (0xb0, Packet::Unsuback(unsuback)),
        (0xc0, Packet::Pingreq),
        (0xd0, Packet::Pingresp),
        (
            0xe0,
            Packet::Disconnect(Disconnect::new(ReasonCode::Success)),
        ),
    ]
}

/// [MQTT-2.2.2-1] The flags of the fixed header are those that the type demands: so they are
/// written, and no others are read.
#[test]
fn v311_2_2_2_1() {
    let mut subscribed = SubscribeFiltersBuf::new();
    subscribed.push("f", SubscriptionOptions::default());
    let mut unsubscribed = UnsubscribeFiltersBuf::new();
    unsubscribed.push("f");
    for (first, packet) in with_fixed_flags(&subscribed, &unsubscribed) {
        let bytes = written(&packet, Version::V311);
        assert_eq!(bytes[0], first, "{packet:?}");
        for flags in (0..16).filter(|flags| *flags != first & 0x0f) {
            let mut other = bytes.clone();
            other[0] = first & 0xf0 | flags;
            assert_malformed(&other, Version::V311, Kind::InvalidFlags);
        }
    }
    let connect = Packet::Connect(Connect::new(Version::V311, "c"));
    assert_eq!(written(&connect, Version::V311)[0], 0x10);
    // The flags of PUBLISH mean something, all but QoS 3.
    for flags in 0..16 {
        let bytes: &[u8] = if flags & 0b0110 == 0 {
            &[0x30 | flags, 4, 0, 1, b't', b'x']
        } else {
            &[0x30 | flags, 6, 0, 1, b't', 0, 7, b'x']
        };
        // DUP at QoS 0 is [MQTT-3.3.1-2], QoS 3 [MQTT-3.3.1-4].
        let is_refused = flags & 0b1110 == 0b1000 || flags & 0b0110 == 0b0110;
        match read(bytes, Version::V311) {
            Ok(packet) => assert_eq!(written(&packet, Version::V311), bytes),
            Err(error) => assert!(is_refused, "{flags:#06b}: {error}"),
        }
        assert_eq!(read(bytes, Version::V311).is_err(), is_refused);
    }
}

/// A CONNECT with all fields, and its payload as it has to be written.
fn full_connect(version: Version) -> (Vec<u8>, Vec<u8>) {
    let properties: PropertiesBuf = [Property::WillDelayInterval(9)].into_iter().collect();
    let mut connect = Connect::new(version, "id");
    connect.user_name = Some("user");
    connect.password = Some(b"word");
    connect.will = Some(Will {
        qos: QoS::AtLeastOnce,
        retain: false,
        topic: TopicName::parse("will").unwrap(),
        properties: properties.as_properties(),
        payload: b"load",
    });
    let block: &[u8] = if version.is_v5() {
        b"\x05\x18\0\0\0\x09"
    } else {
        b""
    };
    let others = b"\0\x04will\0\x04load\0\x04user\0\x04word";
    (
        written(&Packet::Connect(connect), version),
        [b"\0\x02id", block, others].concat(),
    )
}

/// [MQTT-3.1.3-1] The payload of CONNECT has client id, will topic, will message, user name and
/// password, in this order.
#[test]
fn v311_3_1_3_1() {
    for version in [Version::V31, Version::V311] {
        let (bytes, payload) = full_connect(version);
        assert!(bytes.ends_with(&payload), "{bytes:02x?}");
        let variable_header = if version == Version::V31 { 12 } else { 10 };
        assert_eq!(bytes.len(), 2 + variable_header + payload.len());
    }
}

/// [MQTT-3.1.3-1] In 5.0 the properties of the will stand before its topic.
#[test]
fn v5_3_1_3_1() {
    let (bytes, payload) = full_connect(Version::V5);
    assert!(bytes.ends_with(&payload), "{bytes:02x?}");
    assert_eq!(bytes.len(), 2 + 11 + payload.len());
    let Decoded::Packet { packet, .. } = decode_connect(&bytes, &Limits::default()).unwrap() else {
        panic!("a whole packet");
    };
    let will = packet.will.unwrap();
    assert_eq!((packet.client_id, will.topic.as_str()), ("id", "will"));
    assert_eq!(will.properties.will_delay_interval(), Some(9));
    assert_eq!(will.payload, b"load");
    assert_eq!(packet.user_name, Some("user"));
    assert_eq!(packet.password, Some(&b"word"[..]));
}

/// The topic of a PUBLISH is its first field, and UTF-8.
fn check_topic(version: Version) {
    let properties: &[u8] = if version.is_v5() { b"\0" } else { b"" };
    let packet = |topic: &[u8]| {
        let length = [0, u8::try_from(topic.len()).unwrap()];
        let body = [&length, topic, properties, b"x"].concat();
        [&[0x30, u8::try_from(body.len()).unwrap()], &body[..]].concat()
    };
    for topic in ["t", "a/ä/€/𝄞", "\u{feff}"] {
        let bytes = packet(topic.as_bytes());
        assert_eq!(written(&Packet::Publish(publish(topic)), version), bytes);
        let Packet::Publish(back) = read(&bytes, version).unwrap() else {
            panic!("PUBLISH is PUBLISH");
        };
        assert_eq!(back.topic.map(TopicName::as_str), Some(topic));
    }
    for topic in [
        &b"\xc3\x28"[..],
        b"\xed\xa0\x80",
        b"\xf5\x80\x80\x80",
        b"a\xff",
    ] {
        assert_malformed(&packet(topic), version, Kind::InvalidUtf8);
    }
}

/// [MQTT-3.3.2-1] The topic name is the first field of PUBLISH, and UTF-8.
#[test]
fn v311_3_3_2_1() {
    check_topic(Version::V31);
    check_topic(Version::V311);
}

/// [MQTT-3.3.2-1] The same in 5.0.
#[test]
fn v5_3_3_2_1() {
    check_topic(Version::V5);
}

/// Headers whose remaining length is over the limit of four bytes.
fn check_fifth_byte(version: Version) {
    for bytes in [&b"\x30\x80\x80\x80\x80"[..], b"\x30\xff\xff\xff\xff\x01"] {
        let refused = peek_header(bytes, Some(version), &Limits::default()).unwrap_err();
        assert_eq!(refused.kind(), Kind::InvalidVariableByteInteger);
        assert_eq!(refused.reason_code(), ReasonCode::MalformedPacket);
    }
    // The largest of four bytes is one, and so is what may still become one.
    for bytes in [&b"\x30\xff\xff\xff\x7f"[..], b"\x30\xff\xff\xff"] {
        assert!(peek_header(bytes, Some(version), &Limits::default()).is_ok());
    }
}

/// A remaining length has four bytes at most.
#[test]
fn v311_u_unnumbered_c() {
    check_fifth_byte(Version::V31);
    check_fifth_byte(Version::V311);
}

/// A length whose fourth byte promises a fifth is malformed before that one comes; in a property
/// block too.
#[test]
fn v5_u_1_5_5_a() {
    check_fifth_byte(Version::V5);
    let kind = Kind::InvalidVariableByteInteger;
    assert_malformed(b"\x30\x08\0\x01t\x80\x80\x80\x80\x01", Version::V5, kind);
}

/// [MQTT-1.5.5-1] A length takes as few bytes as it can: 0x81 for any other, wherever it stands.
#[test]
fn v5_1_5_5_1() {
    for (number, bytes) in [
        (0_usize, &[0x00][..]),
        (127, &[0x7f]),
        (128, &[0x80, 0x01]),
        (16_383, &[0xff, 0x7f]),
        (16_384, &[0x80, 0x80, 0x01]),
        (2_097_151, &[0xff, 0xff, 0x7f]),
        (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
    ] {
        let payload = vec![0; number.saturating_sub(4)];
        let packet = Publish {
            payload: &payload,
            ..publish("t")
        };
        if number >= 4 {
            let out = written(&Packet::Publish(packet), Version::V5);
            assert_eq!(&out[1..=bytes.len()], bytes, "{number}");
        }
        let (last, front) = bytes.split_last().unwrap();
        if bytes.len() < 4 {
            let longer = [&[0x30], front, &[last | 0x80, 0]].concat();
            let refused = peek_header(&longer, Some(Version::V5), &Limits::default()).unwrap_err();
            assert_eq!(refused.kind(), Kind::OverlongVariableByteInteger);
            assert_eq!(refused.reason_code(), ReasonCode::MalformedPacket);
        }
    }
    let kind = Kind::OverlongVariableByteInteger;
    // The length of the properties, and a Subscription Identifier among them.
    assert_malformed(b"\x30\x06\0\x01t\x80\0x", Version::V5, kind);
    let subscribe = b"\x82\x0a\0\x01\x03\x0b\x81\0\0\x01f\0";
    assert_malformed(subscribe, Version::V5, kind);
}

/// [MQTT-2.2.2-1] No properties are said by a property length of 0.
#[test]
fn v5_2_2_2_1() {
    let with_length = written(&Packet::Publish(publish("t")), Version::V5);
    assert_eq!(with_length, b"\x30\x05\0\x01t\0x");
    let connack = Packet::Connack(Connack::refusal(ReasonCode::Success));
    assert_eq!(written(&connack, Version::V5), b"\x20\x03\0\0\0");
    let connect = written(&Packet::Connect(Connect::new(Version::V5, "")), Version::V5);
    assert!(connect.ends_with(b"\0\0\0"), "{connect:02x?}");
    let mut filters = SubscribeFiltersBuf::new();
    filters.push("f", SubscriptionOptions::default());
    let subscribe = Packet::Subscribe(Subscribe {
        packet_id: id(1),
        properties: Properties::EMPTY,
        filters: filters.as_filters(),
    });
    assert_eq!(
        written(&subscribe, Version::V5),
        b"\x82\x07\0\x01\0\0\x01f\0"
    );
    // A packet that ends where the length should stand has lost it.
    for cut in [&b"\x30\x03\0\x01t"[..], b"\x82\x02\0\x01"] {
        assert_malformed(cut, Version::V5, Kind::Truncated);
    }
}

/// A property length beyond the packet, or one that ends inside a property, is malformed.
#[test]
fn v5_u_2_2_2_2_b() {
    let packet = |length: u8| {
        // The property is five bytes long.
        let mut bytes = b"\x30\x0a\0\x01t\0\x02\0\0\0\x09x".to_vec();
        bytes[5] = length;
        bytes
    };
    assert!(read(&packet(5), Version::V5).is_ok());
    for length in [1, 2, 3, 4] {
        assert_malformed(&packet(length), Version::V5, Kind::Truncated);
    }
    // `x` is no property.
    assert_malformed(&packet(6), Version::V5, Kind::UnknownProperty);
    for length in [7, 0x7f] {
        assert_malformed(&packet(length), Version::V5, Kind::Truncated);
    }
}

/// PUBACK, PUBREC, PUBREL and PUBCOMP of remaining length 2 mean 0x00, of 3 no properties.
#[test]
fn v5_u_3_4_2_1_a() {
    for (first, packet_type, other) in ACKS {
        let code = other.as_u8();
        for (bytes, reason, shortest) in [
            (&[first, 2, 0, 9][..], ReasonCode::Success, 4),
            (&[first, 3, 0, 9, 0], ReasonCode::Success, 4),
            (&[first, 3, 0, 9, code], other, 5),
            (&[first, 4, 0, 9, code, 0], other, 5),
        ] {
            let packet = read(bytes, Version::V5).unwrap();
            let (Packet::Puback(ack)
            | Packet::Pubrec(ack)
            | Packet::Pubrel(ack)
            | Packet::Pubcomp(ack)) = packet
            else {
                panic!("{packet:?}");
            };
            assert_eq!(packet.packet_type(), packet_type);
            assert_eq!((ack.packet_id.get(), ack.reason), (9, reason));
            assert!(ack.properties.is_empty());
            // The shortest form is the one that is written.
            let again = written(&packet, Version::V5);
            assert_eq!(again[2..], bytes[2..shortest]);
        }
        for version in [Version::V31, Version::V311] {
            let longer = [first, 3, 0, 9, 0];
            let refused = read(&longer, version).unwrap_err();
            assert_eq!(refused.kind(), Kind::TrailingBytes);
        }
    }
}

/// DISCONNECT of remaining length 0 means 0x00, of 1 no properties.
#[test]
fn v5_u_3_14_2_1_a() {
    for (bytes, reason) in [
        (&b"\xe0\x00"[..], ReasonCode::Success),
        (b"\xe0\x01\x00", ReasonCode::Success),
        (b"\xe0\x01\x04", ReasonCode::DisconnectWithWill),
        (b"\xe0\x02\x04\x00", ReasonCode::DisconnectWithWill),
    ] {
        let Packet::Disconnect(disconnect) = read(bytes, Version::V5).unwrap() else {
            panic!("DISCONNECT is DISCONNECT");
        };
        assert_eq!(disconnect.reason, reason, "{bytes:02x?}");
        assert!(disconnect.properties.is_empty());
    }
    let written = |reason| written(&Packet::Disconnect(Disconnect::new(reason)), Version::V5);
    assert_eq!(written(ReasonCode::Success), b"\xe0\x00");
    assert_eq!(written(ReasonCode::DisconnectWithWill), b"\xe0\x01\x04");
    for version in [Version::V31, Version::V311] {
        let longer = read(b"\xe0\x01\x00", version).unwrap_err();
        assert_eq!(longer.kind(), Kind::TrailingBytes);
    }
}

/// Every version writes no reserved flag into CONNECT. [MQTT-3.1.2-3]
#[test]
fn the_reserved_flag_of_connect_is_never_written() {
    for version in VERSIONS {
        let (bytes, _) = full_connect(version);
        let flags = if version == Version::V31 { 11 } else { 9 };
        assert_eq!(bytes[flags] & 1, 0, "{bytes:02x?}");
    }
}
