//! A message from the server, sharing the buffer it was read into.

use bytes::Bytes;
use mqtt_codec::{PacketId, Properties, Publish, QoS};

/// A message from the server. Cloning it copies no bytes.
///
/// It shares the buffer it was read into, a few tens of kilobytes, and keeps all of that alive. A
/// program that stores messages should store [`detached`](Self::detach) ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    topic: Bytes,
    payload: Bytes,
    properties: Bytes,
    qos: QoS,
    retain: bool,
    dup: bool,
    packet_id: Option<PacketId>,
}

impl Message {
    /// Takes the parts of a PUBLISH out of the frame that it was decoded from.
    pub(crate) fn new(frame: &Bytes, publish: &Publish<'_>) -> Self {
        let topic = publish.topic.map_or("", |topic| topic.as_str());
        Self {
            topic: share(frame, topic.as_bytes()),
            payload: share(frame, publish.payload),
            properties: share(frame, publish.properties.as_bytes()),
            qos: publish.qos,
            retain: publish.retain,
            dup: publish.dup,
            packet_id: publish.packet_id,
        }
    }

    /// The topic that it was published to, even if an alias stood for it.
    #[must_use]
    pub fn topic(&self) -> &str {
        // The decoder has checked that it is UTF-8.
        std::str::from_utf8(&self.topic).unwrap_or_default()
    }

    /// The application's bytes, possibly none.
    #[must_use]
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// Its properties as they came; none in 3.x.
    #[must_use]
    pub fn properties(&self) -> Properties<'_> {
        Properties::trusted(&self.properties)
    }

    /// With which QoS it was delivered.
    #[must_use]
    pub fn qos(&self) -> QoS {
        self.qos
    }

    /// Whether it was stored on the server before we subscribed, or, for subscriptions with Retain
    /// As Published, how it was published.
    #[must_use]
    pub fn retain(&self) -> bool {
        self.retain
    }

    /// Whether the server may have sent it before.
    #[must_use]
    pub fn dup(&self) -> bool {
        self.dup
    }

    /// To acknowledge it by; none at QoS 0.
    #[must_use]
    pub fn packet_id(&self) -> Option<PacketId> {
        self.packet_id
    }

    /// Bytes of topic, payload and properties.
    pub(crate) fn len(&self) -> usize {
        self.topic.len() + self.payload.len() + self.properties.len()
    }

    /// The same message in memory of its own.
    #[must_use]
    pub fn detach(&self) -> Self {
        let mut own = Vec::with_capacity(self.len());
        own.extend_from_slice(&self.topic);
        own.extend_from_slice(&self.payload);
        own.extend_from_slice(&self.properties);
        let mut rest = Bytes::from(own);
        let topic = rest.split_to(self.topic.len());
        let payload = rest.split_to(self.payload.len());
        Self {
            topic,
            payload,
            properties: rest,
            ..self.clone()
        }
    }
}

/// The same bytes as a slice of the frame, or as a copy if they are not part of it.
fn share(frame: &Bytes, part: &[u8]) -> Bytes {
    let (frame_range, part_range) = (frame.as_ptr_range(), part.as_ptr_range());
    if part.is_empty() {
        Bytes::new()
    } else if frame_range.start <= part_range.start && part_range.end <= frame_range.end {
        frame.slice_ref(part)
    } else {
        Bytes::copy_from_slice(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt_codec::TopicName;

    fn message(frame: &Bytes, topic: &str) -> Message {
        Message::new(
            frame,
            &Publish {
                dup: false,
                qos: QoS::AtLeastOnce,
                retain: true,
                topic: Some(TopicName::parse(topic).unwrap()),
                packet_id: PacketId::new(3),
                properties: Properties::EMPTY,
                payload: &frame[3..],
            },
        )
    }

    #[test]
    fn parts_are_shared_with_the_frame_and_detached_ones_are_not() {
        let frame = Bytes::from_static(b"a/bpayload");
        let shared = message(&frame, std::str::from_utf8(&frame[..3]).unwrap());
        assert_eq!(
            (shared.topic(), &shared.payload()[..]),
            ("a/b", &b"payload"[..])
        );
        assert_eq!(shared.payload().as_ptr(), frame[3..].as_ptr());
        let detached = shared.detach();
        assert_eq!(detached, shared);
        assert_ne!(detached.payload().as_ptr(), frame[3..].as_ptr());
    }

    #[test]
    fn the_topic_of_an_alias_is_copied() {
        let frame = Bytes::from_static(b"???payload");
        assert_eq!(message(&frame, "from/alias").topic(), "from/alias");
    }
}
