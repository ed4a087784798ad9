//! Well-formed packets with fields out of the input, mostly legal ones.

use mqtt_codec::{
    Ack, Auth, Connect, Disconnect, Packet, PacketId, Properties, PropertiesBuf, Property, Publish,
    QoS, ReasonCode, RetainHandling, Subscribe, SubscribeFiltersBuf, SubscriptionOptions,
    TopicName, Unsubscribe, UnsubscribeFiltersBuf, Version, Will,
};

use crate::input::Input;

pub const TOPICS: &[&str] = &[
    "a",
    "a/b",
    "a/b/c",
    "b",
    "a//b",
    "/",
    "ü/x",
    "$SYS/x",
    "$share/g/a",
];
const FILTERS: &[&str] = &[
    "#",
    "a/#",
    "a",
    "+",
    "+/b",
    "a/+/c",
    "/#",
    "$SYS/#",
    "$share/g/a/#",
    "$share/g/#",
    "$share/h/+/b",
    "$share/g/a",
    "a#",
    "$share//a",
];
const CLIENT_IDS: &[&str] = &["one", "two", "three", "four", ""];
const REASONS: &[u8] = &[0x00, 0x10, 0x80, 0x87, 0x92, 0x97, 0x04, 0x8e];

/// A CONNECT, and the version that it speaks.
pub fn connect(input: &mut Input<'_>, out: &mut Vec<u8>) -> Version {
    let version = input.choose(&[Version::V5, Version::V5, Version::V311, Version::V31]);
    let choices = input.byte();
    let mut properties = PropertiesBuf::new();
    let mut will_properties = PropertiesBuf::new();
    if version.is_v5() {
        connect_properties(input, &mut properties);
        if choices & 4 != 0 {
            message_properties(input, &mut will_properties);
            will_properties.push(Property::WillDelayInterval(u32::from(input.byte())));
        }
    }
    let payload = payload(input);
    let user = (choices & 8 != 0).then(|| input.choose(&["ann", "bob", ""]));
    let password = (choices & 16 != 0).then(|| input.choose(&["secret", "wrong"]).as_bytes());
    let connect = Connect {
        version,
        bridge: choices & 0xc0 == 0xc0,
        clean_start: choices & 1 != 0,
        keep_alive: u16::from(input.byte()),
        properties: properties.as_properties(),
        client_id: input.choose(CLIENT_IDS),
        will: (choices & 4 != 0).then(|| Will {
            qos: input.choose(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]),
            retain: choices & 32 != 0,
            topic: topic(input),
            properties: will_properties.as_properties(),
            payload: &payload,
        }),
        user_name: user,
        password: password.filter(|_| user.is_some() || version.is_v5()),
    };
    connect.encode(out);
    version
}

fn connect_properties(input: &mut Input<'_>, properties: &mut PropertiesBuf) {
    let choices = input.byte();
    if choices & 1 != 0 {
        let seconds = input.choose(&[0, 1, 30, 3600, u32::MAX]);
        properties.push(Property::SessionExpiryInterval(seconds));
    }
    if choices & 2 != 0 {
        properties.push(Property::ReceiveMaximum(u16::from(input.byte() % 8)));
    }
    if choices & 4 != 0 {
        let bytes = u32::from(input.byte()) << input.below(9);
        properties.push(Property::MaximumPacketSize(bytes));
    }
    if choices & 8 != 0 {
        properties.push(Property::TopicAliasMaximum(u16::from(input.byte() % 4)));
    }
    if choices & 16 != 0 {
        properties.push(Property::RequestProblemInformation(input.once_in(2)));
    }
    if choices & 32 != 0 {
        properties.push(Property::AuthenticationMethod("none"));
    }
    if choices & 64 != 0 {
        properties.push(Property::UserProperty("key", "value"));
    }
}

/// What PUBLISH and a will may both say of a message.
fn message_properties(input: &mut Input<'_>, properties: &mut PropertiesBuf) {
    let choices = input.byte();
    if choices & 1 != 0 {
        properties.push(Property::MessageExpiryInterval(u32::from(input.byte())));
    }
    if choices & 2 != 0 {
        properties.push(Property::ResponseTopic("answer"));
        properties.push(Property::CorrelationData(&[7; 9]));
    }
    if choices & 4 != 0 {
        for _ in 0..input.byte() {
            properties.push(Property::UserProperty("k", "v"));
        }
    }
    if choices & 8 != 0 {
        properties.push(Property::PayloadFormatIndicator(true));
        properties.push(Property::ContentType("text/plain"));
    }
}

/// A packet of a client of that version, that need not be due.
pub fn any(input: &mut Input<'_>, version: Version, out: &mut Vec<u8>) {
    match input.below(16) {
        0..=5 => publish(input, version, out),
        6..=8 => subscribe(input, version, out),
        9 => unsubscribe(input, version, out),
        10 | 11 => {
            let ack = Ack {
                packet_id: packet_id(input),
                reason: reason(input),
                properties: Properties::EMPTY,
            };
            let kind = input.choose::<fn(Ack<'static>) -> Packet<'static>>(&[
                Packet::Puback,
                Packet::Pubrec,
                Packet::Pubrel,
                Packet::Pubcomp,
            ]);
            kind(ack).encode(version, out);
        }
        12 => Packet::Pingreq.encode(version, out),
        13 => {
            let mut properties = PropertiesBuf::new();
            if input.once_in(2) {
                let seconds = input.choose(&[0, 5, u32::MAX]);
                properties.push(Property::SessionExpiryInterval(seconds));
            }
            let disconnect = Disconnect {
                reason: reason(input),
                properties: properties.as_properties(),
            };
            disconnect.encode(version, out);
        }
        14 => {
            connect(input, out);
        }
        _ => {
            let auth = Auth {
                reason: reason(input),
                properties: Properties::EMPTY,
            };
            auth.encode(version, out);
        }
    }
}

fn publish(input: &mut Input<'_>, version: Version, out: &mut Vec<u8>) {
    let choices = input.byte();
    let qos = QoS::from_u8(choices & 3).unwrap_or(QoS::AtLeastOnce);
    let mut properties = PropertiesBuf::new();
    let mut topic = Some(topic(input));
    if version.is_v5() && choices & 4 != 0 {
        message_properties(input, &mut properties);
        let alias = input.byte();
        if alias & 1 != 0 {
            properties.push(Property::TopicAlias(u16::from(alias >> 5)));
            topic = topic.filter(|_| alias & 2 != 0);
        }
    }
    let payload = payload(input);
    let publish = Publish {
        dup: choices & 8 != 0 && qos != QoS::AtMostOnce,
        qos,
        retain: choices & 16 != 0,
        topic,
        packet_id: (qos != QoS::AtMostOnce).then(|| packet_id(input)),
        properties: properties.as_properties(),
        payload: &payload,
    };
    publish.encode(version, out);
}

fn subscribe(input: &mut Input<'_>, version: Version, out: &mut Vec<u8>) {
    let mut filters = SubscribeFiltersBuf::new();
    for _ in 0..=input.below(4) {
        let filter = input.choose(FILTERS);
        let choices = input.byte();
        let v5 = version.is_v5();
        let options = SubscriptionOptions {
            qos: QoS::from_u8(choices & 3).unwrap_or(QoS::ExactlyOnce),
            no_local: v5 && choices & 4 != 0,
            retain_as_published: v5 && choices & 8 != 0,
            retain_handling: match choices >> 4 & 3 {
                1 if v5 => RetainHandling::IfNew,
                2 if v5 => RetainHandling::Never,
                _ => RetainHandling::Always,
            },
        };
        filters.push(filter, options);
    }
    let mut properties = PropertiesBuf::new();
    if input.once_in(2) {
        properties.push(Property::SubscriptionIdentifier(u32::from(input.byte())));
    }
    let subscribe = Subscribe {
        packet_id: packet_id(input),
        properties: properties.as_properties(),
        filters: filters.as_filters(),
    };
    subscribe.encode(version, out);
}

fn unsubscribe(input: &mut Input<'_>, version: Version, out: &mut Vec<u8>) {
    let mut filters = UnsubscribeFiltersBuf::new();
    for _ in 0..=input.below(4) {
        filters.push(input.choose(FILTERS));
    }
    let unsubscribe = Unsubscribe {
        packet_id: packet_id(input),
        properties: Properties::EMPTY,
        filters: filters.as_filters(),
    };
    unsubscribe.encode(version, out);
}

fn topic(input: &mut Input<'_>) -> TopicName<'static> {
    TopicName::parse(input.choose(TOPICS)).expect("all of them are topic names")
}

/// Mostly short; some are long enough to be shared, and a few fill an out queue.
fn payload(input: &mut Input<'_>) -> Vec<u8> {
    let length = usize::from(input.byte());
    vec![
        b'x';
        if length < 200 {
            length % 20
        } else {
            (length - 199) * 1100
        }
    ]
}

fn packet_id(input: &mut Input<'_>) -> PacketId {
    PacketId::new(u16::from(input.byte() % 32) + 1).expect("at least 1")
}

fn reason(input: &mut Input<'_>) -> ReasonCode {
    ReasonCode::from_u8(input.choose(REASONS)).expect("all of them are reason codes")
}
