//! What a client is told before it connects.

use std::fmt;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mqtt_codec::{MAX_PACKET_SIZE, Packet, PropertiesBuf, QoS, Version};

/// Hears of every packet, in order, before what it causes is done.
pub type Trace = Arc<dyn Fn(Direction, &Packet<'_>) + Send + Sync>;

/// Which way a traced packet went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From us to the server.
    Sent,
    /// From the server to us.
    Received,
}

/// Who acknowledges a message that came in with QoS 1 or 2.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Acknowledge {
    /// The client, as it hands the message over.
    #[default]
    Automatically,
    /// The program, once it is done with the message. What it has not acknowledged when the
    /// connection breaks comes again, unless the server ended the session.
    ByHand,
}

/// A message that the server publishes when the connection ends without a normal DISCONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Will {
    /// Where to; must be a valid topic name.
    pub topic: String,
    /// Up to 65 535 bytes; longer ones are refused.
    pub payload: Bytes,
    /// How hard the server tries.
    pub qos: QoS,
    /// Whether the server keeps it for later subscribers.
    pub retain: bool,
    /// 5.0 only; the Will Delay Interval is one of them.
    pub properties: PropertiesBuf,
}

impl Will {
    /// A will of QoS 0, not retained, without properties.
    #[must_use]
    pub fn new(topic: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos: QoS::AtMostOnce,
            retain: false,
            properties: PropertiesBuf::new(),
        }
    }
}

/// All that a [`ClientSession`](super::ClientSession) is told.
#[derive(Clone)]
pub struct Settings {
    /// Protocol version to ask for.
    pub version: Version,
    /// Whether the protocol level says that we are a bridge (3.x: level with bit 0x80).
    pub bridge: bool,
    /// Empty: the server assigns one, which is then used for later connections too.
    pub client_id: String,
    /// Clean Start; in 3.x Clean Session, which also ends the session with the connection.
    pub clean_start: bool,
    /// Ask for Clean Start on the first connection only, if the session outlives a connection
    /// (5.0 with a Session Expiry Interval above 0).
    pub resume: bool,
    /// Seconds; 0 is off.
    pub keep_alive: u16,
    /// For the server to know us by.
    pub user_name: Option<String>,
    /// Goes with the user name; 5.0 allows it alone.
    pub password: Option<Bytes>,
    /// Stored by the server with CONNECT.
    pub will: Option<Will>,
    /// 5.0 only. Receive Maximum, Maximum Packet Size and Topic Alias Maximum among them bind the
    /// server and are enforced.
    pub connect_properties: PropertiesBuf,
    /// QoS 1 and 2 messages that we leave open at a time; the server may allow less.
    pub max_inflight: NonZeroU16,
    /// QoS 1 and 2 messages that wait for the window or for a connection.
    pub max_queued_messages: usize,
    /// Bytes of topics, payloads and properties of those.
    pub max_queued_bytes: usize,
    /// Bytes of the largest packet accepted, in any version.
    pub max_packet_size: u32,
    /// Who acknowledges.
    pub acknowledge: Acknowledge,
    /// Topics for which we use aliases of our own, as far as the server takes them; 0 for none.
    pub automatic_topic_aliases: u16,
    /// Patience between CONNECT and CONNACK; `None` stands for the Keep Alive.
    pub connack_timeout: Option<Duration>,
    /// Hears of every packet.
    pub trace: Option<Trace>,
}

impl Settings {
    /// A clean session without credentials, Keep Alive 60 s, 20 messages in flight, 1 000 messages
    /// or 16 MiB queued.
    #[must_use]
    pub fn new(version: Version) -> Self {
        Self {
            version,
            bridge: false,
            client_id: String::new(),
            clean_start: true,
            resume: false,
            keep_alive: 60,
            user_name: None,
            password: None,
            will: None,
            connect_properties: PropertiesBuf::new(),
            max_inflight: const { NonZeroU16::new(20).expect("20 is not 0") },
            max_queued_messages: 1_000,
            max_queued_bytes: 16 << 20,
            max_packet_size: MAX_PACKET_SIZE,
            acknowledge: Acknowledge::default(),
            automatic_topic_aliases: 0,
            connack_timeout: None,
            trace: None,
        }
    }

    /// The Receive Maximum that binds the server.
    pub(super) fn receive_maximum(&self) -> NonZeroU16 {
        let announced = self
            .announced()
            .and_then(|properties| properties.receive_maximum());
        announced
            .and_then(NonZeroU16::new)
            .unwrap_or(NonZeroU16::MAX)
    }

    /// Bytes of the largest packet that the server may send.
    pub(super) fn packet_size_limit(&self) -> u32 {
        let announced = self
            .announced()
            .and_then(|properties| properties.maximum_packet_size());
        announced.map_or(self.max_packet_size, |announced| {
            announced.min(self.max_packet_size)
        })
    }

    /// The aliases that the server may use.
    pub(super) fn topic_alias_maximum(&self) -> u16 {
        self.announced()
            .and_then(|properties| properties.topic_alias_maximum())
            .unwrap_or(0)
    }

    /// Whether the session outlives the connection by our own wish.
    pub(super) fn outlives_connection(&self) -> bool {
        match self.announced() {
            Some(properties) => properties
                .session_expiry_interval()
                .is_some_and(|secs| secs > 0),
            None => !self.clean_start,
        }
    }

    /// The properties of CONNECT, if it has any.
    fn announced(&self) -> Option<mqtt_codec::Properties<'_>> {
        self.version
            .is_v5()
            .then(|| self.connect_properties.as_properties())
    }
}

impl fmt::Debug for Settings {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("version", &self.version)
            .field("client_id", &self.client_id)
            .field("clean_start", &self.clean_start)
            .field("keep_alive", &self.keep_alive)
            .field("user_name", &self.user_name)
            .field("connect_properties", &self.connect_properties)
            .field("max_inflight", &self.max_inflight)
            .finish_non_exhaustive()
    }
}
