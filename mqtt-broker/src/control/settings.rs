//! From what the configuration says to what the engine is told.

use std::num::{NonZeroU16, NonZeroU32, NonZeroU64};
use std::sync::Arc;

use super::password_files::{PasswordFileFailure, PasswordFiles};
use crate::auth::{Authenticator, Policy};
use crate::config::{Config, Listener, LogTypes};
use crate::engine::limits::{ListenerSettings, Settings, Versions};

/// What the engine is told; reads the password files.
///
/// # Errors
/// A password file cannot be used.
pub fn engine_settings(
    config: &Config,
    files: &mut PasswordFiles<'_>,
) -> Result<Settings, PasswordFileFailure> {
    let rules = &config.rules;
    let defaults = Settings::default();
    let listeners = config
        .listeners
        .iter()
        .map(|listener| listener_settings(listener, rules.clientid_prefixes.as_deref(), files));
    Ok(Settings {
        listeners: listeners.collect::<Result<_, _>>()?,
        policy: Arc::new(Policy::default()),
        max_inflight_messages: rules.max_inflight_messages.unwrap_or(NonZeroU16::MAX),
        max_inflight_bytes: rules.max_inflight_bytes.map(NonZeroU64::get),
        max_queued_messages: rules.max_queued_messages.map(NonZeroU32::get),
        max_queued_messages_connected: if rules.max_queued_messages_is_set {
            rules.max_queued_messages.map(NonZeroU32::get)
        } else {
            defaults.max_queued_messages_connected
        },
        max_queued_bytes: rules.max_queued_bytes.map(NonZeroU64::get),
        max_packet_size: rules.max_packet_size,
        message_size_limit: rules.message_size_limit.map(NonZeroU32::get),
        max_keepalive: rules.max_keepalive,
        persistent_client_expiration: rules.persistent_client_expiration,
        queue_qos0_messages: rules.queue_qos0_messages,
        retain_available: rules.retain_available,
        upgrade_outgoing_qos: rules.upgrade_outgoing_qos,
        allow_duplicate_messages: rules.allow_duplicate_messages.unwrap_or(false),
        global_max_clients: rules.global_max_clients.map(NonZeroU32::get),
        retain_expiry_interval: rules.retain_expiry_interval,
        trace: config.log.types.contains(LogTypes::DEBUG),
        // What no option says.
        ..defaults
    })
}

fn listener_settings(
    listener: &Listener,
    clientid_prefixes: Option<&str>,
    files: &mut PasswordFiles<'_>,
) -> Result<ListenerSettings, PasswordFileFailure> {
    let password_file = match &listener.password_file {
        Some(path) => Some(files.load(path)?),
        None => None,
    };
    let versions = listener.accept_protocol_versions;
    Ok(ListenerSettings {
        authenticator: Arc::new(Authenticator { password_file }),
        allow_anonymous: listener.allow_anonymous,
        versions: Versions {
            v31: versions.v31,
            v311: versions.v311,
            v5: versions.v5,
        },
        max_qos: listener.max_qos,
        max_topic_alias: listener.max_topic_alias,
        max_topic_alias_broker: listener.max_topic_alias_broker,
        auto_id_prefix: listener.auto_id_prefix.as_str().into(),
        allow_zero_length_clientid: listener.allow_zero_length_clientid,
        use_username_as_clientid: listener.use_username_as_clientid,
        clientid_prefixes: clientid_prefixes.map(Into::into),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use std::ffi::OsString;
    use std::fs;
    use std::io;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::time::Duration;

    use mqtt_codec::QoS;

    use super::*;
    use crate::config::{Files, Origin};
    use crate::observe::Log;
    use crate::runtime::Clock;

    /// A file system with one configuration file.
    pub(in crate::control) struct OneFile(pub(in crate::control) String);

    impl Files for OneFile {
        fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
            Ok(self.0.clone().into_bytes())
        }

        fn list(&self, _: &Path) -> io::Result<Vec<OsString>> {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    pub(in crate::control) fn config(text: &str) -> Config {
        let origin = Origin {
            files: vec!["broker.conf".into()],
            ..Origin::default()
        };
        Config::load(origin, &OneFile(text.to_owned()))
            .unwrap()
            .config
    }

    fn settings(text: &str) -> Result<Settings, PasswordFileFailure> {
        let log = Log::new(Clock::start());
        engine_settings(&config(text), &mut PasswordFiles::new(&log, false))
    }

    #[test]
    fn without_options_the_limits_are_those_of_the_original() {
        let settings = settings("listener 1883\n").unwrap();
        assert_eq!(settings.max_inflight_messages.get(), 20);
        assert_eq!(settings.max_queued_messages, Some(1000));
        assert_eq!(
            (settings.max_queued_bytes, settings.max_inflight_bytes),
            (None, None)
        );
        assert_eq!(settings.max_packet_size.get(), 2_000_000);
        assert_eq!(settings.max_keepalive, None);
        assert_eq!(settings.global_max_clients, None);
        assert_eq!(settings.persistent_client_expiration, None);
        assert!(settings.retain_available && !settings.queue_qos0_messages && !settings.trace);
        let [listener] = settings.listeners.as_slice() else {
            panic!("one listener")
        };
        assert!(!listener.allow_anonymous && listener.allow_zero_length_clientid);
        assert!(listener.authenticator.password_file.is_none());
        assert_eq!(listener.versions, Versions::ALL);
        assert_eq!(listener.max_qos, QoS::ExactlyOnce);
        assert_eq!(
            (listener.max_topic_alias, listener.max_topic_alias_broker),
            (10, 10)
        );
        assert_eq!(&*listener.auto_id_prefix, "auto-");
    }

    #[test]
    fn what_is_written_reaches_the_engine() {
        let settings = settings(
            "max_inflight_messages 0\n\
             max_inflight_bytes 5\n\
             max_queued_messages 0\n\
             max_queued_bytes 6\n\
             max_packet_size 100\n\
             max_keepalive 7\n\
             persistent_client_expiration 1h\n\
             queue_qos0_messages true\n\
             retain_available false\n\
             upgrade_outgoing_qos true\n\
             allow_duplicate_messages true\n\
             global_max_clients 8\n\
             clientid_prefixes dev-\n\
             log_type all\n\
             listener 1883\n\
             max_qos 1\n\
             accept_protocol_versions 4,5\n\
             max_topic_alias 3\n\
             listener_allow_anonymous true\n\
             use_username_as_clientid false\n\
             listener 1884\n\
             listener_auto_id_prefix x-\n",
        )
        .unwrap();
        assert_eq!(settings.max_inflight_messages, NonZeroU16::MAX);
        assert_eq!(
            (settings.max_inflight_bytes, settings.max_queued_bytes),
            (Some(5), Some(6))
        );
        assert_eq!(settings.max_queued_messages, None);
        assert_eq!(settings.max_packet_size.get(), 100);
        assert_eq!(settings.max_keepalive, NonZeroU16::new(7));
        assert_eq!(
            settings.persistent_client_expiration,
            Some(Duration::from_secs(3600))
        );
        assert!(settings.queue_qos0_messages && settings.upgrade_outgoing_qos && settings.trace);
        assert!(!settings.retain_available && settings.allow_duplicate_messages);
        assert_eq!(settings.global_max_clients, Some(8));
        let [first, second] = settings.listeners.as_slice() else {
            panic!("two listeners")
        };
        assert_eq!(
            first.versions,
            Versions {
                v31: false,
                v311: true,
                v5: true
            }
        );
        assert_eq!(
            (first.max_qos, first.max_topic_alias),
            (QoS::AtLeastOnce, 3)
        );
        assert!(first.allow_anonymous && !second.allow_anonymous);
        assert_eq!(&*second.auto_id_prefix, "x-");
        assert_eq!(second.clientid_prefixes.as_deref(), Some("dev-"));
    }

    #[test]
    fn a_password_file_is_read_for_each_listener_it_belongs_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pw");
        let hash = mqtt_passwd::PasswordHash::create(mqtt_passwd::Scheme::Sha512, b"x", &[1; 12]);
        fs::write(&path, format!("ann:{}\n", hash.unwrap())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let text = format!(
            "password_file {}\nlistener 1883\nlistener 1884\n",
            path.display()
        );
        let with_users = settings(&text).unwrap();
        for listener in &with_users.listeners {
            let file = listener.authenticator.password_file.as_ref().unwrap();
            assert!(file.lookup("ann").is_some());
        }
        fs::write(&path, "ann:plain\n").unwrap();
        assert_eq!(settings(&text).unwrap_err().exit_code(), 3);
    }
}
