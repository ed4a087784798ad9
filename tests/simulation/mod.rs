//! Simulated worlds: the real engine in several shards, the real client state machine, a network that
//! delays, splits and breaks, a store that is late and forgets, and a clock that jumps. Everything is
//! drawn from a seed, and the same seed makes the same world on every machine.
//!
//! After every step, and once all is quiet in the end, an account of what clients did and heard (the
//! `model`) is compared with what has to be true. Read `world.rs` first.

#![expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "worlds are small, and a wrong index is a failure that names its seed"
)]

mod acts;
mod broker;
mod broker_life;
mod client;
mod dice;
mod end;
mod happenings;
mod hearing;
mod model;
mod network;
mod passing;
mod payload;
mod plan;
mod requests;
mod sent;
mod sockets;
mod store;
mod topics;
mod trace;
mod trouble;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::{fmt, io};

use tempfile::TempDir;

use store::{Real, Store};
pub use trace::Counts;
use world::World;

/// What was run.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// What everything is drawn from.
    pub seed: u64,
    /// Steps before the end, in which all come to rest.
    pub steps: u64,
    /// The broker has the real store, on a disk that fails, and not a stand-in or none.
    pub real_store: bool,
    /// Writes all that happens to standard output.
    pub trace: bool,
}

/// A world in which all was as it has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What happened in it.
    pub counts: Counts,
    /// Stands for all that happened.
    pub hash: u64,
}

/// A world in which something was not as it has to be.
#[derive(Clone, Debug)]
pub struct Failure {
    run: Run,
    step: u64,
    what: String,
    /// Where the files of the store are.
    files: Option<PathBuf>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Run {
            seed,
            steps,
            real_store,
            ..
        } = self.run;
        let store = if real_store { " --real-store" } else { "" };
        write!(
            f,
            "seed {seed}, step {} of {steps}: {}\n  cargo run --release -p mqtt-tests --bin simulate \
             -- --seed {seed} --steps {steps}{store} --trace",
            self.step, self.what
        )?;
        match &self.files {
            Some(files) => write!(f, "\n  files of the store: {}", files.display()),
            None => Ok(()),
        }
    }
}

/// Runs a world.
///
/// # Errors
/// [`Failure`] says what was not as it has to be.
pub fn run(run: Run) -> Result<Outcome, Failure> {
    let mut step = 0;
    let folder = run
        .real_store
        .then(|| folder().expect("a temporary folder"));
    let result = catch_unwind(AssertUnwindSafe(|| {
        let store = folder
            .as_ref()
            .map(|folder| -> Box<dyn Store> { Box::new(Real::new(folder.path(), run.seed)) });
        let mut world = World::new(run.seed, run.trace, store);
        while step < run.steps {
            step += 1;
            world.step()?;
        }
        step += 1;
        world.end()?;
        Ok(world.outcome(run.steps))
    }));
    let fail = |what| Failure {
        run,
        step,
        what,
        files: folder.map(TempDir::keep),
    };
    match result {
        Ok(Ok(outcome)) => Ok(outcome),
        Ok(Err(what)) => Err(fail(what)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(fail(format!("panic: {}", text.unwrap_or_default())))
        }
    }
}

/// A folder for the files of a store: in memory, where there is such a place.
fn folder() -> io::Result<TempDir> {
    tempfile::Builder::new()
        .prefix("mqtt-simulation-")
        .tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
}
