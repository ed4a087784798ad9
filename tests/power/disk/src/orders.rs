//! What a test ordered, read from the environment.

use std::env;
use std::fs;
use std::path::PathBuf;

/// What a call does to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Write,
    Truncate,
    Sync,
    /// A name was made, changed or removed.
    Name,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Truncate => "truncate",
            Self::Sync => "sync",
            Self::Name => "name",
        }
    }
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    Errno(i32),
    /// The half of it is written.
    Short,
}

#[derive(Debug)]
pub(crate) struct Fail {
    pub(crate) kind: Kind,
    pub(crate) number: u64,
    /// All after it too.
    pub(crate) lasting: bool,
    pub(crate) how: Failure,
    /// How the names of the files end whose calls count; empty for all.
    pub(crate) name: String,
}

#[derive(Debug)]
pub(crate) struct Cut {
    pub(crate) number: u64,
    /// How those that count end, as the trace has them: kind and name of the file. Empty for all.
    pub(crate) name: String,
}

#[derive(Debug)]
pub(crate) struct Orders {
    pub(crate) folder: PathBuf,
    pub(crate) attic: PathBuf,
    pub(crate) seed: u64,
    pub(crate) cut: Option<Cut>,
    pub(crate) fail: Option<Fail>,
    /// Calls count once this file is there.
    pub(crate) from: Option<PathBuf>,
    pub(crate) hold: Option<PathBuf>,
    pub(crate) room: Option<PathBuf>,
    /// The room is the user's share of a larger disk.
    pub(crate) quota: bool,
    pub(crate) lies: bool,
    pub(crate) trace: Option<PathBuf>,
}

impl Orders {
    /// `None` where no folder is named.
    pub(crate) fn from_environment() -> Option<Self> {
        let folder = PathBuf::from(env::var_os("MQTT_DISK_FOLDER")?);
        let text = |name: &str| env::var(name).ok();
        let path = |name: &str| env::var_os(name).map(PathBuf::from);
        Some(Self {
            // Other paths are resolved before they are compared with it.
            folder: fs::canonicalize(&folder).unwrap_or(folder),
            attic: path("MQTT_DISK_ATTIC").unwrap_or_else(env::temp_dir),
            seed: text("MQTT_DISK_SEED").map_or(0, |text| number(&text)),
            cut: text("MQTT_DISK_CUT").map(|text| cut(&text)),
            fail: text("MQTT_DISK_FAIL").map(|text| fail(&text)),
            from: path("MQTT_DISK_FROM"),
            hold: path("MQTT_DISK_HOLD"),
            room: path("MQTT_DISK_ROOM"),
            quota: env::var_os("MQTT_DISK_QUOTA").is_some(),
            lies: env::var_os("MQTT_DISK_LIES").is_some(),
            trace: path("MQTT_DISK_TRACE"),
        })
    }
}

fn number(text: &str) -> u64 {
    text.parse()
        .unwrap_or_else(|error| panic!("{text} in MQTT_DISK_...: {error}"))
}

fn cut(text: &str) -> Cut {
    let (count, name) = text.split_once(' ').unwrap_or((text, ""));
    Cut {
        number: number(count),
        name: name.to_owned(),
    }
}

fn fail(text: &str) -> Fail {
    let mut words = text.split(' ');
    let kind = match words.next() {
        Some("sync") => Kind::Sync,
        Some("write") => Kind::Write,
        other => panic!("{other:?} in MQTT_DISK_FAIL"),
    };
    let count = words.next().unwrap_or_default();
    let how = match words.next() {
        Some("EIO") => Failure::Errno(libc::EIO),
        Some("ENOSPC") => Failure::Errno(libc::ENOSPC),
        Some("EDQUOT") => Failure::Errno(libc::EDQUOT),
        Some("short") => Failure::Short,
        other => panic!("{other:?} in MQTT_DISK_FAIL"),
    };
    Fail {
        kind,
        number: number(count.trim_end_matches('+')),
        lasting: count.ends_with('+'),
        how,
        name: words.next().unwrap_or_default().to_owned(),
    }
}
