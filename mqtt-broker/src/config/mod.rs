//! Text into a [`Config`]: no side effects, and every message carries its file and line.
//!
//! The way of a line: `syntax` parts keyword and value, `reader` finds the row of the keyword
//! in the table of `options`, the row's setter reads the value (`values`) into a `draft`;
//! `contexts` holds the options that open a listener, a bridge or a plugin. When all files are
//! read, `check` looks at what belongs together and makes the [`Config`]. All that is wrong is
//! collected and reported at once.
//!
//! Files are reached through [`Files`]; [`Disk`] is the real file system.

mod check;
mod contexts;
mod draft;
mod explain;
mod files;
mod options;
mod reader;
mod reload;
mod report;
mod settings;
mod syntax;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod values;

pub use explain::{explain, listing, nearest_option};
pub use files::{Disk, FILE_BYTES_MAX, Files};
pub use reload::{Changes, Reloaded, reload};
pub use report::{ConfigError, ConfigErrors, EXIT_CODE, Level, Notice, Place};
pub use settings::{
    Address, Config, Durability, KeepSettings, Listener, Log, LogTypes, OnCorruption, Origin,
    ProtocolVersions, Rules, SHARDS_MAX, Security, SocketDomain, SqlitePlugin, StartSettings,
};

/// A configuration that can be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// What should be logged about it, in order.
    pub notices: Vec<Notice>,
}

impl Config {
    /// Reads and checks the files of `origin`; without any, the configuration is the default one:
    /// local-only mode.
    ///
    /// # Errors
    /// Everything that is wrong in any of the files, at once.
    pub fn load(origin: Origin, files: &dyn Files) -> Result<Loaded, ConfigErrors> {
        let mut reader = reader::Reader::read(&origin.files, files);
        let config = check::finish(&mut reader, origin);
        if reader.errors.is_empty() {
            Ok(Loaded {
                config,
                notices: reader.notices,
            })
        } else {
            Err(reader.errors)
        }
    }
}
