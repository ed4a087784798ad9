//! One face for every codec: take packets out of a buffer, write one packet out again.
//!
//! Each type decodes the way its crate is meant to be used. What a crate needs before it can
//! start, a buffer of its own kind for example, is made outside the timed part.

use bytes::BytesMut;
use mqtt_codec::{Decoded, Frame, Limits, Sender, Version};
use mqtt_protocol_core::mqtt::{Arc, packet::v5_0};
use ntex_codec::{Decoder as _, Encoder as _};
use rumqttc::v5::mqttbytes::v5 as rumqttc_v5;
use tokio_util::codec::{Decoder as _, Encoder as _};

use crate::{floor, shapes::Shape};

/// A packet of this crate, borrowed.
#[inline]
pub fn ours(bytes: &[u8]) -> Option<(mqtt_codec::Packet<'_>, usize)> {
    match mqtt_codec::decode(bytes, Version::V5, Sender::Client, &Limits::default()) {
        Ok(Decoded::Packet { packet, consumed }) => Some((packet, consumed)),
        Ok(Decoded::Incomplete(_)) | Err(_) => None,
    }
}

/// A packet of this crate, owned.
#[inline]
pub fn our_frame(buffer: &mut BytesMut) -> Option<Frame> {
    Frame::split_from(buffer, Version::V5, Sender::Client, &Limits::default())
        .ok()
        .flatten()
}

/// A packet of rumqttc.
#[inline]
pub fn rumqttc(buffer: &mut BytesMut) -> Option<rumqttc_v5::Packet> {
    rumqttc_v5::Packet::read(buffer, None).ok()
}

/// A packet of rmqtt-codec.
#[inline]
pub fn rmqtt(
    codec: &mut rmqtt_codec::v5::Codec,
    buffer: &mut BytesMut,
) -> Option<rmqtt_codec::v5::Packet> {
    codec
        .decode(buffer)
        .ok()
        .flatten()
        .map(|(packet, _)| packet)
}

/// Writes a packet of rmqtt-codec, which it has to own.
#[inline]
pub fn rmqtt_encode(
    codec: &mut rmqtt_codec::v5::Codec,
    packet: rmqtt_codec::v5::Packet,
    out: &mut BytesMut,
) -> bool {
    codec.encode(packet, out).is_ok()
}

/// A packet of ntex-mqtt.
#[inline]
pub fn ntex(
    codec: &ntex_mqtt::v5::codec::Codec,
    buffer: &mut ntex_bytes::BytesMut,
) -> Option<ntex_mqtt::v5::codec::Decoded> {
    codec.decode(buffer).ok().flatten()
}

/// What ntex-mqtt has to be given to write a packet that it has read.
#[must_use]
pub fn ntex_item(decoded: ntex_mqtt::v5::codec::Decoded) -> Option<ntex_mqtt::v5::codec::Encoded> {
    use ntex_mqtt::v5::codec::{Decoded, Encoded};
    match decoded {
        Decoded::Packet(packet, _) => Some(Encoded::Packet(packet)),
        Decoded::Publish(publish, payload, _) => Some(Encoded::Publish(publish, Some(payload))),
        Decoded::PayloadChunk(..) => None,
    }
}

/// Writes a packet of ntex-mqtt, which it has to own.
#[inline]
pub fn ntex_encode(
    codec: &ntex_mqtt::v5::codec::Codec,
    item: ntex_mqtt::v5::codec::Encoded,
    out: &mut ntex_bytes::BytePages,
) -> bool {
    codec.encodev(item, out).is_ok()
}

/// A packet of mqtt-protocol-core, which reads bodies: the header is found for it, and the body
/// of a PUBLISH is put into the shared slice that it wants.
pub enum ProtocolCore {
    /// CONNECT.
    Connect(v5_0::Connect),
    /// PUBLISH.
    Publish(v5_0::Publish),
    /// SUBSCRIBE.
    Subscribe(v5_0::Subscribe),
    /// PUBACK.
    Puback(v5_0::Puback),
}

/// A packet of mqtt-protocol-core and how many bytes it took.
#[inline]
pub fn protocol_core(bytes: &[u8]) -> Option<(ProtocolCore, usize)> {
    let limits = Limits::default();
    let Ok(Decoded::Packet { packet: header, .. }) =
        mqtt_codec::peek_header(bytes, Some(Version::V5), &limits)
    else {
        return None;
    };
    let body = bytes.get(header.header_len..header.packet_len())?;
    let packet = match header.packet_type.as_u8() {
        1 => ProtocolCore::Connect(v5_0::Connect::parse(body).ok()?.0),
        3 => ProtocolCore::Publish(v5_0::Publish::parse(header.flags, Arc::from(body)).ok()?.0),
        4 => ProtocolCore::Puback(v5_0::Puback::parse(body).ok()?.0),
        8 => ProtocolCore::Subscribe(v5_0::Subscribe::parse(body).ok()?.0),
        _ => return None,
    };
    Some((packet, header.packet_len()))
}

impl ProtocolCore {
    /// Writes the packet into a vector of its own, as the crate offers it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Connect(packet) => packet.to_continuous_buffer(),
            Self::Publish(packet) => packet.to_continuous_buffer(),
            Self::Subscribe(packet) => packet.to_continuous_buffer(),
            Self::Puback(packet) => packet.to_continuous_buffer(),
        }
    }
}

/// Lets every codec read the shape and write it again, and compares what comes out.
///
/// # Panics
/// If one of them does not read it, or writes another packet.
pub fn check(shape: &Shape) {
    let (bytes, name) = (&shape.bytes[..], shape.name);
    let same = |who: &str, written: &[u8]| {
        assert_eq!(
            normal(written),
            normal(bytes),
            "{who} writes {name} otherwise"
        );
    };
    let mut out = Vec::new();
    floor::decode(bytes)
        .expect("the floor reads it")
        .0
        .encode(&mut out);
    same("floor", &out);
    let mut out = Vec::new();
    ours(bytes)
        .expect("mqtt-codec reads it")
        .0
        .encode(Version::V5, &mut out);
    same("mqtt-codec", &out);
    let frame = our_frame(&mut BytesMut::from(bytes)).expect("mqtt-codec makes a frame of it");
    same("mqtt-codec-frame", frame.as_bytes());
    same(
        "mqtt-protocol-core",
        &protocol_core(bytes).expect("it reads it").0.encode(),
    );

    let mut out = BytesMut::new();
    let packet = rumqttc(&mut BytesMut::from(bytes)).expect("rumqttc reads it");
    packet.write(&mut out, None).expect("rumqttc writes it");
    same("rumqttc", &out);

    let mut out = BytesMut::new();
    let codec = &mut rmqtt_codec::v5::Codec::new(0, 0);
    let packet = rmqtt(codec, &mut BytesMut::from(bytes)).expect("rmqtt-codec reads it");
    assert!(rmqtt_encode(codec, packet, &mut out));
    same("rmqtt-codec", &out);

    let mut out = ntex_bytes::BytePages::default();
    let codec = ntex_mqtt::v5::codec::Codec::new();
    let decoded = ntex(&codec, &mut ntex_bytes::BytesMut::from(bytes)).expect("ntex reads it");
    assert!(ntex_encode(
        &codec,
        ntex_item(decoded).expect("a whole packet"),
        &mut out
    ));
    same("ntex-mqtt", &ntex_bytes::Bytes::from(out));
}

/// A packet in its shortest form with its bytes sorted: some crates write long forms, and each
/// has its own order of properties.
fn normal(bytes: &[u8]) -> Vec<u8> {
    let mut normal = Vec::new();
    ours(bytes)
        .expect("a legal packet")
        .0
        .encode(Version::V5, &mut normal);
    normal.sort_unstable();
    normal
}
