//! After a broker that did not end in order its store is read through, a little at a time, beside the
//! one that runs now: a start does not wait for it, and damage is not found first when it matters.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::observe::{Level, Log};
use crate::store::recovery::{is_damage, note_damage};
use crate::store::tools::Reading;

/// Between two looks: so that nobody feels it, on an SD card neither.
const PAUSE: Duration = Duration::from_millis(5);
/// Damaged rows that are named; the others are counted.
const NAMED_MAX: u64 = 100;

/// A check under way. Dropped, it ends.
#[derive(Debug)]
pub struct StoreCheck {
    /// Hanging up says that it has to end.
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl StoreCheck {
    /// Starts it.
    ///
    /// # Errors
    /// There is no thread left.
    pub fn start(file: PathBuf, log: Log) -> io::Result<Self> {
        let (stop, stopped) = sync_channel(0);
        let builder = Builder::new().name("store check".to_owned());
        let thread = builder.spawn(move || look(&file, &log, &stopped))?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for StoreCheck {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It only looks; whatever happened to it, the store is as it was.
            let _ = thread.join();
        }
    }
}

fn look(file: &Path, log: &Log, stopped: &Receiver<()>) {
    let reading = match Reading::open(file) {
        Ok(reading) => reading,
        Err(error) => {
            let text = format_args!("Warning: The store cannot be read through: {error}.");
            log.tell(Level::Warning, text);
            return;
        }
    };
    let mut inspector = reading.inspector();
    let mut damaged = 0;
    loop {
        match inspector.next_rows() {
            Ok(None) => break,
            Ok(Some(names)) => {
                for name in names {
                    damaged += 1;
                    if damaged <= NAMED_MAX {
                        let text = format_args!("Error: {name} is damaged in the store.");
                        log.tell(Level::Error, text);
                    }
                }
            }
            Err(error) => return tell_error(file, &error, log),
        }
        if stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
    let rows = inspector.rows;
    let text = format_args!(
        "The broker had not ended in order, so the store was read through: {rows} rows, {damaged} of \
         them damaged."
    );
    log.tell(Level::Information, text);
}

fn tell_error(file: &Path, error: &rusqlite::Error, log: &Log) {
    let text = format_args!("Error: The store cannot be read through: {error}.");
    log.tell(Level::Error, text);
    if !is_damage(error) {
        return;
    }
    match note_damage(file, error) {
        Ok(()) => {
            let text = format_args!("The next start of the broker saves what can be read of it.");
            log.tell(Level::Error, text);
        }
        Err(error) => {
            let text =
                format_args!("Error: It cannot be noted that the store is damaged: {error}.");
            log.tell(Level::Error, text);
        }
    }
}
