//! The command line: what may be typed, word for word, touching nothing. Names, messages and exit
//! codes are those of Mosquitto, so that unit files and scripts need no change.

mod store;

use std::ffi::OsString;
use std::fmt;
use std::num::{NonZeroU16, NonZeroUsize};
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, builder::ValueParser};

pub use self::store::{StoreAction, StoreArgs, StorePlace};
use crate::config::{self, Durability, LogTypes, Origin};

/// Shards that there can be.
const SHARDS_MAX: usize = config::SHARDS_MAX as usize;
/// Ports that may be given with `-p`.
const PORTS_MAX: usize = 10;

/// What the arguments ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Run the broker, or check its configuration.
    Run(Args),
    /// Say what an option of the configuration does.
    Explain(String),
    /// Do something with what a broker keeps.
    Store(StoreArgs),
    /// Print this: how `store` is used.
    StoreHelp(String),
    /// Print how the program is used.
    Help,
    /// Print the version.
    Version,
}

/// How to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Args {
    /// Configuration files, in order.
    pub config_files: Vec<PathBuf>,
    /// Ports of `-p`, for local-only mode.
    pub ports: Vec<NonZeroU16>,
    /// Run in the background.
    pub daemon: bool,
    /// Log nothing.
    pub quiet: bool,
    /// Log everything.
    pub verbose: bool,
    /// Check the configuration and end.
    pub test_config: bool,
    /// Shards, if not one a core.
    pub shards: Option<NonZeroUsize>,
    /// What an acknowledged message survives, whatever the files say.
    pub durability: Option<Durability>,
}

impl Args {
    /// Where the configuration comes from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        let log_types = match (self.quiet, self.verbose) {
            (true, _) => Some(LogTypes::NONE),
            (false, true) => Some(LogTypes::ALL),
            (false, false) => None,
        };
        Origin {
            files: self.config_files.clone(),
            ports: self.ports.clone(),
            log_types,
            shards: self.shards,
            durability: self.durability,
        }
    }
}

/// What is wrong with the arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgsError {
    message: String,
    shows_usage: bool,
}

impl ArgsError {
    fn new(message: String) -> Self {
        Self {
            message,
            shows_usage: false,
        }
    }

    /// Whether the usage text helps.
    #[must_use]
    pub fn shows_usage(&self) -> bool {
        self.shows_usage
    }
}

impl fmt::Display for ArgsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ArgsError {}

/// An argument that stands alone.
fn flag(name: &'static str, short: Option<char>, help: &'static str) -> Arg {
    let arg = Arg::new(name)
        .long(name)
        .action(ArgAction::SetTrue)
        .help(help);
    short.into_iter().fold(arg, Arg::short)
}

/// An argument that the next word belongs to.
fn value(name: &'static str, short: Option<char>, word: &'static str, help: &'static str) -> Arg {
    let arg = Arg::new(name)
        .long(name)
        .value_name(word)
        .action(ArgAction::Append)
        // As Mosquitto: the next word is the value, whatever it looks like.
        .allow_hyphen_values(true)
        .value_parser(ValueParser::os_string())
        .help(help);
    short.into_iter().fold(arg, Arg::short)
}

/// Every argument: name, short name, the word for its value, what it does.
fn command() -> clap::Command {
    clap::Command::new("mqtt-broker")
        .about("An MQTT broker for versions 3.1, 3.1.1 and 5.0")
        .override_usage(
            "mqtt-broker [-c config_file] [-d] [-h] [-p port] [-v]\n       mqtt-broker store COMMAND \
             (see mqtt-broker store --help)",
        )
        .disable_help_flag(true)
        .args_override_self(true)
        .arg(value(
            "config-file",
            Some('c'),
            "FILE",
            "Read this configuration file; several add up",
        ))
        .arg(flag("daemon", Some('d'), "Run in the background"))
        .arg(flag("help", Some('h'), "Print this text"))
        .arg(value(
            "port",
            Some('p'),
            "PORT",
            "Listen on this port of this machine alone, where no listener is configured; up to 10",
        ))
        .arg(flag(
            "quiet",
            Some('q'),
            "Log nothing, whatever the configuration says",
        ))
        .arg(flag(
            "verbose",
            Some('v'),
            "Log everything, whatever the configuration says",
        ))
        .arg(flag(
            "test-config",
            None,
            "Check the configuration and end with 0 or 3",
        ))
        .arg(value(
            "tls-keylog",
            None,
            "FILE",
            "Not supported yet: there is no TLS in this release",
        ))
        .arg(value(
            "shards",
            None,
            "N",
            "Threads that serve clients, instead of one a core",
        ))
        .arg(value(
            "durability",
            None,
            "MODE",
            "What an acknowledged message survives: all (full), a crash (normal), nothing (off)",
        ))
        .arg(value(
            "explain",
            None,
            "OPTION",
            "Say what an option of the configuration does",
        ))
        .arg(flag("version", None, "Print the version"))
}

/// Reads the arguments, without the program's name.
///
/// # Errors
/// The first argument that cannot be used, in the words of Mosquitto.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, ArgsError> {
    let mut arguments = arguments.into_iter().peekable();
    if arguments.next_if(|word| word == "store").is_some() {
        return store::parse(arguments);
    }
    let words = std::iter::once(OsString::from("mqtt-broker")).chain(arguments);
    let matches = command()
        .try_get_matches_from(words)
        .map_err(|error| translate(&error))?;
    if matches.get_flag("help") {
        return Ok(Command::Help);
    }
    if matches.get_flag("version") {
        return Ok(Command::Version);
    }
    if let Some(option) = values(&matches, "explain").last() {
        return Ok(Command::Explain(option.to_string_lossy().into_owned()));
    }
    if values(&matches, "tls-keylog").next().is_some() {
        let text = "Error: --tls-keylog has nothing to log: there is no TLS in this release.";
        return Err(ArgsError::new(text.to_owned()));
    }
    let ports = values(&matches, "port")
        .map(port)
        .collect::<Result<Vec<_>, _>>()?;
    if ports.len() > PORTS_MAX {
        let text = format!("Error: Only {PORTS_MAX} ports can be specified on the command line.");
        return Err(ArgsError::new(text));
    }
    Ok(Command::Run(Args {
        config_files: values(&matches, "config-file").map(PathBuf::from).collect(),
        ports,
        daemon: matches.get_flag("daemon"),
        quiet: matches.get_flag("quiet"),
        verbose: matches.get_flag("verbose"),
        test_config: matches.get_flag("test-config"),
        shards: values(&matches, "shards").last().map(shards).transpose()?,
        durability: values(&matches, "durability")
            .last()
            .map(durability)
            .transpose()?,
    }))
}

/// How the program is used.
#[must_use]
pub fn usage() -> String {
    format!(
        "{}\n{}",
        version().lines().next().unwrap_or_default(),
        command().render_help()
    )
}

/// The version, as `--version` prints it.
#[must_use]
pub fn version() -> String {
    format!(
        "mqtt-broker version {}\nLicence: Apache-2.0 OR MIT\n",
        env!("CARGO_PKG_VERSION")
    )
}

fn values<'a>(matches: &'a ArgMatches, name: &str) -> impl Iterator<Item = &'a OsString> {
    matches.get_many::<OsString>(name).into_iter().flatten()
}

fn port(word: &OsString) -> Result<NonZeroU16, ArgsError> {
    let text = word.to_string_lossy();
    text.parse()
        .map_err(|_| ArgsError::new(format!("Error: Invalid port specified ({text}).")))
}

fn shards(word: &OsString) -> Result<NonZeroUsize, ArgsError> {
    let text = word.to_string_lossy();
    let most = SHARDS_MAX;
    let number: Option<NonZeroUsize> = text.parse().ok();
    number.filter(|number| number.get() <= most).ok_or_else(|| {
        ArgsError::new(format!(
            "Error: Invalid number of shards ({text}): 1 to {most} are allowed."
        ))
    })
}

fn durability(word: &OsString) -> Result<Durability, ArgsError> {
    let text = word.to_string_lossy();
    Durability::from_word(&text).ok_or_else(|| {
        ArgsError::new(format!(
            "Error: Invalid durability ({text}): full, normal and off are allowed."
        ))
    })
}

/// What is wrong, in Mosquitto's words.
fn translate(error: &clap::Error) -> ArgsError {
    let invalid = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => argument.as_str(),
        _ => "",
    };
    let message = match error.kind() {
        ErrorKind::UnknownArgument => format!("Error: Unknown option '{invalid}'."),
        ErrorKind::InvalidValue if invalid.starts_with("--config-file") => {
            "Error: -c argument given, but no config file specified.".to_owned()
        }
        ErrorKind::InvalidValue if invalid.starts_with("--port") => {
            "Error: -p argument given, but no port specified.".to_owned()
        }
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            format!("Error: {}.", first.strip_prefix("error: ").unwrap_or(first))
        }
    };
    ArgsError {
        message,
        shows_usage: error.kind() == ErrorKind::UnknownArgument,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, ArgsError> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn arguments_mean_what_they_mean_to_mosquitto() {
        let args = Args {
            config_files: vec!["a.conf".into(), "b.conf".into()],
            ports: [1884, 1885]
                .map(|port| NonZeroU16::new(port).unwrap())
                .to_vec(),
            daemon: true,
            verbose: true,
            ..Args::default()
        };
        let line = "-c a.conf -d -p 1884 --config-file b.conf --verbose --port 1885";
        assert_eq!(parsed(line), Ok(Command::Run(args)));
        assert_eq!(parsed(""), Ok(Command::Run(Args::default())));
        assert_eq!(parsed("-v -h"), Ok(Command::Help));
        assert_eq!(parsed("--version"), Ok(Command::Version));
        assert_eq!(
            parsed("--explain port"),
            Ok(Command::Explain("port".to_owned()))
        );
    }

    #[test]
    fn what_is_wrong_is_said_in_mosquittos_words() {
        for (line, message) in [
            ("--bogus", "Error: Unknown option '--bogus'."),
            ("bogus", "Error: Unknown option 'bogus'."),
            (
                "-c",
                "Error: -c argument given, but no config file specified.",
            ),
            ("-p", "Error: -p argument given, but no port specified."),
            ("-p 0", "Error: Invalid port specified (0)."),
            ("-p x", "Error: Invalid port specified (x)."),
            ("-p 70000", "Error: Invalid port specified (70000)."),
            (
                "--shards 0",
                "Error: Invalid number of shards (0): 1 to 64 are allowed.",
            ),
            (
                "--durability some",
                "Error: Invalid durability (some): full, normal and off are allowed.",
            ),
        ] {
            assert_eq!(
                parsed(line).map_err(|error| error.to_string()),
                Err(message.to_owned())
            );
        }
        let many = "-p 1884 ".repeat(11);
        let message = parsed(&many).map_err(|error| error.to_string());
        let expected = "Error: Only 10 ports can be specified on the command line.";
        assert_eq!(message, Err(expected.to_owned()));
        assert!(parsed("--bogus").unwrap_err().shows_usage());
    }

    #[test]
    fn the_usage_names_every_argument() {
        let usage = usage();
        assert!(usage.starts_with("mqtt-broker version "), "{usage}");
        assert!(usage.contains("Usage: mqtt-broker [-c config_file] [-d] [-h] [-p port] [-v]"));
        for argument in [
            "--config-file",
            "--quiet",
            "--test-config",
            "--shards",
            "--durability",
            "--explain",
        ] {
            assert!(usage.contains(argument), "{argument}");
        }
    }
}
