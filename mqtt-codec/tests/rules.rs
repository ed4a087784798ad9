//! Rules that the table of vectors does not reach: versions, limits, and what is written.
#![allow(clippy::unwrap_used, reason = "a test stops where it is wrong")]

use mqtt_codec::{
    Connack, Connect, ConnectAnswer, DecodeError, DecodeErrorKind as Kind, Decoded, Disconnect,
    Limits, Packet, PacketId, PacketType, Properties, PropertiesBuf, Property, Publish, QoS,
    ReasonCode, Sender, Suback, SubscribeFiltersBuf, SubscriptionOptions, TopicName, Version,
    decode, decode_connect, peek_header,
};

fn read(bytes: &[u8], version: Version) -> Result<Packet<'_>, DecodeError> {
    read_from(Sender::Client, bytes, version)
}

fn read_from(sender: Sender, bytes: &[u8], version: Version) -> Result<Packet<'_>, DecodeError> {
    match decode(bytes, version, sender, &Limits::default())? {
        Decoded::Packet { packet, .. } => Ok(packet),
        Decoded::Incomplete(more) => panic!("{more} more bytes for {bytes:02x?}"),
    }
}

fn kind(bytes: &[u8], version: Version) -> Kind {
    read(bytes, version).expect_err("an illegal packet").kind()
}

fn written(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let mut out = Vec::new();
    packet.encode(version, &mut out);
    out
}

#[test]
fn a_remaining_length_may_be_overlong_in_3_x_only() {
    let bytes = b"\x30\x84\x80\x00\x00\x01a!";
    assert!(read(bytes, Version::V31).is_ok());
    assert!(read(bytes, Version::V311).is_ok());
    assert_eq!(kind(bytes, Version::V5), Kind::OverlongVariableByteInteger);
    // Nobody knows the version of a CONNECT by its header.
    let connect = |level| [b"\x10\x8d\0\0\x04MQTT", &[level, 2, 0, 0, 0, 0, 0][..]].concat();
    let error = decode_connect(&connect(5), &Limits::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::OverlongVariableByteInteger);
    assert_eq!(
        error.answer(),
        ConnectAnswer::Reason(ReasonCode::MalformedPacket)
    );
    let mut older = connect(4);
    older.pop();
    older[1] = 0x8c;
    assert!(decode_connect(&older, &Limits::default()).is_ok());
}

/// [U-3.15.2.1-a] The shortest AUTH has no code either; one that ends behind its code is cut off.
#[test]
fn an_auth_has_code_and_properties_or_neither() {
    for sender in [Sender::Client, Sender::Server] {
        let cut = read_from(sender, b"\xf0\x01\x18", Version::V5).unwrap_err();
        assert_eq!(cut.kind(), Kind::Truncated, "{sender:?}");
        assert_eq!(cut.reason_code(), ReasonCode::MalformedPacket, "{sender:?}");
    }
    // Well formed, and wrong for another reason: a client does not say Success, and every AUTH
    // names a method.
    let short = |sender| read_from(sender, b"\xf0\x00", Version::V5).unwrap_err();
    assert_eq!(short(Sender::Client).kind(), Kind::InvalidReasonCode);
    assert_eq!(
        short(Sender::Server).kind(),
        Kind::AuthenticationMethodMissing
    );
    assert_eq!(
        short(Sender::Server).reason_code(),
        ReasonCode::ProtocolError
    );
}

#[test]
fn old_clients_are_put_up_with_in_3_1_only() {
    let name = b"\x00\x06MQIsdp\x03";
    let connect = |tail: &[u8]| {
        let len = u8::try_from(name.len() + tail.len()).unwrap();
        [&[0x10, len][..], name, tail].concat()
    };
    // The reserved flag, and user name and password announced but absent.
    let reserved = connect(b"\x03\0\x3c\0\x01c");
    assert!(decode_connect(&reserved, &Limits::default()).is_ok());
    let absent = connect(b"\xc2\0\x3c\0\x01c");
    let Ok(Decoded::Packet { packet, .. }) = decode_connect(&absent, &Limits::default()) else {
        panic!("3.1 puts up with it");
    };
    assert_eq!((packet.user_name, packet.password), (None, None));
    let half = connect(b"\xc2\0\x3c\0\x01c\0\x01u");
    let Ok(Decoded::Packet { packet, .. }) = decode_connect(&half, &Limits::default()) else {
        panic!("3.1 puts up with it");
    };
    assert_eq!((packet.user_name, packet.password), (Some("u"), None));
    let newer = b"\x10\x0d\0\x04MQTT\x04\xc2\0\x3c\0\x01c";
    let error = decode_connect(newer, &Limits::default()).unwrap_err();
    assert_eq!(
        (error.kind(), error.answer()),
        (Kind::Truncated, ConnectAnswer::Close)
    );

    // DUP on what is repeated, and flags without a meaning.
    for bytes in [
        &b"\x6a\x02\0\x01"[..],
        b"\xaa\x05\0\x01\0\x01a",
        b"\xc8\0",
        b"\x48\x02\0\x01",
    ] {
        assert!(read(bytes, Version::V31).is_ok(), "{bytes:02x?}");
        assert_eq!(
            kind(bytes, Version::V311),
            Kind::InvalidFlags,
            "{bytes:02x?}"
        );
        assert_eq!(kind(bytes, Version::V5), Kind::InvalidFlags, "{bytes:02x?}");
    }
    assert_eq!(kind(b"\x60\x02\0\x01", Version::V31), Kind::InvalidFlags);
}

#[test]
fn a_bridge_tells_by_the_high_bit_of_its_level() {
    for (level, version) in [(0x84, Version::V311), (0x85, Version::V5)] {
        let mut bytes = b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\0\0".to_vec();
        bytes[8] = level;
        if version == Version::V311 {
            bytes.pop();
            bytes[1] = 0x0c;
        }
        let Ok(Decoded::Packet { packet, .. }) = decode_connect(&bytes, &Limits::default()) else {
            panic!("level {level:#x}");
        };
        assert!(packet.bridge);
        assert_eq!(packet.version, version);
        assert_eq!(written(&Packet::Connect(packet), version), bytes);
    }
    let error = decode_connect(b"\x10\x0c\0\x04MQTT\x86\x02\0\0\0\0", &Limits::default());
    assert_eq!(error.unwrap_err().answer(), ConnectAnswer::ReturnCode(1));
}

#[test]
fn a_connect_over_the_limit_is_answered_as_its_version_allows() {
    let limits = Limits {
        max_packet_size: 100,
    };
    // The body need not be there, only name and level.
    let v5 = b"\x10\xff\x7f\0\x04MQTT\x05";
    assert!(matches!(
        decode_connect(&v5[..8], &limits),
        Ok(Decoded::Incomplete(_))
    ));
    let error = decode_connect(v5, &limits).unwrap_err();
    assert_eq!(
        error.answer(),
        ConnectAnswer::Reason(ReasonCode::PacketTooLarge)
    );
    let v311 = b"\x10\xff\x7f\0\x04MQTT\x04";
    assert_eq!(
        decode_connect(v311, &limits).unwrap_err().answer(),
        ConnectAnswer::Close
    );
    let unknown = b"\x10\xff\x7f\0\x04HTTP/";
    let error = decode_connect(unknown, &limits).unwrap_err();
    assert_eq!(
        (error.kind(), error.answer()),
        (Kind::UnknownProtocolName, ConnectAnswer::Close)
    );
}

#[test]
fn garbage_is_refused_by_its_first_byte() {
    let error = decode_connect(b"G", &Limits::default()).unwrap_err();
    assert_eq!(error.packet_type(), Some(PacketType::Puback));
    assert_eq!(error.kind(), Kind::FirstPacketNotConnect);
    assert_eq!(
        decode_connect(&[0x00], &Limits::default())
            .unwrap_err()
            .packet_type(),
        None
    );
    assert!(matches!(
        decode_connect(&[], &Limits::default()),
        Ok(Decoded::Incomplete(_))
    ));
}

#[test]
fn a_header_is_refused_before_its_body_is_there() {
    let limits = Limits {
        max_packet_size: 20,
    };
    let peek = |bytes: &[u8]| peek_header(bytes, Some(Version::V5), &limits);
    let Ok(Decoded::Packet {
        packet: header,
        consumed: 2,
    }) = peek(b"\x32\x12")
    else {
        panic!("20 bytes are within the limit");
    };
    assert_eq!((header.packet_type, header.flags), (PacketType::Publish, 2));
    assert_eq!(header.packet_len(), 20);
    let error = peek(b"\x32\x13").unwrap_err();
    assert_eq!(error.reason_code(), ReasonCode::PacketTooLarge);
    // The fourth byte of the length may not ask for a fifth [MQTT-1.5.5-1].
    assert!(matches!(
        peek(b"\x30\x80\x80\x80"),
        Ok(Decoded::Incomplete(_))
    ));
    assert_eq!(
        peek(b"\x30\x80\x80\x80\x80").unwrap_err().kind(),
        Kind::InvalidVariableByteInteger
    );
    assert_eq!(peek(b"\xf1").unwrap_err().kind(), Kind::InvalidFlags);
}

#[test]
fn errors_say_where_they_were_found() {
    for (bytes, kind, offset) in [
        (&b"\x30\x06\0\x03a/+\0"[..], Kind::InvalidTopicName, 2),
        (b"\x30\x08\0\x01a\x04\x02\0\0\0", Kind::Truncated, 6),
        (
            b"\x30\x0a\0\x01a\x06\x01\x00\x21\0\x01\x2a",
            Kind::MisplacedProperty,
            8,
        ),
        (
            b"\x82\x07\0\x01\0\0\x01a\x43",
            Kind::ReservedSubscriptionOptions,
            8,
        ),
        (b"\x40\x03\0\x01\x55", Kind::InvalidReasonCode, 4),
        (b"\xc0\x01\0", Kind::TrailingBytes, 2),
    ] {
        let error = read(bytes, Version::V5).unwrap_err();
        assert_eq!(
            (error.kind(), error.offset()),
            (kind, offset),
            "{bytes:02x?}"
        );
    }
    let error = read(b"\x30\x06\0\x03a/+\0", Version::V5).unwrap_err();
    let text = "PUBLISH has a topic name that is empty or holds a wildcard (byte 2)";
    assert_eq!(error.to_string(), text);
}

#[test]
fn answers_of_5_0_are_told_to_3_x_as_near_as_it_can_say_them() {
    let connack = Packet::Connack(Connack::refusal(ReasonCode::ServerBusy));
    assert_eq!(written(&connack, Version::V311), b"\x20\x02\0\x03");
    let reasons = [0, 1, 2, ReasonCode::QuotaExceeded.as_u8()];
    let packet_id = PacketId::MIN;
    let suback = Suback {
        packet_id,
        properties: Properties::EMPTY,
        reasons: &reasons,
    };
    let bytes = written(&Packet::Suback(suback), Version::V311);
    assert_eq!(bytes, b"\x90\x06\0\x01\0\x01\x02\x80");
    let disconnect = Packet::Disconnect(Disconnect::new(ReasonCode::DisconnectWithWill));
    assert_eq!(written(&disconnect, Version::V311), b"\xe0\0");
    let mut filters = SubscribeFiltersBuf::new();
    let options = SubscriptionOptions {
        no_local: true,
        qos: QoS::AtLeastOnce,
        ..Default::default()
    };
    filters.push("a", options);
    let filters = filters.as_filters();
    let subscribe = mqtt_codec::Subscribe {
        packet_id,
        properties: Properties::EMPTY,
        filters,
    };
    let bytes = written(&Packet::Subscribe(subscribe), Version::V31);
    assert_eq!(bytes, b"\x82\x06\0\x01\0\x01a\x01");
}

#[test]
fn servers_are_checked_as_strictly() {
    let from_server = |bytes: &'static [u8], version| {
        read_from(Sender::Server, bytes, version).map_err(|error| error.kind())
    };
    let cases: [(&[u8], Version, Kind); 7] = [
        (b"\x20\x02\x02\0", Version::V311, Kind::ReservedConnackFlags), // [MQTT-3.2.2-1]
        (
            b"\x20\x02\x01\x05",
            Version::V311,
            Kind::SessionPresentOnRefusal,
        ), // [MQTT-3.2.2-6]
        (b"\x20\x02\0\x06", Version::V311, Kind::InvalidReasonCode),
        (b"\x90\x03\0\x01\x80", Version::V31, Kind::InvalidReasonCode),
        (
            b"\x90\x03\0\x01\x87",
            Version::V311,
            Kind::InvalidReasonCode,
        ),
        (b"\xe0\0", Version::V311, Kind::WrongSender),
        (b"\x90\x03\0\x01\0", Version::V5, Kind::Truncated),
    ];
    for (bytes, version, kind) in cases {
        assert_eq!(from_server(bytes, version), Err(kind), "{bytes:02x?}");
    }
    // Reserved in 3.1, and without a meaning.
    assert!(from_server(b"\x20\x02\xff\0", Version::V31).is_ok());
}

#[test]
fn a_property_is_found_behind_others() {
    let block: PropertiesBuf = [
        Property::UserProperty("a", "1"),
        Property::MessageExpiryInterval(7),
        Property::SubscriptionIdentifier(300),
        Property::UserProperty("b", "2"),
        Property::CorrelationData(&[0, 255]),
        Property::PayloadFormatIndicator(true),
        Property::TopicAlias(9),
        Property::ResponseTopic("r/t"),
        Property::SubscriptionIdentifier(1),
    ]
    .into_iter()
    .collect();
    let properties = block.as_properties();
    assert_eq!(properties.message_expiry_interval(), Some(7));
    assert_eq!(properties.correlation_data(), Some(&[0, 255][..]));
    assert_eq!(properties.payload_format_indicator(), Some(true));
    assert_eq!(properties.topic_alias(), Some(9));
    assert_eq!(properties.response_topic(), Some("r/t"));
    assert_eq!(properties.content_type(), None);
    assert!(properties.subscription_identifiers().eq([300, 1]));
    assert!(properties.user_properties().eq([("a", "1"), ("b", "2")]));
    // A block that nobody checked ends early and does no harm.
    let cut = Properties::trusted(&properties.as_bytes()[..9]);
    assert_eq!((cut.iter().count(), cut.topic_alias()), (1, None));
}

#[test]
fn what_no_length_can_describe_is_cut_or_not_written() {
    // 65 534 one-byte characters and then one of two bytes, which does not fit any more.
    let text = format!("{}é", "a".repeat(65_534));
    let connect = Connect::new(Version::V5, &text);
    let bytes = written(&Packet::Connect(connect), Version::V5);
    assert_eq!(bytes.len(), connect.encoded_len());
    let Ok(Decoded::Packet { packet, .. }) = decode_connect(&bytes, &Limits::default()) else {
        panic!("what was cut is a legal packet");
    };
    assert_eq!(packet.client_id, &text[..65_534]);

    let publish = Publish {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain: false,
        topic: Some(TopicName::parse("a").unwrap()),
        packet_id: Some(PacketId::MIN),
        properties: Properties::EMPTY,
        payload: &[],
    };
    let mut out = Vec::new();
    let most = 268_435_455 - 2 - 1 - 2 - 1;
    assert_eq!(publish.encode_head(Version::V5, most + 1, &mut out), None);
    assert!(out.is_empty());
    assert_eq!(publish.encode_head(Version::V5, most, &mut out), Some(8));
    assert_eq!(out, b"\x32\xff\xff\xff\x7f\0\x01a\0\x01\0");
    out.clear();
    assert_eq!(
        publish.encode_head(Version::V5, 0x1F_FFFF - 6, &mut out),
        Some(7)
    );
    assert_eq!(out, b"\x32\xff\xff\x7f\0\x01a\0\x01\0");
}

#[test]
fn a_password_is_not_told() {
    let connect = Connect {
        user_name: Some("user"),
        password: Some(b"secret"),
        ..Connect::new(Version::V5, "c")
    };
    let text = format!("{:?}", Packet::Connect(connect));
    assert!(text.contains("user") && text.contains("Some(6)") && !text.contains("secret"));
    assert!(!text.contains("115, 101"), "nor as numbers");
}
