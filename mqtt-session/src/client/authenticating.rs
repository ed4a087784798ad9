//! Enhanced authentication: which AUTH may come, and which may go (MQTT 5, 4.12).

use mqtt_codec::{
    Auth, Connack, MAX_PACKET_SIZE, Packet, Properties, PropertiesBuf, Property, PropertyPlace,
    ReasonCode,
};

use crate::time::Instant;

use super::error::{Failure, RequestError};
use super::event::Event;
use super::session::{ClientSession, Phase};

impl ClientSession {
    /// Sends AUTH: an answer to [`Event::Authenticate`] with
    /// [`ContinueAuthentication`](ReasonCode::ContinueAuthentication), or the start of a new
    /// authentication with [`Reauthenticate`](ReasonCode::Reauthenticate). A reason string, then
    /// user properties, are left out where the packet would be too large for the server.
    /// \[MQTT-3.15.2-2\], \[MQTT-3.15.2-3\]
    ///
    /// # Errors
    /// [`RequestError::NotVersion5`], [`RequestError::NotConnected`],
    /// [`RequestError::AuthenticationInvalid`], [`RequestError::PropertiesInvalid`],
    /// [`RequestError::PacketTooLarge`].
    pub fn authenticate(
        &mut self,
        now: Instant,
        reason: ReasonCode,
        properties: Properties<'_>,
    ) -> Result<(), RequestError> {
        if !self.settings.version.is_v5() {
            return Err(RequestError::NotVersion5);
        }
        if self.phase == Phase::Closed {
            return Err(RequestError::NotConnected);
        }
        self.check_auth(reason, properties)?;
        let properties = self.v5_only(properties, PropertyPlace::Auth)?;
        let version = self.settings.version;
        let limit = self
            .connected
            .as_ref()
            .map_or(MAX_PACKET_SIZE, |it| it.maximum_packet_size);
        let size = |properties| Auth { reason, properties }.encoded_len(version);
        let fits = |properties| size(properties) <= limit as usize;
        if fits(properties) {
            self.send(now, &Packet::Auth(Auth { reason, properties }));
            return Ok(());
        }
        let is_reason = |property: &Property<'_>| matches!(property, Property::ReasonString(_));
        let is_user = |property: &Property<'_>| matches!(property, Property::UserProperty(..));
        let without_reason: PropertiesBuf = properties.iter().filter(|it| !is_reason(it)).collect();
        let without_both: PropertiesBuf = properties
            .iter()
            .filter(|it| !is_reason(it) && !is_user(it))
            .collect();
        for shorter in [&without_reason, &without_both] {
            let properties = shorter.as_properties();
            if fits(properties) {
                self.send(now, &Packet::Auth(Auth { reason, properties }));
                return Ok(());
            }
        }
        let size = size(without_both.as_properties());
        Err(RequestError::PacketTooLarge { size, limit })
    }

    fn check_auth(
        &self,
        reason: ReasonCode,
        properties: Properties<'_>,
    ) -> Result<(), RequestError> {
        let is_connected = self.phase == Phase::Connected;
        let fault = match self.method() {
            // [MQTT-4.12.0-7]
            None => "CONNECT named no authentication method",
            // [MQTT-4.12.0-5], [MQTT-4.12.1-1]
            ours if properties.authentication_method() != ours => {
                "its authentication method is not that of CONNECT"
            }
            Some(_) => match reason {
                ReasonCode::ContinueAuthentication => return Ok(()),
                ReasonCode::Reauthenticate if is_connected => return Ok(()),
                ReasonCode::Reauthenticate => "nothing can be repeated before CONNACK",
                // [MQTT-4.12.0-3]
                _ => "a client says Continue Authentication or Re-authenticate",
            },
        };
        Err(RequestError::AuthenticationInvalid(fault))
    }

    /// The authentication method that CONNECT named.
    fn method(&self) -> Option<&str> {
        let properties = self.settings.connect_properties.as_properties();
        properties.authentication_method()
    }

    pub(super) fn handle_auth<'a>(
        &mut self,
        now: Instant,
        auth: &Auth<'a>,
    ) -> Result<Option<Event<'a>>, Failure> {
        let ours = self.method();
        // [MQTT-4.12.0-6], [MQTT-4.12.0-5]
        if ours.is_none() || auth.properties.authentication_method() != ours {
            let detail = "AUTH with a method that we did not name";
            return Err(self.fail(now, Failure::protocol(detail)));
        }
        Ok(Some(Event::Authenticate {
            reason: auth.reason,
            properties: auth.properties,
        }))
    }

    /// An accepting CONNACK names the method of CONNECT, or none if that named none: else we were
    /// let in by something else than what we asked for. \[MQTT-4.12.0-5\], \[MQTT-4.12.0-6\]
    pub(super) fn check_method(
        &mut self,
        now: Instant,
        connack: &Connack<'_>,
    ) -> Result<(), Failure> {
        let is_v5 = self.settings.version.is_v5();
        if is_v5 && connack.properties.authentication_method() != self.method() {
            let detail = "CONNACK with another authentication method than CONNECT";
            return Err(self.fail(now, Failure::protocol(detail)));
        }
        Ok(())
    }
}
