//! What is looked at when all files are read: conflicts between options, and what follows from
//! several of them together. Makes a [`Config`] of a draft.

use std::collections::HashMap;

use super::contexts::{DEFAULT_PORT, new_listener, tcp};
use super::draft::{Globals, ListenerDraft, LogDraft, Owner};
use super::reader::Reader;
use super::report::{Level, Place};
use super::settings::{
    Address, Config, KeepSettings, Listener, Log, LogTypes, Origin, Security, SocketDomain,
    SqlitePlugin, StartSettings,
};

/// What ids made by the broker begin with.
const AUTO_ID_PREFIX: &str = "auto-";

/// Checks what was read and makes a configuration of it; what is wrong is added to the errors of
/// the reader, and then the result is of no use.
pub(super) fn finish(reader: &mut Reader<'_>, origin: Origin) -> Config {
    check_listeners(reader);
    check_bridges(reader);
    let local_only = !reader.draft.is_networked;
    if local_only {
        enter_local_only_mode(reader, &origin);
    } else {
        check_addresses(reader);
        if !origin.ports.is_empty() {
            reader.notice_whole(Level::Notice, "-p is ignored: listeners are configured");
        }
    }
    check_keeping(reader);
    let draft = std::mem::take(&mut reader.draft);
    let mut keepers = draft.plugins.into_iter().filter(|plugin| plugin.keeps);
    let plugin = keepers.next_back().map(|plugin| SqlitePlugin {
        db_file: plugin.db_file,
    });
    let Globals { rules, start, log } = draft.globals;
    let start = StartSettings {
        shards: origin.shards.or(start.shards),
        keep: KeepSettings {
            durability: origin.durability.or(start.keep.durability),
            plugin,
            ..start.keep
        },
        ..start
    };
    let mut listeners: Vec<_> = draft
        .listeners
        .into_iter()
        .map(|draft| draft.listener)
        .collect();
    for listener in &mut listeners {
        listener.resolve(&draft.security, start.per_listener_settings, local_only);
    }
    if rules.clientid_prefixes.is_some()
        && listeners
            .iter()
            .any(|listener| listener.use_username_as_clientid)
    {
        reader.notice_whole(
            Level::Warning,
            "Options \"clientid_prefixes\" and \"use_username_as_clientid\" should not be \
             combined: the prefix is then asked of the user name.",
        );
    }
    let log = resolve_log(log, origin.log_types);
    Config {
        origin,
        local_only,
        listeners,
        security: draft.security,
        rules,
        log,
        start,
    }
}

impl Listener {
    /// Decides what follows from the security options of the listener itself and of all
    /// listeners together.
    pub(super) fn resolve(
        &mut self,
        common: &Security,
        per_listener_settings: bool,
        local_only: bool,
    ) {
        let security = if per_listener_settings {
            &self.security
        } else {
            common
        };
        // Unset means closed, but for a broker that only its own machine can reach.
        self.allow_anonymous = self
            .listener_allow_anonymous
            .or(security.allow_anonymous)
            .unwrap_or(local_only);
        self.password_file.clone_from(&security.password_file);
        self.allow_zero_length_clientid = security.allow_zero_length_clientid.unwrap_or(true);
        self.auto_id_prefix = self
            .listener_auto_id_prefix
            .as_ref()
            .or(security.auto_id_prefix.as_ref())
            .map_or_else(|| AUTO_ID_PREFIX.to_owned(), String::clone);
    }
}

/// A line that asks for a log that this release does not have counts for nothing, so that its
/// warning is seen somewhere.
fn resolve_log(draft: LogDraft, types: Option<LogTypes>) -> Log {
    let is_somewhere = draft.stdout || draft.stderr || draft.file.is_some() || draft.is_off;
    Log {
        stdout: draft.stdout,
        stderr: draft.stderr || !is_somewhere,
        file: draft.file,
        types: types.or(draft.types).unwrap_or(LogTypes::DEFAULT),
        timestamp: draft.timestamp,
        timestamp_format: draft.timestamp_format,
        connection_messages: draft.connection_messages,
    }
}

/// Loopback addresses on each port; a default listener that some option made is dropped.
fn enter_local_only_mode(reader: &mut Reader<'_>, origin: &Origin) {
    for dropped in std::mem::take(&mut reader.draft.listeners) {
        reader.place = dropped.place;
        let text = format!(
            "{}: the options of the default listener are dropped in local only mode (write \
             \"listener {DEFAULT_PORT}\" before them)",
            reader.place
        );
        reader.notice(Level::Warning, text);
    }
    reader.draft.default_listener = None;
    let ports = if origin.ports.is_empty() {
        &[DEFAULT_PORT][..]
    } else {
        &origin.ports
    };
    for port in ports {
        for host in ["127.0.0.1", "::1"] {
            let mut draft = new_listener(
                tcp(*port, Some(host.to_owned())),
                false,
                &Place {
                    file: std::path::Path::new("").into(),
                    line: 0,
                },
            );
            draft.listener.place = None;
            reader.draft.listeners.push(draft);
        }
    }
}

/// What is kept is kept once.
fn check_keeping(reader: &mut Reader<'_>) {
    const OPTION: &str = "persistence";
    let draft = &reader.draft;
    let has_plugin = draft.plugins.iter().any(|plugin| plugin.keeps);
    if has_plugin && draft.globals.start.keep.persistence == Some(true) {
        if let Some(place) = reader.seen.get(&(Owner::Broker, OPTION)) {
            reader.place = place.clone();
        }
        let text = "`persistence true` cannot be used with a persistence plugin.";
        reader.error(Some(OPTION), text.to_owned());
    }
}

/// TLS and PROXY options that need or forbid each other.
fn check_listeners(reader: &mut Reader<'_>) {
    let mut wrong = Vec::new();
    for (index, draft) in reader.draft.listeners.iter().enumerate() {
        let seen = |name| reader.seen.get(&(Owner::Listener(index), name));
        wrong.extend(
            tls_conflicts(&seen)
                .into_iter()
                .map(|(place, option, text)| (place.clone(), option, text)),
        );
        wrong.extend(
            proxy_conflicts(draft, &seen).map(|(option, text)| (draft.place.clone(), option, text)),
        );
    }
    for (place, option, text) in wrong {
        reader.place = place;
        reader.error(Some(option), text);
    }
}

type Conflict<'a> = (&'a Place, &'static str, String);

fn tls_conflicts<'a>(seen: &impl Fn(&'static str) -> Option<&'a Place>) -> Vec<Conflict<'a>> {
    let mut conflicts = Vec::new();
    let (certificate, key) = (seen("certfile"), seen("keyfile"));
    let lonely = match (certificate, key) {
        (Some(place), None) => Some((place, "certfile")),
        (None, Some(place)) => Some((place, "keyfile")),
        _ => None,
    };
    if let Some((place, option)) = lonely {
        let text = "Both certfile and keyfile must be provided to enable a TLS listener";
        conflicts.push((place, option, text.to_owned()));
    }
    for option in ["cafile", "capath"] {
        if let (Some(place), None, None) = (seen(option), certificate, key) {
            let text = format!("{option} specified without certfile and keyfile");
            conflicts.push((place, option, text));
        }
    }
    if let (Some(place), true) = (seen("psk_hint"), certificate.is_some() || key.is_some()) {
        let text = "Cannot use both certificate and psk encryption in a single listener";
        conflicts.push((place, "psk_hint", text.to_owned()));
    }
    conflicts
}

fn proxy_conflicts<'a>(
    draft: &ListenerDraft,
    seen: &impl Fn(&'static str) -> Option<&'a Place>,
) -> Option<(&'static str, String)> {
    let conflicting = if draft.use_subject_as_username {
        "use_subject_as_username"
    } else if seen("certfile").is_some() || seen("keyfile").is_some() {
        "certfile and keyfile"
    } else {
        return None;
    };
    (draft.proxy_protocol == Some(2)).then(|| {
        let text = format!("{conflicting} cannot be used with `enable_proxy_protocol 2`.");
        ("enable_proxy_protocol", text)
    })
}

/// Two listeners cannot listen in the same place.
fn check_addresses(reader: &mut Reader<'_>) {
    let mut first: HashMap<Address, Place> = HashMap::new();
    let mut wrong = Vec::new();
    for draft in &reader.draft.listeners {
        // Interfaces part listeners of the same port; only the runtime can resolve them.
        if draft.listener.bind_interface.is_some() {
            continue;
        }
        for address in families(&draft.listener.address) {
            if let Some(other) = first.get(&address) {
                let text = format!("the listener of {other} has the same address (change one)");
                wrong.push((draft.place.clone(), text));
                break;
            }
            first.insert(address, draft.place.clone());
        }
    }
    for (place, text) in wrong {
        reader.place = place;
        reader.error(Some("listener"), text);
    }
}

/// An address once for each of its families.
fn families(address: &Address) -> Vec<Address> {
    match address {
        Address::Tcp {
            port,
            host,
            socket_domain: SocketDomain::Any,
        } => [SocketDomain::Ipv4, SocketDomain::Ipv6]
            .map(|socket_domain| Address::Tcp {
                port: *port,
                host: host.clone(),
                socket_domain,
            })
            .into(),
        other => vec![other.clone()],
    }
}

fn check_bridges(reader: &mut Reader<'_>) {
    let mut wrong = Vec::new();
    let mut local_ids: HashMap<String, ()> = HashMap::new();
    for (index, bridge) in reader.draft.bridges.iter().enumerate() {
        let seen = |name| reader.seen.contains_key(&(Owner::Bridge(index), name));
        let missing = [
            (!seen("address"), "no remote addresses defined"),
            (!seen("topic"), "no topics defined"),
            (
                seen("bridge_psk") && !seen("bridge_identity"),
                "missing bridge_identity",
            ),
            (
                seen("bridge_identity") && !seen("bridge_psk"),
                "missing bridge_psk",
            ),
        ];
        let missing = missing.into_iter().filter(|(is_missing, _)| *is_missing);
        wrong.extend(missing.map(|(_, what)| {
            (
                bridge.place.clone(),
                format!("Invalid bridge configuration: {what}"),
            )
        }));
        if seen("bridge_psk")
            && [
                "bridge_cafile",
                "bridge_capath",
                "bridge_certfile",
                "bridge_keyfile",
            ]
            .into_iter()
            .any(seen)
        {
            let text = "'bridge_psk': Cannot use both certificate and psk encryption in a single \
                        bridge";
            wrong.push((bridge.place.clone(), text.to_owned()));
        }
        let id = bridge
            .local_clientid
            .clone()
            .unwrap_or_else(|| default_local_id(bridge));
        if local_ids.insert(id.clone(), ()).is_some() {
            let text = format!(
                "Bridge local_clientid '{}' is not unique. Try changing or setting the \
                 local_clientid value for one of the bridges",
                super::report::shown(id.as_bytes())
            );
            wrong.push((bridge.place.clone(), text));
        }
    }
    for (place, text) in wrong {
        reader.place = place;
        reader.error(Some("connection"), text);
    }
}

/// Stands for `local.<hostname>.<name>`: what the host is called does not matter for being unique.
fn default_local_id(bridge: &super::draft::BridgeDraft) -> String {
    match &bridge.remote_clientid {
        Some(id) => format!("local.{id}"),
        None => format!("local.\u{0}.{}", bridge.name),
    }
}
