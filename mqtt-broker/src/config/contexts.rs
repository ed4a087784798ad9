//! The options that change what following options belong to: `listener`, `port`, `connection`,
//! `plugin` and their like.

use std::num::NonZeroU16;
use std::path::PathBuf;

use mqtt_codec::QoS;

use super::draft::{BridgeDraft, ListenerDraft, PluginDraft};
use super::options::plugin::is_keeper;
use super::reader::Reader;
use super::report::{Level, Place, shown};
use super::settings::{Address, Listener, ProtocolVersions, Security, SocketDomain};
use super::values::{Fault, TEXT_BYTES_MAX, Value};

/// The port of MQTT (registered with IANA).
pub(super) const DEFAULT_PORT: NonZeroU16 = const { NonZeroU16::new(1883).expect("is not zero") };

/// Bytes of the longest path of a Unix socket.
const SOCKET_PATH_BYTES_MAX: usize = 107;

impl Reader<'_> {
    /// `listener PORT [HOST]`, `listener 0 PATH`.
    pub(super) fn open_listener(&mut self, value: &Value<'_>) -> Result<(), Fault> {
        self.draft.is_networked = true;
        let address = listener_address(value);
        // Options that follow must not be blamed for a line that is wrong in itself.
        let used = address
            .as_ref()
            .ok()
            .cloned()
            .unwrap_or_else(|| tcp(DEFAULT_PORT, None));
        let listener = new_listener(used, false, &self.place);
        self.begin_listener(listener);
        address.map(drop)
    }

    /// `port`: the port of the default listener.
    pub(super) fn set_default_port(&mut self, value: &Value<'_>) -> Result<(), Fault> {
        self.draft.is_networked = true;
        let index = self.select_default_listener();
        let number = value.number_within(1, u32::from(u16::MAX))?;
        let Some(draft) = self.draft.listeners.get_mut(index) else {
            return Ok(());
        };
        let is_repeated = draft.has_port;
        draft.has_port = true;
        if let Address::Tcp { port, .. } = &mut draft.listener.address {
            *port = u16::try_from(number)
                .ok()
                .and_then(NonZeroU16::new)
                .unwrap_or(*port);
        }
        if is_repeated {
            self.notice(
                Level::Warning,
                "Warning: Default listener port specified multiple times. Only the latest will \
                 be used."
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// `bind_address`: the host of the default listener.
    pub(super) fn set_default_host(&mut self, value: &Value<'_>) -> Result<(), Fault> {
        self.draft.is_networked = true;
        let index = self.select_default_listener();
        let name = value.text(TEXT_BYTES_MAX)?;
        if let Some(draft) = self.draft.listeners.get_mut(index)
            && let Address::Tcp { host, .. } = &mut draft.listener.address
        {
            *host = Some(name.to_owned());
        }
        Ok(())
    }

    /// Makes the default listener the current one, and makes it at all if need be.
    pub(super) fn select_default_listener(&mut self) -> usize {
        let index = self.draft.default_listener.unwrap_or_else(|| {
            let listener = new_listener(tcp(DEFAULT_PORT, None), true, &self.place);
            self.begin_listener(listener)
        });
        self.draft.default_listener = Some(index);
        self.current.listener = Some(index);
        index
    }

    /// `per_listener_settings`, which cannot be taken back.
    pub(super) fn set_per_listener_settings(&mut self, is_on: bool) -> Result<(), Fault> {
        let is_late = self.is_security_seen;
        let settings = &mut self.draft.globals.start.per_listener_settings;
        if is_on && !*settings && is_late {
            return Err(Fault::other(
                "per_listener_settings must be set before any other security settings",
            ));
        }
        *settings |= is_on;
        Ok(())
    }

    /// `connection NAME`.
    pub(super) fn open_bridge(&mut self, value: &Value<'_>) -> Result<(), Fault> {
        // Options that follow must not be blamed for a line that is wrong in itself.
        self.current.bridge = Some(self.draft.bridges.len());
        let name = value.text_word();
        self.draft.bridges.push(BridgeDraft {
            name: name.clone().unwrap_or_default().to_owned(),
            place: self.place.clone(),
            remote_clientid: None,
            local_clientid: None,
        });
        let name = name?;
        if !self.draft.bridge_names.insert(name.to_owned()) {
            let name = shown(name.as_bytes());
            return Err(Fault::Other(format!("Duplicate bridge name '{name}'")));
        }
        Ok(())
    }

    /// `plugin PATH`.
    pub(super) fn open_plugin(&mut self, value: &Value<'_>) -> Result<(), Fault> {
        self.begin_plugin(is_keeper(value));
        self.is_security_seen = true;
        if self.draft.globals.start.per_listener_settings && self.current.listener.is_none() {
            return Err(Fault::Other(format!(
                "The '{}' option requires a listener to be defined first",
                value.option()
            )));
        }
        value.text(TEXT_BYTES_MAX).map(drop)
    }

    /// `global_plugin PATH`.
    pub(super) fn open_global_plugin(&mut self, value: &Value<'_>) -> Result<(), Fault> {
        self.begin_plugin(is_keeper(value));
        value.text(TEXT_BYTES_MAX).map(drop)
    }

    /// `plugin_load NAME PATH`.
    pub(super) fn load_plugin(&mut self, value: &Value<'_>) -> Result<(), Fault> {
        self.begin_plugin(false);
        let name = value.text_word()?;
        if value.words().nth(1).is_none() {
            return Err(value.empty());
        }
        if !self.draft.loaded_plugins.insert(name.to_owned()) {
            let name = shown(name.as_bytes());
            return Err(Fault::Other(format!("Duplicate plugin_load name '{name}'")));
        }
        Ok(())
    }

    /// `plugin_use NAME`.
    pub(super) fn use_plugin(&mut self, value: &Value<'_>) -> Result<(), Fault> {
        self.begin_plugin(false);
        let name = value.text_word()?;
        let is_explicit =
            self.current.listener.is_some() && self.current.listener != self.draft.default_listener;
        if !is_explicit {
            return Err(Fault::other(
                "The 'plugin_use' option requires a listener to be defined first",
            ));
        }
        if !self.draft.loaded_plugins.contains(name) {
            return Err(value.invalid(name.as_bytes()));
        }
        Ok(())
    }

    fn begin_plugin(&mut self, keeps: bool) {
        self.current.plugin = Some(self.draft.plugins.len());
        let db_file = None;
        self.draft.plugins.push(PluginDraft { keeps, db_file });
    }
}

/// A listener with the defaults of all options.
pub(super) fn new_listener(address: Address, is_default: bool, place: &Place) -> ListenerDraft {
    ListenerDraft {
        listener: Listener {
            address,
            bind_interface: None,
            is_default,
            place: Some(place.clone()),
            security: Security::default(),
            listener_allow_anonymous: None,
            listener_auto_id_prefix: None,
            allow_anonymous: false,
            password_file: None,
            allow_zero_length_clientid: true,
            auto_id_prefix: String::new(),
            accept_protocol_versions: ProtocolVersions::ALL,
            max_connections: None,
            max_qos: QoS::ExactlyOnce,
            max_topic_alias: 10,
            max_topic_alias_broker: 10,
            use_username_as_clientid: false,
        },
        place: place.clone(),
        has_port: false,
        proxy_protocol: None,
        use_subject_as_username: false,
    }
}

/// A TCP address of both families.
pub(super) fn tcp(port: NonZeroU16, host: Option<String>) -> Address {
    Address::Tcp {
        port,
        host,
        socket_domain: SocketDomain::Any,
    }
}

fn listener_address(value: &Value<'_>) -> Result<Address, Fault> {
    let number = value.number_within(0, u32::from(u16::MAX))?;
    // A second word with `#` in front is a comment.
    let mut words = value
        .words()
        .skip(1)
        .take_while(|word| !word.starts_with(b"#"));
    let second = words
        .next()
        .map(|word| value.checked_text(word))
        .transpose()?;
    match (u16::try_from(number).ok().and_then(NonZeroU16::new), second) {
        (Some(port), host) => Ok(tcp(port, host.map(str::to_owned))),
        (None, None) => Err(Fault::other(
            "A listener with port 0 must provide a Unix socket path",
        )),
        (None, Some(path)) if path.len() > SOCKET_PATH_BYTES_MAX => {
            let path = shown(path.as_bytes());
            Err(Fault::Other(format!(
                "Path to unix socket is too long \"{path}\""
            )))
        }
        (None, Some(_)) if words.next().is_some() => Err(Fault::other(
            "the path of a Unix socket may not contain spaces",
        )),
        (None, Some(path)) => Ok(Address::Unix(PathBuf::from(path))),
    }
}
