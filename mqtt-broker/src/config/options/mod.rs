//! The table of all options: one row says all there is to know about one.
//!
//! Every option of Mosquitto 2.1 has a row, and so have our own. Reading, reloading, `--explain`
//! and "did you mean" read the same rows; a new option is one row and one test.

mod bridge;
mod bridge_topic;
mod global;
mod listener;
mod logs;
mod ours;
pub(super) mod plugin;
mod tls;

use std::num::NonZeroU32;

use super::draft::{BridgeDraft, Globals, ListenerDraft, PluginDraft};
use super::reader::Reader;
use super::settings::Security;
use super::values::{Fault, TEXT_BYTES_MAX, Value};

/// One row.
pub(super) struct ConfigOption {
    /// The name; one that ends in `_` stands for all names that begin with it.
    pub(super) name: &'static str,
    /// Other names of the same option.
    pub(super) aliases: &'static [&'static str],
    /// Where it may stand, how its value is read and where that goes.
    pub(super) scope: Scope,
    /// What holds if it is not written, for people.
    pub(super) default: &'static str,
    /// What a reload does with a new value.
    pub(super) reload: Reload,
    /// What a second line does.
    pub(super) repeat: Repeat,
    /// Whether it works.
    pub(super) status: Status,
    /// Said whenever it is used, word for word as Mosquitto says it.
    pub(super) notice: Option<&'static str>,
    /// What it is for, in one line.
    pub(super) help: &'static str,
}

/// Where an option may stand, and its setter.
pub(super) enum Scope {
    /// Anywhere; holds for the whole broker.
    Broker(Setter<Globals>),
    /// Anywhere, but after a listener with `per_listener_settings true`.
    Security(Setter<Security>),
    /// After the listener that it belongs to.
    Listener(Needs, Setter<ListenerDraft>),
    /// After the `connection` line of its bridge.
    Bridge(Setter<BridgeDraft>),
    /// After the line of its plugin.
    Plugin(Setter<PluginDraft>),
    /// Anywhere; the reader itself does what it says, and that is said here for people.
    Reader(
        &'static str,
        fn(&mut Reader<'_>, &Value<'_>) -> Result<(), Fault>,
    ),
}

/// Which listener an option of a listener is content with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Any; without one the default listener is made.
    OrDefault,
    /// Any that is there.
    Any,
    /// One of a `listener` line.
    Explicit,
}

/// How a value is read, and what is done with it.
pub(super) enum Setter<T> {
    /// `true`, `false`, `1`, `0`.
    Flag(fn(&mut T, bool)),
    /// A number from the first to the second.
    Number(u32, u32, fn(&mut T, u32)),
    /// A number from 0 to 65535.
    Short(fn(&mut T, u16)),
    /// A number; what is not above zero means "no limit".
    Limit(fn(&mut T, Option<NonZeroU32>)),
    /// The rest of the line, of so many bytes at most.
    Text(usize, fn(&mut T, String)),
    /// The rest of the line, which names a file or directory.
    Path(fn(&mut T, String)),
    /// One of these words.
    Word(&'static [&'static str], fn(&mut T, &str)),
    /// Something else, described for people. May leave warnings.
    Special(&'static str, Special<T>),
}

/// Reads a value that fits none of the common types.
type Special<T> = fn(&mut T, &Value<'_>, &mut Vec<String>) -> Result<(), Fault>;

/// The length of texts that no option limits.
const LONG: usize = TEXT_BYTES_MAX;

/// The setter of an option that is checked and then not used, as its [`Status`] says.
fn ignore<T, V>(_: &mut T, _: V) {}

/// [`ignore`] for words.
fn ignore_word<T>(_: &mut T, _: &str) {}

/// What a reload does with an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reload {
    /// The new value holds from then on.
    Applies,
    /// The value of the start is kept.
    AtStart,
}

/// What a second line with the same option (of the same owner) does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It takes the place of the first.
    Replaces,
    /// It is an error.
    IsError,
    /// It adds to the first.
    Adds,
}

/// Whether an option works in this release.
#[derive(Clone, Copy, Debug)]
pub(super) enum Status {
    /// It does what its help line says.
    Works,
    /// Running without it would let somebody in or lose something, so the broker does not start.
    Refuses(&'static str),
    /// The same, but for the values that this is true of: they work.
    RefusesUnless(fn(&Value<'_>) -> bool, &'static str),
    /// It will have an effect in a later release; a warning says what that means.
    NoEffectYet(&'static str),
    /// It needs no effect here; a notice says why.
    NotNeeded(&'static str),
    /// Mosquitto has dropped it, too; the warning is its own, word for word.
    Gone(&'static str),
    /// The line that it belongs to has already said all.
    AsItsOwner,
    /// It depends on the value: these words have another status, all others work.
    By(&'static [(&'static str, Self)]),
}

/// A row as most are: it works, a reload applies it, a second line replaces the first.
const fn row(
    name: &'static str,
    scope: Scope,
    default: &'static str,
    help: &'static str,
) -> ConfigOption {
    ConfigOption {
        name,
        aliases: &[],
        scope,
        default,
        reload: Reload::Applies,
        repeat: Repeat::Replaces,
        status: Status::Works,
        notice: None,
        help,
    }
}

impl ConfigOption {
    const fn also(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    const fn at_start(mut self) -> Self {
        self.reload = Reload::AtStart;
        self
    }

    const fn once(mut self) -> Self {
        self.repeat = Repeat::IsError;
        self
    }

    const fn adds(mut self) -> Self {
        self.repeat = Repeat::Adds;
        self
    }

    const fn status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }

    const fn notice(mut self, notice: &'static str) -> Self {
        self.notice = Some(notice);
        self
    }

    /// All names, the own one first.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// Whether a name is one of this option's.
    fn is_named(&self, name: &str) -> bool {
        self.names()
            .any(|own| own == name || (own.ends_with('_') && name.starts_with(own)))
    }

    /// Whether it works with this value; with the word that decided, if one did.
    pub(super) fn status_of(&self, value: &Value<'_>) -> (Status, &'static str) {
        let others = match self.status {
            Status::By(others) => others,
            Status::RefusesUnless(works, _) if works(value) => return (Status::Works, ""),
            Status::RefusesUnless(_, reason) => return (Status::Refuses(reason), ""),
            status => return (status, ""),
        };
        let word = match value.words().next().unwrap_or_default() {
            b"1" => b"true",
            b"0" => &b"false"[..],
            word => word,
        };
        let other = others.iter().find(|(other, _)| other.as_bytes() == word);
        other.map_or((Status::Works, ""), |(word, status)| (*status, word))
    }

    /// What may stand as value, for people.
    pub(super) fn allowed(&self) -> String {
        match &self.scope {
            Scope::Broker(setter) => setter.allowed(),
            Scope::Security(setter) => setter.allowed(),
            Scope::Listener(_, setter) => setter.allowed(),
            Scope::Bridge(setter) => setter.allowed(),
            Scope::Plugin(setter) => setter.allowed(),
            Scope::Reader(allowed, _) => (*allowed).to_owned(),
        }
    }
}

impl<T> Setter<T> {
    /// Reads a value and hands it to its owner.
    pub(super) fn set(
        &self,
        owner: &mut T,
        value: &Value<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<(), Fault> {
        match self {
            Self::Flag(set) => set(owner, value.flag()?),
            Self::Number(min, max, set) => set(owner, value.number_within(*min, *max)?),
            Self::Short(set) => {
                let number = value.number_within(0, u32::from(u16::MAX))?;
                set(owner, u16::try_from(number).unwrap_or(u16::MAX));
            }
            Self::Limit(set) => {
                let number = u32::try_from(value.number()?).unwrap_or(0);
                set(owner, NonZeroU32::new(number));
            }
            Self::Text(bytes_max, set) => set(owner, value.text(*bytes_max)?.to_owned()),
            Self::Path(set) => set(owner, value.text(TEXT_BYTES_MAX)?.to_owned()),
            Self::Word(words, set) => {
                let word = value.text_word()?;
                if !words.contains(&word) {
                    return Err(value.invalid(word.as_bytes()));
                }
                set(owner, word);
            }
            Self::Special(_, set) => set(owner, value, warnings)?,
        }
        Ok(())
    }

    /// What may stand as value, for people.
    fn allowed(&self) -> String {
        match self {
            Self::Flag(_) => "true or false".to_owned(),
            Self::Number(min, max, _) => format!("a whole number from {min} to {max}"),
            Self::Short(_) => "a whole number from 0 to 65535".to_owned(),
            Self::Limit(_) => "a whole number, 0 for no limit".to_owned(),
            Self::Text(bytes_max, _) => format!("a text of 1 to {bytes_max} bytes"),
            Self::Path(_) => "a path".to_owned(),
            Self::Word(words, _) => one_of(words),
            Self::Special(allowed, _) => (*allowed).to_owned(),
        }
    }
}

/// `a`, `a or b`, `a, b or c`.
fn one_of(words: &[&str]) -> String {
    match words.split_last() {
        None => String::new(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

/// All rows, in the order of their files.
pub(super) fn all() -> impl Iterator<Item = &'static ConfigOption> {
    [
        global::ROWS,
        logs::ROWS,
        listener::ROWS,
        tls::ROWS,
        bridge::ROWS,
        plugin::ROWS,
        ours::ROWS,
    ]
    .into_iter()
    .flatten()
}

/// The row of a name.
pub(super) fn find(name: &str) -> Option<&'static ConfigOption> {
    all().find(|row| row.is_named(name))
}

/// The known name that is most like an unknown one, if any is.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    /// Names longer than this are no slips of a finger; comparing them costs time.
    const BYTES_MAX: usize = 60;
    if name.len() > BYTES_MAX {
        return None;
    }
    let slips_max = |known: &str| 2.max(known.len() / 4);
    let lower = name.to_ascii_lowercase().replace('-', "_");
    all()
        .flat_map(ConfigOption::names)
        // Each edit changes the length by one at most, and counting them is dear.
        .filter(|known| known.len().abs_diff(lower.len()) <= slips_max(known))
        .map(|known| (edits(&lower, known), known))
        .filter(|(edits, known)| *edits <= slips_max(known))
        .min()
        .map(|(_, known)| known)
}

/// Edits that lead from one name to another: bytes added, dropped, changed, neighbours swapped.
fn edits(from: &str, to: &str) -> usize {
    let to = to.as_bytes();
    // Three rows of the table of distances: two bytes ago, one byte ago, and this one.
    let mut two_ago: Vec<usize> = Vec::new();
    let mut one_ago: Vec<usize> = (0..=to.len()).collect();
    let mut before = None;
    for (index, byte) in from.bytes().enumerate() {
        let mut row = vec![index + 1];
        for (column, other) in to.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX);
            let changed = at(&one_ago, column).saturating_add(usize::from(byte != *other));
            let added = at(&row, column)
                .min(at(&one_ago, column + 1))
                .saturating_add(1);
            let mut best = changed.min(added);
            let swapped = column > 0 && before == Some(*other) && to.get(column - 1) == Some(&byte);
            if swapped {
                best = best.min(at(&two_ago, column - 1).saturating_add(1));
            }
            row.push(best);
        }
        two_ago = std::mem::replace(&mut one_ago, row);
        before = Some(byte);
    }
    one_ago.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All options of Mosquitto 2.1.
    const MOSQUITTO: &str = "\
        acl_file allow_anonymous allow_duplicate_messages allow_zero_length_clientid auth_plugin \
        auth_plugin_deny_special_chars auto_id_prefix autosave_interval autosave_on_changes \
        check_retain_source clientid_prefixes connection_messages enable_control_api \
        global_max_clients global_max_connections global_plugin include_dir log_dest \
        log_facility log_timestamp log_timestamp_format log_type max_inflight_bytes \
        max_inflight_messages max_keepalive max_packet_size max_queued_bytes max_queued_messages \
        memory_limit message_size_limit packet_buffer_size websockets_headers_size password_file \
        per_listener_settings persistence retained_persistence persistence_file \
        persistence_location persistent_client_expiration pid_file plugin plugin_load plugin_use \
        psk_file queue_qos0_messages retain_available retain_expiry_interval retry_interval \
        set_tcp_nodelay sys_interval upgrade_outgoing_qos user websockets_log_level listener \
        port bind_address bind_interface socket_domain protocol accept_protocol_versions \
        listener_allow_anonymous listener_auto_id_prefix max_connections max_qos maximum_qos \
        max_topic_alias max_topic_alias_broker mount_point use_username_as_clientid \
        enable_proxy_protocol proxy_protocol_v2_require_tls http_dir websockets_origin cafile \
        capath certfile keyfile ciphers ciphers_tls1.3 crlfile dhparamfile \
        disable_client_cert_date_checks require_certificate tls_version tls_engine \
        tls_engine_kpass_sha1 tls_keyform use_identity_as_username use_subject_as_username \
        psk_hint connection address addresses topic bridge_attempt_unsubscribe bridge_alpn \
        bridge_bind_address bridge_cafile bridge_capath bridge_certfile bridge_ciphers \
        bridge_ciphers_tls1.3 bridge_identity bridge_insecure bridge_keyfile \
        bridge_max_packet_size bridge_max_topic_alias bridge_outgoing_retain \
        bridge_protocol_version bridge_psk bridge_receive_maximum bridge_reload_type \
        bridge_require_ocsp bridge_session_expiry_interval bridge_tcp_keepalive \
        bridge_tcp_user_timeout bridge_tls_use_os_certs bridge_tls_version cleansession \
        local_cleansession clientid remote_clientid idle_timeout keepalive_interval \
        local_clientid local_password local_username notification_topic notifications \
        notifications_local_only password remote_password restart_timeout round_robin start_type \
        threshold try_private username remote_username plugin_opt_anything auth_opt_anything";

    #[test]
    fn every_option_of_mosquitto_has_a_row() {
        for name in MOSQUITTO.split(' ') {
            assert!(find(name).is_some(), "{name}");
        }
    }

    #[test]
    fn every_row_is_of_mosquitto_or_ours() {
        let ours = ["shards", "durability", "on_corruption"];
        for name in all().flat_map(ConfigOption::names) {
            let is_prefix = name.ends_with('_');
            let is_known = MOSQUITTO
                .split(' ')
                .chain(ours)
                .any(|known| known == name || is_prefix && known.starts_with(name));
            assert!(is_known, "{name}");
        }
    }

    #[test]
    fn no_name_has_two_rows() {
        let mut names: Vec<_> = all().flat_map(ConfigOption::names).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn rows_say_all_there_is_to_know() {
        for row in all() {
            assert!(row.help.ends_with(['.', ';']), "{}: {}", row.name, row.help);
            assert!(!row.default.is_empty(), "{}", row.name);
            assert!(!row.allowed().is_empty(), "{}", row.name);
            if let Status::By(values) = row.status {
                let allowed = row.allowed();
                for (value, _) in values {
                    let is_listed = allowed.contains(value) || *value == "android";
                    assert!(is_listed, "{}: {value} is not in {allowed}", row.name);
                }
            }
        }
    }

    #[test]
    fn slips_of_the_finger_find_their_option() {
        for (typed, expected) in [
            ("max_inflght_messages", Some("max_inflight_messages")),
            ("persistance", Some("persistence")),
            ("lisetner", Some("listener")),
            ("Allow_Anonymous", Some("allow_anonymous")),
            ("password-file", Some("password_file")),
            ("prot", Some("port")),
            ("zzzzzzzzzz", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed), expected, "{typed}");
        }
        assert_eq!(nearest(&"x".repeat(1_000_000)), None);
    }

    #[test]
    fn edits_are_counted() {
        for (from, to, expected) in [
            ("port", "port", 0),
            ("prot", "port", 1),
            ("por", "port", 1),
            ("ports", "port", 1),
            ("pert", "port", 1),
            ("", "port", 4),
        ] {
            assert_eq!(edits(from, to), expected, "{from} {to}");
        }
    }
}
