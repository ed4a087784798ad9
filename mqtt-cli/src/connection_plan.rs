//! From the words typed about a connection to the options of the client.

use std::num::NonZeroU16;

use mqtt_client::{Address, DeliverQos2, Options, Property, Version, Will};

use crate::connection_args::ConnectionArgs;
use crate::debug::PacketLines;
use crate::output::Output;
use crate::refusal::Refusal;
use crate::table::Tool;
use crate::topic_args::mqtt_text;
use crate::words::{path, shown};

/// Port of MQTT over TCP.
const PORT: u16 = 1883;
/// Port of MQTT over TLS, which the original tools speak there unasked.
const TLS_PORT: u16 = 8883;
/// Bytes of the longest text, and of the payload of a will (MQTT 5, 1.5.4 and 1.5.6).
const FIELD_BYTES_MAX: usize = 65_535;
/// What every tool says on MQTT 5 unless told otherwise.
pub const RECEIVE_MAXIMUM: u16 = 20;

impl ConnectionArgs {
    /// What the client is made with. `receive_maximum` is said on MQTT 5 unless `-D` says another;
    /// with `-d`, packets are told on `output`.
    ///
    /// # Errors
    /// A client identifier, will, user name or password that no CONNECT can carry, and a port that
    /// would want TLS.
    pub fn options(
        &self,
        tool: &Tool,
        receive_maximum: u16,
        output: &Output,
    ) -> Result<Options, Refusal> {
        let client_id = self.client_id(tool)?;
        let lines = PacketLines::new(output.clone(), self.version, &client_id);
        let mut options = Options::new(self.address()?)
            .version(self.version)
            .client_id(client_id)
            .clean_start(self.clean_start)
            .keep_alive(self.keep_alive)
            .max_inflight(NonZeroU16::new(self.max_inflight).unwrap_or(NonZeroU16::MIN))
            .deliver_qos2(DeliverQos2::OnRelease)
            .dial_timeout(self.connect_timeout)
            .connack_timeout(self.connect_timeout);
        if let Some(will) = self.will()? {
            options = options.will(will);
        }
        let unfit = || Refusal::setup("Error: Problem setting username and/or password.");
        match (&self.user_name, &self.password) {
            // A password alone is for MQTT 5 only [MQTT-3.1.2-22 of 3.1.1].
            (None, Some(_)) if !self.version.is_v5() => return Err(unfit()),
            (name, password) => {
                if let Some(name) = name {
                    options = options.user_name(field(name).ok_or_else(unfit)?);
                }
                if let Some(password) = password {
                    if password.len() > FIELD_BYTES_MAX {
                        return Err(unfit());
                    }
                    options = options.password(password.clone());
                }
            }
        }
        if let Some(address) = &self.bind_address {
            options = options.bind_address(address);
        }
        if self.version.is_v5() {
            options = options.connect_properties(self.connect_properties(receive_maximum));
        }
        if self.debug {
            options = options.trace(move |direction, packet| lines.append(direction, packet));
        }
        Ok(options)
    }

    /// The host as typed, or the path of a socket.
    #[must_use]
    pub fn host_shown(&self) -> String {
        shown(&self.host)
    }

    fn address(&self) -> Result<Address, Refusal> {
        match self.port {
            Some(0) => Ok(Address::unix(path(&self.host))),
            Some(TLS_PORT) if !self.no_tls => Err(Refusal::not_yet(
                "TLS, which port 8883 stands for unless --no-tls is given,",
            )),
            port => Ok(Address::tcp(shown(&self.host), port.unwrap_or(PORT))),
        }
    }

    fn client_id(&self, tool: &Tool) -> Result<String, Refusal> {
        let invalid = || Refusal::setup(tool.invalid_id);
        let id = match (&self.client_id, &self.id_prefix) {
            (Some(id), _) if id.is_empty() => return Err(invalid()),
            (Some(id), _) => id.clone(),
            (None, Some(prefix)) => {
                [prefix.as_slice(), std::process::id().to_string().as_bytes()].concat()
            }
            // The server keeps no session for somebody it has no name for.
            (None, None) if !self.clean_start => return Err(invalid()),
            (None, None) if self.version == Version::V31 => random_id().into_bytes(),
            (None, None) => Vec::new(),
        };
        field(&id).ok_or_else(invalid)
    }

    fn will(&self) -> Result<Option<Will>, Refusal> {
        let Some(topic) = &self.will.topic else {
            return Ok(None);
        };
        let payload = self.will.payload.clone().unwrap_or_default();
        if payload.len() > FIELD_BYTES_MAX {
            return Err(Refusal::setup("Error: Problem setting will."));
        }
        let mut will = Will::new(topic, payload);
        will.qos = self.will.qos;
        will.retain = self.will.retain;
        will.properties = self.properties.will.clone();
        Ok(Some(will))
    }

    fn connect_properties(&self, receive_maximum: u16) -> mqtt_client::PropertiesBuf {
        let mut properties = self.properties.connect.clone();
        if properties.as_properties().receive_maximum().is_none() {
            properties.push(Property::ReceiveMaximum(receive_maximum));
        }
        if self.session_expiry() > 0 {
            properties.push(Property::SessionExpiryInterval(self.session_expiry()));
        }
        properties
    }
}

fn field(word: &[u8]) -> Option<String> {
    mqtt_text(word)
        .filter(|text| text.len() <= FIELD_BYTES_MAX)
        .map(str::to_owned)
}

/// 3.1 wants a client identifier of at most 23 bytes.
fn random_id() -> String {
    const SIGNS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let sign = || {
        SIGNS
            .get(rand::random_range(0..SIGNS.len()))
            .copied()
            .map_or('0', char::from)
    };
    let random: String = std::iter::repeat_with(sign).take(18).collect();
    format!("mosq-{random}")
}
