//! What a connection is made with.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mqtt_codec::{Packet, PropertiesBuf, Version};
use mqtt_session::client::Settings;

use crate::Address;

pub use mqtt_session::client::{Acknowledge, Direction, Will};

/// When a program hears of a QoS 2 message. Either way it hears of it once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum DeliverQos2 {
    /// With the PUBLISH, so that nothing taken over is lost with the program.
    #[default]
    OnPublish,
    /// With the PUBREL, as the tools of Mosquitto do. Until then it is held in memory, up to
    /// 64 MiB in all; what is beyond that, and whatever the program acknowledges by hand, is told
    /// with the PUBLISH.
    OnRelease,
}

/// What a [`Client`](crate::Client) does when the connection is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reconnect {
    /// It ends.
    Never,
    /// It tries again after the same time, always.
    Every(Duration),
    /// It tries again after a time that doubles with every failure, less a random part.
    BackOff {
        /// The longest wait before the first attempt.
        first: Duration,
        /// The longest wait of all.
        longest: Duration,
    },
}

impl Default for Reconnect {
    fn default() -> Self {
        Self::BackOff {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(60),
        }
    }
}

/// What a connection is made with. Each setter takes the options and hands them back.
///
/// ```
/// use mqtt_client::{Address, Options, Will};
///
/// let options = Options::new(Address::tcp("localhost", 1883))
///     .client_id("thermometer-7")
///     .user_name("sensors")
///     .password("secret")
///     .will(Will::new("sensors/7/state", "gone"))
///     .keep_alive(30);
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    pub(crate) address: Address,
    pub(crate) settings: Settings,
    pub(crate) deliver_qos2: DeliverQos2,
    pub(crate) bind_address: Option<String>,
    pub(crate) no_delay: bool,
    pub(crate) dial_timeout: Option<Duration>,
    pub(crate) reconnect: Reconnect,
    pub(crate) resubscribe: bool,
    pub(crate) message_capacity: usize,
}

impl Options {
    /// MQTT 5, a clean session, Keep Alive 60 s, no credentials, no will.
    #[must_use]
    pub fn new(address: Address) -> Self {
        let mut settings = Settings::new(Version::V5);
        settings.connack_timeout = Some(Duration::from_secs(30));
        Self {
            address,
            settings,
            deliver_qos2: DeliverQos2::default(),
            bind_address: None,
            no_delay: true,
            dial_timeout: Some(Duration::from_secs(30)),
            reconnect: Reconnect::default(),
            resubscribe: true,
            message_capacity: 256,
        }
    }

    /// Protocol version; 5.0 unless set.
    #[must_use]
    pub fn version(mut self, version: Version) -> Self {
        self.settings.version = version;
        self
    }

    /// Client id; unless set it is empty and the server assigns one, which 3.1 does not know.
    #[must_use]
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.settings.client_id = client_id.into();
        self
    }

    /// Whether the server forgets an earlier session (in 3.x: and this one, at its end); true
    /// unless set. For a session that outlives the connection in 5.0, add a Session Expiry
    /// Interval to the [`connect_properties`](Self::connect_properties).
    #[must_use]
    pub fn clean_start(mut self, clean_start: bool) -> Self {
        self.settings.clean_start = clean_start;
        self
    }

    /// Seconds of silence after which the client pings; 60 unless set, 0 is off.
    #[must_use]
    pub fn keep_alive(mut self, seconds: u16) -> Self {
        self.settings.keep_alive = seconds;
        self
    }

    /// User name.
    #[must_use]
    pub fn user_name(mut self, user_name: impl Into<String>) -> Self {
        self.settings.user_name = Some(user_name.into());
        self
    }

    /// Password; 3.x takes none without a user name.
    #[must_use]
    pub fn password(mut self, password: impl Into<Bytes>) -> Self {
        self.settings.password = Some(password.into());
        self
    }

    /// A message that the server publishes when the connection ends without a normal DISCONNECT.
    #[must_use]
    pub fn will(mut self, will: Will) -> Self {
        self.settings.will = Some(will);
        self
    }

    /// Properties of CONNECT, sent as they are (5.0). Receive Maximum, Maximum Packet Size and
    /// Topic Alias Maximum bind the server, and a server that breaks them is disconnected.
    #[must_use]
    pub fn connect_properties(mut self, properties: PropertiesBuf) -> Self {
        self.settings.connect_properties = properties;
        self
    }

    /// Whether CONNECT says that we are a bridge (bit 0x80 of the level, an extension of 3.x).
    #[must_use]
    pub fn bridge(mut self, bridge: bool) -> Self {
        self.settings.bridge = bridge;
        self
    }

    /// QoS 1 and 2 messages that we leave unanswered at a time; 20 unless set. The server's Receive
    /// Maximum holds too.
    #[must_use]
    pub fn max_inflight(mut self, messages: NonZeroU16) -> Self {
        self.settings.max_inflight = messages;
        self
    }

    /// QoS 1 and 2 messages, and bytes of them, that wait for the server or for a connection;
    /// 1 000 and 16 MiB unless set, at least 1 of each. Beyond that publishing answers
    /// [`QueueFull`](crate::RequestError::QueueFull).
    #[must_use]
    pub fn max_queued(mut self, messages: usize, bytes: usize) -> Self {
        self.settings.max_queued_messages = messages.max(1);
        self.settings.max_queued_bytes = bytes.max(1);
        self
    }

    /// Bytes of the largest packet that we take, whatever was announced; the protocol's maximum,
    /// 256 MiB, unless set.
    #[must_use]
    pub fn max_packet_size(mut self, bytes: u32) -> Self {
        self.settings.max_packet_size = bytes;
        self
    }

    /// Who acknowledges messages; the client itself unless set.
    #[must_use]
    pub fn acknowledge(mut self, acknowledge: Acknowledge) -> Self {
        self.settings.acknowledge = acknowledge;
        self
    }

    /// When QoS 2 messages are delivered; with the PUBLISH unless set.
    #[must_use]
    pub fn deliver_qos2(mut self, deliver: DeliverQos2) -> Self {
        self.deliver_qos2 = deliver;
        self
    }

    /// Topics, in order of first use, that get an alias if the server takes any (5.0); 0 unless set.
    #[must_use]
    pub fn automatic_topic_aliases(mut self, topics: u16) -> Self {
        self.settings.automatic_topic_aliases = topics;
        self
    }

    /// A local name or IP address to connect from.
    #[must_use]
    pub fn bind_address(mut self, host: impl Into<String>) -> Self {
        self.bind_address = Some(host.into());
        self
    }

    /// Whether small packets leave at once (`TCP_NODELAY`); true unless set.
    #[must_use]
    pub fn no_delay(mut self, no_delay: bool) -> Self {
        self.no_delay = no_delay;
        self
    }

    /// Patience until the connection stands; 30 s unless set, `None` leaves it to the system.
    #[must_use]
    pub fn dial_timeout(mut self, patience: Option<Duration>) -> Self {
        self.dial_timeout = patience;
        self
    }

    /// Patience between CONNECT and CONNACK; 30 s unless set, `None` stands for the Keep Alive.
    #[must_use]
    pub fn connack_timeout(mut self, patience: Option<Duration>) -> Self {
        self.settings.connack_timeout = patience;
        self
    }

    /// Hears of every packet in order: of a received one before anything is done about it, of a
    /// sent one when it is encoded. Called from within; it should be quick.
    #[must_use]
    pub fn trace(mut self, trace: impl Fn(Direction, &Packet<'_>) + Send + Sync + 'static) -> Self {
        self.settings.trace = Some(Arc::new(trace));
        self
    }

    /// What a [`Client`](crate::Client) does when the connection is lost.
    #[must_use]
    pub fn reconnect(mut self, reconnect: Reconnect) -> Self {
        self.reconnect = reconnect;
        self
    }

    /// Whether a [`Client`](crate::Client) subscribes again when the server has lost its session;
    /// true unless set.
    #[must_use]
    pub fn resubscribe(mut self, resubscribe: bool) -> Self {
        self.resubscribe = resubscribe;
        self
    }

    /// Messages between a [`Client`](crate::Client) and the program; 256 unless set, at least 1.
    /// When so many wait, the client stops reading from the server.
    #[must_use]
    pub fn message_capacity(mut self, messages: usize) -> Self {
        self.message_capacity = messages.max(1);
        self
    }
}
