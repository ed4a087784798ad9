//! The five packets that are timed, as bytes and as packets of `mqtt-codec`.

use mqtt_codec::{
    Ack, Connect, Packet, PacketId, Properties, PropertiesBuf, Property, Publish, QoS, ReasonCode,
    Subscribe, SubscribeFiltersBuf, SubscriptionOptions, TopicName, Version, Will,
};

/// A packet and the name its groups bear.
pub struct Shape {
    /// The last part of the group's name.
    pub name: &'static str,
    /// The whole packet; every codec gets exactly these bytes.
    pub bytes: Vec<u8>,
}

/// Topic of the published messages: 27 bytes in five levels.
const TOPIC: &str = "site/4/hall/2/machine/17/rpm";

/// All shapes, in the order of the tables.
#[must_use]
pub fn all() -> Vec<Shape> {
    vec![
        publish_q0_64(),
        publish_q1_1k_4props(),
        connect_will_props(),
        subscribe_8(),
        puback(),
    ]
}

fn shape(name: &'static str, packet: &Packet<'_>) -> Shape {
    let mut bytes = Vec::new();
    packet.encode(Version::V5, &mut bytes);
    Shape { name, bytes }
}

fn publish_q0_64() -> Shape {
    let publish = Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: Some(TopicName::trusted(TOPIC)),
        packet_id: None,
        properties: Properties::EMPTY,
        payload: &[b'x'; 64],
    };
    shape("publish_q0_64", &Packet::Publish(publish))
}

fn publish_q1_1k_4props() -> Shape {
    let properties: PropertiesBuf = [
        Property::MessageExpiryInterval(3600),
        Property::ContentType("application/json"),
        Property::CorrelationData(b"0123456789abcdef"),
        Property::UserProperty("trace", "4bf92f3577b34da6"),
    ]
    .into_iter()
    .collect();
    let publish = Publish {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain: false,
        topic: Some(TopicName::trusted(TOPIC)),
        packet_id: PacketId::new(4711),
        properties: properties.as_properties(),
        payload: &[b'x'; 1024],
    };
    shape("publish_q1_1k_4props", &Packet::Publish(publish))
}

fn connect_will_props() -> Shape {
    let properties: PropertiesBuf = [
        Property::SessionExpiryInterval(3600),
        Property::ReceiveMaximum(100),
        Property::TopicAliasMaximum(10),
        Property::UserProperty("region", "north"),
    ]
    .into_iter()
    .collect();
    let will_properties: PropertiesBuf = [
        Property::WillDelayInterval(30),
        Property::ContentType("text/plain"),
    ]
    .into_iter()
    .collect();
    let connect = Connect {
        keep_alive: 60,
        properties: properties.as_properties(),
        will: Some(Will {
            qos: QoS::AtLeastOnce,
            retain: true,
            topic: TopicName::trusted("site/4/machine/17/state"),
            properties: will_properties.as_properties(),
            payload: b"offline",
        }),
        user_name: Some("machine-17"),
        password: Some(b"correct horse battery"),
        ..Connect::new(Version::V5, "machine-17-0001")
    };
    shape("connect_will_props", &Packet::Connect(connect))
}

fn subscribe_8() -> Shape {
    let mut filters = SubscribeFiltersBuf::new();
    for number in 0..8 {
        let options = SubscriptionOptions {
            qos: QoS::AtLeastOnce,
            ..Default::default()
        };
        filters.push(&format!("site/4/hall/{number}/machine/+/rpm"), options);
    }
    let subscribe = Subscribe {
        packet_id: PacketId::MIN,
        properties: Properties::EMPTY,
        filters: filters.as_filters(),
    };
    shape("subscribe_8", &Packet::Subscribe(subscribe))
}

fn puback() -> Shape {
    let ack = Ack {
        packet_id: PacketId::MAX,
        reason: ReasonCode::Success,
        properties: Properties::EMPTY,
    };
    shape("puback", &Packet::Puback(ack))
}
