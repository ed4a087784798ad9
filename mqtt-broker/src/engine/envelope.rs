//! A message at rest or under way: one block of bytes, the same in a queue, in a retained store and
//! between shards. Times in it are absolute, so that it can outlive a turn, a thread and a process.

use std::ops::Range;
use std::sync::Arc;

use mqtt_codec::{Properties, QoS, TopicName};
use mqtt_session::time::UnixTime;

/// Bytes before the variable parts: version, flags, client id length, topic length, properties
/// length (u16, u16, u32), publish time and expiry (u64 milliseconds each).
const HEAD: usize = 26;
/// Format of the block; a reader refuses what it does not know.
const VERSION: u8 = 1;
const RETAIN: u8 = 0b100;
const NEVER: u64 = u64::MAX;

/// What is known of a message besides its texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageHead {
    /// QoS as published.
    pub qos: QoS,
    /// RETAIN as published.
    pub retain: bool,
    /// When the broker took it over.
    pub published: UnixTime,
    /// When it may no longer be delivered; never if absent (MQTT 5, 3.3.2.3.3).
    pub expires: Option<UnixTime>,
}

impl Default for MessageHead {
    fn default() -> Self {
        Self {
            qos: QoS::AtMostOnce,
            retain: false,
            published: UnixTime::from_millis(0),
            expires: None,
        }
    }
}

/// A message as it is looked at: straight from a PUBLISH packet, or from a [`Message`].
#[derive(Clone, Copy, Debug)]
pub struct MessageView<'a> {
    /// QoS, RETAIN and times.
    pub head: MessageHead,
    /// Client id of the publisher; empty for the broker itself.
    pub publisher: &'a str,
    /// Topic name, never an alias.
    pub topic: TopicName<'a>,
    /// Properties that are passed on, without expiry, alias and identifiers (MQTT 5, 3.3.2.3).
    pub properties: Properties<'a>,
    /// Payload.
    pub payload: &'a [u8],
}

impl MessageView<'_> {
    /// Appends the block to `out`.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "client id and topic come from two-byte length fields, properties from a four-byte one"
    )]
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut head = [0; HEAD];
        head[0] = VERSION;
        head[1] = self.head.qos.as_u8() | if self.head.retain { RETAIN } else { 0 };
        head[2..4].copy_from_slice(&(self.publisher.len() as u16).to_le_bytes());
        head[4..6].copy_from_slice(&(self.topic.as_str().len() as u16).to_le_bytes());
        head[6..10].copy_from_slice(&(self.properties.as_bytes().len() as u32).to_le_bytes());
        head[10..18].copy_from_slice(&self.head.published.as_millis().to_le_bytes());
        let expires = self.head.expires.map_or(NEVER, UnixTime::as_millis);
        head[18..26].copy_from_slice(&expires.to_le_bytes());
        out.reserve(self.encoded_len());
        out.extend_from_slice(&head);
        out.extend_from_slice(self.publisher.as_bytes());
        out.extend_from_slice(self.topic.as_str().as_bytes());
        out.extend_from_slice(self.properties.as_bytes());
        out.extend_from_slice(self.payload);
    }

    /// Length of the block.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        HEAD + self.publisher.len()
            + self.topic.as_str().len()
            + self.properties.as_bytes().len()
            + self.payload.len()
    }

    /// Whole seconds for which the message may still be delivered: what a PUBLISH sent now says
    /// (MQTT 5, 3.3.2.3.3). `None` never ends; `Some(0)` is over.
    #[must_use]
    pub fn expiry_left(&self, now: UnixTime) -> Option<u32> {
        let expires = self.head.expires?;
        // [MQTT-3.3.2-6] It is never more than what was received, wherever the clock stands.
        let now = now.max(self.head.published);
        let left = expires.saturating_since(now).as_millis().div_ceil(1000);
        Some(u32::try_from(left).unwrap_or(u32::MAX))
    }

    /// Whether delivering it must not begin any more. One that never had time is delivered now or never,
    /// so that this is not asked of it.
    #[must_use]
    pub fn has_run_out(&self, now: UnixTime) -> bool {
        self.is_expired(now) && self.head.expires != Some(self.head.published)
    }

    /// Whether the message may no longer be delivered.
    #[must_use]
    pub fn is_expired(&self, now: UnixTime) -> bool {
        self.head.expires.is_some_and(|expires| expires <= now)
    }
}

/// A message that outlives the turn it came in: one shared block, cloned by reference.
///
/// It is an `Arc` also within a shard: a block of its own type for either side would double every
/// path, and the difference (a few nanoseconds for each queued message) was not measurable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message(Arc<[u8]>);

impl Message {
    /// Takes a view over into a block of its own. `scratch` is a buffer to build it in.
    #[must_use]
    pub fn new(view: &MessageView<'_>, scratch: &mut Vec<u8>) -> Self {
        scratch.clear();
        view.encode(scratch);
        Self(Arc::from(scratch.as_slice()))
    }

    /// Takes a block over that comes from elsewhere, if it is well-formed.
    #[must_use]
    pub fn from_bytes(block: &[u8]) -> Option<Self> {
        // Before it is trusted.
        TopicName::parse(topic_of(block)?).ok()?;
        parse(block)?;
        Some(Self(Arc::from(block)))
    }

    /// The whole block.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The message, looked at.
    ///
    /// # Panics
    /// Never: only well-formed blocks are taken over.
    #[must_use]
    pub fn view(&self) -> MessageView<'_> {
        parse(&self.0).expect("only well-formed blocks become a message")
    }

    /// Where the payload stands in [`Self::bytes`].
    #[must_use]
    pub fn payload_range(&self) -> Range<usize> {
        // Without reading the texts: this is asked for each message that comes to rest.
        let texts = self.0.first_chunk::<HEAD>().map_or(0, text_lengths);
        (HEAD + texts).min(self.0.len())..self.0.len()
    }

    /// Bytes of payload, as the queue limits count them.
    #[must_use]
    pub fn payload_len(&self) -> usize {
        self.payload_range().len()
    }
}

/// Bytes between the head and the payload.
fn text_lengths(head: &[u8; HEAD]) -> usize {
    let properties = u32::from_le_bytes([head[6], head[7], head[8], head[9]]);
    usize::from(u16::from_le_bytes([head[2], head[3]]))
        + usize::from(u16::from_le_bytes([head[4], head[5]]))
        + usize::try_from(properties).unwrap_or(usize::MAX / 2)
}

/// The text in the place of the topic.
fn topic_of(block: &[u8]) -> Option<&str> {
    let (head, rest) = block.split_first_chunk::<HEAD>()?;
    let start = usize::from(u16::from_le_bytes([head[2], head[3]]));
    let length = usize::from(u16::from_le_bytes([head[4], head[5]]));
    let topic = rest.get(start..)?.get(..length)?;
    std::str::from_utf8(topic).ok()
}

/// Reads a block.
#[must_use]
pub fn parse(block: &[u8]) -> Option<MessageView<'_>> {
    let (head, rest) = block.split_first_chunk::<HEAD>()?;
    if head[0] != VERSION {
        return None;
    }
    let publisher_len = usize::from(u16::from_le_bytes([head[2], head[3]]));
    let topic_len = usize::from(u16::from_le_bytes([head[4], head[5]]));
    let properties_len = u32::from_le_bytes([head[6], head[7], head[8], head[9]]);
    let time = |at: usize| {
        let bytes: Option<[u8; 8]> = head.get(at..at + 8).and_then(|b| b.try_into().ok());
        bytes.map(u64::from_le_bytes)
    };
    let expires = time(18)?;
    let (publisher, rest) = rest.split_at_checked(publisher_len)?;
    let (topic, rest) = rest.split_at_checked(topic_len)?;
    let (properties, payload) = rest.split_at_checked(usize::try_from(properties_len).ok()?)?;
    Some(MessageView {
        head: MessageHead {
            qos: QoS::from_u8(head[1] & 0b11)?,
            retain: head[1] & RETAIN != 0,
            published: UnixTime::from_millis(time(10)?),
            expires: (expires != NEVER).then(|| UnixTime::from_millis(expires)),
        },
        publisher: std::str::from_utf8(publisher).ok()?,
        topic: TopicName::trusted(std::str::from_utf8(topic).ok()?),
        properties: Properties::trusted(properties),
        payload,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn message(head: MessageHead, topic: &str, payload: &[u8]) -> Message {
        let topic = TopicName::parse(topic).unwrap();
        let view = MessageView {
            head,
            publisher: "p",
            topic,
            properties: Properties::EMPTY,
            payload,
        };
        Message::new(&view, &mut Vec::new())
    }

    #[test]
    fn a_block_gives_back_the_message_and_no_cut_of_it_panics() {
        let head = MessageHead {
            qos: QoS::ExactlyOnce,
            retain: true,
            published: UnixTime::from_millis(1_000),
            expires: Some(UnixTime::from_millis(61_000)),
        };
        let message = message(head, "a/b", b"payload");
        let view = message.view();
        assert_eq!(view.head, head);
        assert_eq!(
            (view.topic.as_str(), view.payload, view.publisher),
            ("a/b", &b"payload"[..], "p")
        );
        assert_eq!(&message.bytes()[message.payload_range()], b"payload");
        for cut in 0..message.bytes().len() - 7 {
            assert!(parse(&message.bytes()[..cut]).is_none(), "cut at {cut}");
        }
        let mut other = message.bytes().to_vec();
        let topic = HEAD + "p".len();
        for byte in [0, b'#'] {
            other[topic] = byte;
            assert_eq!(Message::from_bytes(&other), None, "no topic name");
        }
    }

    #[test]
    fn the_expiry_counts_down_in_seconds_and_never_says_more_than_was_given() {
        let at = |millis| UnixTime::from_millis(millis);
        let head = MessageHead {
            published: at(1),
            expires: Some(at(10_001)),
            ..MessageHead::default()
        };
        let message = message(head, "t", b"");
        for (now, left, over) in [
            (0, 10, false),
            (1, 10, false),
            (2, 10, false),
            (1_001, 9, false),
            (10_000, 1, false),
            (10_001, 0, true),
        ] {
            assert_eq!(message.view().expiry_left(at(now)), Some(left), "at {now}");
            assert_eq!(message.view().is_expired(at(now)), over, "at {now}");
        }
    }
}
