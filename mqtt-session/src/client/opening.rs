//! From CONNECT to CONNACK, and the refusals between.

use mqtt_codec::{
    Connack, Connect, Disconnect, Packet, PropertiesBuf, PropertyPlace, ReasonCode, Sender,
    TopicName, Version, Will,
};

use crate::keep_alive::Pinger;
use crate::time::Instant;
use crate::topic_alias::InboundAliases;

use super::aliases::Aliases;
use super::connected::Connected;
use super::error::{Failure, Refusal, RequestError};
use super::event::{Event, Outcome};
use super::session::{ClientSession, Phase, connack_deadline};
use super::settings::{Direction, Settings};

/// Bytes of the longest string or binary field.
const FIELD_BYTES_MAX: usize = 65_535;

impl ClientSession {
    /// A connection stands: the output begins with CONNECT.
    ///
    /// # Errors
    /// [`RequestError::InvalidSettings`] if no valid CONNECT can be made of the settings.
    pub fn handle_opened(&mut self, now: Instant) -> Result<(), RequestError> {
        check(&self.settings)?;
        self.handle_closed();
        let settings = &self.settings;
        let resumes = settings.resume && self.was_connected && settings.outlives_connection();
        let clean_start = settings.clean_start && !resumes;
        let will = settings.will.as_ref().map(|will| Will {
            qos: will.qos,
            retain: will.retain,
            topic: TopicName::trusted(&will.topic),
            properties: will.properties.as_properties(),
            payload: &will.payload,
        });
        let connect = Packet::Connect(Connect {
            version: settings.version,
            bridge: settings.bridge,
            clean_start,
            keep_alive: settings.keep_alive,
            properties: settings.connect_properties.as_properties(),
            client_id: &self.client_id,
            will,
            user_name: settings.user_name.as_deref(),
            password: settings.password.as_deref(),
        });
        self.output.send(&connect);
        self.phase = Phase::AwaitsConnack {
            deadline: connack_deadline(settings, now),
            clean_start,
        };
        self.inbound_aliases = InboundAliases::new(settings.topic_alias_maximum());
        Ok(())
    }

    /// A server that does not know 5.0 answers in the form of 3.x: `20 02 00 nn`.
    pub(super) fn refusal_of_another_version(&self, bytes: &[u8]) -> Option<Failure> {
        let [0x20, 0x02, 0x00, 1..=5, ..] = *bytes else {
            return None;
        };
        let awaits = matches!(self.phase, Phase::AwaitsConnack { .. });
        (awaits && self.settings.version.is_v5()).then(|| {
            let reason = ReasonCode::UnsupportedProtocolVersion;
            self.output.trace(
                Direction::Received,
                &Packet::Connack(Connack::refusal(reason)),
            );
            Failure::Refused(Refusal {
                code: reason.as_u8(),
                reason,
                properties: PropertiesBuf::new(),
            })
        })
    }

    pub(super) fn handle_connack(
        &mut self,
        now: Instant,
        connack: &Connack<'_>,
        clean_start: bool,
    ) -> Result<Option<Event<'static>>, Failure> {
        if connack.reason != ReasonCode::Success {
            let refused = refusal(connack, self.settings.version);
            return Err(self.fail(now, Failure::Refused(refused)));
        }
        if connack.session_present && clean_start {
            // [MQTT-3.2.2-2]: we asked for a new session, so this one is not ours.
            return Err(self.fail(
                now,
                Failure::protocol("session present after a clean start"),
            ));
        }
        self.check_method(now, connack)?;
        let connected = Connected::new(connack, &self.client_id, &self.settings);
        self.client_id.clone_from(&connected.client_id);
        self.pinger = Pinger::new(connected.keep_alive, now);
        self.aliases = Aliases::new(
            connected.topic_alias_maximum,
            self.settings.automatic_topic_aliases,
        );
        self.was_connected = true;
        self.phase = Phase::Connected;
        // 3.1 has no word for it: a session that was asked for is taken to be there, or QoS 2 would come
        // twice after every lost connection.
        let kept = self.settings.version == Version::V31 && !clean_start;
        if !connected.session_present && !kept {
            self.restart();
        }
        self.outbound
            .handle_connected(connected.window(&self.settings));
        self.inbound
            .handle_connected(self.settings.receive_maximum());
        self.connected = Some(connected);
        self.takes_up_at = Some(now);
        Ok(Some(Event::Connected))
    }

    /// The server has no session of ours. What it never took over is sent as new messages, DUP 0.
    fn restart(&mut self) {
        self.inbound.clear();
        let unfinished = self.outbound.drain().map(|(_, message)| message);
        self.waiting.put_back(unfinished);
        // PUBREC has come for these: the server of that session had taken them over.
        let taken_over = self.releasing.take();
        self.outcomes
            .extend(taken_over.map(|(packet_id, id)| Outcome {
                id,
                packet_id: Some(packet_id),
                result: Ok(()),
            }));
    }

    pub(super) fn handle_disconnect(&mut self, disconnect: &Disconnect<'_>) -> Failure {
        self.phase = Phase::Closed;
        self.connected = None;
        let mut properties = PropertiesBuf::new();
        properties.extend_from(disconnect.properties);
        Failure::Disconnected {
            reason: disconnect.reason,
            properties,
        }
    }
}

fn refusal(connack: &Connack<'_>, version: Version) -> Refusal {
    let reason = connack.reason;
    let code = if version.is_v5() {
        reason.as_u8()
    } else {
        reason.connect_return_code()
    };
    let mut properties = PropertiesBuf::new();
    properties.extend_from(connack.properties);
    Refusal {
        code,
        reason,
        properties,
    }
}

/// Finds what would make CONNECT invalid.
fn check(settings: &Settings) -> Result<(), RequestError> {
    let is_v5 = settings.version.is_v5();
    let client_id = settings.client_id.as_str();
    let user_name = settings.user_name.as_deref().unwrap_or_default();
    let password = settings.password.as_deref().unwrap_or_default();
    let will = settings.will.as_ref();
    let is_refused = |properties: &PropertiesBuf, place| {
        let properties = properties.as_properties();
        is_v5 && properties.check(place, Sender::Client).is_err()
    };
    let faults = [
        (
            client_id.len() > FIELD_BYTES_MAX,
            "the client id is too long",
        ),
        // [MQTT-1.5.4-2]; 3.1.1: [MQTT-1.5.3-2]
        (
            client_id.contains('\0'),
            "the client id has a NUL character",
        ),
        // [MQTT-3.1.3-7] of 3.1.1
        (
            client_id.is_empty() && !settings.clean_start && !is_v5,
            "a session that is kept needs a client id",
        ),
        (
            user_name.len() > FIELD_BYTES_MAX,
            "the user name is too long",
        ),
        (
            user_name.contains('\0'),
            "the user name has a NUL character",
        ),
        (password.len() > FIELD_BYTES_MAX, "the password is too long"),
        // [MQTT-3.1.2-22] of 3.1.1
        (
            settings.password.is_some() && settings.user_name.is_none() && !is_v5,
            "a password needs a user name",
        ),
        (
            will.is_some_and(|will| TopicName::parse(&will.topic).is_err()),
            "the topic of the will is not a valid topic name",
        ),
        (
            will.is_some_and(|will| will.payload.len() > FIELD_BYTES_MAX),
            "the payload of the will is too long",
        ),
        (
            is_refused(&settings.connect_properties, PropertyPlace::Connect),
            "the properties are none that CONNECT may have",
        ),
        (
            will.is_some_and(|will| is_refused(&will.properties, PropertyPlace::Will)),
            "the properties of the will are none that a will may have",
        ),
    ];
    match faults.into_iter().find(|(is_there, _)| *is_there) {
        Some((_, fault)) => Err(RequestError::InvalidSettings(fault)),
        None => Ok(()),
    }
}
