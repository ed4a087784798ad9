//! What a configuration says, typed and with its units: the result of reading.
//!
//! Fields bear the names of their options. `None` of a limit means "no limit".

use std::num::{NonZeroU16, NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use mqtt_codec::QoS;

use super::report::Place;

/// Most shards that can be asked for: the engine notes sets of shards in the bits of one word.
pub const SHARDS_MAX: u32 = 64;

/// A whole configuration, checked: what a broker is started with, or reloaded to.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What it was read from; a reload reads the same again.
    pub origin: Origin,
    /// No listener was configured: [`listeners`](Self::listeners) are the loopback addresses, and a
    /// family that cannot be bound is tolerated as long as one can.
    pub local_only: bool,
    /// Where clients come in; never empty.
    pub listeners: Vec<Listener>,
    /// What the security options say that stand outside of all listeners.
    pub security: Security,
    /// Limits and rules that hold for all listeners.
    pub rules: Rules,
    /// What is logged, and where.
    pub log: Log,
    /// What only a start can change.
    pub start: StartSettings,
}

/// What the command line says about the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Configuration files in the order in which they are read; what they say adds up.
    pub files: Vec<PathBuf>,
    /// Ports of `-p`; used in local-only mode alone.
    pub ports: Vec<NonZeroU16>,
    /// Log types of `-q` or `-v`, which beat the files.
    pub log_types: Option<LogTypes>,
    /// Shards of `--shards`, which beat the files.
    pub shards: Option<NonZeroUsize>,
    /// `--durability`, which beats the files.
    pub durability: Option<Durability>,
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens.
    pub address: Address,
    /// Name of the network interface whose addresses it binds to (`bind_interface`).
    pub bind_interface: Option<String>,
    /// Made by `port`, `bind_address` or an option that stood before any `listener` line.
    pub is_default: bool,
    /// The line that opened it; absent in local-only mode.
    pub place: Option<Place>,
    /// What its own security options say; `resolve` makes the four fields below of it.
    pub security: Security,
    /// Own `listener_allow_anonymous`.
    pub listener_allow_anonymous: Option<bool>,
    /// Own `listener_auto_id_prefix`.
    pub listener_auto_id_prefix: Option<String>,
    /// Clients without a user name are let in.
    pub allow_anonymous: bool,
    /// Who may log in with which password; nobody is checked without one.
    pub password_file: Option<PathBuf>,
    /// MQTT 3.1.1 and 5 clients may leave their client id to the broker.
    pub allow_zero_length_clientid: bool,
    /// What such ids begin with.
    pub auto_id_prefix: String,
    /// Versions that are served.
    pub accept_protocol_versions: ProtocolVersions,
    /// Open sockets of this listener.
    pub max_connections: Option<NonZeroU32>,
    /// Highest QoS, announced to MQTT 5 clients.
    pub max_qos: QoS,
    /// Topic aliases that an MQTT 5 client may use towards the broker.
    pub max_topic_alias: u16,
    /// Topic aliases that the broker uses at most towards an MQTT 5 client.
    pub max_topic_alias_broker: u16,
    /// The user name takes the place of the client id.
    pub use_username_as_clientid: bool,
}

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A TCP port.
    Tcp {
        /// The port.
        port: NonZeroU16,
        /// Name or address to bind to; all addresses if absent.
        host: Option<String>,
        /// Address families.
        socket_domain: SocketDomain,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

/// Address families of a TCP listener (`socket_domain`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SocketDomain {
    /// Both families.
    #[default]
    Any,
    /// IPv4 only.
    Ipv4,
    /// IPv6 only.
    Ipv6,
}

/// A set of protocol versions (`accept_protocol_versions`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolVersions {
    /// MQTT 3.1.
    pub v31: bool,
    /// MQTT 3.1.1.
    pub v311: bool,
    /// MQTT 5.0.
    pub v5: bool,
}

impl ProtocolVersions {
    /// All versions.
    pub const ALL: Self = Self {
        v31: true,
        v311: true,
        v5: true,
    };
    /// No version.
    pub const NONE: Self = Self {
        v31: false,
        v311: false,
        v5: false,
    };
}

/// The security options that belong to all listeners, or with `per_listener_settings true` to the
/// listener they follow. Absent means not written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    /// Clients without a user name are let in.
    pub allow_anonymous: Option<bool>,
    /// `user:hash` lines.
    pub password_file: Option<PathBuf>,
    /// Empty client ids are taken.
    pub allow_zero_length_clientid: Option<bool>,
    /// Beginning of client ids made by the broker.
    pub auto_id_prefix: Option<String>,
}

/// Limits and rules that hold for all listeners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// QoS 1 and 2 messages in flight to one client; announced as Receive Maximum.
    pub max_inflight_messages: Option<NonZeroU16>,
    /// Payload bytes of QoS 1 and 2 in flight to one client; one message may exceed it.
    pub max_inflight_bytes: Option<NonZeroU64>,
    /// Messages waiting for one client above those in flight.
    pub max_queued_messages: Option<NonZeroU32>,
    /// Whether somebody wrote that limit down. If not, a client that is connected gets more room.
    pub max_queued_messages_is_set: bool,
    /// Payload bytes waiting for one client above those in flight.
    pub max_queued_bytes: Option<NonZeroU64>,
    /// Bytes of the largest packet taken, fixed header included.
    pub max_packet_size: NonZeroU32,
    /// Bytes of the largest payload taken.
    pub message_size_limit: Option<NonZeroU32>,
    /// Longest Keep Alive, in seconds.
    pub max_keepalive: Option<NonZeroU16>,
    /// Sessions, connected or not.
    pub global_max_clients: Option<NonZeroU32>,
    /// Open sockets of all listeners together.
    pub global_max_connections: Option<NonZeroU32>,
    /// Longest time that a session is kept without a connection.
    pub persistent_client_expiration: Option<Duration>,
    /// QoS 0 messages wait for sessions without a connection.
    pub queue_qos0_messages: bool,
    /// Retained messages are taken.
    pub retain_available: bool,
    /// Time between two searches for expired retained messages.
    pub retain_expiry_interval: Option<Duration>,
    /// Messages are delivered at the QoS of the subscription even if published at a lower one.
    pub upgrade_outgoing_qos: bool,
    /// One copy for each matching subscription (`Some(true)`) or one in all (`Some(false)`).
    /// Not written: one in all.
    pub allow_duplicate_messages: Option<bool>,
    /// The one beginning that client ids must have.
    pub clientid_prefixes: Option<String>,
    /// Time between two updates of `$SYS`; `None`: there is no `$SYS`.
    pub sys_interval: Option<Duration>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            max_inflight_messages: NonZeroU16::new(20),
            max_inflight_bytes: None,
            max_queued_messages: NonZeroU32::new(1000),
            max_queued_messages_is_set: false,
            max_queued_bytes: None,
            max_packet_size: const { NonZeroU32::new(2_000_000).expect("is not zero") },
            message_size_limit: None,
            max_keepalive: None,
            global_max_clients: None,
            global_max_connections: None,
            persistent_client_expiration: None,
            queue_qos0_messages: false,
            retain_available: true,
            retain_expiry_interval: None,
            upgrade_outgoing_qos: false,
            allow_duplicate_messages: None,
            clientid_prefixes: None,
            sys_interval: Some(Duration::from_secs(10)),
        }
    }
}

/// What is logged, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Lines go to the standard output.
    pub stdout: bool,
    /// Lines go to the standard error.
    pub stderr: bool,
    /// Lines are appended to this file.
    pub file: Option<PathBuf>,
    /// Which lines.
    pub types: LogTypes,
    /// Lines begin with the time.
    pub timestamp: bool,
    /// `strftime` format of the time; seconds since 1970 if absent.
    pub timestamp_format: Option<String>,
    /// Connections and disconnections are logged.
    pub connection_messages: bool,
}

/// A set of log types (`log_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogTypes(u16);

impl LogTypes {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Errors.
    pub const ERROR: Self = Self(1);
    /// Warnings.
    pub const WARNING: Self = Self(1 << 1);
    /// What an operator should know.
    pub const NOTICE: Self = Self(1 << 2);
    /// What may interest an operator.
    pub const INFORMATION: Self = Self(1 << 3);
    /// Packets and decisions.
    pub const DEBUG: Self = Self(1 << 4);
    /// Subscriptions.
    pub const SUBSCRIBE: Self = Self(1 << 5);
    /// Unsubscriptions.
    pub const UNSUBSCRIBE: Self = Self(1 << 6);
    /// WebSocket details.
    pub const WEBSOCKETS: Self = Self(1 << 7);
    /// Internals.
    pub const INTERNAL: Self = Self(1 << 8);
    /// Everything.
    pub const ALL: Self = Self((1 << 9) - 1);
    /// Without a word from the configuration: errors, warnings, notices and information.
    pub const DEFAULT: Self = Self(0b1111);

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in the set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What only a start can change; a reload keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartSettings {
    /// File for the process id.
    pub pid_file: Option<PathBuf>,
    /// User that a broker started by root becomes.
    pub user: String,
    /// Shards (threads that serve clients); one for each core if absent.
    pub shards: Option<NonZeroUsize>,
    /// Security options belong to the listener they follow.
    pub per_listener_settings: bool,
    /// What is kept on disk.
    pub keep: KeepSettings,
}

/// What the configuration says of keeping messages on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeepSettings {
    /// `durability`.
    pub durability: Option<Durability>,
    /// `persistence`.
    pub persistence: Option<bool>,
    /// `persistence_location`.
    pub location: Option<PathBuf>,
    /// `persistence_file`.
    pub file: Option<PathBuf>,
    /// Mosquitto's SQLite plugin is configured.
    pub plugin: Option<SqlitePlugin>,
    /// `on_corruption`.
    pub on_corruption: OnCorruption,
}

/// What was said to Mosquitto's SQLite plugin, whose work the broker does itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SqlitePlugin {
    /// `plugin_opt_db_file`, which holds where no `persistence_location` is given.
    pub db_file: Option<PathBuf>,
}

/// What is done with a damaged store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnCorruption {
    /// It is set aside, and what can be read of it goes on.
    #[default]
    Salvage,
    /// It is left as it is, and the broker does not start.
    Refuse,
}

/// What an acknowledged message survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The loss of power.
    Full,
    /// The death of the process.
    Normal,
    /// Nothing: it is kept in memory.
    Off,
}

impl Durability {
    /// From the word that stands for it.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "full" => Some(Self::Full),
            "normal" => Some(Self::Normal),
            "off" => Some(Self::Off),
            _ => None,
        }
    }
}

impl Default for StartSettings {
    fn default() -> Self {
        Self {
            pid_file: None,
            user: "mosquitto".to_owned(),
            shards: None,
            per_listener_settings: false,
            keep: KeepSettings::default(),
        }
    }
}
