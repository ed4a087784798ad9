//! The log: whoever has something to say appends a line to a bounded buffer, one thread writes.
//!
//! Telling never waits for a disk or a terminal. When the buffer is full lines are dropped and
//! counted, and a line says how many. Until [`Log::configure`] lines go straight to the standard
//! error stream.

use std::fmt;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use mqtt_session::time::UnixTime;

use super::destinations::{Destinations, LogFileError, Outputs};
use super::level::{Level, Levels};
use super::line::append_line;
use super::timestamp::{Stamp, Timestamp};
use crate::config;
use crate::runtime::Clock;

/// Bytes of lines that may wait to be written; about 5000 lines.
const BUFFER_BYTES_MAX: usize = 512 * 1024;
/// A buffer that grew beyond this is given back once it was written.
const BUFFER_BYTES_KEPT: usize = 64 * 1024;
/// Lines that come so soon after each other are written together. A wake-up for each line of a crowd
/// of clients that comes or goes cost as much as serving them.
const GATHERING: Duration = Duration::from_millis(2);
/// How long the end of the broker waits for a destination that does not take its last lines.
const LAST_LINES_WAIT: Duration = Duration::from_secs(2);

/// What is logged, how and where. The default is what holds before the configuration is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Kinds of lines.
    pub levels: Levels,
    /// Whether clients that come and go are mentioned.
    pub connection_messages: bool,
    /// How each line begins.
    pub timestamp: Timestamp,
    /// Where lines go.
    pub destinations: Destinations,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            levels: Levels::DEFAULT,
            connection_messages: true,
            timestamp: Timestamp::default(),
            destinations: Destinations {
                stderr: true,
                ..Destinations::default()
            },
        }
    }
}

impl From<&config::Log> for LogSettings {
    fn from(log: &config::Log) -> Self {
        let timestamp = match &log.timestamp_format {
            _ if !log.timestamp => Timestamp::None,
            None => Timestamp::EpochSeconds,
            Some(format) => Timestamp::Format(format.as_str().into()),
        };
        Self {
            levels: Levels::from(log.types),
            connection_messages: log.connection_messages,
            timestamp,
            destinations: Destinations {
                stdout: log.stdout,
                stderr: log.stderr,
                file: log.file.clone(),
            },
        }
    }
}

/// The log of a broker. Clones write to the same one.
#[derive(Clone, Debug)]
pub struct Log(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// The time, for the beginning of each line.
    clock: Clock,
    /// [`Levels`], so that a line which nobody wants costs one load.
    levels: AtomicU8,
    connection_messages: AtomicBool,
    state: Mutex<State>,
    /// Told when the writer has something to do.
    work: Condvar,
    /// Told when the writer has ended.
    ended: Condvar,
}

#[derive(Debug)]
struct State {
    writer: Writer,
    stamp: Stamp,
    /// Lines that are not written yet.
    buffer: Vec<u8>,
    /// Lines that found the buffer full.
    dropped: u64,
    /// What is to be opened anew, and how many bytes of the buffer still belong to the old.
    replaced: Option<(usize, Outputs)>,
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    /// It is written at once: there is no thread yet, or no longer.
    None,
    /// The thread is told.
    Running,
    /// The thread writes what is there and ends.
    Ending,
}

impl Log {
    /// A log that writes to the standard error stream at once. `clock` says what time
    /// it is.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let settings = LogSettings::default();
        Self(Arc::new(Shared {
            clock,
            levels: AtomicU8::new(settings.levels.bits()),
            connection_messages: AtomicBool::new(settings.connection_messages),
            state: Mutex::new(State {
                writer: Writer::None,
                stamp: Stamp::new(settings.timestamp),
                buffer: Vec::new(),
                dropped: 0,
                replaced: None,
            }),
            work: Condvar::new(),
            ended: Condvar::new(),
        }))
    }

    /// Takes settings over, opens the destinations, and starts the writer when it is called for the
    /// first time. Called again it opens a log file anew, as after a rotation; lines told before
    /// go to the old one.
    ///
    /// # Errors
    /// The log file cannot be opened. Then errors alone are logged, to the standard error stream.
    pub fn configure(
        &self,
        settings: &LogSettings,
        allow_symlinks: bool,
    ) -> Result<(), LogFileError> {
        match Outputs::open(&settings.destinations, allow_symlinks) {
            Ok((outputs, warnings)) => {
                self.take_over(settings, outputs);
                for warning in warnings {
                    self.tell(Level::Information, format_args!("{warning}"));
                }
                Ok(())
            }
            Err(error) => {
                let levels = Levels::NONE.with(Level::Error);
                self.take_over(
                    &LogSettings {
                        levels,
                        ..settings.clone()
                    },
                    Outputs::stderr(),
                );
                self.tell(Level::Error, format_args!("{error}"));
                Err(error)
            }
        }
    }

    fn take_over(&self, settings: &LogSettings, outputs: Outputs) {
        let mut state = self.0.lock();
        // With nowhere to go no line is made in the first place.
        let levels = if outputs.is_empty() {
            Levels::NONE
        } else {
            settings.levels
        };
        self.0.levels.store(levels.bits(), Ordering::Relaxed);
        self.0
            .connection_messages
            .store(settings.connection_messages, Ordering::Relaxed);
        state.stamp = Stamp::new(settings.timestamp.clone());
        if state.writer == Writer::None {
            let shared = Arc::clone(&self.0);
            let write = move || shared.write_until_the_end(outputs);
            match thread::Builder::new().name("log".into()).spawn(write) {
                Ok(_) => state.writer = Writer::Running,
                Err(error) => {
                    drop(state);
                    self.tell(
                        Level::Error,
                        format_args!("Error: Unable to start the log writer: {error}."),
                    );
                }
            }
        } else {
            let old = state
                .replaced
                .take()
                .map_or(state.buffer.len(), |(old, _)| old);
            state.replaced = Some((old, outputs));
            self.0.work.notify_one();
        }
    }

    /// Appends a line. Text of peers in it has to be [`Escaped`](super::escape::Escaped).
    pub fn tell(&self, level: Level, text: fmt::Arguments<'_>) {
        if self.wants(level) {
            self.0.append(text);
        }
    }

    /// Appends a line about a client that comes or goes; `connection_messages false` drops it.
    pub fn tell_connection(&self, level: Level, text: fmt::Arguments<'_>) {
        if self.wants(level) && self.0.connection_messages.load(Ordering::Relaxed) {
            self.0.append(text);
        }
    }

    /// Whether lines of this kind are written at all.
    #[must_use]
    pub fn wants(&self, level: Level) -> bool {
        Levels::from_bits(self.0.levels.load(Ordering::Relaxed)).contains(level)
    }

    /// Writes what is there and ends the writer, unless a destination takes nothing for two
    /// seconds. Lines that come later go to the standard error stream.
    pub fn close(&self) {
        let mut state = self.0.lock();
        if state.writer != Writer::Running {
            return;
        }
        state.writer = Writer::Ending;
        self.0.work.notify_one();
        let waiting = |state: &mut State| state.writer == Writer::Ending;
        let waited = self
            .0
            .ended
            .wait_timeout_while(state, LAST_LINES_WAIT, waiting);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Shared {
    /// A panic while a line was formatted leaves at worst half a line.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, text: fmt::Arguments<'_>) {
        let now = self.clock.now().unix;
        let mut state = self.lock();
        let State {
            writer,
            stamp,
            buffer,
            dropped,
            ..
        } = &mut *state;
        if *writer == Writer::None {
            let mut line = Vec::new();
            append_line(&mut line, stamp.at(now), text);
            // With the standard error stream gone there is nobody to tell.
            drop(std::io::stderr().lock().write_all(&line));
        } else if buffer.len() >= BUFFER_BYTES_MAX {
            *dropped += 1;
        } else {
            if buffer.is_empty() {
                self.work.notify_one();
            }
            append_line(buffer, stamp.at(now), text);
        }
    }

    /// The writer's thread.
    fn write_until_the_end(&self, mut outputs: Outputs) {
        let mut batch = Vec::new();
        loop {
            let mut state = self.lock();
            while state.buffer.is_empty()
                && state.replaced.is_none()
                && state.writer == Writer::Running
            {
                state = self
                    .work
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            let gathering =
                |state: &mut State| state.writer == Writer::Running && state.replaced.is_none();
            let gathered = self.work.wait_timeout_while(state, GATHERING, gathering);
            let (mut state, _) = gathered.unwrap_or_else(PoisonError::into_inner);
            state.say_what_was_dropped(self.clock.now().unix);
            std::mem::swap(&mut batch, &mut state.buffer);
            let replaced = state.replaced.take();
            if batch.is_empty() && replaced.is_none() {
                state.writer = Writer::None;
                self.ended.notify_all();
                return;
            }
            drop(state);
            write_batch(&mut outputs, &batch, replaced);
            batch.clear();
            batch.shrink_to(BUFFER_BYTES_KEPT);
        }
    }
}

impl State {
    fn say_what_was_dropped(&mut self, now: UnixTime) {
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            let text = format_args!("Warning: {dropped} log lines were dropped.");
            append_line(&mut self.buffer, self.stamp.at(now), text);
        }
    }
}

fn write_batch(outputs: &mut Outputs, batch: &[u8], replaced: Option<(usize, Outputs)>) {
    let mut rest = batch;
    if let Some((old_bytes, new)) = replaced {
        let (old, young) = batch.split_at_checked(old_bytes).unwrap_or((batch, &[]));
        outputs.write(old);
        *outputs = new;
        rest = young;
    }
    outputs.write(rest);
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn log() -> Log {
        Log::new(Clock::start())
    }

    /// A log that keeps what it is told.
    pub(crate) fn keeping(levels: Levels, connection_messages: bool) -> Log {
        let log = log();
        log.0.levels.store(levels.bits(), Ordering::Relaxed);
        log.0
            .connection_messages
            .store(connection_messages, Ordering::Relaxed);
        log.0.lock().stamp = Stamp::new(Timestamp::None);
        log.0.lock().writer = Writer::Running; // and nobody writes
        log
    }

    /// The lines it was told since the last call.
    pub(crate) fn kept(log: &Log) -> Vec<String> {
        let lines = std::mem::take(&mut log.0.lock().buffer);
        String::from_utf8(lines)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    fn to_file(path: &Path) -> LogSettings {
        let file = Some(path.to_path_buf());
        LogSettings {
            timestamp: Timestamp::None,
            destinations: Destinations {
                file,
                ..Destinations::default()
            },
            ..LogSettings::default()
        }
    }

    #[test]
    fn lines_of_the_chosen_kinds_are_in_the_file_when_the_log_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = log();
        let settings = LogSettings {
            connection_messages: false,
            ..to_file(&path)
        };
        log.configure(&settings, false).unwrap();
        log.tell(Level::Notice, format_args!("one"));
        log.tell(Level::Debug, format_args!("two"));
        log.tell_connection(Level::Notice, format_args!("three"));
        log.tell(Level::Error, format_args!("four"));
        log.close();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\nfour\n");
    }

    #[test]
    fn after_a_rotation_later_lines_go_to_the_new_file_and_no_line_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let (path, rotated) = (folder.path().join("log"), folder.path().join("log.1"));
        let log = log();
        log.configure(&to_file(&path), false).unwrap();
        for n in 0..1000 {
            log.tell(Level::Notice, format_args!("old {n}"));
        }
        fs::rename(&path, &rotated).unwrap();
        log.configure(&to_file(&path), false).unwrap();
        log.tell(Level::Notice, format_args!("new"));
        log.close();
        let old = fs::read_to_string(&rotated).unwrap();
        assert_eq!(old.lines().count(), 1000);
        assert!(old.ends_with("old 999\n"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
    }

    #[test]
    fn a_log_file_that_cannot_be_opened_leaves_errors_on_the_standard_error_stream() {
        let log = log();
        let error = log
            .configure(&to_file(Path::new("/nowhere/log")), false)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "Error: Unable to open log file /nowhere/log for writing."
        );
        assert!(log.wants(Level::Error) && !log.wants(Level::Warning));
        log.close();
    }

    #[test]
    fn a_full_buffer_drops_lines_and_says_how_many() {
        let log = keeping(Levels::ALL, true);
        let text = "x".repeat(900);
        let mut told = 0;
        while log.0.lock().dropped < 7 {
            log.tell(Level::Notice, format_args!("{text}"));
            told += 1;
        }
        let mut state = log.0.lock();
        assert!(state.buffer.len() < BUFFER_BYTES_MAX + 1000);
        state.say_what_was_dropped(UnixTime::default());
        let lines = String::from_utf8(state.buffer.clone()).unwrap();
        assert_eq!(lines.lines().count(), told - 7 + 1);
        assert!(lines.ends_with("\nWarning: 7 log lines were dropped.\n"));
    }

    #[test]
    fn closing_twice_or_before_it_was_configured_is_nothing() {
        let log = log();
        log.close();
        log.configure(&LogSettings::default(), false).unwrap();
        log.close();
        log.close();
    }
}
