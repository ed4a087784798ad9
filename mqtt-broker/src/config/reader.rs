//! Reads files line by line into a draft, by the rows of the table; collects all errors.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::draft::{Draft, ListenerDraft, Owner};
use super::files::Files;
use super::options::{self, ConfigOption, Needs, Repeat, Scope, Status};
use super::report::{ConfigError, ConfigErrors, Level, Notice, Place, shown};
use super::syntax::{self, Line};
use super::values::{Fault, Value};

/// Reading under way.
pub(super) struct Reader<'f> {
    files: &'f dyn Files,
    pub(super) draft: Draft,
    pub(super) errors: ConfigErrors,
    pub(super) notices: Vec<Notice>,
    /// Where each option of each owner was written last, under its first name.
    pub(super) seen: HashMap<(Owner, &'static str), Place>,
    pub(super) current: Current,
    /// The line being read.
    pub(super) place: Place,
    /// An option was read that has to come after `per_listener_settings`.
    pub(super) is_security_seen: bool,
    /// Options, some with a value, whose notice has been given; one is enough.
    noticed: HashSet<(&'static str, &'static str)>,
}

/// What the options of the file being read belong to. Each file begins with nothing.
#[derive(Debug, Default)]
pub(super) struct Current {
    pub(super) listener: Option<usize>,
    pub(super) bridge: Option<usize>,
    pub(super) plugin: Option<usize>,
    is_included: bool,
}

impl<'f> Reader<'f> {
    /// Reads these files one after the other.
    pub(super) fn read(paths: &[PathBuf], files: &'f dyn Files) -> Self {
        let mut reader = Self {
            files,
            draft: Draft::default(),
            errors: ConfigErrors::default(),
            notices: Vec::new(),
            seen: HashMap::new(),
            current: Current::default(),
            place: Place {
                file: Path::new("").into(),
                line: 0,
            },
            is_security_seen: false,
            noticed: HashSet::new(),
        };
        for path in paths {
            match files.read(path) {
                Ok(bytes) => reader.read_file(path, &bytes, false),
                Err(error) => {
                    reader.errors.push(ConfigError {
                        place: None,
                        option: None,
                        message: unreadable(path, &error),
                    });
                }
            }
        }
        reader
    }

    fn read_file(&mut self, path: &Path, bytes: &[u8], is_included: bool) {
        let outer = std::mem::take(&mut self.current);
        let outer_place = self.place.clone();
        self.current.is_included = is_included;
        let file: Arc<Path> = path.into();
        self.place = Place {
            file: Arc::clone(&file),
            line: 0,
        };
        let (lines, flaw) = syntax::lines(bytes);
        for line in lines {
            self.place.line = line.number;
            self.read_line(line);
        }
        if let Some(flaw) = flaw {
            self.place.line = flaw.line;
            self.error(None, flaw.message.to_owned());
        }
        self.current = outer;
        self.place = outer_place;
    }

    fn read_line(&mut self, line: Line<'_>) {
        // Some names are of the writer's choice, and messages repeat them.
        let row = std::str::from_utf8(line.keyword)
            .ok()
            .filter(|name| shown(name.as_bytes()) == *name)
            .and_then(|name| Some((name, options::find(name)?)));
        let Some((name, row)) = row else {
            self.unknown(line.keyword);
            return;
        };
        let value = Value::new(name, line.rest);
        match self.apply(row, &value) {
            Ok(()) => self.tell_status(row, &value),
            Err(Fault::Value(wrong)) => {
                self.error(Some(name), format!("{wrong}; allowed is {}", row.allowed()));
            }
            Err(Fault::Other(wrong)) => self.error(Some(name), wrong),
        }
    }

    /// Gives the value to whom it belongs, if it may stand here.
    fn apply(&mut self, row: &'static ConfigOption, value: &Value<'_>) -> Result<(), Fault> {
        let owner = self.owner(row, value)?;
        if row.repeat == Repeat::IsError
            && let Some(first) = self.seen.get(&(owner, row.name))
        {
            return Err(Fault::Other(format!(
                "Duplicate '{}' value in configuration, first given at {first} \
                 (remove one)",
                value.option()
            )));
        }
        self.seen.insert((owner, row.name), self.place.clone());
        self.is_security_seen |= matches!(row.scope, Scope::Security(_));
        let mut warnings = Vec::new();
        let draft = &mut self.draft;
        let result = match (&row.scope, owner) {
            (Scope::Reader(_, read), _) => read(self, value),
            (Scope::Broker(setter), _) => setter.set(&mut draft.globals, value, &mut warnings),
            (Scope::Plugin(setter), Owner::Plugin(index)) => {
                let plugin = draft.plugins.get_mut(index);
                plugin.map_or(Ok(()), |owner| setter.set(owner, value, &mut warnings))
            }
            (Scope::Security(setter), Owner::Listener(index)) => {
                let listener = draft
                    .listeners
                    .get_mut(index)
                    .map(|d| &mut d.listener.security);
                listener.map_or(Ok(()), |owner| setter.set(owner, value, &mut warnings))
            }
            (Scope::Security(setter), _) => setter.set(&mut draft.security, value, &mut warnings),
            (Scope::Listener(_, setter), Owner::Listener(index)) => {
                let listener = draft.listeners.get_mut(index);
                listener.map_or(Ok(()), |owner| setter.set(owner, value, &mut warnings))
            }
            (Scope::Bridge(setter), Owner::Bridge(index)) => {
                let bridge = draft.bridges.get_mut(index);
                bridge.map_or(Ok(()), |owner| setter.set(owner, value, &mut warnings))
            }
            // `owner` gives these scopes no other owner.
            (Scope::Listener(..) | Scope::Bridge(_) | Scope::Plugin(_), _) => Ok(()),
        };
        for warning in warnings {
            let text = format!("{}: option \"{}\": {warning}", self.place, value.option());
            self.notice(Level::Warning, text);
        }
        result
    }

    /// Whose option this is here; an error if it needs somebody who is not there.
    fn owner(&mut self, row: &ConfigOption, value: &Value<'_>) -> Result<Owner, Fault> {
        let name = value.option();
        let listener = self.current.listener;
        match &row.scope {
            Scope::Broker(_) | Scope::Reader(..) => Ok(Owner::Broker),
            Scope::Security(_) if !self.draft.globals.start.per_listener_settings => {
                Ok(Owner::Broker)
            }
            Scope::Security(_) | Scope::Listener(Needs::Any, _) => listener
                .map(Owner::Listener)
                .ok_or_else(|| needs(name, "a listener")),
            Scope::Listener(Needs::Explicit, _) => listener
                .filter(|_| listener != self.draft.default_listener)
                .map(Owner::Listener)
                .ok_or_else(|| needs(name, "a listener")),
            Scope::Listener(Needs::OrDefault, _) => {
                if listener.is_none() {
                    self.notice(
                        Level::Notice,
                        format!("Creating default listener due to '{name}' option."),
                    );
                    self.notice(
                        Level::Notice,
                        format!(
                            "It is best practice to define a 'listener' first. Using the '{name}' \
                             option without a listener will be disabled in the future."
                        ),
                    );
                    self.select_default_listener();
                }
                self.current
                    .listener
                    .map(Owner::Listener)
                    .ok_or_else(|| needs(name, "a listener"))
            }
            Scope::Bridge(_) => self
                .current
                .bridge
                .map(Owner::Bridge)
                .ok_or_else(|| needs(name, "a bridge")),
            Scope::Plugin(_) => self
                .current
                .plugin
                .map(Owner::Plugin)
                .ok_or_else(|| needs(name, "plugin/global_plugin/plugin_load")),
        }
    }

    /// Says whether an option that was read well works, and what its row says on each use.
    fn tell_status(&mut self, row: &'static ConfigOption, value: &Value<'_>) {
        let (status, word) = row.status_of(value);
        let name = value.option();
        let shown = if word.is_empty() {
            name.to_owned()
        } else {
            format!("{name} {word}")
        };
        let place = &self.place;
        let said = match status {
            Status::Refuses(reason) => {
                self.error(Some(name), reason.to_owned());
                None
            }
            Status::NoEffectYet(why) => Some((
                Level::Warning,
                format!("{place}: option \"{shown}\" has no effect yet: {why}"),
            )),
            Status::NotNeeded(why) => Some((
                Level::Notice,
                format!("{place}: option \"{shown}\" has no effect: {why}"),
            )),
            Status::Gone(text) => Some((Level::Warning, text.to_owned())),
            // `status_of` has decided which of these it is.
            Status::RefusesUnless(..) | Status::By(_) | Status::Works | Status::AsItsOwner => None,
        };
        self.tell_per_listener_anonymity(row);
        if said.is_none() && row.notice.is_none() || !self.noticed.insert((row.name, word)) {
            return;
        }
        if let Some(text) = row.notice {
            self.notice(Level::Notice, text.to_owned());
        }
        if let Some((level, text)) = said {
            self.notice(level, text);
        }
    }

    /// Mosquitto's advice on the one option that has got a successor for this mode.
    fn tell_per_listener_anonymity(&mut self, row: &'static ConfigOption) {
        const OPTION: &str = "allow_anonymous";
        let is_per_listener = self.draft.globals.start.per_listener_settings;
        if row.name == OPTION && is_per_listener && self.noticed.insert((OPTION, "")) {
            let text = "You are using the 'allow_anonymous' option with 'per_listener_settings \
                        true'. Please replace this with 'listener_allow_anonymous'.";
            self.notice(Level::Notice, text.to_owned());
        }
    }

    fn unknown(&mut self, keyword: &[u8]) {
        if self.errors.is_full() {
            // It will only be counted; the search for the nearest name is not for free.
            self.error(None, String::new());
            return;
        }
        let name = shown(keyword);
        let hint = syntax::misspelling(keyword, |name| options::find(name).is_some())
            .or_else(|| options::nearest(&name).map(|near| format!("did you mean \"{near}\"?")))
            .unwrap_or_else(|| "remove the line; --explain all lists the options".to_owned());
        let message = format!("Unknown configuration variable '{name}' ({hint})");
        self.error(Some(&name), message);
    }

    pub(super) fn error(&mut self, option: Option<&str>, message: String) {
        let place = Some(self.place.clone());
        self.errors.push(ConfigError {
            place,
            option: option.map(str::to_owned),
            message,
        });
    }

    pub(super) fn notice(&mut self, level: Level, text: String) {
        self.notices.push(Notice {
            level,
            text,
            place: Some(self.place.clone()),
        });
    }

    /// A notice about the configuration as a whole.
    pub(super) fn notice_whole(&mut self, level: Level, text: &str) {
        self.notices.push(Notice {
            level,
            text: text.to_owned(),
            place: None,
        });
    }

    /// This listener is what the options that follow belong to.
    pub(super) fn begin_listener(&mut self, listener: ListenerDraft) -> usize {
        let index = self.draft.listeners.len();
        self.draft.listeners.push(listener);
        self.current.listener = Some(index);
        index
    }

    /// `include_dir`: reads all that ends in `.conf`, in Mosquitto's order.
    pub(super) fn include_directory(&mut self, value: &Value<'_>) -> Result<(), Fault> {
        if self.current.is_included {
            return Err(Fault::other(
                "The include_dir option is only valid in the main configuration file",
            ));
        }
        let directory = Path::new(value.text(super::values::TEXT_BYTES_MAX)?);
        let mut names = self.files.list(directory).map_err(|error| {
            Fault::Other(format!(
                "Unable to open include_dir '{}': {error}",
                directory.display()
            ))
        })?;
        names.retain(|name| is_config_name(name));
        names.sort_by_cached_key(sort_key);
        for name in names {
            let path = directory.join(name);
            self.notice(
                Level::Information,
                format!("Loading config file '{}'", path.display()),
            );
            match self.files.read(&path) {
                Ok(bytes) => self.read_file(&path, &bytes, true),
                Err(error) => self.error(Some(value.option()), unreadable(&path, &error)),
            }
        }
        Ok(())
    }
}

fn needs(option: &str, what: &str) -> Fault {
    Fault::Other(format!(
        "The '{option}' option requires {what} to be defined first"
    ))
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    let path = shown(path.as_os_str().as_encoded_bytes());
    if error.kind() == io::ErrorKind::IsADirectory {
        format!("Config file '{path}' is a directory")
    } else {
        format!("Unable to open config file '{path}': {error}")
    }
}

/// More than five bytes that end in `.conf`.
fn is_config_name(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.len() > 5 && name.ends_with(b".conf")
}

/// Byte by byte, without regard to case first, and then upper case before lower.
fn sort_key(name: &OsString) -> Vec<(u8, u8)> {
    name.as_encoded_bytes()
        .iter()
        .map(|byte| (byte.to_ascii_uppercase(), *byte))
        .collect()
}
