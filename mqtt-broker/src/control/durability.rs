//! Whether anything is kept on disk, where, and who said so.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use crate::config::{Durability, KeepSettings, OnCorruption};
use crate::store::Sync;

/// Name of the file unless `persistence_file` says another.
const FILE: &str = "mosquitto.db";
/// Name of the database of Mosquitto's SQLite plugin in `persistence_location`.
const PLUGIN_FILE: &str = "mosquitto.sqlite3";

/// What is to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Nothing; memory only. Somebody said so, or nobody said anything.
    Off(Option<&'static str>),
    /// Everything that is durable.
    Keep(Keep),
}

/// A store that is to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// How hard a commit is.
    pub sync: Sync,
    /// The file.
    pub file: PathBuf,
    /// What said so.
    pub because: &'static str,
    /// It is an order: the broker does not start without it. Otherwise it is an offer.
    pub ordered: bool,
    /// A store of Mosquitto's SQLite plugin, which is taken over if there is one.
    pub plugin_file: Option<PathBuf>,
    /// What is done if it is damaged.
    pub on_corruption: OnCorruption,
}

/// Places that are named by somebody else than the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Where the service manager wants the program to keep things: `$STATE_DIRECTORY`.
    pub state: Option<OsString>,
    /// Where Mosquitto's persistence plugins keep things, whatever `persistence_location` says:
    /// `$MOSQUITTO_PERSISTENCE_LOCATION`.
    pub plugin: Option<OsString>,
}

impl Plan {
    /// What follows from the configuration and the program's surroundings.
    #[must_use]
    pub fn new(keep: &KeepSettings, places: &Places) -> Self {
        let state = places
            .state
            .as_deref()
            .and_then(OsStr::to_str)
            .and_then(|list| list.split(':').next())
            .filter(|first| !first.is_empty());
        let name = keep.file.as_deref().unwrap_or_else(|| Path::new(FILE));
        let file = |folder: Option<&Path>| match folder {
            Some(folder) => folder.join(name),
            None => name.to_owned(),
        };
        let named = places.plugin.as_deref().map(Path::new);
        let named = named.filter(|_| keep.plugin.is_some());
        let location = named.or(keep.location.as_deref());
        let db_file = keep
            .plugin
            .as_ref()
            .and_then(|plugin| plugin.db_file.as_deref());
        let place = location
            .or_else(|| db_file.and_then(Path::parent))
            .or_else(|| state.map(Path::new));
        let plugin_file = keep.plugin.as_ref().and_then(|_| match location {
            Some(location) => Some(location.join(PLUGIN_FILE)),
            None => db_file.map(Path::to_owned),
        });
        let (sync, because, ordered) = match (keep.durability, keep.persistence) {
            (Some(Durability::Off), _) => return Self::Off(Some("durability off")),
            (Some(Durability::Full), _) => (Sync::Full, "durability", true),
            (Some(Durability::Normal), _) => (Sync::Normal, "durability", true),
            (None, Some(true)) => (Sync::Full, "persistence", true),
            (None, _) if keep.plugin.is_some() => (Sync::Full, "plugin", true),
            (None, Some(false)) => return Self::Off(Some("persistence false")),
            (None, None) if keep.location.is_some() => (Sync::Full, "persistence_location", false),
            (None, None) if state.is_some() => (Sync::Full, "STATE_DIRECTORY", false),
            (None, None) => return Self::Off(None),
        };
        Self::Keep(Keep {
            sync,
            file: file(place),
            because,
            // Who does not want a damaged store touched does not want to go on without it either.
            ordered: ordered || keep.on_corruption == OnCorruption::Refuse,
            on_corruption: keep.on_corruption,
            plugin_file,
        })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep(Keep {
                sync,
                file,
                because,
                ..
            }) => {
                let mode = match sync {
                    Sync::Full => "full",
                    Sync::Normal => "normal",
                };
                write!(f, "Durability: {mode} in {} ({because}).", file.display())
            }
            Self::Off(because) => {
                let because = because.map_or_else(String::new, |said| format!("; {said}"));
                write!(
                    f,
                    "Durability: off (memory only{because}). What is acknowledged is lost when the \
                     broker ends; to keep it, set persistence_location <directory>."
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SqlitePlugin;

    fn plan(keep: KeepSettings, state: Option<&str>) -> String {
        let plan = Plan::new(&keep, &places(state, None));
        let ordered = matches!(&plan, Plan::Keep(Keep { ordered: true, .. }));
        format!("{plan}{}", if ordered { " ordered" } else { "" })
    }

    fn places(state: Option<&str>, plugin: Option<&str>) -> Places {
        Places {
            state: state.map(Into::into),
            plugin: plugin.map(Into::into),
        }
    }

    #[test]
    fn a_file_appears_only_where_somebody_named_a_place_for_it() {
        let bare = KeepSettings::default();
        assert!(plan(bare.clone(), None).starts_with("Durability: off (memory only). "));
        let state = plan(bare.clone(), Some("/s:/t"));
        assert_eq!(
            state,
            "Durability: full in /s/mosquitto.db (STATE_DIRECTORY)."
        );
        let location = KeepSettings {
            location: Some("/l".into()),
            ..bare.clone()
        };
        let expected = "Durability: full in /l/mosquitto.db (persistence_location).";
        assert_eq!(plan(location.clone(), Some("/s")), expected);
        let no = KeepSettings {
            persistence: Some(false),
            ..location.clone()
        };
        assert!(plan(no, Some("/s")).contains("memory only; persistence false"));
        let yes = KeepSettings {
            persistence: Some(true),
            file: Some("x.db".into()),
            ..bare
        };
        assert_eq!(
            plan(yes, None),
            "Durability: full in x.db (persistence). ordered"
        );
        let normal = KeepSettings {
            durability: Some(Durability::Normal),
            persistence: Some(false),
            ..location
        };
        let expected = "Durability: normal in /l/mosquitto.db (durability). ordered";
        assert_eq!(plan(normal, None), expected);
    }

    #[test]
    fn the_line_of_mosquittos_plugin_orders_a_store_and_says_what_is_taken_over() {
        let with = |location: Option<&str>, db_file: Option<&str>| KeepSettings {
            location: location.map(Into::into),
            plugin: Some(SqlitePlugin {
                db_file: db_file.map(Into::into),
            }),
            ..KeepSettings::default()
        };
        let in_l = ("/l/mosquitto.db", Some("/l/mosquitto.sqlite3"));
        let in_e = ("/e/mosquitto.db", Some("/e/mosquitto.sqlite3"));
        let in_d = ("/d/mosquitto.db", Some("/d/p.db"));
        let db_file = Some("/d/p.db");
        for (named, location, db_file, (file, plugin_file)) in [
            (None, Some("/l"), db_file, in_l),
            (None, None, db_file, in_d),
            (None, None, None, ("/s/mosquitto.db", None)),
            (Some("/e"), Some("/l"), db_file, in_e),
            (Some("/e"), None, None, in_e),
        ] {
            let keep = with(location, db_file);
            let expected = Keep {
                sync: Sync::Full,
                file: file.into(),
                because: "plugin",
                ordered: true,
                on_corruption: OnCorruption::Salvage,
                plugin_file: plugin_file.map(Into::into),
            };
            let found = Plan::new(&keep, &places(Some("/s"), named));
            assert_eq!(found, Plan::Keep(expected), "{keep:?}");
        }
        // What Mosquitto itself keeps stays where it is.
        let snapshot = KeepSettings {
            persistence: Some(true),
            plugin: None,
            ..with(Some("/l"), None)
        };
        let found = Plan::new(&snapshot, &places(None, Some("/e"))).to_string();
        assert_eq!(found, "Durability: full in /l/mosquitto.db (persistence).");
        let off = KeepSettings {
            durability: Some(Durability::Off),
            ..with(Some("/l"), None)
        };
        assert!(plan(off, None).contains("durability off"));
    }
}
