//! Rows of plugins and of the options that are handed to them.

use super::Scope::{Plugin, Reader};
use super::Setter::{Flag, Special};
use super::Status::{AsItsOwner, NoEffectYet, Refuses};
use super::{ConfigOption, ignore, row};
use crate::config::values::Fault;

const NO_PLUGINS: &str = "this release has no plugins: what the plugin forbids or keeps would \
                          be allowed or lost";

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
    .status(Refuses(NO_PLUGINS)),
    row(
        "global_plugin",
        Reader("a path", |reader, value| reader.open_global_plugin(value)),
        "none",
        "Loads a plugin for all listeners.",
    )
    .adds()
    .at_start()
    .status(Refuses(NO_PLUGINS)),
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
        Plugin(Special("the rest of the line", |(), value, _| {
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
            value.raw_text().map(drop)
        })),
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
