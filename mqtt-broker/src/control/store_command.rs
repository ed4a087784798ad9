//! What `mqtt-broker store` does, for people: what it says, and with which exit code it ends.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use mqtt_session::time::UnixTime;

use super::opening::{Mosquitto, lock, prepare_folder, reason, refuse_others};
use crate::observe::describe;
use crate::store::database::Database;
use crate::store::recovery::{Look, MakeError, Start, look};
use crate::store::tools::{self, Form, ImportError, Reading, ReadingError};
use crate::store::{Sync, mosquitto};

/// What the commands are done with.
#[derive(Clone, Debug)]
pub struct StoreTool {
    file: PathBuf,
    now: UnixTime,
}

/// A command failed.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", file.display())]
pub struct StoreCommandError {
    /// The file that it was about.
    pub file: PathBuf,
    /// Why, and what to do.
    pub reason: String,
    /// With which code the program ends.
    pub exit_code: u8,
}

/// Exit code of a command that failed, and of `check` for a store that is damaged.
const FAILED: u8 = 1;
/// Exit code of `check` for what cannot be read.
const UNREADABLE: u8 = 2;

/// What a database of SQLite begins with.
const SQLITE: &[u8] = b"SQLite format 3\0";

/// What can be imported.
#[derive(Clone, Copy, Debug)]
enum Format {
    /// Lines of an export.
    Lines,
    /// A `mosquitto.db`, or the database of Mosquitto's plugin.
    Mosquitto,
}

type Done = Result<u8, StoreCommandError>;

impl StoreTool {
    /// For the store in this file.
    #[must_use]
    pub fn new(file: PathBuf, now: UnixTime) -> Self {
        Self { file, now }
    }

    /// Reads all of the store and says what is damaged: 0 if nothing is, 1 if something is, 2 if it
    /// cannot be read.
    ///
    /// # Errors
    /// It is damaged so much, or is no store.
    pub fn check(&self, out: &mut impl Write) -> Done {
        let reading = self.read().map_err(|error| self.unreadable(&error))?;
        let in_use = reading.is_in_use;
        let findings = tools::check(&reading);
        let ended = reading.end();
        ended.map_err(|error| self.unreadable(&error))?;
        let say = |out: &mut dyn Write| {
            for line in &findings.notes {
                writeln!(out, "{line}")?;
            }
            for line in &findings.lines {
                writeln!(out, "{line}")?;
            }
            let unnamed = findings.count - findings.lines.len() as u64;
            if unnamed > 0 {
                writeln!(out, "And {unnamed} more.")?;
            }
            if findings.count > 0 {
                let file = self.file.display();
                writeln!(
                    out,
                    "{file} is damaged; \"mqtt-broker store repair\" saves what can be read."
                )
            } else {
                let note = if in_use { " (a broker uses it)" } else { "" };
                let rows = findings.rows;
                writeln!(out, "{} is sound: {rows} rows{note}.", self.file.display())
            }
        };
        said(say(out)).map_err(|error| self.failed(&describe(&error)))?;
        Ok(if findings.count > 0 { FAILED } else { 0 })
    }

    /// Says how much stands in the store.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn stats(&self, out: &mut impl Write) -> Done {
        let reading = self.read().map_err(|error| self.failed(&error))?;
        let stats = tools::stats(&reading).map_err(|error| self.failed(&error))?;
        let ended = reading.end();
        ended.map_err(|error| self.failed(&error))?;
        let say = |out: &mut dyn Write| {
            let (file, journal) = stats.bytes;
            writeln!(
                out,
                "{} (made by {})",
                self.file.display(),
                stats.created_by
            )?;
            writeln!(
                out,
                "{file} bytes, {} of them free; journal {journal} bytes",
                stats.free_bytes
            )?;
            for (what, count) in &stats.counts {
                writeln!(out, "{count:>10} {what}")?;
            }
            if !stats.queues.is_empty() {
                writeln!(out, "Most waits for:")?;
            }
            for queue in &stats.queues {
                let (messages, bytes) = (queue.messages, queue.bytes);
                writeln!(
                    out,
                    "{messages:>10} messages, {bytes} bytes: {}",
                    queue.client
                )?;
            }
            if let Some((published, topic)) = &stats.oldest {
                writeln!(
                    out,
                    "The oldest message is of {}, to {topic}",
                    date(*published)
                )?;
            }
            Ok(())
        };
        said(say(out)).map_err(|error| self.failed(&describe(&error)))?;
        Ok(0)
    }

    /// Writes everything as lines of JSON, for people.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn dump(&self, out: &mut impl Write) -> Done {
        self.write_lines(Form::Dump, out)
    }

    /// Writes everything as lines of JSON that can be imported: into a file, which appears when it is
    /// whole, or to `out`.
    ///
    /// # Errors
    /// The store cannot be read, or the file not be written.
    pub fn export(&self, to: Option<&Path>, out: &mut impl Write) -> Done {
        let Some(to) = to else {
            return self.write_lines(Form::Portable, out);
        };
        whole_file(to, |file| self.write_lines(Form::Portable, file))
    }

    /// Writes everything that Mosquitto can keep as a `mosquitto.db`, which appears when it is whole.
    ///
    /// # Errors
    /// The store is in use or cannot be read, or the file not be written.
    pub fn export_mosquitto(&self, to: &Path, out: &mut impl Write) -> Done {
        let (_lock, sync) = self.lock_existing()?;
        let prepared = self.start(sync).prepare();
        prepared.map_err(|error| self.failed(&reason(&error)))?;
        let opened = Database::open(&self.file, Sync::Full);
        let mut database = opened.map_err(|error| self.failed(&error))?;
        let counts = whole_file(to, |file| {
            let exported = mosquitto::export(&mut database, self.now, file);
            exported.map_err(|error| self.failed(&error))
        })?;
        let said_so = writeln!(out, "{}: {counts}.", to.display());
        said(said_so).map_err(|error| self.failed(&describe(&error)))?;
        Ok(0)
    }

    fn write_lines(&self, form: Form, out: &mut impl Write) -> Done {
        let reading = self.read().map_err(|error| self.failed(&error))?;
        let exported = match tools::export(&reading, form, out) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(0),
            exported => exported.map_err(|error| self.failed(&describe(&error)))?,
        };
        let ended = reading.end();
        ended.map_err(|error| self.failed(&error))?;
        if exported.damaged > 0 {
            let damaged = exported.damaged;
            return Err(self.failed(&format!("{damaged} rows are damaged and were left out")));
        }
        Ok(0)
    }

    /// Makes a store of the lines of an export, or of a store of Mosquitto.
    ///
    /// # Errors
    /// These cannot be read, the store is in use, or not empty.
    pub fn import(&self, from: &Path, out: &mut impl Write) -> Done {
        let about = |reason: String| StoreCommandError {
            file: from.to_owned(),
            reason,
            exit_code: FAILED,
        };
        let opened = File::open(from).map(|file| BufReader::with_capacity(1 << 16, file));
        let mut source = opened.map_err(|error| about(describe(&error)))?;
        let begin = source.fill_buf().map_err(|error| about(describe(&error)))?;
        let format = match begin {
            [b'{', ..] => Format::Lines,
            begin if begin.starts_with(mosquitto::MAGIC) => Format::Mosquitto,
            begin if begin.starts_with(SQLITE) => Format::Mosquitto,
            _ => {
                let text = "it is neither an export (\"mqtt-broker store export\") nor a store of Mosquitto";
                return Err(about(text.to_owned()));
            }
        };
        prepare_folder(&self.file).map_err(|reason| self.failed(&reason))?;
        let _lock = self.lock()?;
        let imported = match format {
            Format::Lines => {
                let lines = tools::import(source, &self.file).map_err(|error| match error {
                    ImportError::Make(MakeError::Io(error)) => self.failed(&describe(&error)),
                    error @ (ImportError::Make(_) | ImportError::Occupied(_)) => {
                        self.failed(&error)
                    }
                    error => about(error.to_string()),
                })?;
                format!("{lines} entries imported")
            }
            Format::Mosquitto => {
                let counts = mosquitto::import(from, &self.file, self.now);
                let counts = counts.map_err(|error| about(error.to_string()))?;
                format!("imported {counts}")
            }
        };
        let said_so = writeln!(out, "{}: {imported}.", self.file.display());
        said(said_so).map_err(|error| self.failed(&describe(&error)))?;
        Ok(0)
    }

    /// Takes over what Mosquitto kept in the store's place, or in the file of its plugin, as the first
    /// start of a broker would.
    ///
    /// # Errors
    /// It is in use, cannot be read, or there is nothing of Mosquitto.
    pub fn migrate(&self, plugin_file: Option<&Path>, out: &mut impl Write) -> Done {
        prepare_folder(&self.file).map_err(|reason| self.failed(&reason))?;
        refuse_others(&self.file, Mosquitto::TakenOver).map_err(|reason| self.failed(&reason))?;
        let _lock = lock(&self.file, None).map_err(|reason| self.failed(&reason))?;
        let taken = mosquitto::at_start(&self.file, plugin_file, self.now);
        let Some(taken) = taken.map_err(|error| self.failed(&error))? else {
            return Err(self.failed(&"there is no store of Mosquitto to take over"));
        };
        said(writeln!(out, "{taken}")).map_err(|error| self.failed(&describe(&error)))?;
        Ok(0)
    }

    /// Reads what can be read into a new file, and sets the old one aside.
    ///
    /// # Errors
    /// It is in use, is no store, or there is no room.
    pub fn repair(&self, out: &mut impl Write) -> Done {
        let (_lock, sync) = self.lock_existing()?;
        let report = self.start(sync).repair();
        let report = report.map_err(|error| self.failed(&reason(&error)))?;
        let said_so = report
            .lines()
            .iter()
            .try_for_each(|(_, line)| writeln!(out, "{line}"));
        said(said_so).map_err(|error| self.failed(&describe(&error)))?;
        Ok(0)
    }

    /// Writes the store anew without the room that nothing stands in.
    ///
    /// # Errors
    /// It is in use, is damaged or no store, or there is no room for a second file.
    pub fn compact(&self, out: &mut impl Write) -> Done {
        let (_lock, sync) = self.lock_existing()?;
        let prepared = self.start(sync).prepare();
        prepared.map_err(|error| self.failed(&reason(&error)))?;
        let (before, after) = tools::compact(&self.file).map_err(|error| self.failed(&error))?;
        let file = self.file.display();
        let said_so = writeln!(out, "{file}: {before} bytes before, {after} bytes now.");
        said(said_so).map_err(|error| self.failed(&describe(&error)))?;
        Ok(0)
    }

    fn start(&self, sync: Option<Sync>) -> Start<'_> {
        Start {
            file: &self.file,
            sync: Sync::Full,
            sync_before: sync.unwrap_or(Sync::Full),
            salvages: false,
            now: self.now,
        }
    }

    fn read(&self) -> Result<Reading, ReadingError> {
        Reading::open(&self.file)
    }

    /// The lock of a store that is there.
    fn lock_existing(&self) -> Result<(File, Option<Sync>), StoreCommandError> {
        match look(&self.file) {
            Ok(Look::Absent) => Err(self.failed(&ReadingError::Absent)),
            Ok(_) => self.lock(),
            Err(error) => Err(self.failed(&describe(&error))),
        }
    }

    /// The lock of a store that is there and ours, or of a new one.
    fn lock(&self) -> Result<(File, Option<Sync>), StoreCommandError> {
        refuse_others(&self.file, Mosquitto::Refused).map_err(|reason| self.failed(&reason))?;
        let locked = lock(&self.file, None);
        locked.map_err(|reason| self.failed(&reason))
    }

    fn failed(&self, reason: &dyn std::fmt::Display) -> StoreCommandError {
        StoreCommandError {
            file: self.file.clone(),
            reason: reason.to_string(),
            exit_code: FAILED,
        }
    }

    /// What `check` says of a store that it cannot read.
    fn unreadable(&self, error: &ReadingError) -> StoreCommandError {
        let exit_code = match error {
            ReadingError::Damaged(_) => FAILED,
            ReadingError::Sqlite(error) if crate::store::recovery::is_damage(error) => FAILED,
            _ => UNREADABLE,
        };
        StoreCommandError {
            exit_code,
            ..self.failed(error)
        }
    }
}

/// Writes a file that appears under its name when it is whole.
fn whole_file<T>(
    to: &Path,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> Result<T, StoreCommandError>,
) -> Result<T, StoreCommandError> {
    let about = |error: io::Error| StoreCommandError {
        file: to.to_owned(),
        reason: describe(&error),
        exit_code: FAILED,
    };
    let part = crate::store::recovery::beside(to, ".part");
    let made = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&part);
    let mut file = made.map_err(about)?;
    let mut buffered = BufWriter::new(&mut file);
    let written = write(&mut buffered)?;
    buffered.flush().map_err(about)?;
    drop(buffered);
    file.sync_all()
        .and_then(|()| std::fs::rename(&part, to))
        .map_err(about)?;
    Ok(written)
}

/// A reader that has gone away has seen enough.
fn said(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

fn date(time: UnixTime) -> String {
    let millis = i64::try_from(time.as_millis()).unwrap_or_default();
    let time: DateTime<Utc> = DateTime::from_timestamp_millis(millis).unwrap_or_default();
    time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}
