//! The will of a session (MQTT 5, 3.1.2.5): kept from CONNECT until it is published or discarded.

use std::time::Duration;

use mqtt_session::time::Instant;

use crate::engine::envelope::Message;

/// A will.
#[derive(Debug)]
pub struct Will {
    /// The message; its times are set anew when it is published.
    pub message: Message,
    /// Message Expiry Interval, counted from its publication.
    pub expiry: Option<Duration>,
    /// Will Delay Interval.
    pub delay: Duration,
    /// When it is published, once the connection is gone and a delay runs.
    pub due: Option<Instant>,
}
