//! What the server said in CONNACK, and what follows where it said nothing.

use std::num::NonZeroU16;

use mqtt_codec::{Connack, MAX_PACKET_SIZE, PropertiesBuf, QoS};

use super::settings::Settings;

/// The terms of a connection (MQTT 5, 3.2.2.3). 3.x has none but `session_present`; there the
/// other fields say that everything is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connected {
    /// The server goes on with the session it had: subscriptions are still there.
    pub session_present: bool,
    /// The one that was sent, or that the server assigned.
    pub client_id: String,
    /// Seconds in force, the server's if it named any; 0 is off.
    pub keep_alive: u16,
    /// QoS 1 and 2 messages that the server takes at a time.
    pub receive_maximum: NonZeroU16,
    /// Highest QoS that the server takes.
    pub maximum_qos: QoS,
    /// Whether it takes messages to be retained.
    pub retain_available: bool,
    /// Bytes of the largest packet that it takes.
    pub maximum_packet_size: u32,
    /// Aliases that it takes.
    pub topic_alias_maximum: u16,
    /// Whether filters may have wildcards.
    pub wildcard_subscription_available: bool,
    /// Whether subscriptions may have identifiers.
    pub subscription_identifier_available: bool,
    /// Whether subscriptions may be shared.
    pub shared_subscription_available: bool,
    /// All properties as they came.
    pub properties: PropertiesBuf,
}

impl Connected {
    pub(super) fn new(connack: &Connack<'_>, client_id: &str, settings: &Settings) -> Self {
        let said = connack.properties;
        let mut properties = PropertiesBuf::new();
        properties.extend_from(said);
        Self {
            session_present: connack.session_present,
            client_id: said
                .assigned_client_identifier()
                .unwrap_or(client_id)
                .to_owned(),
            keep_alive: said.server_keep_alive().unwrap_or(settings.keep_alive),
            receive_maximum: said
                .receive_maximum()
                .and_then(NonZeroU16::new)
                .unwrap_or(NonZeroU16::MAX),
            maximum_qos: said.maximum_qos().unwrap_or(QoS::ExactlyOnce),
            retain_available: said.retain_available().unwrap_or(true),
            maximum_packet_size: said.maximum_packet_size().unwrap_or(MAX_PACKET_SIZE),
            topic_alias_maximum: said.topic_alias_maximum().unwrap_or(0),
            wildcard_subscription_available: said.wildcard_subscription_available().unwrap_or(true),
            subscription_identifier_available: said
                .subscription_identifier_available()
                .unwrap_or(true),
            shared_subscription_available: said.shared_subscription_available().unwrap_or(true),
            properties,
        }
    }

    /// The window towards the server: its Receive Maximum, or less if we want less.
    pub(super) fn window(&self, settings: &Settings) -> NonZeroU16 {
        self.receive_maximum.min(settings.max_inflight)
    }
}
