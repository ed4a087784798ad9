//! Rows of plugins and of the options that are handed to them.

use super::Scope::{Plugin, Reader};
use super::Setter::{Flag, Special};
use std::path::{Path, PathBuf};

use super::Status::{AsItsOwner, NoEffectYet, Refuses, RefusesUnless};
use super::{ConfigOption, ignore, row};
use crate::config::values::{Fault, TEXT_BYTES_MAX, Value};

const NO_PLUGINS: &str = "this release has no plugins: what the plugin forbids or keeps would \
                          be allowed or lost";

/// The plugin whose work the broker does itself.
const KEEPER: &str = "mosquitto_persist_sqlite.so";
const NOT_NEEDED: &str = "it has no effect: what is acknowledged is kept without a plugin";

/// Whether this is the path of the plugin whose work the broker does itself.
pub(in crate::config) fn is_keeper(value: &Value<'_>) -> bool {
    let path = value.text(TEXT_BYTES_MAX).ok().map(Path::new);
    path.and_then(Path::file_name)
        .is_some_and(|name| name == KEEPER)
}

/// What a name of an option for a plugin begins with; the rest is the plugin's.
const PREFIXES: [&str; 2] = ["plugin_opt_", "auth_opt_"];

pub(super) static ROWS: &[ConfigOption] = &[
    row(
        "plugin",
        Reader("a path", |reader, value| reader.open_plugin(value)),
        "none",
        "Loads a plugin.",
    )
    .also(&["auth_plugin"])
    .adds()
    .at_start()
    .status(RefusesUnless(is_keeper, NO_PLUGINS)),
    row(
        "global_plugin",
        Reader("a path", |reader, value| reader.open_global_plugin(value)),
        "none",
        "Loads a plugin for all listeners.",
    )
    .adds()
    .at_start()
    .status(RefusesUnless(is_keeper, NO_PLUGINS)),
    row(
        "plugin_load",
        Reader("NAME PATH", |reader, value| reader.load_plugin(value)),
        "none",
        "Loads a plugin for plugin_use.",
    )
    .adds()
    .at_start()
    .status(NoEffectYet("this release has no plugins")),
    row(
        "plugin_use",
        Reader("a name given by plugin_load", |reader, value| {
            reader.use_plugin(value)
        }),
        "none",
        "The listener uses a loaded plugin.",
    )
    .adds()
    .at_start()
    .status(Refuses(NO_PLUGINS)),
    row(
        "plugin_opt_",
        Plugin(Special(
            "the rest of the line",
            |plugin, value, warnings| {
                let key = PREFIXES
                    .iter()
                    .find_map(|prefix| value.option().strip_prefix(prefix));
                // Mosquitto wants three characters, too.
                if key.is_none_or(|key| key.chars().count() < 3) {
                    return Err(Fault::other("Invalid 'plugin_opt_' config option"));
                }
                if value.words().next().is_none() {
                    return Err(value.empty());
                }
                let text = value.raw_text()?;
                if plugin.keeps {
                    match key {
                        Some("db_file") => plugin.db_file = Some(PathBuf::from(text)),
                        _ => warnings.push(NOT_NEEDED.to_owned()),
                    }
                }
                Ok(())
            },
        )),
        "none",
        "An option for the plugin; its name follows plugin_opt_.",
    )
    .also(&["auth_opt_"])
    .adds()
    .at_start()
    .status(AsItsOwner),
    row(
        "auth_plugin_deny_special_chars",
        Plugin(Flag(ignore)),
        "true",
        "User names and client ids with +, # or / may do nothing.",
    )
    .at_start()
    .status(AsItsOwner),
];
