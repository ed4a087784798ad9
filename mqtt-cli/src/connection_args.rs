//! What every tool can be told about its connection.

use std::time::Duration;

use mqtt_codec::{PropertyPlace, QoS, Version};

use crate::property_args::PropertyArgs;
use crate::refusal::Refusal;
use crate::url::Url;
use crate::words::shown;

/// Session expiry interval that means "never" (MQTT 5, 3.1.2.11.2).
pub(crate) const NEVER: u32 = u32::MAX;

/// The words typed about a connection, each checked by itself.
#[derive(Clone, Debug)]
#[expect(
    missing_docs,
    reason = "each field is the option of the same name, explained in its row"
)]
pub struct ConnectionArgs {
    pub host: Vec<u8>,
    /// `None`: the usual one. 0: `host` is the path of a Unix socket.
    pub port: Option<u16>,
    pub bind_address: Option<String>,
    pub client_id: Option<Vec<u8>>,
    pub id_prefix: Option<Vec<u8>>,
    pub user_name: Option<Vec<u8>>,
    pub password: Option<Vec<u8>>,
    pub will: WillArgs,
    pub properties: PropertyArgs,
    pub version: Version,
    pub clean_start: bool,
    /// Seconds; `None`: not given.
    pub session_expiry_interval: Option<u32>,
    /// Seconds.
    pub keep_alive: u16,
    pub max_inflight: u16,
    pub qos: QoS,
    pub no_tls: bool,
    pub debug: bool,
    pub quiet: bool,
    pub strict: bool,
    pub connect_timeout: Option<Duration>,
    pub max_time: Option<Duration>,
}

/// The words typed about the will.
#[derive(Clone, Debug, Default)]
#[expect(
    missing_docs,
    reason = "each field is the option of the same name, explained in its row"
)]
pub struct WillArgs {
    pub topic: Option<String>,
    pub payload: Option<Vec<u8>>,
    pub qos: QoS,
    pub retain: bool,
}

impl Default for ConnectionArgs {
    fn default() -> Self {
        Self {
            host: b"localhost".to_vec(),
            port: None,
            bind_address: None,
            client_id: None,
            id_prefix: None,
            user_name: None,
            password: None,
            will: WillArgs::default(),
            properties: PropertyArgs::default(),
            version: Version::V311,
            clean_start: true,
            session_expiry_interval: None,
            keep_alive: 60,
            max_inflight: 20,
            qos: QoS::AtMostOnce,
            no_tls: false,
            debug: false,
            quiet: false,
            strict: false,
            connect_timeout: None,
            max_time: None,
        }
    }
}

impl ConnectionArgs {
    /// Takes everything from a URL but its topic, which is returned: what it is good for, the tool
    /// knows.
    ///
    /// # Errors
    /// Another scheme than mqtt, no topic, a port out of range.
    pub fn take_url<'a>(&mut self, word: &'a [u8]) -> Result<&'a [u8], Refusal> {
        let url = Url::parse(word)?;
        if let Some(name) = url.user_name {
            self.user_name = Some(name.to_vec());
        }
        if let Some(password) = url.password {
            self.password = Some(password.to_vec());
        }
        self.host = url.host.to_vec();
        self.port = url.port.map(port).transpose()?;
        Ok(url.topic)
    }

    /// Conflicts between the options of every tool, in the order of the original.
    ///
    /// # Errors
    /// The first conflict found.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.will.topic.is_none() {
            if self.will.payload.is_some() {
                return Err(Refusal::usage(
                    "Error: Will payload given, but no will topic given.",
                ));
            }
            if self.will.retain {
                return Err(Refusal::usage(
                    "Error: Will retain given, but no will topic given.",
                ));
            }
        }
        let has_fixed_id = self.client_id.is_some() && self.id_prefix.is_none();
        if self.version.is_v5() && self.session_expiry() == NEVER && !has_fixed_id {
            return Err(Refusal::usage(
                "Error: You must provide a client id if you are using an infinite session expiry interval.",
            ));
        }
        if !self.version.is_v5() && !self.clean_start && !has_fixed_id {
            return Err(Refusal::usage(
                "Error: You must provide a client id if you are using the -c option.",
            ));
        }
        self.check_properties()
    }

    /// Seconds the session outlives the connection: as given, or what `-c` says.
    pub(crate) fn session_expiry(&self) -> u32 {
        self.session_expiry_interval
            .unwrap_or(if self.clean_start { 0 } else { NEVER })
    }

    /// The original notices these when the packet is built, and then sends nothing or hangs.
    fn check_properties(&self) -> Result<(), Refusal> {
        if !self.version.is_v5() {
            return match (
                self.properties.is_empty(),
                self.properties.connect.is_empty(),
            ) {
                (true, _) => Ok(()),
                (_, false) => Err(Refusal::usage(
                    "Unable to connect (This feature is not supported).",
                )),
                (_, true) => Err(Refusal::usage(
                    "Error: --property needs protocol version 5, but another one was given after it.",
                )),
            };
        }
        let connect = self.properties.connect.as_properties();
        let both = self.session_expiry() > 0 && connect.session_expiry_interval().is_some();
        match self.properties.duplicate() {
            _ if both => Err(duplicate(PropertyPlace::Connect)),
            Some(place) => Err(duplicate(place)),
            None => Ok(()),
        }
    }

    /// Keeps a client identifier or its beginning; only one of the two may be given.
    pub(crate) fn check_one_id(&self) -> Result<(), Refusal> {
        if self.client_id.is_some() && self.id_prefix.is_some() {
            return Err(Refusal::usage(
                "Error: -i and -I argument cannot be used together.",
            ));
        }
        Ok(())
    }
}

fn duplicate(place: PropertyPlace) -> Refusal {
    let packet = match place {
        PropertyPlace::Connect => {
            return Refusal::usage("Unable to connect (Duplicate property in property list).");
        }
        PropertyPlace::Will => "WILL",
        PropertyPlace::Subscribe => "SUBSCRIBE",
        PropertyPlace::Unsubscribe => "UNSUBSCRIBE",
        PropertyPlace::Disconnect => "DISCONNECT",
        _ => "PUBLISH",
    };
    Refusal::usage(format!(
        "Error in {packet} properties: Duplicate property in property list"
    ))
}

/// A port as typed.
pub(crate) fn port(number: i32) -> Result<u16, Refusal> {
    u16::try_from(number)
        .map_err(|_| Refusal::usage(format!("Error: Invalid port given: {number}")))
}

/// A Quality of Service as typed; the text is that of the option.
pub(crate) fn qos(number: i32, text: impl Fn(i32) -> String) -> Result<QoS, Refusal> {
    let qos = u8::try_from(number).ok().and_then(QoS::from_u8);
    qos.ok_or_else(|| Refusal::usage(text(number)))
}

/// A protocol version as typed.
pub(crate) fn version(word: &[u8]) -> Result<Version, Refusal> {
    match shown(word).as_str() {
        "mqttv31" | "31" => Ok(Version::V31),
        "mqttv311" | "311" => Ok(Version::V311),
        "mqttv5" | "5" => Ok(Version::V5),
        _ => Err(Refusal::usage(
            "Error: Invalid protocol version argument given.",
        )),
    }
}
