//! What the engine was told: limits, defaults and rules of each listener. Made from the
//! configuration, replaced as a whole by a reload.

use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::time::Duration;

use mqtt_codec::{QoS, Version};

use crate::auth::{Authenticator, Policy};

/// The settings of a broker. Names are those of the configuration options.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Rules of each listener, by its number.
    pub listeners: Vec<ListenerSettings>,
    /// Who may do what.
    pub policy: Arc<Policy>,
    /// QoS 1 and 2 messages in flight to a client that names no Receive Maximum, and the Receive
    /// Maximum announced to clients.
    pub max_inflight_messages: NonZeroU16,
    /// Payload bytes in flight to one client; one message may exceed it.
    pub max_inflight_bytes: Option<u64>,
    /// QoS 1 and 2 messages waiting for one client, above those in flight.
    pub max_queued_messages: Option<u32>,
    /// The same for a client that is connected: where nobody set a limit, one that is only slower
    /// for a while than those who publish loses nothing.
    pub max_queued_messages_connected: Option<u32>,
    /// Payload bytes waiting for one client.
    pub max_queued_bytes: Option<u64>,
    /// What of a durable session's waiting messages is in memory while more wait in the store.
    pub page: PageSize,
    /// What may wait in memory while the client is connected and the store has nothing, as long as
    /// there is room: to write a message and to read it again costs several times as much.
    pub page_connected: PageSize,
    /// What is read from the store at a time, as long as there is room; else as much as `page`.
    pub page_read: PageSize,
    /// Bytes of messages on one shard from which on there is no such room.
    pub page_memory: u64,
    /// Largest packet taken, fixed header included.
    pub max_packet_size: NonZeroU32,
    /// Largest payload taken.
    pub message_size_limit: Option<u32>,
    /// Longest keep alive in seconds, if limited.
    pub max_keepalive: Option<NonZeroU16>,
    /// Longest time that a session is kept without a connection.
    pub persistent_client_expiration: Option<Duration>,
    /// QoS 0 messages are queued for sessions without a connection.
    pub queue_qos0_messages: bool,
    /// Retained messages are taken.
    pub retain_available: bool,
    /// Messages are delivered at the QoS of the subscription even if published at a lower one.
    pub upgrade_outgoing_qos: bool,
    /// One copy for each matching subscription instead of one in all.
    pub allow_duplicate_messages: bool,
    /// Sessions in the whole broker.
    pub global_max_clients: Option<u32>,
    /// How long a connection may take to its CONNECT.
    pub connect_timeout: Duration,
    /// `/` in a topic name or filter.
    pub topic_slashes_max: usize,
    /// Subscriptions of one session.
    pub subscriptions_max: usize,
    /// Bytes of the filters of one session, in all.
    pub filter_bytes_max: usize,
    /// How often expired retained messages are looked for.
    pub retain_expiry_interval: Option<Duration>,
    /// A store keeps what is durable. Does not change while the broker runs.
    pub durable: bool,
    /// Every packet is told as an event.
    pub trace: bool,
}

impl Settings {
    /// The QoS of a message for a subscriber who was granted `granted`.
    #[must_use]
    pub fn qos_towards(&self, granted: QoS, published: QoS) -> QoS {
        if self.upgrade_outgoing_qos {
            granted
        } else {
            granted.min(published)
        }
    }
}

/// A part of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSize {
    /// Messages: from 1 on.
    pub messages: u32,
    /// Their bytes, with topics and properties; one message may exceed it.
    pub bytes: u64,
}

/// The rules of one listener.
#[derive(Clone, Debug)]
pub struct ListenerSettings {
    /// Who is let in with which credentials.
    pub authenticator: Arc<Authenticator>,
    /// Clients without a user name are let in, where the authenticator does not decide.
    pub allow_anonymous: bool,
    /// Versions that are served.
    pub versions: Versions,
    /// Highest QoS.
    pub max_qos: QoS,
    /// Topic aliases that a client may use.
    pub max_topic_alias: u16,
    /// Topic aliases that the broker may use towards a client.
    pub max_topic_alias_broker: u16,
    /// Begins the client ids that are made up.
    pub auto_id_prefix: Box<str>,
    /// An empty client id is given one.
    pub allow_zero_length_clientid: bool,
    /// The user name takes the place of the client id.
    pub use_username_as_clientid: bool,
    /// What a client id has to begin with.
    pub clientid_prefixes: Option<Box<str>>,
}

/// What holds where the configuration says nothing, for one listener that lets in nobody without a
/// name.
impl Default for Settings {
    fn default() -> Self {
        Self {
            listeners: vec![ListenerSettings::default()],
            policy: Arc::default(),
            max_inflight_messages: const { NonZeroU16::new(20).expect("is not zero") },
            max_inflight_bytes: None,
            max_queued_messages: Some(1000),
            max_queued_messages_connected: Some(65_536),
            max_queued_bytes: None,
            page: PageSize {
                messages: 100,
                bytes: 64 * 1024,
            },
            page_connected: PageSize {
                messages: 2000,
                bytes: 1024 * 1024,
            },
            page_read: PageSize {
                messages: 500,
                bytes: 256 * 1024,
            },
            page_memory: 32 * 1024 * 1024,
            max_packet_size: const { NonZeroU32::new(2_000_000).expect("is not zero") },
            message_size_limit: None,
            max_keepalive: None,
            persistent_client_expiration: None,
            queue_qos0_messages: false,
            retain_available: true,
            upgrade_outgoing_qos: false,
            allow_duplicate_messages: false,
            global_max_clients: None,
            // One and a half times a keep alive of 20 s, as in Mosquitto.
            connect_timeout: Duration::from_secs(30),
            topic_slashes_max: 200,
            // Nobody has that many; without a bound one client could have all the memory.
            subscriptions_max: 100_000,
            filter_bytes_max: 16 * 1024 * 1024,
            retain_expiry_interval: None,
            durable: false,
            trace: false,
        }
    }
}

impl Default for ListenerSettings {
    fn default() -> Self {
        Self {
            authenticator: Arc::default(),
            allow_anonymous: false,
            versions: Versions::ALL,
            max_qos: QoS::ExactlyOnce,
            max_topic_alias: 10,
            max_topic_alias_broker: 10,
            auto_id_prefix: "auto-".into(),
            allow_zero_length_clientid: true,
            use_username_as_clientid: false,
            clientid_prefixes: None,
        }
    }
}

/// A set of protocol versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// MQTT 3.1.
    pub v31: bool,
    /// MQTT 3.1.1.
    pub v311: bool,
    /// MQTT 5.0.
    pub v5: bool,
}

impl Versions {
    /// All of them.
    pub const ALL: Self = Self {
        v31: true,
        v311: true,
        v5: true,
    };

    /// Whether a version is in the set.
    #[must_use]
    pub fn contains(self, version: Version) -> bool {
        match version {
            Version::V31 => self.v31,
            Version::V311 => self.v311,
            Version::V5 => self.v5,
        }
    }
}

/// Used before a CONNECT was accepted, whatever is configured.
pub const CONNECT_BYTES_MAX: u32 = 100_000;
