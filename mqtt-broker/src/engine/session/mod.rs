//! What the broker remembers of a client, with or without a connection (MQTT 5, 4.1).

pub mod cold;
pub mod filters;
pub mod flow;
pub mod will;

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use mqtt_codec::{SubscriptionOptions, Version};
use mqtt_passwd::hash::PasswordHash;
use mqtt_session::inbound::Inbound;
use mqtt_session::time::Instant;
use mqtt_session::topic_alias::OutboundAliases;

use super::commons::retained::Cursor;
use super::envelope::Message;
use super::ids::ConnectionId;
use super::routing::local::Extra;
use super::store_op::{MessageNo, SessionNo};
use filters::Filters;
use flow::Flow;
use will::Will;

/// A session. What most sessions lack is boxed and absent.
#[derive(Debug)]
pub struct Session {
    /// Client identifier; a session has exactly one, and no other session has it.
    pub client_id: Arc<str>,
    /// User name of the last connection.
    pub user_name: Option<Box<str>>,
    /// Its number in the store, if it is kept there.
    pub durable: Option<SessionNo>,
    /// The last message that was kept for it: see [`super::store_op::PublishOp::rows`].
    pub last_kept: Option<MessageNo>,
    /// A connection that is greeted as soon as the session is kept.
    pub joining: Option<ConnectionId>,
    /// The connection, while there is one.
    pub online: Option<Online>,
    /// How long the session outlives its connection.
    pub expiry: SessionExpiry,
    /// When it ends, while there is no connection.
    pub ends: Option<Instant>,
    /// Deadline of the timer that counts; others that go off are stale.
    pub armed: Option<Instant>,
    /// Its subscriptions' filters as written, `$share/...` too.
    pub filters: Filters,
    /// QoS 1 and 2 towards the client, and what waits.
    pub flow: Option<Box<Flow>>,
    /// QoS 2 from the client, between PUBLISH and PUBREL.
    pub inbound: Option<Box<Held>>,
    /// Its will.
    pub will: Option<Box<Will>>,
    /// Retained messages still to be sent for new subscriptions, by their filters.
    pub replays: Option<Box<BTreeMap<Arc<str>, Replay>>>,
    /// What it was let in with, for the next reload.
    pub credentials: Option<Box<Credentials>>,
    /// Listener of the last connection.
    pub listener: u16,
    /// Its client calls itself a bridge.
    pub bridge: bool,
    /// One of the broker's own: trusted, neither counted nor told of.
    pub internal: bool,
}

/// What belongs to the connection a session has.
#[derive(Debug)]
pub struct Online {
    /// The connection.
    pub connection: ConnectionId,
    /// Its protocol version.
    pub version: Version,
    /// Largest packet the client takes.
    pub max_packet_size: u32,
    /// Topic aliases towards the client, if it takes any.
    pub aliases: Option<Box<OutboundAliases>>,
    /// QoS 1 and 2 messages in flight to the client.
    pub window: NonZeroU16,
}

/// How long a session outlives its connection (MQTT 5, 3.1.2.11.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionExpiry {
    /// It ends with the connection.
    AtClose,
    /// It ends that much later.
    After(Duration),
    /// It does not end by itself.
    Never,
}

impl SessionExpiry {
    /// From the property's value in seconds.
    #[must_use]
    pub fn from_seconds(seconds: u32) -> Self {
        match seconds {
            0 => Self::AtClose,
            u32::MAX => Self::Never,
            seconds => Self::After(Duration::from_secs(seconds.into())),
        }
    }

    /// Not longer than the broker keeps sessions.
    #[must_use]
    pub fn capped(self, longest: Option<Duration>) -> Self {
        match (self, longest) {
            (Self::After(asked), Some(longest)) => Self::After(asked.min(longest)),
            (Self::Never, Some(longest)) => Self::After(longest),
            (asked, _) => asked,
        }
    }
}

/// QoS 2 messages that the client has not released yet.
#[derive(Debug)]
pub struct Held {
    /// By packet id.
    pub messages: Inbound<Message>,
    /// Their bytes: payloads are not all that takes memory.
    pub bytes: u64,
}

/// QoS 2 messages that a 3.x client may have open; 5.0 is told `max_inflight_messages`.
pub const HELD_MESSAGES_MAX: NonZeroU16 = NonZeroU16::new(8192).expect("is not zero");

/// Bytes a client may have held between PUBLISH and PUBREL. MQTT 3.x knows no Receive Maximum that
/// could bound it.
pub const HELD_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Retained messages on their way to a new subscription.
#[derive(Debug)]
pub struct Replay {
    /// Its granted options.
    pub options: SubscriptionOptions,
    /// Its identifier, if any.
    pub extra: Option<Arc<Extra>>,
    /// Where to go on.
    pub cursor: Cursor,
}

/// What a client was let in with. A reload checks it again.
#[derive(Debug)]
pub struct Credentials {
    /// The entry of the password file that it fitted.
    pub hash: Arc<PasswordHash>,
    /// The password.
    pub password: Box<[u8]>,
}

impl Session {
    /// The window of its connection, or `away` without one.
    #[must_use]
    pub fn window(&self, away: NonZeroU16) -> NonZeroU16 {
        self.online.as_ref().map_or(away, |online| online.window)
    }

    /// Whether the session outlives its connection.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.expiry != SessionExpiry::AtClose
    }
}
