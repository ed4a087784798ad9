//! The table "Who may import whom" of ARCHITECTURE.md, as data.

/// Crates with a floor.
pub(crate) const CRATES: [&str; 8] = [
    "mqtt-codec",
    "mqtt-session",
    "mqtt-client",
    "mqtt-cli",
    "mqtt-pub",
    "mqtt-sub",
    "mqtt-passwd",
    "mqtt-broker",
];

/// A crate, or a folder of the broker: the unit that rules speak of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Room {
    crate_name: String,
    /// The folder or file below the broker's `src`; empty for the other crates.
    folder: String,
}

impl Room {
    /// The room that a file belongs to.
    pub(crate) fn of(crate_name: &str, file_in_src: &str) -> Self {
        let folder = if crate_name == "mqtt-broker" {
            folder_of(file_in_src)
        } else {
            ""
        };
        Self {
            crate_name: crate_name.to_owned(),
            folder: folder.to_owned(),
        }
    }
}

fn folder_of(file_in_src: &str) -> &str {
    let first = file_in_src.split('/').next().unwrap_or(file_in_src);
    first.strip_suffix(".rs").unwrap_or(first)
}

/// What a room of the broker may import of its crate, and what of the world it must never see.
struct Row {
    room: &'static str,
    /// Paths after `crate::`; a path allows all that is below it.
    may: &'static [&'static str],
    never: &'static [&'static str],
}

/// Sockets, files and clocks: what nothing pure touches. Addresses and durations are plain values.
const WORLD: &[&str] = &[
    "tokio",
    "mio",
    "socket2",
    "nix",
    "rusqlite",
    "std::fs",
    "std::thread",
    "std::process",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::os::unix::net",
];

/// What guests see: settings, the engine's data types, the store, and the doors of the runtime: what
/// observers are told, the time.
const GUEST: &[&str] = &[
    "config",
    "auth",
    "engine",
    "store",
    "runtime::observer",
    "runtime::clock",
];

/// As [`GUEST`], and what `observe/` has counted.
const READING_GUEST: &[&str] = &[
    "config",
    "auth",
    "engine",
    "observe",
    "store",
    "runtime::observer",
    "runtime::clock",
];

/// A file that may do what its room must not, and why.
pub(crate) struct Exception {
    /// Crate and file.
    pub(crate) file: &'static str,
    /// What it may see.
    pub(crate) path: &'static str,
    /// Why; a reader of the table wants to know.
    pub(crate) reason: &'static str,
}

/// Each is one file; a test fails when one is not needed any more.
pub(crate) const EXCEPTIONS: &[Exception] = &[Exception {
    file: "mqtt-broker/src/config/files.rs",
    path: "std::fs",
    reason: "the disk behind `trait Files`; everything else of config/ reads text that it is given",
}];

const ROWS: &[Row] = &[
    Row {
        room: "main",
        may: &["program"],
        never: &[],
    },
    Row {
        room: "program",
        may: &[
            "args",
            "broker",
            "config",
            "control",
            "observe",
            "runtime::clock",
            "runtime::listen",
            "runtime::descriptors",
        ],
        never: &[],
    },
    Row {
        room: "args",
        may: &["config"],
        never: &[],
    },
    Row {
        room: "observe",
        may: GUEST,
        never: &[],
    },
    Row {
        room: "control",
        may: READING_GUEST,
        never: &[],
    },
    Row {
        room: "runtime",
        may: &["engine", "auth", "store"],
        never: &[],
    },
    Row {
        room: "store",
        may: &["engine"],
        never: &["tokio", "mio", "socket2"],
    },
    Row {
        room: "engine",
        may: &["auth"],
        never: WORLD,
    },
    Row {
        room: "auth",
        may: &[],
        never: WORLD,
    },
    Row {
        room: "config",
        may: &[],
        never: WORLD,
    },
];

/// Only these rooms reach into the shard; the others see the engine's data types alone.
const SEE_THE_SHARD: [&str; 3] = ["engine", "runtime", "broker"];

/// What may be named by a crate: own crates, and what must never be.
struct CrateRow {
    name: &'static str,
    may: &'static [&'static str],
    never: &'static [&'static str],
}

const CRATE_ROWS: &[CrateRow] = &[
    CrateRow {
        name: "mqtt-codec",
        may: &[],
        never: WORLD,
    },
    CrateRow {
        name: "mqtt-passwd",
        may: &[],
        never: &["tokio", "mio"],
    },
    CrateRow {
        name: "mqtt-session",
        may: &["mqtt-codec"],
        never: WORLD,
    },
    CrateRow {
        name: "mqtt-client",
        may: &["mqtt-codec", "mqtt-session"],
        never: &["clap", "mio"],
    },
    CrateRow {
        name: "mqtt-cli",
        may: &["mqtt-codec", "mqtt-session", "mqtt-client"],
        never: &["mio", "std::net::TcpStream", "std::net::TcpListener"],
    },
    CrateRow {
        name: "mqtt-pub",
        may: &["mqtt-codec", "mqtt-session", "mqtt-client", "mqtt-cli"],
        never: &["mio", "std::net::TcpStream", "std::net::TcpListener"],
    },
    CrateRow {
        name: "mqtt-sub",
        may: &["mqtt-codec", "mqtt-session", "mqtt-client", "mqtt-cli"],
        never: &["mio", "std::net::TcpStream", "std::net::TcpListener"],
    },
    CrateRow {
        name: "mqtt-broker",
        may: &["mqtt-codec", "mqtt-session", "mqtt-client", "mqtt-passwd"],
        never: &[],
    },
];

/// The rule that a path breaks, if it breaks one.
pub(crate) fn broken_by(room: &Room, path: &[String]) -> Option<String> {
    let first = path.first().map_or("", String::as_str);
    if first == "crate" {
        return (room.crate_name == "mqtt-broker")
            .then(|| inside_the_broker(room, path))
            .flatten();
    }
    if first.starts_with("mqtt_") {
        return foreign_crate(&room.crate_name, &first.replace('_', "-"));
    }
    let of_room = ROWS
        .iter()
        .filter(|row| row.room == room.folder)
        .map(|row| row.never);
    let of_crate = CRATE_ROWS
        .iter()
        .filter(|row| row.name == room.crate_name)
        .map(|row| row.never);
    let hit = of_room
        .chain(of_crate)
        .flatten()
        .find(|banned| is_below(path, banned))?;
    let who = if room.folder.is_empty() {
        &room.crate_name
    } else {
        &room.folder
    };
    Some(format!("{who} must never see {hit}"))
}

/// A path inside the broker: `crate::ROOM::...`.
fn inside_the_broker(room: &Room, path: &[String]) -> Option<String> {
    let inside = path.get(1..).unwrap_or(&[]);
    let target = inside.first().map_or("", String::as_str);
    // Names that the crate's face re-exports, its own room, and the room that may see all.
    let is_room = ROWS.iter().any(|row| row.room == target) || target == "broker";
    if !is_room || target == room.folder || room.folder == "broker" || room.folder == "lib" {
        return None;
    }
    let row = ROWS.iter().find(|row| row.room == room.folder);
    let Some(row) = row else {
        return Some(format!(
            "{} has no floor in tests/house/rules.rs",
            room.folder
        ));
    };
    let sees_the_shard = SEE_THE_SHARD.contains(&room.folder.as_str());
    if is_below(inside, "engine::shard") && !sees_the_shard {
        return Some(format!(
            "{} sees the engine's data types, not engine/shard/",
            room.folder
        ));
    }
    let allowed = row.may.iter().any(|may| is_below(inside, may));
    (!allowed).then(|| format!("{} may import {}", room.folder, row.may.join(", ")))
}

/// A crate of ours, named by another.
fn foreign_crate(crate_name: &str, other: &str) -> Option<String> {
    let row = CRATE_ROWS.iter().find(|row| row.name == crate_name)?;
    let known = CRATES.contains(&other) && other != crate_name;
    let allowed = !known || row.may.contains(&other);
    (!allowed).then(|| format!("{crate_name} may import {}", row.may.join(", ")))
}

/// The rule that a dependency breaks, if it breaks one.
pub(crate) fn dependency_broken_by(crate_name: &str, dependency: &str) -> Option<String> {
    if CRATES.contains(&dependency) {
        return foreign_crate(crate_name, dependency);
    }
    let row = CRATE_ROWS.iter().find(|row| row.name == crate_name)?;
    row.never
        .contains(&dependency)
        .then(|| format!("{crate_name} must never see {dependency}"))
}

/// Whether a path is this one or lies below it.
pub(crate) fn is_below(path: &[String], above: &str) -> bool {
    let above: Vec<&str> = above.split("::").collect();
    path.len() >= above.len() && path.iter().zip(&above).all(|(word, other)| word == other)
}
