//! Packets of MQTT 5.0 that tests of the disk speak with.

use mqtt_tests::{Packet, Wire};

/// A packet with a short body.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first, u8::try_from(body.len()).expect("a short packet")];
    packet.extend(body);
    packet
}

/// SUBSCRIBE to one filter, answered.
pub(crate) fn subscribed(wire: &mut Wire, filter: &str, qos: u8) {
    let mut body = vec![0, 1, 0, 0];
    body.push(u8::try_from(filter.len()).expect("a short filter"));
    body.extend(filter.bytes());
    body.push(qos);
    wire.send(&packet(0x82, &body));
    wire.packets_until(9);
}

/// A PUBLISH with short properties, taken apart.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) retain: bool,
    pub(crate) topic: String,
    /// As it is to be answered; none at QoS 0.
    pub(crate) packet_id: Option<[u8; 2]>,
    pub(crate) properties: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

impl Message {
    pub(crate) fn of(packet: &Packet) -> Self {
        assert!(packet.is_type(3), "{packet:02x?}");
        let mut rest = packet.body.iter().copied();
        let mut take = |count: u8| -> Vec<u8> { rest.by_ref().take(count.into()).collect() };
        let topic = take(2).last().copied().expect("a length");
        let topic = String::from_utf8(take(topic)).expect("a topic");
        let qos = packet.first >> 1 & 3;
        let packet_id = (qos > 0).then(|| take(2).try_into().expect("a packet id"));
        let properties = take(1).last().copied().expect("a length");
        Self {
            retain: packet.first & 1 == 1,
            topic,
            packet_id,
            properties: take(properties),
            payload: rest.collect(),
        }
    }
}
