//! What a client wrote, packet by packet: so that the world knows exactly what the broker has read.

use mqtt_codec::{Decoded, Limits, Packet, PacketId, QoS, ReasonCode, Sender, Version, decode};

use super::payload;

/// A packet of a client, as far as the checks want to know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// CONNECT, with Clean Start.
    Connect(bool),
    /// PUBLISH.
    Publish(What, QoS, Option<PacketId>),
    /// PUBACK.
    Puback(PacketId),
    /// PUBREL.
    Pubrel(PacketId),
    /// DISCONNECT.
    Disconnect(ReasonCode),
    /// Something else.
    Other,
}

/// What a PUBLISH says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A message, by its number.
    Message(u32),
    /// An empty one.
    Nothing,
}

/// Says what stands at the front of the client's output, and how long it is.
///
/// # Panics
/// If it is no whole packet: a client writes nothing else.
pub(crate) fn first(bytes: &[u8], version: Version) -> (usize, Sent) {
    let decoded = decode(bytes, version, Sender::Client, &Limits::default());
    let Ok(Decoded::Packet { packet, consumed }) = decoded else {
        panic!("a client wrote something that is no packet: {decoded:?}");
    };
    let sent = match &packet {
        Packet::Connect(connect) => Sent::Connect(connect.clean_start),
        Packet::Publish(publish) => {
            let number = payload::number(publish.payload);
            let what = number.map_or(What::Nothing, What::Message);
            Sent::Publish(what, publish.qos, publish.packet_id)
        }
        Packet::Puback(ack) => Sent::Puback(ack.packet_id),
        Packet::Pubrel(ack) => Sent::Pubrel(ack.packet_id),
        Packet::Disconnect(disconnect) => Sent::Disconnect(disconnect.reason),
        _ => Sent::Other,
    };
    (consumed, sent)
}
