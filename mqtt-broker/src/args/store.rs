//! The words behind `mqtt-broker store`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, builder::ValueParser};

use super::{ArgsError, Command, value};

/// What is to be done with a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreArgs {
    /// What.
    pub action: StoreAction,
    /// With which one.
    pub place: StorePlace,
}

/// See [`StoreArgs`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreAction {
    /// Say whether it is sound.
    Check,
    /// Say how much stands in it.
    Stats,
    /// Write it out for people.
    Dump,
    /// Write it out for [`Self::Import`], into this file if there is one.
    Export(Option<PathBuf>),
    /// Write it into this file as a `mosquitto.db`.
    ExportMosquitto(PathBuf),
    /// Make one of what was written out, here or by Mosquitto.
    Import(PathBuf),
    /// Make one of what Mosquitto kept in its place.
    Migrate,
    /// Save what can be read of it.
    Repair,
    /// Write it anew without free room.
    Compact,
}

/// Which store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorePlace {
    /// The one in this file.
    File(PathBuf),
    /// The one that these configuration files name.
    Config(Vec<PathBuf>),
}

/// Name of a command and what it does.
const COMMANDS: &[(&str, &str)] = &[
    (
        "check",
        "Read all of it, say what is damaged: exit code 0 sound, 1 damaged, 2 unreadable",
    ),
    (
        "stats",
        "Say how much stands in it, for whom most waits, and which message is the oldest",
    ),
    ("dump", "Write it out as lines of JSON"),
    (
        "export",
        "Write it out for import: a backup, also while a broker runs",
    ),
    ("import", "Make a store of what export, or Mosquitto, wrote"),
    (
        "migrate",
        "Take over what Mosquitto kept in its place, as the first start of a broker would",
    ),
    (
        "repair",
        "Save what can be read of a damaged one; the old files are kept",
    ),
    ("compact", "Write it anew without free room"),
];

fn command() -> clap::Command {
    let commands = COMMANDS.iter().map(|(name, about)| {
        let command = clap::Command::new(*name).about(*about);
        let command = match *name {
            "export" => {
                let mosquitto = Arg::new("mosquitto").long("mosquitto");
                let mosquitto = mosquitto.action(ArgAction::SetTrue).requires("output");
                command
                    .arg(value("output", Some('o'), "FILE", "Write into this file"))
                    .arg(mosquitto.help("As a mosquitto.db, for the way back"))
            }
            "import" => command.arg(
                word(
                    "from",
                    "EXPORT",
                    "What export wrote, a mosquitto.db or a mosquitto.sqlite3",
                )
                .required(true),
            ),
            _ => command,
        };
        command
            .arg(value(
                "config-file",
                Some('c'),
                "FILE",
                "The store that this configuration names",
            ))
            .arg(word(
                "store",
                "STORE",
                "The file of the store, instead of -c",
            ))
            .args_override_self(true)
    });
    clap::Command::new("mqtt-broker store")
        .about("Looks at what a broker keeps, saves it and brings it back")
        .after_help(
            "check, stats, dump and export (without --mosquitto) also work while a broker runs; the others\n\
             need it stopped.\n\
             Exit codes: 0 done, 1 failed (check: damaged), 2 check: unreadable, 3 wrong arguments or\n\
             configuration.",
        )
        .disable_help_subcommand(true)
        .subcommand_required(true)
        .subcommands(commands)
}

fn word(name: &'static str, word: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .value_name(word)
        .action(ArgAction::Set)
        .value_parser(ValueParser::os_string())
        .help(help)
}

/// Reads the words behind `store`.
pub(super) fn parse(words: impl Iterator<Item = OsString>) -> Result<Command, ArgsError> {
    let words = std::iter::once(OsString::from("mqtt-broker store")).chain(words);
    let matches = match command().try_get_matches_from(words) {
        Ok(matches) => matches,
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            return Ok(Command::StoreHelp(error.to_string()));
        }
        Err(error) => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            let first = first.strip_prefix("error: ").unwrap_or(first);
            let hint = "see mqtt-broker store --help";
            return Err(ArgsError::new(format!("Error: {first} ({hint}).")));
        }
    };
    let Some((name, matches)) = matches.subcommand() else {
        return Err(ArgsError::new("Error: store needs a command.".to_owned()));
    };
    let action = match name {
        "check" => StoreAction::Check,
        "stats" => StoreAction::Stats,
        "dump" => StoreAction::Dump,
        "export" => match path(matches, "output") {
            Some(output) if matches.get_flag("mosquitto") => StoreAction::ExportMosquitto(output),
            output => StoreAction::Export(output),
        },
        "import" => StoreAction::Import(path(matches, "from").unwrap_or_default()),
        "migrate" => StoreAction::Migrate,
        "repair" => StoreAction::Repair,
        _ => StoreAction::Compact,
    };
    let files = matches.get_many::<OsString>("config-file");
    let files: Vec<PathBuf> = files.into_iter().flatten().map(PathBuf::from).collect();
    let place = match (path(matches, "store"), files.is_empty()) {
        (Some(file), true) => StorePlace::File(file),
        (None, false) => StorePlace::Config(files),
        _ => {
            return Err(ArgsError::new(format!(
                "Error: store {name} needs either the file of a store or -c with the configuration \
                 that names it."
            )));
        }
    };
    Ok(Command::Store(StoreArgs { action, place }))
}

fn path(matches: &ArgMatches, name: &str) -> Option<PathBuf> {
    let words = matches.get_many::<OsString>(name)?;
    words.into_iter().next_back().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        let words = line.split_whitespace().map(OsString::from);
        parse(words).map_err(|error| error.to_string())
    }

    #[test]
    fn a_command_has_a_store_or_a_configuration() {
        let file = || StorePlace::File("a.db".into());
        for (line, action, place) in [
            ("check a.db", StoreAction::Check, file()),
            ("export a.db", StoreAction::Export(None), file()),
            (
                "export -o b a.db",
                StoreAction::Export(Some("b".into())),
                file(),
            ),
            (
                "export --mosquitto -o b a.db",
                StoreAction::ExportMosquitto("b".into()),
                file(),
            ),
            ("import b a.db", StoreAction::Import("b".into()), file()),
            ("migrate a.db", StoreAction::Migrate, file()),
            (
                "compact -c x.conf",
                StoreAction::Compact,
                StorePlace::Config(vec!["x.conf".into()]),
            ),
            (
                "import -c x.conf b",
                StoreAction::Import("b".into()),
                StorePlace::Config(vec!["x.conf".into()]),
            ),
        ] {
            let expected = Command::Store(StoreArgs { action, place });
            assert_eq!(parsed(line), Ok(expected), "{line}");
        }
        for line in [
            "",
            "bogus a.db",
            "check",
            "check a b",
            "check -c x a",
            "import",
            "dump -o",
            "export --mosquitto a.db",
        ] {
            let error = parsed(line).unwrap_err();
            assert!(
                error.starts_with("Error: ") && error.ends_with('.'),
                "{error}"
            );
        }
        for line in ["--help", "check -h"] {
            let help = parsed(line);
            assert!(matches!(help, Ok(Command::StoreHelp(_))), "{help:?}");
        }
    }
}
