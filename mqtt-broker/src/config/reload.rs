//! Old and new configuration into the one that holds from now on.

use super::check;
use super::draft::Owner;
use super::files::Files;
use super::reader::Reader;
use super::report::{ConfigError, ConfigErrors, Level, Notice};
use super::settings::{Address, Config, Listener, SocketDomain, StartSettings};

/// What a reload has brought.
#[derive(Clone, Debug, PartialEq)]
pub struct Reloaded {
    /// What holds from now on. Its listeners are those of the old one, in the same order.
    pub config: Config,
    /// What should be logged about it, in order.
    pub notices: Vec<Notice>,
    /// What differs from before.
    pub changes: Changes,
}

/// What differs between the configurations before and after a reload. What stands in files that
/// they name, such as passwords, may differ all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Indexes of the listeners whose settings differ.
    pub listeners: Vec<usize>,
    /// Whether one of them asks for credentials in another way.
    pub security: bool,
    /// Whether limits or rules of the whole broker differ.
    pub rules: bool,
    /// Whether logging differs.
    pub log: bool,
}

/// Reads the files of a running configuration again and makes the one that holds from now on: all
/// of it, or, if anything is wrong, nothing.
///
/// Options that are not written any more return to their defaults. What only a start can change
/// keeps its value, and a notice says so if the files say otherwise: sockets, and what is in
/// [`StartSettings`]. A listener whose line is gone stays open, under the options that belong to
/// all listeners.
///
/// # Errors
/// Everything that is wrong in the files; a new listener; another `per_listener_settings`, because
/// the security options of a file that was written for the other mode would open listeners that
/// it means to close.
pub fn reload(old: &Config, files: &dyn Files) -> Result<Reloaded, ConfigErrors> {
    let mut reader = Reader::read(&old.origin.files, files);
    let new = check::finish(&mut reader, old.origin.clone());
    check_mode(old, &new, &mut reader);
    let mut notices = Vec::new();
    let listeners = merge_listeners(old, &new, &mut reader, &mut notices);
    if !reader.errors.is_empty() {
        return Err(reader.errors);
    }
    tell_start_settings(&old.start, &new.start, &mut notices);
    let config = Config {
        local_only: old.local_only,
        listeners,
        start: old.start.clone(),
        ..new
    };
    notices.splice(..0, reader.notices);
    Ok(Reloaded {
        changes: compare(old, &config),
        config,
        notices,
    })
}

fn check_mode(old: &Config, new: &Config, reader: &mut Reader<'_>) {
    const OPTION: &str = "per_listener_settings";
    if old.start.per_listener_settings == new.start.per_listener_settings {
        return;
    }
    reader.errors.push(ConfigError {
        place: reader.seen.get(&(Owner::Broker, OPTION)).cloned(),
        option: Some(OPTION.to_owned()),
        message: format!(
            "a reload cannot change it from {} (restart the broker)",
            old.start.per_listener_settings
        ),
    });
}

/// The old listeners with their new settings.
fn merge_listeners(
    old: &Config,
    new: &Config,
    reader: &mut Reader<'_>,
    notices: &mut Vec<Notice>,
) -> Vec<Listener> {
    // Only what was and is reachable from this machine alone may be open by default.
    let local_only = old.local_only && new.local_only;
    let has_lines = !new.local_only || old.local_only;
    let mut found: Vec<Option<&Listener>> = if has_lines {
        new.listeners.iter().map(Some).collect()
    } else {
        Vec::new()
    };
    let mut merged = Vec::with_capacity(old.listeners.len());
    for before in &old.listeners {
        let after = found
            .iter_mut()
            .find(|after| after.is_some_and(|after| is_same(before, after)))
            .and_then(Option::take);
        let mut listener = if let Some(after) = after {
            tell_sockets(before, after, notices);
            Listener {
                address: before.address.clone(),
                bind_interface: before.bind_interface.clone(),
                is_default: before.is_default,
                ..after.clone()
            }
        } else {
            let text = format!(
                "The listener {} is not configured any more; it stays open until the \
                 broker ends.",
                describe(&before.address)
            );
            notices.push(Notice {
                level: Level::Notice,
                text,
                place: before.place.clone(),
            });
            before.clone()
        };
        listener.resolve(&new.security, old.start.per_listener_settings, local_only);
        merged.push(listener);
    }
    for added in found.into_iter().flatten() {
        reader.errors.push(ConfigError {
            place: added.place.clone(),
            option: Some("listener".to_owned()),
            message: "It is not currently possible to add/remove listeners when reloading the \
                      config file. (restart the broker)"
                .to_owned(),
        });
    }
    merged
}

/// Whether two listeners are the same one, written twice. There is only one default listener,
/// whatever its port; all others are known by port and host, or by path.
fn is_same(before: &Listener, after: &Listener) -> bool {
    if before.is_default && after.is_default {
        return true;
    }
    match (&before.address, &after.address) {
        (
            Address::Tcp { port, host, .. },
            Address::Tcp {
                port: new_port,
                host: new_host,
                ..
            },
        ) => port == new_port && host == new_host,
        (Address::Unix(path), Address::Unix(new_path)) => path == new_path,
        _ => false,
    }
}

/// Names what differs in the sockets, which stay as they are.
fn tell_sockets(before: &Listener, after: &Listener, notices: &mut Vec<Notice>) {
    let mut tell = |option: &str, differs: bool| {
        if differs {
            notices.push(Notice {
                level: Level::Notice,
                text: format!(
                    "The option \"{option}\" of the listener {} takes effect at the next \
                     start.",
                    describe(&before.address)
                ),
                place: after.place.clone(),
            });
        }
    };
    if let (
        Address::Tcp {
            port,
            host,
            socket_domain,
        },
        Address::Tcp {
            port: new_port,
            host: new_host,
            socket_domain: new_domain,
        },
    ) = (&before.address, &after.address)
    {
        tell("port", port != new_port);
        tell("bind_address", host != new_host);
        tell("socket_domain", socket_domain != new_domain);
    }
    let differs = before.bind_interface != after.bind_interface;
    tell("bind_interface", differs);
}

fn tell_start_settings(old: &StartSettings, new: &StartSettings, notices: &mut Vec<Notice>) {
    for (option, differs) in [
        ("pid_file", old.pid_file != new.pid_file),
        ("user", old.user != new.user),
        ("shards", old.shards != new.shards),
        ("durability", old.keep.durability != new.keep.durability),
        ("persistence", old.keep.persistence != new.keep.persistence),
        (
            "persistence_location",
            old.keep.location != new.keep.location,
        ),
        ("persistence_file", old.keep.file != new.keep.file),
        ("plugin", old.keep.plugin != new.keep.plugin),
        (
            "on_corruption",
            old.keep.on_corruption != new.keep.on_corruption,
        ),
    ] {
        if differs {
            let text = format!("The option \"{option}\" takes effect at the next start.");
            notices.push(Notice {
                level: Level::Notice,
                text,
                place: None,
            });
        }
    }
}

fn compare(old: &Config, new: &Config) -> Changes {
    let mut changes = Changes {
        rules: old.rules != new.rules,
        log: old.log != new.log,
        ..Changes::default()
    };
    for (index, (before, after)) in old.listeners.iter().zip(&new.listeners).enumerate() {
        // A line may move within its file.
        let before = Listener {
            place: after.place.clone(),
            ..before.clone()
        };
        if before != *after {
            changes.listeners.push(index);
        }
        changes.security |= before.allow_anonymous != after.allow_anonymous
            || before.password_file != after.password_file;
    }
    changes
}

/// An address for people.
fn describe(address: &Address) -> String {
    match address {
        Address::Unix(path) => path.display().to_string(),
        Address::Tcp {
            port,
            host,
            socket_domain,
        } => {
            let host = host.as_deref().unwrap_or(match socket_domain {
                SocketDomain::Any => "*",
                SocketDomain::Ipv4 => "0.0.0.0",
                SocketDomain::Ipv6 => "::",
            });
            if host.contains(':') {
                format!("[{host}]:{port}")
            } else {
                format!("{host}:{port}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::super::testing::{Tree, config};
    use super::*;

    fn reloaded(before: &str, after: &str) -> Result<Reloaded, ConfigErrors> {
        reload(&config(before), &Tree::of(&[("a.conf", after.as_bytes())]))
    }

    fn texts(reloaded: &Reloaded) -> Vec<&str> {
        reloaded
            .notices
            .iter()
            .map(|notice| notice.text.as_str())
            .collect()
    }

    #[test]
    fn the_same_files_change_nothing() {
        for text in [
            "",
            "listener 1883\nmax_qos 1\nlistener 0 /s",
            "port 1\nuser a\nshards 2",
        ] {
            let reloaded = reloaded(text, &format!("# moved\n{text}")).unwrap();
            assert_eq!(reloaded.changes, Changes::default(), "{text}");
        }
    }

    #[test]
    fn settings_are_read_again_and_absent_ones_return_to_their_defaults() {
        let before = "listener 1\nmax_qos 1\nlistener 2\nmax_connections 5\nmax_keepalive 9";
        let after = "listener 2\nmax_connections 6\nlistener 1\nlog_type all";
        let Reloaded {
            config,
            notices,
            changes,
        } = reloaded(before, after).unwrap();
        assert_eq!(notices, []);
        assert_eq!(config.listeners[0].max_qos, mqtt_codec::QoS::ExactlyOnce);
        assert_eq!(config.listeners[1].max_connections, NonZeroU32::new(6));
        assert_eq!(config.rules.max_keepalive, None);
        let expected = Changes {
            listeners: vec![0, 1],
            rules: true,
            log: true,
            security: false,
        };
        assert_eq!(changes, expected);
    }

    #[test]
    fn security_follows_the_files() {
        let before = "listener 1\nallow_anonymous true";
        let after = "listener 1\npassword_file p";
        let Reloaded {
            config, changes, ..
        } = reloaded(before, after).unwrap();
        assert!(!config.listeners[0].allow_anonymous);
        assert!(config.listeners[0].password_file.is_some());
        assert!(changes.security);
    }

    #[test]
    fn a_listener_whose_line_is_gone_stays_open_under_the_common_security() {
        let before = "allow_anonymous true\nlistener 1\nlistener 2\nmax_qos 1";
        let reloaded = reloaded(before, "listener 1").unwrap();
        let [_, kept] = &reloaded.config.listeners[..] else {
            panic!("{reloaded:?}")
        };
        assert!(!kept.allow_anonymous);
        assert_eq!(kept.max_qos, mqtt_codec::QoS::AtLeastOnce);
        let said = "The listener *:2 is not configured any more; it stays open until the broker \
                    ends.";
        assert_eq!(texts(&reloaded), [said]);
    }

    #[test]
    fn a_broker_on_the_network_does_not_open_up_when_its_listeners_are_gone() {
        let Reloaded { config, .. } = reloaded("listener 1", "").unwrap();
        assert!(!config.local_only && !config.listeners[0].allow_anonymous);
        assert_eq!(config.listeners.len(), 1);
    }

    #[test]
    fn listeners_cannot_be_added() {
        for (before, after) in [
            ("listener 1", "listener 1\nlistener 2"),
            ("", "listener 1883"),
            ("listener 1", "listener 1 localhost"),
            ("listener 0 /a", "listener 0 /b"),
        ] {
            let errors = reloaded(before, after).unwrap_err().to_string();
            let expected = "option \"listener\": It is not currently possible to add/remove \
                            listeners when reloading the config file.";
            assert!(
                errors.contains(expected) && errors.starts_with("a.conf:"),
                "{errors}"
            );
        }
    }

    #[test]
    fn a_listener_may_be_written_in_the_new_way() {
        let Reloaded {
            config, notices, ..
        } = reloaded("port 1", "listener 1\nmax_qos 0").unwrap();
        assert_eq!(config.listeners[0].max_qos, mqtt_codec::QoS::AtMostOnce);
        assert_eq!(notices, []);
    }

    #[test]
    fn what_only_a_start_can_change_is_kept_and_named() {
        let before = "pid_file /a\nuser a\nport 1\nsocket_domain ipv4";
        let after = "pid_file /b\nuser b\nshards 2\nport 2\nbind_address h\nbind_interface lo\n\
                     durability normal\npersistence true\npersistence_location /p\n\
                     persistence_file f\non_corruption refuse";
        let reloaded = reloaded(before, after).unwrap();
        let old = config(before);
        assert_eq!(reloaded.config.start, old.start);
        assert_eq!(
            reloaded.config.listeners[0].address,
            old.listeners[0].address
        );
        assert_eq!(reloaded.config.listeners[0].bind_interface, None);
        let texts = texts(&reloaded).join("\n");
        for option in [
            "port",
            "bind_address",
            "socket_domain",
            "bind_interface",
            "pid_file",
            "user",
            "shards",
            "durability",
            "persistence",
            "persistence_location",
            "persistence_file",
            "on_corruption",
        ] {
            assert!(
                texts.contains(&format!("The option \"{option}\"")),
                "{option}: {texts}"
            );
        }
    }

    #[test]
    fn one_error_keeps_everything() {
        let errors = reloaded("listener 1", "listener 1\nallow_anonymous true\nbad").unwrap_err();
        assert!(errors.to_string().starts_with("a.conf:3: "), "{errors}");
    }

    #[test]
    fn per_listener_settings_cannot_change() {
        let before = "per_listener_settings true\nlistener 1\nallow_anonymous true";
        let errors = reloaded(before, "listener 1\nallow_anonymous true").unwrap_err();
        assert!(
            errors
                .to_string()
                .contains("a reload cannot change it from true"),
            "{errors}"
        );
        let errors = reloaded("listener 1", before).unwrap_err().to_string();
        assert!(
            errors.starts_with("a.conf:1: option \"per_listener_settings\""),
            "{errors}"
        );
    }

    #[test]
    fn local_only_mode_stays_local_and_open() {
        let Reloaded {
            config, changes, ..
        } = reloaded("", "max_queued_messages 5").unwrap();
        assert!(config.local_only && config.listeners[0].allow_anonymous);
        assert_eq!((changes.listeners, changes.rules), (vec![], true));
    }
}
