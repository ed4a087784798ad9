//! The rules of CONNECT that need no password and no session (MQTT 5, 3.1; 3.1.1, 3.1).

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use mqtt_codec::{Connect, Properties, PropertiesBuf, Property, QoS, ReasonCode, Version};

use super::Admitted;
use crate::engine::envelope::{Message, MessageHead, MessageView};
use crate::engine::limits::{ListenerSettings, Settings};
use crate::engine::session::SessionExpiry;
use crate::engine::session::will::Will;

/// Bytes of the shortest CONNACK of 5.0: who takes no packet of that size can be told nothing.
const CONNACK_BYTES_MIN: u32 = 5;

/// Why a CONNECT is not accepted, and what the client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// CONNACK with this reason, translated for 3.x, then close.
    Connack(ReasonCode),
    /// Close without an answer.
    Close(ReasonCode),
}

impl Refusal {
    /// A reason that 5.0 is told and 3.x has no return code for.
    fn for_v5(version: Version, reason: ReasonCode) -> Self {
        if version.is_v5() {
            Self::Connack(reason)
        } else {
            Self::Close(reason)
        }
    }

    /// The reason, whether it is told or not.
    #[must_use]
    pub fn reason(self) -> ReasonCode {
        match self {
            Self::Connack(reason) | Self::Close(reason) => reason,
        }
    }
}

/// Checks a CONNECT against the rules of its listener and takes over what outlives the packet.
/// `assign` makes up a client id that begins with the prefix given to it.
///
/// # Errors
/// The answer that the client gets.
pub fn examine(
    connect: &Connect<'_>,
    number: u16,
    listener: &ListenerSettings,
    settings: &Settings,
    assign: impl FnOnce(&str) -> Arc<str>,
) -> Result<Box<Admitted>, Refusal> {
    let version = connect.version;
    let properties = connect.properties;
    if properties
        .maximum_packet_size()
        .is_some_and(|most| most < CONNACK_BYTES_MIN)
    {
        // [MQTT-3.1.2-24] Whatever else is to be said about it.
        return Err(Refusal::Close(ReasonCode::PacketTooLarge));
    }
    if !listener.versions.contains(version) {
        return Err(Refusal::Connack(ReasonCode::UnsupportedProtocolVersion));
    }
    if properties.authentication_method().is_some() {
        // [MQTT-4.12.0-1] No method is configured.
        return Err(Refusal::Connack(ReasonCode::BadAuthenticationMethod));
    }
    let (client_id, assigned) = client_id(connect, listener, assign)?;
    let will = will(connect, &client_id, listener, settings)?;
    let asked = expiry(connect);
    let in_force = asked.capped(settings.persistent_client_expiration);
    Ok(Box::new(Admitted {
        client_id,
        assigned,
        version,
        bridge: connect.bridge,
        clean_start: connect.clean_start,
        keep_alive: connect.keep_alive,
        server_keep_alive: server_keep_alive(connect, settings)?,
        user_name: connect.user_name.map(Into::into),
        credentials: None,
        will,
        expiry: in_force,
        expiry_capped: version.is_v5() && in_force != asked,
        receive_maximum: properties.receive_maximum().and_then(NonZeroU16::new),
        max_packet_size: properties.maximum_packet_size().unwrap_or(u32::MAX),
        topic_alias_maximum: properties.topic_alias_maximum().unwrap_or(0),
        listener: number,
        internal: false,
        unread: Vec::new(),
    }))
}

fn expiry(connect: &Connect<'_>) -> SessionExpiry {
    if connect.version.is_v5() {
        SessionExpiry::from_seconds(connect.properties.session_expiry_interval().unwrap_or(0))
    } else if connect.clean_start {
        SessionExpiry::AtClose
    } else {
        SessionExpiry::Never
    }
}

/// The client id in force, and whether the client has to be told.
fn client_id(
    connect: &Connect<'_>,
    listener: &ListenerSettings,
    assign: impl FnOnce(&str) -> Arc<str>,
) -> Result<(Arc<str>, bool), Refusal> {
    if listener.use_username_as_clientid {
        let name = connect.user_name.filter(|name| !name.is_empty());
        return match name {
            Some(name) => Ok((name.into(), connect.client_id.is_empty())),
            None => Err(Refusal::Connack(ReasonCode::NotAuthorized)),
        };
    }
    if connect.client_id.is_empty() {
        let refused = match connect.version {
            Version::V31 => true,
            // [MQTT-3.1.3-8] in 3.1.1.
            Version::V311 => !connect.clean_start || !listener.allow_zero_length_clientid,
            Version::V5 => !listener.allow_zero_length_clientid,
        };
        if refused {
            return Err(Refusal::Connack(ReasonCode::ClientIdentifierNotValid));
        }
        return Ok((assign(&listener.auto_id_prefix), true));
    }
    match &listener.clientid_prefixes {
        Some(prefix) if !connect.client_id.starts_with(&**prefix) => {
            Err(Refusal::Connack(ReasonCode::NotAuthorized))
        }
        _ => Ok((connect.client_id.into(), false)),
    }
}

/// A longest keep alive is told to 5.0; 3.x cannot be told, so it is refused as Mosquitto does.
fn server_keep_alive(connect: &Connect<'_>, settings: &Settings) -> Result<Option<u16>, Refusal> {
    let Some(longest) = settings.max_keepalive.map(NonZeroU16::get) else {
        return Ok(None);
    };
    if (1..=longest).contains(&connect.keep_alive) {
        Ok(None)
    } else if connect.version.is_v5() {
        Ok(Some(longest))
    } else {
        Err(Refusal::Connack(ReasonCode::ClientIdentifierNotValid))
    }
}

fn will(
    connect: &Connect<'_>,
    client_id: &str,
    listener: &ListenerSettings,
    settings: &Settings,
) -> Result<Option<Box<Will>>, Refusal> {
    let Some(will) = &connect.will else {
        return Ok(None);
    };
    let version = connect.version;
    let topic = will.topic.as_str();
    if topic.bytes().filter(|byte| *byte == b'/').count() > settings.topic_slashes_max {
        return Err(Refusal::for_v5(version, ReasonCode::TopicNameInvalid));
    }
    if topic.starts_with("$CONTROL/") || topic.starts_with("$SYS") {
        return Err(Refusal::for_v5(version, ReasonCode::TopicNameInvalid));
    }
    if will.retain && !settings.retain_available {
        return Err(Refusal::for_v5(version, ReasonCode::RetainNotSupported));
    }
    if will.qos > listener.max_qos {
        return Err(Refusal::for_v5(version, ReasonCode::QosNotSupported));
    }
    if settings
        .message_size_limit
        .is_some_and(|most| will.payload.len() > most as usize)
    {
        let reason = if version.is_v5() {
            ReasonCode::PacketTooLarge
        } else {
            ReasonCode::NotAuthorized
        };
        return Err(Refusal::Connack(reason));
    }
    let mut forwarded = PropertiesBuf::new();
    forward(will.properties, &mut forwarded);
    let view = MessageView {
        head: MessageHead {
            qos: will.qos,
            retain: will.retain,
            ..MessageHead::default()
        },
        publisher: client_id,
        topic: will.topic,
        properties: forwarded.as_properties(),
        payload: will.payload,
    };
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    Ok(Some(Box::new(Will {
        message: Message::new(&view, &mut Vec::new()),
        expiry: will.properties.message_expiry_interval().map(seconds),
        delay: seconds(will.properties.will_delay_interval().unwrap_or(0)),
        due: None,
    })))
}

/// Copies the properties that go with a message to its receivers (MQTT 5, 3.3.2.3).
pub fn forward(properties: Properties<'_>, forwarded: &mut PropertiesBuf) {
    for property in properties.iter() {
        if is_forwarded(&property) {
            forwarded.push(property);
        }
    }
}

/// Whether a property of a PUBLISH or a will belongs to the message, not to the way it came.
#[must_use]
pub fn is_forwarded(property: &Property<'_>) -> bool {
    matches!(
        property,
        Property::PayloadFormatIndicator(_)
            | Property::ContentType(_)
            | Property::ResponseTopic(_)
            | Property::CorrelationData(_)
            | Property::UserProperty(..)
    )
}

/// Highest QoS as CONNACK says it, if it has to.
#[must_use]
pub fn maximum_qos(max_qos: QoS) -> Option<Property<'static>> {
    (max_qos != QoS::ExactlyOnce).then_some(Property::MaximumQos(max_qos))
}
