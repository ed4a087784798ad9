//! A configuration while it is read: what the setters of the options write to.

use std::collections::HashSet;
use std::path::PathBuf;

use super::report::Place;
use super::settings::{Listener, LogTypes, Rules, Security, StartSettings};

/// All that the files have said so far.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) globals: Globals,
    pub(super) security: Security,
    pub(super) listeners: Vec<ListenerDraft>,
    /// The listener in `listeners` that `port`, `bind_address` or an early option made.
    pub(super) default_listener: Option<usize>,
    pub(super) bridges: Vec<BridgeDraft>,
    pub(super) bridge_names: HashSet<String>,
    /// Names given by `plugin_load`.
    pub(super) loaded_plugins: HashSet<String>,
    /// `plugin` lines of all kinds.
    pub(super) plugins: Vec<PluginDraft>,
    /// A `listener`, `port` or `bind_address` line was read: no local-only mode.
    pub(super) is_networked: bool,
}

/// Options that belong to the whole broker.
#[derive(Debug, Default)]
pub(super) struct Globals {
    pub(super) rules: Rules,
    pub(super) start: StartSettings,
    pub(super) log: LogDraft,
}

/// Log options; what is not written is decided at the end.
#[derive(Debug)]
pub(super) struct LogDraft {
    pub(super) stdout: bool,
    pub(super) stderr: bool,
    pub(super) file: Option<PathBuf>,
    /// The last `log_dest` said `none`.
    pub(super) is_off: bool,
    pub(super) types: Option<LogTypes>,
    pub(super) timestamp: bool,
    pub(super) timestamp_format: Option<String>,
    pub(super) connection_messages: bool,
}

impl Default for LogDraft {
    fn default() -> Self {
        Self {
            stdout: false,
            stderr: false,
            file: None,
            is_off: false,
            types: None,
            timestamp: true,
            timestamp_format: None,
            connection_messages: true,
        }
    }
}

/// A listener; the fields of [`Listener`] that follow from others are not yet right.
#[derive(Debug)]
pub(super) struct ListenerDraft {
    pub(super) listener: Listener,
    pub(super) place: Place,
    /// A `port` line was read.
    pub(super) has_port: bool,
    /// Version of `enable_proxy_protocol`.
    pub(super) proxy_protocol: Option<u32>,
    pub(super) use_subject_as_username: bool,
}

/// What of a bridge the checks at the end look at.
#[derive(Debug)]
pub(super) struct BridgeDraft {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) remote_clientid: Option<String>,
    pub(super) local_clientid: Option<String>,
}

/// What of a plugin matters here.
#[derive(Debug, Default)]
pub(super) struct PluginDraft {
    /// It keeps what is acknowledged, which needs no plugin.
    pub(super) keeps: bool,
    /// `plugin_opt_db_file`.
    pub(super) db_file: Option<PathBuf>,
}

/// Whose option a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    Broker,
    Listener(usize),
    Bridge(usize),
    Plugin(usize),
}
