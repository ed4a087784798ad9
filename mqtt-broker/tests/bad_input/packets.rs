//! Packets of 5.0 that the tests send.

use mqtt_codec::{
    Packet, PacketId, Properties, PropertiesBuf, Property, Publish, QoS, Subscribe,
    SubscribeFiltersBuf, SubscriptionOptions, TopicName, Unsubscribe, UnsubscribeFiltersBuf,
    Version,
};

fn encoded(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.encode(Version::V5, &mut bytes);
    bytes
}

pub fn publish(topic: &str, qos: QoS, payload: &[u8], properties: &PropertiesBuf) -> Vec<u8> {
    encoded(&Packet::Publish(Publish {
        dup: false,
        qos,
        retain: false,
        topic: Some(TopicName::parse(topic).unwrap()),
        packet_id: (qos != QoS::AtMostOnce).then_some(PacketId::MIN),
        properties: properties.as_properties(),
        payload,
    }))
}

pub fn retain(topic: &str) -> Vec<u8> {
    let mut bytes = publish(topic, QoS::AtMostOnce, b"kept", &PropertiesBuf::new());
    bytes[0] |= 1;
    bytes
}

pub fn subscribe<'a>(filters: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let mut all = SubscribeFiltersBuf::new();
    for filter in filters {
        all.push(filter, SubscriptionOptions::default());
    }
    encoded(&Packet::Subscribe(Subscribe {
        packet_id: PacketId::MIN,
        properties: Properties::EMPTY,
        filters: all.as_filters(),
    }))
}

pub fn unsubscribe<'a>(filters: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let mut all = UnsubscribeFiltersBuf::new();
    for filter in filters {
        all.push(filter);
    }
    encoded(&Packet::Unsubscribe(Unsubscribe {
        packet_id: PacketId::MIN,
        properties: Properties::EMPTY,
        filters: all.as_filters(),
    }))
}

pub fn user_properties(count: usize) -> PropertiesBuf {
    let mut properties = PropertiesBuf::new();
    for _ in 0..count {
        properties.push(Property::UserProperty("k", "v"));
    }
    properties
}
